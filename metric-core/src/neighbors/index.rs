//! The common face of everything that answers "which rows are near?".

use std::borrow::Cow;

use ndarray::{Array2, ArrayView1, ArrayView2, Axis};

use super::radius::check_radius;
use super::{NeighborLists, Neighbors};
use crate::rows::Rows;
use crate::search::{Goal, Prepared};
use crate::{Distance, Element, Error, Scalar};

/// A set of rows `[len, dim]` that finds those near to a query.
///
/// Exact indexes give the same bits as [`BruteForce`], whatever the number of threads.
///
/// # Examples
///
/// ```
/// use metric_core::{BruteForce, Error, Euclidean, NeighborIndex, VpTree};
/// use ndarray::array;
/// use rand::SeedableRng;
/// let rows = array![[0.0f32], [10.0], [11.0]];
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
/// let indexes: [Box<dyn NeighborIndex<f32>>; 2] = [
///     Box::new(BruteForce::new(rows.view(), Euclidean)?),
///     Box::new(VpTree::build(rows.view(), Euclidean, &mut rng)?),
/// ];
/// for index in indexes {
///     assert_eq!(index.knn_one(&[9.0], 2)?, [(1, 1.0), (2, 2.0)]);
/// }
/// # Ok::<(), Error>(())
/// ```
pub trait NeighborIndex<T: Scalar>: Send + Sync {
    /// Number of rows.
    fn len(&self) -> usize;

    /// Are there no rows? The indexes of this crate refuse that.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Length of a row.
    fn dim(&self) -> usize;

    /// The `k` nearest rows for every row of `queries` `[n, dim]`, nearest first, equal ones by index:
    /// `[n, min(k, len)]`.
    ///
    /// # Errors
    ///
    /// [`Error::ZeroNeighbors`], [`Error::Empty`], [`Error::DimMismatch`] or [`Error::NonFinite`].
    fn knn(&self, queries: ArrayView2<'_, T>, k: usize) -> Result<Neighbors<T>, Error>;

    /// The `min(k, len)` nearest rows to one query and their distances, as [`knn`](Self::knn) finds them.
    ///
    /// # Errors
    ///
    /// Those of [`knn`](Self::knn).
    fn knn_one(&self, query: &[T], k: usize) -> Result<Vec<(usize, T)>, Error> {
        let found = self.knn(ArrayView1::from(query).insert_axis(Axis(0)), k)?;
        Ok(found.indices.into_iter().zip(found.distances).collect())
    }

    /// All rows within `radius`, inclusive, of every row of `queries` `[n, dim]`; each list is sorted by distance, then
    /// by index.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidParam`] for a negative radius or NaN; [`Error::Empty`], [`Error::DimMismatch`] or
    /// [`Error::NonFinite`].
    fn radius(&self, queries: ArrayView2<'_, T>, radius: T) -> Result<NeighborLists<T>, Error>;
}

/// The index that compares a query with every row: [`knn`](fn@crate::knn) and [`radius`](fn@crate::radius) on a kept
/// view.
///
/// For any [`Distance`], no preparation and no memory of its own. Hard to beat in more than a few dozen dimensions or
/// on many queries at once.
#[derive(Debug)]
pub struct BruteForce<'a, T: Scalar, D> {
    prepared: Prepared<'a, T, D>,
}

impl<'a, T: Scalar, D: Distance<T>> BruteForce<'a, T, D> {
    /// An index over rows `[n, dim]`.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`], [`Error::NonFinite`], or what [`Distance::check`] refuses.
    pub fn new<E>(rows: ArrayView2<'a, E>, distance: D) -> Result<Self, Error>
    where
        E: Element<Acc = T>,
    {
        let rows = Rows::checked_for(&distance, "rows", rows)?;
        Ok(Self {
            prepared: Prepared::new(distance, rows),
        })
    }

    /// An index that keeps the rows `[n, dim]` itself.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn owned(rows: Array2<T>, distance: D) -> Result<BruteForce<'static, T, D>, Error> {
        Rows::checked_for(&distance, "rows", rows.view())?;
        let dim = rows.ncols();
        let data = rows
            .as_standard_layout()
            .into_owned()
            .into_raw_vec_and_offset()
            .0;
        Ok(BruteForce {
            prepared: Prepared::new(distance, Rows::of(Cow::Owned(data), dim)),
        })
    }

    fn queries<'q>(&self, queries: ArrayView2<'q, T>) -> Result<Rows<'q, T>, Error> {
        let rows = checked_queries(queries, self.dim())?;
        rows.check(self.prepared.distance())?;
        Ok(rows)
    }
}

impl<T: Scalar, D: Distance<T>> NeighborIndex<T> for BruteForce<'_, T, D> {
    fn len(&self) -> usize {
        self.prepared.base().len()
    }

    fn dim(&self) -> usize {
        self.prepared.base().dim()
    }

    fn knn(&self, queries: ArrayView2<'_, T>, k: usize) -> Result<Neighbors<T>, Error> {
        let queries = self.queries(queries)?;
        if k == 0 {
            return Err(Error::ZeroNeighbors);
        }
        let k = k.min(self.len());
        let found = self
            .prepared
            .search(Some(&queries), Goal::Nearest(k), &|_, _| true);
        Ok(Neighbors::from_lists(found, k))
    }

    fn radius(&self, queries: ArrayView2<'_, T>, radius: T) -> Result<NeighborLists<T>, Error> {
        let queries = self.queries(queries)?;
        check_radius(radius)?;
        let found = self
            .prepared
            .search(Some(&queries), Goal::Within(radius), &|_, _| true);
        Ok(NeighborLists::from_lists(found))
    }
}

/// Finite queries of the length of the indexed rows.
pub(super) fn checked_queries<T: Scalar>(
    queries: ArrayView2<'_, T>,
    dim: usize,
) -> Result<Rows<'_, T>, Error> {
    let columns = queries.ncols();
    let rows = Rows::checked("queries", queries)?;
    if columns == dim {
        Ok(rows)
    } else {
        Err(Error::DimMismatch {
            left: columns,
            right: dim,
        })
    }
}

/// The lists of all queries, which have the same length `k`, as two matrices.
pub(super) fn matrices<T: Scalar>(lists: Vec<Vec<(usize, T)>>, k: usize) -> Neighbors<T> {
    let shape = (lists.len(), k);
    let (indices, distances): (Vec<usize>, Vec<T>) = lists.into_iter().flatten().unzip();
    let why = "every query found k neighbours";
    Neighbors {
        indices: Array2::from_shape_vec(shape, indices).expect(why),
        distances: Array2::from_shape_vec(shape, distances).expect(why),
    }
}
