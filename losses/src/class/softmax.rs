use burn::config::Config;
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};

use super::cross_entropy::cross_entropy;
use crate::error::{ConfigError, expect_valid};
use crate::labels::Labels;
use crate::numerics::at_least_f32;
use crate::pairs::assert_labels;
use crate::reducer::Reducer;

/// Configuration of [`SoftmaxLoss`].
#[derive(Config, Debug)]
pub struct SoftmaxLossConfig {
    /// Number of classes.
    pub num_classes: usize,
    /// Length of an embedding.
    pub embedding_size: usize,
    /// Reduction over rows. Default: [`Reducer::Mean`].
    #[config(default = "Reducer::Mean")]
    pub reducer: Reducer,
}

impl SoftmaxLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_size("num_classes", self.num_classes)?;
        ConfigError::check_size("embedding_size", self.embedding_size)?;
        self.reducer.validate()
    }

    /// The loss, with a fresh classifier.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, device: &Device) -> SoftmaxLoss {
        expect_valid(self.validate());
        SoftmaxLoss {
            classifier: LinearConfig::new(self.embedding_size, self.num_classes).init(device),
            reducer: self.reducer,
        }
    }
}

/// Softmax cross-entropy of a linear classifier: the baseline that learns separable features.
///
/// With `W`, `b` the classifier's weight and bias and `y` a row's label:
/// ```text
/// ℓᵢ = −log( exp(w_yᵀ xᵢ + b_y) / Σⱼ exp(wⱼᵀ xᵢ + bⱼ) )
/// ```
/// Cost: `O(n · classes · dim)` time, `O(n · classes)` memory.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_losses::SoftmaxLossConfig;
///
/// let device = Device::flex();
/// let loss = SoftmaxLossConfig::new(4, 2).init(&device);
/// let x = Tensor::<2>::zeros([3, 2], &device);
/// let labels = Tensor::<1, Int>::from_ints([0, 3, 1], &device);
/// // finite whatever the weights; with weights of zero it would be log 4
/// assert!(loss.forward(x, labels).into_scalar::<f32>().is_finite());
/// ```
#[derive(Module, Debug)]
pub struct SoftmaxLoss {
    classifier: Linear,
    #[module(skip)]
    reducer: Reducer,
}

impl SoftmaxLoss {
    /// # Shapes
    /// - `embeddings`: `[n, dim]`, `labels`: `[n]`, each in `0..num_classes`
    /// - output: `[1]`
    ///
    /// # Panics
    /// If a label is out of range or there is not one a row.
    pub fn forward(&self, embeddings: Tensor<2>, labels: impl Into<Labels>) -> Tensor<1> {
        let labels = labels.into();
        assert_labels(&embeddings, &labels);
        cross_entropy(self.logits(embeddings), &labels, self.reducer)
    }

    /// Class scores `xW + b`.
    ///
    /// # Shapes
    /// - `embeddings`: `[n, dim]`
    /// - output: `[n, num_classes]`
    pub fn logits(&self, embeddings: Tensor<2>) -> Tensor<2> {
        self.classifier.forward(at_least_f32(embeddings))
    }
}
