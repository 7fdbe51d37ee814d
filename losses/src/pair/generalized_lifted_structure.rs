use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use metric_core::Scalar;

use crate::distance::EmbeddingDistance;
use crate::error::{ConfigError, expect_valid};
use crate::numerics::{everywhere, log_sum_exp};
use crate::ops::{RowLoss, RowPairs, Terms, exp_in_range};
use crate::pairs::{PairMasks, over_pairs};
use crate::reducer::Reducer;

/// Configuration of [`GeneralizedLiftedStructureLoss`].
#[derive(Config, Debug)]
pub struct GeneralizedLiftedStructureLossConfig {
    /// Distance `m₊` taken off that of a positive. Default: `0.0`.
    #[config(default = 0.0)]
    pub pos_margin: f64,
    /// Distance `m₋` that negatives are pushed to. Default: `1.0`.
    #[config(default = 1.0)]
    pub neg_margin: f64,
    /// Distance `d`. Default: [`EmbeddingDistance::Euclidean`].
    #[config(default = "EmbeddingDistance::Euclidean")]
    pub distance: EmbeddingDistance,
    /// Reduction over rows. Default: [`Reducer::Mean`].
    #[config(default = "Reducer::Mean")]
    pub reducer: Reducer,
}

impl GeneralizedLiftedStructureLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_finite("pos_margin", self.pos_margin)?;
        ConfigError::check_finite("neg_margin", self.neg_margin)?;
        self.distance.validate()?;
        self.reducer.validate()
    }

    /// The loss.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, _device: &Device) -> GeneralizedLiftedStructureLoss {
        expect_valid(self.validate());
        GeneralizedLiftedStructureLoss {
            pos_margin: self.pos_margin,
            neg_margin: self.neg_margin,
            distance: self.distance,
            reducer: self.reducer,
        }
    }
}

/// Generalized lifted structure loss (Hermans, Beyer, Leibe, *In Defense of the Triplet Loss*, 2017,
/// <https://arxiv.org/abs/1703.07737>, eq. 9).
///
/// For every row `i` with positives `P` and negatives `N`:
/// ```text
/// ℓᵢ = [log Σ_{p ∈ P} e^{d_ip − m₊}  +  log Σ_{n ∈ N} e^{m₋ − d_in}]₊
/// ```
/// Deviates from the paper by `m₊`, and by batches that need not hold as many rows of every class: a
/// side without an entry is 0, and every row counts.
///
/// Cost: `O(n² · dim)` time; memory `O(n · dim)` where it is [streamed](EmbeddingDistance#streaming), else as
/// [`EmbeddingDistance::matrix`].
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_losses::GeneralizedLiftedStructureLossConfig;
///
/// let device = Device::flex();
/// let x = Tensor::<2>::from_floats([[0.0], [0.5], [1.0]], &device);
/// let labels = Tensor::<1, Int>::from_ints([0, 0, 1], &device);
/// let loss = GeneralizedLiftedStructureLossConfig::new().init(&device).forward(x, labels);
/// // row 0: 0.5 + (1 - 1); row 1: 0.5 + (1 - 0.5); row 2: log(e^0 + e^0.5) = 0.97408; their mean
/// assert!((loss.into_scalar::<f32>() - 0.82469).abs() < 1e-5);
/// ```
#[derive(Module, Debug)]
pub struct GeneralizedLiftedStructureLoss {
    pos_margin: f64,
    neg_margin: f64,
    #[module(skip)]
    distance: EmbeddingDistance,
    #[module(skip)]
    reducer: Reducer,
}

over_pairs!(
    GeneralizedLiftedStructureLoss,
    streamed,
    |loss| (loss.distance, loss.reducer),
    "zero if there is no pair"
);

impl GeneralizedLiftedStructureLoss {
    fn reduce(&self, distances: Tensor<2>, masks: PairMasks) -> Tensor<1> {
        let pulled = log_sum_exp(distances.clone() - self.pos_margin, masks.positive);
        let pushed = log_sum_exp(-distances + self.neg_margin, masks.negative);
        let losses = (pulled + pushed).clamp_min(0.0);
        let all = everywhere(&losses);
        self.reducer.reduce_by(losses, all, &masks.anchors)
    }
}

impl RowLoss for GeneralizedLiftedStructureLoss {
    fn row<T: Scalar>(&self, mut pairs: RowPairs<'_, T>) -> Terms {
        let mut to_positives = pairs.take_positives();
        let pulled = exp_in_range(&mut to_positives, 1.0);
        let pushed = exp_in_range(pairs.distances, -1.0);
        let some = |sum: f64| if sum > f64::NEG_INFINITY { sum } else { 0.0 };
        let gap = some(pulled.value() - self.pos_margin) + some(pushed.value() + self.neg_margin);
        let steepness = f64::from(gap > 0.0);
        pulled.share_out(&mut to_positives, steepness);
        pushed.share_out(pairs.distances, -steepness);
        pairs.put_positives(to_positives);
        self.reducer.terms_of(gap.max(0.0))
    }
}
