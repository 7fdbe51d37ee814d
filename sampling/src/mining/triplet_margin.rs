//! Triplets by how they stand to the margin.

use metric_core::{Distance, Euclidean};
use rand::Rng;

use super::{TripletMiner, checked_margin, gap, with_distance};
use crate::{Batch, MiningError, Triplets};

/// Which triplets to keep, by their gap `g = d(a, n) − d(a, p)` and the margin `m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TripletKind {
    /// Those that violate the margin: `g ≤ m`.
    All,
    /// The negative is no farther than the positive: `g ≤ 0`.
    Hard,
    /// The negative is farther, but not by more than the margin: `0 < g ≤ m`.
    SemiHard,
    /// Those that keep the margin: `g > m`.
    Easy,
}

/// Every triplet of a kind.
///
/// For every anchor `a`, positive `p` and negative `n`:
/// ```text
/// g(a, p, n) = d(a, n) − d(a, p)        kept if g lies where the kind says
/// ```
/// The comparison is exact on the computed distances.
/// Cost: `O(n m dim)` for distances and `O(n P N)` comparisons for `P` positives and `N` negatives an anchor; the result
/// may be as large.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TripletMarginMiner<D = Euclidean> {
    margin: f64,
    kind: TripletKind,
    distance: D,
}

impl TripletMarginMiner {
    /// With [`Euclidean`] distance.
    ///
    /// # Errors
    ///
    /// [`MiningError::InvalidParam`] if `margin` is negative or not finite.
    pub fn new(margin: f64, kind: TripletKind) -> Result<Self, MiningError> {
        Ok(Self {
            margin: checked_margin("margin", margin)?,
            kind,
            distance: Euclidean,
        })
    }
}

with_distance!(TripletMarginMiner { margin, kind });

impl<D> TripletMarginMiner<D> {
    fn keeps(&self, gap: f64) -> bool {
        match self.kind {
            TripletKind::All => gap <= self.margin,
            TripletKind::Hard => gap <= 0.0,
            TripletKind::SemiHard => gap > 0.0 && gap <= self.margin,
            TripletKind::Easy => gap > self.margin,
        }
    }
}

impl<D: Distance<f32>> TripletMiner for TripletMarginMiner<D> {
    fn mine(&self, batch: &Batch<'_>, _: &mut dyn Rng) -> Result<Triplets, MiningError> {
        let found = batch.each_anchor(&self.distance, |anchor| {
            let positives = anchor.positives().iter();
            let kept = positives.map(|positive| {
                let wanted = |d| self.keeps(gap(positive.distance, d));
                (positive.index, anchor.negatives_where(wanted))
            });
            kept.collect::<Vec<(u32, Vec<u32>)>>()
        })?;
        let mut triplets = Triplets::default();
        let of_pairs = || found.iter().flatten();
        triplets.reserve(of_pairs().map(|(_, negatives)| negatives.len()).sum());
        for (anchor, kept) in (0..).zip(&found) {
            for (positive, negatives) in kept {
                triplets.push_row(anchor, *positive, negatives);
            }
        }
        Ok(triplets)
    }
}
