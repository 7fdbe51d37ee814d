use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

use super::sinkhorn::{balanced, check};
use super::soft_cross_entropy::soft_cross_entropy;
use crate::class::{class_vectors, with_values};
use crate::error::{ConfigError, expect_valid};
use crate::numerics::{divide, l2_normalize, zero_on_graph, zero_without_rows};

/// Configuration of [`SwappedPredictionLoss`].
#[derive(Config, Debug)]
pub struct SwappedPredictionLossConfig {
    /// Number `k` of prototypes; the paper has 3000 for the 1000 classes of `ImageNet`.
    pub num_prototypes: usize,
    /// Length of an embedding.
    pub embedding_size: usize,
    /// Temperature `T` of predictions. Default: `0.1`.
    #[config(default = 0.1)]
    pub temperature: f64,
    /// Smoothness `ε` of the codes. Default: `0.05`.
    #[config(default = 0.05)]
    pub epsilon: f64,
    /// Iterations that balance the codes. Default: `3`.
    #[config(default = 3)]
    pub iterations: usize,
    /// How many crops, the first ones, have codes. Default: `2`.
    #[config(default = 2)]
    pub code_crops: usize,
}

impl SwappedPredictionLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_size("num_prototypes", self.num_prototypes)?;
        ConfigError::check_size("embedding_size", self.embedding_size)?;
        ConfigError::check_positive("temperature", self.temperature)?;
        check(self.epsilon, self.iterations)?;
        ConfigError::check_size("code_crops", self.code_crops)
    }

    /// The loss, with random prototypes.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, device: &Device) -> SwappedPredictionLoss {
        expect_valid(self.validate());
        SwappedPredictionLoss {
            prototypes: class_vectors(self.num_prototypes, self.embedding_size, device),
            temperature: self.temperature,
            epsilon: self.epsilon,
            iterations: self.iterations,
            code_crops: self.code_crops,
        }
    }
}

/// Swapped prediction of cluster assignments (Caron, Misra, Mairal, Goyal, Bojanowski, Joulin, *Unsupervised Learning
/// of Visual Features by Contrasting Cluster Assignments*, `SwAV`, `NeurIPS` 2020, <https://arxiv.org/abs/2006.09882>,
/// eq. 2).
///
/// With prototypes `cⱼ`, `V` crops `z` and the codes `q` of the first `S` of them, constants from
/// [`sinkhorn`](crate::sinkhorn):
/// ```text
/// ℓ = 1/S Σ_{s ≤ S} 1/(V − 1) Σ_{v ≠ s} 1/n Σᵢ −Σⱼ q(s)ᵢⱼ log softmaxⱼ(ẑ(v)ᵢ · ĉⱼ / T)
/// ```
/// Deviates from the authors' code, which sets prototypes to length 1 before each step: here they may have any length
/// and their directions count. It also keeps them fixed in the first epoch, which is for the caller to do.
///
/// Cost: `O(V · n · k · dim)` time, `O(V · n · k)` memory.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use metric_losses::SwappedPredictionLossConfig;
///
/// let device = Device::flex();
/// let axes = Tensor::from_floats([[2.0, 0.0], [0.0, 3.0]], &device);
/// let loss = SwappedPredictionLossConfig::new(2, 2).with_temperature(1.0).init(&device);
/// let loss = loss.with_prototypes(axes);
/// let crop = Tensor::<2>::from_floats([[1.0, 0.0], [0.0, 5.0]], &device);
/// // Codes within e⁻²⁰ of (1, 0) and (0, 1), cosines 1 and 0: −log(e / (e + 1)) = 0.31326
/// let value = loss.forward(&[crop.clone(), crop]).into_scalar::<f32>();
/// assert!((value - 0.31326).abs() < 1e-5);
/// ```
#[derive(Module, Debug)]
pub struct SwappedPredictionLoss {
    prototypes: Param<Tensor<2>>,
    temperature: f64,
    epsilon: f64,
    iterations: usize,
    code_crops: usize,
}

