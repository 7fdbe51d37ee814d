use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Bool, Device, Tensor};

use crate::anchors::Anchors;
use crate::distance::EmbeddingDistance;
use crate::error::{ConfigError, expect_valid};
use crate::numerics::{at_least_f32, everywhere, negative_log_share};
use crate::ops::stream_pairs;
use crate::reducer::Reducer;

/// Configuration of [`MultipleNegativesRankingLoss`].
#[derive(Config, Debug)]
pub struct MultipleNegativesRankingLossConfig {
    /// Scale `s` of the similarities; the paper has `1`. Default: `20.0`.
    #[config(default = 20.0)]
    pub scale: f64,
    /// Whether every positive must find its anchor too; the loss is then the mean of both ways.
    /// Default: `false`.
    #[config(default = false)]
    pub symmetric: bool,
    /// Distance `d`; the paper has [`EmbeddingDistance::InnerProduct`]. Default: [`EmbeddingDistance::Cosine`].
    #[config(default = "EmbeddingDistance::Cosine")]
    pub distance: EmbeddingDistance,
    /// Reduction over anchors. Default: [`Reducer::Mean`].
    #[config(default = "Reducer::Mean")]
    pub reducer: Reducer,
}

impl MultipleNegativesRankingLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_positive("scale", self.scale)?;
        self.distance.validate()?;
        self.reducer.validate()
    }

    /// The loss.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, _device: &Device) -> MultipleNegativesRankingLoss {
        expect_valid(self.validate());
        MultipleNegativesRankingLoss {
            scale: self.scale,
            symmetric: self.symmetric,
            distance: self.distance,
            reducer: self.reducer,
        }
    }
}

/// Multiple negatives ranking loss (Henderson, Al-Rfou, Strope, Sung, Lukács, Guo, Kumar, Miklos, Kurzweil,
/// *Efficient Natural Language Response Suggestion for Smart Reply*, 2017, <https://arxiv.org/abs/1705.00652>,
/// eq. 5).
///
/// Row `i` of the positives belongs to anchor `i`; all others, and hard negatives if given, do not. With `c` over all
/// of them:
/// ```text
/// ℓᵢ = −log( e^{−s d(aᵢ, pᵢ)} / Σ_c e^{−s d(aᵢ, c)} )
/// ```
/// With [`symmetric`](MultipleNegativesRankingLossConfig::symmetric), the mean of this and of the same with the
/// roles of anchors and positives exchanged, without hard negatives. Deviates from the paper: cosines times 20 instead of
/// inner products. With the same rows as anchors and positives and a scale of 64 it is what other libraries call instance
/// loss within a batch.
///
/// Cost: `O(n (n + m) dim)` time for `m` hard negatives; memory `O((n + m) dim)` where it is
/// [streamed](EmbeddingDistance#streaming), else as [`EmbeddingDistance::matrix`].
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use metric_losses::MultipleNegativesRankingLossConfig;
///
/// let device = Device::flex();
/// let anchors = Tensor::<2>::from_floats([[1.0, 0.0], [0.0, 1.0]], &device);
/// let positives = Tensor::<2>::from_floats([[2.0, 0.0], [3.0, 4.0]], &device);
/// let loss = MultipleNegativesRankingLossConfig::new().with_scale(5.0).init(&device);
/// // cosines 1 and 0.6 of anchor 0, log(1 + e^-2) = 0.12693; 0 and 0.8 of anchor 1, log(1 + e^-4) = 0.01815
/// let value = loss.forward(anchors, positives).into_scalar::<f32>();
/// assert!((value - 0.07254).abs() < 1e-5);
/// ```
#[derive(Module, Debug)]
pub struct MultipleNegativesRankingLoss {
    scale: f64,
    symmetric: bool,
    #[module(skip)]
    distance: EmbeddingDistance,
    #[module(skip)]
    reducer: Reducer,
}

impl MultipleNegativesRankingLoss {
    /// The loss of pairs, row `i` with row `i`.
    ///
    /// # Shapes
    /// - `anchors`, `positives`: `[n, dim]`
    /// - output: `[1]`, zero for one pair
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn forward(&self, anchors: Tensor<2>, positives: Tensor<2>) -> Tensor<1> {
        assert_pairs(&anchors, &positives);
        self.among(anchors, positives.clone(), positives, &Anchors::default())
    }

    /// The loss of pairs with hard negatives that belong to no anchor.
    ///
    /// # Shapes
    /// - `anchors`, `positives`: `[n, dim]`, `negatives`: `[m, dim]`
    /// - output: `[1]`
    ///
    /// # Panics
    /// If the shapes of anchors and positives differ, or `dim` does.
    pub fn forward_with_negatives(
        &self,
        anchors: Tensor<2>,
        positives: Tensor<2>,
        negatives: Tensor<2>,
    ) -> Tensor<1> {
        assert_pairs(&anchors, &positives);
        let candidates = Tensor::cat(vec![positives.clone(), negatives], 0);
        self.among(anchors, positives, candidates, &Anchors::default())
    }

    /// Of the candidates, the positives come first.
    pub(crate) fn among(
        &self,
        anchors: Tensor<2>,
        positives: Tensor<2>,
        candidates: Tensor<2>,
        lines: &Anchors,
    ) -> Tensor<1> {
        let [anchors, positives, candidates] = [anchors, positives, candidates].map(at_least_f32);
        let way = (self.distance, self.reducer);
        let rows = [&anchors, &positives, &candidates];
        let streamed = lines
            .are_even()
            .then(|| stream_pairs(self.scale, way, rows, self.symmetric));
        streamed
            .flatten()
            .unwrap_or_else(|| self.reduce(self.distance.matrix(anchors, candidates), lines))
    }

    /// `distances` are `[n, n + m]`, the positives first.
    fn reduce(&self, distances: Tensor<2>, lines: &Anchors) -> Tensor<1> {
        let [n, _] = distances.dims();
        let similarities = -distances;
        let found = self.ranked(similarities.clone(), lines);
        match self.symmetric {
            false => found,
            true => (found + self.ranked(similarities.narrow(1, 0, n).transpose(), lines)) * 0.5,
        }
    }

    fn ranked(&self, similarities: Tensor<2>, lines: &Anchors) -> Tensor<1> {
        // Burn's `diag_mask` is false on the diagonal.
        let others = Tensor::<2, Bool>::diag_mask(similarities.dims(), 0, &similarities.device());
        let losses =
            negative_log_share(similarities, self.scale, others.clone().bool_not(), others);
        let every_row = everywhere(&losses);
        self.reducer.reduce_by(losses, every_row, lines)
    }
}

/// # Panics
/// Unless every anchor has one positive.
fn assert_pairs(anchors: &Tensor<2>, positives: &Tensor<2>) {
    let (a, p) = (anchors.dims(), positives.dims());
    assert_eq!(a, p, "one positive an anchor: {a:?} and {p:?}");
}
