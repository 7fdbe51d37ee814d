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

/// Configuration of [`SmoothApLoss`].
#[derive(Config, Debug)]
pub struct SmoothApLossConfig {
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

impl SmoothApLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_positive("temperature", self.temperature)?;
        self.distance.validate()?;
        self.reducer.validate()
    }

    /// The loss.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, _device: &Device) -> SmoothApLoss {
        expect_valid(self.validate());
        SmoothApLoss {
            temperature: self.temperature,
            distance: self.distance,
            reducer: self.reducer,
        }
    }
}

/// Smooth average precision (Brown, Xie, Kalogeiton, Zisserman, *Smooth-AP: Smoothing the Path
/// Towards Large-Scale Image Retrieval*, ECCV 2020, <https://arxiv.org/abs/2007.12163>).
///
/// With `P` the positives of query `q` and `q` itself, `N` its negatives, `σ` the logistic function:
/// ```text
/// D(i, j) = σ((d_qi − d_qj) / T)                    1 if j stands before i
/// AP_q    = 1/|P| Σ_{i ∈ P}  (1 + Σ_{j ∈ P, j ≠ i} D(i, j))
///                          / (1 + Σ_{j ∈ P, j ≠ i} D(i, j) + Σ_{j ∈ N} D(i, j))
/// ℓ_q     = 1 − AP_q
/// ```
/// The query is among its positives, as in the authors' code. Classes may be of any sizes in any
/// order; a query without another positive has no loss.
///
/// Cost: `O(p · n)` time for `p` positive pairs beside the distances. Memory `O(n · dim)` where it is
/// [streamed](EmbeddingDistance#streaming): by inner products, and by graded labels, only against a reference set. Else
/// `O(n²)`: the gradient is formed pair by pair and no cube of comparisons is kept; the number of pairs is read back from the
/// device.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_losses::SmoothApLossConfig;
///
/// let device = Device::flex();
/// let x = Tensor::<2>::from_floats([[1.0, 0.0], [0.0, 1.0], [0.0, -1.0]], &device);
/// let labels = Tensor::<1, Int>::from_ints([0, 0, 1], &device);
/// let loss = SmoothApLossConfig::new().with_temperature(1.0).init(&device).forward(x, labels);
/// // σ(1) = 0.73106, σ(−1) = 0.26894, σ(−2) = 0.11920
/// // row 0: i = 1: 1.73106 / 2.23106 = 0.77589; i = 0: 1.26894 / 1.53788 = 0.82512
/// // row 1: i = 0: 1.73106 / 2.00000 = 0.86553; i = 1: 1.26894 / 1.38814 = 0.91413
/// // row 2 has no positive; 1 less the mean of the four
/// assert!((loss.into_scalar::<f32>() - 0.15483).abs() < 2e-5);
/// ```
#[derive(Module, Debug)]
pub struct SmoothApLoss {
    temperature: f64,
    #[module(skip)]
    distance: EmbeddingDistance,
    #[module(skip)]
    reducer: Reducer,
}

impl SmoothApLoss {
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
            let losses = mean_over_positives(distances, masks, self.temperature, pair);
            self.reducer.reduce_by(losses, counted, &anchors)
        })
    }
}

impl Stream for SmoothApLoss {
    /// Not where a row may not count as its own positive, nor where its distance to itself has a derivative.
    fn stream<T: Scalar>(&self, rows: &Rows<'_, T>, reducer: Reducer) -> Option<Found<T>> {
        if !may_be_their_own(rows, self.distance) {
            return None;
        }
        rows.loss(reducer, |pairs| {
            row_over_positives(pairs, self.temperature, reducer, pair)
        })
    }
}

/// `1 − a / (a + n)` with `a` the place among positives, which is `n / (a + n)`.
fn pair<X: Number>(ahead: Ahead<X>) -> PairLoss<X> {
    let place = ahead.positives + 1.0;
    let rank = place.clone() + ahead.negatives.clone();
    let value = ahead.negatives / rank.clone();
    PairLoss {
        by_positives: -value.clone() / rank.clone(),
        by_negatives: place / (rank.clone() * rank),
        value,
    }
}
