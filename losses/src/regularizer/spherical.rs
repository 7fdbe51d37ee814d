use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::distance::EmbeddingDistance;
use crate::error::{ConfigError, expect_valid};
use crate::numerics::{everywhere, zero_without_rows};
use crate::reducer::Reducer;

/// Configuration of [`SphericalRegularizer`].
#[derive(Config, Debug)]
pub struct SphericalRegularizerConfig {
    /// Reduction over rows. Default: [`Reducer::Mean`].
    #[config(default = "Reducer::Mean")]
    pub reducer: Reducer,
}

impl SphericalRegularizerConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.reducer.validate()
    }

    /// The regularizer.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, _device: &Device) -> SphericalRegularizer {
        expect_valid(self.validate());
        SphericalRegularizer {
            reducer: self.reducer,
        }
    }
}

/// Equal norms (Zhang, Li, Zhang, *Deep Metric Learning with Spherical Embedding*, NeurIPS 2020,
/// <https://arxiv.org/abs/2011.02785>): angular losses learn better from embeddings that lie
/// on one sphere before they are normalized.
///
/// ```text
/// ℓᵢ = (‖xᵢ‖ − μ)²      μ = 1/n Σₖ ‖xₖ‖
/// ```
/// The gradient flows through the mean too.
///
/// Cost: `O(n · dim)`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use metric_losses::SphericalRegularizerConfig;
///
/// let device = Device::flex();
/// let x = Tensor::<2>::from_floats([[3.0, 4.0], [0.0, 1.0]], &device);
/// let loss = SphericalRegularizerConfig::new().init(&device).forward(x);
/// // norms 5 and 1 are 2 from their mean
/// assert!((loss.into_scalar::<f32>() - 4.0).abs() < 1e-5);
/// ```
#[derive(Module, Debug)]
pub struct SphericalRegularizer {
    #[module(skip)]
    reducer: Reducer,
}

impl SphericalRegularizer {
    /// The variance of the norms, or what the reducer makes of the `ℓᵢ`.
    ///
    /// # Shapes
    /// - `vectors`: `[n, dim]`
    /// - output: `[1]`
    pub fn forward(&self, vectors: Tensor<2>) -> Tensor<1> {
        if let Some(zero) = zero_without_rows(&[&vectors]) {
            return zero;
        }
        let origin = vectors.zeros_like();
        let norms = EmbeddingDistance::Euclidean.paired(vectors, origin);
        let losses = (norms.clone() - norms.mean()).square();
        let all = everywhere(&losses);
        self.reducer.reduce(losses, all)
    }
}
