//! All rows within a distance.

use ndarray::ArrayView2;

use super::NeighborLists;
use crate::rows::Rows;
use crate::walk::{BLOCK, gather};
use crate::{Distance, Error, Scalar};

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
pub fn radius<T, D>(
    distance: &D,
    queries: ArrayView2<'_, T>,
    base: ArrayView2<'_, T>,
    radius: T,
) -> Result<NeighborLists<T>, Error>
where
    T: Scalar,
    D: Distance<T> + ?Sized,
{
    let (queries, base) = Rows::checked_pair(("queries", queries), ("base", base))?;
    within(distance, (&queries, &base), radius, |_, _| true)
}

/// All other rows of `rows` `[n, dim]` within `radius` of each of them, nearest first.
///
/// A row is left out of its own list by its index; another row equal to it stays, at distance 0. Otherwise as
/// [`radius`].
///
/// # Errors
///
/// [`Error::InvalidParam`] for a negative radius or NaN; [`Error::Empty`] or [`Error::NonFinite`].
pub fn radius_self<T, D>(
    distance: &D,
    rows: ArrayView2<'_, T>,
    radius: T,
) -> Result<NeighborLists<T>, Error>
where
    T: Scalar,
    D: Distance<T> + ?Sized,
{
    let rows = Rows::checked("rows", rows)?;
    within(distance, (&rows, &rows), radius, |row, column| {
        row != column
    })
}

fn within<T, D>(
    distance: &D,
    (queries, base): (&Rows<'_, T>, &Rows<'_, T>),
    radius: T,
    admits: impl Fn(usize, usize) -> bool + Sync,
) -> Result<NeighborLists<T>, Error>
where
    T: Scalar,
    D: Distance<T> + ?Sized,
{
    check_radius(radius)?;
    let lists = gather(
        distance,
        (queries, base),
        BLOCK,
        |_| Vec::new(),
        |found, row, first, ranks| {
            for (column, &rank) in (first..).zip(ranks) {
                let d = distance.rank_to_distance(rank);
                if d <= radius && admits(row, column) {
                    found.push((column, d));
                }
            }
        },
        |_, found| nearest_first(found),
    );
    Ok(NeighborLists::from_lists(lists))
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
