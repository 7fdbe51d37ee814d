use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Bool, Device, Tensor};
use metric_core::Scalar;
use metric_core::simd::{map_in_place, sum_of, zip_in_place};

use crate::distance::EmbeddingDistance;
use crate::error::{ConfigError, expect_valid};
use crate::numerics::everywhere;
use crate::ops::{RowLoss, RowPairs, Terms, exp_in_range};
use crate::pairs::{PairMasks, over_pairs};
use crate::reducer::Reducer;

/// Configuration of [`RankedListLoss`].
#[derive(Config, Debug)]
pub struct RankedListLossConfig {
    /// Distance `α` beyond which a negative costs nothing. Default: `1.2`.
    #[config(default = 1.2)]
    pub alpha: f64,
    /// Gap `m`: within `α − m` a positive costs nothing. Default: `0.4`.
    #[config(default = 0.4)]
    pub margin: f64,
    /// `T₋`: how much nearer negatives weigh more. Default: `10.0`.
    #[config(default = 10.0)]
    pub neg_temperature: f64,
    /// `T₊`: how much farther positives weigh more. Default: `0.0`, all alike.
    #[config(default = 0.0)]
    pub pos_temperature: f64,
    /// Share `λ` of the negatives, from 0 to 1. Default: `0.5`.
    #[config(default = 0.5)]
    pub imbalance: f64,
    /// Added once a column to the sum of weights. Default: `0.0`.
    #[config(default = 0.0)]
    pub epsilon: f64,
    /// Distance `d`. Default: [`EmbeddingDistance::Euclidean`].
    #[config(default = "EmbeddingDistance::Euclidean")]
    pub distance: EmbeddingDistance,
    /// Reduction over rows. Default: [`Reducer::Mean`].
    #[config(default = "Reducer::Mean")]
    pub reducer: Reducer,
}

impl RankedListLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let not_negative = |name, value: f64| {
            let valid = value.is_finite() && value >= 0.0;
            ConfigError::check(valid, name, "finite and not below 0", value)
        };
        ConfigError::check_finite("alpha", self.alpha)?;
        ConfigError::check_finite("margin", self.margin)?;
        not_negative("neg_temperature", self.neg_temperature)?;
        not_negative("pos_temperature", self.pos_temperature)?;
        let share = (0.0..=1.0).contains(&self.imbalance);
        ConfigError::check(share, "imbalance", "from 0 to 1", self.imbalance)?;
        not_negative("epsilon", self.epsilon)?;
        self.distance.validate()?;
        self.reducer.validate()
    }

    /// The loss.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, _device: &Device) -> RankedListLoss {
        expect_valid(self.validate());
        RankedListLoss {
            alpha: self.alpha,
            margin: self.margin,
            neg_temperature: self.neg_temperature,
            pos_temperature: self.pos_temperature,
            imbalance: self.imbalance,
            epsilon: self.epsilon,
            distance: self.distance,
            reducer: self.reducer,
        }
    }
}

/// Ranked list loss (Wang, Hua, Kodirov, Hu, Garnier, Robertson, *Ranked List Loss for Deep Metric
/// Learning*, CVPR 2019, <https://arxiv.org/abs/1903.03238>).
///
/// For each row, over the positives with `d > α − m` and over the negatives with `d < α`:
/// ```text
/// v₊ = d − (α − m),  w₊ = exp(T₊ v₊)           v₋ = α − d,  w₋ = exp(T₋ v₋)
/// ℓ  = (1 − λ) Σ w₊ v₊ / (Σ w₊ + m ε)  +  λ Σ w₋ v₋ / (Σ w₋ + m ε)        an empty part is 0
/// ```
/// (`m ε`: columns times `epsilon`). The weights are differentiated too. They are formed relative to
/// the largest, so that no temperature overflows. Every row counts, also one without any pair.
///
/// Cost: `O(n² · dim)` time; memory `O(n · dim)` where it is [streamed](EmbeddingDistance#streaming), else as
/// [`EmbeddingDistance::matrix`].
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_losses::RankedListLossConfig;
///
/// let device = Device::flex();
/// let x = Tensor::<2>::from_floats([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0]], &device);
/// let labels = Tensor::<1, Int>::from_ints([0, 0, 1], &device);
/// let loss = RankedListLossConfig::new().init(&device).forward(x, labels);
/// // positives: d(0,1) = 1 is 0.2 beyond 0.8; negatives: d(0,2) = 1 is 0.2 within 1.2, d(1,2) is not.
/// // Rows 0.5 · (0.2 + 0.2), 0.5 · 0.2 and 0.5 · 0.2; their mean
/// assert!((loss.into_scalar::<f32>() - 0.4 / 3.0).abs() < 1e-6);
/// ```
#[derive(Module, Debug)]
pub struct RankedListLoss {
    alpha: f64,
    margin: f64,
    neg_temperature: f64,
    pos_temperature: f64,
    imbalance: f64,
    epsilon: f64,
    #[module(skip)]
    distance: EmbeddingDistance,
    #[module(skip)]
    reducer: Reducer,
}

