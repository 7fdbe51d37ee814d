use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

use super::class_vectors::{class_vectors, with_values};
use super::cross_entropy::cross_entropy;
use crate::error::{ConfigError, expect_valid};
use crate::labels::Labels;
use crate::numerics::l2_normalize;
use crate::pairs::assert_labels;
use crate::reducer::Reducer;

/// Configuration of [`InstanceLoss`].
#[derive(Config, Debug)]
pub struct InstanceLossConfig {
    /// Number of instances: of images with their texts.
    pub num_instances: usize,
    /// Length of an embedding.
    pub embedding_size: usize,
    /// Scale `γ` of the logits. Default: `1.0`.
    #[config(default = 1.0)]
    pub scale: f64,
    /// Are embeddings and instance vectors brought to length 1 first? Default: `false`.
    #[config(default = false)]
    pub normalize: bool,
    /// Reduction over rows. Default: [`Reducer::Mean`].
    #[config(default = "Reducer::Mean")]
    pub reducer: Reducer,
}

impl InstanceLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_size("num_instances", self.num_instances)?;
        ConfigError::check_size("embedding_size", self.embedding_size)?;
        ConfigError::check_positive("scale", self.scale)?;
        self.reducer.validate()
    }

    /// The loss, with fresh instance vectors.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, device: &Device) -> InstanceLoss {
        expect_valid(self.validate());
        InstanceLoss {
            weight: class_vectors(self.num_instances, self.embedding_size, device),
            scale: self.scale,
            normalize: self.normalize,
            reducer: self.reducer,
        }
    }
}

/// Instance loss (Zheng, Zheng, Garrett, Yang, Xu, Shen, *Dual-Path Convolutional Image-Text Embeddings with Instance
/// Loss*, ACM TOMM 2020, <https://arxiv.org/abs/1711.05535>).
///
/// Every image with its texts is a class `y`. Embeddings of both kinds, `f` and `g`, go through **one** classifier, which
/// is what brings them into one space:
/// ```text
/// ℓ = mean of −log softmax_y(γ W fᵢ)  +  mean of −log softmax_y(γ W gᵢ)
/// ```
/// With [`normalize`](InstanceLossConfig::normalize), rows of `W` and embeddings have length 1. Where other libraries
/// compare the rows of a batch with each other under this name, that is
/// [`MultipleNegativesRankingLoss`](crate::MultipleNegativesRankingLoss) of the rows with themselves.
///
/// Cost: `O(n · instances · dim)` time, `O(n · instances)` memory.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_losses::InstanceLossConfig;
///
/// let device = Device::flex();
/// let axes = Tensor::from_floats([[1.0, 0.0], [0.0, 1.0]], &device);
/// let loss = InstanceLossConfig::new(2, 2).init(&device).with_weight(axes);
/// let image = Tensor::<2>::from_floats([[2.0, 0.0]], &device);
/// let text = Tensor::<2>::from_floats([[1.0, 1.0]], &device);
/// let labels = Tensor::<1, Int>::from_ints([0], &device);
/// // logits 2 and 0: log(1 + e^-2) = 0.12693; 1 and 1: log 2 = 0.69315
/// let value = loss.forward(image, text, labels).into_scalar::<f32>();
/// assert!((value - 0.82008).abs() < 1e-5);
/// ```
#[derive(Module, Debug)]
pub struct InstanceLoss {
    weight: Param<Tensor<2>>,
    scale: f64,
    normalize: bool,
    #[module(skip)]
    reducer: Reducer,
}

impl InstanceLoss {
    /// The loss of rows of two kinds, row `i` of both being of instance `labels[i]`.
    ///
    /// # Shapes
    /// - `images`, `texts`: `[n, dim]`, `labels`: `[n]`, each in `0..num_instances`
    /// - output: `[1]`
    ///
    /// # Panics
    /// If a label is out of range or there is not one a row.
    pub fn forward(
        &self,
        images: Tensor<2>,
        texts: Tensor<2>,
        labels: impl Into<Labels>,
    ) -> Tensor<1> {
        let labels = labels.into();
        self.forward_one(images, labels.clone()) + self.forward_one(texts, labels)
    }

    /// The term of one kind alone.
    ///
    /// # Shapes
    /// - `embeddings`: `[n, dim]`, `labels`: `[n]`, each in `0..num_instances`
    /// - output: `[1]`
    ///
    /// # Panics
    /// If a label is out of range or there is not one a row.
    pub fn forward_one(&self, embeddings: Tensor<2>, labels: impl Into<Labels>) -> Tensor<1> {
        let labels = labels.into();
        assert_labels(&embeddings, &labels);
        let (mut rows, mut weight) = (embeddings, self.weight.val());
        if self.normalize {
            (rows, weight) = (l2_normalize(rows), l2_normalize(weight));
        }
        let logits = rows.matmul(weight.transpose()) * self.scale;
        cross_entropy(logits, &labels, self.reducer)
    }

    /// The same loss with the values of given instance vectors; it is [`weight`](Self::weight) that
    /// gets the gradient.
    ///
    /// # Shapes
    /// - `weight`: `[num_instances, dim]`
    pub fn with_weight(mut self, weight: Tensor<2>) -> Self {
        self.weight = with_values(self.weight, weight);
        self
    }

    /// The instance vectors, `[num_instances, dim]`.
    pub fn weight(&self) -> Tensor<2> {
        self.weight.val()
    }
}
