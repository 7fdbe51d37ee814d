use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use metric_core::Scalar;

use super::smooth_rank::has_positive;
use super::soft_histogram::{RowBins, SoftBins};
use crate::distance::EmbeddingDistance;
use crate::error::{ConfigError, expect_valid};
use crate::ops::{RowLoss, RowPairs, Terms};
use crate::pairs::{PairMasks, over_pairs};
use crate::reducer::Reducer;

/// Configuration of [`FastApLoss`].
#[derive(Config, Debug)]
pub struct FastApLossConfig {
    /// Number `L` of steps between bin centres, of which there are `L + 1`. Default: `10`.
    #[config(default = 10)]
    pub num_bins: usize,
    /// Distance `d`. Default: [`EmbeddingDistance::SquaredEuclidean`].
    #[config(default = "EmbeddingDistance::SquaredEuclidean")]
    pub distance: EmbeddingDistance,
    /// Reduction over queries. Default: [`Reducer::Mean`].
    #[config(default = "Reducer::Mean")]
    pub reducer: Reducer,
}

impl FastApLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_size("num_bins", self.num_bins)?;
        self.distance.validate()?;
        self.reducer.validate()
    }

    /// The loss.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, _device: &Device) -> FastApLoss {
        expect_valid(self.validate());
        FastApLoss {
            num_bins: self.num_bins,
            distance: self.distance,
            reducer: self.reducer,
        }
    }
}

/// `FastAP` (Cakir, He, Xia, Kulis, Sclaroff, *Deep Metric Learning to Rank*, CVPR 2019).
///
/// For a query, `h⁺(l)` is the number of its positives whose distance falls in bin `l` and `h(l)`
/// that of all references, each shared between the two nearest of `L + 1` bin centres; `H⁺`, `H`
/// are their running sums:
/// ```text
/// FastAP = 1/N⁺ Σₗ h⁺(l) H⁺(l) / H(l)        0/0 = 0
/// ℓ      = 1 − FastAP
/// ```
/// The centres span the distances that unit vectors can have: 0 to 4 for the squared Euclidean
/// distance, 0 to `2^power` for `Lp`, 0 to 2 for cosine, −1 to 1 for the inner product. Embeddings
/// are used as given, so bring them to length 1 first; a distance beyond the span counts in the last
/// bin. A query is not among its references, and one without positives has no loss.
///
/// Cost: `O(n² · dim)` time; memory `O(n · dim)` where it is [streamed](EmbeddingDistance#streaming), in `O(n² · L)` time
/// beside the distances, else `O(n²)` whatever `L` is.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_losses::FastApLossConfig;
///
/// let device = Device::flex();
/// let x = Tensor::<2>::from_floats([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]], &device);
/// let labels = Tensor::<1, Int>::from_ints([0, 0, 1], &device);
/// let loss = FastApLossConfig::new().with_num_bins(2).init(&device).forward(x, labels);
/// // centres 0, 2, 4. Row 0: positive at 2, negative at 4, FastAP 1/1 = 1.
/// // Row 1: both at 2, FastAP 1 · 1 / 2. Row 2 has no positive: (0 + 0.5) / 2
/// assert!((loss.into_scalar::<f32>() - 0.25).abs() < 1e-6);
/// ```
#[derive(Module, Debug)]
pub struct FastApLoss {
    num_bins: usize,
    #[module(skip)]
    distance: EmbeddingDistance,
    #[module(skip)]
    reducer: Reducer,
}

over_pairs!(
    FastApLoss,
    streamed,
    |loss| (loss.distance, loss.reducer),
    "zero if no row has a positive"
);

impl FastApLoss {
    fn reduce(&self, distances: Tensor<2>, masks: PairMasks) -> Tensor<1> {
        let counted = has_positive(&masks);
        let bins = SoftBins::new(distances, self.span(), self.num_bins);
        let positive = bins.of(masks.positive);
        let negative = bins.of(masks.negative);
        let positive_to = positive.clone().cumsum(1);
        let all_to = (positive.clone() + negative).cumsum(1);
        let is_empty = all_to.clone().lower_equal_scalar(0.0);
        let precision = positive_to / all_to.mask_fill(is_empty, 1.0);
        let number = positive.clone().detach().sum_dim(1).clamp_min(1.0);
        let average = (positive * precision).sum_dim(1) / number;
        self.reducer
            .reduce_by(-average + 1.0, counted, &masks.anchors)
    }

    /// Smallest and largest distance between unit vectors (of one variance, for the ratio of noise to signal).
    fn span(&self) -> (f64, f64) {
        match self.distance {
            EmbeddingDistance::Euclidean | EmbeddingDistance::Cosine => (0.0, 2.0),
            EmbeddingDistance::SquaredEuclidean | EmbeddingDistance::SignalToNoise => (0.0, 4.0),
            EmbeddingDistance::Lp { power, .. } => (0.0, power.exp2()),
            EmbeddingDistance::InnerProduct => (-1.0, 1.0),
        }
    }
}

impl RowLoss for FastApLoss {
    fn row<T: Scalar>(&self, mut pairs: RowPairs<'_, T>) -> Terms {
        if pairs.positives.is_empty() {
            return Terms::default();
        }
        let mut to_positives = pairs.take_positives();
        let number = to_positives.len() as f64;
        let bins = |values| RowBins::new(values, self.span(), self.num_bins);
        let (mut positives, mut negatives) = (bins(&mut to_positives), bins(pairs.distances));
        let (positive, negative) = (positives.counts(), negatives.counts());

        // By the counts: what h⁺ has at its own node, and what H⁺ and H have at all from there on.
        let (mut positive_to, mut all_to, mut average) = (0.0, 0.0, 0.0);
        let mut by_nodes = Vec::with_capacity(positive.len());
        for (h, other) in positive.iter().zip(&negative) {
            positive_to += h;
            all_to += h + other;
            let inverse = if all_to > 0.0 { 1.0 / all_to } else { 0.0 };
            let precision = positive_to * inverse;
            average += h * precision / number;
            let by_sums = [h * inverse, -h * precision * inverse];
            by_nodes.push((precision / -number, by_sums.map(|by| by / -number)));
        }
        let (mut by_positive, mut by_negative) = (Vec::new(), Vec::new());
        let [mut by_positive_to, mut by_all_to] = [0.0; 2];
        for (by_own, by_sums) in by_nodes.into_iter().rev() {
            by_positive_to += by_sums[0];
            by_all_to += by_sums[1];
            by_positive.push(by_own + by_positive_to + by_all_to);
            by_negative.push(by_all_to);
        }
        by_positive.reverse();
        by_negative.reverse();
        positives.put_slopes(&by_positive, 1.0);
        negatives.put_slopes(&by_negative, 1.0);
        pairs.put_positives(to_positives);
        self.reducer.terms_of(1.0 - average)
    }
}
