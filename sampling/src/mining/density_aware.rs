//! Hard negatives that know how dense their neighbourhood is.

use std::borrow::Cow;
use std::sync::Arc;

use metric_core::Cosine;

use super::weighted_negatives::{DrawWeights, NegativeWeights, WeightsOf};
use super::{Anchor, checked, checked_count};
use crate::density::{LogDensity, ManifoldDensity};
use crate::{Batch, MiningError};

/// Negatives drawn by how near they are to the anchor and how sparse their own neighbourhood is.
///
/// ```text
/// Pr(n | a) ∝ exp(β s(a, n)) / p(n)^γ    over negatives of a whose similarity s is in the ring
/// ring = [lower, upper]:  from the lower- to the upper-quantile of the anchor's similarities to negatives
/// ```
/// with `s` the cosine and `p` the density at `n`.
///
/// | | draws |
/// |---|---|
/// | `β = 0, γ = 0` | uniformly, what is frequent most often |
/// | `γ = 0` | with the tilt of hard-negative contrast (Robinson et al., *Contrastive Learning with Hard Negative Samples*, 2021, <https://arxiv.org/abs/2010.04592>): its `β`, divided by its temperature |
/// | `β = 0, γ = 1` | uniformly over the manifold, however often each part of it was seen |
/// | both | hard negatives, but not the same dense crowd again and again: copies and large classes share one part |
/// | ring | conditional negatives (Wu et al., *Conditional Negative Sampling*, 2021, <https://arxiv.org/abs/2010.02037>): above `lower` none too easy, below `upper` none that may be the anchor's own kind |
///
/// Defaults: `β` 10, `γ` 0.5, the whole ring, and the [density](ManifoldDensity) by ten neighbours of the items among
/// themselves, estimated with each batch. For a bank, estimate it once in a while, with any
/// [`LogDensity`](crate::density::LogDensity), and give it by [`with_log_density`](Self::with_log_density). The combination of
/// tilt, density and ring is this library's own. [Schedules](crate::Schedule) say how to make it harder as training goes on;
/// guards against false negatives are pairs for [`Batch::except`].
///
/// Triplets as of [`NegativeWeights`]. Cost beside its: an exponential a negative, `O(m)` for the ring; `O(m² dim)` a batch for
/// densities that are not given.
///
/// # Examples
///
/// ```
/// use metric_core::Relevance;
/// use metric_sampling::{Batch, DensityAware, NegativeWeights};
/// use ndarray::array;
/// // Of four negatives at one angle to row 0, three coincide.
/// let rows = array![[1.0f32, 0.0], [0.0, 1.0], [0.0, 1.0], [0.0, 1.0], [0.0, -1.0]];
/// let batch = Batch::new(rows.view(), Relevance::labels(&[0, 1, 1, 1, 2]))?;
/// let densities = vec![0.0, 3f64.ln(), 3f64.ln(), 3f64.ln(), 0.0];
/// let miner = DensityAware::new().with_gamma(1.0)?.with_log_density(densities)?;
/// let weights = miner.each_weighted(&batch, |_, weights| weights.weights().to_vec())?;
/// // So the three count as one.
/// for (weight, want) in weights[0].iter().zip([1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0, 1.0]) {
///     assert!((weight - want).abs() < 1e-6);
/// }
/// # Ok::<(), metric_sampling::MiningError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct DensityAware {
    beta: f64,
    gamma: f64,
    ring: (f64, f64),
    density: Density,
    per_anchor: Option<usize>,
}

#[derive(Debug, Clone, PartialEq)]
enum Density {
    Estimated(ManifoldDensity),
    Given(Arc<[f64]>),
}

impl DensityAware {
    /// With the defaults.
    pub fn new() -> Self {
        Self {
            beta: 10.0,
            gamma: 0.5,
            ring: (0.0, 1.0),
            density: Density::Estimated(ManifoldDensity::default()),
            per_anchor: None,
        }
    }

    /// The same with another `β`; below 0 easy negatives are preferred.
    ///
    /// # Errors
    ///
    /// [`MiningError::InvalidParam`] unless it is finite.
    pub fn with_beta(mut self, beta: f64) -> Result<Self, MiningError> {
        self.beta = checked("beta", "finite", beta, beta.is_finite())?;
        Ok(self)
    }

    /// The same with another `γ`; below 0 dense neighbourhoods are preferred.
    ///
    /// # Errors
    ///
    /// [`MiningError::InvalidParam`] unless it is finite.
    pub fn with_gamma(mut self, gamma: f64) -> Result<Self, MiningError> {
        self.gamma = checked("gamma", "finite", gamma, gamma.is_finite())?;
        Ok(self)
    }

