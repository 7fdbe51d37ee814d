use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::{Device, Int, Tensor};

use super::cross_entropy::{cross_entropy, target_mask};
use super::normalized_softmax::class_vectors;
use crate::error::{ConfigError, expect_valid};
use crate::numerics::{l2_normalize, safe_sqrt};
use crate::pairs::assert_labels;
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
        let in_range = (0.0..=std::f64::consts::PI).contains(&self.margin);
        ConfigError::check(
            in_range,
            "margin",
            "an angle in radians from 0 to pi",
            self.margin,
        )?;
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
/// Cost: `O(n · classes · dim)` time, `O(n · classes)` memory.
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
    pub fn forward(&self, embeddings: Tensor<2>, labels: Tensor<1, Int>) -> Tensor<1> {
        assert_labels(&embeddings, &labels);
        let rows = l2_normalize(embeddings);
        let classes = l2_normalize(self.weight.val());
        let [num_classes, _] = classes.dims();
        let targets = classes.clone().select(0, labels.clone());
        let cosines = rows.clone().matmul(classes.transpose());
        let with_margin = self.add_margin(rows, targets).expand(cosines.dims());
        let logits = cosines.mask_where(target_mask(labels.clone(), num_classes), with_margin);
        cross_entropy(logits * self.scale, labels, self.reducer)
    }

    /// `ψ(θ)` of every row and its target, `[n, 1]`.
    fn add_margin(&self, rows: Tensor<2>, targets: Tensor<2>) -> Tensor<2> {
        let (sin_m, cos_m) = self.margin.sin_cos();
        let cosine = (rows.clone() * targets.clone()).sum_dim(1);
        let residual = rows - targets * cosine.clone();
        let sine = safe_sqrt(residual.square().sum_dim(1));
        let beyond = cosine.clone().lower_scalar(-cos_m); // θ > π − m
        let margined = cosine.clone() * cos_m - sine * sin_m;
        margined.mask_where(beyond, cosine - self.margin * sin_m)
    }

    /// The same loss with the values of given class vectors; it is [`weight`](Self::weight) that
    /// gets the gradient.
    ///
    /// # Shapes
    /// - `weight`: `[num_classes, dim]`
    pub fn with_weight(mut self, weight: Tensor<2>) -> Self {
        self.weight = self
            .weight
            .map(|old| weight.detach().set_require_grad(old.is_require_grad()));
        self
    }

    /// The class vectors, `[num_classes, dim]`, of any length.
    pub fn weight(&self) -> Tensor<2> {
        self.weight.val()
    }
}
