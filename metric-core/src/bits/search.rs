//! Pairs and neighbours of packed rows.

use ndarray::{Array1, Array2};
use rayon::prelude::*;

use super::{BitDistance, BitRow, BitRows};
use crate::{Error, Neighbors};

/// Distances between every row of `x` (`n` of them) and every row of `y` (`m`): `[n, m]`.
///
/// # Errors
///
/// [`Error::DimMismatch`].
///
/// # Examples
///
/// ```
/// use metric_core::Jaccard;
/// use metric_core::bits::{BitRows, pairwise};
/// use ndarray::array;
/// let sets = BitRows::from_bools(array![[true, true, false], [false, true, true]].view())?;
/// assert_eq!(pairwise(&Jaccard, &sets, &sets)?, array![[0.0, 2.0 / 3.0], [2.0 / 3.0, 0.0]]);
/// # Ok::<(), metric_core::Error>(())
/// ```
pub fn pairwise<D: BitDistance + ?Sized>(
    distance: &D,
    x: &BitRows,
    y: &BitRows,
) -> Result<Array2<f32>, Error> {
    same_dim(x.dim(), y.dim())?;
    let mut out = vec![0.0; x.len() * y.len()];
    out.par_chunks_mut(y.len())
        .enumerate()
        .for_each(|(row, out)| {
            let left = x.row(row);
            for (out, right) in out.iter_mut().zip(y.iter()) {
                *out = distance.distance(left, right);
            }
        });
    Ok(filled((x.len(), y.len()), out))
}

/// Distances from one row to every row of `base`: `[m]`.
///
/// # Errors
///
/// [`Error::DimMismatch`].
pub fn one_to_many<D: BitDistance + ?Sized>(
    distance: &D,
    query: BitRow<'_>,
    base: &BitRows,
) -> Result<Array1<f32>, Error> {
    same_dim(query.dim(), base.dim())?;
    let rows = (0..base.len()).into_par_iter();
    Ok(Array1::from_vec(
        rows.map(|row| distance.distance(query, base.row(row)))
            .collect(),
    ))
}

/// Distance of each row of `x` to the row of `y` with the same index: `[n]`.
///
/// # Errors
///
/// [`Error::DimMismatch`], or [`Error::RowCount`] unless both have as many rows.
pub fn paired<D: BitDistance + ?Sized>(
    distance: &D,
    x: &BitRows,
    y: &BitRows,
) -> Result<Array1<f32>, Error> {
    same_dim(x.dim(), y.dim())?;
    if x.len() != y.len() {
        return Err(Error::RowCount {
            left: x.len(),
            right: y.len(),
        });
    }
    let rows = (0..x.len()).into_par_iter();
    Ok(Array1::from_vec(
        rows.map(|row| distance.distance(x.row(row), y.row(row)))
            .collect(),
    ))
}

/// The `k` nearest rows of `base` for every row of `queries`, nearest first, equal distances by lowest index.
///
/// With fewer than `k` rows in `base`, all of them: `min(k, m)` columns. Brute force: `O(n m dim / 64)` time, `O(m)`
/// memory a thread beside the result.
///
/// # Errors
///
/// [`Error::ZeroNeighbors`] or [`Error::DimMismatch`].
pub fn knn<D: BitDistance + ?Sized>(
    distance: &D,
    queries: &BitRows,
    base: &BitRows,
    k: usize,
) -> Result<Neighbors<f32>, Error> {
    if k == 0 {
        return Err(Error::ZeroNeighbors);
    }
    same_dim(queries.dim(), base.dim())?;
    let k = k.min(base.len());
    let by_rank =
        |a: &(f32, usize), b: &(f32, usize)| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1));
    let nearest = |row: usize| {
        let query = queries.row(row);
        let mut found: Vec<(f32, usize)> = base
            .iter()
            .enumerate()
            .map(|(index, right)| (distance.distance(query, right), index))
            .collect();
        found.select_nth_unstable_by(k - 1, by_rank);
        found.truncate(k);
        found.sort_unstable_by(by_rank);
        found
    };
    let (distances, indices): (Vec<f32>, Vec<usize>) = (0..queries.len())
        .into_par_iter()
        .flat_map_iter(nearest)
        .unzip();
    Ok(Neighbors {
        indices: filled((queries.len(), k), indices),
        distances: filled((queries.len(), k), distances),
    })
}

fn filled<A>(shape: (usize, usize), values: Vec<A>) -> Array2<A> {
    Array2::from_shape_vec(shape, values).expect("one value for each place")
}

fn same_dim(left: usize, right: usize) -> Result<(), Error> {
    if left == right {
        Ok(())
    } else {
        Err(Error::DimMismatch { left, right })
    }
}
