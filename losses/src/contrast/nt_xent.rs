use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use metric_core::Scalar;

use crate::distance::EmbeddingDistance;
use crate::error::{ConfigError, expect_valid};
use crate::numerics::{log_sum_exp, relative_to_largest, softplus};
use crate::ops::{self, Found, LogSumExpLoss, Rows, SeenRow, Stream, Terms, sigmoid};
use crate::pairs::{PairMasks, over_pairs};
use crate::reducer::Reducer;

/// Configuration of [`NtXentLoss`].
#[derive(Config, Debug)]
pub struct NtXentLossConfig {
    /// Temperature `T`. Default: `0.07`.
    #[config(default = 0.07)]
    pub temperature: f64,
    /// Distance `d`, whose negative is the similarity. Default: [`EmbeddingDistance::Cosine`].
    #[config(default = "EmbeddingDistance::Cosine")]
    pub distance: EmbeddingDistance,
    /// Reduction over positive pairs. Default: [`Reducer::Mean`].
    #[config(default = "Reducer::Mean")]
    pub reducer: Reducer,
}

impl NtXentLossConfig {
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
    pub fn init(&self, _device: &Device) -> NtXentLoss {
        expect_valid(self.validate());
        NtXentLoss {
            temperature: self.temperature,
            distance: self.distance,
            reducer: self.reducer,
        }
    }
}

/// Normalized temperature-scaled cross-entropy, also called `InfoNCE` (Sohn, NIPS 2016; van den Oord, Li, Vinyals, 2018,
/// <https://arxiv.org/abs/1807.03748>, eq. 4; Chen et al., *SimCLR*, ICML 2020, <https://arxiv.org/abs/2002.05709>, eq. 1).
///
/// With the similarity `s = −d`, one term for every positive pair `(i, p)`, against the rows `N(i)` of other labels:
/// ```text
/// ℓᵢₚ = −log( exp(sᵢₚ/T) / (exp(sᵢₚ/T) + Σ_{n ∈ N(i)} exp(sᵢₙ/T)) )
/// ```
/// Other positives of `i` are not in its denominator; with two views of each image there is none, and this is SimCLR's
/// equation. [`SupConLoss`](super::SupConLoss) has them.
///
/// Cost: `O(n² · dim)` time. For cosines and inner products on the CPU backend memory is `O(n · dim)`; otherwise
/// `O(n²)`.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_losses::NtXentLossConfig;
///
/// let device = Device::flex();
/// let x = Tensor::<2>::from_floats([[1.0, 0.0], [2.0, 0.0], [0.0, 3.0]], &device);
/// let labels = Tensor::<1, Int>::from_ints([0, 0, 1], &device);
/// let loss = NtXentLossConfig::new().with_temperature(1.0).init(&device);
/// // Pairs (0, 1) and (1, 0): similarity 1, one negative of similarity 0: log(e + 1) − 1 = 0.31326.
/// assert!((loss.forward(x, labels).into_scalar::<f32>() - 0.31326).abs() < 1e-5);
/// ```
#[derive(Module, Debug)]
pub struct NtXentLoss {
    temperature: f64,
    #[module(skip)]
    distance: EmbeddingDistance,
    #[module(skip)]
    reducer: Reducer,
}

over_pairs!(
    NtXentLoss,
    streamed,
    |loss| (loss.distance, loss.reducer),
    "zero if there is no positive pair"
);

impl NtXentLoss {
    /// The definition, by the matrix of all pairs.
    fn reduce(&self, distances: Tensor<2>, masks: PairMasks) -> Tensor<1> {
        let logits = relative_to_largest(-distances, &masks.negative, 1.0 / self.temperature);
        let alone = masks.negative.clone().any_dim(1).bool_not();
        let negatives = log_sum_exp(logits.clone(), masks.negative);
        let alone = alone.expand(logits.dims());
        let losses = softplus(negatives - logits).mask_fill(alone, 0.0);
        self.reducer
            .reduce_by(losses, masks.positive, &masks.anchors)
    }
}

impl LogSumExpLoss for NtXentLoss {
    const SUMS_POSITIVES: bool = false;

    fn scale(&self) -> f64 {
        1.0 / self.temperature
    }

    fn row<T: Scalar>(&self, seen: SeenRow<'_, T>) -> (Terms, f64) {
        let scale = self.scale();
        let (mut terms, mut slope) = (Terms::default(), 0.0);
        for distance in seen.to_positives {
            let gap = seen.log_sum + distance.to_f64() * scale;
            let term = self.reducer.terms_of(ops::softplus(gap));
            let steepness = sigmoid(gap) * term.count as f64;
            terms += term;
            slope += steepness;
            *distance = T::from_f64(steepness * scale);
        }
        (terms, slope)
    }
}

impl Stream for NtXentLoss {
    fn stream<T: Scalar>(&self, rows: &Rows<'_, T>, reducer: Reducer) -> Option<Found<T>> {
        rows.log_sum_exp_loss(self, reducer)
    }
}
