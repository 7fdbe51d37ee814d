use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Bool, Device, Tensor};
use metric_core::Scalar;

use crate::distance::EmbeddingDistance;
use crate::error::{ConfigError, expect_valid};
use crate::numerics::{divide, log_sum_exp, relative_to_largest};
use crate::ops::{Found, LogSumExpLoss, Rows, SeenRow, Stream, Terms};
use crate::pairs::{PairMasks, over_pairs};
use crate::reducer::Reducer;

/// Configuration of [`DecoupledContrastiveLoss`].
#[derive(Config, Debug)]
pub struct DecoupledContrastiveLossConfig {
    /// Temperature `T`. Default: `0.1`.
    #[config(default = 0.1)]
    pub temperature: f64,
    /// Weights positive pairs by how far apart they are, with this `σ` (DCLW; the paper has 0.5); without it they weigh
    /// the same (DCL). Default: none.
    #[config(default = "None")]
    pub weighting: Option<f64>,
    /// Distance `d`; the similarity is `1 − d` for the cosine and `−d` else. Default: [`EmbeddingDistance::Cosine`].
    #[config(default = "EmbeddingDistance::Cosine")]
    pub distance: EmbeddingDistance,
    /// Reduction over positive pairs. Default: [`Reducer::Mean`].
    #[config(default = "Reducer::Mean")]
    pub reducer: Reducer,
}

impl DecoupledContrastiveLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_positive("temperature", self.temperature)?;
        self.weighting.map_or(Ok(()), |sigma| {
            ConfigError::check_positive("weighting", sigma)
        })?;
        self.distance.validate()?;
        self.reducer.validate()
    }

    /// The loss.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, _device: &Device) -> DecoupledContrastiveLoss {
        expect_valid(self.validate());
        DecoupledContrastiveLoss {
            temperature: self.temperature,
            weighting: self.weighting,
            distance: self.distance,
            reducer: self.reducer,
        }
    }
}

/// Decoupled contrastive loss, DCL and DCLW (Yeh et al., *Decoupled Contrastive Learning*, ECCV 2022,
/// <https://arxiv.org/abs/2110.06848>).
///
/// One term for every positive pair `(i, p)`, against the rows `N(i)` of other labels. The positive is not in the
/// denominator, where it would weaken the gradient of all pairs as soon as it is close:
/// ```text
/// ℓᵢₚ = −wᵢₚ sᵢₚ/T + log Σ_{n ∈ N(i)} exp(sᵢₙ/T)
/// wᵢₚ = 1                                            DCL
///     = 2 − exp(sᵢₚ/σ) / mean over pairs exp(s/σ)    DCLW
/// ```
/// The weights are constants for the gradient. In the paper a label is an image and its rows are two views of it. The loss
/// falls below zero: [`Reducer::AvgNonZero`] and [`Reducer::Threshold`] drop such terms. A row without negatives has no
/// term.
///
/// Cost: `O(n² · dim)` time; memory `O(n · dim)` where it is [streamed](EmbeddingDistance#streaming), which it is without
/// weights, else `O(n²)`.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_losses::DecoupledContrastiveLossConfig;
///
/// let device = Device::flex();
/// let x = Tensor::<2>::from_floats([[1.0, 0.0], [2.0, 0.0], [0.0, 3.0]], &device);
/// let labels = Tensor::<1, Int>::from_ints([0, 0, 1], &device);
/// let loss = DecoupledContrastiveLossConfig::new().with_temperature(0.5).init(&device);
/// // Pairs (0, 1) and (1, 0): similarity 1, one negative of similarity 0: −1/0.5 + log(exp 0) = −2.
/// assert!((loss.forward(x, labels).into_scalar::<f32>() + 2.0).abs() < 1e-5);
/// ```
#[derive(Module, Debug)]
pub struct DecoupledContrastiveLoss {
    temperature: f64,
    weighting: Option<f64>,
    #[module(skip)]
    distance: EmbeddingDistance,
    #[module(skip)]
    reducer: Reducer,
}

over_pairs!(
    DecoupledContrastiveLoss,
    streamed,
    |loss| (loss.distance, loss.reducer),
    "zero if there is no positive pair whose row has a negative"
);

impl DecoupledContrastiveLoss {
    fn reduce(&self, distances: Tensor<2>, masks: PairMasks) -> Tensor<1> {
        let similarities = match self.distance {
            EmbeddingDistance::Cosine => -distances + 1.0,
            _ => -distances,
        };
        let (shape, scale) = (similarities.dims(), 1.0 / self.temperature);
        let has_negative = masks.negative.clone().any_dim(1).expand(shape);
        let pairs = masks.positive.bool_and(has_negative);
        let relative = relative_to_largest(similarities.clone(), &masks.negative, scale);
        let losses = log_sum_exp(relative.clone(), masks.negative) - relative;
        let Some(sigma) = self.weighting else {
            return self.reducer.reduce_by(losses, pairs, &masks.anchors);
        };
        let [n, m] = shape;
        let gaps = similarities.clone().reshape([1, n * m]);
        let gaps = relative_to_largest(gaps, &pairs.clone().reshape([1, n * m]), 1.0);
        let gaps = gaps.reshape(shape).mask_fill(pairs.clone().bool_not(), 0.0);
        let extra = weights_less_one(gaps.clone().detach(), &pairs, sigma);
        // −w s = −s − (w − 1) s. The factors w − 1 add up to 0: for the mean and the sum of all terms s may be taken
        // relative to any number.
        let weighted = match self.reducer {
            Reducer::Mean | Reducer::Sum if masks.anchors.are_even() => gaps,
            _ => similarities,
        };
        let losses = losses - weighted * extra * scale;
        self.reducer.reduce_by(losses, pairs, &masks.anchors)
    }
}

/// `1 − exp(s/σ) / mean exp(s/σ)`, the mean over `pairs`, of similarities less the largest of these.
fn weights_less_one(gaps: Tensor<2>, pairs: &Tensor<2, Bool>, sigma: f64) -> Tensor<2> {
    let powers = divide(gaps, sigma).exp();
    let mean = Reducer::Mean.reduce(powers.clone(), pairs.clone());
    // The largest power is 1; without pairs there is none.
    let mean = mean.clone().mask_fill(mean.equal_scalar(0.0), 1.0);
    -powers / mean.reshape([1, 1]) + 1.0
}

impl Stream for DecoupledContrastiveLoss {
    /// Not with weights, which depend on all pairs.
    fn stream<T: Scalar>(&self, rows: &Rows<'_, T>, reducer: Reducer) -> Option<Found<T>> {
        let unweighted = self.weighting.is_none();
        unweighted.then(|| rows.log_sum_exp_loss(self, reducer))?
    }
}

impl LogSumExpLoss for DecoupledContrastiveLoss {
    const SUMS_POSITIVES: bool = false;

    fn scale(&self) -> f64 {
        1.0 / self.temperature
    }

    fn row<T: Scalar>(&self, seen: SeenRow<'_, T>) -> (Terms, f64) {
        let (mut terms, scale) = (Terms::default(), self.scale());
        if seen.log_sum == f64::NEG_INFINITY {
            return (terms, 0.0);
        }
        for distance in seen.to_positives {
            let term = seen.log_sum + distance.to_f64() * scale;
            let term = self.reducer.terms_of(term);
            terms += term;
            *distance = T::from_f64(scale * term.count as f64);
        }
        (terms, terms.count as f64)
    }
}
