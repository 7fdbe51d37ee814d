//! Exact nearest neighbours.

use ndarray::{Array2, ArrayView2};

use super::few::{FEW, nearest_to_few};
use crate::rows::Rows;
use crate::search::{Found, Goal, Prepared};
use crate::{Distance, Element, Error, Scalar};

/// The nearest rows of a base set, nearest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbors<T> {
    /// Rows of the base set, `[queries, k]`.
    pub indices: Array2<usize>,
    /// Their distances, `[queries, k]`.
    pub distances: Array2<T>,
}

/// The `k` nearest rows of `base` `[m, dim]` for every row of `queries` `[n, dim]`, nearest first.
///
/// Equal distances go to the lowest index. With fewer than `k` rows in `base`, all of them are returned, so the
/// result has `min(k, m)` columns. Exact, by a cheap screen of all pairs and the definition for the few that are left:
/// `O(n m dim)` time, `O(m dim)` bytes of memory. To search one base again and again, prepare it once as a
/// [`BruteForce`](crate::BruteForce).
///
/// # Errors
///
/// [`Error::ZeroNeighbors`], [`Error::Empty`], [`Error::DimMismatch`] or [`Error::NonFinite`].
///
/// # Examples
///
/// ```
/// use metric_core::{Euclidean, knn};
/// use ndarray::array;
/// let base = array![[0.0f32], [10.0], [11.0]];
/// let found = knn(&Euclidean, array![[9.0]].view(), base.view(), 2)?;
/// assert_eq!(found.indices, array![[1, 2]]);
/// assert_eq!(found.distances, array![[1.0, 2.0]]);
/// # Ok::<(), metric_core::Error>(())
/// ```
pub fn knn<E, D>(
    distance: &D,
    queries: ArrayView2<'_, E>,
    base: ArrayView2<'_, E>,
    k: usize,
) -> Result<Neighbors<E::Acc>, Error>
where
    E: Element,
    D: Distance<E::Acc> + ?Sized,
{
    let queries = Rows::checked_for(distance, "queries", queries)?;
    let base = Rows::unchecked("base", base)?;
    if queries.dim() != base.dim() {
        return Err(Error::DimMismatch {
            left: queries.dim(),
            right: base.dim(),
        });
    }
    if k == 0 {
        return Err(Error::ZeroNeighbors);
    }
    let k = k.min(base.len());
    let found = if queries.len() <= FEW {
        nearest_to_few(distance, &queries, ("base", &base), k)?
    } else {
        base.check_finite("base")?;
        base.check(distance)?;
        Prepared::new(distance, base).search(Some(&queries), Goal::Nearest(k), &|_, _| true)
    };
    Ok(Neighbors::from_lists(found, k))
}

/// The `k` nearest other rows for every row of `rows` `[n, dim]`, nearest first.
///
/// A row is left out of its own neighbours by its index; another row equal to it stays, at distance 0. The result
/// has `min(k, n − 1)` columns. Otherwise as [`knn`].
///
/// # Errors
///
/// [`Error::ZeroNeighbors`], [`Error::Empty`] or [`Error::NonFinite`].
pub fn knn_self<E, D>(
    distance: &D,
    rows: ArrayView2<'_, E>,
    k: usize,
) -> Result<Neighbors<E::Acc>, Error>
where
    E: Element,
    D: Distance<E::Acc> + ?Sized,
{
    if k == 0 {
        return Err(Error::ZeroNeighbors);
    }
    let rows = Rows::checked_for(distance, "rows", rows)?;
    let k = k.min(rows.len() - 1);
    let others = |row, column| row != column;
    let found = Prepared::new(distance, rows).search(None, Goal::Nearest(k), &others);
    Ok(Neighbors::from_lists(found, k))
}

impl<T: Scalar> Neighbors<T> {
    /// Lists of `k` neighbours each.
    pub(crate) fn from_lists(lists: Found<T>, k: usize) -> Self {
        let shape = (lists.len(), k);
        let (indices, distances) = lists.into_iter().flatten().unzip();
        Self {
            indices: filled(shape, indices),
            distances: filled(shape, distances),
        }
    }
}

fn filled<A>(shape: (usize, usize), values: Vec<A>) -> Array2<A> {
    Array2::from_shape_vec(shape, values).expect("every query found k neighbours")
}
