use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use metric_core::Scalar;

use crate::distance::EmbeddingDistance;
use crate::error::{ConfigError, expect_valid};
use crate::numerics::{log_sum_exp, relative_to_largest};
use crate::ops::{RowLoss, RowPairs, Terms, exp_in_range};
use crate::pairs::{PairMasks, over_pairs};
use crate::reducer::Reducer;

/// Configuration of [`SupConLoss`].
#[derive(Config, Debug)]
pub struct SupConLossConfig {
    /// Temperature `T`. Default: `0.1`.
    #[config(default = 0.1)]
    pub temperature: f64,
    /// Distance `d`, whose negative is the similarity. Default: [`EmbeddingDistance::Cosine`].
    #[config(default = "EmbeddingDistance::Cosine")]
    pub distance: EmbeddingDistance,
    /// Reduction over rows that have a positive. Default: [`Reducer::Mean`].
    #[config(default = "Reducer::Mean")]
    pub reducer: Reducer,
}

impl SupConLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_positive("temperature", self.temperature)?;
        self.distance.validate()?;
        self.reducer.validate()
    }

    /// The loss.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, _device: &Device) -> SupConLoss {
        expect_valid(self.validate());
        SupConLoss {
            temperature: self.temperature,
            distance: self.distance,
            reducer: self.reducer,
        }
    }
}

/// Supervised contrastive loss (Khosla et al., *Supervised Contrastive Learning*, `NeurIPS` 2020,
/// <https://arxiv.org/abs/2004.11362>, eq. 2: the sum over positives outside the logarithm).
///
/// With the similarity `s = −d`, `P(i)` the rows of the label of row `i`, and `A(i)` all rows but itself:
/// ```text
/// ℓᵢ = −1/|P(i)| Σ_{p ∈ P(i)} log( exp(sᵢₚ/T) / Σ_{a ∈ A(i)} exp(sᵢₐ/T) )
/// ```
/// Rows without a positive are left out. The paper adds the rows up ([`Reducer::Sum`]); the peers take their mean, as is the
/// default here. The rows of two views of a batch with their images as labels make it SimCLR's NT-Xent.
///
/// Cost: `O(n² · dim)` time. For cosines and inner products on the CPU backend memory is `O(n · dim)`; otherwise
/// `O(n²)`.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_losses::SupConLossConfig;
///
/// let device = Device::flex();
/// let x = Tensor::<2>::from_floats([[1.0, 0.0], [2.0, 0.0], [0.0, 3.0]], &device);
/// let labels = Tensor::<1, Int>::from_ints([0, 0, 1], &device);
/// let loss = SupConLossConfig::new().with_temperature(1.0).init(&device);
/// // Rows 0 and 1: similarity 1 to each other, 0 to row 2: log(e + 1) − 1 = 0.31326. Row 2 has no positive.
/// assert!((loss.forward(x, labels).into_scalar::<f32>() - 0.31326).abs() < 1e-5);
/// ```
#[derive(Module, Debug)]
pub struct SupConLoss {
    temperature: f64,
    #[module(skip)]
    distance: EmbeddingDistance,
    #[module(skip)]
    reducer: Reducer,
}

over_pairs!(
    SupConLoss,
    streamed,
    |loss| (loss.distance, loss.reducer),
    "zero if there is no positive pair"
);

impl SupConLoss {
    /// The definition, by the matrix of all pairs.
    fn reduce(&self, distances: Tensor<2>, masks: PairMasks) -> Tensor<1> {
        let all = masks.positive.clone().bool_or(masks.negative);
        let logits = relative_to_largest(-distances, &all, 1.0 / self.temperature);
        let log_sum = log_sum_exp(logits.clone(), all);
        let counts = masks.positive.clone().int().sum_dim(1);
        let has_positive = counts.clone().greater_elem(0);
        let counts = counts.clamp_min(1).float().cast(logits.dtype());
        let positives = logits.mask_fill(masks.positive.bool_not(), 0.0).sum_dim(1);
        self.reducer
            .reduce(log_sum - positives / counts, has_positive)
    }
}

impl RowLoss for SupConLoss {
    fn row<T: Scalar>(&self, pairs: RowPairs<'_, T>) -> Terms {
        if pairs.positives.is_empty() {
            return Terms::default();
        }
        let scale = 1.0 / self.temperature;
        let share = 1.0 / pairs.positives.len() as f64;
        let to_positives = pairs.positives.iter().map(|&p| pairs.distances[p].to_f64());
        let mean = to_positives.map(|distance| distance * share).sum::<f64>();
        let all = exp_in_range(pairs.distances, -scale);
        all.share_out(pairs.distances, -scale);
        for &p in &pairs.positives {
            pairs.distances[p] = pairs.distances[p] + T::from_f64(scale * share);
        }
        self.reducer.terms_of(all.value() + mean * scale)
    }
}
