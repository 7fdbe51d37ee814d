use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::activation::sigmoid;
use burn::tensor::{Device, Int, Tensor};

use crate::error::{ConfigError, expect_valid};
use crate::numerics::{l2_normalize, negative_log_share};
use crate::pairs::{PairMasks, assert_labels, occurrence};
use crate::reducer::Reducer;

/// Form of the terms of [`Ge2eLoss`].
#[derive(Config, Debug, Copy, PartialEq)]
pub enum Ge2eVariant {
    /// Cross-entropy over the centroids (eq. 6).
    Softmax,
    /// The own centroid against the nearest other one (eq. 7).
    Contrast,
}

/// Configuration of [`Ge2eLoss`].
#[derive(Config, Debug)]
pub struct Ge2eLossConfig {
    /// Form of the terms. Default: [`Ge2eVariant::Softmax`].
    #[config(default = "Ge2eVariant::Softmax")]
    pub variant: Ge2eVariant,
    /// Factor `w` of the cosine at the start. Default: `10.0`.
    #[config(default = 10.0)]
    pub weight: f64,
    /// Offset `b` at the start. Default: `-5.0`.
    #[config(default = -5.0)]
    pub bias: f64,
    /// Reduction over rows whose class has another row. Default: [`Reducer::Mean`].
    #[config(default = "Reducer::Mean")]
    pub reducer: Reducer,
}

impl Ge2eLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_positive("weight", self.weight)?;
        ConfigError::check_finite("bias", self.bias)?;
        self.reducer.validate()
    }

    /// The loss, with `w` and `b` at their start.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, device: &Device) -> Ge2eLoss {
        expect_valid(self.validate());
        Ge2eLoss {
            weight: Initializer::Constant { value: self.weight }.init([1], device),
            bias: Initializer::Constant { value: self.bias }.init([1], device),
            variant: self.variant,
            reducer: self.reducer,
        }
    }
}

/// Generalized end-to-end loss (Wan, Wang, Papir, Lopez Moreno, *Generalized End-to-End Loss for Speaker
/// Verification*, ICASSP 2018, <https://arxiv.org/abs/1710.10467>, eq. 5 to 9).
///
/// With `c_k` the mean of the unit rows of class `k`, for the class `y` of row `i` without row `i`:
/// ```text
/// S_k      = |w| cos(xᵢ, c_k) + b
/// softmax:   ℓᵢ = −S_y + log Σ_k e^{S_k}
/// contrast:  ℓᵢ = 1 − σ(S_y) + max_{k ≠ y} σ(S_k)
/// ```
/// `w` and `b` are learned; `b` cancels in the softmax and gets no gradient there. A row alone in its
/// class has no term, but its class is there for others. Deviates from the paper: the mean over rows
/// where the paper adds, classes of any size, and `|w|` in place of the constraint `w > 0`.
///
/// Cost: `O(n² · dim)` time, `O(n²)` memory.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_losses::Ge2eLossConfig;
///
/// let device = Device::flex();
/// let x = Tensor::<2>::from_floats([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], &device);
/// let labels = Tensor::<1, Int>::from_ints([0, 0, 1], &device);
/// let loss = Ge2eLossConfig::new().with_weight(1.0).init(&device).forward(x, labels);
/// // rows 0 and 1: cosine 1 to the other, 0 to class 1: log(1 + e^-1); row 2 has no term
/// assert!((loss.into_scalar::<f32>() - 0.31326).abs() < 1e-5);
/// ```
#[derive(Module, Debug)]
pub struct Ge2eLoss {
    weight: Param<Tensor<1>>,
    bias: Param<Tensor<1>>,
    #[module(skip)]
    variant: Ge2eVariant,
    #[module(skip)]
    reducer: Reducer,
}

impl Ge2eLoss {
    /// # Shapes
    /// - `embeddings`: `[n, dim]`, `labels`: `[n]`
    /// - output: `[1]`, zero if no class has two rows
    ///
    /// # Panics
    /// If there is not one label a row.
    pub fn forward(&self, embeddings: Tensor<2>, labels: Tensor<1, Int>) -> Tensor<1> {
        assert_labels(&embeddings, &labels);
        let [n] = labels.dims();
        let unit = l2_normalize(embeddings);
        let PairMasks {
            positive: same,
            negative: other,
        } = PairMasks::between(labels.clone(), labels.clone());
        let members = same.clone().float().cast(unit.dtype());
        let selected = members.clone().sum_dim(1).greater_scalar(1.5);
        let sums = members.matmul(unit.clone()); // that of its class beside every row
        let without_it = l2_normalize(sums.clone() - unit.clone());
        let to_own = (unit.clone() * without_it).sum_dim(1); // [n, 1]
        let cosines = unit.matmul(l2_normalize(sums).transpose());
        let cosines = cosines.mask_where(same.clone(), to_own.clone().expand([n, n]));
        // A class once, in the column of its first row.
        let once = occurrence(labels)
            .equal_elem(0)
            .reshape([1, n])
            .expand([n, n]);
        let (own, other) = (same.bool_and(once.clone()), other.bool_and(once));
        let weight = self
            .weight
            .val()
            .abs()
            .cast(cosines.dtype())
            .reshape([1, 1]);
        let losses = match self.variant {
            Ge2eVariant::Softmax => negative_log_share(cosines * weight, own, other),
            Ge2eVariant::Contrast => {
                let bias = self.bias.val().cast(cosines.dtype()).reshape([1, 1]);
                let alone = other.clone().any_dim(1).bool_not();
                let nearest = cosines.mask_fill(other.bool_not(), -2.0).max_dim(1);
                let push = sigmoid(nearest * weight.clone() + bias.clone());
                sigmoid(-(to_own * weight + bias)) + push.mask_fill(alone, 0.0)
            }
        };
        self.reducer.reduce(losses, selected)
    }

    /// `w` as it is learned, `[1]`; the loss uses its magnitude.
    pub fn weight(&self) -> Tensor<1> {
        self.weight.val()
    }

    /// `b`, `[1]`.
    pub fn bias(&self) -> Tensor<1> {
        self.bias.val()
    }
}
