use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Bool, Device, Tensor};

use crate::error::{ConfigError, expect_valid};
use crate::numerics::{everywhere, l2_normalize, zero_on_graph};
use crate::reducer::Reducer;

/// Configuration of [`RegularFaceRegularizer`].
#[derive(Config, Debug)]
pub struct RegularFaceRegularizerConfig {
    /// Reduction over rows. Default: [`Reducer::Mean`].
    #[config(default = "Reducer::Mean")]
    pub reducer: Reducer,
}

impl RegularFaceRegularizerConfig {
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
    pub fn init(&self, _device: &Device) -> RegularFaceRegularizer {
        expect_valid(self.validate());
        RegularFaceRegularizer {
            reducer: self.reducer,
        }
    }
}

/// Class vectors apart from their nearest (Zhao, Xu, Cheng, *`RegularFace`: Deep Face Recognition via
/// Exclusive Regularization*, CVPR 2019).
///
/// ```text
/// ℓᵢ = max_{j ≠ i} cos(wᵢ, wⱼ)
/// ```
/// Of equally near vectors the first is taken.
///
/// Cost: `O(n² · dim)` time, `O(n²)` memory.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use metric_losses::RegularFaceRegularizerConfig;
///
/// let device = Device::flex();
/// let w = Tensor::<2>::from_floats([[1.0, 0.0], [0.0, 2.0], [-3.0, 0.0]], &device);
/// let loss = RegularFaceRegularizerConfig::new().init(&device).forward(w);
/// // every vector has one at a right angle: 0
/// assert!(loss.into_scalar::<f32>().abs() < 1e-6);
/// ```
#[derive(Module, Debug)]
pub struct RegularFaceRegularizer {
    #[module(skip)]
    reducer: Reducer,
}

impl RegularFaceRegularizer {
    /// The mean of the largest cosines, or what the reducer makes of them.
    ///
    /// # Shapes
    /// - `vectors`: `[n, dim]`
    /// - output: `[1]`, zero for fewer than two vectors
    pub fn forward(&self, vectors: Tensor<2>) -> Tensor<1> {
        let [n, _] = vectors.dims();
        if n < 2 {
            return zero_on_graph(vectors);
        }
        let unit = l2_normalize(vectors);
        let cosines = unit.clone().matmul(unit.transpose());
        // Burn's `diag_mask` is false on the diagonal.
        let itself = Tensor::<2, Bool>::diag_mask([n, n], 0, &cosines.device()).bool_not();
        let nearest = cosines.mask_fill(itself, -2.0).max_dim(1);
        let all = everywhere(&nearest);
        self.reducer.reduce(nearest, all)
    }
}
