//! The two Minkowski distances that need neither powers nor roots.

use super::form::{Kind, Terms};
use super::{Distance, Form, Law, Metric, same_length};
use crate::Scalar;
use crate::kernel::pair::pair;
use crate::kernel::term::{Difference, LargestDifference, one};

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
        pair(Difference(one()), a, b)
    }
    fn law(&self) -> Law {
        Law::Metric
    }
    fn form(&self) -> Form<'_, T> {
        Form(Kind::Manhattan)
    }
}

impl<T: Scalar> Metric<T> for Manhattan {
    fn triangle_slack(&self, dim: usize) -> (f64, f64) {
        ((dim as f64 + 2.0) * T::EPSILON.to_f64(), 0.0)
    }
}

impl<T: Scalar> Distance<T> for Chebyshev {
    #[inline]
    fn distance(&self, a: &[T], b: &[T]) -> T {
        same_length(a, b);
        pair(LargestDifference(one()), a, b)
    }
    fn law(&self) -> Law {
        Law::Metric
    }
    fn form(&self) -> Form<'_, T> {
        Form(Kind::Terms(Terms::Chebyshev))
    }
}

impl<T: Scalar> Metric<T> for Chebyshev {
    fn triangle_slack(&self, _dim: usize) -> (f64, f64) {
        (2.0 * T::EPSILON.to_f64(), 0.0)
    }
}
