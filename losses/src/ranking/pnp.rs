use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use metric_core::Scalar;

use super::smooth_rank::{
    Ahead, Number, PairLoss, as_queries, may_be_their_own, mean_over_positives, row_over_positives,
};
use crate::distance::EmbeddingDistance;
use crate::error::{ConfigError, expect_valid};
use crate::labels::Labels;
use crate::ops::{Found, Labelled, Rows, Stream};
use crate::pairs::streamed;
use crate::reducer::Reducer;

/// What [`PnpLoss`] makes of the number `r` of negatives before a positive.
#[derive(Config, Debug, Copy, PartialEq)]
pub enum PnpVariant {
    /// `r`: constant gradient.
    O,
    /// `(1 + r) ln(1 + r)`: gradient grows without bound.
    Iu,
    /// `(b r − ln(1 + b r)) / b²`: gradient grows to `1 / b`.
    Ib,
    /// `ln(1 + r)`: gradient falls slowly.
    Ds,
    /// `1 − (1 + r)^−α`: gradient falls quickly.
    Dq,
}

/// Configuration of [`PnpLoss`].
#[derive(Config, Debug)]
pub struct PnpLossConfig {
    /// What is made of the number of negatives before a positive. Default: [`PnpVariant::O`].
    #[config(default = "PnpVariant::O")]
    pub variant: PnpVariant,
    /// `b` of [`PnpVariant::Ib`]. Default: `2.0`.
    #[config(default = 2.0)]
    pub b: f64,
    /// `α` of [`PnpVariant::Dq`]. Default: `1.0`.
    #[config(default = 1.0)]
    pub alpha: f64,
    /// Temperature `T` of the comparison of two distances. Default: `0.01`.
    #[config(default = 0.01)]
    pub temperature: f64,
    /// Distance `d`. Default: [`EmbeddingDistance::Cosine`].
    #[config(default = "EmbeddingDistance::Cosine")]
    pub distance: EmbeddingDistance,
    /// Reduction over queries. Default: [`Reducer::Mean`].
    #[config(default = "Reducer::Mean")]
    pub reducer: Reducer,
}

impl PnpLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_positive("b", self.b)?;
        ConfigError::check_positive("alpha", self.alpha)?;
        ConfigError::check_positive("temperature", self.temperature)?;
        self.distance.validate()?;
        self.reducer.validate()
    }

    /// The loss.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, _device: &Device) -> PnpLoss {
        expect_valid(self.validate());
        PnpLoss {
            variant: self.variant,
            b: self.b,
            alpha: self.alpha,
            temperature: self.temperature,
            distance: self.distance,
            reducer: self.reducer,
        }
    }
}

/// Penalising negatives before positives (Li et al., *Rethinking the Optimization of Average
/// Precision: Only Penalizing Negative Instances before Positive Ones is Enough*, AAAI 2022,
/// <https://arxiv.org/abs/2102.04640>).
///
/// With `P` the positives of query `q` and `q` itself, `N` its negatives, `σ` the logistic function:
/// ```text
/// r(q, p) = Σ_{n ∈ N} σ((d_qp − d_qn) / T)
/// ℓ_q     = 1/|P| Σ_{p ∈ P} f(r(q, p))        f as PnpVariant says
/// ```
/// The query is among its positives, as in the authors' code. A query without another positive
/// has no loss.
///
/// Cost: `O(p · n)` time for `p` positive pairs beside the distances. Memory `O(n · dim)` where it is
/// [streamed](EmbeddingDistance#streaming): by inner products, and by graded labels, only against a reference set. Else
/// `O(n²)`: the gradient is formed pair by pair and no cube of comparisons is kept; the number of pairs is read back from the
/// device.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_losses::PnpLossConfig;
///
/// let device = Device::flex();
/// let x = Tensor::<2>::from_floats([[1.0, 0.0], [0.0, 1.0], [0.0, -1.0]], &device);
/// let labels = Tensor::<1, Int>::from_ints([0, 0, 1], &device);
/// let loss = PnpLossConfig::new().with_temperature(1.0).init(&device).forward(x, labels);
/// // row 0: p = 1 gives σ(0) = 0.5, p = 0 gives σ(−1) = 0.26894;
/// // row 1: σ(−1) = 0.26894 and σ(−2) = 0.11920; row 2 has no positive: mean of the four
/// assert!((loss.into_scalar::<f32>() - 0.28927).abs() < 1e-5);
/// ```
#[derive(Module, Debug)]
pub struct PnpLoss {
    #[module(skip)]
    variant: PnpVariant,
    b: f64,
    alpha: f64,
    temperature: f64,
    #[module(skip)]
    distance: EmbeddingDistance,
    #[module(skip)]
    reducer: Reducer,
}

