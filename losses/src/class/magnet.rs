use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Int, Tensor};

use crate::distance::EmbeddingDistance;
use crate::error::{ConfigError, expect_valid};
use crate::labels::Labels;
use crate::numerics::{common_scale, log_sum_exp};
use crate::pairs::{assert_labels, earlier, equal};
use crate::reducer::Reducer;

/// The least variance, as a part of the largest squared entry: less is rounding.
const LEAST_VARIANCE: f64 = 1e-12;

/// Configuration of [`MagnetLoss`].
#[derive(Config, Debug)]
pub struct MagnetLossConfig {
    /// Gap `α` between clusters, in units of the variance. Default: `1.0`.
    #[config(default = 1.0)]
    pub alpha: f64,
    /// Reduction over rows. Default: [`Reducer::Mean`].
    #[config(default = "Reducer::Mean")]
    pub reducer: Reducer,
}

impl MagnetLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_finite("alpha", self.alpha)?;
        self.reducer.validate()
    }

    /// The loss.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, _device: &Device) -> MagnetLoss {
        expect_valid(self.validate());
        MagnetLoss {
            alpha: self.alpha,
            reducer: self.reducer,
        }
    }
}

/// Magnet loss (Rippel, Paluri, Dollar, Bourdev, *Metric Learning with Adaptive Density Discrimination*, ICLR 2016,
/// <https://arxiv.org/abs/1511.05939>, eq. 4 and 5).
///
/// Each class is a few clusters, `μ` being the mean of a row's own cluster in the batch and `μ_c` that of a cluster of
/// another class:
/// ```text
/// σ² = Σᵢ ‖xᵢ − μᵢ‖² / (n − 1)
/// ℓᵢ = [ −log( e^{−‖xᵢ − μᵢ‖²/(2σ²) − α} / Σ_c e^{−‖xᵢ − μ_c‖²/(2σ²)} ) ]₊
/// ```
/// Clusters of the same class do not compete. Gradients flow through means and variance; the loss does not change
/// with the scale of the rows. Which rows are a cluster (the paper: K-means a class, on embeddings of the whole set, from
/// time to time) and which clusters come into a batch is the caller's. A variance below 1e-12 of the largest squared entry
/// counts as that.
///
/// Cost: `O(n² · dim)` time; memory as [`EmbeddingDistance::matrix`].
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_losses::MagnetLossConfig;
///
/// let device = Device::flex();
/// let x = Tensor::<2>::from_floats([[-1.0], [1.0], [1.0], [3.0]], &device);
/// let labels = Tensor::<1, Int>::from_ints([0, 0, 1, 1], &device);
/// // one cluster a class: means 0 and 2, variance 4/3, so every square is divided by 8/3
/// let loss = MagnetLossConfig::new().init(&device).forward(x, labels.clone(), labels);
/// // rows 1 and 2 are as far from both means: α = 1; rows 0 and 3: 1 + 1/(8/3) − 9/(8/3) < 0
/// assert!((loss.into_scalar::<f32>() - 0.5).abs() < 1e-6);
/// ```
#[derive(Module, Debug)]
pub struct MagnetLoss {
    alpha: f64,
    #[module(skip)]
    reducer: Reducer,
}

impl MagnetLoss {
    /// The loss of every row. Rows are of one cluster if both label and cluster are equal.
    ///
    /// # Shapes
    /// - `embeddings`: `[n, dim]`, `labels`, `clusters`: `[n]`
    /// - output: `[1]`, zero if there is one class
    ///
    /// # Panics
    /// If there is not one label and one cluster a row.
    pub fn forward(
        &self,
        embeddings: Tensor<2>,
        labels: impl Into<Labels>,
        clusters: Tensor<1, Int>,
    ) -> Tensor<1> {
        let labels = labels.into();
        assert_labels(&embeddings, &labels);
        assert_labels(&embeddings, &clusters);
        let [n, _] = embeddings.dims();
        let classes = labels.expect_classes();
        let alike = equal(classes.clone(), classes);
        let same = equal(clusters.clone(), clusters).bool_and(alike.clone());
        let earlier = earlier(n, &same.device());
        let is_first = same.clone().bool_and(earlier).any_dim(1).bool_not(); // [n, 1]
        let is_first = is_first.transpose().expand([n, n]);

        let scale = common_scale(&embeddings, &embeddings);
        let x = embeddings / scale;
        let same = same.float().cast(x.dtype());
        let means = same.clone().matmul(x.clone()) / same.sum_dim(1); // [n, dim]
        let squared = EmbeddingDistance::SquaredEuclidean;
        let own = squared.paired(x.clone(), means.clone()).reshape([n, 1]);
        let variance = own.clone().sum() * (1.0 / (n.max(2) - 1) as f64);
        let variance = variance.clamp_min(LEAST_VARIANCE).reshape([1, 1]);
        // One column a cluster. Less the own distance first, so that what both have in common drops out.
        let gaps = (own - squared.matrix(x, means)) / (variance * 2.0);
        let others = alike.bool_not().bool_and(is_first);
        let lonely = others.clone().any_dim(1).bool_not();
        let losses = (log_sum_exp(gaps, others) + self.alpha).clamp_min(0.0);
        let losses = losses.mask_fill(lonely, 0.0);
        self.reducer.reduce_rows(losses, &labels)
    }
}
