use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::distance::EmbeddingDistance;
use crate::error::{ConfigError, expect_valid};
use crate::numerics::{divide, zero_without_rows};

/// Configuration of [`NegativeCosineLoss`].
#[derive(Config, Debug)]
pub struct NegativeCosineLossConfig {
    /// Factor `f` of the cosine. Default: `1.0`, `SimSiam`'s.
    #[config(default = 1.0)]
    pub factor: f64,
    /// Loss `o` of orthogonal rows. Default: `0.0`, `SimSiam`'s.
    #[config(default = 0.0)]
    pub offset: f64,
}

impl NegativeCosineLossConfig {
    /// The numbers of BYOL, `2 − 2 cos`.
    pub fn byol() -> Self {
        Self::new().with_factor(2.0).with_offset(2.0)
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_positive("factor", self.factor)?;
        ConfigError::check_finite("offset", self.offset)
    }

    /// The loss.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, _device: &Device) -> NegativeCosineLoss {
        expect_valid(self.validate());
        NegativeCosineLoss {
            factor: self.factor,
            offset: self.offset,
        }
    }
}

/// Cosine of a prediction and its target (Grill et al., *Bootstrap Your Own Latent*, `NeurIPS` 2020,
/// <https://arxiv.org/abs/2006.07733>, eq. 2; Chen, He, *`SimSiam`*, CVPR 2021, <https://arxiv.org/abs/2011.10566>,
/// eq. 1).
///
/// ```text
/// ℓ = 1/n Σᵢ (o − f cos(pᵢ, zᵢ))         SimSiam: f = 1, o = 0       BYOL: f = 2, o = 2, which is ‖p̂ᵢ − ẑᵢ‖²
/// ```
/// Both papers stop the gradient at the target and sum over the two directions: `SimSiam` takes half of the sum, BYOL
/// the sum. Here gradients flow to both sides: `detach` the targets, add up the directions.
/// A zero row has cosine 0 with every row.
///
/// Cost: `O(n · dim)` time and memory.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use metric_losses::NegativeCosineLossConfig;
///
/// let device = Device::flex();
/// let predictions = Tensor::<2>::from_floats([[2.0, 0.0], [3.0, 4.0]], &device);
/// let targets = Tensor::<2>::from_floats([[1.0, 0.0], [5.0, 0.0]], &device);
/// // cosines 1 and 0.6
/// let loss = NegativeCosineLossConfig::new().init(&device);
/// let value = loss.forward(predictions.clone(), targets.clone().detach());
/// assert!((value.into_scalar::<f32>() + 0.8).abs() < 1e-6);
/// let loss = NegativeCosineLossConfig::byol().init(&device);
/// let value = loss.forward(predictions, targets.detach());
/// assert!((value.into_scalar::<f32>() - 0.4).abs() < 1e-6);
/// ```
#[derive(Module, Debug)]
pub struct NegativeCosineLoss {
    factor: f64,
    offset: f64,
}

impl NegativeCosineLoss {
    /// The mean over rows; gradients flow to both sides.
    ///
    /// # Shapes
    /// - `predictions`, `targets`: `[n, dim]`
    /// - output: `[1]`, zero without rows
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn forward(&self, predictions: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
        let ([n, dim], of_targets) = (predictions.dims(), targets.dims());
        assert_eq!([n, dim], of_targets, "one target a prediction");
        if let Some(zero) = zero_without_rows(&[&predictions, &targets]) {
            return zero;
        }
        let distances = EmbeddingDistance::Cosine.paired(predictions, targets);
        let mean = divide(distances.sum(), n as f64);
        mean * self.factor + (self.offset - self.factor)
    }
}
