//! Draws what beta, gamma and the ring of density-aware negatives do to the negatives of one anchor in the plane.
//!
//! ```text
//! cargo run -p metric-sampling --example density_aware_figure -- sampling/density_aware.svg
//! ```

use std::error::Error;
use std::f32::consts::PI;

use metric_core::Relevance;
use metric_sampling::{Batch, DensityAware, DrawWeights, NegativeWeights};
use ndarray::Array2;
use plotters::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const SPARSE: usize = 90;
const DENSE: usize = 90;
/// Area of all of a panel's discs together, in square pixels.
const AREA: f64 = 9000.0;
/// Pixels of a panel's side.
const SIDE: u32 = 300;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("which file to write?")?;
    let mut random = ChaCha8Rng::seed_from_u64(1);
    // Directions: all around, and a crowd between 50 and 70 degrees from the anchor on one side.
    let crowd = (50.0f32.to_radians(), 70.0f32.to_radians());
    let mut angles = vec![0.0];
    angles.extend((0..SPARSE).map(|_| random.random_range(-PI..PI)));
    angles.extend((0..DENSE).map(|_| random.random_range(crowd.0..crowd.1)));
    let rows = Array2::from_shape_fn((angles.len(), 2), |(i, j)| {
        [angles[i].sin(), angles[i].cos()][j]
    });
    let labels: Vec<u32> = (0..).take(angles.len()).collect();
    let batch = Batch::new(rows.view(), Relevance::labels(&labels))?;
    // Only the direction counts; distances from the centre keep the discs apart.
    let spread: Vec<f64> = angles
        .iter()
        .map(|_| random.random_range(0.7..1.0))
        .collect();

    let weights_of = |beta, gamma, (lower, upper)| -> Result<DrawWeights, Box<dyn Error>> {
        let miner = DensityAware::new().with_beta(beta)?.with_gamma(gamma)?;
        let miner = miner.with_ring(lower, upper)?;
        let mut of_anchors = miner.each_weighted(&batch, |_, weights| weights.clone())?;
        Ok(of_anchors.swap_remove(0))
    };
    let whole = (0.0, 1.0);
    let panels = [
        ("uniform: beta = 0, gamma = 0", weights_of(0.0, 0.0, whole)?),
        ("hard: beta = 4, gamma = 0", weights_of(4.0, 0.0, whole)?),
        ("even: beta = 0, gamma = 1", weights_of(0.0, 1.0, whole)?),
        ("both: beta = 4, gamma = 1", weights_of(4.0, 1.0, whole)?),
        (
            "both, ring from 0.3 to 0.9",
            weights_of(4.0, 1.0, (0.3, 0.9))?,
        ),
        (
            "more of each: beta = 8, gamma = 2",
            weights_of(8.0, 2.0, whole)?,
        ),
    ];
    let root = SVGBackend::new(&path, (3 * SIDE, 2 * SIDE)).into_drawing_area();
    root.fill(&WHITE)?;
    for (area, (title, weights)) in root.split_evenly((2, 3)).iter().zip(&panels) {
        let mut chart = ChartBuilder::on(area)
            .caption(title, ("sans-serif", 16))
            .margin(6)
            .build_cartesian_2d(-1.1..1.1, -1.1..1.1)?;
        let place = |i: usize| {
            let angle = f64::from(angles[i]);
            (spread[i] * angle.sin(), spread[i] * angle.cos())
        };
        let faint = (1..angles.len()).map(|i| Circle::new(place(i), 1, RGBColor(200, 200, 200)));
        chart.draw_series(faint)?;
        let sum: f64 = weights.weights().iter().sum();
        let discs = weights.indices().iter().zip(weights.weights());
        let discs = discs.map(|(&index, weight)| {
            let radius = (AREA * weight / sum / std::f64::consts::PI).sqrt();
            Circle::new(
                place(index as usize),
                radius.round() as i32,
                BLUE.mix(0.45).filled(),
            )
        });
        chart.draw_series(discs)?;
        let anchor = [(0.0, 1.0)];
        chart.draw_series(
            anchor
                .iter()
                .map(|&at| TriangleMarker::new(at, 8, RED.filled())),
        )?;
    }
    root.present()?;
    Ok(())
}
