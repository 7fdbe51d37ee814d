//! Pairs that are hard beside the hardest of the other kind.

use metric_core::{Cosine, Distance};
use rand::Rng;

use super::{PairMiner, checked_margin, join_pairs, with_distance};
use crate::{Batch, MiningError, Pairs};

/// The pairs that the multi-similarity loss looks at (Wang et al., *Multi-Similarity Loss with General Pair Weighting for Deep
/// Metric Learning*, 2019, <https://arxiv.org/abs/1904.06627>, its pair mining).
///
/// ```text
/// (a, n) if d(a, n) < max d(a, p) + ε          s(a, n) > min s(a, p) − ε   with s = 1 − d
/// (a, p) if d(a, p) > min d(a, n) − ε          s(a, p) < max s(a, n) + ε
/// ```
/// Default: [`Cosine`] distance `d = 1 − s`, so that `ε = 0.1` is that of the paper and of pytorch-metric-learning, where it is a
/// difference of cosine similarities. With another distance it is a difference of these: on unit rows `d² = 2 − 2 s` is the
/// square of the Euclidean, so [`SquaredEuclidean`](metric_core::SquaredEuclidean) with `2 ε` chooses the same, while of
/// Euclidean distances no single `ε` does. Comparisons are strict. Anchors that lack either kind drop out.
/// Cost: `O(n m dim)` time, `O(m)` memory a thread and the result.
///
/// # Examples
///
/// ```
/// use metric_core::Relevance;
/// use metric_sampling::{Batch, MultiSimilarityMiner, PairMiner};
/// use ndarray::array;
/// # use rand::SeedableRng;
/// # let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
/// let rows = array![[1.0f32, 0.0], [0.6, 0.8], [0.0, 1.0], [-1.0, 0.0]];
/// let batch = Batch::new(rows.view(), Relevance::labels(&[0, 0, 1, 2]))?;
/// let pairs = MultiSimilarityMiner::new(0.1)?.mine(&batch, &mut rng)?;
/// // Row 0: similarity 0.6 to row 1, 0 and -1 to the negatives. Row 1: 0.6 to row 0, 0.8 and -0.6.
/// assert!(pairs.positive.iter().eq([(1, 0)]));
/// assert!(pairs.negative.iter().eq([(1, 2)]));
/// # Ok::<(), metric_sampling::MiningError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MultiSimilarityMiner<D = Cosine> {
    epsilon: f64,
    distance: D,
}

impl MultiSimilarityMiner {
    /// With [`Cosine`] distance.
    ///
    /// # Errors
    ///
    /// [`MiningError::InvalidParam`] if `epsilon` is negative or not finite.
    pub fn new(epsilon: f64) -> Result<Self, MiningError> {
        Ok(Self {
            epsilon: checked_margin("epsilon", epsilon)?,
            distance: Cosine,
        })
    }
}

impl Default for MultiSimilarityMiner {
    fn default() -> Self {
        Self {
            epsilon: 0.1,
            distance: Cosine,
        }
    }
}

with_distance!(MultiSimilarityMiner { epsilon });

impl<D: Distance<f32>> PairMiner for MultiSimilarityMiner<D> {
    fn mine(&self, batch: &Batch<'_>, _: &mut dyn Rng) -> Result<Pairs, MiningError> {
        let chosen = batch.each_anchor(&self.distance, |anchor| {
            let farthest = anchor.farthest_positive(|_| true)?.distance;
            let nearest = anchor.nearest_negative(|_| true)?.distance;
            let near = f64::from(farthest) + self.epsilon;
            let far = f64::from(nearest) - self.epsilon;
            let positives = anchor.positives().iter();
            let positives = positives.filter(|p| f64::from(p.distance) > far);
            let negatives = anchor.negatives_where(|d| f64::from(d) < near);
            Some((positives.map(|p| p.index).collect(), negatives))
        })?;
        let chosen: Vec<_> = chosen.into_iter().map(Option::unwrap_or_default).collect();
        Ok(join_pairs(&chosen))
    }
}
