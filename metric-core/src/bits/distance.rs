//! Distances of packed rows.

use super::BitRow;
use crate::{Hamming, Jaccard, Law};

/// Dissimilarity of two rows of bits: smaller is closer, never negative.
///
/// [`Hamming`] (the share of unequal bits), [`HammingCount`] and [`Jaccard`]; all three are metrics on bits. Counts are exact
/// up to 2²⁴ bits, and rounded once beyond.
pub trait BitDistance: Send + Sync {
    /// `d(a, b)`.
    ///
    /// # Panics
    ///
    /// If the rows differ in length.
    fn distance(&self, a: BitRow<'_>, b: BitRow<'_>) -> f32;

    /// Which axioms hold.
    fn law(&self) -> Law {
        Law::Semimetric
    }
}

/// Number of bits that differ.
///
/// ```text
/// d(a, b) = |{i : aᵢ ≠ bᵢ}|
/// ```
/// A metric. The order is that of [`Hamming`], which divides by the number of bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HammingCount;

impl BitDistance for HammingCount {
    #[inline]
    fn distance(&self, a: BitRow<'_>, b: BitRow<'_>) -> f32 {
        count(a, b, |x, y| x ^ y) as f32
    }
    fn law(&self) -> Law {
        Law::Metric
    }
}

impl BitDistance for Hamming {
    #[inline]
    fn distance(&self, a: BitRow<'_>, b: BitRow<'_>) -> f32 {
        (count(a, b, |x, y| x ^ y) as f64 / a.dim() as f64) as f32
    }
    fn law(&self) -> Law {
        Law::Metric
    }
}

impl BitDistance for Jaccard {
    #[inline]
    fn distance(&self, a: BitRow<'_>, b: BitRow<'_>) -> f32 {
        let in_any = count(a, b, |x, y| x | y);
        if in_any == 0 {
            return 0.0;
        }
        (count(a, b, |x, y| x ^ y) as f64 / in_any as f64) as f32
    }
    fn law(&self) -> Law {
        Law::Metric
    }
}

#[inline]
#[track_caller]
fn count(a: BitRow<'_>, b: BitRow<'_>, join: impl Fn(u64, u64) -> u64) -> u64 {
    assert_eq!(a.dim(), b.dim(), "rows must have the same length");
    a.words()
        .iter()
        .zip(b.words())
        .map(|(&x, &y)| u64::from(join(x, y).count_ones()))
        .sum()
}
