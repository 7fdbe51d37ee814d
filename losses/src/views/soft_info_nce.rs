use burn::config::Config;
use burn::module::Module;
use burn::tensor::activation::softmax;
use burn::tensor::{Bool, Device, Int, Tensor};
use metric_core::Scalar;

use super::sinkhorn::off_graph;
use super::soft_cross_entropy::soft_cross_entropy;
use crate::distance::EmbeddingDistance;
use crate::error::{ConfigError, expect_valid};
use crate::numerics::{divide, l2_normalize, zero_without_rows};
use crate::ops::{RowLoss, RowPairs, Terms, exp_in_range, stream};
use crate::reducer::Reducer;
use crate::temperature::Temperature;

/// Between which a temperature is learned.
const BOUNDS: [f64; 2] = [0.001, 0.5];

/// Configuration of [`SoftInfoNceLoss`].
#[derive(Config, Debug)]
pub struct SoftInfoNceLossConfig {
    /// Temperature `T`, at the start if it is learned. Default: `0.07`.
    #[config(default = 0.07)]
    pub temperature: f64,
    /// Whether `T` is a parameter, from 0.001 to 0.5. Default: `false`.
    #[config(default = false)]
    pub learn_temperature: bool,
    /// Share `α` of the teacher in the targets. Default: `0.4`.
    #[config(default = 0.4)]
    pub alpha: f64,
}

impl SoftInfoNceLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_positive("temperature", self.temperature)?;
        ConfigError::check(
            !self.learn_temperature || (BOUNDS[0]..=BOUNDS[1]).contains(&self.temperature),
            "temperature",
            "from 0.001 to 0.5 if it is learned",
            self.temperature,
        )?;
        ConfigError::check_fraction("alpha", self.alpha)
    }

    /// The loss.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, device: &Device) -> SoftInfoNceLoss {
        expect_valid(self.validate());
        SoftInfoNceLoss {
            temperature: match self.learn_temperature {
                true => Temperature::learned(self.temperature, BOUNDS, device),
                false => Temperature::Fixed(self.temperature),
            },
            alpha: self.alpha,
        }
    }
}

/// `InfoNCE` with targets softened by a momentum teacher (Li et al., *Align before Fuse*, ALBEF, `NeurIPS` 2021,
/// <https://arxiv.org/abs/2107.07651>: image-text contrast with momentum distillation).
///
/// The candidates `c` of every query `q` are the teacher's keys, of which the one beside it is its own, and a queue of
/// earlier ones. With the teacher's queries `q'`, all on the unit sphere:
/// ```text
/// tᵢⱼ = α softmaxⱼ(q'ᵢ · cⱼ / T) + (1 − α) [j = i]
/// ℓ   = 1/n Σᵢ −Σⱼ tᵢⱼ log softmaxⱼ(qᵢ · cⱼ / T)
/// ```
/// Of the rows only `queries` get a gradient. The paper takes the mean of this loss for images among texts and for texts
/// among images, each with a queue of its own. It learns `T`, as
/// [`learn_temperature`](SoftInfoNceLossConfig::learn_temperature) does: by the logits of the queries alone, the targets
/// being constants. Beyond a bound `T` counts as the bound and has the gradient of the loss there, so that it can come
/// back; [`clamped`](Self::clamped) after each optimizer step keeps it from going on. With `α = 0` this is
/// [`InfoNceLoss`](crate::InfoNceLoss) whose negatives are the other keys and the queue.
///
/// Cost for a queue of `m`: `O(n · (n + m) · dim)` time; memory `O((n + m) dim)` where it is
/// [streamed](EmbeddingDistance#streaming), else `O(n · (n + m))`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use metric_losses::SoftInfoNceLossConfig;
///
/// let device = Device::flex();
/// let rows = |rows: [[f32; 2]; 1]| Tensor::<2>::from_floats(rows, &device);
/// let loss = SoftInfoNceLossConfig::new().with_temperature(1.0).with_alpha(0.5).init(&device);
/// let (query, teacher) = (rows([[3.0, 0.0]]), rows([[1.0, 1.0]]));
/// let (key, queue) = (rows([[1.0, 0.0]]), rows([[0.0, 1.0]]));
/// // The teacher finds both candidates alike: targets 3/4 and 1/4. Cosines 1 and 0: log(e + 1) − 3/4 = 0.56326
/// let value = loss.forward(query, teacher, key, queue).into_scalar::<f32>();
/// assert!((value - 0.56326).abs() < 1e-5);
/// ```
#[derive(Module, Debug)]
pub struct SoftInfoNceLoss {
    temperature: Temperature,
    alpha: f64,
}

impl SoftInfoNceLoss {
    /// The same loss and parameter with another share of the teacher, which the paper's code raises from 0 over the first
    /// epoch.
    ///
    /// # Errors
    /// [`ConfigError`] if it is not from 0 to 1.
    pub fn with_alpha(self, alpha: f64) -> Result<Self, ConfigError> {
        ConfigError::check_fraction("alpha", alpha)?;
        Ok(Self { alpha, ..self })
    }

    /// The same loss, a learned `T` put back into its bounds.
    pub fn clamped(mut self) -> Self {
        self.temperature = self.temperature.clamped();
        self
    }

