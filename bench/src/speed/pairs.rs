//! `pairwise:<distance>`, the matrix of all pairs, and `pair:<distance>`, one pair.

use std::hint::black_box;
use std::time::{Duration, Instant};

use metric_core::{Distance, InnerProduct, Similarity, pairwise, pairwise_similarity};
use ndarray::Array2;

use super::distances::{self, NAMES, Use, named};
use super::{Op, Settings, SpeedError, Work, data};

/// A single pair takes nanoseconds; so many are timed at once that the clock does not matter.
const BATCH: Duration = Duration::from_millis(2);

pub(super) fn ops() -> Vec<Op> {
    let matrices = NAMES.iter().map(|&name| {
        Op::new(format!("pairwise:{name}"), move |settings| {
            settings.check_matrix(settings.n)?;
            let (x, y) = data::both(settings)?;
            named(name, settings, AllPairs(x, y))
        })
        .with_params(distances::params(name))
    });
    let single = NAMES.iter().map(|&name| {
        Op::new(format!("pair:{name}"), move |settings| {
            let rows = data::rows(settings, 2, 1)?;
            named(name, settings, OnePair(rows))
        })
        .with_params(distances::params(name))
    });
    let products = [
        Op::new("pairwise:inner_product", all_products),
        Op::new("pair:inner_product", |settings| {
            let rows = data::rows(settings, 2, 1)?;
            Ok(one_pair(&rows, |a, b| InnerProduct.similarity(a, b)))
        }),
    ];
    matrices.chain(single).chain(products).collect()
}

struct AllPairs(Array2<f32>, Array2<f32>);

impl Use for AllPairs {
    type Output = Work;
    fn with<D: Distance<f32> + 'static>(self, distance: D) -> Work {
        let Self(x, y) = self;
        Work::new(move || {
            let matrix = pairwise(&distance, x.view(), y.view());
            black_box(matrix.map_err(SpeedError::refused("pairwise"))?);
            Ok(())
        })
    }
}

fn all_products(settings: &Settings) -> Result<Work, SpeedError> {
    settings.check_matrix(settings.n)?;
    let (x, y) = data::both(settings)?;
    Ok(Work::new(move || {
        let matrix = pairwise_similarity(&InnerProduct, x.view(), y.view());
        black_box(matrix.map_err(SpeedError::refused("pairwise_similarity"))?);
        Ok(())
    }))
}

struct OnePair(Array2<f32>);

impl Use for OnePair {
    type Output = Work;
    fn with<D: Distance<f32> + 'static>(self, distance: D) -> Work {
        one_pair(&self.0, move |a, b| distance.distance(a, b))
    }
}

fn one_pair(rows: &Array2<f32>, value: impl Fn(&[f32], &[f32]) -> f32 + 'static) -> Work {
    let (a, b) = (rows.row(0).to_vec(), rows.row(1).to_vec());
    let batch = move |calls: u32| {
        for _ in 0..calls {
            black_box(value(black_box(&a), black_box(&b)));
        }
    };
    let mut calls = 1;
    loop {
        let start = Instant::now();
        batch(calls);
        if start.elapsed() >= BATCH || calls > u32::MAX / 2 {
            break;
        }
        calls *= 2;
    }
    let run = move || {
        batch(calls);
        Ok(())
    };
    Work {
        run: Box::new(run),
        calls,
    }
}
