use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use metric_core::Scalar;
use metric_core::simd::{map_in_place, zip_in_place};

use crate::distance::EmbeddingDistance;
use crate::error::{ConfigError, expect_valid};
use crate::numerics::{log_sum_exp, softplus};
use crate::ops::{self, RowLoss, RowPairs, Terms, exp_in_range, sigmoid};
use crate::pairs::{PairMasks, over_pairs};
use crate::reducer::Reducer;

/// Configuration of [`CircleLoss`].
#[derive(Config, Debug)]
pub struct CircleLossConfig {
    /// Relaxation `m` of the boundary. Default: `0.4`, the paper's for retrieval of fine-grained
    /// classes (0.25 for faces).
    #[config(default = 0.4)]
    pub margin: f64,
    /// Scale `γ`. Default: `80.0`, likewise (256 for faces).
    #[config(default = 80.0)]
    pub gamma: f64,
    /// Reduction over rows that have a positive and a negative. Default: [`Reducer::Mean`].
    #[config(default = "Reducer::Mean")]
    pub reducer: Reducer,
}

impl CircleLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_finite("margin", self.margin)?;
        ConfigError::check_positive("gamma", self.gamma)?;
        self.reducer.validate()
    }

    /// The loss.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, _device: &Device) -> CircleLoss {
        expect_valid(self.validate());
        CircleLoss {
            margin: self.margin,
            gamma: self.gamma,
            reducer: self.reducer,
        }
    }
}

/// Circle loss (Sun et al., *Circle Loss: A Unified Perspective of Pair Similarity Optimization*,
/// CVPR 2020, <https://arxiv.org/abs/2002.10857>, eq. 4 and 8).
///
/// With `s` the cosine of a row `i` to its positives `P` and negatives `N`:
/// ```text
/// α_p = [1 + m − s_p]₊        α_n = [s_n + m]₊        constants in the gradient
/// ℓᵢ  = log(1 + Σ_{p ∈ P} e^{−γ α_p (s_p − (1 − m))} · Σ_{n ∈ N} e^{γ α_n (s_n − m)})
/// ```
/// Embeddings may have any length: the cosine is of the loss. Rows without a positive or without a
/// negative drop out. Only the form over pairs is here, not the one over class vectors.
///
/// Cost: `O(n² · dim)` time; memory `O(n · dim)` where it is [streamed](EmbeddingDistance#streaming), else `O(n²)`.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_losses::CircleLossConfig;
///
/// let device = Device::flex();
/// let x = Tensor::<2>::from_floats([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], &device);
/// let labels = Tensor::<1, Int>::from_ints([0, 0, 1], &device);
/// let loss = CircleLossConfig::new().with_gamma(1.0).init(&device).forward(x, labels);
/// // rows 0 and 1: α_p = 0.4 and α_n = 0.4, both exponents -0.4 · 0.4: log(1 + e^-0.32) = 0.54589
/// assert!((loss.into_scalar::<f32>() - 0.54589).abs() < 1e-5);
/// ```
#[derive(Module, Debug)]
pub struct CircleLoss {
    margin: f64,
    gamma: f64,
    #[module(skip)]
    reducer: Reducer,
}

over_pairs!(
    CircleLoss,
    streamed,
    |loss| (EmbeddingDistance::Cosine, loss.reducer),
    "zero if no row has a positive and a negative"
);

impl CircleLoss {
    fn reduce(&self, distances: Tensor<2>, masks: PairMasks) -> Tensor<1> {
        let m = self.margin;
        // In distance: 1 + m − s = d + m, s + m = 1 + m − d, s − (1 − m) = m − d, s − m = 1 − m − d.
        let constant = distances.clone().detach();
        let alpha_p = (constant.clone() + m).clamp_min(0.0);
        let alpha_n = (-constant + (1.0 + m)).clamp_min(0.0);
        let positive = alpha_p * (distances.clone() - m) * self.gamma;
        let negative = alpha_n * (-distances + (1.0 - m)) * self.gamma;
        let selected = masks.rows_with_both();
        let losses =
            softplus(log_sum_exp(positive, masks.positive) + log_sum_exp(negative, masks.negative));
        self.reducer.reduce_by(losses, selected, &masks.anchors)
    }
}

impl RowLoss for CircleLoss {
    fn row<T: Scalar>(&self, mut pairs: RowPairs<'_, T>) -> Terms {
        if pairs.positives.is_empty() || pairs.negatives == 0 {
            return Terms::default();
        }
        let to_positives = pairs.take_positives();
        let number = T::from_f64;
        let (m, gamma, zero) = (number(self.margin), number(self.gamma), T::ZERO);
        let most = move |x: T| if x > zero { x } else { zero };
        let pull = move |d: T| gamma * most(d + m);
        let push = move |d: T| zero - gamma * most(T::ONE + m - d);
        let absent = number(f64::NEG_INFINITY);
        let push_logit = move |d: T| {
            let finite = d < number(f64::INFINITY);
            if finite {
                push(d) * (d + m - T::ONE)
            } else {
                absent
            }
        };
        let mut pulled: Vec<T> = to_positives.iter().map(|&d| pull(d) * (d - m)).collect();
        let mut pushed = pairs.distances.to_vec();
        map_in_place(&mut pushed, push_logit);
        let (positive, negative) = (
            exp_in_range(&mut pulled, 1.0),
            exp_in_range(&mut pushed, 1.0),
        );
        let gap = positive.value() + negative.value();
        let steepness = sigmoid(gap);
        positive.share_out(&mut pulled, steepness);
        negative.share_out(&mut pushed, steepness);
        zip_in_place(pairs.distances, &pushed, move |d, share| push(d) * share);
        let pulls = pulled
            .iter()
            .zip(to_positives)
            .map(|(&share, d)| pull(d) * share);
        pairs.put_positives(pulls);
        self.reducer.terms_of(ops::softplus(gap))
    }
}
