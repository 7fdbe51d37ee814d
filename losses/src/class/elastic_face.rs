use std::f64::consts::TAU;

use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use rand::{Rng, RngExt};

use super::class_cosines::ClassCosines;
use super::class_vectors::{class_vectors, with_values};
use super::cross_entropy::zero_if_empty;
use crate::error::{ConfigError, expect_valid};
use crate::labels::Labels;
use crate::reducer::Reducer;

/// What the random margin of [`ElasticFaceLoss`] is taken from.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum ElasticMargin {
    /// Added to the target's angle, as in ArcFace.
    Angle,
    /// Taken from the target's cosine, as in CosFace.
    Cosine,
}

/// Configuration of [`ElasticFaceLoss`].
#[derive(Config, Debug)]
pub struct ElasticFaceLossConfig {
    /// Number of classes.
    pub num_classes: usize,
    /// Length of an embedding.
    pub embedding_size: usize,
    /// Where the margin goes. Default: [`ElasticMargin::Angle`].
    #[config(default = "ElasticMargin::Angle")]
    pub kind: ElasticMargin,
    /// Mean `m` of the margins. Default: `0.5`.
    #[config(default = 0.5)]
    pub margin: f64,
    /// Their standard deviation `σ`. Default: `0.05`.
    #[config(default = 0.05)]
    pub std: f64,
    /// Scale `s` of the logits. Default: `64.0`.
    #[config(default = 64.0)]
    pub scale: f64,
    /// Reduction over rows. Default: [`Reducer::Mean`].
    #[config(default = "Reducer::Mean")]
    pub reducer: Reducer,
}

impl ElasticFaceLossConfig {
    /// ElasticFace-Cos: the margin is taken from the cosine, `m = 0.35`.
    pub fn cosine(num_classes: usize, embedding_size: usize) -> Self {
        Self::new(num_classes, embedding_size)
            .with_kind(ElasticMargin::Cosine)
            .with_margin(0.35)
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_size("num_classes", self.num_classes)?;
        ConfigError::check_size("embedding_size", self.embedding_size)?;
        ConfigError::check_finite("margin", self.margin)?;
        ConfigError::check_not_negative("std", self.std)?;
        ConfigError::check_positive("scale", self.scale)?;
        self.reducer.validate()
    }

    /// The loss, with fresh class vectors.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, device: &Device) -> ElasticFaceLoss {
        expect_valid(self.validate());
        ElasticFaceLoss {
            weight: class_vectors(self.num_classes, self.embedding_size, device),
            kind: self.kind,
            margin: self.margin,
            std: self.std,
            scale: self.scale,
            reducer: self.reducer,
        }
    }
}

/// ElasticFace (Boutros, Damer, Kirchbuchner, Kuijper, *ElasticFace: Elastic Margin Loss for Deep
/// Face Recognition*, CVPR workshops 2022, <https://arxiv.org/abs/2109.09416>, sec. 3).
///
/// Every row has its own margin, drawn anew at every step:
/// ```text
/// mᵢ   ∼ N(m, σ²)
/// ψ(θ) = cos(θ + mᵢ)     (Arc; beyond π − mᵢ as in ArcFace)     or     cos θ − mᵢ     (Cos)
/// ℓᵢ   = −log( e^{s ψ(θ_y)} / (e^{s ψ(θ_y)} + Σ_{j ≠ y} e^{s cos θⱼ}) )
/// ```
/// The margins are an argument of [`forward`](Self::forward), so that every draw is the caller's:
/// [`draw_margins`](Self::draw_margins) makes them from a generator. ElasticFace+, which gives the
/// larger margins to rows with the larger angles, is a matter of the order they are given in.
///
/// Cost: `O(n · classes · dim)` time; memory `O(n · classes)`, on the CPU backend in `f32` and `f64`
/// `O((n + classes) · dim)`.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_losses::ElasticFaceLossConfig;
/// use rand::SeedableRng;
///
/// let device = Device::flex();
/// let axes = Tensor::from_floats([[1.0, 0.0], [0.0, 1.0]], &device);
/// let loss = ElasticFaceLossConfig::cosine(2, 2).with_scale(1.0).init(&device).with_weight(axes);
/// let x = Tensor::<2>::from_floats([[3.0, 0.0]], &device);
/// let labels = Tensor::<1, Int>::from_ints([0], &device);
/// // logits 1 − 0.4 and 0: log(1 + e^-0.6) = 0.43749
/// let margins = Tensor::from_floats([0.4], &device);
/// let value = loss.forward(x.clone(), labels.clone(), margins).into_scalar::<f32>();
/// assert!((value - 0.43749).abs() < 1e-5);
/// // in training
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
/// let margins = loss.draw_margins(1, &mut rng);
/// assert!(loss.forward(x, labels, margins).into_scalar::<f32>().is_finite());
/// ```
#[derive(Module, Debug)]
pub struct ElasticFaceLoss {
    weight: Param<Tensor<2>>,
    #[module(skip)]
    kind: ElasticMargin,
    margin: f64,
    std: f64,
    scale: f64,
    #[module(skip)]
    reducer: Reducer,
}

impl ElasticFaceLoss {
    /// # Shapes
    /// - `embeddings`: `[n, dim]`, `labels`: `[n]`, each in `0..num_classes`
    /// - `margins`: `[n]`
    /// - output: `[1]`
    ///
    /// # Panics
    /// If a label is out of range or there is not one label and one margin a row.
    pub fn forward(
        &self,
        embeddings: Tensor<2>,
        labels: impl Into<Labels>,
        margins: Tensor<1>,
    ) -> Tensor<1> {
        let labels = labels.into();
        let ([n, _], [count]) = (embeddings.dims(), margins.dims());
        assert_eq!(n, count, "one margin a row: {n} rows, {count} margins");
        if let Some(zero) = zero_if_empty(&embeddings, &labels) {
            return zero;
        }
        let cosines = ClassCosines::new(embeddings, self.weight.val(), labels);
        let margins = margins.cast(cosines.target.dtype()).reshape([n, 1]);
        let target = match self.kind {
            ElasticMargin::Angle => cosines.plus_angle(margins),
            ElasticMargin::Cosine => cosines.target.clone() - margins,
        };
        cosines.loss(target, self.scale, self.reducer)
    }

    /// Normal margins for `n` rows, `[n]`.
    pub fn draw_margins<R: Rng + ?Sized>(&self, n: usize, rng: &mut R) -> Tensor<1> {
        let mut normal = || {
            // Box and Muller; 1 − u is above 0.
            let (radius, turn): (f64, f64) = (rng.random(), rng.random());
            (-2.0 * (1.0 - radius).ln()).sqrt() * (TAU * turn).cos()
        };
        let margins: Vec<f64> = (0..n).map(|_| self.margin + self.std * normal()).collect();
        Tensor::from_floats(margins.as_slice(), &self.weight.val().device())
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
