//! Hardest positive and hardest negative.

use metric_core::{Distance, Euclidean};
use rand::Rng;

use super::{TripletMiner, join_triplets, with_distance};
use crate::{Batch, MiningError, Triplets};

/// The hardest triplet of every anchor (Hermans et al., *In Defense of the Triplet Loss*, 2017,
/// <https://arxiv.org/abs/1703.07737>, eq. 5).
///
/// ```text
/// p = argmax d(a, p)  over positives,    n = argmin d(a, n)  over negatives
/// ```
/// Equal distances go to the lowest index. Anchors that lack a positive or a negative drop out.
/// Cost: `O(n m dim)` time, `O(m)` memory a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BatchHard<D = Euclidean> {
    distance: D,
}

impl BatchHard {
    /// With [`Euclidean`] distance.
    pub fn new() -> Self {
        Self::default()
    }
}

with_distance!(BatchHard {});

impl<D: Distance<f32>> TripletMiner for BatchHard<D> {
    fn mine(&self, batch: &Batch<'_>, _: &mut dyn Rng) -> Result<Triplets, MiningError> {
        let hardest = batch.each_anchor(&self.distance, |anchor| {
            let farthest = anchor.farthest_positive(|_| true)?;
            let nearest = anchor.nearest_negative(|_| true)?;
            Some((farthest.index, nearest.index))
        })?;
        Ok(join_triplets(hardest))
    }
}
