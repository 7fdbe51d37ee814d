use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::smooth_rank::has_positive;
use super::soft_histogram::SoftBins;
use crate::error::{ConfigError, expect_valid};
use crate::labels::Labels;
use crate::numerics::{l2_normalize, zero_without_rows};
use crate::pairs::{PairMasks, assert_labels};

/// Configuration of [`HistogramLoss`].
#[derive(Config, Debug)]
pub struct HistogramLossConfig {
    /// Number `R` of steps between nodes, of which there are `R + 1`. Default: `100`.
    #[config(default = 100)]
    pub num_bins: usize,
    /// Count a negative pair only if one of its rows also has a positive. Default: `false`.
    #[config(default = false)]
    pub anchored_negatives: bool,
}

impl HistogramLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_size("num_bins", self.num_bins)
    }

    /// The loss.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, _device: &Device) -> HistogramLoss {
        expect_valid(self.validate());
        HistogramLoss {
            num_bins: self.num_bins,
            anchored_negatives: self.anchored_negatives,
        }
    }
}

/// Histogram loss (Ustinova, Lempitsky, *Learning Deep Embeddings with Histogram Loss*, NIPS 2016,
/// <https://arxiv.org/abs/1611.00822>): an estimate of the probability that a random
/// negative pair is more alike than a random positive one.
///
/// Cosine similarities of positive and of negative pairs are counted on the nodes
/// `tᵣ = −1 + 2r/R`, each pair shared between the two nearest, and divided by their number:
/// ```text
/// ℓ = Σᵣ h⁻(r) Σ_{q ≤ r} h⁺(q)
/// ```
/// All pairs of the batch count. With `anchored_negatives` a negative pair needs a row that has a
/// positive, which is what estimates from triplets see.
///
/// Cost: `O(n² · dim)` time, `O(n²)` memory.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_losses::HistogramLossConfig;
///
/// let device = Device::flex();
/// let x = Tensor::<2>::from_floats([[1.0, 0.0], [0.0, 1.0], [0.0, -1.0]], &device);
/// let labels = Tensor::<1, Int>::from_ints([0, 0, 1], &device);
/// let loss = HistogramLossConfig::new().with_num_bins(2).init(&device).forward(x, labels);
/// // nodes −1, 0, 1. Positive: similarity 0, h⁺ = (0, 1, 0), running sum (0, 1, 1).
/// // Negatives: 0 and −1, h⁻ = (0.5, 0.5, 0): 0.5 · 0 + 0.5 · 1
/// assert!((loss.into_scalar::<f32>() - 0.5).abs() < 1e-6);
/// ```
#[derive(Module, Debug)]
pub struct HistogramLoss {
    num_bins: usize,
    anchored_negatives: bool,
}

impl HistogramLoss {
    /// The loss over all pairs of the batch.
    ///
    /// # Shapes
    /// - `embeddings`: `[n, dim]`, `labels`: `[n]`
    /// - output: `[1]`, zero without a positive or without a negative pair
    ///
    /// # Panics
    /// If there is not one label a row, or rows have weights: the loss has no terms of theirs.
    pub fn forward(&self, embeddings: Tensor<2>, labels: impl Into<Labels>) -> Tensor<1> {
        let labels = labels.into();
        labels.expect_no_weights();
        assert_labels(&embeddings, &labels);
        if let Some(zero) = zero_without_rows(&[&embeddings]) {
            return zero;
        }
        let rows = l2_normalize(embeddings);
        let mut masks = PairMasks::within(&labels, &rows);
        if self.anchored_negatives {
            let anchors = has_positive(&masks);
            let either = anchors.clone().bool_or(anchors.transpose());
            masks.negative = masks.negative.bool_and(either);
        }
        // Each pair counts twice, in a histogram that is divided by twice the number.
        self.compare(rows.clone().matmul(rows.transpose()), masks)
    }

    /// The loss over all pairs of a row of the batch and a row of a separate reference set;
    /// gradients flow to both.
    ///
    /// # Shapes
    /// - `embeddings`: `[n, dim]`, `labels`: `[n]`, `reference`: `[m, dim]`,
    ///   `reference_labels`: `[m]`
    /// - output: `[1]`
    ///
    /// # Panics
    /// If there is not one label a row, labels are of two kinds, `dim` differs, or rows have weights.
    pub fn forward_against(
        &self,
        embeddings: Tensor<2>,
        labels: impl Into<Labels>,
        reference: Tensor<2>,
        reference_labels: impl Into<Labels>,
    ) -> Tensor<1> {
        let (labels, reference_labels) = (labels.into(), reference_labels.into());
        labels.expect_no_weights();
        assert_labels(&embeddings, &labels);
        assert_labels(&reference, &reference_labels);
        if let Some(zero) = zero_without_rows(&[&embeddings, &reference]) {
            return zero;
        }
        let mut masks = PairMasks::between(&labels, &reference_labels, &embeddings);
        if self.anchored_negatives {
            masks.negative = masks.negative.clone().bool_and(has_positive(&masks));
        }
        let (rows, reference) = (l2_normalize(embeddings), l2_normalize(reference));
        self.compare(rows.matmul(reference.transpose()), masks)
    }

    fn compare(&self, similarities: Tensor<2>, masks: PairMasks) -> Tensor<1> {
        let [n, m] = similarities.dims();
        let bins = SoftBins::new(similarities.reshape([1, n * m]), (-1.0, 1.0), self.num_bins);
        let density = |mask| {
            let counts = bins.of(mask);
            let number = counts.clone().detach().sum_dim(1).clamp_min(1.0);
            counts / number
        };
        let positive = density(masks.positive.reshape([1, n * m]));
        let negative = density(masks.negative.reshape([1, n * m]));
        (negative * positive.cumsum(1)).sum()
    }
}
