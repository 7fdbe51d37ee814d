use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Bool, Device, Tensor};

use crate::distance::EmbeddingDistance;
use crate::error::{ConfigError, expect_valid};
use crate::numerics::{
    at_least_f32, everywhere, log_one_plus_sum_exp, scaled_gap, zero_without_rows,
};
use crate::ops::{stream_against_negatives, stream_pairs};
use crate::reducer::Reducer;

/// Configuration of [`InfoNceLoss`].
#[derive(Config, Debug)]
pub struct InfoNceLossConfig {
    /// Temperature `T`. Default: `0.07`.
    #[config(default = 0.07)]
    pub temperature: f64,
    /// Whether [`forward`](InfoNceLoss::forward) is the mean of the loss of queries among keys and of that of keys among
    /// queries, as CLIP has it. Default: `false`.
    #[config(default = false)]
    pub symmetric: bool,
    /// Distance `d`, whose negative is the similarity. Default: [`EmbeddingDistance::Cosine`].
    #[config(default = "EmbeddingDistance::Cosine")]
    pub distance: EmbeddingDistance,
    /// Reduction over queries. Default: [`Reducer::Mean`].
    #[config(default = "Reducer::Mean")]
    pub reducer: Reducer,
}

impl InfoNceLossConfig {
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
    pub fn init(&self, _device: &Device) -> InfoNceLoss {
        expect_valid(self.validate());
        InfoNceLoss {
            temperature: self.temperature,
            symmetric: self.symmetric,
            distance: self.distance,
            reducer: self.reducer,
        }
    }
}

/// `InfoNCE` over given pairs (van den Oord, Li, Vinyals, *Representation Learning with Contrastive Predictive Coding*,
/// 2018, <https://arxiv.org/abs/1807.03748>, eq. 4; with a queue of negatives He et al., *Momentum Contrast*, CVPR 2020,
/// <https://arxiv.org/abs/1911.05722>, eq. 1; symmetric Radford et al., *CLIP*, ICML 2021,
/// <https://arxiv.org/abs/2103.00020>).
///
/// Key `kᵢ` is the positive of query `qᵢ`. With the similarity `s = −d` and the negatives `N(i)`, which are the other keys
/// or a set of their own:
/// ```text
/// ℓᵢ = −log( exp(s(qᵢ, kᵢ)/T) / (exp(s(qᵢ, kᵢ)/T) + Σ_{n ∈ N(i)} exp(s(qᵢ, n)/T)) )
/// ```
/// It is taken as `log(1 + Σ exp((s(qᵢ, n) − s(qᵢ, kᵢ))/T))`: what all similarities of a query have in common drops out
/// before anything is rounded. Van den Oord et al. learn a bilinear similarity and have no temperature; CLIP learns `T`.
/// For rows with labels see [`NtXentLoss`](super::NtXentLoss).
///
/// Cost: `O(n · m · dim)` time for `m` keys or negatives; memory `O((n + m) · dim)` where it is
/// [streamed](EmbeddingDistance#streaming), which it is without weights and without negatives of each query's own, else
/// `O(n · m)`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use metric_losses::InfoNceLossConfig;
///
/// let device = Device::flex();
/// let queries = Tensor::<2>::from_floats([[1.0, 0.0], [0.0, 2.0]], &device);
/// let keys = Tensor::<2>::from_floats([[3.0, 0.0], [0.0, 1.0]], &device);
/// let loss = InfoNceLossConfig::new().with_temperature(1.0).init(&device);
/// // Similarity 1 to the own key, 0 to the other: log(e + 1) − 1 = 0.31326.
/// let value = loss.forward(queries.clone(), keys.clone());
/// assert!((value.into_scalar::<f32>() - 0.31326).abs() < 1e-5);
/// // A queue of two negatives of similarity −0.70711 to both queries: log(1 + 2 exp(−0.70711 − 1)) = 0.30953.
/// let queue = Tensor::<2>::from_floats([[-1.0, -1.0], [-2.0, -2.0]], &device);
/// let value = loss.forward_with_negatives(queries, keys, queue);
/// assert!((value.into_scalar::<f32>() - 0.30953).abs() < 1e-5);
/// ```
#[derive(Module, Debug)]
pub struct InfoNceLoss {
    temperature: f64,
    symmetric: bool,
    #[module(skip)]
    distance: EmbeddingDistance,
    #[module(skip)]
    reducer: Reducer,
}

