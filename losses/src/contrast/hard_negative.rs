use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use metric_core::Scalar;

use super::debiased::{NegativeEstimate, check_tau_plus};
use crate::distance::EmbeddingDistance;
use crate::error::{ConfigError, expect_valid};
use crate::host::to_vec;
use crate::labels::Labels;
use crate::ops::{Found, Labelled, RowLoss, RowPairs, Rows, Stream, Terms};
use crate::pairs::{PairMasks, over_pairs, streamed};
use crate::reducer::Reducer;

/// Configuration of [`HardNegativeContrastiveLoss`].
#[derive(Config, Debug)]
pub struct HardNegativeContrastiveLossConfig {
    /// Temperature `T`. Default: `0.5`.
    #[config(default = 0.5)]
    pub temperature: f64,
    /// Probability `τ⁺` that a negative has the class of its row after all, from 0 to below 1. Default: `0.1`.
    #[config(default = 0.1)]
    pub tau_plus: f64,
    /// Concentration `β ≥ 0` on hard negatives; with 0 it is
    /// [`DebiasedContrastiveLoss`](crate::DebiasedContrastiveLoss). Default: `1.0`.
    #[config(default = 1.0)]
    pub beta: f64,
    /// Reduction over positive pairs. Default: [`Reducer::Mean`].
    #[config(default = "Reducer::Mean")]
    pub reducer: Reducer,
}

impl HardNegativeContrastiveLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_positive("temperature", self.temperature)?;
        check_tau_plus(self.tau_plus)?;
        ConfigError::check_not_negative("beta", self.beta)?;
        self.reducer.validate()
    }

    /// The loss.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, _device: &Device) -> HardNegativeContrastiveLoss {
        expect_valid(self.validate());
        HardNegativeContrastiveLoss {
            temperature: self.temperature,
            tau_plus: self.tau_plus,
            beta: self.beta,
            reducer: self.reducer,
        }
    }
}

/// Contrastive loss with hard negatives by importance (Robinson, Chuang, Sra, Jegelka, *Contrastive Learning with Hard
/// Negative Samples*, ICLR 2021, <https://arxiv.org/abs/2010.04592>, eq. 3 to 5).
///
/// With the cosine `s`, one term for every positive pair `(i, p)`, the `M` rows `P(i)` of the label of `i` and the `N` rows
/// `N(i)` of other labels, each of these weighted by how close it is:
/// ```text
/// ωᵢₙ = exp(β sᵢₙ/T) / (1/N Σ_{j ∈ N(i)} exp(β sᵢⱼ/T))
/// ℓᵢₚ = −log( exp(sᵢₚ/T) / (exp(sᵢₚ/T) + N gᵢ) )
/// gᵢ  = max( (1/N Σ_{n ∈ N(i)} ωᵢₙ exp(sᵢₙ/T) − τ⁺/M Σ_{v ∈ P(i)} exp(sᵢᵥ/T)) / (1 − τ⁺),  exp(−1/T) )
/// ```
/// As in the authors' code the gradient flows through the weights too, and the positives, which the paper weights as well,
/// are not weighted. In the paper a label is an image; with two views of each, `M = 1`. All of it is computed by
/// logarithms. A pair whose row has no negative counts as 0.
///
/// Cost: `O(n² · dim)` time; memory `O(n · dim)` where it is [streamed](EmbeddingDistance#streaming), else `O(n²)`.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_losses::HardNegativeContrastiveLossConfig;
///
/// let device = Device::flex();
/// let x = Tensor::<2>::from_floats([[1.0, 0.0], [2.0, 0.0], [0.0, 3.0], [-1.0, 0.0]], &device);
/// let labels = Tensor::<1, Int>::from_ints([0, 0, 1, 2], &device);
/// let config = HardNegativeContrastiveLossConfig::new().with_temperature(1.0);
/// let loss = config.with_tau_plus(0.0).init(&device);
/// // Pairs (0, 1) and (1, 0): negatives of similarity 0 and −1, weights 1 and 1/e over their mean 0.68394:
/// // (1 + 1/e²) / 0.68394 = 1.65999, log(1 + 1.65999 / e) = 0.47665.
/// assert!((loss.forward(x, labels).into_scalar::<f32>() - 0.47665).abs() < 1e-5);
/// ```
#[derive(Module, Debug)]
pub struct HardNegativeContrastiveLoss {
    temperature: f64,
    tau_plus: f64,
    beta: f64,
    #[module(skip)]
    reducer: Reducer,
}

over_pairs!(
    HardNegativeContrastiveLoss,
    streamed,
    |loss| (EmbeddingDistance::Cosine, loss.reducer),
    "zero if there is no positive pair"
);

