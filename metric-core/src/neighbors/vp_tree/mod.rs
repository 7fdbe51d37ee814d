//! Vantage-point tree: exact neighbours in any metric space without looking at every row.

mod build;
mod search;

use ndarray::ArrayView2;
use rand::Rng;
use rayon::prelude::*;

use self::search::{Search, WithinRadius};
use super::index::{checked_queries, matrices};
use super::k_least::KLeast;
use super::radius::check_radius;
use super::{NeighborIndex, NeighborLists};
use crate::rows::Rows;
use crate::{Error, Metric, Neighbors, Scalar};

/// Vantage-point tree (Yianilos, *Data structures and algorithms for nearest neighbor search in general metric
/// spaces*, 1993, <https://dl.acm.org/doi/10.5555/313559.313789>, §3).
///
/// Each node holds a row, the vantage point, and splits the others at the median of their distances to it; for both
/// halves it knows the least and the greatest of these distances, between which lies what the half can hold:
/// ```text
/// d(q, x) ≥ max(d(q, v) − most, least − d(q, v))     for x with  least ≤ d(v, x) ≤ most
/// ```
/// A half is left out if this bound exceeds the k-th distance found so far, or the radius. The answer is that of
/// [`BruteForce`](crate::BruteForce) to the last bit, ties included: the bound leaves room for the metric's rounding
/// ([`Metric::triangle_slack`]), and a half that could hold an equal distance is searched.
///
/// Deviates from the paper: leaves are buckets of at most 32 rows, the split is by position instead of by value so
/// that equal rows cannot make the tree deep (its depth is `log₂(n/32)` rounded up), and a vantage point's spread is the mean
/// deviation from the median instead of the second moment.
///
/// Cost: `O(n log n)` distances to build, in parallel and with the same tree for any number of threads; memory of a
/// word a row, beside the rows themselves, which are borrowed. A query costs `O(log n)` distances where few rows are
/// near, and up to `n` where all are about equally far, as in many dimensions: there
/// [`BruteForce`](crate::BruteForce) is faster.
///
/// # Examples
///
/// ```
/// use metric_core::{Minkowski, NeighborIndex, VpTree};
/// use ndarray::Array2;
/// use rand::SeedableRng;
/// let rows = Array2::from_shape_fn((1000, 2), |(i, j)| ((i * (j + 3)) as f32).sin());
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
/// let tree = VpTree::build(rows.view(), Minkowski::new(1.0)?, &mut rng)?;
/// let own = tree.knn_one(rows.row(7).as_slice().unwrap(), 1)?;
/// assert_eq!(own, [(7, 0.0)]);
/// # Ok::<(), metric_core::Error>(())
/// ```
///
/// What breaks the triangle inequality is refused by the compiler:
///
/// ```compile_fail,E0277
/// use metric_core::{SquaredEuclidean, VpTree};
/// use rand::SeedableRng;
/// let rows = ndarray::array![[0.0f32], [1.0]];
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
/// let tree = VpTree::build(rows.view(), SquaredEuclidean, &mut rng);
/// ```
pub struct VpTree<'a, T: Scalar, M> {
    rows: Rows<'a, T>,
    dim: usize,
    metric: M,
    /// Room for rounding: relative and absolute.
    slack: (f64, f64),
    tree: Tree<T>,
}

/// A complete binary tree in preorder.
///
/// Every subtree is a pair of slices, one of each array: a node is followed by its near half and its far half, which
/// have the same number of nodes, and its vantage point by theirs. Without nodes, a subtree is a leaf.
#[derive(Debug, Clone, PartialEq)]
struct Tree<T> {
    nodes: Vec<Node<T>>,
    order: Vec<usize>,
}

/// What a node knows about its halves.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Node<T> {
    near: Shell<T>,
    far: Shell<T>,
}

/// Least and greatest distance to the vantage point.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Shell<T> {
    least: T,
    most: T,
}

impl<'a, T: Scalar, M: Metric<T>> VpTree<'a, T, M> {
    /// A tree over `rows` `[n, dim]`. One number is drawn from `rng`; it decides the tree, not the answers.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`], [`Error::NonFinite`], or what [`Distance::check`](crate::Distance::check) refuses.
    pub fn build<R: Rng + ?Sized>(
        rows: ArrayView2<'a, T>,
        metric: M,
        rng: &mut R,
    ) -> Result<Self, Error> {
        let dim = rows.ncols();
        let rows = Rows::checked_for(&metric, "rows", rows)?;
        let tree = build::tree(&rows, &metric, rng.next_u64());
        let (relative, absolute) = metric.triangle_slack(dim);
        Ok(Self {
            slack: search::with_reserve::<T>(relative, absolute),
            rows,
            dim,
            metric,
            tree,
        })
    }

    fn search<'s>(&'s self, query: &'s [T]) -> Search<'s, T, M> {
        Search {
            rows: &self.rows,
            metric: &self.metric,
            slack: self.slack,
            query,
        }
    }
}

impl<T: Scalar, M: Metric<T>> NeighborIndex<T> for VpTree<'_, T, M> {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn dim(&self) -> usize {
        self.dim
    }

    fn knn(&self, queries: ArrayView2<'_, T>, k: usize) -> Result<Neighbors<T>, Error> {
        let queries = checked_queries(queries, self.dim)?;
        queries.check(&self.metric)?;
        if k == 0 {
            return Err(Error::ZeroNeighbors);
        }
        let k = k.min(self.len());
        let lists = (0..queries.len())
            .into_par_iter()
            .map(|query| {
                let mut nearest = KLeast::new(k);
                self.search(queries.row(query))
                    .visit(self.tree.root(), &mut nearest);
                nearest
                    .into_sorted()
                    .map(|(index, rank)| (index, self.metric.rank_to_distance(rank)))
                    .collect()
            })
            .collect();
        Ok(matrices(lists, k))
    }

    fn radius(&self, queries: ArrayView2<'_, T>, radius: T) -> Result<NeighborLists<T>, Error> {
        let queries = checked_queries(queries, self.dim)?;
        queries.check(&self.metric)?;
        check_radius(radius)?;
        let lists = (0..queries.len())
            .into_par_iter()
            .map(|query| {
                let mut within = WithinRadius::new(radius);
                self.search(queries.row(query))
                    .visit(self.tree.root(), &mut within);
                within.into_sorted()
            })
            .collect();
        Ok(NeighborLists::from_lists(lists))
    }
}

impl<T: Scalar, M> std::fmt::Debug for VpTree<'_, T, M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VpTree")
            .field("len", &self.rows.len())
            .field("dim", &self.dim)
            .field("nodes", &self.tree.nodes.len())
            .finish_non_exhaustive()
    }
}
