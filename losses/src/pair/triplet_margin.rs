use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Bool, Device, Int, Tensor};

use crate::anchors::Anchors;
use crate::distance::EmbeddingDistance;
use crate::error::{ConfigError, expect_valid};
use crate::labels::Labels;
use crate::numerics::{everywhere, softplus, zero_on_graph};
use crate::pairs::{PairMasks, indices, streamed};
use crate::reducer::Reducer;
use crate::triplet_indices::TripletIndices;

/// Which triplets of a batch count; `u` is as in [`TripletMarginLoss`], `m` its margin.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum TripletChoice {
    /// Every one.
    All,
    /// Those whose negative is farther than the positive, but not by more than the margin: `0 ≤ u < m` (FaceNet, eq. 4).
    SemiHard,
    /// Of each anchor the farthest positive with the closest negative (Hermans et al., eq. 5).
    BatchHard,
}

/// Configuration of [`TripletMarginLoss`].
#[derive(Config, Debug)]
pub struct TripletMarginLossConfig {
    /// Required gap `m` between the negative and the positive distance. Default: `0.2`.
    #[config(default = 0.2)]
    pub margin: f64,
    /// `log(1 + eᵘ)` in place of the hinge `[u]₊` (with `margin` 0, the soft margin of Hermans et
    /// al.). Default: `false`.
    #[config(default = false)]
    pub soft_margin: bool,
    /// Take the negative distance from the anchor or from the positive, whichever is smaller
    /// (Balntas et al., *Learning local feature descriptors with triplets*, BMVC 2016).
    /// Not with [`TripletChoice::BatchHard`]. Default: `false`.
    #[config(default = false)]
    pub swap: bool,
    /// Which triplets of the batch count; given ones all do. Default: [`TripletChoice::All`].
    #[config(default = "TripletChoice::All")]
    pub choice: TripletChoice,
    /// Distance `d`; the paper has [`EmbeddingDistance::SquaredEuclidean`].
    /// Default: [`EmbeddingDistance::Euclidean`].
    #[config(default = "EmbeddingDistance::Euclidean")]
    pub distance: EmbeddingDistance,
    /// Reduction over triplets. Default: [`Reducer::AvgNonZero`].
    #[config(default = "Reducer::AvgNonZero")]
    pub reducer: Reducer,
}

impl TripletMarginLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_finite("margin", self.margin)?;
        let swaps = f64::from(u8::from(self.swap));
        let all = self.choice != TripletChoice::BatchHard;
        ConfigError::check(!self.swap || all, "swap", "off with BatchHard", swaps)?;
        self.distance.validate()?;
        self.reducer.validate()
    }

    /// The loss.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, _device: &Device) -> TripletMarginLoss {
        expect_valid(self.validate());
        TripletMarginLoss {
            margin: self.margin,
            soft_margin: self.soft_margin,
            swap: self.swap,
            choice: self.choice,
            distance: self.distance,
            reducer: self.reducer,
        }
    }
}

/// Triplet margin loss (Schroff, Kalenichenko, Philbin, *FaceNet*, CVPR 2015,
/// <https://arxiv.org/abs/1503.03832>, eq. 3; soft margin: Hermans, Beyer, Leibe, *In Defense of
/// the Triplet Loss*, 2017, <https://arxiv.org/abs/1703.07737>, section 2).
///
/// For every anchor `a`, positive `p` (same label, `p ≠ a`) and negative `n` (other label):
/// ```text
/// u(a, p, n) = d(xₐ, xₚ) − d(xₐ, xₙ) + m
/// ℓ(a, p, n) = max(0, u)        or, with soft_margin, log(1 + eᵘ)
/// ```
/// Deviates from the paper: `d` is not squared by default, the mean runs over triplets that still
/// cost something, and embeddings are used as given.
///
/// Cost: [`forward`](Self::forward) `O(n² · dim)` time and `O(n · dim)` memory where it is
/// [streamed](EmbeddingDistance#streaming), and no triplet is listed: those above 0 are counted by sorting the positives of
/// a row, in `O(n log p)` for each row of `p`; softplus is evaluated for each in `O(p · n)`, and `swap` takes
/// `O(p · n · dim)`. With `swap` and a reference set, weights, grades or means per anchor, and where it is not streamed,
/// `O(n² · dim + p · n)` time and `O(p · n)` memory for `p` positive pairs in the batch, whose number is read back from the
/// device. [`forward_mined`](Self::forward_mined) takes `O(t · dim)` for `t` triplets.
///
/// ```
/// use burn::tensor::{Bool, Device, Int, Tensor};
/// use metric_losses::TripletMarginLossConfig;
///
/// let device = Device::flex();
/// let x = Tensor::<2>::from_floats([[0.0, 0.0], [0.0, 1.0], [0.0, 1.5]], &device);
/// let labels = Tensor::<1, Int>::from_ints([0, 0, 1], &device);
/// let loss = TripletMarginLossConfig::new().init(&device).forward(x, labels);
/// // (0,1,2): 1 − 1.5 + 0.2 < 0; (1,0,2): 1 − 0.5 + 0.2 = 0.7, the only one above 0
/// assert!((loss.into_scalar::<f32>() - 0.7).abs() < 1e-6);
/// ```
#[derive(Module, Debug)]
pub struct TripletMarginLoss {
    pub(super) margin: f64,
    pub(super) soft_margin: bool,
    pub(super) swap: bool,
    #[module(skip)]
    pub(super) choice: TripletChoice,
    #[module(skip)]
    distance: EmbeddingDistance,
    #[module(skip)]
    pub(super) reducer: Reducer,
}