    /// `T`, of shape `[1]`, if it is learned.
    pub fn temperature(&self) -> Option<Tensor<1>> {
        self.temperature.value()
    }

    /// The mean over queries.
    ///
    /// # Shapes
    /// - `queries`, `teacher_queries`, `teacher_keys`: `[n, dim]`
    /// - `queue`: `[m, dim]`, `m = 0` for none
    /// - output: `[1]`, zero without queries
    ///
    /// # Panics
    /// If the shapes of the first three differ, or `dim` does.
    pub fn forward(
        &self,
        queries: Tensor<2>,
        teacher_queries: Tensor<2>,
        teacher_keys: Tensor<2>,
        queue: Tensor<2>,
    ) -> Tensor<1> {
        let ([n, dim], [m, of_queue]) = (queries.dims(), queue.dims());
        let beside = [teacher_queries.dims(), teacher_keys.dims()];
        assert_eq!(
            beside,
            [[n, dim]; 2],
            "one query and key of the teacher a query"
        );
        assert_eq!(
            of_queue, dim,
            "rows of the queue have the length of a query"
        );
        if let Some(zero) = zero_without_rows(&[&queries]) {
            return zero;
        }
        let constant = |rows| off_graph(l2_normalize(rows));
        let own = constant(teacher_keys);
        let mut candidates = vec![own.clone()];
        if m > 0 {
            candidates.push(constant(queue));
        }
        let candidates = Tensor::cat(candidates, 0); // [n + m, dim]
        let queries = self.temperature.divide(l2_normalize(queries));
        let taught = off_graph(self.temperature.divide(constant(teacher_queries)));
        self.streamed([&queries, &taught, &own], &candidates)
            .unwrap_or_else(|| self.reduce(queries, taught, candidates.transpose()))
    }

    /// As `log Σⱼ exp(qᵢ · cⱼ) − qᵢ · Σⱼ tᵢⱼ cⱼ`. The mean of the candidates by a softmax is the gradient of its
    /// log-sum-exp. `None` where it cannot be streamed.
    fn streamed(
        &self,
        [queries, taught, own]: [&Tensor<2>; 3],
        candidates: &Tensor<2>,
    ) -> Option<Tensor<1>> {
        let [n, dim] = queries.dims();
        let targets = own.clone() * (1.0 - self.alpha);
        let targets = match self.alpha > 0.0 {
            true => targets + mean_candidates(taught, candidates)? * self.alpha,
            false => targets,
        };
        let towards = (queries.clone() * targets).reshape([n * dim]).sum();
        Some(log_sums(queries, candidates)? - divide(towards, n as f64))
    }

    fn reduce(&self, queries: Tensor<2>, taught: Tensor<2>, candidates: Tensor<2>) -> Tensor<1> {
        let logits = queries.matmul(candidates.clone());
        let taught = softmax(taught.matmul(candidates), 1);
        // Burn's `diag_mask` is false on the diagonal.
        let [n, all] = logits.dims();
        let own = Tensor::<2, Bool>::diag_mask([n, all], 0, &taught.device()).bool_not();
        let own = taught.zeros_like().mask_fill(own, 1.0 - self.alpha);
        let targets = taught * self.alpha + own;
        divide(soft_cross_entropy(targets, logits).sum(), n as f64)
    }
}

/// `log Σⱼ exp(−dᵢⱼ)` of all pairs.
struct LogSums;

impl RowLoss for LogSums {
    fn row<T: Scalar>(&self, pairs: RowPairs<'_, T>) -> Terms {
        let sum = exp_in_range(pairs.distances, -1.0);
        sum.share_out(pairs.distances, -1.0);
        Reducer::Mean.terms_of(sum.value())
    }
}

/// The mean over rows of `log Σⱼ exp(xᵢ · cⱼ)`.
fn log_sums(rows: &Tensor<2>, candidates: &Tensor<2>) -> Option<Tensor<1>> {
    let [[n, _], [m, _]] = [rows.dims(), candidates.dims()];
    // No two are alike.
    let numbers = |numbers| Tensor::<1, Int>::arange(numbers, &rows.device());
    let batch = (rows.clone(), numbers(0..n as i64).into());
    let reference = (candidates.clone(), numbers(n as i64..(n + m) as i64).into());
    let way = (EmbeddingDistance::InnerProduct, Reducer::Mean);
    stream(&LogSums, way, batch, Some(reference))
}

/// `Σⱼ softmaxⱼ(xᵢ · cⱼ) cⱼ` of every row, off the graph.
fn mean_candidates(rows: &Tensor<2>, candidates: &Tensor<2>) -> Option<Tensor<2>> {
    let device = rows.device().without_autodiff();
    let on_graph = |tensor: &Tensor<2>| {
        let constant = tensor.clone().detach().into_data();
        Tensor::<2>::from_data(constant, (&device.clone().autodiff(), tensor.dtype()))
    };
    let x = on_graph(rows).require_grad();
    let gradients = log_sums(&x, &on_graph(candidates))?.backward();
    let mean = x.grad(&gradients)? * rows.dims()[0] as f64;
    Some(Tensor::from_data(
        mean.into_data(),
        (&rows.device(), rows.dtype()),
    ))
}
