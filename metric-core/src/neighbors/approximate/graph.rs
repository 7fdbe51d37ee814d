//! The library's graph behind functions that fit this crate.

use std::path::Path;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread::available_parallelism;

use usearch::{Index, IndexOptions, MetricKind, ScalarKind};

use super::{ApproximateConfig, ApproximateMetric};
use crate::Error;

/// A graph over rows in `f32`, whose keys are their indices.
pub(super) struct Graph {
    index: Index,
    turns: Turns,
}

impl Graph {
    /// Adds rows one after another, by a single of the library's threads: each of them draws levels from a generator
    /// of its own.
    pub(super) fn build(
        metric: ApproximateMetric,
        config: ApproximateConfig,
        (len, dim): (usize, usize),
        mut row: impl FnMut(usize) -> Vec<f32>,
    ) -> Result<Self, Error> {
        let index = empty(metric, config, dim)?;
        index
            .reserve_capacity_and_threads(len, 1)
            .map_err(failed("reserve memory"))?;
        for key in 0..len {
            index
                .add(key as u64, &row(key))
                .map_err(failed("add a row"))?;
        }
        Self::ready(index)
    }

    pub(super) fn load(
        path: &Path,
        metric: ApproximateMetric,
        config: ApproximateConfig,
        dim: usize,
    ) -> Result<Self, Error> {
        let read = "read its file";
        let path = text(path, read)?;
        let saved = Index::metadata(path).map_err(failed(read))?;
        let saved_dim = usize::try_from(saved.dimensions).unwrap_or(usize::MAX);
        if saved_dim != dim {
            return Err(Error::DimMismatch {
                left: saved_dim,
                right: dim,
            });
        }
        if saved.metric != kind(metric) || saved.quantization != ScalarKind::F32 {
            return Err(failed("hold f32 rows compared by the given metric")(
                format!("{:?} by {:?}", saved.quantization, saved.metric),
            ));
        }
        let index = empty(metric, config, dim)?;
        index.load(path).map_err(failed(read))?;
        // Loading brings the defaults back.
        index.change_expansion_search(config.expansion_search);
        Self::ready(index)
    }

    pub(super) fn save(&self, path: &Path) -> Result<(), Error> {
        let write = "write its file";
        self.index.save(text(path, write)?).map_err(failed(write))
    }

    pub(super) fn len(&self) -> usize {
        self.index.size()
    }

    /// Candidates that a search keeps.
    pub(super) fn expansion(&self) -> usize {
        self.index.expansion_search()
    }

    /// Is this the row of that key?
    pub(super) fn holds(&self, key: usize, row: &[f32]) -> Result<bool, Error> {
        let mut held = vec![0.0f32; row.len()];
        let found = self
            .index
            .get(key as u64, &mut held)
            .map_err(failed("look up a row"))?;
        let same = held.iter().zip(row).all(|(x, y)| x.total_cmp(y).is_eq());
        Ok(found == 1 && same)
    }

    /// Up to `count` rows near to the query.
    pub(super) fn search(&self, query: &[f32], count: usize) -> Result<Vec<usize>, Error> {
        let found = self
            .turns
            .take(|| self.index.search(query, count))
            .map_err(failed("search"))?;
        Ok(found.keys.into_iter().map(|key| key as usize).collect())
    }

    /// Makes room for searches on all threads.
    fn ready(index: Index) -> Result<Self, Error> {
        let threads = available_parallelism()
            .map_or(1, usize::from)
            .max(rayon::current_num_threads());
        index
            .reserve_capacity_and_threads(index.size(), threads)
            .map_err(failed("reserve memory"))?;
        Ok(Self {
            index,
            turns: Turns::new(threads),
        })
    }
}

impl std::fmt::Debug for Graph {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Graph")
            .field("len", &self.index.size())
            .field("connectivity", &self.index.connectivity())
            .field("expansion_add", &self.index.expansion_add())
            .field("expansion_search", &self.index.expansion_search())
            .finish_non_exhaustive()
    }
}

fn empty(metric: ApproximateMetric, config: ApproximateConfig, dim: usize) -> Result<Index, Error> {
    let options = IndexOptions {
        dimensions: dim,
        metric: kind(metric),
        quantization: ScalarKind::F32,
        connectivity: config.connectivity,
        expansion_add: config.expansion_add,
        expansion_search: config.expansion_search,
        multi: false,
    };
    Index::new(&options).map_err(failed("start"))
}

fn kind(metric: ApproximateMetric) -> MetricKind {
    match metric {
        ApproximateMetric::Euclidean => MetricKind::L2sq,
        ApproximateMetric::Cosine => MetricKind::Cos,
        ApproximateMetric::InnerProduct => MetricKind::IP,
    }
}

fn failed<E: ToString>(expected: &'static str) -> impl FnOnce(E) -> Error {
    move |error| Error::ApproximateIndex {
        expected,
        message: error.to_string(),
    }
}

fn text<'p>(path: &'p Path, expected: &'static str) -> Result<&'p str, Error> {
    path.to_str()
        .ok_or_else(|| failed(expected)("a path that is not UTF-8"))
}

/// Lets so many searches run at a time; the library refuses one more than it has contexts for.
struct Turns {
    free: Mutex<usize>,
    freed: Condvar,
}

impl Turns {
    fn new(free: usize) -> Self {
        Self {
            free: Mutex::new(free),
            freed: Condvar::new(),
        }
    }

    /// `work` must not wait for another turn.
    fn take<R>(&self, work: impl FnOnce() -> R) -> R {
        let lock = || self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = self
            .freed
            .wait_while(lock(), |free| *free == 0)
            .unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        drop(free);
        let result = work();
        *lock() += 1;
        self.freed.notify_one();
        result
    }
}
