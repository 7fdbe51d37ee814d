//! Relevant components.

use ndarray::{ArrayView2, Axis};

use super::LinearMap;
use super::centred::{Centred, move_to_means, shrink};
use super::covariance::{Estimator, Moments, Whitening};
use crate::{Error, Scalar};

/// Relevant component analysis (Bar-Hillel, Hertz, Shental & Weinshall, *Learning a Mahalanobis metric from equivalence
/// constraints*, 2005, section 2 and eq. 1).
///
/// A chunklet is a set of rows known to be of one class, whichever that is. With the mean `mⱼ` of chunklet `j` and `N`
/// rows in chunklets:
/// ```text
/// C = Σⱼ Σᵢ (xⱼᵢ − mⱼ) (xⱼᵢ − mⱼ)ᵀ / N,   F = C^(−1/2)
/// ```
/// Directions that vary among rows known to be the same count less. Chunklets of one row say nothing and are left out.
/// The paper's reduction of the dimension is left to [`Pca`](super::Pca) beforehand. Cost: `N dim² + 9 dim³`.
///
/// # Examples
///
/// ```
/// use metric_core::linear::Rca;
/// use ndarray::array;
/// let rows = array![[0.0f64, 4.0], [0.0, -4.0], [1.0, 0.0], [3.0, 0.0], [9.0, 9.0]];
/// let map = Rca::new().fit(rows.view(), &[Some(0), Some(0), Some(1), Some(1), None])?;
/// // Variances within chunklets: (0 + 0 + 1 + 1) / 4 and (16 + 16 + 0 + 0) / 4.
/// assert!((map.matrix()[[0, 0]] - 2.0f64.sqrt()).abs() < 1e-15);
/// assert!((map.matrix()[[1, 1]] - 0.125f64.sqrt()).abs() < 1e-15);
/// # Ok::<(), metric_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rca {
    estimator: Estimator,
}

impl Default for Rca {
    fn default() -> Self {
        Self::new()
    }
}

impl Rca {
    /// `C` as in the formula.
    pub fn new() -> Self {
        Self {
            estimator: Estimator::Biased,
        }
    }

    /// How `C` is estimated. Default: [`Estimator::Biased`], as in the formula.
    #[must_use]
    pub fn estimator(self, estimator: Estimator) -> Self {
        Self { estimator }
    }

    /// Learns from `rows` `[n, dim]` and the chunklet of each, if it is in one.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`], [`Error::NonFinite`], [`Error::LabelCount`], [`Error::AllLone`] if no chunklet has two rows,
    /// [`Error::InvalidParam`], or [`Error::Rank`] if rows within chunklets do not vary in every direction.
    pub fn fit<T: Scalar>(
        &self,
        rows: ArrayView2<'_, T>,
        chunklets: &[Option<u32>],
    ) -> Result<LinearMap<T>, Error> {
        let Centred { rows, mean, scale } = Centred::new(rows)?;
        if chunklets.len() != rows.nrows() {
            return Err(Error::LabelCount {
                rows: rows.nrows(),
                labels: chunklets.len(),
            });
        }
        let mut members = std::collections::BTreeMap::<u32, Vec<usize>>::new();
        for (row, chunklet) in chunklets.iter().enumerate() {
            if let Some(chunklet) = *chunklet {
                members.entry(chunklet).or_default().push(row);
            }
        }
        members.retain(|_, rows| rows.len() > 1);
        if members.is_empty() {
            return Err(Error::AllLone);
        }
        let grouped = members.values().enumerate();
        let (chosen, group_of): (Vec<usize>, Vec<usize>) = grouped
            .flat_map(|(group, rows)| rows.iter().map(move |&row| (row, group)))
            .unzip();
        let mut rows = rows.select(Axis(0), &chosen);
        move_to_means(&mut rows, &group_of, members.len());
        let within_scale = shrink(&mut rows, f64::INFINITY);
        let moments = Moments::new(&rows, members.len(), self.estimator)?;
        let matrix = moments.whitening(Whitening::Zca)? / within_scale;
        LinearMap::scaled(matrix, mean, scale)
    }
}
