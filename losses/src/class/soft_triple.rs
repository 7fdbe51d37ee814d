use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Int, Tensor};
use metric_core::Scalar;
use metric_core::simd::{exp_in_place, largest};

use super::class_vectors::{class_vectors, with_values};
use super::cross_entropy::{cross_entropy, target_mask, zero_if_empty};
use crate::distance::EmbeddingDistance;
use crate::error::{ConfigError, expect_valid};
use crate::labels::Labels;
use crate::numerics::{at_least_f32, divide, l2_normalize};
use crate::ops::{
    RowLoss, RowPairs, Terms, distances_within_groups, exp_in_range, sigmoid, softplus, stream,
};
use crate::reducer::Reducer;

/// Configuration of [`SoftTripleLoss`].
#[derive(Config, Debug)]
pub struct SoftTripleLossConfig {
    /// Number of classes.
    pub num_classes: usize,
    /// Length of an embedding.
    pub embedding_size: usize,
    /// Centres `K` of a class. Default: `10`.
    #[config(default = 10)]
    pub centers_per_class: usize,
    /// Scale `λ` of the logits. Default: `20.0`.
    #[config(default = 20.0)]
    pub lambda: f64,
    /// Temperature `γ` among the centres of a class. Default: `0.1`.
    #[config(default = 0.1)]
    pub gamma: f64,
    /// Margin `δ` of the target. Default: `0.01`.
    #[config(default = 0.01)]
    pub margin: f64,
    /// Weight `τ` of the term that merges centres. Default: `0.2`.
    #[config(default = 0.2)]
    pub tau: f64,
    /// Reduction over rows. Default: [`Reducer::Mean`].
    #[config(default = "Reducer::Mean")]
    pub reducer: Reducer,
}

impl SoftTripleLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_size("num_classes", self.num_classes)?;
        ConfigError::check_size("embedding_size", self.embedding_size)?;
        ConfigError::check_size("centers_per_class", self.centers_per_class)?;
        ConfigError::check_positive("lambda", self.lambda)?;
        ConfigError::check_positive("gamma", self.gamma)?;
        ConfigError::check_finite("margin", self.margin)?;
        ConfigError::check_not_negative("tau", self.tau)?;
        self.reducer.validate()
    }

    /// The loss, with fresh centres.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, device: &Device) -> SoftTripleLoss {
        expect_valid(self.validate());
        let centers = self.num_classes * self.centers_per_class;
        SoftTripleLoss {
            weight: class_vectors(centers, self.embedding_size, device),
            centers_per_class: self.centers_per_class,
            lambda: self.lambda,
            gamma: self.gamma,
            margin: self.margin,
            tau: self.tau,
            reducer: self.reducer,
        }
    }
}

/// SoftTriple loss (Qian, Shang, Sun, Hu, Li, Jin, *SoftTriple Loss: Deep Metric Learning Without
/// Triplet Sampling*, ICCV 2019, <https://arxiv.org/abs/1909.05235>, sec. 3).
///
/// Every class `c` has `K` centres; with `sₖ = x̂ᵢ · ŵ_ck`:
/// ```text
/// S_c = Σₖ softmaxₖ(sₖ / γ) sₖ
/// ℓᵢ  = −log( e^{λ (S_y − δ)} / (e^{λ (S_y − δ)} + Σ_{c ≠ y} e^{λ S_c}) )
/// ℓ   = mean ℓᵢ + τ Σ_c Σ_{s < t} ‖ŵ_cs − ŵ_ct‖ / (C K (K − 1))
/// ```
/// The last term makes centres of a class coincide that are not needed; it is added after the
/// reduction.
///
/// Cost: `O(n · K · classes · dim)` time; memory `O((n + K · classes) dim)` where it is
/// [streamed](EmbeddingDistance#streaming), else `O(n · K · classes)`; for the last term `O(classes · K² · dim)` time, and where
/// it is not streamed memory.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_losses::SoftTripleLossConfig;
///
/// let device = Device::flex();
/// let axes = Tensor::from_floats([[2.0, 0.0], [0.0, 3.0]], &device);
/// let loss = SoftTripleLossConfig::new(1, 2).with_centers_per_class(2).init(&device);
/// let loss = loss.with_weight(axes);
/// let x = Tensor::<2>::from_floats([[5.0, 0.0]], &device);
/// let labels = Tensor::<1, Int>::from_ints([0], &device);
/// // one class: −log 1 = 0; centres √2 apart: 0.2 · 1.41421 / (1 · 2 · 1) = 0.14142
/// assert!((loss.forward(x, labels).into_scalar::<f32>() - 0.14142).abs() < 1e-5);
/// ```
#[derive(Module, Debug)]
pub struct SoftTripleLoss {
    weight: Param<Tensor<2>>,
    centers_per_class: usize,
    lambda: f64,
    gamma: f64,
    margin: f64,
    tau: f64,
    #[module(skip)]
    reducer: Reducer,
}

