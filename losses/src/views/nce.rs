use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

use super::sinkhorn::off_graph;
use crate::distance::EmbeddingDistance;
use crate::error::{ConfigError, expect_valid};
use crate::numerics::{divide, everywhere, log_sum_exp, softplus, zero_without_rows};

/// Configuration of [`NceLoss`].
#[derive(Config, Debug)]
pub struct NceLossConfig {
    /// Temperature `T`. Default: `0.07`.
    #[config(default = 0.07)]
    pub temperature: f64,
}

impl NceLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_positive("temperature", self.temperature)
    }

    /// The loss, with `Z = N`.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, device: &Device) -> NceLoss {
        expect_valid(self.validate());
        let log_mean = Tensor::zeros([1, 1], device);
        NceLoss {
            log_mean: Param::from_tensor(log_mean).set_require_grad(false),
            temperature: self.temperature,
        }
    }
}

/// Noise-contrastive estimation of the instance of a row (Wu, Xiong, Yu, Lin, *Unsupervised Feature Learning via
/// Non-Parametric Instance Discrimination*, CVPR 2018, <https://arxiv.org/abs/1805.01978>, eq. 4 to 8).
///
/// A memory bank holds a row for each of `N` examples. With `vᵢ` the row of the example that `xᵢ` is a view of and `K`
/// rows `u` drawn from the bank:
/// ```text
/// P(v|x) = exp(v̂ · x̂ / T) / Z          h(v, x) = P(v|x) / (P(v|x) + K/N)
/// ℓ      = 1/n Σᵢ ( −log h(vᵢ, xᵢ) − Σⱼ log(1 − h(uⱼ, xᵢ)) )
/// Z      = N · mean of exp(v̂ · x̂ / T)
/// ```
/// With `Z` so written `N` drops out: `logit h = v̂ · x̂/T − log mean − log K`, and the loss is a sum of softplus.
/// `log mean` is state: 0 at first, until [`estimate`](Self::estimate) takes it from a batch, in the paper the first one, to
/// stay. The paper draws `K = 4096` rows for each row of the batch; here all of the batch share them, which makes of
/// them one product. Gradients flow to all three: the rows of a bank have none.
///
/// Cost: `O(n · K · dim)` time, `O((n + K) · dim + n · K)` memory.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use metric_losses::NceLossConfig;
///
/// let device = Device::flex();
/// let x = Tensor::<2>::from_floats([[2.0, 0.0]], &device);
/// let own = Tensor::<2>::from_floats([[1.0, 0.0]], &device);
/// let noise = Tensor::<2>::from_floats([[0.0, 1.0]], &device);
/// let loss = NceLossConfig::new().with_temperature(1.0).init(&device);
/// // Logits 1 and 0: log(1 + 1/e) + log 2 = 1.00641
/// let value = loss.forward(x.clone(), own.clone(), noise.clone());
/// assert!((value.into_scalar::<f32>() - 1.00641).abs() < 1e-5);
/// // mean of exp: (e + 1)/2, its logarithm 0.62011
/// let loss = loss.estimate(x, own, noise);
/// assert!((loss.log_mean().into_scalar::<f32>() - 0.62011).abs() < 1e-5);
/// ```
#[derive(Module, Debug)]
pub struct NceLoss {
    log_mean: Param<Tensor<2>>,
    temperature: f64,
}

impl NceLoss {
    /// The mean over rows.
    ///
    /// # Shapes
    /// - `embeddings`, `own`: `[n, dim]`, `noise`: `[k, dim]`
    /// - output: `[1]`, zero without rows or noise
    ///
    /// # Panics
    /// If the shapes of the first two differ, or `dim` does.
    pub fn forward(&self, embeddings: Tensor<2>, own: Tensor<2>, noise: Tensor<2>) -> Tensor<1> {
        assert_own(&embeddings, &own);
        if let Some(zero) = zero_without_rows(&[&embeddings, &own, &noise]) {
            return zero;
        }
        let ([n, _], [k, _]) = (embeddings.dims(), noise.dims());
        let (own, noise) = self.exponents(embeddings, own, noise);
        let log_mean = off_graph(self.log_mean.val()).cast(own.dtype());
        let shift = log_mean + (k as f64).ln(); // [1, 1]
        let terms = softplus(shift.clone() - own).sum() + softplus(noise - shift).sum();
        divide(terms, n as f64)
    }

    /// The same loss with `Z` as this batch has it, off the graph. Without rows or noise it stays.
    ///
    /// # Shapes
    /// - `embeddings`, `own`: `[n, dim]`, `noise`: `[k, dim]`
    ///
    /// # Panics
    /// If the shapes of the first two differ, or `dim` does.
    pub fn estimate(self, embeddings: Tensor<2>, own: Tensor<2>, noise: Tensor<2>) -> Self {
        assert_own(&embeddings, &own);
        let ([n, _], [k, _]) = (embeddings.dims(), noise.dims());
        if n == 0 || k == 0 {
            return self;
        }
        let fixed = |rows: Tensor<2>| rows.detach();
        let (own, noise) = self.exponents(fixed(embeddings), fixed(own), fixed(noise));
        let count = n * (k + 1);
        let all = Tensor::cat(vec![own, noise], 1).reshape([1, count]);
        let kept = everywhere(&all);
        self.with_log_mean(log_sum_exp(all, kept) - (count as f64).ln())
    }

    /// The same loss with a given `log(Z/N)`.
    ///
    /// # Shapes
    /// - `log_mean`: `[1, 1]`
    pub fn with_log_mean(mut self, log_mean: Tensor<2>) -> Self {
        self.log_mean = self
            .log_mean
            .map(|_| log_mean.detach().set_require_grad(false));
        self
    }

    /// `log(Z/N)`, `[1, 1]`.
    pub fn log_mean(&self) -> Tensor<2> {
        self.log_mean.val()
    }

    /// Cosines over `T` to the own row, `[n, 1]`, and to the noise, `[n, k]`.
    fn exponents(
        &self,
        embeddings: Tensor<2>,
        own: Tensor<2>,
        noise: Tensor<2>,
    ) -> (Tensor<2>, Tensor<2>) {
        let scale = 1.0 / self.temperature;
        let distances = EmbeddingDistance::Cosine.paired(embeddings.clone(), own);
        let to_noise = EmbeddingDistance::Cosine.matrix(embeddings, noise);
        let exponent = |distances: Tensor<2>| (-distances + 1.0) * scale;
        (exponent(distances.unsqueeze_dim(1)), exponent(to_noise))
    }
}

fn assert_own(embeddings: &Tensor<2>, own: &Tensor<2>) {
    assert_eq!(embeddings.dims(), own.dims(), "one row of the bank a row");
}
