use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

use super::class_cosines::ClassCosines;
use super::class_vectors::{class_vectors, with_values};
use super::cross_entropy::{cross_entropies, zero_if_empty};
use crate::error::{ConfigError, expect_valid};
use crate::labels::Labels;
use crate::numerics::{divide, row_norms};
use crate::reducer::Reducer;

/// Configuration of [`MagFaceLoss`].
#[derive(Config, Debug)]
pub struct MagFaceLossConfig {
    /// Number of classes.
    pub num_classes: usize,
    /// Length of an embedding.
    pub embedding_size: usize,
    /// Smallest norm that counts, `l_a`. Default: `10.0`.
    #[config(default = 10.0)]
    pub min_norm: f64,
    /// Largest norm that counts, `u_a`. Default: `110.0`.
    #[config(default = 110.0)]
    pub max_norm: f64,
    /// Margin at the smallest norm, `l_m`, in radians. Default: `0.45`.
    #[config(default = 0.45)]
    pub min_margin: f64,
    /// Margin at the largest norm, `u_m`, in radians. Default: `0.8`.
    #[config(default = 0.8)]
    pub max_margin: f64,
    /// Weight `λ_g` of the term that makes norms large. Default: `35.0`.
    #[config(default = 35.0)]
    pub lambda: f64,
    /// Scale `s` of the logits. Default: `64.0`.
    #[config(default = 64.0)]
    pub scale: f64,
    /// Reduction over rows. Default: [`Reducer::Mean`].
    #[config(default = "Reducer::Mean")]
    pub reducer: Reducer,
}

impl MagFaceLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_size("num_classes", self.num_classes)?;
        ConfigError::check_size("embedding_size", self.embedding_size)?;
        ConfigError::check_positive("min_norm", self.min_norm)?;
        let ordered = self.max_norm.is_finite() && self.max_norm > self.min_norm;
        ConfigError::check(ordered, "max_norm", "above min_norm", self.max_norm)?;
        ConfigError::check_angle("min_margin", self.min_margin)?;
        ConfigError::check_angle("max_margin", self.max_margin)?;
        ConfigError::check_not_negative("lambda", self.lambda)?;
        ConfigError::check_positive("scale", self.scale)?;
        self.reducer.validate()
    }

    /// The loss, with fresh class vectors.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, device: &Device) -> MagFaceLoss {
        expect_valid(self.validate());
        MagFaceLoss {
            weight: class_vectors(self.num_classes, self.embedding_size, device),
            min_norm: self.min_norm,
            max_norm: self.max_norm,
            min_margin: self.min_margin,
            max_margin: self.max_margin,
            lambda: self.lambda,
            scale: self.scale,
            reducer: self.reducer,
        }
    }
}

/// MagFace (Meng, Zhao, Huang, Zhou, *MagFace: A Universal Representation for Face Recognition and
/// Quality Assessment*, CVPR 2021, <https://arxiv.org/abs/2103.06627>, sec. 3.2).
///
/// The margin grows with the norm of the embedding, and another term rewards large norms, so that
/// rows that are easy to tell become long:
/// ```text
/// aᵢ    = clip(‖xᵢ‖, l_a, u_a)
/// m(a)  = l_m + (u_m − l_m) (a − l_a) / (u_a − l_a)
/// g(a)  = 1/a + a/u_a²
/// ψ(θ)  = cos(θ + m(aᵢ))       for θ ≤ π − m(aᵢ), beyond as in ArcFace
/// ℓᵢ    = −log( e^{s ψ(θ_y)} / (e^{s ψ(θ_y)} + Σ_{j ≠ y} e^{s cos θⱼ}) ) + λ_g g(aᵢ)
/// ```
/// Gradients flow through the norms, inside `[l_a, u_a]`. Give it embeddings that have not been
/// normalized.
///
/// Cost: `O(n · classes · dim)` time; memory `O(n · classes)`, on the CPU backend in `f32` and `f64`, for reducers that leave
/// out no term, `O((n + classes) · dim)`.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_losses::MagFaceLossConfig;
///
/// let device = Device::flex();
/// let axes = Tensor::from_floats([[1.0, 0.0], [0.0, 1.0]], &device);
/// let loss = MagFaceLossConfig::new(2, 2).with_scale(1.0).with_lambda(1.0);
/// let loss = loss.init(&device).with_weight(axes);
/// let x = Tensor::<2>::from_floats([[60.0, 0.0]], &device);
/// let labels = Tensor::<1, Int>::from_ints([0], &device);
/// // m = 0.45 + 0.35 · 50/100 = 0.625, g = 1/60 + 60/12100 = 0.02163
/// // log(1 + e^-cos 0.625) + g = log(1 + e^-0.81096) + g = 0.36771 + 0.02163
/// assert!((loss.forward(x, labels).into_scalar::<f32>() - 0.38934).abs() < 2e-5);
/// ```
#[derive(Module, Debug)]
pub struct MagFaceLoss {
    weight: Param<Tensor<2>>,
    min_norm: f64,
    max_norm: f64,
    min_margin: f64,
    max_margin: f64,
    lambda: f64,
    scale: f64,
    #[module(skip)]
    reducer: Reducer,
}

impl MagFaceLoss {
    /// # Shapes
    /// - `embeddings`: `[n, dim]`, `labels`: `[n]`, each in `0..num_classes`
    /// - output: `[1]`
    ///
    /// # Panics
    /// If a label is out of range or there is not one a row.
    pub fn forward(&self, embeddings: Tensor<2>, labels: impl Into<Labels>) -> Tensor<1> {
        let labels = labels.into();
        if let Some(zero) = zero_if_empty(&embeddings, &labels) {
            return zero;
        }
        let norms = row_norms(embeddings.clone()).clamp(self.min_norm, self.max_norm);
        let slope = (self.max_margin - self.min_margin) / (self.max_norm - self.min_norm);
        let margins = (norms.clone() - self.min_norm) * slope + self.min_margin;
        let reward = norms.clone().recip() + divide(norms, self.max_norm.powi(2)); // g(a)
        let cosines = ClassCosines::new(embeddings, self.weight.val(), labels.clone());
        let target = cosines.plus_angle(margins);
        if self.reducer.selects_all() {
            let rewards = self.reducer.reduce_rows(reward * self.lambda, &labels);
            return cosines.loss(target, self.scale, self.reducer) + rewards;
        }
        let logits = cosines.with_target(target) * self.scale;
        let losses = cross_entropies(logits, labels.expect_classes()) + reward * self.lambda;
        self.reducer.reduce_rows(losses, &labels)
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
