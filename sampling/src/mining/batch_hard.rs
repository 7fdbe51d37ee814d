//! Hardest positive and hardest negative.

use metric_core::{Distance, Euclidean};
use rand::Rng;

use super::{TripletMiner, by_anchor};
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

impl<D> BatchHard<D> {
    /// The same with another distance.
    pub fn with_distance<E>(self, distance: E) -> BatchHard<E> {
        BatchHard { distance }
    }
}

impl<D: Distance<f32>> TripletMiner for BatchHard<D> {
    fn mine(&self, batch: &Batch<'_>, _: &mut dyn Rng) -> Result<Triplets, MiningError> {
        Ok(by_anchor(
            batch,
            &self.distance,
            |positives, negatives, triplets| {
                // Of equal elements `max_by` gives the last and `min_by` the first.
                let farthest = positives.iter().rev().max_by(|x, y| x.0.total_cmp(&y.0));
                let nearest = negatives.iter().min_by(|x, y| x.0.total_cmp(&y.0));
                triplets.extend(farthest.zip(nearest).map(|(p, n)| (p.1, n.1)));
            },
        ))
    }
}
