use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::{Bool, Device, Int, Tensor};

use super::class_vectors::{class_vectors, with_values};
use super::cross_entropy::target_mask;
use crate::error::{ConfigError, expect_valid};
use crate::labels::Labels;
use crate::numerics::{l2_normalize, log_one_plus_sum_exp};
use crate::pairs::assert_labels;
use crate::reducer::Reducer;

/// Configuration of [`ManifoldProxiesLoss`].
#[derive(Config, Debug)]
pub struct ManifoldProxiesLossConfig {
    /// Length of an embedding.
    pub embedding_size: usize,
    /// Number of proxies. Default: `50`.
    #[config(default = 50)]
    pub num_proxies: usize,
    /// Weight `λ` of the context. Default: `1.0`.
    #[config(default = 1.0)]
    pub context_weight: f64,
    /// Chance `α` that the random walk goes on, above 0 and below 1. Default: `0.8`.
    #[config(default = 0.8)]
    pub alpha: f64,
    /// Margin `m`. Default: `5e-4`.
    #[config(default = 5e-4)]
    pub margin: f64,
    /// Reduction over rows. Default: [`Reducer::Mean`].
    #[config(default = "Reducer::Mean")]
    pub reducer: Reducer,
}

impl ManifoldProxiesLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_size("embedding_size", self.embedding_size)?;
        ConfigError::check_size("num_proxies", self.num_proxies)?;
        ConfigError::check_not_negative("context_weight", self.context_weight)?;
        let in_range = self.alpha > 0.0 && self.alpha < 1.0;
        ConfigError::check(in_range, "alpha", "above 0 and below 1", self.alpha)?;
        ConfigError::check_finite("margin", self.margin)?;
        self.reducer.validate()
    }

    /// The loss, with fresh proxies.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, device: &Device) -> ManifoldProxiesLoss {
        expect_valid(self.validate());
        ManifoldProxiesLoss {
            weight: class_vectors(self.num_proxies, self.embedding_size, device),
            context_weight: self.context_weight,
            alpha: self.alpha,
            margin: self.margin,
            reducer: self.reducer,
        }
    }
}

/// Manifold similarity to proxies (Aziere, Todorovic, *Ensemble Deep Manifold Similarity Learning using Hard Proxies*,
/// CVPR 2019).
///
/// Rows and proxies are the nodes of a graph with weights `S`; `F` is where a random walk over it ends. With `c` the
/// proxy that row `i` is assigned to, and `F_p` the row of `F` of proxy `p`:
/// ```text
/// Sᵢⱼ = e^{2 max(0, cos(xᵢ, xⱼ))},  Sᵢᵢ = 0          S̄ = D^{−½} S D^{−½},  D the sums of the rows
/// F   = (1 − α) (I − α S̄)⁻¹
/// aₚ  = Fᵢₚ − F_ic + m                              bₚ = cos(Fᵢ, F_p) − cos(Fᵢ, F_c) + m
/// ℓᵢ  = log(1 + Σ_{p ≠ c, aₚ > 0} e^{aₚ}) + λ log(1 + Σ_{p ≠ c, bₚ > 0} e^{bₚ})
/// ```
/// A term jumps where `aₚ` or `bₚ` is 0: only proxies that violate the margin count. Which proxy a row belongs to is given
/// by the caller (the paper draws it at random, and trains an ensemble of such spaces); it is no class.
///
/// Cost: with `N = n + num_proxies`, `O(N³)` time and `O(N²)` memory. The inverse is a product of
/// `log₂(36 / (1 − α))` or so factors `I + (α S̄)^(2ᵏ)`, off the graph; nothing is divided.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_losses::ManifoldProxiesLossConfig;
///
/// let device = Device::flex();
/// let proxies = Tensor::from_floats([[1.0, 0.0], [0.0, 1.0]], &device);
/// let loss = ManifoldProxiesLossConfig::new(2).with_num_proxies(2).init(&device);
/// let x = Tensor::<2>::from_floats([[1.0, 1.0]], &device);
/// let assigned = Tensor::<1, Int>::from_ints([0], &device);
/// // as close to both proxies: a = b = m = 0.0005 for the other one, and log(1 + e^0.0005) twice
/// let value = loss.with_weight(proxies).forward(x, assigned).into_scalar::<f32>();
/// assert!((value - 1.38679).abs() < 1e-5);
/// ```
#[derive(Module, Debug)]
pub struct ManifoldProxiesLoss {
    weight: Param<Tensor<2>>,
    context_weight: f64,
    alpha: f64,
    margin: f64,
    #[module(skip)]
    reducer: Reducer,
}

