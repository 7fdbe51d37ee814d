//! Hard triplets, but not the hardest.

use metric_core::{Distance, Euclidean};
use rand::{Rng, RngExt};

use super::random_rows::RandomRows;
use super::{TripletMiner, join_triplets, with_distance};
use crate::{Batch, MiningError, Triplets};

/// A random hard positive and a random hard negative of every anchor (the miner *softhard* of Roth et al., *Revisiting
/// Training Strategies and Generalization Performance in Deep Metric Learning*, 2020, <https://arxiv.org/abs/2002.08473>).
///
/// ```text
/// p uniform over positives with d(a, p) > min d(a, n),      n uniform over negatives with d(a, n) < max d(a, p)
/// ```
/// Where all negatives are at least as far as all positives no pair is hard, and both are drawn from all, as the authors' code
/// does. Anchors that lack either kind drop out.
/// Cost: `O(n m dim)` time, `O(m)` memory a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SoftHard<D = Euclidean> {
    distance: D,
}

impl SoftHard {
    /// With [`Euclidean`] distance.
    pub fn new() -> Self {
        Self::default()
    }
}

with_distance!(SoftHard {});

impl<D: Distance<f32>> TripletMiner for SoftHard<D> {
    fn mine(&self, batch: &Batch<'_>, rng: &mut dyn Rng) -> Result<Triplets, MiningError> {
        let random = RandomRows::draw(rng);
        let found = batch.each_anchor(&self.distance, |anchor| {
            let farthest = anchor.farthest_positive(|_| true)?.distance;
            let nearest = anchor.nearest_negative(|_| true)?.distance;
            let is_separated = farthest <= nearest;
            let positives = anchor.positives().iter();
            let positives = positives.filter(|p| is_separated || p.distance > nearest);
            let positives: Vec<u32> = positives.map(|p| p.index).collect();
            let negatives =
                anchor.negatives_where(|d| d < farthest || (is_separated && !d.is_nan()));
            let mut random = random.of(anchor.index());
            let positive = positives[random.random_range(0..positives.len())];
            Some((positive, negatives[random.random_range(0..negatives.len())]))
        })?;
        Ok(join_triplets(found))
    }
}
