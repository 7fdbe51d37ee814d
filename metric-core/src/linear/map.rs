//! Centre and multiply: what every learner here returns.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2};

use crate::rows::Rows;
use crate::{Error, Mahalanobis, Scalar};

/// A linear map of rows around a mean.
///
/// ```text
/// f(x) = F (x − m),   F [out, dim],   m [dim]
/// ```
/// The Euclidean distance of two images is the Mahalanobis distance of the rows, [`metric`](Self::metric). `F` and `m`
/// are held in `f64` whatever the rows are made of.
///
/// # Examples
///
/// ```
/// use metric_core::linear::LinearMap;
/// use metric_core::{Distance, Euclidean};
/// use ndarray::array;
/// let map = LinearMap::<f32>::new(array![[3.0, 0.0], [4.0, 0.0]].view(), array![1.0, 1.0].view())?;
/// let images = map.transform(array![[1.0f32, 5.0], [2.0, 7.0]].view())?;
/// assert_eq!(images, array![[0.0, 0.0], [3.0, 4.0]]);
/// assert_eq!(map.metric().distance(&[1.0, 5.0], &[2.0, 7.0]), 5.0);
/// # Ok::<(), metric_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct LinearMap<T> {
    metric: Mahalanobis<T>,
    mean: Array1<f64>,
}

impl<T: Scalar> LinearMap<T> {
    /// The map with this matrix `[out, dim]` and mean `[dim]`.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`], [`Error::NonFinite`], or [`Error::DimMismatch`] if the mean has another length than a row of
    /// the matrix.
    pub fn new(matrix: ArrayView2<'_, f64>, mean: ArrayView1<'_, f64>) -> Result<Self, Error> {
        let row = mean.insert_axis(ndarray::Axis(0));
        Rows::checked_pair(("matrix", matrix), ("mean", row))?;
        Self::scaled(matrix.to_owned(), mean.to_owned(), 1.0)
    }

    /// The map whose matrix is `matrix / scale`.
    pub(super) fn scaled(
        matrix: Array2<f64>,
        mean: Array1<f64>,
        scale: f64,
    ) -> Result<Self, Error> {
        let metric = Mahalanobis::from_factor(matrix / scale)?;
        Ok(Self { metric, mean })
    }

    /// `F`, `[out, dim]`.
    pub fn matrix(&self) -> ArrayView2<'_, f64> {
        self.metric.factor()
    }

    /// `m`, `[dim]`.
    pub fn mean(&self) -> ArrayView1<'_, f64> {
        self.mean.view()
    }

    /// Length of the rows it takes.
    pub fn dim(&self) -> usize {
        self.metric.dim()
    }

    /// Length of the images it gives.
    pub fn out(&self) -> usize {
        self.metric.factor().nrows()
    }

    /// The distance that was learned: `‖F (a − b)‖`.
    pub fn metric(&self) -> Mahalanobis<T> {
        self.metric.clone()
    }

    /// Images of `rows` `[n, dim]`: `[n, out]`.
    ///
    /// Computed in `f64` and rounded once; infinite where the image is beyond the range of `T`. Cost: `n · out · dim`,
    /// in parallel over rows.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`], [`Error::NonFinite`] or [`Error::DimMismatch`].
    pub fn transform(&self, rows: ArrayView2<'_, T>) -> Result<Array2<T>, Error> {
        Rows::checked("rows", rows)?;
        if rows.ncols() != self.dim() {
            return Err(Error::DimMismatch {
                left: rows.ncols(),
                right: self.dim(),
            });
        }
        Ok(self.images(rows))
    }

    fn images(&self, rows: ArrayView2<'_, T>) -> Array2<T> {
        let shape = (rows.nrows(), self.out());
        let rows = rows.as_standard_layout();
        let entries = rows.as_slice().expect("rows are in standard layout");
        let images = self.metric.map_rows_from(entries, &self.mean.to_vec());
        let images = images.into_iter().map(T::from_f64).collect();
        Array2::from_shape_vec(shape, images).expect("every row has an image")
    }
}
