//! Everything there is.

use rand::Rng;

use super::{PairMiner, TripletMiner, join_pairs};
use crate::{Batch, MiningError, Pairs, Triplets};

/// Every pair.
///
/// Cost: `O(n m)` time and memory: that many pairs there are. No distances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AllPairs;

impl PairMiner for AllPairs {
    fn mine(&self, batch: &Batch<'_>, _: &mut dyn Rng) -> Result<Pairs, MiningError> {
        Ok(join_pairs(&batch.each_anchor_unmeasured(|anchor| {
            let positives = anchor.positives().iter().map(|p| p.index).collect();
            (positives, anchor.negatives_where(|d| !d.is_nan()))
        })))
    }
}

/// Every triplet.
///
/// Cost: `O(n P N)` time and memory for `P` positives and `N` negatives an anchor: that many triplets there are, 12 bytes
/// each. No distances. [`RandomTriplets`](crate::RandomTriplets) draws from them without listing them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AllTriplets;

impl TripletMiner for AllTriplets {
    fn mine(&self, batch: &Batch<'_>, _: &mut dyn Rng) -> Result<Triplets, MiningError> {
        let pairs = batch.each_anchor_unmeasured(|anchor| {
            let positives: Vec<u32> = anchor.positives().iter().map(|p| p.index).collect();
            (positives, anchor.negatives_where(|d| !d.is_nan()))
        });
        let mut triplets = Triplets::default();
        triplets.reserve(pairs.iter().map(|(p, n)| p.len() * n.len()).sum());
        for (anchor, (positives, negatives)) in (0..).zip(&pairs) {
            for &positive in positives {
                triplets.push_row(anchor, positive, negatives);
            }
        }
        Ok(triplets)
    }
}
