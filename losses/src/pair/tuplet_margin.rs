use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::distance::EmbeddingDistance;
use crate::error::{ConfigError, expect_valid};
use crate::labels::Labels;
use crate::numerics::{l2_normalize, log_sum_exp, softplus, zero_without_rows};
use crate::pairs::{PairMasks, assert_labels};
use crate::reducer::Reducer;

/// Configuration of [`TupletMarginLoss`].
#[derive(Config, Debug)]
pub struct TupletMarginLossConfig {
    /// Slack `β` taken off the angle of a positive pair, in radians. Default: `0.1`.
    #[config(default = 0.1)]
    pub margin: f64,
    /// Scale `s` of the cosines. Default: `64.0`.
    #[config(default = 64.0)]
    pub scale: f64,
    /// Reduction over positive pairs. Default: [`Reducer::Mean`].
    #[config(default = "Reducer::Mean")]
    pub reducer: Reducer,
}

impl TupletMarginLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check(
            (0.0..=std::f64::consts::PI).contains(&self.margin),
            "margin",
            "an angle in radians from 0 to pi",
            self.margin,
        )?;
        ConfigError::check_positive("scale", self.scale)?;
        self.reducer.validate()
    }

    /// The loss.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, _device: &Device) -> TupletMarginLoss {
        expect_valid(self.validate());
        TupletMarginLoss {
            margin: self.margin,
            scale: self.scale,
            reducer: self.reducer,
        }
    }
}

/// Tuplet margin loss (Yu, Tao, *Deep Metric Learning with Tuplet Margin Loss*, ICCV 2019, eq. 5).
///
/// For every positive pair `(a, p)`, `θ` being angles to `a` and `N` its negatives:
/// ```text
/// ℓ(a, p) = log(1 + Σ_{n ∈ N} e^{s (cos θ_n − cos(θ_p − β))})
/// ```
/// Embeddings may have any length. A pair without negatives costs 0 and counts. No arccosine is taken:
/// `cos(θ − β) = cos θ cos β + sin θ sin β` with `sin θ = ½ ‖â − p̂‖ ‖â + p̂‖`, accurate at both ends,
/// where its gradient is 0.
///
/// Cost: `O(n² · dim)` time; memory as [`EmbeddingDistance::matrix`]: the negatives of an anchor are
/// summed once for all its positives.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_losses::TupletMarginLossConfig;
///
/// let device = Device::flex();
/// let x = Tensor::<2>::from_floats([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], &device);
/// let labels = Tensor::<1, Int>::from_ints([0, 0, 1], &device);
/// let loss = TupletMarginLossConfig::new().with_scale(1.0).init(&device).forward(x, labels);
/// // (0, 1) and (1, 0): log(1 + e^(0 - cos 0.1)) = log(1 + e^-0.99500) = 0.31461
/// assert!((loss.into_scalar::<f32>() - 0.31461).abs() < 1e-5);
/// ```
#[derive(Module, Debug)]
pub struct TupletMarginLoss {
    margin: f64,
    scale: f64,
    #[module(skip)]
    reducer: Reducer,
}

impl TupletMarginLoss {
    /// The loss over all positive pairs of the batch.
    ///
    /// # Shapes
    /// - `embeddings`: `[n, dim]`, `labels`: `[n]`
    /// - output: `[1]`, zero if there is no positive pair
    ///
    /// # Panics
    /// If there is not one label a row.
    pub fn forward(&self, embeddings: Tensor<2>, labels: impl Into<Labels>) -> Tensor<1> {
        let labels = labels.into();
        assert_labels(&embeddings, &labels);
        if let Some(zero) = zero_without_rows(&[&embeddings]) {
            return zero;
        }
        let unit = l2_normalize(embeddings);
        let masks = PairMasks::within(&labels, &unit);
        self.reduce(unit.clone(), unit, masks)
    }

    /// The loss over all positive pairs, of a row of the batch and rows of a separate reference set; nothing
    /// is left out, gradients flow to both.
    ///
    /// # Shapes
    /// - `embeddings`: `[n, dim]`, `labels`: `[n]`, `reference`: `[m, dim]`,
    ///   `reference_labels`: `[m]`
    /// - output: `[1]`
    ///
    /// # Panics
    /// If there is not one label a row, labels are of two kinds, or `dim` differs.
    pub fn forward_against(
        &self,
        embeddings: Tensor<2>,
        labels: impl Into<Labels>,
        reference: Tensor<2>,
        reference_labels: impl Into<Labels>,
    ) -> Tensor<1> {
        let (labels, reference_labels) = (labels.into(), reference_labels.into());
        assert_labels(&embeddings, &labels);
        assert_labels(&reference, &reference_labels);
        if let Some(zero) = zero_without_rows(&[&embeddings, &reference]) {
            return zero;
        }
        let masks = PairMasks::between(&labels, &reference_labels, &embeddings);
        self.reduce(l2_normalize(embeddings), l2_normalize(reference), masks)
    }

    fn reduce(&self, x: Tensor<2>, y: Tensor<2>, masks: PairMasks) -> Tensor<1> {
        let cosines = x.clone().matmul(y.clone().transpose());
        let shape = cosines.dims();
        let pushed = log_sum_exp(cosines.clone() * self.scale, masks.negative.clone()); // [n, 1]
        let lonely = masks.negative.any_dim(1).bool_not().expand(shape);
        let gaps = pushed - self.with_slack(cosines, x, y) * self.scale;
        self.reducer.reduce_by(
            softplus(gaps).mask_fill(lonely, 0.0),
            masks.positive,
            &masks.anchors,
        )
    }

    /// `cos(θ − β)` of all pairs of unit rows.
    fn with_slack(&self, cosines: Tensor<2>, x: Tensor<2>, y: Tensor<2>) -> Tensor<2> {
        let (sin, cos) = self.margin.sin_cos();
        let chord = |y| EmbeddingDistance::Euclidean.matrix(x.clone(), y);
        cosines * cos + chord(y.clone()) * chord(-y) * (0.5 * sin)
    }
}
