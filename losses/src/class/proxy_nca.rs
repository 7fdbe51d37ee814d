use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::{Device, Int, Tensor};
use metric_core::Scalar;

use super::class_vectors::{class_vectors, with_values};
use super::cross_entropy::{cross_entropy, target_mask, zero_if_empty};
use crate::distance::EmbeddingDistance;
use crate::error::{ConfigError, expect_valid};
use crate::labels::Labels;
use crate::numerics::{at_least_f32, everywhere, l2_normalize, log_sum_exp, relative_to_largest};
use crate::ops::{RowLoss, RowPairs, Terms, exp_in_range, sigmoid, softplus, stream};
use crate::reducer::Reducer;

/// Configuration of [`ProxyNcaLoss`].
#[derive(Config, Debug)]
pub struct ProxyNcaLossConfig {
    /// Number of classes.
    pub num_classes: usize,
    /// Length of an embedding.
    pub embedding_size: usize,
    /// Temperature `T`. Default: `1.0`.
    #[config(default = 1.0)]
    pub temperature: f64,
    /// Is the row's own proxy in the denominator, so that the loss is a cross-entropy? Default:
    /// `false`, the first paper's.
    #[config(default = false)]
    pub include_target: bool,
    /// Distance `d`. Default: [`EmbeddingDistance::SquaredEuclidean`].
    #[config(default = "EmbeddingDistance::SquaredEuclidean")]
    pub distance: EmbeddingDistance,
    /// Are embeddings and proxies brought to length 1 first? Default: `true`.
    #[config(default = true)]
    pub normalize: bool,
    /// Reduction over rows. Default: [`Reducer::Mean`].
    #[config(default = "Reducer::Mean")]
    pub reducer: Reducer,
}

impl ProxyNcaLossConfig {
    /// ProxyNCA++: temperature `1/9`, the own proxy in the denominator.
    pub fn plus_plus(num_classes: usize, embedding_size: usize) -> Self {
        Self::new(num_classes, embedding_size)
            .with_temperature(1.0 / 9.0)
            .with_include_target(true)
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_size("num_classes", self.num_classes)?;
        ConfigError::check_size("embedding_size", self.embedding_size)?;
        ConfigError::check_positive("temperature", self.temperature)?;
        let has_other = self.num_classes > 1 || self.include_target;
        ConfigError::check(
            has_other,
            "num_classes",
            "at least 2 unless include_target is set",
            self.num_classes as f64,
        )?;
        self.distance.validate()?;
        self.reducer.validate()
    }

    /// The loss, with fresh proxies.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, device: &Device) -> ProxyNcaLoss {
        expect_valid(self.validate());
        ProxyNcaLoss {
            weight: class_vectors(self.num_classes, self.embedding_size, device),
            temperature: self.temperature,
            include_target: self.include_target,
            distance: self.distance,
            normalize: self.normalize,
            reducer: self.reducer,
        }
    }
}

