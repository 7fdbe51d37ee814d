use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Device, Int, Tensor};

use crate::distance::EmbeddingDistance;
use crate::error::{ConfigError, expect_valid};
use crate::numerics::zero_on_graph;
use crate::pairs::{PairMasks, indices, pairs_against, pairs_within};

/// Configuration of [`DynamicSoftMarginLoss`].
#[derive(Config, Debug)]
pub struct DynamicSoftMarginLossConfig {
    /// Number of bins of the histogram. Default: `10`.
    #[config(default = 10)]
    pub bins: usize,
    /// Share of a batch in the histogram. Default: `0.01`.
    #[config(default = 0.01)]
    pub momentum: f64,
    /// Distance `d`. Default: [`EmbeddingDistance::Euclidean`].
    #[config(default = "EmbeddingDistance::Euclidean")]
    pub distance: EmbeddingDistance,
}

impl DynamicSoftMarginLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_size("bins", self.bins)?;
        ConfigError::check(
            (0.0..=1.0).contains(&self.momentum),
            "momentum",
            "from 0 to 1",
            self.momentum,
        )?;
        self.distance.validate()
    }

    /// The loss, with a flat histogram.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, device: &Device) -> DynamicSoftMarginLoss {
        expect_valid(self.validate());
        DynamicSoftMarginLoss {
            histogram: Initializer::Constant {
                value: 1.0 / (self.bins + 1) as f64,
            }
            .init([self.bins + 1], device)
            .map(|histogram: Tensor<1>| histogram.set_require_grad(false)),
            momentum: self.momentum,
            distance: self.distance,
        }
    }
}

/// Dynamic soft margin loss (Zhang, Rusinkiewicz, *Learning Local Descriptors With a CDF-Based Dynamic
/// Soft Margin*, ICCV 2019, section 3).
///
/// For every positive pair `(a, p)`, with the nearest negative of either end:
/// ```text
/// u    = d(a, p) − min(min_{n ∈ N(a)} d(a, n), min_{n ∈ N(p)} d(n, p))
/// ℓ    = mean of F(u) · u,     F(u) a constant in the gradient
/// F(u) = Σ_k h_k [1 + (u − c_k) / w]₀¹,     nodes c_k from −2 to 2, apart by w = 4 / bins
/// ```
/// `h` is a histogram of the gaps of the batches so far, which [`update`](Self::update) moves with
/// momentum; `F` is its cumulative share, linear between nodes. Rows are expected to have length 1, so
/// that gaps lie from −2 to 2; others count at the ends. For two views of `n` patches, as in the paper,
/// call [`forward_against`](Self::forward_against) with the numbers of the patches as labels.
///
/// Deviates from the paper: the histogram starts flat and moves only by an explicit call.
///
/// Cost: `O(n² · dim + p · bins)` time for `p` positive pairs, whose number is read back from the device;
/// memory as [`EmbeddingDistance::matrix`].
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_losses::DynamicSoftMarginLossConfig;
///
/// let device = Device::flex();
/// let x = Tensor::<2>::from_floats([[0.0], [0.5], [1.5]], &device);
/// let labels = Tensor::<1, Int>::from_ints([0, 0, 1], &device);
/// let loss = DynamicSoftMarginLossConfig::new().with_bins(2).init(&device).forward(x, labels);
/// // both gaps are 0.5 - 1 = -0.5, nodes -2, 0, 2 hold 1/3 each: F = (1 + 0.75 + 0) / 3
/// assert!((loss.into_scalar::<f32>() - (-0.5 * 1.75 / 3.0)).abs() < 1e-5);
/// ```
#[derive(Module, Debug)]
pub struct DynamicSoftMarginLoss {
    histogram: Param<Tensor<1>>,
    momentum: f64,
    #[module(skip)]
    distance: EmbeddingDistance,
}

impl DynamicSoftMarginLoss {
    /// The loss over all positive pairs of the batch.
    ///
    /// # Shapes
    /// - `embeddings`: `[n, dim]`, `labels`: `[n]`
    /// - output: `[1]`, zero if there is no valid triplet
    ///
    /// # Panics
    /// If there is not one label a row.
    pub fn forward(&self, embeddings: Tensor<2>, labels: Tensor<1, Int>) -> Tensor<1> {
        let (distances, masks) = pairs_within(self.distance, embeddings, labels);
        self.reduce(distances, masks)
    }

