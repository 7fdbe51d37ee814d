use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::error::{ConfigError, expect_valid};
use crate::numerics::{at_least_f32, everywhere};
use crate::reducer::Reducer;

/// Configuration of [`ZeroMeanRegularizer`].
#[derive(Config, Debug)]
pub struct ZeroMeanRegularizerConfig {
    /// Reduction over rows. Default: [`Reducer::Mean`].
    #[config(default = "Reducer::Mean")]
    pub reducer: Reducer,
}

impl ZeroMeanRegularizerConfig {
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
    pub fn init(&self, _device: &Device) -> ZeroMeanRegularizer {
        expect_valid(self.validate());
        ZeroMeanRegularizer {
            reducer: self.reducer,
        }
    }
}

/// Entries of each embedding that sum to 0 (Yuan, Deng, Tang, Tang, Chen, *Signal-to-Noise Ratio: A
/// Robust Distance Metric for Deep Metric Learning*, CVPR 2019, <https://arxiv.org/abs/1904.02616>): under it the variance of an embedding is its mean square.
///
/// ```text
/// ℓᵢ = | Σⱼ xᵢⱼ |
/// ```
/// Cost: `O(n · dim)`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use metric_losses::ZeroMeanRegularizerConfig;
///
/// let device = Device::flex();
/// let x = Tensor::<2>::from_floats([[1.0, -3.0], [2.0, 2.0]], &device);
/// let loss = ZeroMeanRegularizerConfig::new().init(&device).forward(x);
/// // (2 + 4) / 2
/// assert!((loss.into_scalar::<f32>() - 3.0).abs() < 1e-6);
/// ```
#[derive(Module, Debug)]
pub struct ZeroMeanRegularizer {
    #[module(skip)]
    reducer: Reducer,
}

impl ZeroMeanRegularizer {
    /// The mean magnitude of the sums, or what the reducer makes of them.
    ///
    /// # Shapes
    /// - `vectors`: `[n, dim]`
    /// - output: `[1]`
    pub fn forward(&self, vectors: Tensor<2>) -> Tensor<1> {
        let sums = at_least_f32(vectors).sum_dim(1).abs();
        let all = everywhere(&sums);
        self.reducer.reduce(sums, all)
    }
}
