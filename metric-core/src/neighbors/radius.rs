//! All rows within a distance.

use ndarray::ArrayView2;

use super::NeighborLists;
use crate::rows::Rows;
use crate::search::{Goal, Prepared};
use crate::{Distance, Element, Error, Scalar};

/// All rows of `base` `[m, dim]` within `radius` of each row of `queries` `[n, dim]`, nearest first.
///
/// ```text
/// list of q = { j : d(q, base_j) ≤ radius },   sorted by distance, then by index
/// ```
/// The radius itself is inside, and may be infinite. Cost: `O(n m dim)` time and memory for what is found.
///
/// # Errors
///
/// [`Error::InvalidParam`] for a negative radius or NaN; [`Error::Empty`], [`Error::DimMismatch`] or
/// [`Error::NonFinite`].
///
/// # Examples
///
/// ```
/// use metric_core::{Euclidean, radius};
/// use ndarray::array;
/// let base = array![[0.0f32], [10.0], [8.0], [30.0]];
/// let found = radius(&Euclidean, array![[9.0], [20.0]].view(), base.view(), 1.0)?;
/// assert_eq!(found.list(0), (&[1, 2][..], &[1.0, 1.0][..]));
/// assert_eq!(found.list(1).0.len(), 0);
/// # Ok::<(), metric_core::Error>(())
/// ```
pub fn radius<E, D>(
    distance: &D,
    queries: ArrayView2<'_, E>,
    base: ArrayView2<'_, E>,
    radius: E::Acc,
) -> Result<NeighborLists<E::Acc>, Error>
where
    E: Element,
    D: Distance<E::Acc> + ?Sized,
{
    let (queries, base) = Rows::checked_pair_for(distance, ("queries", queries), ("base", base))?;
    check_radius(radius)?;
    let base = Prepared::new(distance, base);
    let found = base.search(Some(&queries), Goal::Within(radius), &|_, _| true);
    Ok(NeighborLists::from_lists(found))
}

/// All other rows of `rows` `[n, dim]` within `radius` of each of them, nearest first.
///
/// A row is left out of its own list by its index; another row equal to it stays, at distance 0. Otherwise as
/// [`radius`].
///
/// # Errors
///
/// [`Error::InvalidParam`] for a negative radius or NaN; [`Error::Empty`] or [`Error::NonFinite`].
pub fn radius_self<E, D>(
    distance: &D,
    rows: ArrayView2<'_, E>,
    radius: E::Acc,
) -> Result<NeighborLists<E::Acc>, Error>
where
    E: Element,
    D: Distance<E::Acc> + ?Sized,
{
    let rows = Rows::checked_for(distance, "rows", rows)?;
    check_radius(radius)?;
    let others = |row, column| row != column;
    let found = Prepared::new(distance, rows).search(None, Goal::Within(radius), &others);
    Ok(NeighborLists::from_lists(found))
}

pub(super) fn check_radius<T: Scalar>(radius: T) -> Result<(), Error> {
    if radius >= T::ZERO {
        Ok(())
    } else {
        Err(Error::InvalidParam {
            name: "radius",
            expected: "at least 0",
            got: radius.to_f64(),
        })
    }
}

/// Sorted by distance, then by index.
pub(super) fn nearest_first<T: Scalar>(mut found: Vec<(usize, T)>) -> Vec<(usize, T)> {
    found.sort_unstable_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
    found
}
