use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::{Bool, Device, IndexingUpdateOp, Int, Tensor};

use crate::anchors::Anchors;
use crate::distance::EmbeddingDistance;
use crate::error::{ConfigError, expect_valid};
use crate::labels::Labels;
use crate::numerics::{everywhere, zero_on_graph};
use crate::pairs::{PairMasks, indices, pairs_against, pairs_within};
use crate::reducer::Reducer;
use crate::triplet_indices::TripletIndices;

/// Configuration of [`DynamicSoftMarginLoss`].
#[derive(Config, Debug)]
pub struct DynamicSoftMarginLossConfig {
    /// The histogram reaches from `−range` to `range`; gaps beyond count as at the end. Default: `2.0`, all there is
    /// between unit rows.
    #[config(default = 2.0)]
    pub range: f64,
    /// Number of points of the histogram, at least 2. Default: `512`.
    #[config(default = 512)]
    pub num_bins: usize,
    /// Share `η` of the batch in the histogram, in `[0, 1]`. Default: `0.01`.
    #[config(default = 0.01)]
    pub momentum: f64,
    /// Is each positive pair set against the closest negative of its two rows only, or against every negative of the
    /// anchor? Default: `true`, the paper's.
    #[config(default = true)]
    pub hardest: bool,
    /// Distance `d`. Default: [`EmbeddingDistance::Euclidean`].
    #[config(default = "EmbeddingDistance::Euclidean")]
    pub distance: EmbeddingDistance,
    /// Reduction over triplets. Default: [`Reducer::Mean`].
    #[config(default = "Reducer::Mean")]
    pub reducer: Reducer,
}

impl DynamicSoftMarginLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_positive("range", self.range)?;
        let bins = self.num_bins;
        ConfigError::check(bins >= 2, "num_bins", "at least 2", bins as f64)?;
        ConfigError::check_fraction("momentum", self.momentum)?;
        self.distance.validate()?;
        self.reducer.validate()
    }

    /// The loss, with an empty histogram.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, device: &Device) -> DynamicSoftMarginLoss {
        expect_valid(self.validate());
        let empty = Tensor::zeros([self.num_bins], device);
        DynamicSoftMarginLoss {
            histogram: Param::from_tensor(empty).set_require_grad(false),
            range: self.range,
            momentum: self.momentum,
            hardest: self.hardest,
            distance: self.distance,
            reducer: self.reducer,
        }
    }
}

/// Dynamic soft margin (Zhang, Rusinkiewicz, *Learning Local Descriptors with a CDF-Based Dynamic Soft Margin*, ICCV
/// 2019).
///
/// A triplet weighs as much as the share of triplets that are easier. With `d_n` the distance of the closest negative of
/// either row of a positive pair, and `F` the cumulative sums of a moving histogram `h` of the gaps:
/// ```text
/// Δ = d(a, p) − d_n        ℓ = F(Δ) Δ,  F constant
/// h ← (1 − η) h + η h_batch                  h_batch alone, the first time
/// ```
/// A gap counts for the two points of the histogram beside it, in proportion to its nearness; `F(Δ)` is the sum up to the
/// point at or below `Δ`. `h` moves by [`update`](Self::update) alone, once a step and before `forward` as the authors do;
/// until the first time it is even. The value may be negative. For two sets of matching rows, the paper's
/// case, number the pairs and call [`forward_against`](Self::forward_against).
///
/// Deviates from the authors' code, which leaves out negatives closer than 0.008 as wrong labels. A library whose `b` bins
/// are `2 range / b` wide leaves out the point at the upper end: its `b` is `b + 1` here.
///
/// Cost: `O(n² · dim)` time; memory as [`EmbeddingDistance::matrix`]. With every negative, time and memory of
/// [`TripletMarginLoss`](crate::TripletMarginLoss).
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_losses::DynamicSoftMarginLossConfig;
///
/// let device = Device::flex();
/// let x = || Tensor::<2>::from_floats([[0.0], [0.5], [1.5]], &device);
/// let labels = || Tensor::<1, Int>::from_ints([0, 0, 1], &device);
/// let loss = DynamicSoftMarginLossConfig::new().with_num_bins(5).init(&device);
/// // pairs (0, 1) and (1, 0): 0.5 against 1 from row 1: Δ = −0.5, points −2, −1, 0, 1, 2: an even F(−0.5) is 2/5
/// let value = loss.forward(x(), labels()).into_scalar::<f32>();
/// assert!((value + 0.2).abs() < 1e-6);
/// // both halfway between −1 and 0: h is (0, ½, ½, 0, 0) and F(−0.5) = ½
/// let value = loss.update(x(), labels()).forward(x(), labels()).into_scalar::<f32>();
/// assert!((value + 0.25).abs() < 1e-6);
/// ```
#[derive(Module, Debug)]
pub struct DynamicSoftMarginLoss {
    histogram: Param<Tensor<1>>,
    range: f64,
    momentum: f64,
    hardest: bool,
    #[module(skip)]
    distance: EmbeddingDistance,
    #[module(skip)]
    reducer: Reducer,
}

