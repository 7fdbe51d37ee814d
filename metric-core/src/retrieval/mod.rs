//! Scores of an embedding: does a query find its own kind, and do classes keep apart?

mod metric;
mod spread;

pub use metric::RetrievalMetric;
pub use spread::{ClassSpread, class_spread};

use ndarray::ArrayView2;

use crate::rows::Rows;
use crate::search::by_rank;
use crate::tile::{RowProgram, walk_rows};
use crate::{Distance, Error, Relevance, Scalar};

/// Ranks that a thread keeps at a time, so that large reference sets make for small blocks of queries.
const RANKS_KEPT: usize = 1 << 22;

/// Retrieval metrics averaged over the queries that have something to find.
#[derive(Debug, Clone, PartialEq)]
pub struct RetrievalScores {
    /// Each metric that was asked for, in that order, with its mean over the scored queries.
    pub values: Vec<(RetrievalMetric, f64)>,
    /// Number of queries scored.
    pub queries: usize,
    /// Number of queries left out because nothing is relevant to them.
    pub lone: usize,
}

impl RetrievalScores {
    /// The value of a metric, if it was asked for.
    pub fn get(&self, metric: RetrievalMetric) -> Option<f64> {
        self.values
            .iter()
            .find(|(m, _)| *m == metric)
            .map(|&(_, value)| value)
    }
}

/// Scores rows `[n, dim]` as queries against all other rows; a query never retrieves itself.
///
/// Items are ranked by distance, equal ones by index. No list is sorted: the relevant items of a query are, and the
/// others are counted between them, which is exact and costs `O(n log R)` a query beside its `n` distances. The scores
/// are the same bits for any number of threads.
///
/// # Errors
///
/// [`Error::Empty`], [`Error::NonFinite`], [`Error::LabelCount`], [`Error::InvalidParam`] for a recall at 0, and
/// [`Error::AllLone`] if no query has a relevant item.
///
/// # Examples
///
/// ```
/// use metric_core::retrieval::{RetrievalMetric, retrieval_scores};
/// use metric_core::{Euclidean, Relevance};
/// use ndarray::array;
/// let rows = array![[0.0f32], [1.0], [5.0], [5.5]];
/// let relevance = Relevance::labels(&[7, 7, 7, 9]); // the last is the only one of its class
/// let scores = retrieval_scores(&Euclidean, rows.view(), &relevance, &[RetrievalMetric::PrecisionAt1])?;
/// assert_eq!(scores.get(RetrievalMetric::PrecisionAt1), Some(2.0 / 3.0));
/// assert_eq!((scores.queries, scores.lone), (3, 1));
/// # Ok::<(), metric_core::Error>(())
/// ```
pub fn retrieval_scores<T, D>(
    distance: &D,
    rows: ArrayView2<'_, T>,
    relevance: &Relevance<'_>,
    metrics: &[RetrievalMetric],
) -> Result<RetrievalScores, Error>
where
    T: Scalar,
    D: Distance<T> + ?Sized,
{
    let rows = Rows::checked_for(distance, "rows", rows)?;
    scores(
        distance,
        (&rows, &rows),
        relevance,
        metrics,
        |row, column| row != column,
    )
}

/// Scores queries `[n, dim]` against a separate reference set `[m, dim]`, from which nothing is left out.
///
/// Otherwise as [`retrieval_scores`].
///
/// # Errors
///
/// As [`retrieval_scores`], and [`Error::DimMismatch`].
pub fn retrieval_scores_against<T, D>(
    distance: &D,
    queries: ArrayView2<'_, T>,
    reference: ArrayView2<'_, T>,
    relevance: &Relevance<'_>,
    metrics: &[RetrievalMetric],
) -> Result<RetrievalScores, Error>
where
    T: Scalar,
    D: Distance<T> + ?Sized,
{
    let (queries, reference) =
        Rows::checked_pair_for(distance, ("queries", queries), ("reference", reference))?;
    scores(
        distance,
        (&queries, &reference),
        relevance,
        metrics,
        |_, _| true,
    )
}

