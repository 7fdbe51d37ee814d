use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::error::{ConfigError, expect_valid};
use crate::numerics::{at_least_f32, everywhere};
use crate::reducer::Reducer;

/// Configuration of [`CenterInvariantRegularizer`].
#[derive(Config, Debug)]
pub struct CenterInvariantRegularizerConfig {
    /// Reduction over rows. Default: [`Reducer::Mean`].
    #[config(default = "Reducer::Mean")]
    pub reducer: Reducer,
}

impl CenterInvariantRegularizerConfig {
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
    pub fn init(&self, _device: &Device) -> CenterInvariantRegularizer {
        expect_valid(self.validate());
        CenterInvariantRegularizer {
            reducer: self.reducer,
        }
    }
}

/// Equal squared norms (Wu, Liu, Li, Xu, Fu, *Deep Face Recognition with Center Invariant Loss*,
/// ACM Multimedia Thematic Workshops 2017): no class gets a longer vector for having more examples.
///
/// ```text
/// ℓᵢ = ¼ (‖xᵢ‖² − 1/n Σₖ ‖xₖ‖²)²
/// ```
/// The gradient flows through the mean too. The fourth power of the largest norm must be
/// representable.
///
/// Cost: `O(n · dim)`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use metric_losses::CenterInvariantRegularizerConfig;
///
/// let device = Device::flex();
/// let x = Tensor::<2>::from_floats([[1.0, 1.0], [2.0, 0.0]], &device);
/// let loss = CenterInvariantRegularizerConfig::new().init(&device).forward(x);
/// // squared norms 2 and 4 are 1 from their mean: ¼
/// assert!((loss.into_scalar::<f32>() - 0.25).abs() < 1e-6);
/// ```
#[derive(Module, Debug)]
pub struct CenterInvariantRegularizer {
    #[module(skip)]
    reducer: Reducer,
}

impl CenterInvariantRegularizer {
    /// The mean of `ℓᵢ`, or what the reducer makes of them.
    ///
    /// # Shapes
    /// - `vectors`: `[n, dim]`
    /// - output: `[1]`
    pub fn forward(&self, vectors: Tensor<2>) -> Tensor<1> {
        let squares = at_least_f32(vectors).square().sum_dim(1); // [n, 1]
        let mean = squares.clone().mean_dim(0);
        let losses = (squares - mean).square() * 0.25;
        let all = everywhere(&losses);
        self.reducer.reduce(losses, all)
    }
}
