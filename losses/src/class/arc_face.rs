use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

use super::class_cosines::ClassCosines;
use super::class_vectors::{class_vectors, with_values};
use super::cross_entropy::zero_if_empty;
use crate::error::{ConfigError, expect_valid};
use crate::labels::Labels;
use crate::reducer::Reducer;

/// Configuration of [`ArcFaceLoss`].
#[derive(Config, Debug)]
pub struct ArcFaceLossConfig {
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
    /// Reduction over rows. Default: [`Reducer::Mean`].
    #[config(default = "Reducer::Mean")]
    pub reducer: Reducer,
}

impl ArcFaceLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_size("num_classes", self.num_classes)?;
        ConfigError::check_size("embedding_size", self.embedding_size)?;
        ConfigError::check_angle("margin", self.margin)?;
        ConfigError::check_positive("scale", self.scale)?;
        self.reducer.validate()
    }

    /// The loss, with fresh class vectors.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, device: &Device) -> ArcFaceLoss {
        expect_valid(self.validate());
        ArcFaceLoss {
            weight: class_vectors(self.num_classes, self.embedding_size, device),
            margin: self.margin,
            scale: self.scale,
            reducer: self.reducer,
        }
    }
}

/// Additive angular margin loss (Deng, Guo, Xue, Zafeiriou, *ArcFace*, CVPR 2019,
/// <https://arxiv.org/abs/1801.07698>, eq. 3).
///
/// With `θⱼ` the angle between a row and class vector `wⱼ`, and `y` the row's label:
/// ```text
/// ψ(θ) = cos(θ + m)          for θ ≤ π − m
///      = cos θ − m sin m     beyond, where cos(θ + m) would rise again
/// ℓᵢ   = −log( e^{s ψ(θ_y)} / (e^{s ψ(θ_y)} + Σ_{j ≠ y} e^{s cos θⱼ}) )
/// ```
/// Deviates from the paper's formula by the second line, which the authors' code has too.
/// No arccosine is taken: `cos(θ + m) = cos θ cos m − sin θ sin m` with `sin θ = ‖x̂ − cos θ ŵ‖`,
/// accurate and of bounded gradient also where row and class vector coincide.
///
/// Cost: `O(n · classes · dim)` time; memory `O(n · classes)`, on the CPU backend in `f32` and `f64`
/// `O((n + classes) · dim)`.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_losses::ArcFaceLossConfig;
///
/// let device = Device::flex();
/// let axes = Tensor::from_floats([[1.0, 0.0], [0.0, 1.0]], &device);
/// let loss = ArcFaceLossConfig::new(2, 2).with_scale(1.0).init(&device).with_weight(axes);
/// let x = Tensor::<2>::from_floats([[3.0, 0.0]], &device);
/// let labels = Tensor::<1, Int>::from_ints([0], &device);
/// // logits cos 0.5 = 0.87758 and 0: log(1 + e^-0.87758) = 0.34769
/// assert!((loss.forward(x, labels).into_scalar::<f32>() - 0.34769).abs() < 1e-5);
/// ```
#[derive(Module, Debug)]
pub struct ArcFaceLoss {
    weight: Param<Tensor<2>>,
    margin: f64,
    scale: f64,
    #[module(skip)]
    reducer: Reducer,
}

impl ArcFaceLoss {
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
        cosines.loss(target, self.scale, self.reducer)
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
