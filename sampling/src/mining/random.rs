//! Triplets by chance.

use rand::{Rng, RngExt};

use super::TripletMiner;
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
        if per_anchor > 0 {
            Ok(Self { per_anchor })
        } else {
            let (name, expected) = ("per_anchor", "at least 1");
            Err(MiningError::InvalidParam {
                name,
                expected,
                got: 0.0,
            })
        }
    }
}

impl TripletMiner for RandomTriplets {
    fn mine(&self, batch: &Batch<'_>, rng: &mut dyn Rng) -> Result<Triplets, MiningError> {
        let mut triplets = Vec::new();
        let (mut positives, mut negatives) = (Vec::new(), Vec::new());
        for anchor in 0..batch.len() {
            positives.clear();
            negatives.clear();
            for (other, is_positive) in batch.partners(anchor) {
                if is_positive {
                    &mut positives
                } else {
                    &mut negatives
                }
                .push(other as u32);
            }
            if positives.is_empty() || negatives.is_empty() {
                continue;
            }
            let first = triplets.len();
            triplets.extend((0..self.per_anchor).map(|_| {
                let positive = positives[rng.random_range(0..positives.len())];
                let negative = negatives[rng.random_range(0..negatives.len())];
                (anchor as u32, positive, negative)
            }));
            triplets[first..].sort_unstable();
        }
        Ok(triplets.into_iter().collect())
    }
}