    /// The same with the negatives from the `lower`- to the `upper`-quantile of similarity, at least one: of `N` negatives,
    /// farthest first, those from `⌊lower N⌋` to before `⌈upper N⌉`, and all as far as one of these.
    ///
    /// # Errors
    ///
    /// [`MiningError::InvalidParam`] unless `0 ≤ lower < upper ≤ 1`.
    pub fn with_ring(mut self, lower: f64, upper: f64) -> Result<Self, MiningError> {
        checked(
            "upper",
            "above 0 and at most 1",
            upper,
            upper > 0.0 && upper <= 1.0,
        )?;
        let holds = lower >= 0.0 && lower < upper;
        checked("lower", "at least 0 and below upper", lower, holds)?;
        self.ring = (lower, upper);
        Ok(self)
    }

    /// The same with these log densities, one for every item of the reference set (every row if they are their own).
    ///
    /// # Errors
    ///
    /// [`MiningError::InvalidParam`] for one that is not finite.
    pub fn with_log_density(
        mut self,
        densities: impl Into<Arc<[f64]>>,
    ) -> Result<Self, MiningError> {
        let densities = densities.into();
        for &density in &*densities {
            checked("log density", "finite", density, density.is_finite())?;
        }
        self.density = Density::Given(densities);
        Ok(self)
    }

    /// The same with the density estimated with each batch from so many neighbours of each item, fewer if there are not as many.
    ///
    /// # Errors
    ///
    /// [`MiningError::InvalidParam`] for 0.
    pub fn with_neighbors(mut self, k: usize) -> Result<Self, MiningError> {
        self.density = Density::Estimated(ManifoldDensity::new(checked_count("k", k)?)?);
        Ok(self)
    }

    /// The same with so many triplets an anchor, positives drawn uniformly.
    ///
    /// # Errors
    ///
    /// [`MiningError::InvalidParam`] if it is 0.
    pub fn with_per_anchor(mut self, triplets: usize) -> Result<Self, MiningError> {
        self.per_anchor = Some(checked_count("per_anchor", triplets)?);
        Ok(self)
    }

    /// `γ log p` of every item.
    fn penalties(&self, batch: &Batch<'_>) -> Result<Vec<f64>, MiningError> {
        let items = batch.references();
        let densities = match &self.density {
            Density::Given(densities) if densities.len() != items => {
                let densities = densities.len();
                return Err(MiningError::DensityCount { items, densities });
            }
            _ if self.gamma.abs() <= 0.0 => return Ok(vec![0.0; items]),
            Density::Given(densities) => Cow::Borrowed(&**densities),
            Density::Estimated(density) => Cow::Owned(density.log_density_self(batch.reference())?),
        };
        Ok(densities
            .iter()
            .map(|density| self.gamma * density)
            .collect())
    }

    /// The least and the greatest distance in the ring.
    fn bounds(&self, anchor: Anchor<'_>) -> (f32, f32) {
        let (lower, upper) = self.ring;
        let mut distances: Vec<f32> = anchor.negatives().map(|n| n.distance).collect();
        if self.ring == (0.0, 1.0) || distances.is_empty() {
            return (f32::NEG_INFINITY, f32::INFINITY);
        }
        let count = distances.len();
        // A product that should be whole may have been rounded.
        let start = (lower * count as f64 + 1e-9).floor() as usize;
        let end = ((upper * count as f64 - 1e-9).ceil() as usize).clamp(start + 1, count);
        // Similar means near: farthest first, ranks count from the end.
        let (nearest, farthest) = (count - end, count - 1 - start);
        let (_, &mut far, _) = distances.select_nth_unstable_by(farthest, f32::total_cmp);
        let (_, &mut near, _) =
            distances[..=farthest].select_nth_unstable_by(nearest, f32::total_cmp);
        (near, far)
    }
}

impl Default for DensityAware {
    fn default() -> Self {
        Self::new()
    }
}

impl NegativeWeights for DensityAware {
    type Distance = Cosine;

    fn distance(&self) -> Cosine {
        Cosine
    }

    fn fit<'f>(&'f self, batch: &'f Batch<'_>) -> Result<WeightsOf<'f>, MiningError> {
        let penalties = self.penalties(batch)?;
        Ok(Box::new(move |anchor| {
            let (near, far) = self.bounds(anchor);
            let negatives = anchor.negatives_where(|d| near <= d && d <= far);
            let distances = anchor.negative_distances();
            // The distance is 1 − s.
            let log_weight =
                |&n: &u32| -self.beta * f64::from(distances[n as usize]) - penalties[n as usize];
            let logarithms = negatives.iter().map(log_weight).collect();
            DrawWeights::of_logarithms(negatives, logarithms)
        }))
    }

    fn per_anchor(&self) -> Option<usize> {
        self.per_anchor
    }
}
