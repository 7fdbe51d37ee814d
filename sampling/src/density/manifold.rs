//! Density along the manifold that the rows lie on.

use metric_core::{Euclidean, knn_self};
use ndarray::{Array2, ArrayView2};

use super::checks::{finite, neighbors};
use super::intrinsic_dimension::likeliest_dimension;
use super::{KnnDensity, LogDensity};
use crate::DensityError;

/// [k-nearest-neighbour density](KnnDensity) in the [dimension](super::maximum_likelihood_dimension) that the same neighbours tell.
///
/// ```text
/// log p(x) = log k − log N − log V_m − m log r_k(x),     m the maximum likelihood dimension of the bank
/// ```
/// For sampling from rows of any number: where there are fewer than `k` neighbours, all are taken, and rows without any spread
/// (fewer than four, or all equal) are equally dense: 0.
///
/// Cost: an exact search for neighbours in the bank, and for queries another one.
///
/// # Examples
///
/// ```
/// use metric_sampling::density::{LogDensity, ManifoldDensity};
/// // Points of a line in space, and of the same line twice as dense.
/// let rows = ndarray::Array2::from_shape_fn((90, 3), |(i, j)| {
///     let at = if i < 30 { i as f32 } else { 30.0 + 0.5 * (i - 30) as f32 };
///     at * [1.0, 2.0, 2.0][j]
/// });
/// let log_density = ManifoldDensity::new(8)?.log_density_self(rows.view())?;
/// let m = metric_sampling::density::maximum_likelihood_dimension(
///     rows.view(), 8, metric_sampling::density::DimensionAverage::Inverse)?;
/// assert!((log_density[75] - log_density[15] - m * 2f64.ln()).abs() < 1e-4);
/// # Ok::<(), metric_sampling::DensityError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ManifoldDensity {
    k: usize,
}

impl ManifoldDensity {
    /// By at most `k` neighbours; the dimension by at least three.
    ///
    /// # Errors
    ///
    /// [`DensityError::Data`] for 0.
    pub fn new(k: usize) -> Result<Self, DensityError> {
        Ok(Self { k: neighbors(k)? })
    }
}

/// By at most ten neighbours.
impl Default for ManifoldDensity {
    fn default() -> Self {
        Self { k: 10 }
    }
}

impl LogDensity for ManifoldDensity {
    fn log_density_self(&self, rows: ArrayView2<'_, f32>) -> Result<Vec<f64>, DensityError> {
        finite("rows", rows)?;
        let n = rows.nrows();
        let Some((m, distances)) = dimension_and_neighbors(rows, self.k)? else {
            return Ok(vec![0.0; n]);
        };
        // The neighbours that tell the dimension tell the density, too.
        let knn = KnnDensity::new(self.k.min(n - 1))?.with_dimension(m)?;
        knn.of_neighbors(&distances, rows)
    }

    fn log_density(
        &self,
        queries: ArrayView2<'_, f32>,
        bank: ArrayView2<'_, f32>,
    ) -> Result<Vec<f64>, DensityError> {
        finite("queries", queries)?;
        finite("bank", bank)?;
        match estimated_dimension(bank, self.k)? {
            Some(m) => {
                let knn = KnnDensity::new(self.k.min(bank.nrows()))?.with_dimension(m)?;
                knn.log_density(queries, bank)
            }
            None => Ok(vec![0.0; queries.nrows()]),
        }
    }
}

/// The maximum likelihood dimension by at most `k` neighbours, but at least three, and at most that of the space; none of
/// fewer than four rows, or if they have no spread.
pub(crate) fn estimated_dimension(
    rows: ArrayView2<'_, f32>,
    k: usize,
) -> Result<Option<f64>, DensityError> {
    Ok(dimension_and_neighbors(rows, k)?.map(|(m, _)| m))
}

/// The same, and the distances to the neighbours, `[n, k]`.
fn dimension_and_neighbors(
    rows: ArrayView2<'_, f32>,
    k: usize,
) -> Result<Option<(f64, Array2<f32>)>, DensityError> {
    let (n, dim) = rows.dim();
    if n < 4 {
        return Ok(None);
    }
    let distances = knn_self(&Euclidean, rows, k.clamp(3, n - 1))?.distances;
    let m = likeliest_dimension(&distances);
    Ok(m.map(|m| (m.min(dim as f64), distances)))
}
