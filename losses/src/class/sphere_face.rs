use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

use super::class_cosines::ClassCosines;
use super::class_vectors::{class_vectors, with_values};
use super::cross_entropy::zero_if_empty;
use super::margin_annealing::assert_lambda;
use crate::error::{ConfigError, expect_valid};
use crate::labels::Labels;
use crate::numerics::{divide, l2_normalize};
use crate::reducer::Reducer;

/// Configuration of [`SphereFaceLoss`].
#[derive(Config, Debug)]
pub struct SphereFaceLossConfig {
    /// Number of classes.
    pub num_classes: usize,
    /// Length of an embedding.
    pub embedding_size: usize,
    /// Factor `m ≥ 1` of the target's angle. Default: `4.0`.
    #[config(default = 4.0)]
    pub margin: f64,
    /// Scale `s` of the logits. Default: `1.0`.
    #[config(default = 1.0)]
    pub scale: f64,
    /// Reduction over rows. Default: [`Reducer::Mean`].
    #[config(default = "Reducer::Mean")]
    pub reducer: Reducer,
}

impl SphereFaceLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_size("num_classes", self.num_classes)?;
        ConfigError::check_size("embedding_size", self.embedding_size)?;
        let in_range = self.margin.is_finite() && self.margin >= 1.0;
        ConfigError::check(in_range, "margin", "finite and at least 1", self.margin)?;
        ConfigError::check_positive("scale", self.scale)?;
        self.reducer.validate()
    }

    /// The loss, with fresh class vectors.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, device: &Device) -> SphereFaceLoss {
        expect_valid(self.validate());
        SphereFaceLoss {
            weight: class_vectors(self.num_classes, self.embedding_size, device),
            margin: self.margin,
            scale: self.scale,
            reducer: self.reducer,
        }
    }
}

/// SphereFace, the angular softmax with a margin (Liu, Wen, Yu, Li, Raj, Song, *SphereFace: Deep
/// Hypersphere Embedding for Face Recognition*, CVPR 2017, <https://arxiv.org/abs/1704.08063>,
/// eq. 7).
///
/// With `θⱼ` the angle between a row and class vector `wⱼ`, which counts by its direction alone:
/// ```text
/// ψ(θ) = (−1)ᵏ cos(m θ) − 2k,   k = ⌊m θ / π⌋
/// ℓᵢ   = −log( e^{s ‖xᵢ‖ ψ(θ_y)} / (e^{s ‖xᵢ‖ ψ(θ_y)} + Σ_{j ≠ y} e^{s ‖xᵢ‖ cos θⱼ}) )
/// ```
/// The paper has `s = 1` and whole `m`; any `m ≥ 1` does. `θ` is taken by the arctangent of its
/// sine and cosine, so that `cos(m θ)` keeps its digits and its gradient is bounded.
///
/// Cost: `O(n · classes · dim)` time; memory `O(n · classes)`, on the CPU backend in `f32` and `f64`
/// `O((n + classes) · dim)`.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_losses::SphereFaceLossConfig;
///
/// let device = Device::flex();
/// let vectors = Tensor::from_floats([[3.0, 0.0], [0.0, 1.0]], &device);
/// let loss = SphereFaceLossConfig::new(2, 2).with_margin(2.0).init(&device);
/// let loss = loss.with_weight(vectors);
/// let x = Tensor::<2>::from_floats([[1.0, 1.0]], &device);
/// let labels = Tensor::<1, Int>::from_ints([0], &device);
/// // θ = π/4 to both, ‖x‖ = √2: ψ = cos(π/2) = 0, other √2 cos(π/4) = 1: log(1 + e) = 1.31326
/// assert!((loss.forward(x, labels).into_scalar::<f32>() - 1.31326).abs() < 1e-5);
/// ```
#[derive(Module, Debug)]
pub struct SphereFaceLoss {
    weight: Param<Tensor<2>>,
    margin: f64,
    scale: f64,
    #[module(skip)]
    reducer: Reducer,
}

impl SphereFaceLoss {
    /// # Shapes
    /// - `embeddings`: `[n, dim]`, `labels`: `[n]`, each in `0..num_classes`
    /// - output: `[1]`
    ///
    /// # Panics
    /// If a label is out of range or there is not one a row.
    pub fn forward(&self, embeddings: Tensor<2>, labels: impl Into<Labels>) -> Tensor<1> {
        self.forward_annealed(embeddings, labels, 0.0)
    }

    /// The same with the target's margin weakened as in the papers' training: `ψ` is replaced by
    /// `(λ cos θ_y + ψ(θ_y)) / (1 + λ)`, with `λ` falling from step to step, say by
    /// [`MarginAnnealing`](crate::MarginAnnealing).
    ///
    /// # Shapes
    /// - `embeddings`: `[n, dim]`, `labels`: `[n]`, each in `0..num_classes`
    /// - output: `[1]`
    ///
    /// # Panics
    /// If a label is out of range or there is not one a row.
    /// Also if `lambda` is negative or not finite.
    pub fn forward_annealed(
        &self,
        embeddings: Tensor<2>,
        labels: impl Into<Labels>,
        lambda: f64,
    ) -> Tensor<1> {
        let labels = labels.into();
        assert_lambda(lambda);
        if let Some(zero) = zero_if_empty(&embeddings, &labels) {
            return zero;
        }
        let weight = self.weight.val();
        let cosines = ClassCosines::new(embeddings, weight.clone(), labels);
        let target = cosines.combined(self.margin, 0.0, 0.0);
        let target = divide(cosines.target.clone() * lambda + target, 1.0 + lambda);
        cosines.product_loss(target, l2_normalize(weight), self.scale, self.reducer)
    }

    /// The same loss with the values of given class vectors; it is [`weight`](Self::weight) that
    /// gets the gradient.
    ///
    /// # Shapes
    /// - `weight`: `[num_classes, dim]`
    pub fn with_weight(mut self, weight: Tensor<2>) -> Self {
        self.weight = with_values(self.weight, weight);
        self
    }

    /// The class vectors, `[num_classes, dim]`, of any length.
    pub fn weight(&self) -> Tensor<2> {
        self.weight.val()
    }
}
