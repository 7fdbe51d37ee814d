//! Nearest neighbours among the rows that a condition admits.

use ndarray::ArrayView2;

use super::NeighborLists;
use crate::rows::Rows;
use crate::search::{Goal, Prepared};
use crate::{Distance, Element, Error, Relevance, Scalar};

/// Which rows of the base set [`knn_among`] looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Among {
    /// Those relevant to the query: with labels, its own class.
    Relevant,
    /// Those not relevant to it: with labels, the other classes.
    Irrelevant,
}

/// The `k` nearest rows of `base` `[m, dim]` that `admits(query, row)` lets through, for every row of `queries`
/// `[n, dim]`, nearest first.
///
/// Equal distances go to the lowest index. A query with fewer than `k` admitted rows gets all of them, so that lists
/// differ in length. Nothing is searched and thrown away: a row counts only once it is admitted. The condition is
/// asked from several threads, and only about rows near enough to matter so far. Cost: that of
/// [`knn`](crate::knn), and the condition's.
///
/// # Errors
///
/// [`Error::ZeroNeighbors`], [`Error::Empty`], [`Error::DimMismatch`] or [`Error::NonFinite`].
///
/// # Examples
///
/// ```
/// use metric_core::{Euclidean, knn_where};
/// use ndarray::array;
/// let rows = array![[0.0f32], [1.0], [3.0], [6.0]];
/// // Each row's nearest earlier row.
/// let found = knn_where(&Euclidean, rows.view(), rows.view(), 1, |query, row| row < query)?;
/// assert_eq!(found.offsets(), [0, 0, 1, 2, 3]);
/// assert_eq!(found.indices(), [0, 1, 2]);
/// assert_eq!(found.values(), [1.0, 2.0, 3.0]);
/// # Ok::<(), metric_core::Error>(())
/// ```
pub fn knn_where<E, D>(
    distance: &D,
    queries: ArrayView2<'_, E>,
    base: ArrayView2<'_, E>,
    k: usize,
    admits: impl Fn(usize, usize) -> bool + Sync,
) -> Result<NeighborLists<E::Acc>, Error>
where
    E: Element,
    D: Distance<E::Acc> + ?Sized,
{
    let (queries, base) = Rows::checked_pair_for(distance, ("queries", queries), ("base", base))?;
    nearest_admitted(distance, (Some(queries), base), k, admits)
}

/// The `k` nearest rows of `base` `[m, dim]` that are relevant, or irrelevant, to each row of `queries` `[n, dim]`.
///
/// Otherwise as [`knn_where`].
///
/// # Errors
///
/// Those of [`knn_where`], and [`Error::LabelCount`].
///
/// # Examples
///
/// ```
/// use metric_core::{Among, Euclidean, Relevance, knn_among};
/// use ndarray::array;
/// let base = array![[0.0f32], [1.0], [2.0]];
/// let relevance = Relevance::labels_against(&[7], &[7, 8, 7]);
/// let query = array![[1.1f32]];
/// let near = |among| knn_among(&Euclidean, query.view(), base.view(), 1, &relevance, among);
/// assert_eq!(near(Among::Relevant)?.indices(), [2]);
/// assert_eq!(near(Among::Irrelevant)?.indices(), [1]);
/// # Ok::<(), metric_core::Error>(())
/// ```
pub fn knn_among<E, D>(
    distance: &D,
    queries: ArrayView2<'_, E>,
    base: ArrayView2<'_, E>,
    k: usize,
    relevance: &Relevance<'_>,
    among: Among,
) -> Result<NeighborLists<E::Acc>, Error>
where
    E: Element,
    D: Distance<E::Acc> + ?Sized,
{
    let (queries, base) = Rows::checked_pair_for(distance, ("queries", queries), ("base", base))?;
    check_relevance(relevance, queries.len(), base.len())?;
    nearest_admitted(distance, (Some(queries), base), k, |query, row| {
        among.admits(relevance, query, row)
    })
}

/// The `k` nearest other rows of `rows` `[n, dim]` that are relevant, or irrelevant, to each of them.
///
/// A row is left out of its own list by its index. Otherwise as [`knn_where`].
///
/// # Errors
///
/// [`Error::ZeroNeighbors`], [`Error::Empty`], [`Error::NonFinite`] or [`Error::LabelCount`].
pub fn knn_among_self<E, D>(
    distance: &D,
    rows: ArrayView2<'_, E>,
    k: usize,
    relevance: &Relevance<'_>,
    among: Among,
) -> Result<NeighborLists<E::Acc>, Error>
where
    E: Element,
    D: Distance<E::Acc> + ?Sized,
{
    let rows = Rows::checked_for(distance, "rows", rows)?;
    check_relevance(relevance, rows.len(), rows.len())?;
    nearest_admitted(distance, (None, rows), k, |query, row| {
        query != row && among.admits(relevance, query, row)
    })
}

impl Among {
    fn admits(self, relevance: &Relevance<'_>, query: usize, row: usize) -> bool {
        relevance.is_relevant(query, row) == (self == Self::Relevant)
    }
}

fn check_relevance(relevance: &Relevance<'_>, queries: usize, base: usize) -> Result<(), Error> {
    for (rows, labels) in [(queries, relevance.rows()), (base, relevance.references())] {
        if rows != labels {
            return Err(Error::LabelCount { rows, labels });
        }
    }
    Ok(())
}

fn nearest_admitted<T, D>(
    distance: &D,
    (queries, base): (Option<Rows<'_, T>>, Rows<'_, T>),
    k: usize,
    admits: impl Fn(usize, usize) -> bool + Sync,
) -> Result<NeighborLists<T>, Error>
where
    T: Scalar,
    D: Distance<T> + ?Sized,
{
    if k == 0 {
        return Err(Error::ZeroNeighbors);
    }
    let base = Prepared::new(distance, base);
    let found = base.search(queries.as_ref(), Goal::Nearest(k), &admits);
    Ok(NeighborLists::from_lists(found))
}
