use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Bool, Device, IndexingUpdateOp, Int, Tensor};

use super::triplet_margin::{TripletMarginLoss, TripletMarginLossConfig};
use crate::distance::EmbeddingDistance;
use crate::error::{ConfigError, expect_valid};
use crate::numerics::zero_on_graph;
use crate::ops::attach;
use crate::pairs::{PairMasks, indices, pairs_against, pairs_within};
use crate::reducer::Reducer;

/// Configuration of [`QuadrupletLoss`].
#[derive(Config, Debug)]
pub struct QuadrupletLossConfig {
    /// Margin `α₁` between a positive and a negative of the same anchor. Default: `1.0`.
    #[config(default = 1.0)]
    pub margin: f64,
    /// Margin `α₂` between a positive pair and a negative pair of other classes. Default: `0.5`.
    #[config(default = 0.5)]
    pub other_margin: f64,
    /// Distance `d`. Default: [`EmbeddingDistance::SquaredEuclidean`].
    #[config(default = "EmbeddingDistance::SquaredEuclidean")]
    pub distance: EmbeddingDistance,
    /// Reduction over triplets, and again over quadruplets. Default: [`Reducer::AvgNonZero`].
    #[config(default = "Reducer::AvgNonZero")]
    pub reducer: Reducer,
}

impl QuadrupletLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_finite("margin", self.margin)?;
        ConfigError::check_finite("other_margin", self.other_margin)?;
        self.distance.validate()?;
        self.reducer.validate()
    }

    /// The loss.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, device: &Device) -> QuadrupletLoss {
        expect_valid(self.validate());
        let triplets = TripletMarginLossConfig::new()
            .with_margin(self.margin)
            .with_distance(self.distance)
            .with_reducer(self.reducer);
        QuadrupletLoss {
            triplets: triplets.init(device),
            other_margin: self.other_margin,
            distance: self.distance,
            reducer: self.reducer,
        }
    }
}

/// Quadruplet loss (Chen, Chen, Zhang, Huang, *Beyond triplet loss: a deep quadruplet network for person
/// re-identification*, CVPR 2017, <https://arxiv.org/abs/1704.01719>, sec. 3).
///
/// Beside the triplets `(i, j, k)`, a positive pair must be closer than any pair of rows `k`, `l` of two
/// different classes that are both not that of `i`:
/// ```text
/// u(i, j, k)    = [d(xᵢ, xⱼ) − d(xᵢ, xₖ) + α₁]₊        y_j = y_i (j ≠ i), y_k ≠ y_i
/// v(i, j, k, l) = [d(xᵢ, xⱼ) − d(xₖ, xₗ) + α₂]₊        y_k ≠ y_l, neither is y_i
/// ℓ = mean of the u  +  mean of the v
/// ```
/// All ordered `(i, j)` and all ordered `(k, l)` count, which only a sum can tell from counting each once.
/// Deviates from the paper: margins are fixed, where it takes `1` and `0.5` times the gap between the mean
/// negative and the mean positive distance of the batch; `d` is not learned; each mean runs over the terms that still
/// cost something.
///
/// Cost, for `p` ordered positive pairs, whose number is read back from the device: `O(n² · dim + p · n²)` time. Memory is
/// as that of [`TripletMarginLoss`]: quadruplets are taken a positive pair at a time, off the graph,
/// and the graph gets the finished gradient.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_losses::QuadrupletLossConfig;
///
/// let device = Device::flex();
/// let x = Tensor::<2>::from_floats([[0.0], [1.0], [2.0], [2.5]], &device);
/// let labels = Tensor::<1, Int>::from_ints([0, 0, 1, 2], &device);
/// let loss = QuadrupletLossConfig::new().init(&device).forward(x, labels);
/// // squares: anchor 0 meets both negatives, 4 and 6.25 against 1 + 1; anchor 1 has 1 - 1 + 1 = 1 and
/// // 1 - 2.25 + 1 < 0: u is 1. Positives 1 against the pair of rows 2 and 3, 0.25: v = 1 - 0.25 + 0.5 = 1.25
/// assert!((loss.into_scalar::<f32>() - 2.25).abs() < 1e-6);
/// ```
#[derive(Module, Debug)]
pub struct QuadrupletLoss {
    triplets: TripletMarginLoss,
    other_margin: f64,
    #[module(skip)]
    distance: EmbeddingDistance,
    #[module(skip)]
    reducer: Reducer,
}

impl QuadrupletLoss {
    /// The loss over all triplets and quadruplets of the batch.
    ///
    /// # Shapes
    /// - `embeddings`: `[n, dim]`, `labels`: `[n]`
    /// - output: `[1]`, zero if no row has a positive and a negative
    ///
    /// # Panics
    /// If there is not one label a row.
    pub fn forward(&self, embeddings: Tensor<2>, labels: Tensor<1, Int>) -> Tensor<1> {
        let (distances, masks) = pairs_within(self.distance, embeddings, labels);
        let differ = masks.negative.clone();
        self.reduce(distances.clone(), masks, distances, differ)
    }

