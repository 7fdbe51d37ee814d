//! `knn:<distance>`: exact nearest neighbours, and `index:<distance>`: the same of a base prepared beforehand.

use std::hint::black_box;

use metric_core::{BruteForce, Distance, NeighborIndex, knn, knn_self};
use ndarray::Array2;

use super::distances::{self, NAMES, Use, named};
use super::{Op, Settings, SpeedError, Work, data};

pub(super) fn ops() -> Vec<Op> {
    let op = |kind: &str, name, is_prepared| {
        Op::new(format!("{kind}:{name}"), move |settings| {
            let search = Search::new(settings)?;
            if is_prepared {
                named(name, settings, Prepared(search))?
            } else {
                named(name, settings, search)
            }
        })
        .with_params(distances::params(name))
    };
    let whole = NAMES.iter().map(|&name| op("knn", name, false));
    let prepared = NAMES.iter().map(|&name| op("index", name, true));
    whole.chain(prepared).collect()
}

/// The base becomes an index before the clock starts.
struct Prepared(Search);

impl Use for Prepared {
    type Output = Result<Work, SpeedError>;
    fn with<D: Distance<f32> + 'static>(self, distance: D) -> Self::Output {
        let Search { base, queries, k } = self.0;
        let queries = queries.unwrap_or_else(|| base.clone());
        let refused = SpeedError::refused("index");
        let index = BruteForce::owned(base, distance).map_err(refused)?;
        Ok(Work::new(move || {
            black_box(index.knn(queries.view(), k).map_err(refused)?);
            Ok(())
        }))
    }
}

struct Search {
    base: Array2<f32>,
    /// Without them every row of the base asks for its neighbours among the others.
    queries: Option<Array2<f32>>,
    k: usize,
}

impl Search {
    fn new(settings: &Settings) -> Result<Self, SpeedError> {
        let queries = match settings.queries {
            0 => None,
            queries => Some(data::rows(settings, queries, 1)?),
        };
        Ok(Self {
            base: data::rows(settings, settings.n, 2)?,
            queries,
            k: settings.k,
        })
    }
}

impl Use for Search {
    type Output = Work;
    fn with<D: Distance<f32> + 'static>(self, distance: D) -> Work {
        Work::new(move || {
            let found = match &self.queries {
                Some(queries) => knn(&distance, queries.view(), self.base.view(), self.k),
                None => knn_self(&distance, self.base.view(), self.k),
            };
            black_box(found.map_err(SpeedError::refused("knn"))?);
            Ok(())
        })
    }
}
