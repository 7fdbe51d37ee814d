use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Int, Tensor};
use metric_core::Scalar;
use metric_core::simd::exp_in_place;

use super::streamed_or_plain;
use crate::distance::EmbeddingDistance;
use crate::error::{ConfigError, expect_valid};
use crate::numerics::{log_sum_exp, relative_to_largest, softplus};
use crate::ops::{LogSumExp, RowLoss, Terms};
use crate::pairs::PairMasks;
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

impl NtXentLoss {
    /// The loss over all positive pairs of the batch.
    ///
    /// # Shapes
    /// - `embeddings`: `[n, dim]`, `labels`: `[n]`
    /// - output: `[1]`, zero if there is no positive pair
    ///
    /// # Panics
    /// If there is not one label a row.
    pub fn forward(&self, embeddings: Tensor<2>, labels: Tensor<1, Int>) -> Tensor<1> {
        let way = (self.distance, self.reducer);
        streamed_or_plain(
            way,
            &ByRows(self),
            (embeddings, labels),
            None,
            |distances, masks| self.plain(distances, masks),
        )
    }

    /// The loss over all positive pairs of a row of the batch and a row of a separate reference set, against the set's
    /// rows of other labels; gradients flow to both.
    ///
    /// # Shapes
    /// - `embeddings`: `[n, dim]`, `labels`: `[n]`, `reference`: `[m, dim]`, `reference_labels`: `[m]`
    /// - output: `[1]`
    ///
    /// # Panics
    /// If there is not one label a row, or `dim` differs.
    pub fn forward_against(
        &self,
        embeddings: Tensor<2>,
        labels: Tensor<1, Int>,
        reference: Tensor<2>,
        reference_labels: Tensor<1, Int>,
    ) -> Tensor<1> {
        let reference = Some((reference, reference_labels));
        let way = (self.distance, self.reducer);
        streamed_or_plain(
            way,
            &ByRows(self),
            (embeddings, labels),
            reference,
            |distances, masks| self.plain(distances, masks),
        )
    }

    /// The definition, by the matrix of all pairs.
    fn plain(&self, distances: Tensor<2>, masks: PairMasks) -> Tensor<1> {
        let logits = relative_to_largest(-distances, &masks.negative, 1.0 / self.temperature);
        let alone = masks.negative.clone().any_dim(1).bool_not();
        let negatives = log_sum_exp(logits.clone(), masks.negative);
        let alone = alone.expand(logits.dims());
        let losses = softplus(negatives - logits).mask_fill(alone, 0.0);
        self.reducer.reduce(losses, masks.positive)
    }
}

/// What a row has seen: the logarithm over its negatives; then, of its positives, the terms and the sum of their slopes.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    negatives: LogSumExp,
    terms: Terms,
    slope: f64,
}

impl NtXentLoss {
    /// `log Σ exp − s/T`, for a positive of similarity `s`.
    fn gap<T: Scalar>(&self, seen: &Seen, similarity: T) -> f64 {
        seen.negatives.value() - similarity.to_f64() / self.temperature
    }

    /// Whether a term counts.
    fn selects(&self, gap: f64) -> bool {
        self.reducer.selects(softplus_of(gap))
    }
}

/// `log(1 + eˣ)`; 0 for minus infinity.
fn softplus_of(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// `1 / (1 + e⁻ˣ)`
fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The loss row by row.
struct ByRows<'a>(&'a NtXentLoss);

impl<T: Scalar> RowLoss<T> for ByRows<'_> {
    type Seen = Seen;

    fn passes(&self) -> usize {
        2
    }

    fn start(&self) -> Seen {
        Seen::default()
    }

    fn see(&self, pass: usize, seen: &mut Seen, similarities: &[T], positives: &[usize]) {
        if pass == 0 {
            let but = (similarities, positives);
            seen.negatives.add_but(but, 1.0 / self.0.temperature);
            return;
        }
        for &p in positives {
            let gap = self.0.gap(seen, similarities[p]);
            if self.0.selects(gap) {
                seen.terms.sum += softplus_of(gap);
                seen.terms.count += 1;
                seen.slope += sigmoid(gap);
            }
        }
    }

    fn terms(&self, seen: &Seen) -> Terms {
        seen.terms
    }

    fn slopes(&self, seen: &Seen, similarities: &mut [T], positives: &[usize]) {
        let scale = 1.0 / self.0.temperature;
        let slope = |s: T| {
            let gap = self.0.gap(seen, s);
            let slope = if self.0.selects(gap) {
                sigmoid(gap)
            } else {
                0.0
            };
            T::from_f64(-slope * scale)
        };
        let of_positives: Vec<T> = positives.iter().map(|&p| slope(similarities[p])).collect();
        let shift = seen.negatives.value() - (seen.slope * scale).ln();
        exp_in_place(similarities, T::from_f64(scale), T::from_f64(shift));
        for (&p, slope) in positives.iter().zip(of_positives) {
            similarities[p] = slope;
        }
    }
}
