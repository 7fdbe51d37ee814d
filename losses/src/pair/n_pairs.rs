use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::anchors::Anchors;
use crate::contrast::{MultipleNegativesRankingLoss, MultipleNegativesRankingLossConfig};
use crate::distance::EmbeddingDistance;
use crate::error::{ConfigError, expect_valid};
use crate::host::to_vec;
use crate::labels::Labels;
use crate::numerics::{at_least_f32, zero_on_graph, zero_without_rows};
use crate::ops::places_of_labels;
use crate::pairs::assert_labels;
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
    pub fn init(&self, device: &Device) -> NPairsLoss {
        expect_valid(self.validate());
        let ranking = MultipleNegativesRankingLossConfig::new()
            .with_scale(1.0)
            .with_distance(self.distance)
            .with_reducer(self.reducer);
        NPairsLoss {
            ranking: ranking.init(device),
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
/// which is [`MultipleNegativesRankingLoss`] of these pairs, unscaled. Deviates from the paper: its penalty on the length of
/// embeddings is left to a regularizer. The order of the rows of a class decides which are used.
///
/// Cost for `c` such classes: `O(c² · dim)` time; memory `O(c · dim)` where it is
/// [streamed](EmbeddingDistance#streaming), which it is without weights, else as [`EmbeddingDistance::matrix`]. Labels are
/// read back from the device.
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
    ranking: MultipleNegativesRankingLoss,
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
        let embeddings = at_least_f32(embeddings);
        let first_two = first_two(&labels);
        if first_two[0].is_empty() {
            return zero_on_graph(embeddings);
        }
        let device = embeddings.device();
        let [first, second] = first_two.map(|rows| {
            let count = rows.len();
            Tensor::<1, Int>::from_data(TensorData::new(rows, [count]), &device)
        });
        let lines = Anchors::of(&labels, &embeddings).lines(first.clone(), labels.len());
        let [anchors, positives] = [first, second].map(|rows| embeddings.clone().select(0, rows));
        self.ranking
            .among(anchors, positives.clone(), positives, &lines)
    }
}

/// The first and the second row of each class that has two, in the order of the first.
fn first_two(labels: &Labels) -> [Vec<i64>; 2] {
    let labels = to_vec::<i64>(labels.expect_classes().into_data());
    let (mut classes, _) = places_of_labels(&labels);
    classes.retain(|rows| rows.len() > 1);
    [0, 1].map(|place| classes.iter().map(|rows| rows[place] as i64).collect())
}