/// Gaps of triplets, which there are, and whose the lines are.
type Gaps = (Tensor<2>, Tensor<2, Bool>, Anchors);

impl DynamicSoftMarginLoss {
    /// The loss over the triplets of the batch.
    ///
    /// # Shapes
    /// - `embeddings`: `[n, dim]`, `labels`: `[n]`
    /// - output: `[1]`, zero if there is no triplet
    ///
    /// # Panics
    /// If there is not one label a row.
    pub fn forward(&self, embeddings: Tensor<2>, labels: impl Into<Labels>) -> Tensor<1> {
        let labels = labels.into();
        let (distances, masks) = pairs_within(self.distance, embeddings, labels);
        self.weigh(self.gaps(distances, masks))
    }

    /// The loss over the triplets whose positive pair is a row of the batch and one of a separate reference set; a negative
    /// of either is in the other set. Gradients flow to both.
    ///
    /// # Shapes
    /// - `embeddings`: `[n, dim]`, `labels`: `[n]`, `reference`: `[m, dim]`,
    ///   `reference_labels`: `[m]`
    /// - output: `[1]`, zero if there is no triplet
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
        let (distances, masks) = pairs_against(
            self.distance,
            embeddings,
            labels,
            reference,
            reference_labels,
        );
        self.weigh(self.gaps(distances, masks))
    }

    /// The loss over given triplets of rows of `embeddings`.
    ///
    /// # Shapes
    /// - `embeddings`: `[n, dim]`
    /// - output: `[1]`, zero if `triplets` is empty
    ///
    /// # Panics
    /// If an index is not below `n`.
    pub fn forward_mined(&self, embeddings: Tensor<2>, triplets: &TripletIndices) -> Tensor<1> {
        match self.mined(&embeddings, triplets) {
            None => zero_on_graph(embeddings),
            Some(gaps) => self.weigh(gaps),
        }
    }

    /// The loss with its histogram moved towards the triplets of the batch, off the graph.
    ///
    /// # Shapes
    /// - `embeddings`: `[n, dim]`, `labels`: `[n]`
    ///
    /// # Panics
    /// If there is not one label a row.
    pub fn update(self, embeddings: Tensor<2>, labels: impl Into<Labels>) -> Self {
        let (distances, masks) = pairs_within(self.distance, embeddings.detach(), labels);
        let gaps = self.gaps(distances, masks);
        self.moved(gaps)
    }

    /// The loss with its histogram moved towards the triplets of [`forward_against`](Self::forward_against), off the
    /// graph.
    ///
    /// # Shapes
    /// - `embeddings`: `[n, dim]`, `labels`: `[n]`, `reference`: `[m, dim]`,
    ///   `reference_labels`: `[m]`
    ///
    /// # Panics
    /// If there is not one label a row, labels are of two kinds, or `dim` differs.
    pub fn update_against(
        self,
        embeddings: Tensor<2>,
        labels: impl Into<Labels>,
        reference: Tensor<2>,
        reference_labels: impl Into<Labels>,
    ) -> Self {
        let (distances, masks) = pairs_against(
            self.distance,
            embeddings.detach(),
            labels,
            reference.detach(),
            reference_labels,
        );
        let gaps = self.gaps(distances, masks);
        self.moved(gaps)
    }

    /// The loss with its histogram moved towards given triplets, off the graph.
    ///
    /// # Shapes
    /// - `embeddings`: `[n, dim]`
    ///
    /// # Panics
    /// If an index is not below `n`.
    pub fn update_mined(self, embeddings: Tensor<2>, triplets: &TripletIndices) -> Self {
        match self.mined(&embeddings.detach(), triplets) {
            None => self,
            Some(gaps) => self.moved(gaps),
        }
    }

    /// The histogram `h`, `[num_bins]`, of sum 1 once it has seen a triplet.
    pub fn histogram(&self) -> Tensor<1> {
        self.histogram.val()
    }

    /// Of each positive pair with its closest negative, or with all of the anchor's.
    fn gaps(&self, distances: Tensor<2>, masks: PairMasks) -> Gaps {
        let shape = distances.dims();
        let PairMasks {
            positive,
            negative,
            anchors: of_rows,
            ..
        } = masks;
        if self.hardest {
            let far = distances
                .clone()
                .mask_fill(negative.clone().bool_not(), f64::INFINITY);
            let in_rows = far.clone().min_dim(1).expand(shape);
            let in_columns = far.min_dim(0).expand(shape);
            let has = |axis| negative.clone().any_dim(axis).expand(shape);
            let kept = positive.bool_and(has(1).bool_or(has(0)));
            let closest = in_rows.min_pair(in_columns);
            let closest = closest.mask_fill(kept.clone().bool_not(), 0.0);
            return (distances - closest, kept, of_rows);
        }
        let (anchors, positives) = indices(positive);
        let [count] = anchors.dims();
        let lines = of_rows.lines(anchors.clone(), shape[0]);
        if count == 0 {
            let nothing = zero_on_graph(distances).reshape([1, 1]);
            let none = everywhere(&nothing).bool_not();
            return (nothing, none, Anchors::default());
        }
        let rows = distances.select(0, anchors.clone());
        let to_positive = rows.clone().gather(1, positives.reshape([count, 1]));
        // Through integers: Flex 0.22.1 selects rows of a Bool tensor into one of another type.
        let kept = negative.int().select(0, anchors).equal_scalar(1);
        (to_positive - rows, kept, lines)
    }

    /// Of given triplets, if there are any.
    fn mined(&self, embeddings: &Tensor<2>, triplets: &TripletIndices) -> Option<Gaps> {
        if triplets.is_empty() {
            return None;
        }
        let rows = |indices: &Tensor<1, Int>| embeddings.clone().select(0, indices.clone());
        let anchor = rows(&triplets.anchor);
        let to = |ends| self.distance.paired(anchor.clone(), rows(ends));
        let gaps = to(&triplets.positive) - to(&triplets.negative);
        let gaps = gaps.reshape([triplets.len(), 1]);
        let all = everywhere(&gaps);
        let [n, _] = embeddings.dims();
        let lines = Anchors::default().lines(triplets.anchor.clone(), n);
        Some((gaps, all, lines))
    }

    /// `F(Δ) Δ`, reduced.
    fn weigh(&self, (gaps, kept, lines): Gaps) -> Tensor<1> {
        let [n, m] = gaps.dims();
        let (points, _) = self.places(gaps.clone().detach());
        let histogram = self.histogram.val().detach().cast(gaps.dtype());
        let is_empty = histogram.clone().sum().equal_scalar(0.0);
        let even = histogram.ones_like();
        let is_empty = is_empty.expand(even.dims());
        let histogram = histogram.mask_where(is_empty, even);
        let shares = histogram.clone().cumsum(0) / histogram.sum();
        let weights = shares.select(0, points.reshape([n * m])).reshape([n, m]);
        self.reducer.reduce_by(gaps * weights, kept, &lines)
    }

    fn moved(mut self, (gaps, kept, _): Gaps) -> Self {
        let histogram = self.histogram.val().detach();
        let [count] = histogram.dims();
        let number = kept.clone().int().sum().float().cast(histogram.dtype());
        let (points, beyond) = self.places(gaps.cast(histogram.dtype()));
        let left_out = kept.bool_not();
        let upper = beyond.clone().mask_fill(left_out.clone(), 0.0);
        let lower = (-beyond + 1.0).mask_fill(left_out, 0.0);
        let [n, m] = lower.dims();
        let all = n * m;
        let above = (points.clone() + 1).clamp_max(count as i64 - 1);
        let add = |to: Tensor<1>, at: Tensor<2, Int>, what: Tensor<2>| {
            let (at, what) = (at.reshape([all]), what.reshape([all]));
            to.select_assign(0, at, what, IndexingUpdateOp::Add)
        };
        let seen = add(histogram.zeros_like(), points, lower);
        let seen = add(seen, above, upper) / number.clone().clamp_min(1.0);
        // Nothing moves without a triplet, and everything the first time.
        let is_first = histogram.clone().sum().equal_scalar(0.0);
        let share = number.clone().full_like(self.momentum);
        let share = share.mask_fill(is_first, 1.0);
        let share = share.mask_fill(number.equal_scalar(0.0), 0.0);
        let moved = histogram.clone() + (seen - histogram) * share;
        self.histogram = self.histogram.map(|_| moved.set_require_grad(false));
        self
    }

    /// The point of the histogram at or below each gap, and how far beyond it the gap is, in steps.
    fn places(&self, gaps: Tensor<2>) -> (Tensor<2, Int>, Tensor<2>) {
        let last = (self.histogram.val().dims()[0] - 1) as f64;
        let places = (gaps + self.range) * (last / (2.0 * self.range));
        // A broken gap has any place: it shows in the loss.
        let is_broken = places.clone().is_nan();
        let places = places.mask_fill(is_broken, 0.0).clamp(0.0, last);
        let points = places.clone().floor();
        (points.clone().int(), places - points)
    }
}