impl HardNegativeContrastiveLoss {
    /// The loss over the batch with negatives of unlike importance, each row with all others:
    /// ```text
    /// ωᵢₙ = wₙ exp(β sᵢₙ/T) / (1/N Σ_{j ∈ N(i)} wⱼ exp(β sᵢⱼ/T))
    /// ```
    /// With `log w = −γ log p`, `p` the density at each row (`metric_sampling::density`), what is frequent does not crowd out
    /// what is rare: density-aware negatives as importance weights instead of draws.
    ///
    /// # Shapes
    /// - `embeddings`: `[n, dim]`, `labels`: `[n]`, `log_weights`: `[n]`, a constant for the gradient
    /// - output: `[1]`, zero if there is no positive pair
    ///
    /// # Panics
    /// If there is not one label or not one weight a row.
    ///
    /// ```
    /// use burn::tensor::{Device, Int, Tensor};
    /// use metric_losses::HardNegativeContrastiveLossConfig;
    ///
    /// let device = Device::flex();
    /// // The negative at −1 comes twice: at half the weight each, the copies count as one.
    /// let x = [[1.0, 0.0], [2.0, 0.0], [0.0, 3.0], [-1.0, 0.0], [-1.0, 0.0]];
    /// let x = Tensor::<2>::from_floats(x, &device);
    /// let labels = Tensor::<1, Int>::from_ints([0, 0, 1, 2, 3], &device);
    /// let log_weights = Tensor::<1>::from_floats([0.0, 0.0, 0.0, 0.5f32.ln(), 0.5f32.ln()], &device);
    /// let config = HardNegativeContrastiveLossConfig::new().with_temperature(1.0);
    /// let loss = config.with_tau_plus(0.0).init(&device);
    /// // As in the example above the mean is (1 + 1/e²)/(1 + 1/e) = 0.82999, but there are three of it:
    /// // log(1 + 2.48998 / e) = 0.65025.
    /// let value = loss.forward_weighted(x, labels, log_weights);
    /// assert!((value.into_scalar::<f32>() - 0.65025).abs() < 1e-5);
    /// ```
    pub fn forward_weighted(
        &self,
        embeddings: Tensor<2>,
        labels: impl Into<Labels>,
        log_weights: Tensor<1>,
    ) -> Tensor<1> {
        self.weighted((embeddings, labels.into()), None, log_weights)
    }

    /// The same against a separate reference set, of which nothing is left out; gradients flow to both.
    ///
    /// # Shapes
    /// - `embeddings`: `[n, dim]`, `labels`: `[n]`, `reference`: `[m, dim]`, `reference_labels`: `[m]`,
    ///   `log_weights`: `[m]`, a constant for the gradient
    /// - output: `[1]`, zero if there is no positive pair
    ///
    /// # Panics
    /// If there is not one label a row or not one weight a reference, labels are of two kinds, or `dim` differs.
    pub fn forward_weighted_against(
        &self,
        embeddings: Tensor<2>,
        labels: impl Into<Labels>,
        reference: Tensor<2>,
        reference_labels: impl Into<Labels>,
        log_weights: Tensor<1>,
    ) -> Tensor<1> {
        let reference = Some((reference, reference_labels.into()));
        self.weighted((embeddings, labels.into()), reference, log_weights)
    }

    fn weighted(
        &self,
        batch: Labelled,
        reference: Option<Labelled>,
        log_weights: Tensor<1>,
    ) -> Tensor<1> {
        let columns = reference
            .as_ref()
            .map_or(&batch.1, |reference| &reference.1);
        let (columns, [weights]) = (columns.len(), log_weights.dims());
        assert_eq!(weights, columns, "there must be one weight a column");
        let way = (EmbeddingDistance::Cosine, self.reducer);
        let loss = Weighted {
            estimate: self.estimate(),
            log_weights: log_weights.detach(),
        };
        streamed(&loss, way, batch, reference, |distances, masks| {
            let weights = loss.log_weights.clone().cast(distances.dtype());
            loss.estimate.loss(distances, masks, Some(weights))
        })
    }

    fn reduce(&self, distances: Tensor<2>, masks: PairMasks) -> Tensor<1> {
        self.estimate().loss(distances, masks, None)
    }

    fn estimate(&self) -> NegativeEstimate {
        NegativeEstimate {
            temperature: self.temperature,
            tau_plus: self.tau_plus,
            beta: self.beta,
            reducer: self.reducer,
        }
    }
}

impl RowLoss for HardNegativeContrastiveLoss {
    fn row<T: Scalar>(&self, pairs: RowPairs<'_, T>) -> Terms {
        self.estimate().row(pairs, None)
    }
}

/// With negatives of unlike importance.
struct Weighted {
    estimate: NegativeEstimate,
    /// Of every column.
    log_weights: Tensor<1>,
}

impl Stream for Weighted {
    fn stream<T: Scalar>(&self, rows: &Rows<'_, T>, reducer: Reducer) -> Option<Found<T>> {
        let weights = to_vec::<f64>(self.log_weights.clone().into_data());
        let weights: Vec<T> = weights.into_iter().map(T::from_f64).collect();
        rows.loss(reducer, |pairs| self.estimate.row(pairs, Some(&weights)))
    }
}
