use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::distance::EmbeddingDistance;
use crate::error::{ConfigError, expect_valid};
use crate::numerics::{everywhere, zero_without_rows};
use crate::reducer::Reducer;

/// Configuration of [`LpRegularizer`].
#[derive(Config, Debug)]
pub struct LpRegularizerConfig {
    /// Order `p` of the norm, at least 1. Default: `2.0`.
    #[config(default = 2.0)]
    pub p: f64,
    /// Exponent of the norm, above 0. Default: `1.0`.
    #[config(default = 1.0)]
    pub power: f64,
    /// Reduction over rows. Default: [`Reducer::Mean`].
    #[config(default = "Reducer::Mean")]
    pub reducer: Reducer,
}

impl LpRegularizerConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let (p, power) = (self.p, self.power);
        EmbeddingDistance::Lp { p, power }.validate()?;
        self.reducer.validate()
    }

    /// The regularizer.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, _device: &Device) -> LpRegularizer {
        expect_valid(self.validate());
        LpRegularizer {
            norm: EmbeddingDistance::Lp {
                p: self.p,
                power: self.power,
            },
            reducer: self.reducer,
        }
    }
}

/// Norm of the vectors: keeps embeddings from growing.
///
/// ```text
/// ℓᵢ = ‖xᵢ‖ₚ^power
/// ```
/// The gradient of a zero vector is 0. Rows are scaled before powers are taken, so no entry that
/// has a representable norm overflows.
///
/// Cost: `O(n · dim)`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use metric_losses::LpRegularizerConfig;
///
/// let device = Device::flex();
/// let x = Tensor::<2>::from_floats([[3.0, 4.0], [0.0, 1.0]], &device);
/// let loss = LpRegularizerConfig::new().init(&device).forward(x);
/// // (5 + 1) / 2
/// assert!((loss.into_scalar::<f32>() - 3.0).abs() < 1e-6);
/// ```
#[derive(Module, Debug)]
pub struct LpRegularizer {
    #[module(skip)]
    norm: EmbeddingDistance,
    #[module(skip)]
    reducer: Reducer,
}

impl LpRegularizer {
    /// The mean norm, or what the reducer makes of the norms.
    ///
    /// # Shapes
    /// - `vectors`: `[n, dim]`
    /// - output: `[1]`
    pub fn forward(&self, vectors: Tensor<2>) -> Tensor<1> {
        if let Some(zero) = zero_without_rows(&[&vectors]) {
            return zero;
        }
        let origin = vectors.zeros_like();
        let norms = self.norm.paired(vectors, origin);
        let all = everywhere(&norms);
        self.reducer.reduce(norms, all)
    }
}