    /// The loss over all positive pairs, of a row of the batch and rows of a separate reference set; nothing
    /// is left out, gradients flow to both.
    ///
    /// # Shapes
    /// - `embeddings`: `[n, dim]`, `labels`: `[n]`, `reference`: `[m, dim]`,
    ///   `reference_labels`: `[m]`
    /// - output: `[1]`
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
        let (distances, masks) = pairs_against(
            self.distance,
            embeddings,
            labels,
            reference,
            reference_labels,
        );
        self.reduce(distances, masks)
    }

    /// The loss with its histogram moved towards the gaps of the batch, off the graph.
    ///
    /// # Shapes
    /// - `embeddings`: `[n, dim]`, `labels`: `[n]`
    ///
    /// # Panics
    /// If there is not one label a row.
    pub fn update(self, embeddings: Tensor<2>, labels: Tensor<1, Int>) -> Self {
        let (distances, masks) = pairs_within(self.distance, embeddings.detach(), labels);
        self.count(distances, masks)
    }

    /// [`update`](Self::update) with the gaps to a separate reference set.
    ///
    /// # Shapes
    /// - as [`forward_against`](Self::forward_against)
    ///
    /// # Panics
    /// If there is not one label a row, or `dim` differs.
    pub fn update_against(
        self,
        embeddings: Tensor<2>,
        labels: Tensor<1, Int>,
        reference: Tensor<2>,
        reference_labels: Tensor<1, Int>,
    ) -> Self {
        let (distances, masks) = pairs_against(
            self.distance,
            embeddings.detach(),
            labels,
            reference.detach(),
            reference_labels,
        );
        self.count(distances, masks)
    }

    /// The same loss with a given histogram, one of sum 1 over its `bins + 1` nodes.
    ///
    /// # Shapes
    /// - `histogram`: `[bins + 1]`
    pub fn with_histogram(mut self, histogram: Tensor<1>) -> Self {
        self.histogram = self
            .histogram
            .map(|_| histogram.detach().set_require_grad(false));
        self
    }

    /// The histogram over its nodes, `[bins + 1]`.
    pub fn histogram(&self) -> Tensor<1> {
        self.histogram.val()
    }

    fn reduce(&self, distances: Tensor<2>, masks: PairMasks) -> Tensor<1> {
        let Some(gaps) = gaps(distances.clone(), masks) else {
            return zero_on_graph(distances);
        };
        let [count] = gaps.dims();
        let ramps = self.from_nodes(gaps.clone().detach()) + 1.0; // [count, bins + 1]
        let histogram = self.histogram.val().cast(gaps.dtype()).unsqueeze::<2>();
        let share = (ramps.clamp(0.0, 1.0) * histogram)
            .sum_dim(1)
            .reshape([count]);
        (gaps / count as f64 * share).sum()
    }

    fn count(self, distances: Tensor<2>, masks: PairMasks) -> Self {
        let Some(gaps) = gaps(distances, masks) else {
            return self;
        };
        let hats = (-self.from_nodes(gaps).abs() + 1.0).clamp_min(0.0);
        let [bins] = self.histogram.val().dims();
        let seen = hats.mean_dim(0).reshape([bins]);
        let old = self.histogram.val().detach();
        let seen = seen.cast(old.dtype());
        let moved = old * (1.0 - self.momentum) + seen * self.momentum;
        self.with_histogram(moved)
    }

    /// How far gaps lie beyond every node, in widths of a bin: `[count, bins + 1]`.
    fn from_nodes(&self, gaps: Tensor<1>) -> Tensor<2> {
        let ([count], [nodes]) = (gaps.dims(), self.histogram.val().dims());
        let width = 4.0 / (nodes - 1) as f64;
        let nodes = Tensor::<1, Int>::arange(0..nodes as i64, &gaps.device()).float();
        let nodes = nodes.cast(gaps.dtype()).unsqueeze::<2>();
        (gaps.clamp(-2.0, 2.0) + 2.0).reshape([count, 1]) / width - nodes
    }
}

/// `u` of every positive pair that has a negative at either end.
fn gaps(distances: Tensor<2>, masks: PairMasks) -> Option<Tensor<1>> {
    let shape = distances.dims();
    let has = |axis| masks.negative.clone().any_dim(axis).expand(shape);
    let valid = masks.positive.bool_and(has(1).bool_or(has(0)));
    let (rows, columns) = indices(valid);
    let [count] = rows.dims();
    if count == 0 {
        return None;
    }
    let to_negative = distances
        .clone()
        .mask_fill(masks.negative.bool_not(), f64::INFINITY);
    let nearest = |axis| to_negative.clone().min_dim(axis).squeeze_dim::<1>(axis);
    let of_pair = nearest(1)
        .select(0, rows.clone())
        .min_pair(nearest(0).select(0, columns.clone()));
    let across = distances
        .select(0, rows)
        .gather(1, columns.reshape([count, 1]));
    Some(across.reshape([count]) - of_pair)
}