over_pairs!(
    RankedListLoss,
    streamed,
    |loss| (loss.distance, loss.reducer),
    "zero if there is no pair"
);

impl RankedListLoss {
    fn reduce(&self, distances: Tensor<2>, masks: PairMasks) -> Tensor<1> {
        let beyond = distances.clone() - (self.alpha - self.margin);
        let within = -distances + self.alpha;
        let positive = self.part(beyond, masks.positive, self.pos_temperature);
        let negative = self.part(within, masks.negative, self.neg_temperature);
        let losses = positive * (1.0 - self.imbalance) + negative * self.imbalance;
        let every_row = everywhere(&losses);
        self.reducer.reduce_by(losses, every_row, &masks.anchors)
    }

    /// The weighted mean of what is above 0 in each row, `[n, 1]`.
    fn part(&self, excess: Tensor<2>, selected: Tensor<2, Bool>, temperature: f64) -> Tensor<2> {
        let [_, columns] = excess.dims();
        // Negated, so that NaN counts as an excess and shows.
        let met = excess.clone().lower_equal_scalar(0.0);
        let left_out = selected.bool_not().bool_or(met);
        let excess = excess.mask_fill(left_out.clone(), 0.0);
        let exponents = excess.clone() * temperature;
        let largest = exponents.clone().detach().max_dim(1);
        let weights = (exponents - largest.clone()).exp().mask_fill(left_out, 0.0);
        let added = (-largest).exp() * (self.epsilon * columns as f64);
        let total = weights.clone().sum_dim(1) + added;
        let is_empty = total.clone().lower_equal_scalar(0.0);
        (weights * excess).sum_dim(1) / total.mask_fill(is_empty, 1.0)
    }
}

impl RowLoss for RankedListLoss {
    fn row<T: Scalar>(&self, mut pairs: RowPairs<'_, T>) -> Terms {
        let added = self.epsilon * pairs.distances.len() as f64;
        let mut to_positives = pairs.take_positives();
        let positive = StreamedPart {
            sign: 1.0,
            boundary: self.alpha - self.margin,
            temperature: self.pos_temperature,
            weight: 1.0 - self.imbalance,
            added,
        };
        let negative = StreamedPart {
            sign: -1.0,
            boundary: self.alpha,
            temperature: self.neg_temperature,
            weight: self.imbalance,
            added,
        };
        let loss = positive.of(&mut to_positives) + negative.of(pairs.distances);
        pairs.put_positives(to_positives);
        self.reducer.terms_of(loss)
    }
}

/// `weight` times the weighted mean of `v = sign (d − boundary)` where it is above 0.
struct StreamedPart {
    sign: f64,
    boundary: f64,
    temperature: f64,
    weight: f64,
    /// What is added to the sum of weights.
    added: f64,
}

impl StreamedPart {
    /// The value; its derivatives are put in the place of the distances.
    fn of<T: Scalar>(&self, distances: &mut [T]) -> f64 {
        let [sign, boundary, t] = [self.sign, self.boundary, self.temperature].map(T::from_f64);
        let absent = T::from_f64(f64::NEG_INFINITY);
        map_in_place(distances, move |d| {
            let excess = sign * (d - boundary);
            if excess > T::ZERO { excess } else { T::ZERO }
        });
        let mut weights = distances.to_vec();
        map_in_place(&mut weights, move |excess| {
            let exponent = t * excess;
            if excess > T::ZERO { exponent } else { absent }
        });
        let sum = exp_in_range(&mut weights, 1.0);
        if sum.sum <= 0.0 {
            distances.fill(T::ZERO);
            return 0.0;
        }
        let total = sum.sum + self.added * (-sum.largest).exp();
        let mut products = weights.clone();
        zip_in_place(&mut products, distances, |weight, excess| weight * excess);
        let mean = sum_of(&mut products, |product| *product) / total;
        let (factor, shift) = (self.sign * self.weight / total, self.temperature * mean);
        let [factor, shift] = [factor, 1.0 - shift].map(T::from_f64);
        zip_in_place(distances, &weights, move |excess, weight| {
            factor * weight * (t * excess + shift)
        });
        self.weight * mean
    }
}
