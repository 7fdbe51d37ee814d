use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::{Device, IndexingUpdateOp, Int, Tensor};

use super::class_cosines::ClassCosines;
use super::class_vectors::{class_vectors, with_values};
use super::cross_entropy::zero_if_empty;
use crate::error::{ConfigError, expect_valid};
use crate::labels::Labels;
use crate::reducer::Reducer;

/// Configuration of [`CombinedMarginLoss`].
#[derive(Config, Debug)]
pub struct CombinedMarginLossConfig {
    /// Number of classes.
    pub num_classes: usize,
    /// Length of an embedding.
    pub embedding_size: usize,
    /// Factor `m₁` of the target's angle. Default: `1.0`.
    #[config(default = 1.0)]
    pub m1: f64,
    /// Angle `m₂` added to it, in radians. Default: `0.3`.
    #[config(default = 0.3)]
    pub m2: f64,
    /// Number `m₃` taken from the cosine. Default: `0.2`.
    #[config(default = 0.2)]
    pub m3: f64,
    /// Scale `s` of the logits. Default: `64.0`.
    #[config(default = 64.0)]
    pub scale: f64,
    /// Reduction over rows. Default: [`Reducer::Mean`].
    #[config(default = "Reducer::Mean")]
    pub reducer: Reducer,
}

impl CombinedMarginLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_size("num_classes", self.num_classes)?;
        ConfigError::check_size("embedding_size", self.embedding_size)?;
        ConfigError::check_positive("m1", self.m1)?;
        ConfigError::check_angle("m2", self.m2)?;
        ConfigError::check_finite("m3", self.m3)?;
        ConfigError::check_positive("scale", self.scale)?;
        self.reducer.validate()
    }

    /// The loss, with fresh class vectors.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, device: &Device) -> CombinedMarginLoss {
        expect_valid(self.validate());
        CombinedMarginLoss {
            weight: class_vectors(self.num_classes, self.embedding_size, device),
            m1: self.m1,
            m2: self.m2,
            m3: self.m3,
            scale: self.scale,
            reducer: self.reducer,
        }
    }
}

/// The combined margin of ArcFace (Deng, Guo, Xue, Zafeiriou, *ArcFace*, CVPR 2019,
/// <https://arxiv.org/abs/1801.07698>, eq. 4).
///
/// With `θⱼ` the angle between a row and class vector `wⱼ`, and `y` the row's label:
/// ```text
/// ψ(θ) = cos(m₁ θ + m₂) − m₃
/// ℓᵢ   = −log( e^{s ψ(θ_y)} / (e^{s ψ(θ_y)} + Σ_{j ≠ y} e^{s cos θⱼ}) )
/// ```
/// `(1, m, 0)` is [`ArcFaceLoss`](crate::ArcFaceLoss), `(1, 0, m)` is
/// [`CosFaceLoss`](crate::CosFaceLoss), `(m, 0, 0)` the margin of
/// [`SphereFaceLoss`](crate::SphereFaceLoss); the defaults are the paper's `(1, 0.3, 0.2)`.
/// Deviates from the formula where `m₁ θ + m₂ > π` and the cosine would rise again: there `ψ` falls
/// on as ArcFace's does for `m₁ = 1` and as SphereFace's does else.
///
/// Cost: `O(n · classes · dim)` time; memory `O(n · classes)`, on the CPU backend in `f32` and `f64`
/// `O((n + classes) · dim)`.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_losses::CombinedMarginLossConfig;
///
/// let device = Device::flex();
/// let axes = Tensor::from_floats([[1.0, 0.0], [0.0, 1.0]], &device);
/// let loss = CombinedMarginLossConfig::new(2, 2).with_scale(1.0).init(&device).with_weight(axes);
/// let x = Tensor::<2>::from_floats([[3.0, 0.0]], &device);
/// let labels = Tensor::<1, Int>::from_ints([0], &device);
/// // logits cos 0.3 − 0.2 = 0.75534 and 0: log(1 + e^-0.75534) = 0.38516
/// assert!((loss.forward(x, labels).into_scalar::<f32>() - 0.38516).abs() < 1e-5);
/// ```
#[derive(Module, Debug)]
pub struct CombinedMarginLoss {
    weight: Param<Tensor<2>>,
    m1: f64,
    m2: f64,
    m3: f64,
    scale: f64,
    #[module(skip)]
    reducer: Reducer,
}

impl CombinedMarginLoss {
    /// # Shapes
    /// - `embeddings`: `[n, dim]`, `labels`: `[n]`, each in `0..num_classes`
    /// - output: `[1]`
    ///
    /// # Panics
    /// If a label is out of range or there is not one a row.
    pub fn forward(&self, embeddings: Tensor<2>, labels: impl Into<Labels>) -> Tensor<1> {
        self.loss_of(embeddings, self.weight.val(), labels.into())
    }

    /// The loss against some of the classes: Partial FC, for class counts whose logits do not fit.
    /// [`sample_classes`](crate::sample_classes) chooses them; the others get no gradient.
    ///
    /// Cost: that of [`forward`](Self::forward) with as many classes as given.
    ///
    /// # Shapes
    /// - `embeddings`: `[n, dim]`, `labels`: `[n]`, each one of `classes`
    /// - `classes`: `[k]`, distinct, each in `0..num_classes`
    /// - output: `[1]`
    ///
    /// # Panics
    /// If a label is not among the classes, a class is out of range or there is not one label a
    /// row.
    pub fn forward_sampled(
        &self,
        embeddings: Tensor<2>,
        labels: impl Into<Labels>,
        classes: Tensor<1, Int>,
    ) -> Tensor<1> {
        let labels = labels.into();
        let of_rows = labels.expect_classes();
        let ([num_classes, _], [k]) = (self.weight.dims(), classes.dims());
        let device = of_rows.device();
        // Where a class stands among the chosen; k, which no lookup finds, for the others.
        let places = Tensor::<1, Int>::arange(0..k as i64, &device) - k as i64;
        let places = Tensor::<1, Int>::full([num_classes], k as i64, &device).select_assign(
            0,
            classes.clone(),
            places,
            IndexingUpdateOp::Add,
        );
        let weight = self.weight.val().select(0, classes);
        self.loss_of(
            embeddings,
            weight,
            labels.with_classes(places.select(0, of_rows)),
        )
    }

    fn loss_of(&self, rows: Tensor<2>, weight: Tensor<2>, labels: Labels) -> Tensor<1> {
        if let Some(zero) = zero_if_empty(&rows, &labels) {
            return zero;
        }
        let cosines = ClassCosines::new(rows, weight, labels);
        let target = cosines.combined(self.m1, self.m2, self.m3);
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
