//! Distances that ecologists use for counts of species: Canberra and Bray–Curtis.

use super::fold;
use super::form::{Kind, Terms};
use super::{Distance, Form, Law, Metric, same_length};
use crate::{Scalar, lanes};

/// Canberra distance (Lance and Williams, 1966, <https://doi.org/10.1093/comjnl/9.1.60>).
///
/// ```text
/// d(a, b) = Σ |aᵢ − bᵢ| / (|aᵢ| + |bᵢ|)        0/0 counts 0
/// ```
/// In `[0, n]`. A [`Metric`], zero only for equal vectors. Each term rounds three times, the sum `n` times:
/// ```text
/// d(a, c) ≤ (d(a, b) + d(b, c)) (1 + (n + 6) ε)
/// ```
///
/// # Examples
///
/// ```
/// use metric_core::{Canberra, Distance};
/// // 2/4 + 0 + 1
/// assert_eq!(Canberra.distance(&[1.0f32, 0.0, 5.0], &[3.0, 0.0, -2.0]), 1.5);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Canberra;

/// Bray–Curtis dissimilarity (Bray and Curtis, 1957, <https://doi.org/10.2307/1942268>), for signed entries too.
///
/// ```text
/// d(a, b) = Σ |aᵢ − bᵢ| / Σ |aᵢ + bᵢ|          0/0 is 0
/// ```
/// In `[0, 1]` for entries of one sign. Otherwise without upper bound, and `∞` where every `aᵢ = −bᵢ ≠ 0`: opposite
/// vectors are farther than any others. Both sums have positive terms, so nothing cancels; the relative error is at
/// most `(n + 4) ε`.
///
/// Symmetric and 0 only for equal vectors, but not a [`Metric`]: with `(1, 0)`, `(1, 1)` and `(0, 1)`, `1 > 1/3 + 1/3`.
///
/// # Examples
///
/// ```
/// use metric_core::{BrayCurtis, Distance};
/// assert_eq!(BrayCurtis.distance(&[6.0f32, 7.0, 4.0], &[10.0, 0.0, 6.0]), 13.0 / 33.0);
/// ```
///
/// ```compile_fail,E0277
/// use metric_core::{BrayCurtis, Metric};
/// fn prune(_: impl Metric<f32>) {}
/// prune(BrayCurtis);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BrayCurtis;

impl<T: Scalar> Distance<T> for Canberra {
    #[inline]
    fn distance(&self, a: &[T], b: &[T]) -> T {
        same_length(a, b);
        let shares = lanes::sum(a, b, |x, y| {
            let size = x.abs() + y.abs();
            let share = (x - y).abs() / size;
            if size > T::ZERO { share } else { T::ZERO }
        });
        if shares.is_finite() {
            shares
        } else {
            large_canberra(a, b)
        }
    }
    fn law(&self) -> Law {
        Law::Metric
    }
    fn form(&self) -> Form<'_, T> {
        Form(Kind::Terms(Terms::Canberra))
    }
}

impl<T: Scalar> Metric<T> for Canberra {
    fn triangle_slack(&self, dim: usize) -> (f64, f64) {
        ((dim as f64 + 6.0) * T::EPSILON.to_f64(), 0.0)
    }
}

/// For entries whose sum leaves the range: both are halved there, which is exact.
#[cold]
fn large_canberra<T: Scalar>(a: &[T], b: &[T]) -> T {
    let half = T::from_f64(0.5);
    lanes::sum(a, b, |x, y| {
        let (x, y) = if (x.abs() + y.abs()).is_finite() {
            (x, y)
        } else {
            (x * half, y * half)
        };
        let size = x.abs() + y.abs();
        if size > T::ZERO {
            (x - y).abs() / size
        } else {
            T::ZERO
        }
    })
}

impl<T: Scalar> Distance<T> for BrayCurtis {
    #[inline]
    fn distance(&self, a: &[T], b: &[T]) -> T {
        same_length(a, b);
        // Two passes: one with both sums is slower.
        let apart = lanes::sum(a, b, |x, y| (x - y).abs());
        let together = lanes::sum(a, b, |x, y| (x + y).abs());
        if apart.is_finite() && together.is_finite() {
            ratio(apart, together)
        } else {
            large_bray_curtis(a, b)
        }
    }
}

fn ratio<T: Scalar>(apart: T, together: T) -> T {
    if apart > T::ZERO {
        apart / together
    } else {
        T::ZERO
    }
}

/// For sums that leave the range. Beside such a sum, what the factor takes to zero makes the ratio 0 or infinite.
#[cold]
fn large_bray_curtis<T: Scalar>(a: &[T], b: &[T]) -> T {
    let factor = 2.0f64.powi(-64);
    let apart = fold::sum(a, b, |x, y| (x * factor - y * factor).abs());
    let together = fold::sum(a, b, |x, y| (x * factor + y * factor).abs());
    T::from_f64(ratio(apart, together))
}
