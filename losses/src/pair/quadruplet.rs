use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Bool, Device, IndexingUpdateOp, Int, Tensor};

use super::triplet_margin::{TripletMarginLoss, TripletMarginLossConfig};
use crate::anchors::Anchors;
use crate::distance::EmbeddingDistance;
use crate::error::{ConfigError, expect_valid};
use crate::labels::Labels;
use crate::numerics::{attach, zero_on_graph};
use crate::pairs::{PairMasks, indices, pairs_against, pairs_within, streamed};
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
/// re-identification*, CVPR 2017, <https://arxiv.org/abs/1704.01719>).
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
/// Cost, for `p` ordered positive pairs: `O(n² · (dim + log p))` time and `O(n · dim + p)` memory for a batch whose labels are
/// classes, where it is [streamed](EmbeddingDistance#streaming): no quadruplet is listed, those above 0 are counted by the
/// places of negative pairs among the sorted positive ones. Else, with [`Reducer::Threshold`] and against a reference set,
/// `O(n² · dim + p · n²)` time and `O(p · n)` memory: quadruplets are taken a row `k` at a time, off the graph, and the
/// graph gets the finished gradient.
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
    pub(super) triplets: TripletMarginLoss,
    pub(super) other_margin: f64,
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
    pub fn forward(&self, embeddings: Tensor<2>, labels: impl Into<Labels>) -> Tensor<1> {
        let (way, batch) = ((self.distance, self.reducer), (embeddings, labels.into()));
        streamed(self, way, batch, None, |distances, masks| {
            let differ = masks.negative.clone();
            let among = distances.clone();
            let quadruplets = self.quadruplets(distances.clone(), &masks, among, differ);
            self.triplets.reduce_all(distances, None, masks) + quadruplets
        })
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
    /// If there is not one label a row, labels are of two kinds, or `dim` differs.
    pub fn forward_against(
        &self,
        embeddings: Tensor<2>,
        labels: impl Into<Labels>,
        reference: Tensor<2>,
        reference_labels: impl Into<Labels>,
    ) -> Tensor<1> {
        let (labels, reference_labels) = (labels.into(), reference_labels.into());
        let among = (reference.clone(), reference_labels.clone());
        let (distances, masks) = pairs_against(
            self.distance,
            embeddings,
            labels,
            reference,
            reference_labels,
        );
        let (among, among_masks) = pairs_within(self.distance, among.0, among.1);
        let differ = among_masks.negative;
        let quadruplets = self.quadruplets(distances.clone(), &masks, among, differ);
        self.triplets.reduce_all(distances, None, masks) + quadruplets
    }

    /// The reduced `v`: all positive pairs against all pairs of one reference `k` at a time. `among` are the distances of
    /// the references to each other, `differ` those of two classes.
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
        let places = anchors.clone() * m as i64 + positives;
        let to_positive = fixed.clone().reshape([n * m]).select(0, places.clone());
        let bounds = to_positive.reshape([count, 1]) + self.other_margin;
        // Through integers: Flex 0.22.1 selects rows of a Bool tensor into one of another type.
        let is_negative = masks.negative.clone().int().select(0, anchors.clone());
        let is_negative = is_negative.equal_scalar(1); // [pairs, m]
        let lines = masks.anchors.lines(anchors, n);
        let factors = self.factors(&lines, &is_negative, &differ, &fixed);
        // No mean is larger than its largest term: terms are divided by as many as there can be.
        let share = 1.0 / (count * m * m) as f64;
        let (mut sums, mut counts, mut pushes) = (Vec::new(), Vec::new(), Vec::new());
        let mut pulls = bounds.zeros_like();
        for k in 0..m {
            let shape = [count, m];
            let valid = is_negative
                .clone()
                .bool_and(is_negative.clone().narrow(1, k, 1).expand(shape))
                .bool_and(differ.clone().narrow(0, k, 1).expand(shape));
            let terms = (bounds.clone() - others.clone().narrow(0, k, 1)).clamp_min(0.0);
            let counted = self.reducer.counted(&terms, valid);
            let terms = terms.mask_fill(counted.clone().bool_not(), 0.0);
            // Not "above 0": so NaN counts, and a broken embedding shows.
            let slopes = terms.clone().lower_equal_scalar(0.0).bool_not();
            let slopes = slopes.float().cast(terms.dtype());
            counts.push(counted.int().sum().float().cast(slopes.dtype()));
            let (terms, slopes) = match &factors {
                Some(factors) => (terms * factors.clone(), slopes * factors.clone()),
                None => (terms, slopes),
            };
            sums.push((terms * share).sum());
            pulls = pulls + slopes.clone().sum_dim(1);
            pushes.push(-slopes.sum_dim(0));
        }
        let sum = Tensor::cat(sums, 0).sum();
        let parts = Tensor::cat(counts, 0).sum();
        let parts = match self.reducer {
            Reducer::Sum | Reducer::PerAnchor => parts.full_like(1.0),
            _ => parts.clamp_min(1.0),
        };
        let by_distances = fixed.zeros_like().reshape([n * m]);
        let pulls = pulls.reshape([count]);
        let by_distances = by_distances.select_assign(0, places, pulls, IndexingUpdateOp::Add);
        let per_part = |gradient: Tensor<2>| gradient / parts.clone().reshape([1, 1]);
        attach(
            sum / (parts.clone() * share),
            vec![
                (distances, per_part(by_distances.reshape([n, m]))),
                (among, per_part(Tensor::cat(pushes, 0))),
            ],
        )
    }

    /// What the terms of each positive pair are multiplied with beside the share that all have, `[pairs, 1]`.
    fn factors(
        &self,
        lines: &Anchors,
        is_negative: &Tensor<2, Bool>,
        differ: &Tensor<2, Bool>,
        like: &Tensor<2>,
    ) -> Option<Tensor<2>> {
        let [pairs, _] = is_negative.dims();
        let weights = lines.weights();
        if self.reducer != Reducer::PerAnchor {
            return Some(weights?.reshape([pairs, 1]));
        }
        let number = |mask: &Tensor<2, Bool>| mask.clone().float().cast(like.dtype());
        // Of pairs of negatives that differ.
        let terms = number(is_negative).matmul(number(differ)) * number(is_negative);
        let counts = lines.counts(terms.sum_dim(1).reshape([pairs]).int());
        let float = |counts: Tensor<1, Int>| counts.clamp_min(1).float().cast(like.dtype());
        let shares = float(counts.of_lines).recip() / float(counts.anchors);
        let factors = match weights {
            Some(weights) => shares * weights,
            None => shares,
        };
        Some(factors.reshape([pairs, 1]))
    }
}
