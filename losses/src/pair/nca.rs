use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use metric_core::Scalar;

use crate::distance::EmbeddingDistance;
use crate::error::{ConfigError, expect_valid};
use crate::numerics::negative_log_share;
use crate::ops::{
    Found, LogSumExpLoss, Rows, SeenRow, Stream, Terms, exp_in_range, sigmoid, softplus,
};
use crate::pairs::{PairMasks, over_pairs};
use crate::reducer::Reducer;

/// Configuration of [`NcaLoss`].
#[derive(Config, Debug)]
pub struct NcaLossConfig {
    /// Factor `σ` of the distance. Default: `1.0`.
    #[config(default = 1.0)]
    pub scale: f64,
    /// Distance `d`. Default: [`EmbeddingDistance::SquaredEuclidean`].
    #[config(default = "EmbeddingDistance::SquaredEuclidean")]
    pub distance: EmbeddingDistance,
    /// Reduction over rows that have a positive. Default: [`Reducer::Mean`].
    #[config(default = "Reducer::Mean")]
    pub reducer: Reducer,
}

impl NcaLossConfig {
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
    pub fn init(&self, _device: &Device) -> NcaLoss {
        expect_valid(self.validate());
        NcaLoss {
            scale: self.scale,
            distance: self.distance,
            reducer: self.reducer,
        }
    }
}

/// Neighbourhood components analysis (Goldberger, Roweis, Hinton, Salakhutdinov, *Neighbourhood
/// Components Analysis*, NIPS 2004, eq. 1, 2 and the logarithmic objective of section 2.1).
///
/// For every row `i`, the chance that a neighbour drawn by distance is of its class `P`:
/// ```text
/// ℓᵢ = −log( Σ_{p ∈ P} e^{−σ d_ip} / Σ_{k ≠ i} e^{−σ d_ik} )
/// ```
/// Rows without a positive drop out. Deviates from the paper only by the scale `σ`.
///
/// Cost: `O(n² · dim)` time; memory `O(n · dim)` where it is [streamed](EmbeddingDistance#streaming), else as
/// [`EmbeddingDistance::matrix`].
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_losses::NcaLossConfig;
///
/// let device = Device::flex();
/// let x = Tensor::<2>::from_floats([[0.0], [1.0], [2.0]], &device);
/// let labels = Tensor::<1, Int>::from_ints([0, 0, 1], &device);
/// let loss = NcaLossConfig::new().init(&device).forward(x, labels);
/// // row 0: d is 1 and 4, log(1 + e^-3) = 0.04859; row 1: d is 1 and 1, log 2; row 2 drops out
/// assert!((loss.into_scalar::<f32>() - 0.37087).abs() < 1e-5);
/// ```
#[derive(Module, Debug)]
pub struct NcaLoss {
    scale: f64,
    #[module(skip)]
    distance: EmbeddingDistance,
    #[module(skip)]
    reducer: Reducer,
}

over_pairs!(
    NcaLoss,
    streamed,
    |loss| (loss.distance, loss.reducer),
    "zero if no row has a positive"
);

impl NcaLoss {
    fn reduce(&self, distances: Tensor<2>, masks: PairMasks) -> Tensor<1> {
        let selected = masks.positive.clone().any_dim(1);
        let losses = negative_log_share(-distances, self.scale, masks.positive, masks.negative);
        self.reducer.reduce_by(losses, selected, &masks.anchors)
    }
}

impl Stream for NcaLoss {
    fn stream<T: Scalar>(&self, rows: &Rows<'_, T>, reducer: Reducer) -> Option<Found<T>> {
        let scale = self.scale;
        rows.log_sum_exp_loss(&Neighbors { scale, reducer }, reducer)
    }
}

/// The term of a row: `−log` of the share that its positives have in `Σ e^(−scale d)`.
pub(crate) struct Neighbors {
    pub(crate) scale: f64,
    pub(crate) reducer: Reducer,
}

impl LogSumExpLoss for Neighbors {
    const SUMS_POSITIVES: bool = false;

    fn scale(&self) -> f64 {
        self.scale
    }

    fn row<T: Scalar>(&self, seen: SeenRow<'_, T>) -> (Terms, f64) {
        if seen.to_positives.is_empty() {
            return (Terms::default(), 0.0);
        }
        let own = exp_in_range(seen.to_positives, -self.scale);
        let gap = seen.log_sum - own.value();
        let slope = sigmoid(gap);
        own.share_out(seen.to_positives, self.scale * slope);
        (self.reducer.terms_of(softplus(gap)), slope)
    }
}
