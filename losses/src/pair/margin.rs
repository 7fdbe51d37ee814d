use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Bool, Device, Int, Tensor};
use metric_core::Scalar;
use metric_core::simd::sum_of;

use crate::anchors::Anchors;
use crate::distance::EmbeddingDistance;
use crate::error::{ConfigError, expect_valid};
use crate::labels::Labels;
use crate::numerics::{at_least_f32, everywhere, zero_on_graph, zero_without_rows};
use crate::ops::{Labelled, RowLoss, RowPairs, Terms, stream_with};
use crate::pairs::{PairMasks, assert_labels, pairs_against, pairs_within};
use crate::reducer::Reducer;
use crate::triplet_indices::TripletIndices;

/// Configuration of [`MarginLoss`].
#[derive(Config, Debug)]
pub struct MarginLossConfig {
    /// Half the width `α` of the gap around the boundary. Default: `0.2`.
    #[config(default = 0.2)]
    pub margin: f64,
    /// Distance `β` of the boundary at the start. Default: `1.2`.
    #[config(default = 1.2)]
    pub beta: f64,
    /// Whether the boundary is learned. Default: `true`.
    #[config(default = true)]
    pub learn_beta: bool,
    /// A boundary for each class of anchors, instead of one for all. Default: none.
    #[config(default = "None")]
    pub num_classes: Option<usize>,
    /// Weight `ν` of the boundary in the loss, which keeps it from growing. Default: `0.0`.
    #[config(default = 0.0)]
    pub nu: f64,
    /// Distance `d`. Default: [`EmbeddingDistance::Euclidean`].
    #[config(default = "EmbeddingDistance::Euclidean")]
    pub distance: EmbeddingDistance,
}

impl MarginLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_finite("margin", self.margin)?;
        ConfigError::check_finite("beta", self.beta)?;
        self.num_classes.map_or(Ok(()), |classes| {
            ConfigError::check_size("num_classes", classes)
        })?;
        ConfigError::check_finite("nu", self.nu)?;
        self.distance.validate()
    }

    /// The loss, with its boundary at `beta`.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, device: &Device) -> MarginLoss {
        expect_valid(self.validate());
        let beta: Param<Tensor<1>> = Initializer::Constant { value: self.beta }
            .init([self.num_classes.unwrap_or(1)], device);
        MarginLoss {
            beta: if self.learn_beta {
                beta
            } else {
                beta.set_require_grad(false)
            },
            margin: self.margin,
            nu: self.nu,
            distance: self.distance,
        }
    }
}

/// Margin loss (Wu, Manmatha, Smola, Krähenbühl, *Sampling Matters in Deep Embedding Learning*, ICCV
/// 2017, <https://arxiv.org/abs/1706.07567>, eq. 4 to 6).
///
/// Over triplets `(a, p, n)`, with `β` the boundary, one for all or that of the class of `a`:
/// ```text
/// u = [d(a, p) − β + α]₊        v = [β − d(a, n) + α]₊
/// ℓ = Σ (u + v) / (number of u > 0 + number of v > 0)  +  ν · mean over rows of β
/// ```
/// Deviates from the paper: it draws its pairs by distance, which is what
/// [`forward_mined`](Self::forward_mined) is for; there is no boundary for every image; the sum is
/// divided by the number of its parts above 0.
///
/// Cost: `O(n² · dim)` time; memory `O(n · dim)` where it is [streamed](EmbeddingDistance#streaming), else as
/// [`EmbeddingDistance::matrix`]: a pair counts as often as it is in a triplet, without triplets being listed.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_losses::MarginLossConfig;
///
/// let device = Device::flex();
/// let x = Tensor::<2>::from_floats([[0.0], [1.5], [2.5]], &device);
/// let labels = Tensor::<1, Int>::from_ints([0, 0, 1], &device);
/// let loss = MarginLossConfig::new().init(&device).forward(x, labels);
/// // (0, 1, 2): 1.5 - 1.2 + 0.2 = 0.5 and 1.2 - 2.5 + 0.2 < 0; (1, 0, 2): 0.5 and 1.2 - 1 + 0.2 = 0.4;
/// // 1.4 in three parts
/// assert!((loss.into_scalar::<f32>() - 0.46667).abs() < 1e-5);
/// ```
#[derive(Module, Debug)]
pub struct MarginLoss {
    beta: Param<Tensor<1>>,
    margin: f64,
    nu: f64,
    #[module(skip)]
    distance: EmbeddingDistance,
}

