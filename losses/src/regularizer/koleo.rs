use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Bool, Device, Tensor};

use crate::distance::EmbeddingDistance;
use crate::error::{ConfigError, expect_valid};
use crate::numerics::{everywhere, zero_on_graph};
use crate::reducer::Reducer;

/// Configuration of [`KoLeoRegularizer`].
#[derive(Config, Debug)]
pub struct KoLeoRegularizerConfig {
    /// Added to the distance under the logarithm, so that equal vectors cost a finite amount.
    /// Default: `1e-8`.
    #[config(default = 1e-8)]
    pub epsilon: f64,
    /// Reduction over rows. Default: [`Reducer::Mean`].
    #[config(default = "Reducer::Mean")]
    pub reducer: Reducer,
}

impl KoLeoRegularizerConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_positive("epsilon", self.epsilon)?;
        self.reducer.validate()
    }

    /// The regularizer.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, _device: &Device) -> KoLeoRegularizer {
        expect_valid(self.validate());
        KoLeoRegularizer {
            epsilon: self.epsilon,
            reducer: self.reducer,
        }
    }
}

/// Kozachenko-Leonenko estimate of the entropy, negated (Sablayrolles, Douze, Schmid, Jégou,
/// *Spreading vectors for similarity search*, ICLR 2019, <https://arxiv.org/abs/1806.03198>): pushes each vector from its nearest.
///
/// ```text
/// ℓᵢ = −ln(min_{j ≠ i} ‖xᵢ − xⱼ‖ + ε)
/// ```
/// The paper has vectors on the sphere: pass them through [`l2_normalize`](crate::l2_normalize). The
/// gradient moves both ends; equal vectors give it no direction, so theirs is 0.
///
/// Cost: `O(n² · dim)` time; memory as [`EmbeddingDistance::matrix`].
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use metric_losses::KoLeoRegularizerConfig;
///
/// let device = Device::flex();
/// let x = Tensor::<2>::from_floats([[0.0, 0.0], [0.0, 1.0], [2.0, 0.0]], &device);
/// let loss = KoLeoRegularizerConfig::new().init(&device).forward(x);
/// // nearest at 1, 1 and 2: −(0 + 0 + ln 2) / 3
/// assert!((loss.into_scalar::<f32>() + 0.231049).abs() < 1e-5);
/// ```
#[derive(Module, Debug)]
pub struct KoLeoRegularizer {
    epsilon: f64,
    #[module(skip)]
    reducer: Reducer,
}

impl KoLeoRegularizer {
    /// The mean over rows, or what the reducer makes of them.
    ///
    /// # Shapes
    /// - `vectors`: `[n, dim]`
    /// - output: `[1]`, zero for fewer than two vectors
    pub fn forward(&self, vectors: Tensor<2>) -> Tensor<1> {
        let [n, _] = vectors.dims();
        if n < 2 {
            return zero_on_graph(vectors);
        }
        let fixed = vectors.clone().detach();
        let distances = EmbeddingDistance::Euclidean.matrix(fixed.clone(), fixed);
        // Burn's `diag_mask` is false on the diagonal.
        let itself = Tensor::<2, Bool>::diag_mask([n, n], 0, &distances.device()).bool_not();
        let nearest = distances.mask_fill(itself, f64::INFINITY).argmin(1);
        let neighbours = vectors.clone().select(0, nearest.reshape([n]));
        let gaps = EmbeddingDistance::Euclidean.paired(vectors, neighbours);
        let losses = -(gaps + self.epsilon).log();
        let all = everywhere(&losses);
        self.reducer.reduce(losses, all)
    }
}
