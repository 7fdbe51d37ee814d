use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::{Device, IndexingUpdateOp, Int, Tensor};
use metric_core::Scalar;

use super::class_vectors::{class_vectors, with_values};
use super::cross_entropy::{target_mask, zero_if_empty};
use crate::anchors::Anchors;
use crate::distance::EmbeddingDistance;
use crate::error::{ConfigError, expect_valid};
use crate::labels::Labels;
use crate::numerics::{at_least_f32, divide, l2_normalize, log_one_plus_sum_exp};
use crate::ops::{RowLoss, RowPairs, Terms, log_one_plus, stream};
use crate::reducer::Reducer;

/// Configuration of [`ProxyAnchorLoss`].
#[derive(Config, Debug)]
pub struct ProxyAnchorLossConfig {
    /// Number of classes.
    pub num_classes: usize,
    /// Length of an embedding.
    pub embedding_size: usize,
    /// Margin `δ` on the cosine. Default: `0.1`.
    #[config(default = 0.1)]
    pub margin: f64,
    /// Scale `α` of the exponents. Default: `32.0`.
    #[config(default = 32.0)]
    pub alpha: f64,
}

impl ProxyAnchorLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_size("num_classes", self.num_classes)?;
        ConfigError::check_size("embedding_size", self.embedding_size)?;
        ConfigError::check_finite("margin", self.margin)?;
        ConfigError::check_positive("alpha", self.alpha)
    }

    /// The loss, with fresh proxies.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, device: &Device) -> ProxyAnchorLoss {
        expect_valid(self.validate());
        ProxyAnchorLoss {
            weight: class_vectors(self.num_classes, self.embedding_size, device),
            margin: self.margin,
            alpha: self.alpha,
        }
    }
}

/// Proxy anchor loss (Kim, Kim, Cho, Kwak, *Proxy Anchor Loss for Deep Metric Learning*, CVPR
/// 2020, <https://arxiv.org/abs/2003.13911>, eq. 4).
///
/// Every class has a proxy `p`; `P⁺` are those with a row in the batch, `X_p⁺` the rows of the
/// proxy's class, `X_p⁻` the others, `s` the cosine:
/// ```text
/// ℓ = 1/|P⁺| Σ_{p ∈ P⁺} log(1 + Σ_{x ∈ X_p⁺} e^{−α (s(x, p) − δ)})
///   + 1/|P|  Σ_{p ∈ P}  log(1 + Σ_{x ∈ X_p⁻} e^{ α (s(x, p) + δ)})
/// ```
/// Rows with [weights](Labels::with_weights) count `wₓ` times: `wₓ e^{…}` in both sums. A row of weight 0 is as if it were not
/// there, one of weight 2 as if it were there twice.
///
/// Cost: `O(n · classes · dim)` time; memory `O(n · classes)`, on the CPU backend in `f32` and `f64`
/// `O((n + classes) · dim)`, but for rows with weights.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_losses::ProxyAnchorLossConfig;
///
/// let device = Device::flex();
/// let axes = Tensor::from_floats([[2.0, 0.0], [0.0, 3.0]], &device);
/// let loss = ProxyAnchorLossConfig::new(2, 2).with_alpha(1.0).with_margin(0.5);
/// let loss = loss.init(&device).with_weight(axes);
/// let x = Tensor::<2>::from_floats([[5.0, 0.0]], &device);
/// let labels = Tensor::<1, Int>::from_ints([0], &device);
/// // proxy 0, cosine 1: log(1 + e^-0.5) = 0.47408; proxy 1, cosine 0: log(1 + e^0.5) / 2 = 0.48704
/// assert!((loss.forward(x, labels).into_scalar::<f32>() - 0.96112).abs() < 1e-5);
/// ```
#[derive(Module, Debug)]
pub struct ProxyAnchorLoss {
    weight: Param<Tensor<2>>,
    margin: f64,
    alpha: f64,
}

impl ProxyAnchorLoss {
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
        let (embeddings, proxies) = (at_least_f32(embeddings), at_least_f32(self.weight.val()));
        let ([classes, _], of_rows) = (proxies.dims(), labels.expect_classes());
        let weights = Anchors::of(&labels, &embeddings).weights();
        let is_even = weights.is_none();
        let ones = || embeddings.clone().detach().narrow(1, 0, 1).ones_like();
        let weights = weights.map_or_else(ones, |weights| weights.reshape([-1, 1])); // [n, 1]
        let counts = weights.clone().greater_scalar(0.0).int().squeeze_dim(1);
        let there = Tensor::<1, Int>::zeros([classes], (&counts.device(), counts.dtype()));
        let there = there.select_assign(0, of_rows.clone(), counts, IndexingUpdateOp::Add);
        let present = there.greater_scalar(0).int().sum().clamp_min(1);
        let numbers = Tensor::<1, Int>::arange(0..classes as i64, &of_rows.device());
        let of_proxies = (proxies.clone(), numbers.into());
        let by_proxies = ByProxies {
            loss: self,
            present: f64::from(present.clone().into_scalar::<i32>()),
            classes: classes as f64,
        };
        let way = (EmbeddingDistance::Cosine, Reducer::Sum);
        let batch = Some((embeddings.clone(), labels));
        let streamed = is_even.then(|| stream(&by_proxies, way, of_proxies, batch));
        streamed.flatten().unwrap_or_else(|| {
            let cosines = l2_normalize(proxies).matmul(l2_normalize(embeddings).transpose());
            let positive = target_mask(of_rows, classes).transpose(); // [classes, n]
            let weights = weights.transpose().expand(cosines.dims());
            let counts = weights.clone().greater_scalar(0.0);
            let log_weights = weights.mask_fill(counts.clone().bool_not(), 1.0).log();
            let pull = -(cosines.clone() - self.margin) * self.alpha + log_weights.clone();
            let push = (cosines + self.margin) * self.alpha + log_weights;
            let [positive, negative] = [positive.clone(), positive.bool_not()];
            let positives = log_one_plus_sum_exp(pull, positive.bool_and(counts.clone())).sum();
            let negatives = log_one_plus_sum_exp(push, negative.bool_and(counts)).sum();
            let present = present.float().cast(positives.dtype());
            positives / present + divide(negatives, classes as f64)
        })
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

/// The loss as a sum over proxies, against the batch.
struct ByProxies<'a> {
    loss: &'a ProxyAnchorLoss,
    present: f64,
    classes: f64,
}

impl RowLoss for ByProxies<'_> {
    fn row<T: Scalar>(&self, mut pairs: RowPairs<'_, T>) -> Terms {
        let ProxyAnchorLoss { alpha, margin, .. } = *self.loss;
        let mut to_positives = pairs.take_positives();
        let pull = (alpha, alpha * (margin - 1.0));
        let push = (-alpha, alpha * (margin + 1.0));
        let positive = log_one_plus(&mut to_positives, pull, 1.0 / self.present);
        let negative = log_one_plus(pairs.distances, push, 1.0 / self.classes);
        pairs.put_positives(to_positives);
        let mut terms = Terms::default();
        terms.push(positive / self.present + negative / self.classes);
        terms
    }
}
