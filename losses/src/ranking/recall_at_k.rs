use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use metric_core::Scalar;

use super::smooth_rank::{
    Ahead, Number, PairLoss, has_positive, mean_over_positives, row_over_positives,
};
use crate::distance::EmbeddingDistance;
use crate::error::{ConfigError, expect_valid};
use crate::ops::{RowLoss, RowPairs, Terms};
use crate::pairs::{PairMasks, over_pairs};
use crate::reducer::Reducer;

/// Configuration of [`RecallAtKLoss`].
#[derive(Config, Debug)]
pub struct RecallAtKLossConfig {
    /// The `k` whose recall is averaged. Default: `[1, 2, 4, 8, 16]`.
    #[config(default = "vec![1, 2, 4, 8, 16]")]
    pub k: Vec<usize>,
    /// Temperature `τ₁` of the comparison of a rank with `k`. Default: `1.0`.
    #[config(default = 1.0)]
    pub rank_temperature: f64,
    /// Temperature `τ₂` of the comparison of two distances. Default: `0.01`.
    #[config(default = 0.01)]
    pub temperature: f64,
    /// Distance `d`. Default: [`EmbeddingDistance::Cosine`].
    #[config(default = "EmbeddingDistance::Cosine")]
    pub distance: EmbeddingDistance,
    /// Reduction over queries. Default: [`Reducer::Mean`].
    #[config(default = "Reducer::Mean")]
    pub reducer: Reducer,
}

impl RecallAtKLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_size("number of k", self.k.len())?;
        for &k in &self.k {
            ConfigError::check_size("k", k)?;
        }
        ConfigError::check_positive("rank_temperature", self.rank_temperature)?;
        ConfigError::check_positive("temperature", self.temperature)?;
        self.distance.validate()?;
        self.reducer.validate()
    }

    /// The loss.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, _device: &Device) -> RecallAtKLoss {
        expect_valid(self.validate());
        RecallAtKLoss {
            k: self.k.clone(),
            rank_temperature: self.rank_temperature,
            temperature: self.temperature,
            distance: self.distance,
            reducer: self.reducer,
        }
    }
}

/// Recall@k surrogate (Patel, Tolias, Matas, *Recall@k Surrogate Loss with Large Batches and
/// Similarity Mixup*, CVPR 2022, <https://arxiv.org/abs/2108.11179>).
///
/// With `P` the positives of query `q` (without `q`), `K` the set of `k`, `σ` the logistic function:
/// ```text
/// r(q, p)  = 1 + Σ_{j ≠ q, p} σ((d_qp − d_qj) / τ₂)            the rank of p
/// R@k_q    = Σ_{p ∈ P} σ((k − r(q, p)) / τ₁) / min(k, |P|)
/// ℓ_q      = 1 − 1/|K| Σ_{k ∈ K} R@k_q
/// ```
/// Deviates from the authors' code, which counts the query as a reference before every positive
/// and caps the sum over `P` at `k`: here the query is not retrieved, and the smooth recall may
/// exceed 1 slightly. Similarity mixup, an augmentation of the
/// batch, is not part of the loss.
///
/// Cost: `O(p · (n + |K|))` time for `p` positive pairs beside the distances. Memory `O(n · dim)` where it is
/// [streamed](EmbeddingDistance#streaming), else `O(n²)`: the gradient is formed pair by pair and no cube of comparisons is
/// kept; the number of pairs is read back from the device.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_losses::RecallAtKLossConfig;
///
/// let device = Device::flex();
/// let x = Tensor::<2>::from_floats([[1.0, 0.0], [0.0, 1.0], [0.0, -1.0]], &device);
/// let labels = Tensor::<1, Int>::from_ints([0, 0, 1], &device);
/// let config = RecallAtKLossConfig::new().with_k(vec![1]).with_temperature(1.0);
/// let loss = config.init(&device).forward(x, labels);
/// // row 0: rank 1 + σ(0) = 1.5, σ(1 − 1.5) = 0.37754;
/// // row 1: rank 1 + σ(−1) = 1.26894, σ(1 − 1.26894) = 0.43317; row 2 has no positive
/// assert!((loss.into_scalar::<f32>() - 0.594645).abs() < 1e-5);
/// ```
#[derive(Module, Debug)]
pub struct RecallAtKLoss {
    #[module(skip)]
    k: Vec<usize>,
    rank_temperature: f64,
    temperature: f64,
    #[module(skip)]
    distance: EmbeddingDistance,
    #[module(skip)]
    reducer: Reducer,
}

over_pairs!(
    RecallAtKLoss,
    streamed,
    |loss| (loss.distance, loss.reducer),
    "zero if no row has a positive"
);

impl RecallAtKLoss {
    fn reduce(&self, distances: Tensor<2>, masks: PairMasks) -> Tensor<1> {
        let counted = has_positive(&masks);
        let anchors = masks.anchors.clone();
        let losses =
            mean_over_positives(distances, masks, self.temperature, |ahead| self.pair(ahead));
        self.reducer.reduce_by(losses, counted, &anchors)
    }

    /// `1 − 1/|K| Σ_k σ((k − r) / τ₁) · |P| / min(k, |P|)`, whose mean over `P` is the loss.
    fn pair<X: Number>(&self, ahead: Ahead<X>) -> PairLoss<X> {
        let rank = ahead.positives + ahead.negatives + 1.0;
        let mut value = rank.all(1.0);
        let mut slope = rank.all(0.0);
        for &k in &self.k {
            let k = k as f64;
            let set_size = ahead.set_size.clone();
            let weight = set_size.clone() / set_size.at_most(k) / self.k.len() as f64;
            let within = ((-rank.clone() + k) / self.rank_temperature).sigmoid();
            let falls = within.clone() * (-within.clone() + 1.0) / self.rank_temperature;
            value = value - within * weight.clone();
            slope = slope + falls * weight;
        }
        PairLoss {
            value,
            by_positives: slope.clone(),
            by_negatives: slope,
        }
    }
}

impl RowLoss for RecallAtKLoss {
    fn row<T: Scalar>(&self, pairs: RowPairs<'_, T>) -> Terms {
        // A row is not retrieved by itself.
        let pairs = RowPairs {
            itself: None,
            ..pairs
        };
        row_over_positives(pairs, self.temperature, self.reducer, |ahead| {
            self.pair(ahead)
        })
    }
}
