use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::{Device, Int, Tensor};

use super::class_cosines::ClassCosines;
use super::class_vectors::{class_vectors, with_values};
use super::cross_entropy::zero_if_empty;
use crate::error::{ConfigError, expect_valid};
use crate::labels::Labels;
use crate::reducer::Reducer;

/// Configuration of [`CurricularFaceLoss`].
#[derive(Config, Debug)]
pub struct CurricularFaceLossConfig {
    /// Number of classes.
    pub num_classes: usize,
    /// Length of an embedding.
    pub embedding_size: usize,
    /// Angle `m` added to the target, in radians. Default: `0.5`.
    #[config(default = 0.5)]
    pub margin: f64,
    /// Scale `s` of the logits. Default: `64.0`.
    #[config(default = 64.0)]
    pub scale: f64,
    /// Rate at which `t` follows the batch, in `[0, 1]`. Default: `0.01`.
    #[config(default = 0.01)]
    pub rate: f64,
    /// Reduction over rows. Default: [`Reducer::Mean`].
    #[config(default = "Reducer::Mean")]
    pub reducer: Reducer,
}

impl CurricularFaceLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_size("num_classes", self.num_classes)?;
        ConfigError::check_size("embedding_size", self.embedding_size)?;
        ConfigError::check_angle("margin", self.margin)?;
        ConfigError::check_fraction("rate", self.rate)?;
        ConfigError::check_positive("scale", self.scale)?;
        self.reducer.validate()
    }

    /// The loss, with fresh class vectors and `t = 0`.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, device: &Device) -> CurricularFaceLoss {
        expect_valid(self.validate());
        CurricularFaceLoss {
            weight: class_vectors(self.num_classes, self.embedding_size, device),
            t: Param::from_tensor(Tensor::zeros([1], device)).set_require_grad(false),
            margin: self.margin,
            rate: self.rate,
            scale: self.scale,
            reducer: self.reducer,
        }
    }
}

/// CurricularFace (Huang, Wang, Tai, Liu, Shen, Li, Li, Huang, *CurricularFace: Adaptive Curriculum
/// Learning Loss for Deep Face Recognition*, CVPR 2020, <https://arxiv.org/abs/2004.00288>, sec. 3.2).
///
/// Negatives closer than the target with its margin are hard; they count for less early in
/// training and for more later. With `ψ` as in [`ArcFaceLoss`](crate::ArcFaceLoss):
/// ```text
/// N(θⱼ) = cos θⱼ                if cos θⱼ ≤ ψ(θ_y)
///       = cos θⱼ (t + cos θⱼ)   else
/// ℓᵢ    = −log( e^{s ψ(θ_y)} / (e^{s ψ(θ_y)} + Σ_{j ≠ y} e^{s N(θⱼ)}) )
/// t     ← rate · mean cos θ_y + (1 − rate) t
/// ```
/// `t` moves by [`update`](Self::update) alone, once a step and before `forward` as the authors do.
/// Deviates from the paper's formula by `ψ` beyond `π − m`.
///
/// Cost: `O(n · classes · dim)` time; memory `O(n · classes)`, on the CPU backend in `f32` and `f64`
/// `O((n + classes) · dim)`.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_losses::CurricularFaceLossConfig;
///
/// let device = Device::flex();
/// let axes = Tensor::from_floats([[1.0, 0.0], [0.0, 1.0]], &device);
/// let loss = CurricularFaceLossConfig::new(2, 2).with_scale(1.0).with_rate(1.0);
/// let loss = loss.init(&device).with_weight(axes);
/// let x = Tensor::<2>::from_floats([[3.0, 4.0]], &device);
/// let labels = Tensor::<1, Int>::from_ints([0], &device);
/// // target cos(arccos 0.6 + 0.5) = 0.14301; the other, 0.8, is hard: 0.8 · (0 + 0.8) = 0.64
/// let value = loss.forward(x.clone(), labels.clone()).into_scalar::<f32>();
/// assert!((value - 0.97221).abs() < 1e-5); // log(1 + e^(0.64 − 0.14301))
/// // at rate 1, t is the mean cosine of the batch, 0.6
/// let t = loss.update(x, labels).t().into_scalar::<f32>();
/// assert!((t - 0.6).abs() < 1e-6);
/// ```
#[derive(Module, Debug)]
pub struct CurricularFaceLoss {
    weight: Param<Tensor<2>>,
    t: Param<Tensor<1>>,
    margin: f64,
    rate: f64,
    scale: f64,
    #[module(skip)]
    reducer: Reducer,
}

impl CurricularFaceLoss {
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
        let cosines = ClassCosines::new(embeddings, self.weight.val(), labels);
        let target = cosines.plus_angle(cosines.constant(self.margin));
        cosines.curricular_loss(target, self.t.val(), self.scale, self.reducer)
    }

    /// The loss with `t` moved towards the mean cosine of the batch's rows to their classes, off
    /// the graph.
    ///
    /// # Shapes
    /// - `embeddings`: `[n, dim]`, `labels`: `[n]`, each in `0..num_classes`
    ///
    /// # Panics
    /// If a label is out of range or there is not one a row.
    pub fn update(mut self, embeddings: Tensor<2>, labels: Tensor<1, Int>) -> Self {
        let weight = self.weight.val().detach();
        let cosines = ClassCosines::new(embeddings.detach(), weight, labels.into());
        let t = self.t.val();
        let mean = cosines.target.mean().cast(t.dtype());
        self.t = with_values(self.t, mean * self.rate + t * (1.0 - self.rate));
        self
    }

    /// `t`, of shape `[1]`.
    pub fn t(&self) -> Tensor<1> {
        self.t.val()
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
