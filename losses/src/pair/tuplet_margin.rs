use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use metric_core::Scalar;

use crate::distance::EmbeddingDistance;
use crate::error::{ConfigError, expect_valid};
use crate::labels::Labels;
use crate::numerics::{l2_normalize, log_sum_exp, softplus, zero_without_rows};
use crate::ops::{
    Labelled, RowLoss, RowPairs, Terms, exp_in_range, sigmoid, softplus as softplus_of, stream,
};
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
/// Cost: `O(n² · dim)` time: the negatives of an anchor are summed once for all its positives. Memory `O(n · dim)` where it
/// is [streamed](EmbeddingDistance#streaming), by `‖â − p̂‖` alone, which leaves half the digits of `sin θ` at opposite rows;
/// else as [`EmbeddingDistance::matrix`].
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
        self.stream((unit.clone(), labels.clone()), None)
            .unwrap_or_else(|| {
                let masks = PairMasks::within(&labels, &unit);
                self.reduce(unit.clone(), unit, masks)
            })
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
        let [x, y] = [embeddings, reference].map(l2_normalize);
        let (batch, others) = (
            (x.clone(), labels.clone()),
            (y.clone(), reference_labels.clone()),
        );
        self.stream(batch, Some(others)).unwrap_or_else(|| {
            let masks = PairMasks::between(&labels, &reference_labels, &x);
            self.reduce(x, y, masks)
        })
    }

    /// `None` where it cannot be streamed, or where a row is zero and has no angles.
    fn stream(&self, unit: Labelled, reference: Option<Labelled>) -> Option<Tensor<1>> {
        let way = (EmbeddingDistance::SquaredEuclidean, self.reducer);
        let loss = stream(self, way, unit.clone(), reference.clone())?;
        let is_zero = |(rows, _): &Labelled| {
            let norms = rows.clone().detach().square().sum_dim(1);
            norms.lower_scalar(0.5).any().into_scalar::<bool>()
        };
        let has_zero = std::iter::once(&unit).chain(&reference).any(is_zero);
        (!has_zero).then_some(loss)
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

impl RowLoss for TupletMarginLoss {
    /// Of unit rows, whose squared distance is `q = 2 − 2 cos θ`; `sin² θ = q (1 − q/4)`.
    fn row<T: Scalar>(&self, mut pairs: RowPairs<'_, T>) -> Terms {
        let (sin, cos) = self.margin.sin_cos();
        let scale = self.scale;
        let is_lonely = pairs.negatives == 0;
        let to_positives = pairs.take_positives();
        let negatives = exp_in_range(pairs.distances, -0.5 * scale);
        let mut terms = Terms::default();
        let mut pushes = 0.0;
        let mut pull_of = |q: T| {
            let q = q.to_f64();
            let sine = (q * (1.0 - 0.25 * q)).max(0.0).sqrt();
            let slack = (1.0 - 0.5 * q) * cos + sine * sin;
            let gap = negatives.value() + scale - scale * slack;
            let (term, pull) = match is_lonely {
                true => (0.0, 0.0),
                false => (softplus_of(gap), sigmoid(gap)),
            };
            let term = self.reducer.terms_of(term);
            terms += term;
            let pull = pull * term.count as f64;
            pushes += pull;
            let of_sine = match sine > 0.0 {
                true => (0.5 - 0.25 * q) / sine,
                false => 0.0,
            };
            T::from_f64(scale * pull * (0.5 * cos - of_sine * sin))
        };
        let pulls: Vec<T> = to_positives.into_iter().map(&mut pull_of).collect();
        negatives.share_out(pairs.distances, -0.5 * scale * pushes);
        pairs.put_positives(pulls);
        terms
    }
}