impl MarginLoss {
    /// The loss over all triplets of the batch.
    ///
    /// # Shapes
    /// - `embeddings`: `[n, dim]`, `labels`: `[n]`
    /// - output: `[1]`, zero if there is no row, or no valid triplet and `nu` is 0
    ///
    /// # Panics
    /// If there is not one label a row, or, where every class has its boundary, labels are not integers or
    /// one is out of range.
    pub fn forward(&self, embeddings: Tensor<2>, labels: impl Into<Labels>) -> Tensor<1> {
        let labels = labels.into();
        assert_labels(&embeddings, &labels);
        if let Some(zero) = zero_without_rows(&[&embeddings]) {
            return zero;
        }
        self.over_pairs((embeddings, labels), None)
    }

    /// The loss over all triplets, of a row of the batch and rows of a separate reference set; nothing
    /// is left out, gradients flow to both.
    ///
    /// # Shapes
    /// - `embeddings`: `[n, dim]`, `labels`: `[n]`, `reference`: `[m, dim]`,
    ///   `reference_labels`: `[m]`
    /// - output: `[1]`
    ///
    /// # Panics
    /// If there is not one label a row, `dim` differs, or a label is out of range where every
    /// class has its boundary.
    pub fn forward_against(
        &self,
        embeddings: Tensor<2>,
        labels: impl Into<Labels>,
        reference: Tensor<2>,
        reference_labels: impl Into<Labels>,
    ) -> Tensor<1> {
        let (labels, reference_labels) = (labels.into(), reference_labels.into());
        assert_labels(&embeddings, &labels);
        assert_labels(&reference, &reference_labels);
        if let Some(zero) = zero_without_rows(&[&embeddings, &reference]) {
            return zero;
        }
        self.over_pairs((embeddings, labels), Some((reference, reference_labels)))
    }

    fn over_pairs(&self, (x, labels): Labelled, reference: Option<Labelled>) -> Tensor<1> {
        let beta = self.boundary(&labels);
        let x = at_least_f32(x);
        let reference = reference.map(|(y, labels)| (at_least_f32(y), labels));
        let way = (self.distance, Reducer::Mean);
        let (batch, given) = ((x.clone(), labels.clone()), beta.clone().cast(x.dtype()));
        let streamed = stream_with(self, way, batch, reference.clone(), Some(given));
        let loss = streamed.unwrap_or_else(|| {
            let (distances, masks) = match reference {
                Some((y, of)) => pairs_against(self.distance, x, labels, y, of),
                None => pairs_within(self.distance, x, labels),
            };
            self.reduce_all(distances, masks, beta.clone())
        });
        loss.clone() + self.regularization(beta).cast(loss.dtype())
    }

    /// The loss over given triplets of rows of `embeddings`.
    ///
    /// # Shapes
    /// - `embeddings`: `[n, dim]`, `labels`: `[n]`
    /// - output: `[1]`
    ///
    /// # Panics
    /// If an index is not below `n`; otherwise as [`forward`](Self::forward).
    pub fn forward_mined(
        &self,
        embeddings: Tensor<2>,
        labels: impl Into<Labels>,
        triplets: &TripletIndices,
    ) -> Tensor<1> {
        let labels = labels.into();
        assert_labels(&embeddings, &labels);
        if let Some(zero) = zero_without_rows(&[&embeddings]) {
            return zero;
        }
        let beta = self.boundary(&labels);
        if triplets.is_empty() {
            return zero_on_graph(embeddings) + self.regularization(beta);
        }
        let rows = |indices: &Tensor<1, Int>| embeddings.clone().select(0, indices.clone());
        let to = |end| self.distance.paired(rows(&triplets.anchor), rows(end));
        let beta_of_anchor = beta
            .clone()
            .squeeze_dim::<1>(1)
            .select(0, triplets.anchor.clone());
        let positive = self.hinge(to(&triplets.positive) - beta_of_anchor.clone());
        let negative = self.hinge(beta_of_anchor - to(&triplets.negative));
        let parts = Tensor::cat(vec![positive, negative], 0);
        let all = everywhere(&parts);
        let [n, _] = embeddings.dims();
        let twice = Tensor::cat(vec![triplets.anchor.clone(); 2], 0);
        let lines = Anchors::of(&labels, &embeddings).lines(twice, n);
        Reducer::AvgNonZero.reduce_by(parts, all, &lines) + self.regularization(beta)
    }

