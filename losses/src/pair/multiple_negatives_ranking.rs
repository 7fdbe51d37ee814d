use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Int, Tensor};

use crate::distance::EmbeddingDistance;
use crate::error::{ConfigError, expect_valid};
use crate::numerics::{everywhere, negative_log_share};
use crate::pairs::PairMasks;
use crate::reducer::Reducer;

/// Configuration of [`MultipleNegativesRankingLoss`].
#[derive(Config, Debug)]
pub struct MultipleNegativesRankingLossConfig {
    /// Factor `σ` of the similarity; 20 is usual with cosine. Default: `1.0`.
    #[config(default = 1.0)]
    pub scale: f64,
    /// Also rank the anchors for every positive, and take the mean of both. Default: `false`.
    #[config(default = false)]
    pub symmetric: bool,
    /// Distance `d`. Default: [`EmbeddingDistance::InnerProduct`].
    #[config(default = "EmbeddingDistance::InnerProduct")]
    pub distance: EmbeddingDistance,
    /// Reduction over pairs. Default: [`Reducer::Mean`].
    #[config(default = "Reducer::Mean")]
    pub reducer: Reducer,
}

impl MultipleNegativesRankingLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_positive("scale", self.scale)?;
        self.distance.validate()?;
        self.reducer.validate()
    }

    /// The loss.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, _device: &Device) -> MultipleNegativesRankingLoss {
        expect_valid(self.validate());
        MultipleNegativesRankingLoss {
            scale: self.scale,
            symmetric: self.symmetric,
            distance: self.distance,
            reducer: self.reducer,
        }
    }
}

/// Multiple negatives ranking loss (Henderson et al., *Efficient Natural Language Response Suggestion
/// for Smart Reply*, 2017, <https://arxiv.org/abs/1705.00652>, section 4.4).
///
/// For anchors `a` and positives `p`, row by row, and candidates `c`: the positives, and further
/// negatives if there are any:
/// ```text
/// ℓᵢ = −log( e^{−σ d(aᵢ, pᵢ)} / Σ_c e^{−σ d(aᵢ, c)} )
/// ```
/// with `d = −x·y` by default, so that the exponent is `σ aᵢ·c`. Deviates from the paper only by `σ` and
/// by what may be added. Pairs that are alike without saying so count as negatives.
///
/// Cost: `O(n · c · dim)` time for `c` candidates; memory as [`EmbeddingDistance::matrix`].
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use metric_losses::MultipleNegativesRankingLossConfig;
///
/// let device = Device::flex();
/// let anchors = Tensor::<2>::from_floats([[1.0, 0.0], [0.0, 1.0]], &device);
/// let positives = Tensor::<2>::from_floats([[2.0, 0.0], [1.0, 1.0]], &device);
/// let loss = MultipleNegativesRankingLossConfig::new().init(&device).forward(anchors, positives);
/// // products [[2, 1], [0, 1]]: log(1 + e^(1 - 2)) = 0.31326 and log(1 + e^(0 - 1)), the same
/// assert!((loss.into_scalar::<f32>() - 0.31326).abs() < 1e-5);
/// ```
#[derive(Module, Debug)]
pub struct MultipleNegativesRankingLoss {
    scale: f64,
    symmetric: bool,
    #[module(skip)]
    distance: EmbeddingDistance,
    #[module(skip)]
    reducer: Reducer,
}

impl MultipleNegativesRankingLoss {
    /// The loss with the positives of other rows as negatives.
    ///
    /// # Shapes
    /// - `anchors`, `positives`: `[n, dim]`
    /// - output: `[1]`
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn forward(&self, anchors: Tensor<2>, positives: Tensor<2>) -> Tensor<1> {
        assert_eq!(anchors.dims(), positives.dims(), "one positive an anchor");
        self.rank(anchors, positives)
    }

    /// The loss with further negatives for all rows.
    ///
    /// # Shapes
    /// - `anchors`, `positives`: `[n, dim]`, `negatives`: `[m, dim]`
    /// - output: `[1]`
    ///
    /// # Panics
    /// If the shapes of the first two or the lengths of rows differ.
    pub fn forward_with_negatives(
        &self,
        anchors: Tensor<2>,
        positives: Tensor<2>,
        negatives: Tensor<2>,
    ) -> Tensor<1> {
        assert_eq!(anchors.dims(), positives.dims(), "one positive an anchor");
        self.rank(anchors, Tensor::cat(vec![positives, negatives], 0))
    }

    /// The first `n` candidates are the positives.
    fn rank(&self, anchors: Tensor<2>, candidates: Tensor<2>) -> Tensor<1> {
        let [n, _] = anchors.dims();
        let logits = -self.distance.matrix(anchors, candidates) * self.scale;
        let forward = self.of_rows(logits.clone());
        if !self.symmetric {
            return forward;
        }
        let backward = self.of_rows(logits.narrow(1, 0, n).transpose());
        (forward + backward) * 0.5
    }

    /// Every row against all columns; its own is on the diagonal.
    fn of_rows(&self, logits: Tensor<2>) -> Tensor<1> {
        let [n, m] = logits.dims();
        let numbers = |end| Tensor::<1, Int>::arange(0..end as i64, &logits.device());
        let masks = PairMasks::between(numbers(n), numbers(m));
        let losses = negative_log_share(logits.clone(), masks.positive, masks.negative);
        let all = everywhere(&losses);
        self.reducer.reduce(losses, all)
    }
}
