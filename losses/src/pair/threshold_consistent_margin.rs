use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use metric_core::Scalar;
use metric_core::simd::sum_of;

use crate::distance::EmbeddingDistance;
use crate::error::{ConfigError, expect_valid};
use crate::ops::{Found, Rows, Stream, Terms};
use crate::pairs::{PairMasks, over_pairs};
use crate::reducer::Reducer;

/// Configuration of [`ThresholdConsistentMarginLoss`].
#[derive(Config, Debug)]
pub struct ThresholdConsistentMarginLossConfig {
    /// Weight `λ₊` of the positive part. Default: `1.0`.
    #[config(default = 1.0)]
    pub lambda_plus: f64,
    /// Weight `λ₋` of the negative part. Default: `1.0`.
    #[config(default = 1.0)]
    pub lambda_minus: f64,
    /// Cosine `m₊` that a positive pair shall have. Default: `0.9`.
    #[config(default = 0.9)]
    pub margin_plus: f64,
    /// Cosine `m₋` that a negative pair shall stay below. Default: `0.5`.
    #[config(default = 0.5)]
    pub margin_minus: f64,
}

impl ThresholdConsistentMarginLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_finite("lambda_plus", self.lambda_plus)?;
        ConfigError::check_finite("lambda_minus", self.lambda_minus)?;
        ConfigError::check_finite("margin_plus", self.margin_plus)?;
        ConfigError::check_finite("margin_minus", self.margin_minus)
    }

    /// The loss.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, _device: &Device) -> ThresholdConsistentMarginLoss {
        expect_valid(self.validate());
        ThresholdConsistentMarginLoss {
            lambda_plus: self.lambda_plus,
            lambda_minus: self.lambda_minus,
            margin_plus: self.margin_plus,
            margin_minus: self.margin_minus,
        }
    }
}

/// Threshold-consistent margin (Zhang, Xu, Li, Dai, Bapat, Wu, Zhou, Fang, *Threshold-Consistent
/// Margin Loss for Open-World Deep Metric Learning*, ICLR 2024, <https://arxiv.org/abs/2307.04047>,
/// section 4.2), a regularization beside a loss of pairs.
///
/// With `s` the cosine, over the hard pairs only, `s ≤ m₊` of one label and `s ≥ m₋` of two:
/// ```text
/// ℓ = λ₊ · mean over hard positives of (m₊ − s)  +  λ₋ · mean over hard negatives of (s − m₋)
/// ```
/// Embeddings may have any length. Without a hard pair a part is 0.
///
/// Cost: `O(n² · dim)` time; memory `O(n · dim)` where it is [streamed](EmbeddingDistance#streaming), else `O(n²)`.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_losses::ThresholdConsistentMarginLossConfig;
///
/// let device = Device::flex();
/// let x = Tensor::<2>::from_floats([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]], &device);
/// let labels = Tensor::<1, Int>::from_ints([0, 0, 1], &device);
/// let loss = ThresholdConsistentMarginLossConfig::new().init(&device).forward(x, labels);
/// // positive 0.8: 0.9 - 0.8; negatives 0 and 0.6: only the second is hard, 0.6 - 0.5
/// assert!((loss.into_scalar::<f32>() - 0.2).abs() < 1e-5);
/// ```
#[derive(Module, Debug)]
pub struct ThresholdConsistentMarginLoss {
    lambda_plus: f64,
    lambda_minus: f64,
    margin_plus: f64,
    margin_minus: f64,
}

over_pairs!(
    ThresholdConsistentMarginLoss,
    streamed,
    |_loss| (EmbeddingDistance::Cosine, Reducer::Mean),
    "zero if there is no hard pair"
);

impl ThresholdConsistentMarginLoss {
    fn reduce(&self, distances: Tensor<2>, masks: PairMasks) -> Tensor<1> {
        let similarities = -distances + 1.0;
        let lacking = -similarities.clone() + self.margin_plus;
        let excess = similarities - self.margin_minus;
        // Not "at least 0": so NaN counts, and a broken embedding shows.
        let hard = |gaps: &Tensor<2>| gaps.clone().lower_scalar(0.0).bool_not();
        let positive = masks.positive.bool_and(hard(&lacking));
        let negative = masks.negative.bool_and(hard(&excess));
        Reducer::Mean.reduce_by(lacking, positive, &masks.anchors) * self.lambda_plus
            + Reducer::Mean.reduce_by(excess, negative, &masks.anchors) * self.lambda_minus
    }
}

impl Stream for ThresholdConsistentMarginLoss {
    fn stream<T: Scalar>(&self, rows: &Rows<'_, T>, reducer: Reducer) -> Option<Found<T>> {
        let positive = (-1.0, self.margin_plus, self.lambda_plus);
        let negative = (1.0, self.margin_minus, self.lambda_minus);
        rows.loss_of_parts(reducer, |parts, shares| {
            [
                hard(parts.positives, positive, shares[0]),
                hard(parts.negatives, negative, shares[1]),
            ]
        })
    }
}

/// The terms `λ sign (s − margin)` of pairs where it is not negative. Puts their slopes times `share` in the place of the
/// distances.
fn hard<T: Scalar>(
    distances: &mut [T],
    (sign, margin, lambda): (f64, f64, f64),
    share: f64,
) -> Terms {
    let slope = T::from_f64(-sign * lambda * share);
    let [sign, margin] = [sign, margin].map(T::from_f64);
    let gap = move |d: T| sign * (T::ONE - d - margin);
    let kept = move |d: T, value: T| if gap(d) >= T::ZERO { value } else { T::ZERO };
    let count = sum_of(distances, move |d| kept(*d, T::ONE));
    let sum = sum_of(distances, move |d| {
        let value = kept(*d, gap(*d));
        *d = kept(*d, slope);
        value
    });
    Terms {
        sum: lambda * sum,
        count: count as usize,
    }
}