impl ManifoldProxiesLoss {
    /// # Shapes
    /// - `embeddings`: `[n, dim]`, `proxies`: `[n]`, the proxy each row is assigned to, in `0..num_proxies`
    /// - output: `[1]`, zero if no proxy violates the margin
    ///
    /// # Panics
    /// If an assignment is out of range or there is not one a row.
    pub fn forward(&self, embeddings: Tensor<2>, proxies: impl Into<Labels>) -> Tensor<1> {
        let labels = proxies.into();
        assert_labels(&embeddings, &labels);
        let proxies = labels.expect_classes();
        let [n, _] = embeddings.dims();
        let weight = self.weight.val().cast(embeddings.dtype());
        let [count, _] = weight.dims();
        let nodes = l2_normalize(Tensor::cat(vec![embeddings, weight], 0));
        let walks = self.walks(neighbours(nodes));
        let own = proxies.clone().reshape([n, 1]);
        let others = target_mask(proxies, count).bool_not();

        let unit = l2_normalize(walks.clone());
        let context = unit.clone().narrow(0, 0, n);
        let context = context.matmul(unit.narrow(0, n, count).transpose());
        let intrinsic = walks.narrow(0, 0, n).narrow(1, n, count);
        let losses = self.violations(intrinsic, own.clone(), others.clone())
            + self.violations(context, own, others) * self.context_weight;
        self.reducer.reduce_rows(losses, &labels)
    }

    /// The same loss with the values of given proxies; it is [`weight`](Self::weight) that gets the
    /// gradient.
    ///
    /// # Shapes
    /// - `weight`: `[num_proxies, dim]`
    pub fn with_weight(mut self, weight: Tensor<2>) -> Self {
        self.weight = with_values(self.weight, weight);
        self
    }

    /// The proxies, `[num_proxies, dim]`, of any length.
    pub fn weight(&self) -> Tensor<2> {
        self.weight.val()
    }

    /// `log(1 + Σ eᵃ)` over the positive `a = s − s_own + m` of `others`, `[n, 1]`.
    fn violations(
        &self,
        similarities: Tensor<2>,
        own: Tensor<2, Int>,
        others: Tensor<2, Bool>,
    ) -> Tensor<2> {
        let own = similarities.clone().gather(1, own);
        let gaps = similarities - own + self.margin;
        // Not "above 0": so NaN counts, and a broken embedding shows.
        let violate = gaps.clone().lower_equal_scalar(0.0).bool_not();
        log_one_plus_sum_exp(gaps, others.bool_and(violate))
    }

    /// `F = (1 − α) Σ_t (α S̄)ᵗ`, from `S̄`.
    fn walks(&self, steps: Tensor<2>) -> Tensor<2> {
        let fixed = steps.clone().detach();
        let [nodes, _] = fixed.dims();
        let identity = || Tensor::<2>::eye(nodes, &fixed.device()).cast(fixed.dtype());
        let mut power = fixed.clone() * self.alpha;
        let mut sum = identity();
        // `power` is (α S̄)^(2ᵏ), no longer than α^(2ᵏ): until that is nothing beside 1.
        let mut length = self.alpha;
        loop {
            sum = sum.clone() + sum.matmul(power.clone());
            length *= length;
            if length < 1e-17 {
                break;
            }
            power = power.clone().matmul(power);
        }
        let walks = sum * (1.0 - self.alpha);
        // dF = α/(1 − α) F dS̄ F; the difference is 0 but for its derivative.
        let moved = walks.clone().matmul(steps - fixed).matmul(walks.clone());
        walks + moved * (self.alpha / (1.0 - self.alpha))
    }
}

/// `S̄` of unit rows.
fn neighbours(unit: Tensor<2>) -> Tensor<2> {
    let [nodes, _] = unit.dims();
    let cosines = unit.clone().matmul(unit.transpose());
    let weights = (cosines.clamp_min(0.0) * 2.0).exp();
    // Burn's `diag_mask` is false on the diagonal.
    let itself = Tensor::<2, Bool>::diag_mask([nodes, nodes], 0, &weights.device()).bool_not();
    let weights = weights.mask_fill(itself, 0.0);
    let roots = weights.clone().sum_dim(1).sqrt(); // at least 1: a row and a proxy make two nodes
    weights / roots.clone() / roots.transpose()
}
