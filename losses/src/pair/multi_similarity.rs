use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use metric_core::Scalar;

use crate::distance::EmbeddingDistance;
use crate::error::{ConfigError, expect_valid};
use crate::numerics::{everywhere, log_one_plus_sum_exp};
use crate::ops::{
    Found, LogSumExpLoss, Rows, SeenRow, Stream, Terms, log_one_plus, sigmoid, softplus,
};
use crate::pairs::{PairMasks, over_pairs};
use crate::reducer::Reducer;

/// Configuration of [`MultiSimilarityLoss`].
#[derive(Config, Debug)]
pub struct MultiSimilarityLossConfig {
    /// Steepness `α` of the positive side. Default: `2.0`.
    #[config(default = 2.0)]
    pub alpha: f64,
    /// Steepness `β` of the negative side. Default: `50.0`.
    #[config(default = 50.0)]
    pub beta: f64,
    /// Distance `λ` from which both sides count. Default: `0.0`, which with cosine is the
    /// similarity 1 of the paper; the authors' code has similarity 0.5, here `0.5`.
    #[config(default = 0.0)]
    pub base: f64,
    /// Distance `d`. Default: [`EmbeddingDistance::Cosine`].
    #[config(default = "EmbeddingDistance::Cosine")]
    pub distance: EmbeddingDistance,
    /// Reduction over rows. Default: [`Reducer::Mean`].
    #[config(default = "Reducer::Mean")]
    pub reducer: Reducer,
}

impl MultiSimilarityLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_positive("alpha", self.alpha)?;
        ConfigError::check_positive("beta", self.beta)?;
        ConfigError::check_finite("base", self.base)?;
        self.distance.validate()?;
        self.reducer.validate()
    }

    /// The loss.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, _device: &Device) -> MultiSimilarityLoss {
        expect_valid(self.validate());
        MultiSimilarityLoss {
            alpha: self.alpha,
            beta: self.beta,
            base: self.base,
            distance: self.distance,
            reducer: self.reducer,
        }
    }
}

/// Multi-similarity loss (Wang, Han, Huang, Dong, Scott, *Multi-Similarity Loss with General Pair
/// Weighting for Deep Metric Learning*, CVPR 2019, <https://arxiv.org/abs/1904.06627>, eq. 15).
///
/// With `d` the distance of a row `i` to its positives `P` and negatives `N`:
/// ```text
/// ℓᵢ = 1/α · log(1 + Σ_{p ∈ P} e^{α (d_ip − λ)})  +  1/β · log(1 + Σ_{n ∈ N} e^{β (λ − d_in)})
/// ```
/// Deviates from the paper: every pair counts, where the paper first mines (eq. 11 and 12); any
/// distance may stand in the place of `1 − cosine`. An empty side is 0, and every row counts.
///
/// Cost: `O(n² · dim)` time; memory `O(n · dim)` where it is [streamed](EmbeddingDistance#streaming), else as
/// [`EmbeddingDistance::matrix`].
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_losses::MultiSimilarityLossConfig;
///
/// let device = Device::flex();
/// let x = Tensor::<2>::from_floats([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], &device);
/// let labels = Tensor::<1, Int>::from_ints([0, 0, 1], &device);
/// let loss = MultiSimilarityLossConfig::new().init(&device).forward(x, labels);
/// // rows 0 and 1: log(1 + e^0) / 2 = 0.34657, negatives e^-50; row 2 has such negatives only
/// assert!((loss.into_scalar::<f32>() - 0.23105).abs() < 1e-5);
/// ```
#[derive(Module, Debug)]
pub struct MultiSimilarityLoss {
    alpha: f64,
    beta: f64,
    base: f64,
    #[module(skip)]
    distance: EmbeddingDistance,
    #[module(skip)]
    reducer: Reducer,
}

over_pairs!(
    MultiSimilarityLoss,
    streamed,
    |loss| (loss.distance, loss.reducer),
    "zero if there is no pair"
);

impl MultiSimilarityLoss {
    fn reduce(&self, distances: Tensor<2>, masks: PairMasks) -> Tensor<1> {
        let gaps = distances - self.base;
        let positive = log_one_plus_sum_exp(gaps.clone() * self.alpha, masks.positive);
        let negative = log_one_plus_sum_exp(-gaps * self.beta, masks.negative);
        let losses = positive / self.alpha + negative / self.beta;
        let all = everywhere(&losses);
        self.reducer.reduce_by(losses, all, &masks.anchors)
    }
}

impl LogSumExpLoss for MultiSimilarityLoss {
    const SUMS_POSITIVES: bool = false;

    fn scale(&self) -> f64 {
        self.beta
    }

    fn row<T: Scalar>(&self, seen: SeenRow<'_, T>) -> (Terms, f64) {
        let Self {
            alpha, beta, base, ..
        } = *self;
        let pull = (alpha, -alpha * base);
        let positive = log_one_plus(seen.to_positives, pull, 1.0 / alpha) / alpha;
        let pushed = seen.log_sum + beta * base;
        let negative = softplus(pushed) / beta;
        let terms = self.reducer.terms_of(positive + negative);
        (terms, sigmoid(pushed) / beta)
    }
}

impl Stream for MultiSimilarityLoss {
    fn stream<T: Scalar>(&self, rows: &Rows<'_, T>, reducer: Reducer) -> Option<Found<T>> {
        rows.log_sum_exp_loss(self, reducer)
    }
}
