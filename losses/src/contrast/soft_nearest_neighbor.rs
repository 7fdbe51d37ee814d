use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use metric_core::Scalar;

use crate::distance::EmbeddingDistance;
use crate::error::{ConfigError, expect_valid};
use crate::numerics::{at_least, negative_log_share};
use crate::ops::{Found, Rows, Stream};
use crate::pair::Neighbors;
use crate::pairs::{PairMasks, over_pairs};
use crate::reducer::Reducer;

/// Configuration of [`SoftNearestNeighborLoss`].
#[derive(Config, Debug)]
pub struct SoftNearestNeighborLossConfig {
    /// Temperature `T`, at the start if it is learned. Default: `1.0`.
    #[config(default = 1.0)]
    pub temperature: f64,
    /// Whether `1/T` is a parameter. Default: `false`.
    #[config(default = false)]
    pub learn_temperature: bool,
    /// Distance `d`. Default: [`EmbeddingDistance::SquaredEuclidean`].
    #[config(default = "EmbeddingDistance::SquaredEuclidean")]
    pub distance: EmbeddingDistance,
    /// Reduction over rows that have a positive. Default: [`Reducer::Mean`].
    #[config(default = "Reducer::Mean")]
    pub reducer: Reducer,
}

impl SoftNearestNeighborLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_positive("temperature", self.temperature)?;
        self.distance.validate()?;
        self.reducer.validate()
    }

    /// The loss.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, device: &Device) -> SoftNearestNeighborLoss {
        expect_valid(self.validate());
        let inverse = || Tensor::from_floats([1.0 / self.temperature], device);
        SoftNearestNeighborLoss {
            inverse: self
                .learn_temperature
                .then(|| Param::from_tensor(inverse())),
            temperature: self.temperature,
            distance: self.distance,
            reducer: self.reducer,
        }
    }
}

/// Soft nearest neighbour loss (Frosst, Papernot, Hinton, *Analyzing and Improving Representations with
/// the Soft Nearest Neighbor Loss*, ICML 2019, <https://arxiv.org/abs/1902.01889>, eq. 1).
///
/// For every row `i` of `n`:
/// ```text
/// ℓᵢ = −log( Σ_{j ≠ i, y_j = y_i} e^{−d(xᵢ, xⱼ)/T} / Σ_{k ≠ i} e^{−d(xᵢ, xₖ)/T} )
/// ```
/// It is [`NcaLoss`](crate::NcaLoss) with `σ = 1/T`, and a temperature that may be learned: the paper takes the best `T`
/// by gradient steps on `1/T`, which is what [`learn_temperature`](SoftNearestNeighborLossConfig::learn_temperature)
/// makes a parameter. Below 1e-6 it counts as 1e-6. Used to untangle classes as it is, to entangle them with a
/// negative weight. Deviates from the paper: rows without a positive drop out.
///
/// Cost: `O(n² · dim)` time; memory as [`EmbeddingDistance::matrix`].
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_losses::SoftNearestNeighborLossConfig;
///
/// let device = Device::flex();
/// let x = Tensor::<2>::from_floats([[0.0], [1.0], [2.0]], &device);
/// let labels = Tensor::<1, Int>::from_ints([0, 0, 1], &device);
/// let loss = SoftNearestNeighborLossConfig::new().with_temperature(3.0).init(&device);
/// // row 0: d is 1 and 4, log(1 + e^-1) = 0.31326; row 1: d is 1 and 1, log 2; row 2 drops out
/// assert!((loss.forward(x, labels).into_scalar::<f32>() - 0.50320).abs() < 1e-5);
/// ```
#[derive(Module, Debug)]
pub struct SoftNearestNeighborLoss {
    /// `1/T`, if it is learned.
    inverse: Option<Param<Tensor<1>>>,
    temperature: f64,
    #[module(skip)]
    distance: EmbeddingDistance,
    #[module(skip)]
    reducer: Reducer,
}

over_pairs!(
    SoftNearestNeighborLoss,
    streamed,
    |loss| (loss.distance, loss.reducer),
    "zero if no row has a positive"
);

impl SoftNearestNeighborLoss {
    /// `1/T`, of shape `[1]`, if it is learned.
    pub fn inverse_temperature(&self) -> Option<Tensor<1>> {
        self.inverse.as_ref().map(Param::val)
    }

    fn reduce(&self, distances: Tensor<2>, masks: PairMasks) -> Tensor<1> {
        let selected = masks.positive.clone().any_dim(1);
        let (similarities, scale) = match &self.inverse {
            None => (-distances, 1.0 / self.temperature),
            Some(inverse) => {
                let inverse = at_least(inverse.val(), 1e-6).cast(distances.dtype());
                (-distances * inverse.reshape([1, 1]), 1.0)
            }
        };
        let losses = negative_log_share(similarities, scale, masks.positive, masks.negative);
        self.reducer.reduce_by(losses, selected, &masks.anchors)
    }
}

impl Stream for SoftNearestNeighborLoss {
    /// Not with a temperature that is learned.
    fn stream<T: Scalar>(&self, rows: &Rows<'_, T>, reducer: Reducer) -> Option<Found<T>> {
        let fixed = self.inverse.is_none();
        let scale = 1.0 / self.temperature;
        fixed.then(|| rows.log_sum_exp_loss(&Neighbors { scale, reducer }, reducer))?
    }
}
