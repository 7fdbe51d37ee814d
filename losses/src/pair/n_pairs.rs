use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::distance::EmbeddingDistance;
use crate::error::{ConfigError, expect_valid};
use crate::labels::Labels;
use crate::numerics::{negative_log_share, zero_without_rows};
use crate::pairs::{assert_labels, occurrence, pairs_within};
use crate::reducer::Reducer;

/// Configuration of [`NPairsLoss`].
#[derive(Config, Debug)]
pub struct NPairsLossConfig {
    /// Distance `d`. Default: [`EmbeddingDistance::InnerProduct`].
    #[config(default = "EmbeddingDistance::InnerProduct")]
    pub distance: EmbeddingDistance,
    /// Reduction over classes. Default: [`Reducer::Mean`].
    #[config(default = "Reducer::Mean")]
    pub reducer: Reducer,
}

impl NPairsLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.distance.validate()?;
        self.reducer.validate()
    }

    /// The loss.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, _device: &Device) -> NPairsLoss {
        expect_valid(self.validate());
        NPairsLoss {
            distance: self.distance,
            reducer: self.reducer,
        }
    }
}

/// N-pair loss (Sohn, *Improved Deep Metric Learning with Multi-class N-pair Loss Objective*, NIPS
/// 2016, eq. 6 and 8: N-pair-mc).
///
/// Of every class with two rows or more, the first row is the anchor `a` and the second the positive
/// `p`; with `d = −x·y` by default and `j` over those classes:
/// ```text
/// ℓᵢ = log(1 + Σ_{j ≠ i} e^{d(aᵢ, pᵢ) − d(aᵢ, pⱼ)})
/// ```
/// Deviates from the paper: its penalty on the length of embeddings is left to a regularizer. The order
/// of the rows of a class decides which are used.
///
/// Cost: `O(n² · dim)` time; memory as [`EmbeddingDistance::matrix`].
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_losses::NPairsLossConfig;
///
/// let device = Device::flex();
/// let x = Tensor::<2>::from_floats([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]], &device);
/// let labels = Tensor::<1, Int>::from_ints([0, 0, 1, 1], &device);
/// let loss = NPairsLossConfig::new().init(&device).forward(x, labels);
/// // anchors 0 and 2, positives 1 and 3: log(1 + e^(0 - 1)) = 0.31326 for both
/// assert!((loss.into_scalar::<f32>() - 0.31326).abs() < 1e-5);
/// ```
#[derive(Module, Debug)]
pub struct NPairsLoss {
    #[module(skip)]
    distance: EmbeddingDistance,
    #[module(skip)]
    reducer: Reducer,
}

impl NPairsLoss {
    /// The loss over the first two rows of every class of the batch.
    ///
    /// # Shapes
    /// - `embeddings`: `[n, dim]`, `labels`: `[n]`
    /// - output: `[1]`, zero if no class has two rows
    ///
    /// # Panics
    /// If there is not one label a row, or labels are not integers: which row is the second of a class is not defined then.
    pub fn forward(&self, embeddings: Tensor<2>, labels: impl Into<Labels>) -> Tensor<1> {
        let labels = labels.into();
        assert_labels(&embeddings, &labels);
        if let Some(zero) = zero_without_rows(&[&embeddings]) {
            return zero;
        }
        let n = labels.len();
        let order = occurrence(labels.expect_classes());
        let (distances, masks) = pairs_within(self.distance, embeddings, labels);
        let second = order.clone().equal_elem(1).reshape([1, n]).expand([n, n]);
        let own = masks.positive.bool_and(second.clone());
        let other = masks.negative.bool_and(second);
        let first = order.equal_elem(0).reshape([n, 1]);
        let anchors = first.bool_and(own.clone().any_dim(1));
        self.reducer.reduce_by(
            negative_log_share(-distances, 1.0, own, other),
            anchors,
            &masks.anchors,
        )
    }
}