impl TripletMarginLoss {
    /// The loss over every triplet of the batch.
    ///
    /// # Shapes
    /// - `embeddings`: `[n, dim]`, `labels`: `[n]`
    /// - output: `[1]`, zero if there is no valid triplet
    ///
    /// # Panics
    /// If there is not one label a row.
    pub fn forward(&self, embeddings: Tensor<2>, labels: impl Into<Labels>) -> Tensor<1> {
        let batch = (embeddings, labels.into());
        streamed(
            self,
            (self.distance, self.reducer),
            batch,
            None,
            |distances, masks| {
                let among = self.swap.then(|| distances.clone());
                self.reduce_all(distances, among, masks)
            },
        )
    }

    /// The loss over every triplet whose anchor is a row of the batch and whose positive and
    /// negative are rows of a separate reference set; gradients flow to both.
    ///
    /// # Shapes
    /// - `embeddings`: `[n, dim]`, `labels`: `[n]`, `reference`: `[m, dim]`,
    ///   `reference_labels`: `[m]`
    /// - output: `[1]`
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
        let rows = reference.clone();
        let batch = (embeddings, labels.into());
        let reference = Some((reference, reference_labels.into()));
        streamed(
            self,
            (self.distance, self.reducer),
            batch,
            reference,
            |distances, masks| {
                let among = self.swap.then(|| self.distance.matrix(rows.clone(), rows));
                self.reduce_all(distances, among, masks)
            },
        )
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
        if triplets.is_empty() {
            return zero_on_graph(embeddings);
        }
        let rows = |indices: &Tensor<1, Int>| embeddings.clone().select(0, indices.clone());
        let (anchor, positive, negative) = (
            rows(&triplets.anchor),
            rows(&triplets.positive),
            rows(&triplets.negative),
        );
        let to_positive = self.distance.paired(anchor.clone(), positive.clone());
        let mut to_negative = self.distance.paired(anchor, negative.clone());
        if self.swap {
            to_negative = to_negative.min_pair(self.distance.paired(positive, negative));
        }
        let losses = self.terms(to_positive - to_negative + self.margin);
        let all = everywhere(&losses);
        let anchors = Anchors::default().lines(triplets.anchor.clone(), embeddings.dims()[0]);
        self.reducer.reduce_by(losses, all, &anchors)
    }

    /// Every positive pair against every negative of its anchor, `[pairs, m]`: with `K` examples a
    /// class that is `m / K` times less than all combinations of three.
    ///
    /// `distances` is rows x references, `among` references x references.
    pub(super) fn reduce_all(
        &self,
        distances: Tensor<2>,
        among: Option<Tensor<2>>,
        masks: PairMasks,
    ) -> Tensor<1> {
        if self.choice == TripletChoice::BatchHard {
            return self.reduce_hardest(distances, masks);
        }
        let (anchors, positives) = indices(masks.positive);
        let [count] = anchors.dims();
        let lines = masks.anchors.lines(anchors.clone(), distances.dims()[0]);
        if count == 0 {
            return zero_on_graph(distances);
        }
        let rows = distances.select(0, anchors.clone());
        let to_positive = rows
            .clone()
            .gather(1, positives.clone().reshape([count, 1])); // [pairs, 1]
        let to_negative = match among {
            None => rows,
            Some(among) => rows.min_pair(among.select(0, positives)),
        };
        // Through integers: Flex 0.22.1 selects rows of a Bool tensor into one of another type.
        let mut valid = masks.negative.int().select(0, anchors).equal_scalar(1);
        let differences = to_positive - to_negative;
        let gaps = differences.clone() + self.margin;
        if self.choice == TripletChoice::SemiHard {
            // Negated, so that NaN counts and shows.
            let hard = differences.greater_equal_scalar(0.0);
            let easy = gaps.clone().lower_scalar(0.0);
            valid = valid.bool_and(hard.bool_or(easy).bool_not());
        }
        self.reducer.reduce_by(self.terms(gaps), valid, &lines)
    }

    /// The farthest positive of each row with its closest negative.
    fn reduce_hardest(&self, distances: Tensor<2>, masks: PairMasks) -> Tensor<1> {
        let both = masks.rows_with_both();
        let of = |mask: Tensor<2, Bool>, other: f64| {
            let alone = both.clone().bool_not().expand(distances.dims());
            let left_out = mask.bool_not();
            distances
                .clone()
                .mask_fill(left_out, other)
                .mask_fill(alone, 0.0)
        };
        let farthest = of(masks.positive.clone(), f64::NEG_INFINITY).max_dim(1);
        let closest = of(masks.negative.clone(), f64::INFINITY).min_dim(1);
        let losses = self.terms(farthest - closest + self.margin);
        self.reducer.reduce_by(losses, both, &masks.anchors)
    }

    fn terms<const D: usize>(&self, gaps: Tensor<D>) -> Tensor<D> {
        if self.soft_margin {
            softplus(gaps)
        } else {
            gaps.clamp_min(0.0)
        }
    }
}
