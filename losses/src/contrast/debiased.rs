use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use metric_core::Scalar;
use metric_core::simd::{map_in_place, zip_in_place};

use crate::distance::EmbeddingDistance;
use crate::error::{ConfigError, expect_valid};
use crate::numerics::{log_sum_exp, softplus};
use crate::ops::{
    LogSumExp, RowLoss, RowPairs, Terms, exp_in_range, sigmoid, softplus as softplus_of,
};
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
/// Cost: `O(n² · dim)` time; memory `O(n · dim)` where it is [streamed](EmbeddingDistance#streaming), else `O(n²)`.
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
    streamed,
    |loss| (EmbeddingDistance::Cosine, loss.reducer),
    "zero if there is no positive pair"
);

impl DebiasedContrastiveLoss {
    fn reduce(&self, distances: Tensor<2>, masks: PairMasks) -> Tensor<1> {
        self.estimate().loss(distances, masks, None)
    }

    fn estimate(&self) -> NegativeEstimate {
        NegativeEstimate {
            temperature: self.temperature,
            tau_plus: self.tau_plus,
            beta: 0.0,
            reducer: self.reducer,
        }
    }
}

impl RowLoss for DebiasedContrastiveLoss {
    fn row<T: Scalar>(&self, pairs: RowPairs<'_, T>) -> Terms {
        self.estimate().row(pairs, None)
    }
}

pub(super) fn check_tau_plus(tau_plus: f64) -> Result<(), ConfigError> {
    let in_range = (0.0..1.0).contains(&tau_plus);
    ConfigError::check(in_range, "tau_plus", "at least 0 and below 1", tau_plus)
}

/// How the sum over true negatives is estimated from rows of which some are none: `N g`, with importance `w exp(β s/T)` of a
/// negative, where `log w` of every column is given if not all are alike.
pub(super) struct NegativeEstimate {
    pub(super) temperature: f64,
    pub(super) tau_plus: f64,
    pub(super) beta: f64,
    pub(super) reducer: Reducer,
}

impl NegativeEstimate {
    /// `log(1 + N gᵢ exp(−sᵢₚ/T))` over positive pairs, from cosine distances.
    pub(super) fn loss(
        &self,
        distances: Tensor<2>,
        masks: PairMasks,
        log_weights: Option<Tensor<1>>,
    ) -> Tensor<1> {
        let logits = (-distances + 1.0) * (1.0 / self.temperature);
        let shape = logits.dims();
        let alone = masks.negative.clone().any_dim(1).bool_not().expand(shape);
        let losses = softplus(self.log_sum(&logits, &masks, log_weights) - logits);
        self.reducer
            .reduce_by(losses.mask_fill(alone, 0.0), masks.positive, &masks.anchors)
    }

    /// `log(N g)` of every row, `[n, 1]`; finite, and without meaning, where it has no positive or no negative.
    fn log_sum(
        &self,
        logits: &Tensor<2>,
        masks: &PairMasks,
        log_weights: Option<Tensor<1>>,
    ) -> Tensor<2> {
        let log_count = |mask: &Tensor<2, burn::tensor::Bool>| {
            let count = mask.clone().int().sum_dim(1).clamp_min(1);
            count.float().cast(logits.dtype()).log()
        };
        let over = |factor: f64, mask: &Tensor<2, burn::tensor::Bool>| {
            log_sum_exp(logits.clone() * factor, mask.clone())
        };
        let log_n = log_count(&masks.negative);
        // The sum over all rows called negative, weighted by importance.
        let negatives = match (log_weights, self.beta) {
            (None, 0.0) => over(1.0, &masks.negative),
            (log_weights, beta) => {
                let weighted = |factor: f64| {
                    let logits = logits.clone() * factor;
                    let logits = match &log_weights {
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

    /// The same of one row.
    pub(super) fn row<T: Scalar>(
        &self,
        mut pairs: RowPairs<'_, T>,
        log_weights: Option<&[T]>,
    ) -> Terms {
        let per = 1.0 / self.temperature;
        let mut terms = Terms::default();
        if pairs.positives.is_empty() || pairs.negatives == 0 {
            pairs.distances.fill(T::ZERO);
            for _ in &pairs.positives {
                terms += self.reducer.terms_of(0.0);
            }
            return terms;
        }
        let to_positives = pairs.take_positives();
        // With importances, what they are divided by.
        let is_weighted = log_weights.is_some() || self.beta > 0.0;
        let mut by = is_weighted.then(|| pairs.distances.to_vec());
        let by = by.as_mut().map(|values| {
            let sum = self.powers(values, self.beta, log_weights);
            (values, sum)
        });
        let all = self.powers(pairs.distances, 1.0 + self.beta, log_weights);
        let mut shares = to_positives.clone();
        let positives = self.powers(&mut shares, 1.0, None);

        let log_n = (pairs.negatives as f64).ln();
        let log_m = (to_positives.len() as f64).ln();
        let negatives = match &by {
            Some((_, sum)) => all.value() - sum.value() + log_n,
            None => all.value(),
        };
        let false_part = (positives.value() - log_m) + log_n + self.tau_plus.ln();
        let least = log_n - per;
        let share = 1.0 - (false_part - negatives).exp();
        let is_least =
            self.tau_plus > 0.0 && share <= (least + (1.0 - self.tau_plus).ln() - negatives).exp();
        let (log_sum, by_negatives) = match is_least {
            true => (least, 0.0),
            false => {
                let log = negatives + share.ln() - (1.0 - self.tau_plus).ln();
                (log, 1.0 / share)
            }
        };
        // What one gains the other loses: both are compared with 1.
        let by_false_part = if is_least { 0.0 } else { 1.0 - by_negatives };

        let mut pushes = 0.0;
        let mut pulls: Vec<f64> = Vec::with_capacity(to_positives.len());
        for distance in &to_positives {
            let gap = log_sum - (1.0 - distance.to_f64()) * per;
            let term = self.reducer.terms_of(softplus_of(gap));
            let push = sigmoid(gap) * term.count as f64;
            terms += term;
            pushes += push;
            pulls.push(push * per);
        }
        positives.share_out(&mut shares, -pushes * by_false_part * per);
        let pulls = pulls.into_iter().zip(shares);
        let pulls: Vec<T> = pulls
            .map(|(pull, share)| T::from_f64(pull) + share)
            .collect();
        let pushes = pushes * by_negatives * per;
        all.share_out(pairs.distances, -pushes * (1.0 + self.beta));
        if let Some((values, sum)) = by {
            sum.share_out(values, pushes * self.beta);
            zip_in_place(pairs.distances, values, |slope, other| slope + other);
        }
        pairs.put_positives(pulls);
        terms
    }

    /// Puts the powers `w exp(factor s/T)`, of which the largest is 1, in the place of every distance, and gives the logarithm
    /// of their sum.
    fn powers<T: Scalar>(
        &self,
        distances: &mut [T],
        factor: f64,
        log_weights: Option<&[T]>,
    ) -> LogSumExp {
        let scale = T::from_f64(factor / self.temperature);
        let infinity = T::from_f64(f64::INFINITY);
        // Also where the factor is 0, what does not count is not among them.
        let power = move |distance: T| {
            let power = (T::ONE - distance) * scale;
            if distance < infinity {
                power
            } else {
                T::ZERO - infinity
            }
        };
        match log_weights {
            None => map_in_place(distances, power),
            Some(weights) => {
                zip_in_place(distances, weights, move |distance, weight| {
                    power(distance) + weight
                });
            }
        }
        exp_in_range(distances, 1.0)
    }
}