/// Proxy NCA (Movshovitz-Attias, Toshev, Leung, Ioffe, Singh, *No Fuss Distance Metric Learning
/// using Proxies*, ICCV 2017, <https://arxiv.org/abs/1703.07464>, sec. 3) and ProxyNCA++ (Teh,
/// DeVries, Taylor, *ProxyNCA++*, ECCV 2020, <https://arxiv.org/abs/2004.01113>, sec. 4).
///
/// With a proxy `p` a class and `d(x, p) = ‖x̂ − p̂‖²`:
/// ```text
/// ℓᵢ   = −log( e^{−d(xᵢ, p_y)/T} / Σ_{z ≠ y} e^{−d(xᵢ, p_z)/T} )      Proxy NCA, T = 1
/// ℓᵢ⁺⁺ = −log( e^{−d(xᵢ, p_y)/T} / Σ_z e^{−d(xᵢ, p_z)/T} )            ProxyNCA++, T = 1/9
/// ```
/// The first may be negative. The second is [`plus_plus`](ProxyNcaLossConfig::plus_plus); what
/// that paper changes outside the loss (pooling, layer norm, balanced classes, the proxies'
/// learning rate) is the caller's.
///
/// Cost: `O(n · classes · dim)` time; memory `O((n + classes) · dim)` where it is [streamed](EmbeddingDistance#streaming),
/// else `O(n · classes)`, times `dim` while the distances are formed by differences.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_losses::ProxyNcaLossConfig;
///
/// let device = Device::flex();
/// let axes = || Tensor::from_floats([[2.0, 0.0], [0.0, 3.0]], &device);
/// let x = Tensor::<2>::from_floats([[5.0, 0.0]], &device);
/// let labels = Tensor::<1, Int>::from_ints([0], &device);
/// // squared distances 0 and 2: −log(1 / e^-2) = −2
/// let loss = ProxyNcaLossConfig::new(2, 2).init(&device).with_weight(axes());
/// assert!((loss.forward(x.clone(), labels.clone()).into_scalar::<f32>() + 2.0).abs() < 1e-6);
/// // with the own proxy below and T = 1/9: log(1 + e^-18) = 1.5e-8
/// let loss = ProxyNcaLossConfig::plus_plus(2, 2).init(&device).with_weight(axes());
/// assert!(loss.forward(x, labels).into_scalar::<f32>().abs() < 1e-6);
/// ```
#[derive(Module, Debug)]
pub struct ProxyNcaLoss {
    weight: Param<Tensor<2>>,
    temperature: f64,
    include_target: bool,
    #[module(skip)]
    distance: EmbeddingDistance,
    normalize: bool,
    #[module(skip)]
    reducer: Reducer,
}

impl ProxyNcaLoss {
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
        let [rows, proxies] = [embeddings, self.weight.val()].map(|rows| match self.normalize {
            true => l2_normalize(rows),
            false => at_least_f32(rows),
        });
        let numbers = Tensor::<1, Int>::arange(0..proxies.dims()[0] as i64, &rows.device());
        // A label out of range has no proxy: the selection says which.
        let _ = proxies.clone().detach().select(0, labels.expect_classes());
        let way = (self.distance, self.reducer);
        let (batch, classes) = (
            (rows.clone(), labels.clone()),
            (proxies.clone(), numbers.into()),
        );
        if let Some(loss) = stream(self, way, batch, Some(classes)) {
            return loss;
        }
        let distances = self.distance.matrix(rows, proxies);
        let all = everywhere(&distances);
        let logits = relative_to_largest(-distances, &all, 1.0 / self.temperature);
        if self.include_target {
            return cross_entropy(logits, &labels, self.reducer);
        }
        let ([n, classes], of_rows) = (logits.dims(), labels.expect_classes());
        let target = logits.clone().gather(1, of_rows.clone().reshape([n, 1]));
        let others = target_mask(of_rows, classes).bool_not();
        // Relative to the target, so that what all distances have in common drops out first.
        let losses = log_sum_exp(logits - target, others);
        self.reducer.reduce_rows(losses, &labels)
    }

    /// The same loss with the values of given proxies; it is [`weight`](Self::weight) that
    /// gets the gradient.
    ///
    /// # Shapes
    /// - `weight`: `[num_classes, dim]`
    pub fn with_weight(mut self, weight: Tensor<2>) -> Self {
        self.weight = with_values(self.weight, weight);
        self
    }

    /// The proxies, `[num_classes, dim]`, of any length.
    pub fn weight(&self) -> Tensor<2> {
        self.weight.val()
    }
}

impl RowLoss for ProxyNcaLoss {
    fn row<T: Scalar>(&self, mut pairs: RowPairs<'_, T>) -> Terms {
        let to_proxy = pairs.take_positives();
        let scale = 1.0 / self.temperature;
        let others = exp_in_range(pairs.distances, -scale);
        let gap = others.value() + to_proxy[0].to_f64() * scale;
        let (term, slope) = match self.include_target {
            true => (softplus(gap), sigmoid(gap)),
            false => (gap, 1.0),
        };
        others.share_out(pairs.distances, -scale * slope);
        pairs.put_positives([T::from_f64(scale * slope)]);
        self.reducer.terms_of(term)
    }
}
