use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

use super::class_cosines::ClassCosines;
use super::class_vectors::{class_vectors, with_values};
use super::cross_entropy::zero_if_empty;
use crate::error::{ConfigError, expect_valid};
use crate::labels::Labels;
use crate::reducer::Reducer;

/// Configuration of [`DynamicArcFaceLoss`].
#[derive(Config, Debug)]
pub struct DynamicArcFaceLossConfig {
    /// Training rows of every class.
    pub class_counts: Vec<usize>,
    /// Length of an embedding.
    pub embedding_size: usize,
    /// Margin of the largest class, in radians. Default: `0.05`.
    #[config(default = 0.05)]
    pub min_margin: f64,
    /// Margin of the smallest class, in radians. Default: `0.5`.
    #[config(default = 0.5)]
    pub max_margin: f64,
    /// Exponent `λ` of the counts. Default: `0.25`.
    #[config(default = 0.25)]
    pub power: f64,
    /// Vectors `K` of a class. Default: `3`.
    #[config(default = 3)]
    pub sub_centers: usize,
    /// Scale `s` of the logits. Default: `64.0`.
    #[config(default = 64.0)]
    pub scale: f64,
    /// Reduction over rows. Default: [`Reducer::Mean`].
    #[config(default = "Reducer::Mean")]
    pub reducer: Reducer,
}

impl DynamicArcFaceLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let smallest = self.class_counts.iter().copied().min().unwrap_or(0);
        let expected = "one count a class, at least 1 each";
        ConfigError::check(smallest > 0, "class_counts", expected, smallest as f64)?;
        ConfigError::check_size("embedding_size", self.embedding_size)?;
        ConfigError::check_angle("min_margin", self.min_margin)?;
        ConfigError::check_angle("max_margin", self.max_margin)?;
        let ordered = self.min_margin <= self.max_margin;
        ConfigError::check(
            ordered,
            "max_margin",
            "at least min_margin",
            self.max_margin,
        )?;
        ConfigError::check_positive("power", self.power)?;
        ConfigError::check_size("sub_centers", self.sub_centers)?;
        ConfigError::check_positive("scale", self.scale)?;
        self.reducer.validate()
    }

    /// The loss, with fresh class vectors.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, device: &Device) -> DynamicArcFaceLoss {
        expect_valid(self.validate());
        let vectors = self.class_counts.len() * self.sub_centers;
        let margins = Tensor::from_floats(self.margins().as_slice(), device);
        DynamicArcFaceLoss {
            weight: class_vectors(vectors, self.embedding_size, device),
            margins: Param::from_tensor(margins).set_require_grad(false),
            sub_centers: self.sub_centers,
            scale: self.scale,
            reducer: self.reducer,
        }
    }

    /// The margin of every class, by the formula of [`DynamicArcFaceLoss`].
    ///
    /// Powers are taken of ratios of counts, as `1 − r^−λ = −expm1(−λ log r)`, so that neither
    /// large powers nor large and almost equal counts lose the differences.
    pub fn margins(&self) -> Vec<f64> {
        let smallest = self.class_counts.iter().copied().min().unwrap_or(1) as f64;
        let largest = self.class_counts.iter().copied().max().unwrap_or(1) as f64;
        // 1 − (n / smallest)^−λ
        let fall = |n: f64| -(-self.power * ((n - smallest) / smallest).ln_1p()).exp_m1();
        let whole = fall(largest);
        let margin = |&n: &usize| match whole {
            0.0 => self.max_margin,
            whole => {
                let part = fall(n as f64) / whole;
                self.max_margin * (1.0 - part) + self.min_margin * part
            }
        };
        self.class_counts.iter().map(margin).collect()
    }
}

/// ArcFace with dynamic margins (Ha, Liu, Liu, Liu, *Google Landmark Recognition 2020 Competition
/// Third Place Solution*, 2020, <https://arxiv.org/abs/2010.05350>, sec. 2).
///
/// Small classes get large margins. With `n_c` the training rows of class `c`, the margins
/// ```text
/// m_c = a n_c^−λ + b
/// ```
/// where `a` and `b` give the smallest class `max_margin` and the largest `min_margin`, stand in
/// [`SubCenterArcFaceLoss`](crate::SubCenterArcFaceLoss); with `sub_centers` 1, in
/// [`ArcFaceLoss`](crate::ArcFaceLoss). With all counts equal every margin is `max_margin`.
///
/// Cost: `O(n · K · classes · dim)` time; memory `O(n · K · classes)`, on the CPU backend in `f32` and `f64`
/// `O(K · (n + classes) · dim)`.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_losses::DynamicArcFaceLossConfig;
///
/// let device = Device::flex();
/// let axes = Tensor::from_floats([[1.0, 0.0], [0.0, 1.0]], &device);
/// let config = DynamicArcFaceLossConfig::new(vec![16, 1], 2).with_sub_centers(1).with_scale(1.0);
/// let loss = config.init(&device).with_weight(axes);
/// let x = Tensor::<2>::from_floats([[0.0, 3.0]], &device);
/// let labels = Tensor::<1, Int>::from_ints([1], &device);
/// // the smallest class has margin 0.5: logits cos 0.5 = 0.87758 and 0, log(1 + e^-0.87758)
/// assert!((loss.forward(x, labels).into_scalar::<f32>() - 0.34769).abs() < 1e-5);
/// ```
#[derive(Module, Debug)]
pub struct DynamicArcFaceLoss {
    weight: Param<Tensor<2>>,
    margins: Param<Tensor<1>>,
    sub_centers: usize,
    scale: f64,
    #[module(skip)]
    reducer: Reducer,
}

impl DynamicArcFaceLoss {
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
        let (weight, n) = (self.weight.val(), labels.len());
        let cosines =
            ClassCosines::to_closest(embeddings, weight, labels.clone(), self.sub_centers);
        let margins = self.margins.val().detach().cast(cosines.target.dtype());
        let target = cosines.plus_angle(margins.select(0, labels.expect_classes()).reshape([n, 1]));
        cosines.loss(target, self.scale, self.reducer)
    }

    /// The same loss with the values of given class vectors; it is [`weight`](Self::weight) that
    /// gets the gradient.
    ///
    /// # Shapes
    /// - `weight`: `[num_classes · sub_centers, dim]`, the vectors of a class together
    pub fn with_weight(mut self, weight: Tensor<2>) -> Self {
        self.weight = with_values(self.weight, weight);
        self
    }

    /// The class vectors, `[num_classes · sub_centers, dim]`, of any length.
    pub fn weight(&self) -> Tensor<2> {
        self.weight.val()
    }
}
