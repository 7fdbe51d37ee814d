//! Minkowski distances, Manhattan and Chebyshev among them.

use super::form::{Kind, Map, Terms, Value};
use super::{Distance, Euclidean, Form, Law, Metric, same_length};
use crate::kernel::pair::pair;
use crate::kernel::term::{Difference, LargestDifference, one};
use crate::{Error, Scalar, lanes};

/// Minkowski distance of order `p ≥ 1`.
///
/// ```text
/// d(a, b) = (Σ |aᵢ − bᵢ|ᵖ)^(1/p)        p = ∞: max |aᵢ − bᵢ|
/// ```
/// A [`Metric`]. `p = 1` is the Manhattan distance, `p = 2` the Euclidean, `p = ∞` Chebyshev's. Other orders
/// divide by the largest difference before the power, so that neither large nor small values leave the range.
/// The root shrinks the error of the power, which leaves at most `(n + 8) u` to first order:
/// ```text
/// d(a, c) ≤ (d(a, b) + d(b, c)) (1 + (n + 10) ε)
/// ```
///
/// # Examples
///
/// ```
/// use metric_core::{Distance, Minkowski};
/// let manhattan = Minkowski::new(1.0)?;
/// assert_eq!(manhattan.distance(&[0.0f32, 3.0], &[4.0, 0.0]), 7.0);
/// assert!(Minkowski::new(0.5).is_err()); // no triangle inequality
/// # Ok::<(), metric_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Minkowski {
    p: f64,
}

impl Minkowski {
    /// The distance of order `p`; `f64::INFINITY` is Chebyshev's.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidParam`] if `p` is NaN or below 1, where the triangle inequality fails.
    pub fn new(p: f64) -> Result<Self, Error> {
        if p >= 1.0 {
            Ok(Self { p })
        } else {
            Err(Error::InvalidParam {
                name: "p",
                expected: "at least 1",
                got: p,
            })
        }
    }

    /// The order.
    pub fn p(&self) -> f64 {
        self.p
    }
}

/// Beyond it most powers of scaled differences leave the range of `f32`.
const LARGEST_POWER: f64 = 8.0;

#[expect(clippy::float_cmp, reason = "special orders are exact values")]
impl<T: Scalar> Distance<T> for Minkowski {
    #[inline]
    fn distance(&self, a: &[T], b: &[T]) -> T {
        same_length(a, b);
        if self.p == 1.0 {
            pair(Difference(one()), a, b)
        } else if self.p == 2.0 {
            Euclidean.distance(a, b)
        } else {
            let scale = pair(LargestDifference(one()), a, b);
            if self.p == f64::INFINITY || scale == T::ZERO || !scale.is_finite() {
                return scale;
            }
            scale * scaled_sum(a, b, scale, self.p).powf(1.0 / self.p)
        }
    }
    fn law(&self) -> Law {
        Law::Metric
    }
    fn form(&self) -> Form<'_, T> {
        Form(if self.p == 1.0 {
            Kind::Manhattan
        } else if self.p == 2.0 {
            Kind::Chords(Map::Identity, Value::Chord)
        } else if self.p == f64::INFINITY {
            Kind::Terms(Terms::Chebyshev)
        } else if self.p <= LARGEST_POWER {
            Kind::Terms(Terms::Minkowski(T::from_f64(self.p)))
        } else {
            Kind::Pairs
        })
    }
}

impl<T: Scalar> Metric<T> for Minkowski {
    fn triangle_slack(&self, dim: usize) -> (f64, f64) {
        ((dim as f64 + 10.0) * T::EPSILON.to_f64(), 0.0)
    }
}

/// `Σ (|aᵢ − bᵢ| / scale)ᵖ`, between 1 and `n`.
#[expect(clippy::float_cmp, reason = "whole orders are exact values")]
fn scaled_sum<T: Scalar>(a: &[T], b: &[T], scale: T, p: f64) -> T {
    if p == p.trunc() && p <= 16.0 {
        let p = p as i32;
        lanes::sum(a, b, |x, y| ((x - y).abs() / scale).powi(p))
    } else {
        lanes::sum(a, b, |x, y| ((x - y).abs() / scale).powf(p))
    }
}
