//! Triplets by chance.

use rand::{Rng, RngExt};

use super::random_rows::RandomRows;
use super::{OfAnchor, TripletMiner, checked_count, join_triplets};
use crate::{Batch, MiningError, Triplets};

/// A fixed number of random triplets for every anchor.
///
/// Each draw takes a positive and a negative, both uniformly and with replacement, so a triplet may come twice. Anchors
/// that lack either drop out and draw nothing. Cost: `O(n m)` time; no distances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RandomTriplets {
    per_anchor: usize,
}

impl RandomTriplets {
    /// # Errors
    ///
    /// [`MiningError::InvalidParam`] if `per_anchor` is zero.
    pub fn new(per_anchor: usize) -> Result<Self, MiningError> {
        let per_anchor = checked_count("per_anchor", per_anchor)?;
        Ok(Self { per_anchor })
    }
}

impl TripletMiner for RandomTriplets {
    fn mine(&self, batch: &Batch<'_>, rng: &mut dyn Rng) -> Result<Triplets, MiningError> {
        let random = RandomRows::draw(rng);
        Ok(join_triplets(batch.each_anchor_unmeasured(|anchor| {
            let mut random = random.of(anchor.index());
            let positives = anchor.positives();
            let negatives = anchor.negatives_where(|d| !d.is_nan());
            let mut triplets = OfAnchor::new();
            if !positives.is_empty() && !negatives.is_empty() {
                triplets.extend((0..self.per_anchor).map(|_| {
                    let positive = positives[random.random_range(0..positives.len())].index;
                    (positive, negatives[random.random_range(0..negatives.len())])
                }));
            }
            triplets.sort_unstable();
            triplets
        })))
    }
}
