use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Bool, Device, Tensor};

use crate::error::{ConfigError, expect_valid};
use crate::numerics::{at_least_f32, divide, safe_sqrt};

/// Configuration of [`VicRegLoss`].
#[derive(Config, Debug)]
pub struct VicRegLossConfig {
    /// Weight `λ` of the invariance. Default: `25.0`.
    #[config(default = 25.0)]
    pub lambda: f64,
    /// Weight `μ` of the variance. Default: `25.0`.
    #[config(default = 25.0)]
    pub mu: f64,
    /// Weight `ν` of the covariance. Default: `1.0`.
    #[config(default = 1.0)]
    pub nu: f64,
    /// Added to a variance under its root. Default: `1e-4`.
    #[config(default = 1e-4)]
    pub epsilon: f64,
}

impl VicRegLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_not_negative("lambda", self.lambda)?;
        ConfigError::check_not_negative("mu", self.mu)?;
        ConfigError::check_not_negative("nu", self.nu)?;
        ConfigError::check_not_negative("epsilon", self.epsilon)
    }

    /// The loss.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, _device: &Device) -> VicRegLoss {
        expect_valid(self.validate());
        VicRegLoss {
            lambda: self.lambda,
            mu: self.mu,
            nu: self.nu,
            epsilon: self.epsilon,
        }
    }
}

/// Variance-invariance-covariance regularization of two views (Bardes, Ponce, `LeCun`, *VICReg*, ICLR 2022,
/// <https://arxiv.org/abs/2105.04906>, eq. 1 to 6).
///
/// Row `i` of `a` and row `i` of `b` are views of one thing. With `var` and `C` the variances of the columns of a view and
/// their covariance matrix, both over `n − 1`:
/// ```text
/// ℓ    = λ s(a, b) + μ (v(a) + v(b)) + ν (c(a) + c(b))
/// s    = 1/(n dim) Σᵢⱼ (aᵢⱼ − bᵢⱼ)²
/// v(z) = 1/dim Σⱼ max(0, 1 − √(var zⱼ + ε))
/// c(z) = 1/dim Σ_{j ≠ k} C(z)ⱼₖ²
/// ```
/// Deviates from the paper's eq. 5, which has no `1/dim` in `s`; the authors' code has it, and it is to that form that
/// `λ = 25` belongs. That code takes half of `v(a) + v(b)`: `μ = 12.5` here. Embeddings are used as given.
///
/// Cost: `O(n · dim²)` time, `O(n · dim + dim²)` memory.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use metric_losses::VicRegLossConfig;
///
/// let device = Device::flex();
/// let a = Tensor::<2>::from_floats([[0.5, 2.0], [-0.5, -2.0]], &device);
/// let b = Tensor::<2>::from_floats([[0.5, 2.0], [-0.5, -1.0]], &device);
/// let loss = VicRegLossConfig::new().with_epsilon(0.0).init(&device);
/// // s = 1/4. Both first columns have variance 1/2: v = (1 − 0.70711) / 2 each, the others are above 1.
/// // Covariances 2 and 1.5: c = 4 and 2.25. 6.25 + 25 · 0.29289 + 6.25 = 19.82233
/// assert!((loss.forward(a, b).into_scalar::<f32>() - 19.82233).abs() < 1e-4);
/// ```
#[derive(Module, Debug)]
pub struct VicRegLoss {
    lambda: f64,
    mu: f64,
    nu: f64,
    epsilon: f64,
}

impl VicRegLoss {
    /// The loss of two views.
    ///
    /// # Shapes
    /// - `a`, `b`: `[n, dim]`, `n ≥ 2`
    /// - output: `[1]`
    ///
    /// # Panics
    /// If the shapes differ, or there are fewer than two rows, which have no variance.
    pub fn forward(&self, a: Tensor<2>, b: Tensor<2>) -> Tensor<1> {
        let ([n, dim], of_b) = (a.dims(), b.dims());
        assert_eq!([n, dim], of_b, "views have one shape");
        assert!(n >= 2, "a variance needs two rows, got {n}");
        let (a, b) = (at_least_f32(a), at_least_f32(b));
        let invariance = divide((a.clone() - b.clone()).square(), (n * dim) as f64).sum();
        let spread = self.spread(a) + self.spread(b);
        invariance * self.lambda + spread
    }

    /// `μ v(z) + ν c(z)`
    fn spread(&self, z: Tensor<2>) -> Tensor<1> {
        let [n, dim] = z.dims();
        let centred = z.clone() - z.mean_dim(0);
        let variances = divide(centred.clone().square(), (n - 1) as f64).sum_dim(0);
        let variance = (-safe_sqrt(variances + self.epsilon) + 1.0).clamp_min(0.0);
        let covariances = divide(centred.clone(), (n - 1) as f64)
            .transpose()
            .matmul(centred);
        // Burn's `diag_mask` is false on the diagonal.
        let itself = Tensor::<2, Bool>::diag_mask([dim, dim], 0, &covariances.device()).bool_not();
        let covariance = covariances.mask_fill(itself, 0.0).square();
        let mean = |sum: Tensor<1>, weight: f64| sum * (weight / dim as f64);
        mean(variance.sum(), self.mu) + mean(covariance.sum(), self.nu)
    }
}