    /// The loss with anchors in the batch and all other rows in a separate reference set, of which nothing is
    /// left out; gradients flow to both.
    ///
    /// # Shapes
    /// - `embeddings`: `[n, dim]`, `labels`: `[n]`, `reference`: `[m, dim]`,
    ///   `reference_labels`: `[m]`
    /// - output: `[1]`, zero if no row has a positive and a negative
    ///
    /// # Panics
    /// If there is not one label a row, or `dim` differs.
    pub fn forward_against(
        &self,
        embeddings: Tensor<2>,
        labels: Tensor<1, Int>,
        reference: Tensor<2>,
        reference_labels: Tensor<1, Int>,
    ) -> Tensor<1> {
        let among = (reference.clone(), reference_labels.clone());
        let (distances, masks) = pairs_against(
            self.distance,
            embeddings,
            labels,
            reference,
            reference_labels,
        );
        let (among, among_masks) = pairs_within(self.distance, among.0, among.1);
        self.reduce(distances, masks, among, among_masks.negative)
    }

    /// `among` are the distances of the references to each other, `differ` those of two classes.
    fn reduce(
        &self,
        distances: Tensor<2>,
        masks: PairMasks,
        among: Tensor<2>,
        differ: Tensor<2, Bool>,
    ) -> Tensor<1> {
        let quadruplets = self.quadruplets(distances.clone(), &masks, among, differ);
        self.triplets.reduce_all(distances, None, masks) + quadruplets
    }

    /// The reduced `v`, a positive pair at a time.
    fn quadruplets(
        &self,
        distances: Tensor<2>,
        masks: &PairMasks,
        among: Tensor<2>,
        differ: Tensor<2, Bool>,
    ) -> Tensor<1> {
        let (fixed, others) = (distances.clone().detach(), among.clone().detach());
        let [n, m] = fixed.dims();
        let (anchors, positives) = indices(masks.positive.clone());
        let [count] = anchors.dims();
        if count == 0 {
            return zero_on_graph(distances);
        }
        // Through integers: Flex 0.22.1 selects rows of a Bool tensor into one of another type.
        let negative = masks.negative.clone().int();
        // No mean is larger than its largest term: terms are divided by as many as there can be.
        let share = 1.0 / (count * m * m) as f64;
        let (mut sums, mut counts, mut pulls) = (Vec::new(), Vec::new(), Vec::new());
        let mut pushes = others.zeros_like();
        for pair in 0..count {
            let anchor = anchors.clone().narrow(0, pair, 1);
            let positive = positives.clone().narrow(0, pair, 1).reshape([1, 1]);
            let to_positive = fixed.clone().select(0, anchor.clone()).gather(1, positive);
            let is_negative = negative.clone().select(0, anchor).equal_scalar(1); // [1, m]
            let of_others = is_negative
                .clone()
                .expand([m, m])
                .bool_and(is_negative.transpose().expand([m, m]));
            let terms = (to_positive - others.clone() + self.other_margin).clamp_min(0.0);
            let valid = differ.clone().bool_and(of_others);
            let counted = self.reducer.counted(&terms, valid);
            let is_idle = terms.clone().lower_equal_scalar(0.0);
            let shares = fixed.clone().narrow(0, 0, 1).narrow(1, 0, 1);
            let shares = shares.full_like(share).expand([m, m]);
            let shares = shares.mask_fill(counted.clone().bool_not(), 0.0);
            let slopes = shares.clone().mask_fill(is_idle, 0.0);
            let terms = terms.mask_fill(counted.bool_not(), 0.0);
            sums.push((terms * share).sum());
            counts.push(shares.sum());
            pulls.push(slopes.clone().sum());
            pushes = pushes - slopes;
        }
        let sum = |parts| Tensor::cat(parts, 0).sum();
        let parts = match self.reducer {
            Reducer::Sum => sum(counts).full_like(share),
            _ => sum(counts).clamp_min(share),
        };
        let by_distances = fixed.zeros_like().reshape([n * m]);
        let places = anchors * m as i64 + positives;
        let pulls = Tensor::cat(pulls, 0);
        let by_distances = by_distances.select_assign(0, places, pulls, IndexingUpdateOp::Add);
        let per_part = |gradient: Tensor<2>| gradient / parts.clone().reshape([1, 1]);
        attach(
            sum(sums) / parts.clone(),
            vec![
                (distances, per_part(by_distances.reshape([n, m]))),
                (among, per_part(pushes)),
            ],
        )
    }
}
