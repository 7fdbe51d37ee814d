//! `kmeans`, from the first rows as centres, and `kmeans++`, which chooses the centres.

use std::hint::black_box;

use metric_core::clusters::{KMeans, Start, Variant, kmeans_plus_plus};
use ndarray::s;

use super::{Op, Settings, SpeedError, Work, data};

pub(super) fn ops() -> Vec<Op> {
    vec![
        Op::new("kmeans", k_means).with_params(&["iterations", "variant"]),
        Op::new("kmeans++", plus_plus).with_params(&["trials"]),
    ]
}

/// `--k` clusters in `--param iterations` (10) steps that no tolerance ends.
fn k_means(settings: &Settings) -> Result<Work, SpeedError> {
    let rows = data::rows(settings, settings.n, 1)?;
    let start = rows.slice(s![..settings.k.min(settings.n), ..]).to_owned();
    let variant = match settings.word("variant").unwrap_or("lloyd") {
        "lloyd" => Variant::Lloyd,
        "hamerly" => Variant::Hamerly,
        other => {
            return Err(SpeedError::option(
                "--param variant",
                "lloyd or hamerly",
                other,
            ));
        }
    };
    let model = KMeans::new(settings.k)
        .start(Start::Given(start))
        .variant(variant)
        .max_iterations(settings.count("iterations", 10)?)
        .tolerance(0.0);
    Ok(Work::new(move || {
        let found = model.fit(rows.view(), &mut data::generator(2));
        black_box(found.map_err(SpeedError::refused("kmeans"))?);
        Ok(())
    }))
}

/// The choice of `--k` centres.
fn plus_plus(settings: &Settings) -> Result<Work, SpeedError> {
    let rows = data::rows(settings, settings.n, 1)?;
    let trials = match settings.word("trials") {
        None => None,
        Some(_) => Some(settings.count("trials", 1)?),
    };
    let k = settings.k;
    Ok(Work::new(move || {
        let found = kmeans_plus_plus(rows.view(), k, trials, &mut data::generator(2));
        black_box(found.map_err(SpeedError::refused("kmeans++"))?);
        Ok(())
    }))
}
