//! Negatives from all distances alike.

use metric_core::Euclidean;
use rand::{Rng, RngExt};

use super::random_rows::RandomRows;
use super::{Anchor, OfAnchor, TripletMiner, checked, checked_count, join_triplets};
use crate::{Batch, MiningError, Triplets};

/// Negatives drawn with the inverse density of their distance on a sphere (Wu et al., *Sampling Matters in Deep Embedding
/// Learning*, 2017, <https://arxiv.org/abs/1706.07567>), so that near ones, rare in many dimensions, are drawn as often as others.
///
/// ```text
/// Pr(n | a) ∝ w(max(d(a, n), cutoff))   over negatives with d(a, n) < nonzero_loss_cutoff
/// log w(d) = (2 − D) ln d − ½ (D − 3) ln(1 − d²/4)
/// ```
/// Rows must be L2-normalised: `d` is Euclidean distance on the unit sphere of `D` dimensions. Weights are logarithms until the
/// greatest of the anchor's own negatives is taken off, after all others are masked: so an anchor with a negative within the
/// cutoff is always served, at any `D`. (pytorch-metric-learning takes the greatest of the whole batch off, which rounds the
/// weights of most anchors to 0 at 512 dimensions.)
///
/// Defaults: `cutoff` 0.5 and `nonzero_loss_cutoff` 1.4 as in the paper and in pytorch-metric-learning; `D` is the dimension of the
/// rows. Embeddings lie on something of fewer dimensions; give an estimate of these with [`with_dimension`](Self::with_dimension).
/// Each positive of an anchor comes once, with a negative of its own, as in the authors' code;
/// [`with_per_anchor`](Self::with_per_anchor) instead draws so many triplets, the positives uniformly. Negatives are drawn with
/// replacement. Anchors without a positive or without a negative within the cutoff drop out.
/// Cost: `O(n m dim)` for distances, two logarithms and an exponential a pair; `O(m)` memory a thread.
///
/// # Examples
///
/// ```
/// use metric_core::Relevance;
/// use metric_sampling::{Batch, DistanceWeighted, TripletMiner};
/// use ndarray::array;
/// # use rand::SeedableRng;
/// # let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
/// // Negatives of rows 0 and 1 at distances from 0.63 to 2: the last, opposite, is beyond the cutoff.
/// let rows = array![[1.0f32, 0.0], [0.8, 0.6], [0.0, 1.0], [-1.0, 0.0]];
/// let batch = Batch::new(rows.view(), Relevance::labels(&[0, 0, 1, 2]))?;
/// let miner = DistanceWeighted::new().with_cutoffs(0.5, 1.5)?;
/// let triplets = miner.mine(&batch, &mut rng)?;
/// assert!(triplets.iter().eq([(0, 1, 2), (1, 0, 2)]));
/// # Ok::<(), metric_sampling::MiningError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DistanceWeighted {
    cutoff: f64,
    nonzero_loss_cutoff: f64,
    dimension: Option<f64>,
    per_anchor: Option<usize>,
}

impl DistanceWeighted {
    /// With the defaults.
    pub fn new() -> Self {
        Self {
            cutoff: 0.5,
            nonzero_loss_cutoff: 1.4,
            dimension: None,
            per_anchor: None,
        }
    }

    /// The same with other cutoffs: nearer distances count as `cutoff`, negatives from `nonzero_loss_cutoff` on not at all.
    ///
    /// # Errors
    ///
    /// [`MiningError::InvalidParam`] unless `0 < cutoff < nonzero_loss_cutoff ≤ 2`.
    pub fn with_cutoffs(
        mut self,
        cutoff: f64,
        nonzero_loss_cutoff: f64,
    ) -> Result<Self, MiningError> {
        let holds = cutoff > 0.0 && cutoff < 2.0;
        self.cutoff = checked("cutoff", "above 0 and below 2", cutoff, holds)?;
        let expected = "above cutoff and at most 2";
        let holds = nonzero_loss_cutoff > cutoff && nonzero_loss_cutoff <= 2.0;
        self.nonzero_loss_cutoff =
            checked("nonzero_loss_cutoff", expected, nonzero_loss_cutoff, holds)?;
        Ok(self)
    }

    /// The same with another dimension `D`, which need not be whole.
    ///
    /// # Errors
    ///
    /// [`MiningError::InvalidParam`] unless it is finite and at least 1.
    pub fn with_dimension(mut self, dimension: f64) -> Result<Self, MiningError> {
        let holds = dimension.is_finite() && dimension >= 1.0;
        let dimension = checked("dimension", "finite and at least 1", dimension, holds)?;
        self.dimension = Some(dimension);
        Ok(self)
    }

    /// The same with so many triplets an anchor.
    ///
    /// # Errors
    ///
    /// [`MiningError::InvalidParam`] if it is 0.
    pub fn with_per_anchor(mut self, triplets: usize) -> Result<Self, MiningError> {
        self.per_anchor = Some(checked_count("per_anchor", triplets)?);
        Ok(self)
    }

    /// Negatives within the cutoff, and the sums of their weights up to each.
    fn cumulated(&self, anchor: Anchor<'_>, dimension: f64) -> (Vec<u32>, Vec<f64>) {
        let limit = self.nonzero_loss_cutoff;
        let negatives = anchor.negatives_where(|d| f64::from(d) < limit);
        let distances = anchor.negative_distances();
        let log_weight = |&n: &u32| {
            let d = f64::from(distances[n as usize]).max(self.cutoff);
            (2.0 - dimension) * d.ln() - 0.5 * (dimension - 3.0) * (1.0 - d * d / 4.0).ln()
        };
        let mut weights: Vec<f64> = negatives.iter().map(log_weight).collect();
        let greatest = weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut sum = 0.0;
        for weight in &mut weights {
            sum += (*weight - greatest).exp();
            *weight = sum;
        }
        (negatives, weights)
    }
}

impl Default for DistanceWeighted {
    fn default() -> Self {
        Self::new()
    }
}

impl TripletMiner for DistanceWeighted {
    fn mine(&self, batch: &Batch<'_>, rng: &mut dyn Rng) -> Result<Triplets, MiningError> {
        let random = RandomRows::draw(rng);
        let dimension = self.dimension.unwrap_or(batch.rows().ncols() as f64);
        let found = batch.each_anchor(&Euclidean, |anchor| {
            let mut triplets = OfAnchor::new();
            let positives = anchor.positives();
            let (negatives, sums) = self.cumulated(anchor, dimension);
            let (false, Some(&sum)) = (positives.is_empty(), sums.last()) else {
                return triplets;
            };
            let mut random = random.of(anchor.index());
            for i in 0..self.per_anchor.unwrap_or(positives.len()) {
                let positive = match self.per_anchor {
                    None => positives[i],
                    Some(_) => positives[random.random_range(0..positives.len())],
                };
                let at = random.random::<f64>() * sum;
                let negative = sums.partition_point(|&up_to| up_to <= at);
                // The product may round up to the sum.
                let negative = negatives[negative.min(negatives.len() - 1)];
                triplets.push((positive.index, negative));
            }
            triplets.sort_unstable();
            triplets
        })?;
        Ok(join_triplets(found))
    }
}