impl PnpLoss {
    /// The loss of every row as a query to the batch.
    ///
    /// # Shapes
    /// - `embeddings`: `[n, dim]`, `labels`: `[n]`
    /// - output: `[1]`, zero if no row has a positive
    ///
    /// # Panics
    /// If there is not one label a row.
    pub fn forward(&self, embeddings: Tensor<2>, labels: impl Into<Labels>) -> Tensor<1> {
        self.of_queries((embeddings, labels.into()), None)
    }

    /// The loss of every row as a query to a separate reference set, of which nothing is left out
    /// and to which the query is not added; gradients flow to both.
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
        self.of_queries((embeddings, labels.into()), reference)
    }

    fn of_queries(&self, batch: Labelled, reference: Option<Labelled>) -> Tensor<1> {
        let of_batch = reference.is_none().then(|| batch.1.clone());
        let way = (self.distance, self.reducer);
        streamed(self, way, batch, reference, |distances, masks| {
            let (masks, counted) = as_queries(of_batch.as_ref(), &distances, masks);
            let anchors = masks.anchors.clone();
            let losses =
                mean_over_positives(distances, masks, self.temperature, |ahead| self.pair(ahead));
            self.reducer.reduce_by(losses, counted, &anchors)
        })
    }

    fn pair<X: Number>(&self, ahead: Ahead<X>) -> PairLoss<X> {
        let r = ahead.negatives;
        let (value, slope) = match self.variant {
            PnpVariant::O => (r.clone(), r.all(1.0)),
            PnpVariant::Iu => {
                let log = r.clone().log1p();
                ((r + 1.0) * log.clone(), log + 1.0)
            }
            PnpVariant::Ib => {
                let x = r.clone() * self.b;
                let slope = r / (x.clone() + 1.0);
                (x_minus_log1p(x) / (self.b * self.b), slope)
            }
            PnpVariant::Ds => (r.clone().log1p(), r.all(1.0) / (r + 1.0)),
            PnpVariant::Dq => {
                let power = (r.clone().log1p() * -self.alpha).exp(); // (1 + r)^−α
                let slope = power.clone() / (r + 1.0) * self.alpha;
                (-power + 1.0, slope)
            }
        };
        PairLoss {
            by_positives: value.all(0.0),
            by_negatives: slope,
            value,
        }
    }
}

/// `x − ln(1 + x)` for `x ≥ 0`; below 1/32, where the difference loses digits, by its series
/// `x² (1/2 − x/3 + x²/4 − …)`, whose first term left out is below 1e-12 of the sum.
fn x_minus_log1p<X: Number>(x: X) -> X {
    const SMALL: f64 = 1.0 / 32.0;
    let near = x.clone().at_most(SMALL);
    let series = (2..=9).rev().fold(near.all(0.0), |sum, k| {
        -(sum * near.clone()) + 1.0 / f64::from(k)
    });
    let direct = x.clone() - x.clone().log1p();
    direct.or_below(&x, SMALL, near.clone() * near * series)
}

impl Stream for PnpLoss {
    /// Not where a row may not count as its own positive, nor where its distance to itself has a derivative.
    fn stream<T: Scalar>(&self, rows: &Rows<'_, T>, reducer: Reducer) -> Option<Found<T>> {
        if !may_be_their_own(rows, self.distance) {
            return None;
        }
        rows.loss(reducer, |pairs| {
            row_over_positives(pairs, self.temperature, reducer, |ahead| self.pair(ahead))
        })
    }
}
