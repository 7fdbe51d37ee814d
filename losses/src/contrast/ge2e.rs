use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::activation::sigmoid;
use burn::tensor::{Device, Tensor};

use crate::error::{ConfigError, expect_valid};
use crate::labels::Labels;
use crate::numerics::{at_least, l2_normalize, log_sum_exp, softplus};
use crate::pairs::{PairMasks, assert_labels, occurrence};
use crate::reducer::Reducer;

/// What [`Ge2eLoss`] asks of the scores of a row.
#[derive(Config, Debug, Copy, PartialEq)]
pub enum Ge2eVariant {
    /// That of its own class has the largest share (eq. 6).
    Softmax,
    /// That of its own class is high and the highest of the others low (eq. 7).
    Contrast,
}

/// Configuration of [`Ge2eLoss`].
#[derive(Config, Debug)]
pub struct Ge2eLossConfig {
    /// What is asked of the scores. Default: [`Ge2eVariant::Softmax`].
    #[config(default = "Ge2eVariant::Softmax")]
    pub variant: Ge2eVariant,
    /// Scale `w` of the cosines at the start. Default: `10.0`.
    #[config(default = 10.0)]
    pub scale: f64,
    /// Bias `b` of the scores at the start. Default: `-5.0`.
    #[config(default = -5.0)]
    pub bias: f64,
    /// Reduction over rows that are not alone in their class. Default: [`Reducer::Mean`].
    #[config(default = "Reducer::Mean")]
    pub reducer: Reducer,
}

impl Ge2eLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_positive("scale", self.scale)?;
        ConfigError::check_finite("bias", self.bias)?;
        self.reducer.validate()
    }

    /// The loss, with scale and bias to be learned.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, device: &Device) -> Ge2eLoss {
        expect_valid(self.validate());
        let parameter = |value: f64| Param::from_tensor(Tensor::from_floats([value], device));
        Ge2eLoss {
            scale: parameter(self.scale),
            bias: parameter(self.bias),
            variant: self.variant,
            reducer: self.reducer,
        }
    }
}

/// Generalized end-to-end loss (Wan, Wang, Papir, Lopez Moreno, *Generalized End-to-End Loss for Speaker Verification*,
/// ICASSP 2018, <https://arxiv.org/abs/1710.10467>, eq. 5 to 9).
///
/// `cₖ` is the mean of the unit rows of class `k`, and `c₋ᵢ` that of the class of row `i` without the row; `w > 0` and `b`
/// are learned:
/// ```text
/// S_own = w cos(xᵢ, c₋ᵢ) + b        Sₖ = w cos(xᵢ, cₖ) + b   for the other classes
/// ℓᵢ = −S_own + log( e^{S_own} + Σₖ e^{Sₖ} )          Softmax
///    = 1 − σ(S_own) + maxₖ σ(Sₖ)                      Contrast
/// ```
/// Classes may have any number of rows. A row alone in its class has no term of its own, but is a centroid for the others.
/// In the softmax variant `b` drops out and gets no gradient. `w` below 1e-6 counts as 1e-6. Deviates
/// from the paper: the sum of eq. 10 is a mean.
///
/// Cost: `O(n² · dim)` time, `O(n²)` memory.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_losses::{Ge2eLossConfig, Ge2eVariant};
///
/// let device = Device::flex();
/// let x = || Tensor::<2>::from_floats([[1.0, 0.0], [2.0, 0.0], [0.0, 3.0]], &device);
/// let labels = || Tensor::<1, Int>::from_ints([0, 0, 1], &device);
/// // rows 0 and 1: scores 10 · 1 − 5 = 5 and 10 · 0 − 5 = −5: log(1 + e^-10) = 4.54e-5
/// let value = Ge2eLossConfig::new().init(&device).forward(x(), labels());
/// assert!((value.into_scalar::<f32>() - 4.54e-5).abs() < 1e-7);
/// // 1 − σ(5) + σ(−5) = 2 · 0.0066929
/// let loss = Ge2eLossConfig::new().with_variant(Ge2eVariant::Contrast);
/// let value = loss.init(&device).forward(x(), labels()).into_scalar::<f32>();
/// assert!((value - 0.013386).abs() < 1e-6);
/// ```
#[derive(Module, Debug)]
pub struct Ge2eLoss {
    scale: Param<Tensor<1>>,
    bias: Param<Tensor<1>>,
    #[module(skip)]
    variant: Ge2eVariant,
    #[module(skip)]
    reducer: Reducer,
}

impl Ge2eLoss {
    /// The loss over all rows of the batch that are not alone in their class.
    ///
    /// # Shapes
    /// - `embeddings`: `[n, dim]`, `labels`: `[n]`
    /// - output: `[1]`, zero if every row is alone
    ///
    /// # Panics
    /// If there is not one label a row, or labels are not integers.
    pub fn forward(&self, embeddings: Tensor<2>, labels: impl Into<Labels>) -> Tensor<1> {
        let labels = labels.into();
        assert_labels(&embeddings, &labels);
        let n = labels.len();
        let unit = l2_normalize(embeddings);
        let is_first = occurrence(labels.expect_classes())
            .equal_elem(0)
            .reshape([1, n]);
        let masks = PairMasks::within(&labels, &unit);
        let positive = masks.positive.clone().float().cast(unit.dtype());
        // Sums have the directions of means.
        let rest = positive.matmul(unit.clone());
        let centroids = l2_normalize(rest.clone() + unit.clone());
        let own = (unit.clone() * l2_normalize(rest)).sum_dim(1); // [n, 1]
        let cosines = unit.matmul(centroids.transpose());

        let scale = at_least(self.scale.val(), 1e-6).cast(cosines.dtype());
        let scale = scale.reshape([1, 1]);
        // One column a class.
        let others = masks.negative.bool_and(is_first.expand([n, n]));
        let lonely = others.clone().any_dim(1).bool_not();
        let losses = match self.variant {
            Ge2eVariant::Softmax => {
                let gaps = (cosines - own) * scale;
                softplus(log_sum_exp(gaps, others)).mask_fill(lonely, 0.0)
            }
            Ge2eVariant::Contrast => {
                let bias = self.bias.val().cast(cosines.dtype()).reshape([1, 1]);
                let closest = cosines.mask_fill(others.bool_not(), -2.0).max_dim(1);
                let share = |cosines| sigmoid(cosines * scale.clone() + bias.clone());
                let of_closest = share(closest).mask_fill(lonely, 0.0);
                sigmoid(-(own * scale.clone() + bias.clone())) + of_closest
            }
        };
        let anchors = masks.positive.any_dim(1);
        self.reducer.reduce_by(losses, anchors, &masks.anchors)
    }

    /// `w`, of shape `[1]`.
    pub fn scale(&self) -> Tensor<1> {
        self.scale.val()
    }

    /// `b`, of shape `[1]`.
    pub fn bias(&self) -> Tensor<1> {
        self.bias.val()
    }
}