impl SwappedPredictionLoss {
    /// The loss of a batch by its crops, those with codes first.
    ///
    /// # Shapes
    /// - `crops`: each `[n, dim]`
    /// - output: `[1]`, zero without rows
    ///
    /// # Panics
    /// If there are fewer than two crops or fewer than have codes, or shapes differ.
    pub fn forward(&self, crops: &[Tensor<2>]) -> Tensor<1> {
        self.forward_with_queue(crops, &[])
    }

    /// As [`forward`](Self::forward), the codes balanced over the batch and rows of earlier batches.
    ///
    /// # Shapes
    /// - `crops`: each `[n, dim]`
    /// - `queue`: earlier rows of each crop that has codes, each `[m, dim]`; or nothing at all
    /// - output: `[1]`, zero without rows
    ///
    /// # Panics
    /// If there are fewer than two crops or fewer than have codes, the queue is not one set for each of these, or
    /// shapes differ.
    pub fn forward_with_queue(&self, crops: &[Tensor<2>], queue: &[Tensor<2>]) -> Tensor<1> {
        let (count, coded) = (crops.len(), self.code_crops);
        assert!(
            count >= 2 && count >= coded,
            "predictions need two crops and {coded} with codes, got {count}"
        );
        assert!(
            queue.is_empty() || queue.len() == coded,
            "a queue is one set for each of {coded} crops, got {}",
            queue.len()
        );
        let shape = crops[0].dims();
        assert!(
            crops.iter().all(|crop| crop.dims() == shape),
            "crops have one shape"
        );
        if let Some(zero) = zero_without_rows(&crops.iter().collect::<Vec<_>>()) {
            return zero + zero_on_graph(self.prototypes.val());
        }
        let prototypes = l2_normalize(self.prototypes.val()).transpose(); // [dim, k]
        let score = |rows: &Tensor<2>| l2_normalize(rows.clone()).matmul(prototypes.clone());
        let scores: Vec<Tensor<2>> = crops.iter().map(score).collect();
        let code = |crop: usize| {
            let mut all = vec![scores[crop].clone().detach()];
            let earlier = queue.get(crop).filter(|rows| rows.dims()[0] > 0);
            all.extend(earlier.map(|rows| score(rows).detach()));
            let codes = balanced(Tensor::cat(all, 0), self.epsilon, self.iterations);
            codes.narrow(0, 0, shape[0])
        };
        let codes: Vec<Tensor<2>> = (0..coded).map(code).collect();
        let loss = sum_over_others(&codes, scores, 1.0 / self.temperature);
        divide(loss, (coded * (count - 1) * shape[0]) as f64)
    }

    /// The same loss with the values of given prototypes; it is [`prototypes`](Self::prototypes) that gets the
    /// gradient.
    ///
    /// # Shapes
    /// - `prototypes`: `[k, dim]`
    pub fn with_prototypes(mut self, prototypes: Tensor<2>) -> Self {
        self.prototypes = with_values(self.prototypes, prototypes);
        self
    }

    /// The prototypes, `[k, dim]`, of any length.
    pub fn prototypes(&self) -> Tensor<2> {
        self.prototypes.val()
    }
}

/// `Σ_s Σ_{v ≠ s} Σᵢ −q(s)ᵢ · log softmax(scale · logits(v)ᵢ)` over targets `s` and predictions `v`. Each prediction is
/// compared once, with the sum of its targets; one without any counts as 0, on the graph.
pub(super) fn sum_over_others(
    targets: &[Tensor<2>],
    logits: Vec<Tensor<2>>,
    scale: f64,
) -> Tensor<1> {
    let of_view = |(view, logits): (usize, Tensor<2>)| {
        let others = targets.iter().enumerate().filter(|&(s, _)| s != view);
        match others.map(|(_, q)| q.clone()).reduce(|sum, q| sum + q) {
            Some(targets) => soft_cross_entropy(targets, logits * scale).sum(),
            None => zero_on_graph(logits),
        }
    };
    let terms = logits.into_iter().enumerate().map(of_view);
    terms
        .reduce(|sum, term| sum + term)
        .expect("there is a view")
}
