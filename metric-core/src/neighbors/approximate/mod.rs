//! Approximate neighbours by the graph search of the library `usearch`.

mod frame;
mod graph;
mod measure;

use std::path::Path;

use ndarray::ArrayView2;
use rayon::prelude::*;

use self::frame::Frame;
use self::graph::Graph;
pub use self::measure::ApproximateMetric;
use self::measure::Measure;
use super::index::{checked_queries, matrices};
use super::k_least::KLeast;
use super::radius::{check_radius, nearest_first};
use super::{NeighborIndex, NeighborLists};
use crate::rows::Rows;
use crate::{Distance, Error, Neighbors, Scalar, knn};

/// How thorough an [`ApproximateIndex`] is; the defaults are those of `usearch`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApproximateConfig {
    /// Edges of a row on each level but the lowest, which has twice as many (`M` in the paper); at least 2.
    /// Default: 16.
    pub connectivity: usize,
    /// Candidates kept while a row is added (`efConstruction`), at least 1. Default: 128.
    pub expansion_add: usize,
    /// Candidates kept during a search (`ef`), at least 1; a search for more neighbours keeps as many. Default: 64.
    pub expansion_search: usize,
}

impl Default for ApproximateConfig {
    fn default() -> Self {
        Self {
            connectivity: 16,
            expansion_add: 128,
            expansion_search: 64,
        }
    }
}

impl ApproximateConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidParam`] naming the first parameter out of range.
    pub fn validate(&self) -> Result<(), Error> {
        // What the library holds in 32 bits, with room for its doubling.
        let limit = 1 << 16;
        for (name, value, least, expected) in [
            ("connectivity", self.connectivity, 2, "from 2 to 65536"),
            ("expansion_add", self.expansion_add, 1, "from 1 to 65536"),
            (
                "expansion_search",
                self.expansion_search,
                1,
                "from 1 to 65536",
            ),
        ] {
            if value < least || value > limit {
                return Err(Error::InvalidParam {
                    name,
                    expected,
                    got: value as f64,
                });
            }
        }
        Ok(())
    }
}

/// Approximate index: a hierarchical navigable small-world graph (Malkov & Yashunin, *Efficient and robust approximate
/// nearest neighbor search using hierarchical navigable small world graphs*, 2018,
/// <https://arxiv.org/abs/1603.09320>), built and searched by `usearch`. Needs the feature `usearch`.
///
/// The graph only proposes candidates. Their distances are computed again from the rows, which are borrowed, and sorted
/// as by every other index: what is found has the bits that [`BruteForce`](crate::BruteForce) gives it, and only what
/// is missed differs. Where the graph proposes too few rows, all are compared. The graph sees the rows as `f32`, moved
/// and scaled to be near 1, so that values of any size and of either precision can be searched.
///
/// A radius search asks for more and more candidates until one lies outside; it too may miss rows.
///
/// Cost: about `expansion_add · connectivity · log n` distances a row to build and `expansion_search · connectivity ·
/// log n` a query; memory of a `f32` copy of the rows and `2 connectivity` numbers of 4 to 8 bytes a row. Rows are added one
/// after another, since the graph depends on their order; queries run in parallel. Same rows, same answers, on any
/// number of threads; another kind of processor may round the graph's distances differently.
///
/// # Examples
///
/// ```
/// use metric_core::{ApproximateConfig, ApproximateIndex, ApproximateMetric, NeighborIndex, recall};
/// use ndarray::Array2;
/// let rows = Array2::from_shape_fn((500, 8), |(i, j)| ((i * (j + 3)) as f32).sin());
/// let config = ApproximateConfig::default();
/// let index = ApproximateIndex::build(rows.view(), ApproximateMetric::Euclidean, config)?;
/// let found = index.knn(rows.view(), 5)?;
/// assert!(recall(&found, &index.exact_knn(rows.view(), 5)?)? > 0.95);
/// # Ok::<(), metric_core::Error>(())
/// ```
pub struct ApproximateIndex<'a, T: Scalar> {
    view: ArrayView2<'a, T>,
    rows: Rows<'a, T>,
    measure: Measure,
    frame: Frame,
    graph: Graph,
}

impl<'a, T: Scalar> ApproximateIndex<'a, T> {
    /// An index of `rows` `[n, dim]`.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidParam`] for a configuration out of range, [`Error::Empty`], [`Error::NonFinite`], or
    /// [`Error::ApproximateIndex`] if the library fails, as for lack of memory.
    pub fn build(
        rows: ArrayView2<'a, T>,
        metric: ApproximateMetric,
        config: ApproximateConfig,
    ) -> Result<Self, Error> {
        config.validate()?;
        let (view, rows) = (rows, Rows::checked("rows", rows)?);
        let frame = Frame::new(&rows, view.ncols(), metric);
        let mut placed = Vec::new();
        let graph = Graph::build(metric, config, (rows.len(), view.ncols()), |row| {
            frame.place(rows.row(row), &mut placed);
            placed.clone()
        })?;
        Ok(Self {
            view,
            rows,
            measure: Measure(metric),
            frame,
            graph,
        })
    }