impl InfoNceLoss {
    /// The loss of each query among all keys, of which the others are its negatives; gradients flow to both.
    ///
    /// # Shapes
    /// - `queries`: `[n, dim]`, `keys`: `[n, dim]`
    /// - output: `[1]`, zero for one query or none
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn forward(&self, queries: Tensor<2>, keys: Tensor<2>) -> Tensor<1> {
        assert_pairs(&queries, &keys);
        let [n, _] = queries.dims();
        if let Some(zero) = zero_without_rows(&[&queries, &keys]) {
            return zero;
        }
        let [queries, keys] = [queries, keys].map(at_least_f32);
        let (scale, way) = (1.0 / self.temperature, (self.distance, self.reducer));
        let rows = [&queries, &keys, &keys];
        if let Some(loss) = stream_pairs(scale, way, rows, self.symmetric) {
            return loss;
        }
        let distances = self.distance.matrix(queries, keys);
        // Burn's `diag_mask` is false on the diagonal.
        let others = Tensor::<2, Bool>::diag_mask([n, n], 0, &distances.device());
        let own = distances.clone().mask_fill(others.clone(), 0.0).sum_dim(1);
        let of_queries = self.reduce(own.clone(), distances.clone(), others.clone());
        if !self.symmetric {
            return of_queries;
        }
        let of_keys = self.reduce(own, distances.transpose(), others);
        (of_queries + of_keys) * 0.5
    }

    /// The loss of each query with its key against a set of negatives, a queue say; the other keys are none.
    ///
    /// Gradients flow to all three: `detach` the keys of a momentum encoder. The option `symmetric` has no part in it.
    ///
    /// # Shapes
    /// - `queries`: `[n, dim]`, `keys`: `[n, dim]`, `negatives`: `[m, dim]`
    /// - output: `[1]`, zero for `n = 0` or `m = 0`
    ///
    /// # Panics
    /// If the shapes of queries and keys differ, or `dim` does.
    pub fn forward_with_negatives(
        &self,
        queries: Tensor<2>,
        keys: Tensor<2>,
        negatives: Tensor<2>,
    ) -> Tensor<1> {
        assert_pairs(&queries, &keys);
        if let Some(zero) = zero_without_rows(&[&queries, &keys, &negatives]) {
            return zero;
        }
        let [n, _] = queries.dims();
        let [queries, keys, negatives] = [queries, keys, negatives].map(at_least_f32);
        let (scale, way) = (1.0 / self.temperature, (self.distance, self.reducer));
        let rows = [&queries, &keys, &negatives];
        if let Some(loss) = stream_against_negatives(scale, way, rows) {
            return loss;
        }
        let own = self.distance.paired(queries.clone(), keys).reshape([n, 1]);
        let distances = self.distance.matrix(queries, negatives);
        let all = everywhere(&distances);
        self.reduce(own, distances, all)
    }

    /// As [`forward_with_negatives`](Self::forward_with_negatives), with more negatives that each query has for itself, such
    /// as those of [`mix_hard_negatives`](crate::mix_hard_negatives).
    ///
    /// # Shapes
    /// - `queries`: `[n, dim]`, `keys`: `[n, dim]`, `negatives`: `[m, dim]`, `own_negatives`: `[n, s, dim]`
    /// - output: `[1]`, zero for `n = 0`, `m = 0` or `s = 0`
    ///
    /// # Panics
    /// If the shapes of queries and keys differ, or `n` or `dim` does.
    pub fn forward_with_own_negatives(
        &self,
        queries: Tensor<2>,
        keys: Tensor<2>,
        negatives: Tensor<2>,
        own_negatives: Tensor<3>,
    ) -> Tensor<1> {
        assert_pairs(&queries, &keys);
        let ([n, dim], [rows, s, of_own]) = (queries.dims(), own_negatives.dims());
        assert_eq!(
            [rows, of_own],
            [n, dim],
            "negatives of their own for each query, of its length"
        );
        let own_negatives = own_negatives.reshape([n * s, dim]);
        if let Some(zero) = zero_without_rows(&[&queries, &keys, &negatives, &own_negatives]) {
            return zero;
        }
        let own = self.distance.paired(queries.clone(), keys).reshape([n, 1]);
        let to_all = self.distance.matrix(queries.clone(), negatives);
        let repeated = queries.unsqueeze_dim::<3>(1).expand([n, s, dim]);
        let to_own = self
            .distance
            .paired(repeated.reshape([n * s, dim]), own_negatives);
        let distances = Tensor::cat(vec![to_all, to_own.reshape([n, s])], 1);
        let all = everywhere(&distances);
        self.reduce(own, distances, all)
    }

