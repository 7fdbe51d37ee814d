//! Exact nearest neighbours.

use std::cmp::Ordering;

use ndarray::{Array2, ArrayView2};

use crate::rows::Rows;
use crate::walk::{BLOCK, gather};
use crate::{Distance, Error, Scalar};

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
/// result has `min(k, m)` columns. Brute force: `O(n m dim)` time, `O(n k)` memory.
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
pub fn knn<T, D>(
    distance: &D,
    queries: ArrayView2<'_, T>,
    base: ArrayView2<'_, T>,
    k: usize,
) -> Result<Neighbors<T>, Error>
where
    T: Scalar,
    D: Distance<T> + ?Sized,
{
    let (queries, base) = Rows::checked_pair(("queries", queries), ("base", base))?;
    let k = k.min(base.len());
    nearest(distance, (&queries, &base), k, |_, _| true)
}

/// The `k` nearest other rows for every row of `rows` `[n, dim]`, nearest first.
///
/// A row is left out of its own neighbours by its index; another row equal to it stays, at distance 0. The result
/// has `min(k, n − 1)` columns. Otherwise as [`knn`].
///
/// # Errors
///
/// [`Error::ZeroNeighbors`], [`Error::Empty`] or [`Error::NonFinite`].
pub fn knn_self<T, D>(
    distance: &D,
    rows: ArrayView2<'_, T>,
    k: usize,
) -> Result<Neighbors<T>, Error>
where
    T: Scalar,
    D: Distance<T> + ?Sized,
{
    if k == 0 {
        return Err(Error::ZeroNeighbors);
    }
    let rows = Rows::checked("rows", rows)?;
    let k = k.min(rows.len() - 1);
    if k == 0 {
        return Ok(Neighbors {
            indices: Array2::default((1, 0)),
            distances: Array2::default((1, 0)),
        });
    }
    nearest(distance, (&rows, &rows), k, |row, column| row != column)
}

fn nearest<T, D>(
    distance: &D,
    (queries, base): (&Rows<'_, T>, &Rows<'_, T>),
    k: usize,
    admits: impl Fn(usize, usize) -> bool + Sync,
) -> Result<Neighbors<T>, Error>
where
    T: Scalar,
    D: Distance<T> + ?Sized,
{
    if k == 0 {
        return Err(Error::ZeroNeighbors);
    }
    let found = gather(
        distance,
        (queries, base),
        BLOCK,
        |_| Nearest::new(k),
        |nearest, row, first, ranks| {
            for (column, &rank) in (first..).zip(ranks) {
                if admits(row, column) {
                    nearest.offer(rank, column);
                }
            }
        },
        |_, nearest| nearest.into_sorted(),
    );
    let shape = (queries.len(), k);
    let (indices, distances) = found
        .into_iter()
        .flatten()
        .map(|(rank, index)| (index, distance.rank_to_distance(rank)))
        .unzip();
    Ok(Neighbors {
        indices: filled(shape, indices),
        distances: filled(shape, distances),
    })
}

fn filled<A>(shape: (usize, usize), values: Vec<A>) -> Array2<A> {
    Array2::from_shape_vec(shape, values).expect("every query found k neighbours")
}

/// Smaller rank first, then lower index.
pub(crate) fn by_rank<T: Scalar>(a: &(T, usize), b: &(T, usize)) -> Ordering {
    a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))
}

/// The `k` least of a stream of ranks whose indices ascend.
struct Nearest<T> {
    k: usize,
    kept: Vec<(T, usize)>,
    /// The k-th least rank when last looked; a later index must beat it.
    bound: Option<T>,
}

impl<T: Scalar> Nearest<T> {
    fn new(k: usize) -> Self {
        Self {
            k,
            kept: Vec::new(),
            bound: None,
        }
    }

    #[inline]
    fn offer(&mut self, rank: T, index: usize) {
        if self
            .bound
            .is_none_or(|bound| rank.total_cmp(&bound).is_lt())
        {
            self.kept.push((rank, index));
            // Room for k more between two selections makes their cost O(1) an entry.
            if self.kept.len() >= 2 * self.k.max(8) {
                self.shrink();
            }
        }
    }

    fn shrink(&mut self) {
        let (_, kth, _) = self.kept.select_nth_unstable_by(self.k - 1, by_rank);
        self.bound = Some(kth.0);
        self.kept.truncate(self.k);
    }

    fn into_sorted(mut self) -> Vec<(T, usize)> {
        self.kept.sort_unstable_by(by_rank);
        self.kept.truncate(self.k);
        self.kept
    }
}
