use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

use super::class_cosines::ClassCosines;
use super::class_vectors::{class_vectors, with_values};
use super::cross_entropy::zero_if_empty;
use crate::error::{ConfigError, expect_valid};
use crate::labels::Labels;
use crate::reducer::Reducer;

/// Configuration of [`NormalizedSoftmaxLoss`].
#[derive(Config, Debug)]
pub struct NormalizedSoftmaxLossConfig {
    /// Number of classes.
    pub num_classes: usize,
    /// Length of an embedding.
    pub embedding_size: usize,
    /// Temperature `T`. Default: `0.05`.
    #[config(default = 0.05)]
    pub temperature: f64,
    /// Reduction over rows. Default: [`Reducer::Mean`].
    #[config(default = "Reducer::Mean")]
    pub reducer: Reducer,
}

impl NormalizedSoftmaxLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_size("num_classes", self.num_classes)?;
        ConfigError::check_size("embedding_size", self.embedding_size)?;
        ConfigError::check_positive("temperature", self.temperature)?;
        self.reducer.validate()
    }

    /// The loss, with fresh class vectors.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, device: &Device) -> NormalizedSoftmaxLoss {
        expect_valid(self.validate());
        NormalizedSoftmaxLoss {
            weight: class_vectors(self.num_classes, self.embedding_size, device),
            temperature: self.temperature,
            reducer: self.reducer,
        }
    }
}

/// Normalized softmax (Zhai, Wu, *Classification is a Strong Baseline for Deep Metric Learning*,
/// BMVC 2019, <https://arxiv.org/abs/1811.12649>, eq. 4).
///
/// Embeddings and class vectors `wⱼ` both lie on the sphere:
/// ```text
/// ℓᵢ = −log( exp(ŵ_y · x̂ᵢ / T) / Σⱼ exp(ŵⱼ · x̂ᵢ / T) )
/// ```
/// Cost: `O(n · classes · dim)` time; memory `O(n · classes)`, on the CPU backend in `f32` and `f64`
/// `O((n + classes) · dim)`.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_losses::NormalizedSoftmaxLossConfig;
///
/// let device = Device::flex();
/// let axes = Tensor::from_floats([[2.0, 0.0], [0.0, 3.0]], &device);
/// let loss = NormalizedSoftmaxLossConfig::new(2, 2).with_temperature(1.0).init(&device);
/// let loss = loss.with_weight(axes);
/// let x = Tensor::<2>::from_floats([[5.0, 0.0]], &device);
/// let labels = Tensor::<1, Int>::from_ints([0], &device);
/// // cosines 1 and 0: −log(e / (e + 1)) = 0.31326
/// assert!((loss.forward(x, labels).into_scalar::<f32>() - 0.31326).abs() < 1e-5);
/// ```
#[derive(Module, Debug)]
pub struct NormalizedSoftmaxLoss {
    weight: Param<Tensor<2>>,
    temperature: f64,
    #[module(skip)]
    reducer: Reducer,
}

impl NormalizedSoftmaxLoss {
    /// # Shapes
    /// - `embeddings`: `[n, dim]`, `labels`: `[n]`, each in `0..num_classes`
    /// - output: `[1]`
    ///
    /// # Panics
    /// If a label is out of range or there is not one a row.
    pub fn forward(&self, embeddings: Tensor<2>, labels: impl Into<Labels>) -> Tensor<1> {
        let labels = labels.into();
        if let Some(zero) = zero_if_empty(&embeddings, &labels) {
            return zero;
        }
        let cosines = ClassCosines::new(embeddings, self.weight.val(), labels);
        let target = cosines.target.clone();
        cosines.loss(target, 1.0 / self.temperature, self.reducer)
    }

    /// The same loss with the values of given class vectors; it is [`weight`](Self::weight) that
    /// gets the gradient.
    ///
    /// # Shapes
    /// - `weight`: `[num_classes, dim]`
    pub fn with_weight(mut self, weight: Tensor<2>) -> Self {
        self.weight = with_values(self.weight, weight);
        self
    }

    /// The class vectors, `[num_classes, dim]`, of any length.
    pub fn weight(&self) -> Tensor<2> {
        self.weight.val()
    }
}
