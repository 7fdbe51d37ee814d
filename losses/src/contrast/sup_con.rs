use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use metric_core::Scalar;

use crate::distance::EmbeddingDistance;
use crate::error::{ConfigError, expect_valid};
use crate::numerics::{log_sum_exp, relative_to_largest};
use crate::ops::{Found, LogSumExpLoss, Rows, SeenRow, Stream, Terms};
use crate::pairs::{PairMasks, over_pairs};
use crate::reducer::Reducer;

/// Configuration of [`SupConLoss`].
#[derive(Config, Debug)]
pub struct SupConLossConfig {
    /// Temperature `T`. Default: `0.1`.
    #[config(default = 0.1)]
    pub temperature: f64,
    /// Distance `d`, whose negative is the similarity. Default: [`EmbeddingDistance::Cosine`].
    #[config(default = "EmbeddingDistance::Cosine")]
    pub distance: EmbeddingDistance,
    /// Divide by the number of positives, not by the sum of their grades. Default: `false`. Without grades both are one.
    #[config(default = false)]
    pub by_count: bool,
    /// Reduction over rows that have a positive. Default: [`Reducer::Mean`].
    #[config(default = "Reducer::Mean")]
    pub reducer: Reducer,
}

impl SupConLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_positive("temperature", self.temperature)?;
        self.distance.validate()?;
        self.reducer.validate()
    }

    /// The loss.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, _device: &Device) -> SupConLoss {
        expect_valid(self.validate());
        SupConLoss {
            temperature: self.temperature,
            distance: self.distance,
            by_count: self.by_count,
            reducer: self.reducer,
        }
    }
}

/// Supervised contrastive loss (Khosla et al., *Supervised Contrastive Learning*, `NeurIPS` 2020,
/// <https://arxiv.org/abs/2004.11362>, eq. 2: the sum over positives outside the logarithm).
///
/// With the similarity `s = −d`, `P(i)` the rows of the label of row `i`, and `A(i)` all rows but itself:
/// ```text
/// ℓᵢ = −1/|P(i)| Σ_{p ∈ P(i)} log( exp(sᵢₚ/T) / Σ_{a ∈ A(i)} exp(sᵢₐ/T) )
/// ```
/// Rows without a positive are left out. The paper adds the rows up ([`Reducer::Sum`]); the peers take their mean, as is the
/// default here. With [graded labels](crate::Labels) the grade `gᵢₚ` says how positive a positive is:
/// ```text
/// ℓᵢ = −1/Σₚ gᵢₚ Σₚ gᵢₚ log( exp(sᵢₚ/T) / Σ_{a ∈ A(i)} exp(sᵢₐ/T) )        by_count: |P(i)| for Σₚ gᵢₚ
/// ```
/// so that a row's targets are a distribution; a row without a grade above 0 is left out. `A(i)` are the positives and
/// negatives: pairs that do not count are in neither. With `by_count` and
/// [`negatives_up_to`](crate::Labels::negatives_up_to) infinity it is the multi-label loss of pytorch-metric-learning 3.
///
/// The rows of two views of a batch with their images as labels make it SimCLR's NT-Xent.
///
/// Cost: `O(n² · dim)` time. For cosines and inner products on the CPU backend memory is `O(n · dim)`; otherwise
/// `O(n²)`.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_losses::SupConLossConfig;
///
/// let device = Device::flex();
/// let x = Tensor::<2>::from_floats([[1.0, 0.0], [2.0, 0.0], [0.0, 3.0]], &device);
/// let labels = Tensor::<1, Int>::from_ints([0, 0, 1], &device);
/// let loss = SupConLossConfig::new().with_temperature(1.0).init(&device);
/// // Rows 0 and 1: similarity 1 to each other, 0 to row 2: log(e + 1) − 1 = 0.31326. Row 2 has no positive.
/// assert!((loss.forward(x, labels).into_scalar::<f32>() - 0.31326).abs() < 1e-5);
/// ```
#[derive(Module, Debug)]
pub struct SupConLoss {
    temperature: f64,
    by_count: bool,
    #[module(skip)]
    distance: EmbeddingDistance,
    #[module(skip)]
    reducer: Reducer,
}

over_pairs!(
    SupConLoss,
    streamed,
    |loss| (loss.distance, loss.reducer),
    "zero if there is no positive pair"
);

impl SupConLoss {
    /// The definition, by the matrix of all pairs.
    fn reduce(&self, distances: Tensor<2>, masks: PairMasks) -> Tensor<1> {
        let all = masks.positive.clone().bool_or(masks.negative);
        let logits = relative_to_largest(-distances, &all, 1.0 / self.temperature);
        let log_sum = log_sum_exp(logits.clone(), all);
        let counts = masks.positive.clone().int().sum_dim(1);
        let has_positive = counts.clone().greater_elem(0);
        let counts = counts.clamp_min(1).float().cast(logits.dtype());
        let positives = logits.mask_fill(masks.positive.bool_not(), 0.0);
        let Some(grades) = masks.grades else {
            let losses = log_sum - positives.sum_dim(1) / counts;
            return self.reducer.reduce_by(losses, has_positive, &masks.anchors);
        };
        let sums = grades.clone().sum_dim(1);
        let is_nothing = sums.clone().lower_equal_scalar(0.0);
        let (divisors, counted) = if self.by_count {
            (counts, has_positive)
        } else {
            let divisors = sums.clone().mask_fill(is_nothing.clone(), 1.0);
            (divisors, is_nothing.bool_not())
        };
        let shares = grades / divisors.clone();
        let losses = log_sum * (sums / divisors) - (positives * shares).sum_dim(1);
        self.reducer.reduce_by(losses, counted, &masks.anchors)
    }
}

impl LogSumExpLoss for SupConLoss {
    const SUMS_POSITIVES: bool = true;

    fn scale(&self) -> f64 {
        1.0 / self.temperature
    }

    fn row<T: Scalar>(&self, seen: SeenRow<'_, T>) -> (Terms, f64) {
        let count = seen.to_positives.len() as f64;
        let sum = seen.grades.map_or(count, |grades| grades.iter().sum());
        let divisor = if self.by_count { count } else { sum };
        if divisor == 0.0 {
            return (Terms::default(), 0.0);
        }
        let scale = self.scale();
        let mut mean = 0.0;
        for (at, distance) in seen.to_positives.iter_mut().enumerate() {
            let share = seen.grades.map_or(1.0, |grades| grades[at]) / divisor;
            mean += distance.to_f64() * share;
            *distance = T::from_f64(scale * share);
        }
        let slope = sum / divisor;
        let terms = self.reducer.terms_of(seen.log_sum * slope + mean * scale);
        (terms, slope)
    }
}

impl Stream for SupConLoss {
    fn stream<T: Scalar>(&self, rows: &Rows<'_, T>, reducer: Reducer) -> Option<Found<T>> {
        rows.log_sum_exp_loss(self, reducer)
    }
}
