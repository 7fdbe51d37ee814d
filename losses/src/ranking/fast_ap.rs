use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::smooth_rank::has_positive;
use super::soft_histogram::SoftBins;
use crate::distance::EmbeddingDistance;
use crate::error::{ConfigError, expect_valid};
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
/// Cost: `O(n² · dim)` time; memory as [`EmbeddingDistance::matrix`], `O(n²)` beside it whatever
/// `L` is.
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
    |loss| loss.distance,
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
