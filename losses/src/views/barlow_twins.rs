use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Bool, Device, Tensor};

use crate::error::{ConfigError, expect_valid};
use crate::numerics::{at_least_f32, divide, zero_without_rows};

/// Configuration of [`BarlowTwinsLoss`].
#[derive(Config, Debug)]
pub struct BarlowTwinsLossConfig {
    /// Weight `λ` of the off-diagonal correlations. Default: `0.0051`.
    #[config(default = 0.0051)]
    pub lambda: f64,
    /// Added to a variance under its root. Default: `1e-5`, batch norm's.
    #[config(default = 1e-5)]
    pub epsilon: f64,
}

impl BarlowTwinsLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_not_negative("lambda", self.lambda)?;
        ConfigError::check_positive("epsilon", self.epsilon)
    }

    /// The loss.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, _device: &Device) -> BarlowTwinsLoss {
        expect_valid(self.validate());
        BarlowTwinsLoss {
            lambda: self.lambda,
            epsilon: self.epsilon,
        }
    }
}

/// Redundancy reduction of two views (Zbontar, Jing, Misra, `LeCun`, Deny, *Barlow Twins*, ICML 2021,
/// <https://arxiv.org/abs/2103.03230>, eq. 1 and 2).
///
/// Row `i` of `a` and row `i` of `b` are views of one thing. With mean `m` and variance `v` of each column, over `n`:
/// ```text
/// âᵢⱼ = (aᵢⱼ − mⱼ) / √(vⱼ + ε)
/// C   = 1/n âᵀ b̂
/// ℓ   = Σⱼ (1 − Cⱼⱼ)² + λ Σ_{j ≠ k} Cⱼₖ²
/// ```
/// `ε` is not in the paper's equations; the authors' code has it, by its batch norm. Embeddings are used as given.
///
/// Cost: `O(n · dim · min(n, dim))` time, `O(n · dim + min(n, dim)²)` memory: with more than `2n` columns `Σ Cⱼₖ²` is
/// the inner product of two `[n, n]` Gram matrices.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use metric_losses::BarlowTwinsLossConfig;
///
/// let device = Device::flex();
/// let a = Tensor::<2>::from_floats([[2.0, 1.0], [-2.0, 1.0], [2.0, -1.0], [-2.0, -1.0]], &device);
/// let b = Tensor::<2>::from_floats([[3.0, 1.0], [-3.0, -1.0], [3.0, 1.0], [-3.0, -1.0]], &device);
/// // Both columns of b are the first of a: C = [[1, 1], [0, 0]].
/// let loss = BarlowTwinsLossConfig::new().with_lambda(0.5).init(&device);
/// assert!((loss.forward(a, b).into_scalar::<f32>() - 1.5).abs() < 1e-4);
/// ```
#[derive(Module, Debug)]
pub struct BarlowTwinsLoss {
    lambda: f64,
    epsilon: f64,
}

impl BarlowTwinsLoss {
    /// The loss of two views.
    ///
    /// # Shapes
    /// - `a`, `b`: `[n, dim]`
    /// - output: `[1]`, zero without rows; one row alone has no correlation and costs `dim`
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn forward(&self, a: Tensor<2>, b: Tensor<2>) -> Tensor<1> {
        let ([n, dim], of_b) = (a.dims(), b.dims());
        assert_eq!([n, dim], of_b, "views have one shape");
        if let Some(zero) = zero_without_rows(&[&a, &b]) {
            return zero;
        }
        let (a, b) = (self.standardized(a), self.standardized(b));
        let own = divide((a.clone() * b.clone()).sum_dim(0), n as f64); // [1, dim]
        let invariance = (-own.clone() + 1.0).square().sum();
        let redundancy = if dim > 2 * n {
            // ‖âᵀ b̂‖² = tr(â âᵀ b̂ b̂ᵀ). Of rank below n, C is far from diagonal: the difference keeps its digits.
            let gram = |z: Tensor<2>| divide(z.clone().matmul(z.transpose()), n as f64);
            (gram(a) * gram(b)).sum() - own.square().sum()
        } else {
            let correlations = divide(a.transpose().matmul(b), n as f64);
            // Burn's `diag_mask` is false on the diagonal.
            let itself = Tensor::<2, Bool>::diag_mask([dim, dim], 0, &correlations.device());
            let others = correlations.mask_fill(itself.bool_not(), 0.0);
            others.square().sum()
        };
        invariance + redundancy * self.lambda
    }

    /// Columns of mean 0 and variance 1, or less where `ε` counts.
    ///
    /// Each is scaled by its largest entry before anything is squared, so that columns of 1e18 stay finite.
    fn standardized(&self, z: Tensor<2>) -> Tensor<2> {
        let z = at_least_f32(z);
        let [n, _] = z.dims();
        let centred = z.clone() - z.mean_dim(0);
        let largest = centred.clone().detach().max_abs_dim(0);
        let largest = largest.clamp_min(self.epsilon.sqrt()); // [1, dim]
        let scaled = centred / largest.clone();
        let variance = divide(scaled.clone().square().sum_dim(0), n as f64);
        // `ε` over the square of the scale, which is no smaller than `√ε`
        let share = largest.recip() * self.epsilon.sqrt();
        scaled / (variance + share.square()).sqrt()
    }
}
