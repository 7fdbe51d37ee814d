use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

use super::class_cosines::ClassCosines;
use super::class_vectors::{class_vectors, with_values};
use super::cross_entropy::zero_if_empty;
use crate::error::{ConfigError, expect_valid};
use crate::labels::Labels;
use crate::reducer::Reducer;

/// Configuration of [`P2sGradLoss`].
#[derive(Config, Debug)]
pub struct P2sGradLossConfig {
    /// Number of classes.
    pub num_classes: usize,
    /// Length of an embedding.
    pub embedding_size: usize,
    /// Reduction over rows. Default: [`Reducer::Mean`].
    #[config(default = "Reducer::Mean")]
    pub reducer: Reducer,
}

impl P2sGradLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_size("num_classes", self.num_classes)?;
        ConfigError::check_size("embedding_size", self.embedding_size)?;
        self.reducer.validate()
    }

    /// The loss, with fresh class vectors.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, device: &Device) -> P2sGradLoss {
        expect_valid(self.validate());
        P2sGradLoss {
            weight: class_vectors(self.num_classes, self.embedding_size, device),
            reducer: self.reducer,
        }
    }
}

/// P2SGrad (Zhang, Zhao, Yan, Wang, Li, Qiao, *P2SGrad: Refined Gradients for Optimizing Deep Face
/// Models*, CVPR 2019, <https://arxiv.org/abs/1905.02479>, sec. 4).
///
/// The paper replaces the softmax probability in the gradient by the cosine, which needs neither
/// scale nor margin; this is the loss with that gradient:
/// ```text
/// ∇ℓᵢ = Σⱼ (cos θⱼ − 1{j = y}) ∇cos θⱼ
/// ℓᵢ  = ½ Σⱼ (cos θⱼ − 1{j = y})²
/// ```
/// Others take the mean over classes instead of half the sum, which is `2 / classes` times this.
///
/// Cost: `O(n · classes · dim)` time; memory `O(n · classes)`, on the CPU backend in `f32` and `f64`
/// `O((n + classes) · dim)`.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_losses::P2sGradLossConfig;
///
/// let device = Device::flex();
/// let axes = Tensor::from_floats([[1.0, 0.0], [0.0, 1.0]], &device);
/// let loss = P2sGradLossConfig::new(2, 2).init(&device).with_weight(axes);
/// let x = Tensor::<2>::from_floats([[3.0, 4.0]], &device);
/// let labels = Tensor::<1, Int>::from_ints([0], &device);
/// // cosines 0.6 and 0.8: ((0.6 − 1)² + 0.8²) / 2 = 0.4
/// assert!((loss.forward(x, labels).into_scalar::<f32>() - 0.4).abs() < 1e-6);
/// ```
#[derive(Module, Debug)]
pub struct P2sGradLoss {
    weight: Param<Tensor<2>>,
    #[module(skip)]
    reducer: Reducer,
}

impl P2sGradLoss {
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
        cosines.squared_loss(self.reducer)
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
