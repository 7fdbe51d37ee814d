//! How far rows are from their centres.

use ndarray::ArrayView2;

use super::assign::{Points, scaled_square};
use crate::{Error, Scalar};

/// Sum of squared distances of rows `[n, dim]` to the centres `[k, dim]` that their labels name.
///
/// ```text
/// Σᵢ ‖xᵢ − c(lᵢ)‖²
/// ```
/// In `f64`, on differences; `O(n dim)` time, the same bits for any number of threads.
///
/// # Errors
///
/// [`Error::Empty`], [`Error::NonFinite`], [`Error::DimMismatch`], [`Error::LabelCount`] or [`Error::LabelOutOfRange`].
///
/// # Examples
///
/// ```
/// use metric_core::clusters::inertia;
/// use ndarray::array;
/// let (rows, centres) = (array![[0.0f32], [1.0], [5.0]], array![[1.0], [3.0]]);
/// assert_eq!(inertia(rows.view(), centres.view(), &[0, 0, 1])?, 5.0); // 1 + 0 + 4
/// # Ok::<(), metric_core::Error>(())
/// ```
pub fn inertia<T: Scalar>(
    rows: ArrayView2<'_, T>,
    centres: ArrayView2<'_, T>,
    labels: &[u32],
) -> Result<f64, Error> {
    let points = Points::checked("rows", rows)?;
    let centres = Points::checked("centres", centres)?;
    if points.dim() != centres.dim() {
        return Err(Error::DimMismatch {
            left: points.dim(),
            right: centres.dim(),
        });
    }
    if labels.len() != points.len() {
        return Err(Error::LabelCount {
            rows: points.len(),
            labels: labels.len(),
        });
    }
    let outside = |&label: &u32| label as usize >= centres.len();
    if let Some(row) = labels.iter().position(outside) {
        return Err(Error::LabelOutOfRange {
            row,
            label: labels[row],
            centres: centres.len(),
        });
    }
    Ok(inertia_of(&points, labels, |label| centres.row(label)))
}

pub(super) fn inertia_of<'c, T: Scalar>(
    points: &Points<'_, T>,
    labels: &[u32],
    centre: impl Fn(usize) -> &'c [T] + Sync,
) -> f64 {
    let scale = points.scale();
    let squares = points
        .ordered_sum(|row| scaled_square(points.row(row), centre(labels[row] as usize), scale));
    // One factor after the other: the square of the scale may leave the range where the product does not.
    squares * scale * scale
}
