//! Negatives from all distances alike.

use metric_core::Euclidean;

use super::weighted_negatives::{DrawWeights, NegativeWeights, WeightsOf};
use super::{Anchor, checked, checked_count};
use crate::density::estimated_dimension;
use crate::{Batch, MiningError};

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
/// rows. But embeddings lie on something of fewer dimensions, for which these weights are far too steep:
///
/// | weights | by |
/// |---|---|
/// | for another `D` | [`with_dimension`](Self::with_dimension) |
/// | for `D = m + 1`, `m` the batch's [maximum likelihood dimension](crate::density::maximum_likelihood_dimension) | [`with_estimated_dimension`](Self::with_estimated_dimension) |
/// | `1 / (negatives of the anchor in the distance's bin)`, what was seen in the place of a law | [`with_histogram`](Self::with_histogram) |
///
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
    law: Law,
    per_anchor: Option<usize>,
}

/// How dense distances are.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Law {
    /// As on a sphere in the dimension of the rows.
    Ambient,
    /// As on a sphere in so many dimensions.
    Sphere(f64),
    /// As on a sphere of the dimension that so many neighbours of each row tell.
    Estimated(usize),
    /// As the anchor's own, in so many bins.
    Histogram(usize),
}

impl DistanceWeighted {
    /// With the defaults.
    pub fn new() -> Self {
        Self {
            cutoff: 0.5,
            nonzero_loss_cutoff: 1.4,
            law: Law::Ambient,
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
        self.law = Law::Sphere(dimension);
        Ok(self)
    }

    /// The same with the dimension of each batch's reference set, estimated from `k` neighbours of every item, fewer if there
    /// are not so many. Costs a search for neighbours a batch; for a bank that changes slowly, estimate once and use
    /// [`with_dimension`](Self::with_dimension). Where it cannot be told (fewer than four items, or all equal) the dimension
    /// of the rows is taken.
    ///
    /// # Errors
    ///
    /// [`MiningError::InvalidParam`] if it is below 3.
    pub fn with_estimated_dimension(mut self, k: usize) -> Result<Self, MiningError> {
        checked("k", "at least 3", k as f64, k >= 3)?;
        self.law = Law::Estimated(k);
        Ok(self)
    }

    /// The same with the density of each anchor's own distances to negatives, counted in equal bins from `cutoff` to
    /// `nonzero_loss_cutoff`.
    ///
    /// # Errors
    ///
    /// [`MiningError::InvalidParam`] if there are none.
    pub fn with_histogram(mut self, bins: usize) -> Result<Self, MiningError> {
        self.law = Law::Histogram(checked_count("bins", bins)?);
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
}

impl Default for DistanceWeighted {
    fn default() -> Self {
        Self::new()
    }
}

impl NegativeWeights for DistanceWeighted {
    type Distance = Euclidean;

    fn distance(&self) -> Euclidean {
        Euclidean
    }

    fn fit<'f>(&'f self, batch: &'f Batch<'_>) -> Result<WeightsOf<'f>, MiningError> {
        let (cutoff, limit) = (self.cutoff, self.nonzero_loss_cutoff);
        let clamped = move |anchor: Anchor<'_>, negatives: &[u32]| -> Vec<f64> {
            let distances = anchor.negative_distances();
            let clamped = |&n: &u32| f64::from(distances[n as usize]).max(cutoff);
            negatives.iter().map(clamped).collect()
        };
        let within = move |anchor: Anchor<'_>| anchor.negatives_where(|d| f64::from(d) < limit);
        let ambient = batch.rows().ncols() as f64;
        let dimension = match self.law {
            Law::Histogram(bins) => {
                let scale = bins as f64 / (limit - cutoff);
                return Ok(Box::new(move |anchor| {
                    let negatives = within(anchor);
                    let bin = |d: f64| ((d - cutoff) * scale) as usize;
                    let found: Vec<usize> = clamped(anchor, &negatives)
                        .into_iter()
                        .map(|d| bin(d).min(bins - 1))
                        .collect();
                    let mut counts = vec![0u32; bins];
                    for &bin in &found {
                        counts[bin] += 1;
                    }
                    let log_weight = |&bin: &usize| -f64::from(counts[bin]).ln();
                    let logarithms = found.iter().map(log_weight).collect();
                    DrawWeights::of_logarithms(negatives, logarithms)
                }));
            }
            Law::Ambient => ambient,
            Law::Sphere(dimension) => dimension,
            Law::Estimated(k) => {
                estimated_dimension(batch.reference(), k)?.map_or(ambient, |m| m + 1.0)
            }
        };
        Ok(Box::new(move |anchor| {
            let negatives = within(anchor);
            let log_weight = |d: f64| {
                (2.0 - dimension) * d.ln() - 0.5 * (dimension - 3.0) * (1.0 - d * d / 4.0).ln()
            };
            let distances = clamped(anchor, &negatives).into_iter();
            DrawWeights::of_logarithms(negatives, distances.map(log_weight).collect())
        }))
    }

    fn per_anchor(&self) -> Option<usize> {
        self.per_anchor
    }
}
