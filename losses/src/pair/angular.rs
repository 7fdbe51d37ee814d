use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::error::{ConfigError, expect_valid};
use crate::labels::Labels;
use crate::numerics::{
    at_least_f32, everywhere, l2_normalize, log_one_plus_sum_exp, zero_on_graph, zero_without_rows,
};
use crate::ops::{Labelled, SumsOfPairs};
use crate::pairs::{PairMasks, assert_labels, indices};
use crate::reducer::Reducer;

/// Configuration of [`AngularLoss`].
#[derive(Config, Debug)]
pub struct AngularLossConfig {
    /// Largest angle `α` at the negative, in radians. Default: 45 degrees.
    #[config(default = "std::f64::consts::FRAC_PI_4")]
    pub alpha: f64,
    /// Whether negatives are normalized too; the others always are. Default: `true`.
    #[config(default = true)]
    pub normalize_negatives: bool,
    /// Reduction over positive pairs. Default: [`Reducer::Mean`].
    #[config(default = "Reducer::Mean")]
    pub reducer: Reducer,
}

impl AngularLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check(
            self.alpha > 0.0 && self.alpha < std::f64::consts::FRAC_PI_2,
            "alpha",
            "an angle in radians between 0 and pi/2",
            self.alpha,
        )?;
        self.reducer.validate()
    }

    /// The loss.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, _device: &Device) -> AngularLoss {
        expect_valid(self.validate());
        AngularLoss {
            alpha: self.alpha,
            normalize_negatives: self.normalize_negatives,
            reducer: self.reducer,
        }
    }
}

/// Angular loss (Wang, Zhou, Wen, Liu, Lin, *Deep Metric Learning with Angular Loss*, ICCV 2017,
/// <https://arxiv.org/abs/1708.01682>, eq. 7 and 8).
///
/// For every positive pair `(a, p)` of unit rows and its negatives `N`:
/// ```text
/// f(n)    = 4 tan²α (a + p)·n − 2 (1 + tan²α) a·p
/// ℓ(a, p) = log(1 + Σ_{n ∈ N} e^{f(n)})
/// ```
/// Rows are normalized inside, as the paper assumes them; `normalize_negatives` off leaves negatives as
/// given. A pair without negatives costs 0 and counts. The paper's sum with the N-pair loss is left to
/// the caller.
///
/// Cost for `p` positive pairs in classes of at most `k`: where it is [streamed](crate::EmbeddingDistance#streaming), which it is for
/// classes, `O(n² · (dim + k))` time, because the power of `(a + p)·n` is the product of two that all pairs of a class share;
/// memory `O(n · dim + n · k + p)`. Else `O(p · n · dim)` time and `O(p · n)` memory, and `p` is read back from the device.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_losses::AngularLossConfig;
///
/// let device = Device::flex();
/// let x = Tensor::<2>::from_floats([[2.0, 0.0], [1.0, 0.0], [0.0, 1.0]], &device);
/// let labels = Tensor::<1, Int>::from_ints([0, 0, 1], &device);
/// let loss = AngularLossConfig::new().init(&device).forward(x, labels);
/// // tan² 45° = 1, so f = 4 · 0 - 4 · 1 for (0, 1) and (1, 0): log(1 + e^-4) = 0.01815
/// assert!((loss.into_scalar::<f32>() - 0.01815).abs() < 1e-5);
/// ```
#[derive(Module, Debug)]
pub struct AngularLoss {
    alpha: f64,
    normalize_negatives: bool,
    #[module(skip)]
    reducer: Reducer,
}

impl AngularLoss {
    /// The loss over all positive pairs of the batch.
    ///
    /// # Shapes
    /// - `embeddings`: `[n, dim]`, `labels`: `[n]`
    /// - output: `[1]`, zero if there is no positive pair
    ///
    /// # Panics
    /// If there is not one label a row.
    pub fn forward(&self, embeddings: Tensor<2>, labels: impl Into<Labels>) -> Tensor<1> {
        self.over((embeddings, labels.into()), None)
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
        let reference = Some((reference, reference_labels.into()));
        self.over((embeddings, labels.into()), reference)
    }

    fn over(&self, (x, labels): Labelled, reference: Option<Labelled>) -> Tensor<1> {
        assert_labels(&x, &labels);
        let anchors = l2_normalize(x.clone());
        let (positives, negatives, of_reference) = match reference {
            Some((y, labels)) => {
                assert_labels(&y, &labels);
                (l2_normalize(y.clone()), y, Some(labels))
            }
            None => (anchors.clone(), x, None),
        };
        if let Some(zero) = zero_without_rows(&[&anchors, &positives]) {
            return zero;
        }
        let negatives = match self.normalize_negatives {
            true => positives.clone(),
            false => at_least_f32(negatives),
        };
        let rows = [anchors, positives, negatives];
        self.sums()
            .stream(rows.clone(), &labels, of_reference.as_ref())
            .unwrap_or_else(|| {
                let masks = match &of_reference {
                    Some(of) => PairMasks::between(&labels, of, &rows[0]),
                    None => PairMasks::within(&labels, &rows[0]),
                };
                self.reduce(rows, masks)
            })
    }

    fn sums(&self) -> SumsOfPairs {
        let tan2 = self.alpha.tan().powi(2);
        SumsOfPairs {
            scale: 4.0 * tan2,
            own: 2.0 * (1.0 + tan2),
            reducer: self.reducer,
        }
    }

    /// `rows` are the unit rows, the unit references, and these as negatives.
    fn reduce(&self, rows: [Tensor<2>; 3], masks: PairMasks) -> Tensor<1> {
        let [anchors, positives, negatives] = rows;
        let (of_anchor, of_positive) = indices(masks.positive);
        let [count] = of_anchor.dims();
        let lines = masks.anchors.lines(of_anchor.clone(), anchors.dims()[0]);
        if count == 0 {
            return zero_on_graph(anchors) + zero_on_graph(positives);
        }
        let SumsOfPairs { scale, own, .. } = self.sums();
        // Through integers: Flex 0.22.1 selects rows of a Bool tensor into one of another type.
        let valid = masks
            .negative
            .int()
            .select(0, of_anchor.clone())
            .equal_scalar(1);
        let anchors = anchors.select(0, of_anchor); // [pairs, dim]
        let positives = positives.select(0, of_positive);
        let alike = (anchors.clone() * positives.clone()).sum_dim(1);
        let across = (anchors + positives).matmul(negatives.transpose()); // [pairs, m]
        let f = across * scale - alike * own;
        let losses = log_one_plus_sum_exp(f, valid);
        let all = everywhere(&losses);
        self.reducer.reduce_by(losses, all, &lines)
    }
}
