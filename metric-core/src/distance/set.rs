//! Distances that only ask whether entries are equal, or there at all.

use super::{Distance, Law, Metric, same_length};
use crate::{Scalar, lanes};

/// Hamming distance: the share of entries that differ.
///
/// ```text
/// d(a, b) = |{i : aᵢ ≠ bᵢ}| / n
/// ```
/// In `[0, 1]`, and 0 for rows without entries. A [`Metric`], zero only for equal vectors, with one rounding, that of
/// the quotient:
/// ```text
/// d(a, c) ≤ (d(a, b) + d(b, c)) (1 + 2 ε)
/// ```
/// Also a distance of packed bits: [`BitDistance`](crate::bits::BitDistance), where
/// [`HammingCount`](crate::bits::HammingCount) has the number instead of the share.
///
/// # Examples
///
/// ```
/// use metric_core::{Distance, Hamming};
/// assert_eq!(Hamming.distance(&[1.0f32, 2.0, 3.0, 4.0], &[1.0, 0.0, 3.0, 4.5]), 0.5);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hamming;

/// Jaccard distance of sets; a vector is the set of its entries that are not zero.
///
/// ```text
/// d(A, B) = 1 − |A ∩ B| / |A ∪ B| = (|A ∪ B| − |A ∩ B|) / |A ∪ B|        two empty sets: 0
/// ```
/// In `[0, 1]`. A [`Metric`] on sets, thus a pseudometric on vectors, where sizes of entries do not count. One
/// rounding, that of the quotient:
/// ```text
/// d(a, c) ≤ (d(a, b) + d(b, c)) (1 + 2 ε)
/// ```
/// Also a distance of packed bits: [`BitDistance`](crate::bits::BitDistance).
///
/// # Examples
///
/// ```
/// use metric_core::{Distance, Jaccard};
/// assert_eq!(Jaccard.distance(&[1.0f32, 0.0, 3.0, 4.0], &[7.0, 0.0, 0.0, 1.0]), 1.0 / 3.0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Jaccard;

#[inline]
fn one_if<T: Scalar>(condition: bool) -> T {
    if condition { T::ONE } else { T::ZERO }
}

impl<T: Scalar> Distance<T> for Hamming {
    #[inline]
    fn distance(&self, a: &[T], b: &[T]) -> T {
        same_length(a, b);
        let unequal = lanes::sum(a, b, |x, y| one_if(x != y));
        unequal / T::from_f64(a.len().max(1) as f64)
    }
    fn law(&self) -> Law {
        Law::Metric
    }
}

impl<T: Scalar> Metric<T> for Hamming {
    fn triangle_slack(&self, _dim: usize) -> (f64, f64) {
        (2.0 * T::EPSILON.to_f64(), 0.0)
    }
}

impl<T: Scalar> Distance<T> for Jaccard {
    #[inline]
    fn distance(&self, a: &[T], b: &[T]) -> T {
        same_length(a, b);
        let there = |x: T| x != T::ZERO;
        let in_one = lanes::sum(a, b, |x, y| one_if(there(x) != there(y)));
        let in_any = lanes::sum(a, b, |x, y| one_if(there(x) | there(y)));
        if in_any > T::ZERO {
            in_one / in_any
        } else {
            T::ZERO
        }
    }
    fn law(&self) -> Law {
        Law::Pseudometric
    }
}

impl<T: Scalar> Metric<T> for Jaccard {
    fn triangle_slack(&self, _dim: usize) -> (f64, f64) {
        (2.0 * T::EPSILON.to_f64(), 0.0)
    }
}