impl SoftTripleLoss {
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
        let value = self.streamed(&embeddings, &labels);
        let centers = l2_normalize(self.weight.val());
        let value = value.unwrap_or_else(|| self.reduce(embeddings, centers.clone(), &labels));
        if self.tau > 0.0 && self.centers_per_class > 1 {
            value + self.spread(centers) * self.tau
        } else {
            value
        }
    }

    fn streamed(&self, embeddings: &Tensor<2>, labels: &Labels) -> Option<Tensor<1>> {
        let weight = at_least_f32(self.weight.val());
        let ([centers, _], k) = (weight.dims(), self.centers_per_class);
        let numbers = |count: usize| Tensor::<1, Int>::arange(0..count as i64, &weight.device());
        // A label out of range has no centre: the selection says which.
        let _ = numbers(centers / k).select(0, labels.expect_classes());
        let numbers = numbers(centers) / k as i64;
        let way = (EmbeddingDistance::Cosine, self.reducer);
        let batch = (at_least_f32(embeddings.clone()), labels.clone());
        stream(self, way, batch, Some((weight, numbers.into())))
    }

    fn reduce(&self, embeddings: Tensor<2>, centers: Tensor<2>, labels: &Labels) -> Tensor<1> {
        let cosines = l2_normalize(embeddings).matmul(centers.transpose());
        let [n, columns] = cosines.dims();
        let classes = columns / self.centers_per_class;
        let cosines = cosines.reshape([n, classes, self.centers_per_class]);
        let weights = softmax(divide(cosines.clone(), self.gamma), 2);
        let similarities = (cosines * weights).sum_dim(2).squeeze_dim::<2>(2);
        let is_target = target_mask(labels.expect_classes(), classes);
        let with_margin = similarities.clone() - self.margin;
        let logits = similarities.mask_where(is_target, with_margin) * self.lambda;
        cross_entropy(logits, labels, self.reducer)
    }

    /// Distances between unit centres of the same class, by the formula above without `τ`.
    fn spread(&self, centers: Tensor<2>) -> Tensor<1> {
        let ([rows, _], k) = (centers.dims(), self.centers_per_class);
        let sum = distances_within_groups(&centers, k);
        let sum = sum.unwrap_or_else(|| self.listed_distances(centers));
        divide(sum, (rows * (k - 1)) as f64)
    }

    /// Their sum, by a list of all pairs.
    fn listed_distances(&self, centers: Tensor<2>) -> Tensor<1> {
        let ([rows, _], k) = (centers.dims(), self.centers_per_class);
        let index = |pick: fn((i64, i64)) -> i64| {
            let classes = (0..rows as i64).step_by(k);
            let pairs = classes.flat_map(|first| {
                (0..k as i64).flat_map(move |t| (0..t).map(move |s| (first + s, first + t)))
            });
            let indices: Vec<i64> = pairs.map(pick).collect();
            Tensor::<1, Int>::from_ints(indices.as_slice(), &centers.device())
        };
        let (s, t) = (index(|(s, _)| s), index(|(_, t)| t));
        let pairs = (centers.clone().select(0, s), centers.select(0, t));
        EmbeddingDistance::Euclidean.paired(pairs.0, pairs.1).sum()
    }

    /// The same loss with the values of given centres; it is [`weight`](Self::weight) that
    /// gets the gradient.
    ///
    /// # Shapes
    /// - `weight`: `[num_classes · centers_per_class, dim]`, the centres of a class together
    pub fn with_weight(mut self, weight: Tensor<2>) -> Self {
        self.weight = with_values(self.weight, weight);
        self
    }

    /// The centres, `[num_classes · centers_per_class, dim]`, of any length.
    pub fn weight(&self) -> Tensor<2> {
        self.weight.val()
    }
}

impl RowLoss for SoftTripleLoss {
    fn row<T: Scalar>(&self, pairs: RowPairs<'_, T>) -> Terms {
        let own = pairs.positives[0] / self.centers_per_class;
        let classes = pairs.distances.chunks_mut(self.centers_per_class);
        let mut similarities: Vec<T> = classes.map(|class| self.similarity(class)).collect();
        let to_own = similarities[own].to_f64() - self.margin;
        similarities[own] = T::from_f64(f64::NEG_INFINITY);
        let others = exp_in_range(&mut similarities, self.lambda);
        let gap = others.value() - self.lambda * to_own;
        let slope = self.lambda * sigmoid(gap);
        others.share_out(&mut similarities, slope);
        similarities[own] = T::from_f64(-slope);
        let classes = pairs.distances.chunks_mut(self.centers_per_class);
        for (class, slope) in classes.zip(similarities) {
            // Of similarities, which fall as distances rise.
            class.iter_mut().for_each(|by| *by = T::ZERO - *by * slope);
        }
        self.reducer.terms_of(softplus(gap))
    }
}

impl SoftTripleLoss {
    /// `S` of the centres of a class. Puts its derivative by each `s` in the place of the distance.
    fn similarity<T: Scalar>(&self, distances: &mut [T]) -> T {
        let nearest = T::ZERO - largest(distances, T::ZERO - T::ONE);
        let mut weights: Vec<T> = distances.iter().map(|&d| d - nearest).collect();
        let inverse = T::from_f64(1.0 / self.gamma);
        let sum = exp_in_place(&mut weights, T::ZERO - inverse, T::ZERO);
        // How far `S` is below the similarity to the nearest.
        let terms = distances.iter().zip(&weights);
        let below = terms.fold(T::ZERO, |below, (&d, &weight)| {
            below + (d - nearest) * weight
        });
        let below = below / sum;
        for (d, &weight) in distances.iter_mut().zip(&weights) {
            let above = below - (*d - nearest);
            *d = weight / sum * (T::ONE + above * inverse);
        }
        T::ONE - nearest - below
    }
}
