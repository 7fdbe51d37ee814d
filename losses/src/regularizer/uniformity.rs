use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Bool, Device, Tensor};

use crate::distance::EmbeddingDistance;
use crate::error::{ConfigError, expect_valid};
use crate::numerics::zero_on_graph;

/// Configuration of [`UniformityRegularizer`].
#[derive(Config, Debug)]
pub struct UniformityRegularizerConfig {
    /// Sharpness `t` of the kernel. Default: `2.0`.
    #[config(default = 2.0)]
    pub t: f64,
}

impl UniformityRegularizerConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_positive("t", self.t)
    }

    /// The regularizer.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, _device: &Device) -> UniformityRegularizer {
        expect_valid(self.validate());
        UniformityRegularizer { t: self.t }
    }
}

/// Uniformity (Wang, Isola, *Understanding Contrastive Representation Learning through Alignment and
/// Uniformity on the Hypersphere*, ICML 2020, <https://arxiv.org/abs/2005.10242>).
///
/// Over all pairs of distinct rows:
/// ```text
/// ℓ = ln mean_{i ≠ j} exp(−t ‖xᵢ − xⱼ‖²)
/// ```
/// The paper has vectors on the sphere: pass them through [`l2_normalize`](crate::l2_normalize). The
/// logarithm is taken relative to the largest exponent, so far-apart rows do not underflow.
///
/// Cost: `O(n² · dim)` time; memory as [`EmbeddingDistance::matrix`].
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use metric_losses::UniformityRegularizerConfig;
///
/// let device = Device::flex();
/// let x = Tensor::<2>::from_floats([[1.0, 0.0], [0.0, 1.0]], &device);
/// let loss = UniformityRegularizerConfig::new().init(&device).forward(x);
/// // one pair, squared distance 2: −2 · 2
/// assert!((loss.into_scalar::<f32>() + 4.0).abs() < 1e-6);
/// ```
#[derive(Module, Debug)]
pub struct UniformityRegularizer {
    t: f64,
}

impl UniformityRegularizer {
    /// # Shapes
    /// - `vectors`: `[n, dim]`
    /// - output: `[1]`, zero for fewer than two vectors
    pub fn forward(&self, vectors: Tensor<2>) -> Tensor<1> {
        let [n, _] = vectors.dims();
        if n < 2 {
            return zero_on_graph(vectors);
        }
        let squares = EmbeddingDistance::SquaredEuclidean.matrix(vectors.clone(), vectors);
        let exponents = -squares * self.t;
        // Burn's `diag_mask` is false on the diagonal.
        let itself = Tensor::<2, Bool>::diag_mask([n, n], 0, &exponents.device()).bool_not();
        let exponents = exponents.mask_fill(itself.clone(), f64::NEG_INFINITY);
        let largest = exponents.clone().detach().max();
        let relative = exponents - largest.clone().reshape([1, 1]);
        let sum = relative
            .mask_fill(itself.clone(), 0.0)
            .exp()
            .mask_fill(itself, 0.0)
            .sum();
        sum.log() + largest - ((n * (n - 1)) as f64).ln()
    }
}
