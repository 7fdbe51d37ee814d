use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::distance::EmbeddingDistance;
use crate::error::{ConfigError, expect_valid};
use crate::numerics::{log_sum_exp, softplus};
use crate::pairs::{PairMasks, over_pairs};
use crate::reducer::Reducer;

/// Configuration of [`DebiasedContrastiveLoss`].
#[derive(Config, Debug)]
pub struct DebiasedContrastiveLossConfig {
    /// Temperature `T`. Default: `0.5`.
    #[config(default = 0.5)]
    pub temperature: f64,
    /// Probability `τ⁺` that a negative has the class of its row after all, from 0 to below 1. Default: `0.1`.
    #[config(default = 0.1)]
    pub tau_plus: f64,
    /// Reduction over positive pairs. Default: [`Reducer::Mean`].
    #[config(default = "Reducer::Mean")]
    pub reducer: Reducer,
}

impl DebiasedContrastiveLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_positive("temperature", self.temperature)?;
        check_tau_plus(self.tau_plus)?;
        self.reducer.validate()
    }

    /// The loss.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, _device: &Device) -> DebiasedContrastiveLoss {
        expect_valid(self.validate());
        DebiasedContrastiveLoss {
            temperature: self.temperature,
            tau_plus: self.tau_plus,
            reducer: self.reducer,
        }
    }
}

/// Debiased contrastive loss (Chuang, Robinson, Lin, Torralba, Jegelka, *Debiased Contrastive Learning*, NeurIPS 2020,
/// <https://arxiv.org/abs/2007.00224>, eq. 7 and 8), for negatives that were not looked at and may be of the same class.
///
/// With the cosine `s`, one term for every positive pair `(i, p)`, the `M` rows `P(i)` of the label of `i`, which estimate
/// the share of false negatives, and the `N` rows `N(i)` of other labels:
/// ```text
/// ℓᵢₚ = −log( exp(sᵢₚ/T) / (exp(sᵢₚ/T) + N gᵢ) )
/// gᵢ  = max( (1/N Σ_{n ∈ N(i)} exp(sᵢₙ/T) − τ⁺/M Σ_{v ∈ P(i)} exp(sᵢᵥ/T)) / (1 − τ⁺),  exp(−1/T) )
/// ```
/// In the paper a label is an image; with two views of each, `M = 1`. With `τ⁺ = 0` it is
/// [`NtXentLoss`](super::NtXentLoss). All of it is computed by logarithms. A pair whose row has no negative counts as 0.
///
/// Cost: `O(n² · dim)` time, `O(n²)` memory.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_losses::DebiasedContrastiveLossConfig;
///
/// let device = Device::flex();
/// let x = Tensor::<2>::from_floats([[1.0, 0.0], [2.0, 0.0], [0.0, 3.0]], &device);
/// let labels = Tensor::<1, Int>::from_ints([0, 0, 1], &device);
/// let loss = DebiasedContrastiveLossConfig::new().with_temperature(1.0).init(&device);
/// // Pairs (0, 1) and (1, 0): g = (1 − 0.1 e) / 0.9 = 0.80908, above 1/e: log(1 + 0.80908 / e) = 0.26055.
/// assert!((loss.forward(x, labels).into_scalar::<f32>() - 0.26055).abs() < 1e-5);
/// ```
#[derive(Module, Debug)]
pub struct DebiasedContrastiveLoss {
    temperature: f64,
    tau_plus: f64,
    #[module(skip)]
    reducer: Reducer,
}

over_pairs!(
    DebiasedContrastiveLoss,
    |_loss| EmbeddingDistance::Cosine,
    "zero if there is no positive pair"
);

impl DebiasedContrastiveLoss {
    fn reduce(&self, distances: Tensor<2>, masks: PairMasks) -> Tensor<1> {
        let estimate = NegativeEstimate {
            temperature: self.temperature,
            tau_plus: self.tau_plus,
            beta: 0.0,
            log_weights: None,
        };
        estimate.loss(distances, masks, self.reducer)
    }
}

pub(super) fn check_tau_plus(tau_plus: f64) -> Result<(), ConfigError> {
    let in_range = (0.0..1.0).contains(&tau_plus);
    ConfigError::check(in_range, "tau_plus", "at least 0 and below 1", tau_plus)
}

/// How the sum over true negatives is estimated from rows of which some are none: `N g`, with importance `w exp(β s/T)` of a
/// negative.
pub(super) struct NegativeEstimate {
    pub(super) temperature: f64,
    pub(super) tau_plus: f64,
    pub(super) beta: f64,
    /// `log w` of every column, if not all are alike.
    pub(super) log_weights: Option<Tensor<1>>,
}

impl NegativeEstimate {
    /// `log(1 + N gᵢ exp(−sᵢₚ/T))` over positive pairs, from cosine distances.
    pub(super) fn loss(
        &self,
        distances: Tensor<2>,
        masks: PairMasks,
        reducer: Reducer,
    ) -> Tensor<1> {
        let logits = (-distances + 1.0) * (1.0 / self.temperature);
        let shape = logits.dims();
        let alone = masks.negative.clone().any_dim(1).bool_not().expand(shape);
        let losses = softplus(self.log_sum(&logits, &masks) - logits);
        reducer.reduce_by(losses.mask_fill(alone, 0.0), masks.positive, &masks.anchors)
    }

    /// `log(N g)` of every row, `[n, 1]`; finite, and without meaning, where it has no positive or no negative.
    fn log_sum(&self, logits: &Tensor<2>, masks: &PairMasks) -> Tensor<2> {
        let log_count = |mask: &Tensor<2, burn::tensor::Bool>| {
            let count = mask.clone().int().sum_dim(1).clamp_min(1);
            count.float().cast(logits.dtype()).log()
        };
        let over = |factor: f64, mask: &Tensor<2, burn::tensor::Bool>| {
            log_sum_exp(logits.clone() * factor, mask.clone())
        };
        let log_n = log_count(&masks.negative);
        // The sum over all rows called negative, weighted by importance.
        let negatives = match (&self.log_weights, self.beta) {
            (None, 0.0) => over(1.0, &masks.negative),
            (log_weights, beta) => {
                let weighted = |factor: f64| {
                    let logits = logits.clone() * factor;
                    let logits = match log_weights {
                        Some(weights) => logits + weights.clone().unsqueeze::<2>(),
                        None => logits,
                    };
                    log_sum_exp(logits, masks.negative.clone())
                };
                weighted(1.0 + beta) - weighted(beta) + log_n.clone()
            }
        };
        let rest = (1.0 - self.tau_plus).ln();
        if self.tau_plus == 0.0 {
            return negatives;
        }
        // The part of it that is expected of false negatives.
        let positives = over(1.0, &masks.positive) - log_count(&masks.positive);
        let false_part = positives + log_n.clone() + self.tau_plus.ln();
        let least = log_n - 1.0 / self.temperature;

        let gap = false_part - negatives.clone();
        let fixed = |t: &Tensor<2>| t.clone().detach();
        let share = -fixed(&gap).exp() + 1.0;
        let least_share = (least.clone() + rest - fixed(&negatives)).exp();
        let is_least = share.lower_equal(least_share);
        // The mask comes before the exponential and the logarithm.
        let share = -gap.mask_fill(is_least.clone(), -1.0).exp() + 1.0;
        (negatives + share.log() - rest).mask_where(is_least, least)
    }
}
