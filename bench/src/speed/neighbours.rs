//! `knn:<distance>`: exact nearest neighbours.

use std::hint::black_box;

use metric_core::{Distance, knn, knn_self};
use ndarray::Array2;

use super::distances::{self, NAMES, Use, named};
use super::{Op, Settings, SpeedError, Work, data};

pub(super) fn ops() -> Vec<Op> {
    NAMES
        .iter()
        .map(|&name| {
            Op::new(format!("knn:{name}"), move |settings| {
                named(name, settings, Search::new(settings)?)
            })
            .with_params(distances::params(name))
        })
        .collect()
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
