use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Bool, Device, Tensor};

use crate::distance::EmbeddingDistance;
use crate::error::{ConfigError, expect_valid};
use crate::pairs::{PairMasks, over_pairs};
use crate::reducer::Reducer;

/// Configuration of [`IntraPairVarianceLoss`].
#[derive(Config, Debug)]
pub struct IntraPairVarianceLossConfig {
    /// Part `ε₊` of the mean that a positive similarity may lack. Default: `0.01`.
    #[config(default = 0.01)]
    pub pos_eps: f64,
    /// Part `ε₋` of the mean that a negative similarity may have more. Default: `0.01`.
    #[config(default = 0.01)]
    pub neg_eps: f64,
    /// Reduction over positive pairs and over negative pairs, each on its own. Default:
    /// [`Reducer::Mean`].
    #[config(default = "Reducer::Mean")]
    pub reducer: Reducer,
}

impl IntraPairVarianceLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_finite("pos_eps", self.pos_eps)?;
        ConfigError::check_finite("neg_eps", self.neg_eps)?;
        self.reducer.validate()
    }

    /// The loss.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, _device: &Device) -> IntraPairVarianceLoss {
        expect_valid(self.validate());
        IntraPairVarianceLoss {
            pos_eps: self.pos_eps,
            neg_eps: self.neg_eps,
            reducer: self.reducer,
        }
    }
}

/// Intra-pair variance loss (Yu, Tao, *Deep Metric Learning with Tuplet Margin Loss*, ICCV 2019,
/// section 3.3), an addition to a loss of pairs.
///
/// With `s` the cosine, `μ₊` its mean over the positive pairs `P` and `μ₋` over the negative pairs `N`:
/// ```text
/// ℓ = reduce over P of [(1 − ε₊) μ₊ − s]₊²  +  reduce over N of [s − (1 + ε₋) μ₋]₊²
/// ```
/// Embeddings may have any length. Gradients flow through the means too.
///
/// Cost: `O(n² · dim)` time, `O(n²)` memory.
///
/// ```
/// use burn::tensor::{Bool, Device, Int, Tensor};
/// use metric_losses::IntraPairVarianceLossConfig;
///
/// let device = Device::flex();
/// let x = Tensor::<2>::from_floats([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], &device);
/// let labels = Tensor::<1, Int>::from_ints([0, 0, 0], &device);
/// let loss = IntraPairVarianceLossConfig::new().init(&device).forward(x, labels);
/// // similarities 1, 0, 0 with mean 1/3: 0 for the first, 0.33² = 0.1089 for two of three
/// assert!((loss.into_scalar::<f32>() - 0.0726).abs() < 1e-5);
/// ```
#[derive(Module, Debug)]
pub struct IntraPairVarianceLoss {
    pos_eps: f64,
    neg_eps: f64,
    #[module(skip)]
    reducer: Reducer,
}

over_pairs!(
    IntraPairVarianceLoss,
    |_loss| EmbeddingDistance::Cosine,
    "zero if there is no pair"
);

impl IntraPairVarianceLoss {
    fn reduce(&self, distances: Tensor<2>, masks: PairMasks) -> Tensor<1> {
        let similarities = -distances + 1.0;
        let mean = |mask: &Tensor<2, Bool>| {
            let mean = Reducer::Mean.reduce(similarities.clone(), mask.clone());
            mean.reshape([1, 1])
        };
        let lacking = mean(&masks.positive) * (1.0 - self.pos_eps) - similarities.clone();
        let excess = similarities.clone() - mean(&masks.negative) * (1.0 + self.neg_eps);
        let square = |gaps: Tensor<2>| gaps.clamp_min(0.0).square();
        self.reducer
            .reduce_by(square(lacking), masks.positive, &masks.anchors)
            + self
                .reducer
                .reduce_by(square(excess), masks.negative, &masks.anchors)
    }
}
