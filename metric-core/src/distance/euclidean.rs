//! Euclidean distance and its square.

use super::form::{Kind, Map, Value};
use super::{Distance, Form, Law, Metric, same_length};
use crate::Scalar;
use crate::kernel::pair::pair;
use crate::kernel::term::SquaredDifference;

/// Euclidean distance.
///
/// ```text
/// d(a, b) = √ Σ (aᵢ − bᵢ)²
/// ```
/// A [`Metric`]. Computed on the differences, so nearness to each other costs no precision however far both are
/// from the origin. With unit roundoff `u = ε/2` a difference, its square, `n` additions and the root give
/// `d (1 + θ)` with `|θ| ≤ (n + 5) u / 2` to first order, hence
/// ```text
/// d(a, c) ≤ (d(a, b) + d(b, c)) (1 + (n + 6) ε)
/// ```
/// Zero only for equal vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Euclidean;

/// Squared Euclidean distance.
///
/// ```text
/// d(a, b) = Σ (aᵢ − bᵢ)²
/// ```
/// Not a [`Metric`]: with 0, 1 and 2 on a line, `4 > 1 + 1`. Zero for equal vectors, and for others where the true
/// value is below the least positive number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SquaredEuclidean;

// The root costs little beside the sum, and ranking by squares would tie where squares overflow or underflow:
// `rank` stays the distance itself.
impl<T: Scalar> Distance<T> for Euclidean {
    #[inline]
    fn distance(&self, a: &[T], b: &[T]) -> T {
        same_length(a, b);
        let squares = pair(SquaredDifference, a, b);
        if squares >= T::SAFE_SQUARES.0 && squares <= T::SAFE_SQUARES.1 {
            squares.sqrt()
        } else {
            let (scale, squares) = scaled_squares(a, b);
            // The product in `f64`: for `f32` neither factor alone decides whether the result is representable.
            T::from_f64(scale * squares.sqrt())
        }
    }
    fn law(&self) -> Law {
        Law::Metric
    }
    fn form(&self) -> Form<'_, T> {
        Form(Kind::Chords(Map::Identity, Value::Chord))
    }
}

impl<T: Scalar> Metric<T> for Euclidean {
    fn triangle_slack(&self, dim: usize) -> (f64, f64) {
        ((dim as f64 + 6.0) * T::EPSILON.to_f64(), 0.0)
    }
}

impl<T: Scalar> Distance<T> for SquaredEuclidean {
    #[inline]
    fn distance(&self, a: &[T], b: &[T]) -> T {
        same_length(a, b);
        let squares = pair(SquaredDifference, a, b);
        if squares >= T::SAFE_SQUARES.0 {
            return squares;
        }
        let (scale, squares) = scaled_squares(a, b);
        let root = scale * squares.sqrt();
        T::from_f64(root * root)
    }
    fn form(&self) -> Form<'_, T> {
        Form(Kind::Chords(Map::Identity, Value::Square))
    }
}

/// `(m, Σ ((aᵢ − bᵢ)/m)²)` with `m = max |aᵢ − bᵢ|`, in `f64`: nothing overflows, and only what is too small
/// to matter underflows.
#[cold]
fn scaled_squares<T: Scalar>(a: &[T], b: &[T]) -> (f64, f64) {
    let differences = || {
        a.iter()
            .zip(b)
            .map(|(x, y)| (x.to_f64() - y.to_f64()).abs())
    };
    let scale = differences().fold(0.0, f64::max);
    if scale > 0.0 && scale.is_finite() {
        (
            scale,
            differences().map(|d| (d / scale) * (d / scale)).sum(),
        )
    } else if scale.is_finite() {
        // Zero, or NaN, which the largest does not see.
        (1.0, differences().sum())
    } else {
        (scale, 1.0)
    }
}
