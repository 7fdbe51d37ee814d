use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Int, Tensor};

use crate::distance::EmbeddingDistance;
use crate::error::{ConfigError, expect_valid};
use crate::numerics::{everywhere, softplus, zero_on_graph};
use crate::pairs::{PairMasks, pairs_against, pairs_within};
use crate::reducer::Reducer;
use crate::triplet_indices::TripletIndices;

/// Configuration of [`SelectivelyContrastiveTripletLoss`].
#[derive(Config, Debug)]
pub struct SelectivelyContrastiveTripletLossConfig {
    /// Weight `λ` of the push where the negative is nearer than the positive. Default: `1.0`.
    #[config(default = 1.0)]
    pub lambda: f64,
    /// Temperature `T` of the other triplets. Default: `1.0`, the paper's formula.
    #[config(default = 1.0)]
    pub temperature: f64,
    /// Reduction over triplets. Default: [`Reducer::Mean`].
    #[config(default = "Reducer::Mean")]
    pub reducer: Reducer,
}

impl SelectivelyContrastiveTripletLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_positive("lambda", self.lambda)?;
        ConfigError::check_positive("temperature", self.temperature)?;
        self.reducer.validate()
    }

    /// The loss.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, _device: &Device) -> SelectivelyContrastiveTripletLoss {
        expect_valid(self.validate());
        SelectivelyContrastiveTripletLoss {
            lambda: self.lambda,
            temperature: self.temperature,
            reducer: self.reducer,
        }
    }
}

/// Selectively contrastive triplet loss (Xuan, Stylianou, Liu, Pless, *Hard Negative Examples are Hard,
/// but Useful*, ECCV 2020, <https://arxiv.org/abs/2007.12749>).
///
/// For every positive pair `(a, p)` with the nearest negative `n` of `a`, `s` being the cosine:
/// ```text
/// ℓ = λ s_an                         where s_an > s_ap: only the negative is moved
///   = log(1 + e^{(s_an − s_ap) / T})  otherwise
/// ```
/// Embeddings may have any length. The term is not continuous where the two cases meet.
///
/// Cost: `O(n² · dim)` time, `O(n²)` memory.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_losses::SelectivelyContrastiveTripletLossConfig;
///
/// let device = Device::flex();
/// let x = Tensor::<2>::from_floats([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]], &device);
/// let labels = Tensor::<1, Int>::from_ints([0, 0, 1], &device);
/// let loss = SelectivelyContrastiveTripletLossConfig::new().init(&device).forward(x, labels);
/// // s_ap = 0.8; row 0: s_an = 0, log(1 + e^-0.8) = 0.37110; row 1: s_an = 0.6, log(1 + e^-0.2) = 0.59814
/// assert!((loss.into_scalar::<f32>() - 0.48462).abs() < 1e-5);
/// ```
#[derive(Module, Debug)]
pub struct SelectivelyContrastiveTripletLoss {
    lambda: f64,
    temperature: f64,
    #[module(skip)]
    reducer: Reducer,
}

impl SelectivelyContrastiveTripletLoss {
    /// The loss over all positive pairs of the batch.
    ///
    /// # Shapes
    /// - `embeddings`: `[n, dim]`, `labels`: `[n]`
    /// - output: `[1]`, zero if there is no valid triplet
    ///
    /// # Panics
    /// If there is not one label a row.
    pub fn forward(&self, embeddings: Tensor<2>, labels: Tensor<1, Int>) -> Tensor<1> {
        let (distances, masks) = pairs_within(EmbeddingDistance::Cosine, embeddings, labels);
        self.reduce(distances, masks)
    }

    /// The loss over all positive pairs, of a row of the batch and rows of a separate reference set; nothing
    /// is left out, gradients flow to both.
    ///
    /// # Shapes
    /// - `embeddings`: `[n, dim]`, `labels`: `[n]`, `reference`: `[m, dim]`,
    ///   `reference_labels`: `[m]`
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
        let (distances, masks) = pairs_against(
            EmbeddingDistance::Cosine,
            embeddings,
            labels,
            reference,
            reference_labels,
        );
        self.reduce(distances, masks)
    }

    /// The loss over given triplets of rows of `embeddings`.
    ///
    /// # Shapes
    /// - `embeddings`: `[n, dim]`
    /// - output: `[1]`, zero if `triplets` is empty
    ///
    /// # Panics
    /// If an index is not below `n`.
    pub fn forward_mined(&self, embeddings: Tensor<2>, triplets: &TripletIndices) -> Tensor<1> {
        if triplets.is_empty() {
            return zero_on_graph(embeddings);
        }
        let rows = |indices: &Tensor<1, Int>| embeddings.clone().select(0, indices.clone());
        let to = |end| EmbeddingDistance::Cosine.paired(rows(&triplets.anchor), rows(end));
        let losses = self.terms(to(&triplets.positive), to(&triplets.negative));
        let all = everywhere(&losses);
        self.reducer.reduce(losses, all)
    }

    fn reduce(&self, distances: Tensor<2>, masks: PairMasks) -> Tensor<1> {
        let shape = distances.dims();
        let valid = masks
            .positive
            .bool_and(masks.negative.clone().any_dim(1).expand(shape));
        // No cosine distance is above 2.
        let nearest = distances
            .clone()
            .mask_fill(masks.negative.bool_not(), 3.0)
            .min_dim(1);
        self.reducer
            .reduce(self.terms(distances, nearest.expand(shape)), valid)
    }

    fn terms<const D: usize>(&self, positive: Tensor<D>, negative: Tensor<D>) -> Tensor<D> {
        let is_hard = negative.clone().lower(positive.clone());
        let push = (-negative.clone() + 1.0) * self.lambda;
        softplus((positive - negative) / self.temperature).mask_where(is_hard, push)
    }
}
