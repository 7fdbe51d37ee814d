use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use metric_core::Scalar;

use super::smooth_rank::has_positive;
use super::soft_histogram::{RowBins, SoftBins};
use crate::distance::EmbeddingDistance;
use crate::error::{ConfigError, expect_valid};
use crate::labels::Labels;
use crate::ops::{Found, Labelled, Rows, Shares, Stream};
use crate::pairs::{PairMasks, streamed};
use crate::reducer::Reducer;

/// Of cosine distances.
const SPAN: (f64, f64) = (0.0, 2.0);

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
/// Cost: `O(n² · dim)` time; memory `O(n · (dim + R))` where it is [streamed](EmbeddingDistance#streaming), else `O(n²)`.
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
        self.over((embeddings, labels.into()), None)
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
        let reference = Some((reference, reference_labels.into()));
        self.over((embeddings, labels.into()), reference)
    }

    fn over(&self, batch: Labelled, reference: Option<Labelled>) -> Tensor<1> {
        batch.1.expect_no_weights();
        let way = (EmbeddingDistance::Cosine, Reducer::Sum);
        let within = reference.is_none();
        streamed(self, way, batch, reference, |distances, masks| {
            self.compare(distances, masks, within)
        })
    }

    fn compare(&self, distances: Tensor<2>, mut masks: PairMasks, within: bool) -> Tensor<1> {
        if self.anchored_negatives {
            let anchors = has_positive(&masks);
            let counted = match within {
                true => anchors.clone().bool_or(anchors.transpose()),
                false => anchors,
            };
            masks.negative = masks.negative.bool_and(counted);
        }
        let [n, m] = distances.dims();
        let bins = SoftBins::new(distances.reshape([1, n * m]), SPAN, self.num_bins);
        // Within a batch each pair counts twice, in a histogram that is divided by twice the number.
        let density = |mask| {
            let counts = bins.of(mask);
            let number = counts.clone().detach().sum_dim(1).clamp_min(1.0);
            counts / number
        };
        let positive = density(masks.positive.reshape([1, n * m]));
        let negative = density(masks.negative.reshape([1, n * m]));
        // Nodes of distances are those of similarities backwards.
        let at_most = negative.cumsum(1);
        (positive * at_most).sum()
    }
}

impl Stream for HistogramLoss {
    /// All pairs are counted first.
    fn stream<T: Scalar>(&self, rows: &Rows<'_, T>, _: Reducer) -> Option<Found<T>> {
        let nodes = self.num_bins + 1;
        let numbers = rows.counts();
        let lonely = |row: usize| self.anchored_negatives && numbers[row][0] == 0;
        // Negatives that do not count are as far as those that are none.
        let leave_out = |row: usize, first: usize, negatives: &mut [T]| {
            if lonely(row) {
                for (column, distance) in (first..).zip(negatives) {
                    if rows.is_against() || lonely(column) {
                        *distance = T::from_f64(f64::INFINITY);
                    }
                }
            }
        };
        // Of two ends that see the same one is enough.
        let ends = if rows.is_symmetric(Reducer::Sum) && !rows.is_against() {
            2.0
        } else {
            1.0
        };
        let counts = rows.see_parts(
            || [vec![0.0; nodes], vec![0.0; nodes]],
            |[positive, negative], parts| {
                let mut bins = RowBins::new(parts.positives, SPAN, self.num_bins);
                bins.add_to(positive);
                let before = match ends > 1.0 {
                    true => (parts.row + 1).saturating_sub(parts.first),
                    false => 0,
                };
                if let Some(after) = parts.negatives.get_mut(before..) {
                    leave_out(parts.row, parts.first + before, after);
                    RowBins::new(after, SPAN, self.num_bins).add_to(negative);
                }
            },
        )?;
        let density = |part: usize, ends: f64| {
            let mut density = vec![0.0; nodes];
            for counts in &counts {
                let sums = density.iter_mut().zip(&counts[part]);
                sums.for_each(|(sum, more)| *sum += more * ends);
            }
            let number = density.iter().sum::<f64>().max(1.0);
            density.iter_mut().for_each(|count| *count /= number);
            (density, number)
        };
        let ((positive, positives), (negative, negatives)) = (density(0, 1.0), density(1, ends));
        let (mut at_most, mut value, mut by_positive) = (0.0, 0.0, Vec::with_capacity(nodes));
        for (h, other) in positive.iter().zip(&negative) {
            at_most += other;
            value += h * at_most;
            by_positive.push(at_most / positives);
        }
        let mut from_there: f64 = positive.iter().sum();
        let by_negative = positive.iter().map(|h| {
            let by = from_there / negatives;
            from_there -= h;
            by
        });
        let by_negative: Vec<f64> = by_negative.collect();
        let shares = Shares::new(rows, Reducer::Sum, numbers.iter().copied());
        let mut found = rows.gradient_of_parts(&shares, |parts, shares| {
            leave_out(parts.row, parts.first, parts.negatives);
            let slopes = [
                (parts.positives, &by_positive),
                (parts.negatives, &by_negative),
            ];
            for ((distances, by), share) in slopes.into_iter().zip(shares) {
                RowBins::new(distances, SPAN, self.num_bins).put_slopes(by, share);
            }
        })?;
        found.value = value;
        Some(found)
    }
}