    /// As [`forward_with_negatives`](Self::forward_with_negatives), with a weight for each query and negative: the sum over
    /// negatives is
    /// ```text
    /// Σₙ wᵢₙ exp(s(qᵢ, n)/T)
    /// ```
    /// Weights of mean 1 over the negatives of a query, such as `DrawWeights::importance` of `metric-sampling` gives, make it
    /// an estimate of what negatives drawn by these weights would give (Robinson et al., *Contrastive Learning with Hard
    /// Negative Samples*, ICLR 2021, <https://arxiv.org/abs/2010.04592>, eq. 4). With a weight of 0, or one that is not finite,
    /// a negative does not count. No gradient flows to weights.
    ///
    /// # Shapes
    /// - `queries`: `[n, dim]`, `keys`: `[n, dim]`, `negatives`: `[m, dim]`, `weights`: `[n, m]`, at least 0
    /// - output: `[1]`, zero for `n = 0` or `m = 0`
    ///
    /// # Panics
    /// If the shapes of queries and keys differ, `dim` does, or there is not one weight for each.
    pub fn forward_with_weighted_negatives(
        &self,
        queries: Tensor<2>,
        keys: Tensor<2>,
        negatives: Tensor<2>,
        weights: Tensor<2>,
    ) -> Tensor<1> {
        assert_pairs(&queries, &keys);
        let ([n, _], [m, _]) = (queries.dims(), negatives.dims());
        assert_eq!(
            weights.dims(),
            [n, m],
            "one weight for each query and negative"
        );
        if let Some(zero) = zero_without_rows(&[&queries, &keys, &negatives]) {
            return zero;
        }
        let own = self.distance.paired(queries.clone(), keys).reshape([n, 1]);
        let distances = self.distance.matrix(queries, negatives);
        let weights = weights.detach().cast(distances.dtype());
        let counts = weights
            .clone()
            .greater_elem(0.0)
            .bool_and(weights.clone().is_finite());
        let logarithms = weights.mask_fill(counts.clone().bool_not(), 1.0).log();
        let gaps = scaled_gap(own, distances, 1.0 / self.temperature) + logarithms;
        self.reduce_gaps(gaps, counts)
    }

    /// From distances to the positive, `[n, 1]`, and to others, `[n, m]`.
    fn reduce(
        &self,
        own: Tensor<2>,
        distances: Tensor<2>,
        negatives: Tensor<2, Bool>,
    ) -> Tensor<1> {
        let gaps = scaled_gap(own, distances, 1.0 / self.temperature);
        self.reduce_gaps(gaps, negatives)
    }

    /// From how much more alike than the positive each negative is, over `T`: `[n, m]`.
    fn reduce_gaps(&self, gaps: Tensor<2>, negatives: Tensor<2, Bool>) -> Tensor<1> {
        let losses = log_one_plus_sum_exp(gaps, negatives);
        let every_query = everywhere(&losses);
        self.reducer.reduce(losses, every_query)
    }
}

fn assert_pairs(queries: &Tensor<2>, keys: &Tensor<2>) {
    let (of_queries, of_keys) = (queries.dims(), keys.dims());
    assert_eq!(
        of_queries, of_keys,
        "one key a query: {of_queries:?} queries, {of_keys:?} keys"
    );
}
