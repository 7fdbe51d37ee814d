use std::f64::consts::PI;

use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

use super::class_cosines::ClassCosines;
use super::class_vectors::{class_vectors, with_values};
use super::cross_entropy::zero_if_empty;
use crate::error::{ConfigError, expect_valid};
use crate::labels::Labels;
use crate::numerics::row_norms;
use crate::reducer::Reducer;

/// Configuration of [`AdaFaceLoss`].
#[derive(Config, Debug)]
pub struct AdaFaceLossConfig {
    /// Number of classes.
    pub num_classes: usize,
    /// Length of an embedding.
    pub embedding_size: usize,
    /// Margin `m`. Default: `0.4`.
    #[config(default = 0.4)]
    pub margin: f64,
    /// How much of the norms' spread counts, `h`. Default: `0.333`.
    #[config(default = 0.333)]
    pub h: f64,
    /// Scale `s` of the logits. Default: `64.0`.
    #[config(default = 64.0)]
    pub scale: f64,
    /// Rate at which mean and deviation follow the batch, in `[0, 1]`. Default: `0.01`.
    #[config(default = 0.01)]
    pub rate: f64,
    /// Reduction over rows. Default: [`Reducer::Mean`].
    #[config(default = "Reducer::Mean")]
    pub reducer: Reducer,
}

impl AdaFaceLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_size("num_classes", self.num_classes)?;
        ConfigError::check_size("embedding_size", self.embedding_size)?;
        ConfigError::check_angle("margin", self.margin)?;
        ConfigError::check_not_negative("h", self.h)?;
        ConfigError::check_fraction("rate", self.rate)?;
        ConfigError::check_positive("scale", self.scale)?;
        self.reducer.validate()
    }

    /// The loss, with fresh class vectors, mean 20 and deviation 100.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, device: &Device) -> AdaFaceLoss {
        expect_valid(self.validate());
        let state = |value: f64| {
            Param::from_tensor(Tensor::full([1], value, device)).set_require_grad(false)
        };
        AdaFaceLoss {
            weight: class_vectors(self.num_classes, self.embedding_size, device),
            mean: state(20.0),
            deviation: state(100.0),
            margin: self.margin,
            h: self.h,
            rate: self.rate,
            scale: self.scale,
            reducer: self.reducer,
        }
    }
}

/// AdaFace (Kim, Jain, Liu, *AdaFace: Quality Adaptive Margin for Face Recognition*, CVPR 2022,
/// <https://arxiv.org/abs/2204.00964>, sec. 3.2).
///
/// The norm of an embedding stands for the quality of its image; with `μ` and `σ` running mean and
/// standard deviation of norms, `ẑ` a constant for the gradient:
/// ```text
/// ẑ    = clip(h (‖xᵢ‖ − μ) / (σ + 0.001), −1, 1)
/// ψ(θ) = cos(clip(θ − m ẑ, 0, π)) − (m ẑ + m)
/// ℓᵢ   = −log( e^{s ψ(θ_y)} / (e^{s ψ(θ_y)} + Σ_{j ≠ y} e^{s cos θⱼ}) )
/// μ    ← rate · mean ‖xᵢ‖ + (1 − rate) μ        and so σ
/// ```
/// At `ẑ = −1` the margin is ArcFace's, at 0 CosFace's. As in the authors' code the angle is
/// clipped (the paper's formula is not) and norms count as from 0.001 to 100. `μ` and `σ` move by
/// [`update`](Self::update) alone, once a step and before `forward` as the authors do. Give it
/// embeddings that have not been normalized.
///
/// Cost: `O(n · classes · dim)` time; memory `O(n · classes)`, on the CPU backend in `f32` and `f64`
/// `O((n + classes) · dim)`.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_losses::AdaFaceLossConfig;
///
/// let device = Device::flex();
/// let axes = Tensor::from_floats([[1.0, 0.0], [0.0, 1.0]], &device);
/// let loss = AdaFaceLossConfig::new(2, 2).with_scale(1.0).init(&device).with_weight(axes);
/// let x = Tensor::<2>::from_floats([[20.0, 0.0]], &device);
/// let labels = Tensor::<1, Int>::from_ints([0], &device);
/// // ‖x‖ = μ, so ẑ = 0: logits 1 − 0.4 and 0, log(1 + e^-0.6) = 0.43749
/// assert!((loss.forward(x, labels).into_scalar::<f32>() - 0.43749).abs() < 1e-5);
/// ```
#[derive(Module, Debug)]
pub struct AdaFaceLoss {
    weight: Param<Tensor<2>>,
    mean: Param<Tensor<1>>,
    deviation: Param<Tensor<1>>,
    margin: f64,
    h: f64,
    rate: f64,
    scale: f64,
    #[module(skip)]
    reducer: Reducer,
}

impl AdaFaceLoss {
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
        let quality = self.quality(embeddings.clone());
        let cosines = ClassCosines::new(embeddings, self.weight.val(), labels);
        let shift = quality * self.margin;
        let angle = (cosines.angle() - shift.clone()).clamp(0.0, PI);
        let target = angle.cos() - shift - self.margin;
        cosines.loss(target, self.scale, self.reducer)
    }

    /// `ẑ` of every row, `[n, 1]`, off the graph.
    fn quality(&self, embeddings: Tensor<2>) -> Tensor<2> {
        let norms = counted_norms(embeddings);
        let state = |tensor: Tensor<1>| tensor.detach().cast(norms.dtype()).reshape([1, 1]);
        let (mean, deviation) = (state(self.mean.val()), state(self.deviation.val()));
        ((norms.clone() - mean) / (deviation + 1e-3) * self.h).clamp(-1.0, 1.0)
    }

    /// The loss with `μ` and `σ` moved towards mean and standard deviation of the batch's norms,
    /// off the graph; as it is for fewer than two rows, which have no deviation.
    ///
    /// # Shapes
    /// - `embeddings`: `[n, dim]`
    pub fn update(mut self, embeddings: Tensor<2>) -> Self {
        if embeddings.dims()[0] < 2 {
            return self;
        }
        let norms = counted_norms(embeddings);
        let follow = |old: Param<Tensor<1>>, batch: Tensor<2>| {
            let value = old.val();
            let batch = batch.reshape([1]).cast(value.dtype());
            with_values(old, batch * self.rate + value * (1.0 - self.rate))
        };
        self.mean = follow(self.mean, norms.clone().mean_dim(0));
        self.deviation = follow(self.deviation, norms.var(0).sqrt());
        self
    }

    /// Running mean `μ` of the norms, `[1]`.
    pub fn mean(&self) -> Tensor<1> {
        self.mean.val()
    }

    /// Running standard deviation `σ` of the norms, `[1]`.
    pub fn deviation(&self) -> Tensor<1> {
        self.deviation.val()
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

/// Norms of rows as far as they count, `[n, 1]`, off the graph.
fn counted_norms(embeddings: Tensor<2>) -> Tensor<2> {
    row_norms(embeddings.detach()).clamp(1e-3, 100.0)
}
