use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Bool, Device, Tensor};

use crate::distance::EmbeddingDistance;
use crate::error::{ConfigError, expect_valid};
use crate::numerics::{
    at_least_f32, divide, l2_normalize, log_one_plus_sum_exp, zero_without_rows,
};
use crate::ops::{stream_both_ways, stream_each_way};
use crate::reducer::Reducer;
use crate::temperature::Temperature;

/// Configuration of [`ClipLoss`].
#[derive(Config, Debug)]
pub struct ClipLossConfig {
    /// Temperature `T`, at the start if it is learned. Default: `0.07`.
    #[config(default = 0.07)]
    pub temperature: f64,
    /// Whether `log(1/T)` is a parameter. Default: `true`.
    #[config(default = true)]
    pub learn_temperature: bool,
    /// Largest scale `1/T`. Default: `100.0`.
    #[config(default = 100.0)]
    pub max_scale: f64,
}

impl ClipLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_positive("temperature", self.temperature)?;
        ConfigError::check_positive("max_scale", self.max_scale)?;
        ConfigError::check(
            1.0 / self.temperature <= self.max_scale,
            "temperature",
            "at least 1 / max_scale",
            self.temperature,
        )
    }

    /// The loss.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, device: &Device) -> ClipLoss {
        expect_valid(self.validate());
        let (start, largest) = (self.temperature, self.max_scale);
        ClipLoss {
            temperature: match self.learn_temperature {
                true => Temperature::learned_by_log_inverse(start, largest, device),
                false => Temperature::Fixed(start),
            },
        }
    }
}

/// Contrast of pairs from two encoders, whose temperature is learned (Radford et al., *Learning transferable visual models
/// from natural language supervision*, CLIP, ICML 2021, <https://arxiv.org/abs/2103.00020>, section 2.3 and figure 3).
///
/// Row `aᵢ` belongs to row `bᵢ` and to no other. With `sᵢⱼ = cos(aᵢ, bⱼ)`, the mean of two cross-entropies over all pairs:
/// ```text
/// ℓ = −1/2n Σᵢ ( log softmaxⱼ(sᵢⱼ / T)ᵢ + log softmaxⱼ(sⱼᵢ / T)ᵢ )        1/T = min(exp(t), 100)
/// ```
/// The softmax is taken as `log(1 + Σ_{j ≠ i} exp((sᵢⱼ − sᵢᵢ)/T))`. `t` is learned, from `log(1/0.07)`. Beyond the bound it
/// counts as the bound and has the gradient of the loss there, so that it can come back; [`clamped`](Self::clamped) after
/// each optimizer step, as in the paper, keeps it from going on. With `learn_temperature` off this is
/// [`InfoNceLoss`](crate::InfoNceLoss) with `symmetric`.
///
/// Cost: `O(n² · dim)` time; memory `O(n · dim)` where it is [streamed](EmbeddingDistance#streaming), else `O(n²)`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use metric_losses::ClipLossConfig;
///
/// let device = Device::flex();
/// let images = Tensor::<2>::from_floats([[1.0, 0.0], [0.0, 2.0]], &device);
/// let texts = Tensor::<2>::from_floats([[3.0, 0.0], [1.0, 1.0]], &device);
/// let loss = ClipLossConfig::new().with_temperature(1.0).init(&device);
/// // Cosines (1, h) and (0, h) with h = 0.70711. Rows: log(1 + e^(h − 1)) = 0.55739, log(1 + e^−h) = 0.40083;
/// // columns: log(1 + e^−1) = 0.31326, log 2 = 0.69315. Half of both means: 0.49116
/// let value = loss.forward(images, texts).into_scalar::<f32>();
/// assert!((value - 0.49116).abs() < 1e-5);
/// ```
#[derive(Module, Debug)]
pub struct ClipLoss {
    temperature: Temperature,
}

impl ClipLoss {
    /// The mean over rows of both sides; gradients flow to both and to `t`.
    ///
    /// # Shapes
    /// - `a`: `[n, dim]`, `b`: `[n, dim]`
    /// - output: `[1]`, zero for one row or none
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn forward(&self, a: Tensor<2>, b: Tensor<2>) -> Tensor<1> {
        assert_eq!(a.dims(), b.dims(), "one row of `b` for each of `a`");
        if let Some(zero) = zero_without_rows(&[&a, &b]) {
            return zero;
        }
        let [n, _] = a.dims();
        let [a, b] = [a, b].map(at_least_f32);
        let way = (EmbeddingDistance::Cosine, Reducer::Mean);
        if let Some(loss) = stream_both_ways(self.temperature.inverse(&a), way, [&a, &b]) {
            return loss;
        }
        let [a, b] = [a, b].map(l2_normalize);
        // Products over `T` are those of one side's rows over `T`, through which `T` has its gradient.
        let way = (EmbeddingDistance::InnerProduct, Reducer::Mean);
        let divided = self.temperature.divide(a.clone());
        if let Some(loss) = stream_each_way(1.0, way, [&divided, &b, &b]) {
            return loss;
        }
        let cosines = a.matmul(b.transpose());
        // Burn's `diag_mask` is false on the diagonal.
        let others = Tensor::<2, Bool>::diag_mask([n, n], 0, &cosines.device());
        let own = cosines.clone().mask_fill(others.clone(), 0.0).sum_dim(1); // [n, 1]
        let among = |cosines: Tensor<2>| {
            let gaps = self.temperature.divide(cosines - own.clone());
            log_one_plus_sum_exp(gaps, others.clone())
        };
        let both = among(cosines.clone()) + among(cosines.transpose());
        divide(both.sum(), (2 * n) as f64)
    }

    /// The same loss, a learned `t` put back to its bound.
    pub fn clamped(mut self) -> Self {
        self.temperature = self.temperature.clamped();
        self
    }

    /// `T`, of shape `[1]`, if it is learned.
    pub fn temperature(&self) -> Option<Tensor<1>> {
        self.temperature.value()
    }
}
