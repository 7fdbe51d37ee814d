//! Learns a linear metric with each method and counts how often the nearest other row has the same label.
//!
//! `cargo run --release -p metric-core --example linear_metric`

#![allow(clippy::print_stdout, reason = "an example shows its result")]

use metric_core::linear::{Lda, LinearMap, Lmnn, Nca, Pca};
use metric_core::{Distance, Error, Euclidean, knn_self};
use ndarray::{Array2, ArrayView2};
use rand::{RngExt, SeedableRng};

fn hits(
    metric: &dyn Distance<f32>,
    rows: ArrayView2<'_, f32>,
    labels: &[u32],
) -> Result<usize, Error> {
    let neighbors = knn_self(metric, rows, 1)?.indices;
    let same = |&(i, &j): &(usize, &usize)| labels[i] == labels[j];
    Ok(neighbors.column(0).iter().enumerate().filter(same).count())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Two columns tell three classes apart; eight louder ones say nothing.
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    let labels: Vec<u32> = (0..300).map(|i| i % 3).collect();
    let rows = Array2::from_shape_fn((300, 10), |(i, j)| {
        let noise: f32 = rng.random_range(-1.0..1.0);
        if j < 2 {
            noise + (labels[i] * (1 + j as u32) % 3) as f32
        } else {
            4.0 * noise
        }
    });
    println!(
        "euclidean   {} of 300",
        hits(&Euclidean, rows.view(), &labels)?
    );
    let lda = Lda::new().fit(rows.view(), &labels)?;
    let learned: [(&str, LinearMap<f32>); 4] = [
        ("pca", Pca::components(2).whiten(true).fit(rows.view())?),
        ("nca", Nca::new().components(2).fit(rows.view(), &labels)?),
        ("lmnn", Lmnn::new(3).fit_from(rows.view(), &labels, &lda)?),
        ("lda", lda),
    ];
    for (name, map) in &learned {
        println!(
            "{name:11} {} of 300",
            hits(&map.metric(), rows.view(), &labels)?
        );
    }
    let path = std::env::temp_dir().join("linear_metric.json");
    learned[3].1.save(&path)?;
    println!(
        "saved and loaded: {}",
        LinearMap::load(&path)? == learned[3].1
    );
    Ok(())
}
