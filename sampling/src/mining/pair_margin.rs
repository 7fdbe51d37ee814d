//! Pairs on the wrong side of a margin.

use metric_core::{Distance, Euclidean};
use rand::Rng;

use super::{PairMiner, checked_margin, join_pairs, with_distance};
use crate::{Batch, MiningError, Pairs};

/// Positives beyond a margin and negatives within one: the pairs for which a contrastive loss with these margins is not zero.
///
/// ```text
/// (a, p) if d(a, p) > m⁺          (a, n) if d(a, n) < m⁻
/// ```
/// The comparison is exact on the computed distances. Default: `m⁺ = 0.2`, `m⁻ = 0.8` as in pytorch-metric-learning.
/// Cost: `O(n m dim)` time, `O(m)` memory a thread and the result.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairMargin<D = Euclidean> {
    positive_margin: f64,
    negative_margin: f64,
    distance: D,
}

impl PairMargin {
    /// With [`Euclidean`] distance.
    ///
    /// # Errors
    ///
    /// [`MiningError::InvalidParam`] if a margin is negative or not finite.
    pub fn new(positive_margin: f64, negative_margin: f64) -> Result<Self, MiningError> {
        Ok(Self {
            positive_margin: checked_margin("positive_margin", positive_margin)?,
            negative_margin: checked_margin("negative_margin", negative_margin)?,
            distance: Euclidean,
        })
    }
}

impl Default for PairMargin {
    fn default() -> Self {
        Self {
            positive_margin: 0.2,
            negative_margin: 0.8,
            distance: Euclidean,
        }
    }
}

with_distance!(PairMargin {
    positive_margin,
    negative_margin
});

impl<D: Distance<f32>> PairMiner for PairMargin<D> {
    fn mine(&self, batch: &Batch<'_>, _: &mut dyn Rng) -> Result<Pairs, MiningError> {
        let chosen = batch.each_anchor(&self.distance, |anchor| {
            let far = |d: f32| f64::from(d) > self.positive_margin;
            let positives = anchor.positives().iter().filter(|p| far(p.distance));
            let negatives = anchor.negatives_where(|d| f64::from(d) < self.negative_margin);
            (positives.map(|p| p.index).collect(), negatives)
        })?;
        Ok(join_pairs(&chosen))
    }
}
