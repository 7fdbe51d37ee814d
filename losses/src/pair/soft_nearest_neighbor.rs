use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Device, Int, Tensor};

use crate::distance::EmbeddingDistance;
use crate::error::{ConfigError, expect_valid};
use crate::numerics::negative_log_share;
use crate::pairs::{PairMasks, pairs_against, pairs_within};
use crate::reducer::Reducer;

/// Configuration of [`SoftNearestNeighborLoss`].
#[derive(Config, Debug)]
pub struct SoftNearestNeighborLossConfig {
    /// Temperature `T`. Default: `1.0`.
    #[config(default = 1.0)]
    pub temperature: f64,
    /// Whether the temperature is learned. Default: `false`.
    #[config(default = false)]
    pub learn_temperature: bool,
    /// Distance `d`. Default: [`EmbeddingDistance::SquaredEuclidean`].
    #[config(default = "EmbeddingDistance::SquaredEuclidean")]
    pub distance: EmbeddingDistance,
    /// Reduction over rows that have a positive. Default: [`Reducer::Mean`].
    #[config(default = "Reducer::Mean")]
    pub reducer: Reducer,
}

impl SoftNearestNeighborLossConfig {
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
    pub fn init(&self, device: &Device) -> SoftNearestNeighborLoss {
        expect_valid(self.validate());
        SoftNearestNeighborLoss {
            log_sharpness: Initializer::Constant {
                value: -self.temperature.ln(),
            }
            .init([1], device)
            .map(|value: Tensor<1>| value.set_require_grad(self.learn_temperature)),
            distance: self.distance,
            reducer: self.reducer,
        }
    }
}

/// Soft nearest neighbour loss (Frosst, Papernot, Hinton, *Analyzing and Improving Representations with
/// the Soft Nearest Neighbor Loss*, ICML 2019, <https://arxiv.org/abs/1902.01889>, eq. 1 and 2).
///
/// For every row `i` with positives `P`:
/// ```text
/// ℓᵢ = −log( Σ_{p ∈ P} e^{−d_ip / T} / Σ_{k ≠ i} e^{−d_ik / T} )
/// ```
/// Rows without a positive drop out. It is [`NcaLoss`](crate::NcaLoss) with a temperature that may be
/// learned. Deviates from the paper: what is learned is `log(1/T)` rather than `1/T`, so that `T` stays
/// above 0.
///
/// Cost: `O(n² · dim)` time; memory as [`EmbeddingDistance::matrix`].
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_losses::SoftNearestNeighborLossConfig;
///
/// let device = Device::flex();
/// let x = Tensor::<2>::from_floats([[0.0], [1.0], [2.0]], &device);
/// let labels = Tensor::<1, Int>::from_ints([0, 0, 1], &device);
/// let loss = SoftNearestNeighborLossConfig::new().with_temperature(2.0).init(&device).forward(x, labels);
/// // row 0: d is 1 and 4, log(1 + e^-1.5) = 0.20141; row 1: d is 1 and 1, log 2; row 2 drops out
/// assert!((loss.into_scalar::<f32>() - 0.44728).abs() < 1e-5);
/// ```
#[derive(Module, Debug)]
pub struct SoftNearestNeighborLoss {
    log_sharpness: Param<Tensor<1>>,
    #[module(skip)]
    distance: EmbeddingDistance,
    #[module(skip)]
    reducer: Reducer,
}

impl SoftNearestNeighborLoss {
    /// The loss over all pairs of the batch.
    ///
    /// # Shapes
    /// - `embeddings`: `[n, dim]`, `labels`: `[n]`
    /// - output: `[1]`, zero if no row has a positive
    ///
    /// # Panics
    /// If there is not one label a row.
    pub fn forward(&self, embeddings: Tensor<2>, labels: Tensor<1, Int>) -> Tensor<1> {
        let (distances, masks) = pairs_within(self.distance, embeddings, labels);
        self.reduce(distances, masks)
    }

    /// The loss over all pairs, of a row of the batch and rows of a separate reference set; nothing
    /// is left out, gradients flow to both.
    ///
    /// # Shapes
    /// - `embeddings`: `[n, dim]`, `labels`: `[n]`, `reference`: `[m, dim]`,
    ///   `reference_labels`: `[m]`
    /// - output: `[1]`
    ///
    /// # Panics
    /// If there is not one label a row, or `dim` differs.
    pub fn forward_against(
        &self,
        embeddings: Tensor<2>,
        labels: Tensor<1, Int>,
        reference: Tensor<2>,
        reference_labels: Tensor<1, Int>,
    ) -> Tensor<1> {
        let (distances, masks) = pairs_against(
            self.distance,
            embeddings,
            labels,
            reference,
            reference_labels,
        );
        self.reduce(distances, masks)
    }

    /// The temperature, `[1]`.
    pub fn temperature(&self) -> Tensor<1> {
        self.log_sharpness.val().neg().exp()
    }

    /// What is learned, `log(1/T)`, `[1]`.
    pub fn log_sharpness(&self) -> Tensor<1> {
        self.log_sharpness.val()
    }

    fn reduce(&self, distances: Tensor<2>, masks: PairMasks) -> Tensor<1> {
        let selected = masks.positive.clone().any_dim(1);
        let sharpness = self.log_sharpness.val().exp().cast(distances.dtype());
        let logits = -distances * sharpness.reshape([1, 1]);
        let losses = negative_log_share(logits, masks.positive, masks.negative);
        self.reducer.reduce(losses, selected)
    }
}
