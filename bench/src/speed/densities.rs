//! `density:<name>`: log densities of unit rows among themselves.

use std::hint::black_box;

use metric_sampling::DensityError;
use metric_sampling::density::{
    GaussianKernelDensity, KnnDensity, LocalOutlierFactor, LogDensity, ManifoldDensity,
    VonMisesFisherKernelDensity,
};
use ndarray::ArrayView2;

use super::miners::unit;
use super::{Op, Settings, SpeedError, Work, data};

type Estimate = fn(ArrayView2<'_, f32>, &Settings) -> Result<Vec<f64>, DensityError>;

const ESTIMATES: &[(&str, Estimate)] = &[
    ("knn", |rows, settings| {
        KnnDensity::new(settings.k)?.log_density_self(rows)
    }),
    ("manifold", |rows, settings| {
        ManifoldDensity::new(settings.k)?.log_density_self(rows)
    }),
    ("gaussian", |rows, _| {
        GaussianKernelDensity::new(0.5)?.log_density_self(rows)
    }),
    ("von_mises_fisher", |rows, _| {
        VonMisesFisherKernelDensity::new(10.0)?.log_density_self(rows)
    }),
    ("local_outlier_factor", |rows, settings| {
        Ok(LocalOutlierFactor::fit(rows, settings.k)?
            .factors()
            .to_vec())
    }),
];

pub(super) fn ops() -> Vec<Op> {
    let op = |&(name, estimate): &(&str, Estimate)| {
        Op::new(format!("density:{name}"), move |settings| {
            let settings = settings.clone();
            let rows = unit(data::rows(&settings, settings.n, 1)?);
            Ok(Work::new(move || {
                let found = estimate(rows.view(), &settings);
                black_box(found.map_err(SpeedError::refused("density"))?);
                Ok(())
            }))
        })
    };
    ESTIMATES.iter().map(op).collect()
}