fn scores<T, D>(
    distance: &D,
    (queries, reference): (&Rows<'_, T>, &Rows<'_, T>),
    relevance: &Relevance<'_>,
    metrics: &[RetrievalMetric],
    admits: impl Fn(usize, usize) -> bool + Sync,
) -> Result<RetrievalScores, Error>
where
    T: Scalar,
    D: Distance<T> + ?Sized,
{
    for (rows, labels) in [
        (queries.len(), relevance.rows()),
        (reference.len(), relevance.references()),
    ] {
        if rows != labels {
            return Err(Error::LabelCount { rows, labels });
        }
    }
    if metrics.contains(&RetrievalMetric::RecallAt(0)) {
        return Err(Error::InvalidParam {
            name: "recall_at",
            expected: "at least 1",
            got: 0.0,
        });
    }
    let program = Ranking {
        relevance,
        metrics,
        admits: &admits,
        first_only: metrics.iter().all(|metric| metric.needs_first_only()),
        items: reference.len(),
    };
    let at_most = (RANKS_KEPT / reference.len()).max(1);
    let per_query = walk_rows(distance, (queries, reference), at_most, &program);
    let lone = per_query.iter().filter(|scores| scores.is_none()).count();
    let queries = per_query.len() - lone;
    if queries == 0 {
        return Err(Error::AllLone);
    }
    let mut sums = vec![0.0; metrics.len()];
    for scores in per_query.into_iter().flatten() {
        sums.iter_mut()
            .zip(scores)
            .for_each(|(sum, score)| *sum += score);
    }
    let values = metrics
        .iter()
        .zip(sums)
        .map(|(&m, sum)| (m, sum / queries as f64))
        .collect();
    Ok(RetrievalScores {
        values,
        queries,
        lone,
    })
}

/// Keeps a query's distances and scores it when all are there.
struct Ranking<'a, A> {
    relevance: &'a Relevance<'a>,
    metrics: &'a [RetrievalMetric],
    admits: &'a A,
    first_only: bool,
    items: usize,
}

impl<T: Scalar, A: Fn(usize, usize) -> bool + Sync> RowProgram<T> for Ranking<'_, A> {
    type State = Vec<T>;
    type Output = Option<Vec<f64>>;

    fn start(&self, _query: usize) -> Vec<T> {
        Vec::with_capacity(self.items)
    }

    fn see(&self, kept: &mut Vec<T>, _query: usize, _first: usize, distances: &[T]) {
        kept.extend_from_slice(distances);
    }

    fn finish(&self, query: usize, distances: Vec<T>) -> Option<Vec<f64>> {
        let is_relevant = |item: usize| self.relevance.is_relevant(query, item);
        let items = || {
            let items = distances.iter().copied().zip(0..);
            items.filter(|&(_, item)| (self.admits)(query, item))
        };
        let (count, positions) = relevant_positions(items, is_relevant, self.first_only)?;
        let scores = self
            .metrics
            .iter()
            .map(|metric| metric.score(count, &positions));
        Some(scores.collect())
    }
}

/// Number of relevant items and their positions in the ranked list, of all or of the first only.
/// `None` without a relevant item.
fn relevant_positions<T: Scalar, I: Iterator<Item = (T, usize)>>(
    items: impl Fn() -> I,
    is_relevant: impl Fn(usize) -> bool,
    first_only: bool,
) -> Option<(usize, Vec<usize>)> {
    let mut relevant: Vec<(T, usize)> = items().filter(|&(_, item)| is_relevant(item)).collect();
    let count = relevant.len();
    if first_only {
        relevant = relevant.into_iter().min_by(by_rank).into_iter().collect();
    } else {
        relevant.sort_unstable_by(by_rank);
    }
    let &(farthest, _) = relevant.last()?;
    // others[i]: irrelevant items between relevant ones i - 1 and i.
    let mut others = vec![0; relevant.len() + 1];
    for item in items() {
        if item.0.total_cmp(&farthest).is_le() && !is_relevant(item.1) {
            others[relevant.partition_point(|r| by_rank(r, &item).is_lt())] += 1;
        }
    }
    let mut before = 0;
    let positions = (1..).zip(&others[..relevant.len()]).map(|(found, others)| {
        before += others;
        found + before
    });
    Some((count, positions.collect()))
}
