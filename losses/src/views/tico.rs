use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

use crate::error::{ConfigError, expect_valid};
use crate::numerics::{divide, l2_normalize, zero_without_rows};

/// Configuration of [`TiCoLoss`].
#[derive(Config, Debug)]
pub struct TiCoLossConfig {
    /// Length of an embedding.
    pub embedding_size: usize,
    /// Momentum `β` of the covariance. Default: `0.9`.
    #[config(default = 0.9)]
    pub beta: f64,
    /// Weight `ρ` of the covariance contrast. Default: `20.0`.
    #[config(default = 20.0)]
    pub rho: f64,
}

impl TiCoLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_size("embedding_size", self.embedding_size)?;
        ConfigError::check_fraction("beta", self.beta)?;
        ConfigError::check_not_negative("rho", self.rho)
    }

    /// The loss, with a covariance of 0.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, device: &Device) -> TiCoLoss {
        expect_valid(self.validate());
        let covariance = Tensor::zeros([self.embedding_size; 2], device);
        TiCoLoss {
            covariance: Param::from_tensor(covariance).set_require_grad(false),
            beta: self.beta,
            rho: self.rho,
        }
    }
}

/// Transformation invariance and covariance contrast (Zhu, Moraes, Karakulak, Sobol, Canziani, `LeCun`, *`TiCo`*, 2022,
/// <https://arxiv.org/abs/2206.10698>).
///
/// Row `i` of `a` and row `i` of `b` are views of one thing. With the uncentred covariance `C` of past and present
/// rows:
/// ```text
/// C ← β C + (1 − β)/n Σᵢ âᵢ âᵢᵀ
/// ℓ = 1 − 1/n Σᵢ âᵢ · b̂ᵢ + ρ/n Σᵢ âᵢᵀ C âᵢ
/// ```
/// `C` is a constant for the gradient. It moves by [`update`](Self::update) alone, which belongs before `forward`: the
/// paper has the batch in the covariance that it is compared with. `b` is the view of the momentum encoder, to be
/// detached by the caller.
///
/// Cost: `O(n · dim²)` time, `O(n · dim + dim²)` memory.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use metric_losses::TiCoLossConfig;
///
/// let device = Device::flex();
/// let loss = TiCoLossConfig::new(2).with_beta(0.5).with_rho(2.0).init(&device);
/// let a = Tensor::<2>::from_floats([[2.0, 0.0], [0.0, 3.0]], &device);
/// let b = Tensor::<2>::from_floats([[1.0, 0.0], [4.0, 3.0]], &device);
/// // C = 1/2 · 1/2 (1, 0; 0, 1); cosines 1 and 0.6: 1 − 0.8 + 2 · 0.25
/// let loss = loss.update(a.clone());
/// assert!((loss.forward(a, b).into_scalar::<f32>() - 0.7).abs() < 1e-6);
/// ```
#[derive(Module, Debug)]
pub struct TiCoLoss {
    covariance: Param<Tensor<2>>,
    beta: f64,
    rho: f64,
}

impl TiCoLoss {
    /// The loss of two views against the covariance as it is.
    ///
    /// # Shapes
    /// - `a`, `b`: `[n, dim]`
    /// - output: `[1]`, zero without rows
    ///
    /// # Panics
    /// If the shapes differ, or `dim` is not that of the covariance.
    pub fn forward(&self, a: Tensor<2>, b: Tensor<2>) -> Tensor<1> {
        let ([n, dim], of_b) = (a.dims(), b.dims());
        assert_eq!([n, dim], of_b, "views have one shape");
        if let Some(zero) = zero_without_rows(&[&a, &b]) {
            return zero;
        }
        let (a, b) = (l2_normalize(a), l2_normalize(b));
        let covariance = self.covariance.val().detach().cast(a.dtype());
        let mean = |products: Tensor<2>| divide(products.sum(), n as f64);
        let invariance = -mean(a.clone() * b) + 1.0;
        let contrast = mean(a.clone().matmul(covariance) * a);
        invariance + contrast * self.rho
    }

    /// The same loss with the rows of a batch in its covariance, off the graph. Without rows it stays.
    ///
    /// # Shapes
    /// - `a`: `[n, dim]`
    ///
    /// # Panics
    /// If `dim` is not that of the covariance.
    pub fn update(self, a: Tensor<2>) -> Self {
        let [n, _] = a.dims();
        if n == 0 {
            return self;
        }
        let a = l2_normalize(a.detach());
        let covariance = self.covariance.val().detach().cast(a.dtype());
        let share = a.clone() * ((1.0 - self.beta) / n as f64);
        let moved = covariance * self.beta + share.transpose().matmul(a);
        self.with_covariance(moved)
    }

    /// The same loss with a given covariance.
    ///
    /// # Shapes
    /// - `covariance`: `[dim, dim]`
    pub fn with_covariance(mut self, covariance: Tensor<2>) -> Self {
        self.covariance = self
            .covariance
            .map(|_| covariance.detach().set_require_grad(false));
        self
    }

    /// The covariance, `[dim, dim]`.
    pub fn covariance(&self) -> Tensor<2> {
        self.covariance.val()
    }
}
