//! The two Minkowski distances that need neither powers nor roots.

use super::{Distance, Law, Metric, same_length};
use crate::{Scalar, lanes};

/// Manhattan distance, [`Minkowski`](crate::Minkowski) of order 1.
///
/// ```text
/// d(a, b) = Σ |aᵢ − bᵢ|
/// ```
/// A [`Metric`], zero only for equal vectors. Each difference rounds once and the sum `n` times:
/// ```text
/// d(a, c) ≤ (d(a, b) + d(b, c)) (1 + (n + 2) ε)
/// ```
///
/// # Examples
///
/// ```
/// use metric_core::{Distance, Manhattan};
/// assert_eq!(Manhattan.distance(&[0.0f32, 3.0], &[4.0, 0.0]), 7.0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Manhattan;

/// Chebyshev distance, [`Minkowski`](crate::Minkowski) of order `∞`.
///
/// ```text
/// d(a, b) = max |aᵢ − bᵢ|
/// ```
/// A [`Metric`], zero only for equal vectors. Only the difference rounds:
/// ```text
/// d(a, c) ≤ (d(a, b) + d(b, c)) (1 + 2 ε)
/// ```
///
/// # Examples
///
/// ```
/// use metric_core::{Chebyshev, Distance};
/// assert_eq!(Chebyshev.distance(&[0.0f32, 3.0], &[4.0, 0.0]), 4.0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Chebyshev;

impl<T: Scalar> Distance<T> for Manhattan {
    #[inline]
    fn distance(&self, a: &[T], b: &[T]) -> T {
        same_length(a, b);
        lanes::sum(a, b, |x, y| (x - y).abs())
    }
    fn law(&self) -> Law {
        Law::Metric
    }
}

impl<T: Scalar> Metric<T> for Manhattan {}

impl<T: Scalar> Distance<T> for Chebyshev {
    #[inline]
    fn distance(&self, a: &[T], b: &[T]) -> T {
        same_length(a, b);
        lanes::max_abs_diff(a, b)
    }
    fn law(&self) -> Law {
        Law::Metric
    }
}

impl<T: Scalar> Metric<T> for Chebyshev {}