    /// The same loss with the values of given boundaries, in the precision of `beta`.
    ///
    /// # Shapes
    /// - `beta`: `[1]` or `[num_classes]`
    pub fn with_beta(mut self, beta: Tensor<1>) -> Self {
        self.beta = self
            .beta
            .map(|old| beta.detach().set_require_grad(old.is_require_grad()));
        self
    }

    /// The boundaries, `[1]` or `[num_classes]`.
    pub fn beta(&self) -> Tensor<1> {
        self.beta.val()
    }

    /// The boundary of every row, `[n, 1]`.
    fn boundary(&self, labels: &Labels) -> Tensor<2> {
        let n = labels.len();
        let beta = self.beta.val();
        match beta.dims() {
            [1] => beta.reshape([1, 1]).expand([n, 1]),
            _ => beta.select(0, labels.expect_classes()).reshape([n, 1]),
        }
    }

    fn reduce_all(&self, distances: Tensor<2>, masks: PairMasks, beta: Tensor<2>) -> Tensor<1> {
        let [n, _] = distances.dims();
        let beta = beta.cast(distances.dtype());
        let count = |mask: &Tensor<2, Bool>| {
            mask.clone()
                .int()
                .sum_dim(1)
                .float()
                .cast(distances.dtype()) // [n, 1]
        };
        let (positives, negatives) = (count(&masks.positive), count(&masks.negative));
        // A positive pair is in a triplet with every negative of its anchor, and the other way round.
        let positive = self.hinge(distances.clone() - beta.clone());
        let negative = self.hinge(-distances + beta.clone());
        let weights = |hinges: &Tensor<2>, mask: Tensor<2, Bool>, partners: Tensor<2>| {
            // Not "above 0": so NaN counts, and a broken embedding shows.
            let idle = hinges
                .clone()
                .lower_equal_scalar(0.0)
                .bool_or(mask.bool_not());
            partners.expand(hinges.dims()).mask_fill(idle, 0.0)
        };
        let of_positive = weights(&positive, masks.positive, negatives);
        let of_negative = weights(&negative, masks.negative, positives);
        let parts = of_positive.clone().sum() + of_negative.clone().sum();
        let parts = parts.clamp_min(1.0).reshape([1, 1]);
        let (positive, negative) = match masks.anchors.weights() {
            Some(weights) => {
                let weights = weights.reshape([n, 1]);
                (positive * weights.clone(), negative * weights)
            }
            None => (positive, negative),
        };
        (positive * (of_positive / parts.clone())).sum() + (negative * (of_negative / parts)).sum()
    }

    fn hinge<const D: usize>(&self, gaps: Tensor<D>) -> Tensor<D> {
        (gaps + self.margin).clamp_min(0.0)
    }

    /// `ν` times the mean boundary of the rows.
    fn regularization(&self, beta: Tensor<2>) -> Tensor<1> {
        beta.mean() * self.nu
    }
}

impl RowLoss for MarginLoss {
    fn row<T: Scalar>(&self, mut pairs: RowPairs<'_, T>) -> Terms {
        let (positives, negatives) = (pairs.positives.len(), pairs.negatives);
        if positives == 0 || negatives == 0 {
            return Terms::default();
        }
        let beta = *pairs.given;
        let mut to_positives = pairs.take_positives();
        let pull = self.part(&mut to_positives, (beta, 1.0), negatives);
        let push = self.part(pairs.distances, (beta, -1.0), positives);
        pairs.put_positives(to_positives);
        *pairs.given = T::from_f64(push.count as f64 - pull.count as f64);
        let mut terms = pull;
        terms += push;
        terms
    }
}

impl MarginLoss {
    /// The terms `[sign (d − β) + α]₊`, each in so many triplets, with their slopes in the place of the distances.
    fn part<T: Scalar>(
        &self,
        distances: &mut [T],
        (beta, sign): (T, f64),
        triplets: usize,
    ) -> Terms {
        let [sign, margin, slope] = [sign, self.margin, sign * triplets as f64].map(T::from_f64);
        let gap = move |d: T| sign * (d - beta) + margin;
        let count = sum_of(
            distances,
            move |&mut d| {
                if gap(d) > T::ZERO { T::ONE } else { T::ZERO }
            },
        );
        let sum = sum_of(distances, move |d| {
            let gap = gap(*d);
            *d = if gap > T::ZERO { slope } else { T::ZERO };
            if gap > T::ZERO { gap } else { T::ZERO }
        });
        Terms {
            sum: sum * triplets as f64,
            count: count as usize * triplets,
        }
    }
}
