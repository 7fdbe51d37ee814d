//! Matrices of all pairs.

use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

use crate::rows::Rows;
use crate::walk::{BLOCK, TILE, chunks};
use crate::{Distance, Error, Scalar, Similarity};

/// Distances between every row of `x` `[n, dim]` and every row of `y` `[m, dim]`: `[n, m]`.
///
/// The one function that stores the whole matrix; everything else walks it.
///
/// # Errors
///
/// [`Error::Empty`], [`Error::DimMismatch`] or [`Error::NonFinite`].
///
/// # Examples
///
/// ```
/// use metric_core::{Euclidean, pairwise};
/// use ndarray::array;
/// let x = array![[0.0f32, 0.0], [3.0, 4.0]];
/// assert_eq!(pairwise(&Euclidean, x.view(), x.view())?, array![[0.0, 5.0], [5.0, 0.0]]);
/// # Ok::<(), metric_core::Error>(())
/// ```
pub fn pairwise<T, D>(
    distance: &D,
    x: ArrayView2<'_, T>,
    y: ArrayView2<'_, T>,
) -> Result<Array2<T>, Error>
where
    T: Scalar,
    D: Distance<T> + ?Sized,
{
    matrix(x, y, |a, b| distance.distance(a, b))
}

/// Similarities between every row of `x` `[n, dim]` and every row of `y` `[m, dim]`: `[n, m]`.
///
/// # Errors
///
/// [`Error::Empty`], [`Error::DimMismatch`] or [`Error::NonFinite`].
pub fn pairwise_similarity<T, S>(
    similarity: &S,
    x: ArrayView2<'_, T>,
    y: ArrayView2<'_, T>,
) -> Result<Array2<T>, Error>
where
    T: Scalar,
    S: Similarity<T> + ?Sized,
{
    matrix(x, y, |a, b| similarity.similarity(a, b))
}

fn matrix<T: Scalar>(
    x: ArrayView2<'_, T>,
    y: ArrayView2<'_, T>,
    value: impl Fn(&[T], &[T]) -> T + Sync,
) -> Result<Array2<T>, Error> {
    let (x, y) = Rows::checked_pair(("x", x), ("y", y))?;
    let (n, m) = (x.len(), y.len());
    let mut out = Array2::from_elem((n, m), T::ZERO);
    let entries = out.as_slice_mut().expect("a fresh array is contiguous");
    entries
        .par_chunks_mut(BLOCK * m)
        .enumerate()
        .for_each(|(block, entries)| {
            for tile in chunks(0..m, TILE) {
                for (row, entries) in entries.chunks_exact_mut(m).enumerate() {
                    let left = x.row(block * BLOCK + row);
                    for column in tile.clone() {
                        entries[column] = value(left, y.row(column));
                    }
                }
            }
        });
    Ok(out)
}
