use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Int, Tensor};

use super::triplet_margin::{TripletMarginLoss, TripletMarginLossConfig};
use crate::distance::EmbeddingDistance;
use crate::error::{ConfigError, expect_valid};
use crate::numerics::zero_on_graph;
use crate::pairs::{earlier, indices, pairs_within};
use crate::reducer::Reducer;

/// Configuration of [`QuadrupletLoss`].
#[derive(Config, Debug)]
pub struct QuadrupletLossConfig {
    /// Gap `α₁` to negatives of the anchor. Default: `1.0`.
    #[config(default = 1.0)]
    pub margin: f64,
    /// Gap `α₂` to pairs of two other classes, smaller in the paper. Default: `0.5`.
    #[config(default = 0.5)]
    pub margin_between: f64,
    /// Distance `d`. Default: [`EmbeddingDistance::SquaredEuclidean`].
    #[config(default = "EmbeddingDistance::SquaredEuclidean")]
    pub distance: EmbeddingDistance,
    /// Reduction over triplets and over quadruplets, each on its own. Default:
    /// [`Reducer::AvgNonZero`].
    #[config(default = "Reducer::AvgNonZero")]
    pub reducer: Reducer,
}

impl QuadrupletLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_finite("margin", self.margin)?;
        ConfigError::check_finite("margin_between", self.margin_between)?;
        self.distance.validate()?;
        self.reducer.validate()
    }

    /// The loss.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, device: &Device) -> QuadrupletLoss {
        expect_valid(self.validate());
        QuadrupletLoss {
            triplets: TripletMarginLossConfig::new()
                .with_margin(self.margin)
                .with_distance(self.distance)
                .with_reducer(self.reducer)
                .init(device),
            margin_between: self.margin_between,
            distance: self.distance,
            reducer: self.reducer,
        }
    }
}

/// Quadruplet loss (Chen, Chen, Zhang, Huang, *Beyond Triplet Loss: A Deep Quadruplet Network for
/// Person Re-identification*, CVPR 2017, <https://arxiv.org/abs/1704.01719>, eq. 6).
///
/// For positive pairs `(i, j)`, negatives `k` of `i`, and pairs `(l, k)` of two labels that are both
/// not that of `i`:
/// ```text
/// ℓ = reduce of [d_ij − d_ik + α₁]₊  +  reduce of [d_ij − d_lk + α₂]₊
/// ```
/// Deviates from the paper: `d` is of the embeddings, not learned by layers of its own; the paper adds
/// where this takes a mean over what still costs something, and all quadruplets of the batch are taken,
/// where the paper mines.
///
/// Cost: that of [`TripletMarginLoss`] and `O(p · q)` time and memory for `p` positive and `q` negative
/// pairs, each unordered, whose numbers are read back from the device: `O(n³)` for classes of fixed
/// size.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_losses::QuadrupletLossConfig;
///
/// let device = Device::flex();
/// let x = Tensor::<2>::from_floats([[0.0], [1.0], [5.0], [5.5]], &device);
/// let labels = Tensor::<1, Int>::from_ints([0, 0, 1, 2], &device);
/// let loss = QuadrupletLossConfig::new().init(&device).forward(x, labels);
/// // d(0, 1) = 1 against negatives from 16 on: 0; against d(2, 3) = 0.25: 1 - 0.25 + 0.5
/// assert!((loss.into_scalar::<f32>() - 1.25).abs() < 1e-5);
/// ```
#[derive(Module, Debug)]
pub struct QuadrupletLoss {
    triplets: TripletMarginLoss,
    margin_between: f64,
    #[module(skip)]
    distance: EmbeddingDistance,
    #[module(skip)]
    reducer: Reducer,
}

impl QuadrupletLoss {
    /// The loss over all triplets and quadruplets of the batch.
    ///
    /// # Shapes
    /// - `embeddings`: `[n, dim]`, `labels`: `[n]`
    /// - output: `[1]`, zero if there is neither
    ///
    /// # Panics
    /// If there is not one label a row.
    pub fn forward(&self, embeddings: Tensor<2>, labels: Tensor<1, Int>) -> Tensor<1> {
        let triplets = self.triplets.forward(embeddings.clone(), labels.clone());
        triplets + self.between(embeddings, labels)
    }

    fn between(&self, embeddings: Tensor<2>, labels: Tensor<1, Int>) -> Tensor<1> {
        let [n] = labels.dims();
        let (distances, masks) = pairs_within(self.distance, embeddings, labels.clone());
        let once = earlier(n, &labels.device());
        let (i, j) = indices(masks.positive.bool_and(once.clone()));
        let (l, k) = indices(masks.negative.bool_and(once));
        let ([p], [q]) = (i.dims(), l.dims());
        if p == 0 || q == 0 {
            return zero_on_graph(distances);
        }
        let flat = distances.reshape([n * n]);
        let at =
            |row: &Tensor<1, Int>, column| flat.clone().select(0, row.clone() * n as i64 + column);
        let gaps = at(&i, j).reshape([p, 1]) - at(&l, k.clone()).reshape([1, q]);
        let label = |rows| labels.clone().select(0, rows);
        let own = label(i).reshape([p, 1]).expand([p, q]);
        let differs = |rows| {
            own.clone()
                .not_equal(label(rows).reshape([1, q]).expand([p, q]))
        };
        let valid = differs(l).bool_and(differs(k));
        self.reducer
            .reduce((gaps + self.margin_between).clamp_min(0.0), valid)
    }
}
