use burn::tensor::Tensor;
use metric_core::Scalar;

use super::operation::Found;
use super::row_pairs::{RowPairs, Terms};
use super::rows::Rows;
use super::stream::{Stream, stream};
use crate::distance::EmbeddingDistance;
use crate::labels::Labels;
use crate::reducer::Reducer;

/// A loss that is a sum over rows, each term a function of its row's distances.
///
/// The engine shows each row all its distances at once and takes their derivatives from where they were: no matrix is held,
/// and gradients are exact.
///
/// Cost: the distances of all pairs and two products of the size `n × m × dim`; memory `O((n + m) dim)` and 8 MB.
///
/// # Examples
///
/// The alignment of positives, `Σ over positives of d²`, as a loss of one's own:
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_core::Scalar;
/// use metric_losses::{EmbeddingDistance, Reducer, RowLoss, RowPairs, Terms, row_loss};
///
/// struct Alignment;
/// impl RowLoss for Alignment {
///     fn row<T: Scalar>(&self, pairs: RowPairs<'_, T>) -> Terms {
///         let mut terms = Terms::default();
///         let distances: Vec<T> = pairs.positives.iter().map(|&p| pairs.distances[p]).collect();
///         pairs.distances.fill(T::ZERO);
///         for (&p, d) in pairs.positives.iter().zip(distances) {
///             terms.push(d.to_f64().powi(2));
///             pairs.distances[p] = d + d;
///         }
///         terms
///     }
/// }
///
/// let device = Device::flex().autodiff();
/// let x = Tensor::<2>::from_floats([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]], &device).require_grad();
/// let labels = Tensor::<1, Int>::from_ints([0, 0, 1], &device);
/// let way = (EmbeddingDistance::InnerProduct, Reducer::Mean);
/// let loss = row_loss(&Alignment, way, x.clone(), labels).expect("a CPU tensor");
/// // Rows 0 and 1 are positives of each other, at distance -0.6: 0.36 twice, of two terms.
/// let gradients = loss.backward();
/// assert!((loss.into_scalar::<f32>() - 0.36).abs() < 1e-6);
/// // d/dx₀ of (−x₀ · x₁)² is 2 · 0.6 x₁.
/// let gradient = x.grad(&gradients).unwrap().into_data();
/// assert!((gradient.as_slice::<f32>().unwrap()[0] - 1.2 * 0.6).abs() < 1e-6);
/// ```
pub trait RowLoss: Sync {
    /// What a row adds to the loss. Every distance must be replaced by the derivative of the sum of terms by it; what stands
    /// in the place of a pair that does not count is not looked at, nor are the derivatives of a row without a term.
    fn row<T: Scalar>(&self, pairs: RowPairs<'_, T>) -> Terms;
}

impl<L: RowLoss> Stream for L {
    fn stream<T: Scalar>(&self, rows: &Rows<'_, T>, reducer: Reducer) -> Option<Found<T>> {
        rows.loss(reducer, |pairs| self.row(pairs))
    }
}

/// A loss of one's own over all pairs of a batch.
///
/// `None` unless `x` is on the CPU backend in `f32` or `f64`, with finite numbers and a finite loss, and the distance is the
/// cosine, inner product, Euclidean or squared Euclidean one.
///
/// # Shapes
/// - `x`: `[n, dim]`, `labels`: `[n]`
/// - output: `[1]`
///
/// # Panics
/// If there is not one label a row.
pub fn row_loss(
    loss: &impl RowLoss,
    way: (EmbeddingDistance, Reducer),
    x: Tensor<2>,
    labels: impl Into<Labels>,
) -> Option<Tensor<1>> {
    let labels = labels.into();
    crate::pairs::assert_labels(&x, &labels);
    stream(loss, way, (x, labels), None)
}
