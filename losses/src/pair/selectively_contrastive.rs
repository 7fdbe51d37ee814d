use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Bool, Device, Tensor};
use metric_core::Scalar;

use crate::distance::EmbeddingDistance;
use crate::error::{ConfigError, expect_valid};
use crate::numerics::{divide, softplus};
use crate::ops::{self, RowLoss, RowPairs, Terms, closest, sigmoid};
use crate::pairs::{PairMasks, over_pairs};
use crate::reducer::Reducer;

/// Configuration of [`SelectivelyContrastiveTripletLoss`].
#[derive(Config, Debug)]
pub struct SelectivelyContrastiveTripletLossConfig {
    /// Weight `λ` of hard triplets. Default: `1.0`.
    #[config(default = 1.0)]
    pub lambda: f64,
    /// Temperature `τ` of the other triplets. Default: `0.1`.
    #[config(default = 0.1)]
    pub temperature: f64,
    /// A triplet whose negative has a higher cosine than this is hard, wherever its positive is; the authors' code has
    /// `0.8`. Default: `1.0`, none.
    #[config(default = 1.0)]
    pub hard_above: f64,
    /// Reduction over anchors. Default: [`Reducer::Mean`].
    #[config(default = "Reducer::Mean")]
    pub reducer: Reducer,
}

impl SelectivelyContrastiveTripletLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_not_negative("lambda", self.lambda)?;
        ConfigError::check_positive("temperature", self.temperature)?;
        ConfigError::check_finite("hard_above", self.hard_above)?;
        self.reducer.validate()
    }

    /// The loss.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, _device: &Device) -> SelectivelyContrastiveTripletLoss {
        expect_valid(self.validate());
        SelectivelyContrastiveTripletLoss {
            lambda: self.lambda,
            temperature: self.temperature,
            hard_above: self.hard_above,
            reducer: self.reducer,
        }
    }
}

/// Selectively contrastive triplet loss (Xuan, Stylianou, Liu, Pless, *Hard negative examples are hard, but
/// useful*, ECCV 2020, <https://arxiv.org/abs/2007.12749>).
///
/// Every anchor with its closest positive `p` and its closest negative `n`, `s` being cosines to it:
/// ```text
/// ℓ = λ sₙ                                            if sₙ > sₚ
///   = −log( e^{sₚ/τ} / (e^{sₚ/τ} + e^{sₙ/τ}) )         else
/// ```
/// Where the negative is closer than the positive it alone is moved: pulling the positive at the same time is what
/// makes such triplets collapse. The value jumps between the two cases and may be negative. Anchors
/// without a positive or a negative drop out.
///
/// Cost: `O(n² · dim)` time; memory `O(n · dim)` where it is [streamed](EmbeddingDistance#streaming), else `O(n²)`.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_losses::SelectivelyContrastiveTripletLossConfig;
///
/// let device = Device::flex();
/// let x = Tensor::<2>::from_floats([[1.0, 0.0], [0.6, 0.8], [0.0, 2.0]], &device);
/// let labels = Tensor::<1, Int>::from_ints([0, 0, 1], &device);
/// let loss = SelectivelyContrastiveTripletLossConfig::new().init(&device).forward(x, labels);
/// // row 0: cosines 0.6 and 0, log(1 + e^-6) = 0.00248; row 1: 0.6 and 0.8, hard, 0.8; row 2 drops out
/// assert!((loss.into_scalar::<f32>() - 0.40124).abs() < 1e-5);
/// ```
#[derive(Module, Debug)]
pub struct SelectivelyContrastiveTripletLoss {
    lambda: f64,
    temperature: f64,
    hard_above: f64,
    #[module(skip)]
    reducer: Reducer,
}

over_pairs!(
    SelectivelyContrastiveTripletLoss,
    streamed,
    |loss| (EmbeddingDistance::Cosine, loss.reducer),
    "zero if no row has a positive and a negative"
);

impl SelectivelyContrastiveTripletLoss {
    fn reduce(&self, distances: Tensor<2>, masks: PairMasks) -> Tensor<1> {
        let selected = masks.rows_with_both();
        let similarities = -distances + 1.0;
        // A cosine is at least -1.
        let closest = |mask: Tensor<2, Bool>| {
            let others = mask.bool_not();
            similarities.clone().mask_fill(others, -2.0).max_dim(1) // [n, 1]
        };
        let (positive, negative) = (closest(masks.positive), closest(masks.negative));
        let is_hard = negative.clone().greater(positive.clone());
        let is_hard = is_hard.bool_or(negative.clone().greater_scalar(self.hard_above));
        let others = softplus(divide(negative.clone() - positive, self.temperature));
        let losses = others.mask_where(is_hard, negative * self.lambda);
        self.reducer.reduce_by(losses, selected, &masks.anchors)
    }
}

impl RowLoss for SelectivelyContrastiveTripletLoss {
    fn row<T: Scalar>(&self, mut pairs: RowPairs<'_, T>) -> Terms {
        let to_positives = pairs.take_positives();
        let (Some(at), Some(negative)) = (closest(&to_positives), closest(pairs.distances)) else {
            return Terms::default();
        };
        let (positive, to_positive) = (pairs.positives[at], to_positives[at].to_f64());
        let to_negative = pairs.distances[negative].to_f64();
        let hard = to_negative < to_positive || 1.0 - to_negative > self.hard_above;
        let gap = (to_positive - to_negative) / self.temperature;
        let slope = sigmoid(gap) / self.temperature;
        let (term, pull, push) = match hard {
            true => (self.lambda * (1.0 - to_negative), 0.0, -self.lambda),
            false => (ops::softplus(gap), slope, -slope),
        };
        pairs.distances.fill(T::ZERO);
        pairs.distances[positive] = T::from_f64(pull);
        pairs.distances[negative] = T::from_f64(push);
        self.reducer.terms_of(term)
    }
}