    /// Writes the graph to a file; the rows are not in it in full precision.
    ///
    /// # Errors
    ///
    /// [`Error::ApproximateIndex`] if the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        self.graph.save(path.as_ref())
    }

    /// Reads what [`save`](Self::save) wrote for the same rows and metric, which saves building the graph.
    ///
    /// The search is as thorough as `config` says; its two other parameters are decided by the file. The file is trusted
    /// to be one that `save` wrote.
    ///
    /// # Errors
    ///
    /// Those of [`build`](Self::build); [`Error::ApproximateIndex`] if the file cannot be read or holds another metric,
    /// [`Error::DimMismatch`] or [`Error::OtherRows`] if it holds other rows.
    pub fn load(
        path: impl AsRef<Path>,
        rows: ArrayView2<'a, T>,
        metric: ApproximateMetric,
        config: ApproximateConfig,
    ) -> Result<Self, Error> {
        config.validate()?;
        let (view, rows) = (rows, Rows::checked("rows", rows)?);
        let frame = Frame::new(&rows, view.ncols(), metric);
        let graph = Graph::load(path.as_ref(), metric, config, view.ncols())?;
        let mut placed = Vec::new();
        for row in 0..rows.len().max(graph.len()) {
            let given = row < rows.len() && {
                frame.place(rows.row(row), &mut placed);
                graph.holds(row, &placed)?
            };
            if !given {
                return Err(Error::OtherRows { row });
            }
        }
        Ok(Self {
            view,
            rows,
            measure: Measure(metric),
            frame,
            graph,
        })
    }

    /// What [`knn`](NeighborIndex::knn) approximates: the same by comparing each query with every row.
    ///
    /// # Errors
    ///
    /// Those of [`knn`](NeighborIndex::knn).
    pub fn exact_knn(&self, queries: ArrayView2<'_, T>, k: usize) -> Result<Neighbors<T>, Error> {
        knn(&self.measure, queries, self.view, k)
    }

    /// The rows that the graph proposes, `count` if it finds as many.
    fn candidates(&self, query: &[T], count: usize) -> Result<Vec<usize>, Error> {
        let mut placed = Vec::new();
        self.frame.place(query, &mut placed);
        self.graph.search(&placed, count)
    }

    fn nearest(&self, query: &[T], k: usize) -> Result<Vec<(usize, T)>, Error> {
        let mut nearest = KLeast::new(k);
        let mut offer = |index| {
            let distance = self.measure.distance(query, self.rows.row(index));
            nearest.offer(distance, index);
        };
        // As many as the search looks at anyway: the graph's own order is that of `f32`.
        let candidates = self.candidates(query, k.max(self.graph.expansion()).min(self.len()))?;
        if candidates.len() >= k {
            candidates.into_iter().for_each(&mut offer);
        } else {
            (0..self.len()).for_each(&mut offer);
        }
        Ok(nearest.into_sorted().collect())
    }

    fn within(&self, query: &[T], radius: T) -> Result<Vec<(usize, T)>, Error> {
        let mut count = self.graph.expansion();
        loop {
            count = count.min(self.len());
            let candidates = self.candidates(query, count)?;
            let proposed = candidates.len();
            let mut found: Vec<(usize, T)> = candidates
                .into_iter()
                .map(|index| (index, self.measure.distance(query, self.rows.row(index))))
                .collect();
            found.retain(|&(_, distance)| distance <= radius);
            if found.len() < proposed || proposed < count || count == self.len() {
                return Ok(nearest_first(found));
            }
            count *= 2;
        }
    }
}

impl<T: Scalar> NeighborIndex<T> for ApproximateIndex<'_, T> {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn dim(&self) -> usize {
        self.view.ncols()
    }

    fn knn(&self, queries: ArrayView2<'_, T>, k: usize) -> Result<Neighbors<T>, Error> {
        let queries = checked_queries(queries, self.dim())?;
        if k == 0 {
            return Err(Error::ZeroNeighbors);
        }
        let k = k.min(self.len());
        let lists: Result<Vec<_>, Error> = (0..queries.len())
            .into_par_iter()
            .map(|query| self.nearest(queries.row(query), k))
            .collect();
        Ok(matrices(lists?, k))
    }

    fn radius(&self, queries: ArrayView2<'_, T>, radius: T) -> Result<NeighborLists<T>, Error> {
        let queries = checked_queries(queries, self.dim())?;
        // A negated product of 2 is the distance −2: every finite radius means something.
        let signed = self.measure.0 == ApproximateMetric::InnerProduct;
        check_radius(if signed && radius < T::ZERO {
            -radius
        } else {
            radius
        })?;
        let lists: Result<Vec<_>, Error> = (0..queries.len())
            .into_par_iter()
            .map(|query| self.within(queries.row(query), radius))
            .collect();
        Ok(NeighborLists::from_lists(lists?))
    }
}

impl<T: Scalar> std::fmt::Debug for ApproximateIndex<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApproximateIndex")
            .field("metric", &self.measure.0)
            .field("dim", &self.view.ncols())
            .field("graph", &self.graph)
            .finish_non_exhaustive()
    }
}
