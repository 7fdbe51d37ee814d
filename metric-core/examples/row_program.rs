//! Two programs of one's own over all pairs of rows, whose matrix is never held: how far each row's k-th nearest is, and how
//! the distances are spread.
//!
//! `cargo run -p metric-core --example row_program`

#![allow(clippy::print_stdout, reason = "an example shows its result")]

use metric_core::{Error, Euclidean, RowProgram, walk_self};
use rand::{RngExt, SeedableRng};

/// The distance of each row to its `k`-th nearest other row.
struct KthDistance {
    k: usize,
}

impl RowProgram<f32> for KthDistance {
    type State = Vec<f32>;
    type Output = f32;

    fn start(&self, _row: usize) -> Vec<f32> {
        vec![f32::INFINITY; self.k] // the least so far, in order
    }

    fn see(&self, least: &mut Vec<f32>, row: usize, first: usize, distances: &[f32]) {
        for (column, &distance) in (first..).zip(distances) {
            if column != row && distance < least[self.k - 1] {
                let place = least.partition_point(|&d| d <= distance);
                least.insert(place, distance);
                least.pop();
            }
        }
    }

    fn finish(&self, _row: usize, least: Vec<f32>) -> f32 {
        least[self.k - 1]
    }
}

/// How many distances of each row lie in each tenth of the range; the last takes all beyond.
struct Histogram {
    most: f32,
}

impl RowProgram<f32> for Histogram {
    type State = [u64; 10];
    type Output = [u64; 10];

    fn start(&self, _row: usize) -> [u64; 10] {
        [0; 10]
    }

    fn see(&self, counts: &mut [u64; 10], row: usize, first: usize, distances: &[f32]) {
        for (column, &distance) in (first..).zip(distances) {
            if column != row {
                counts[((10.0 * distance / self.most) as usize).min(9)] += 1;
            }
        }
    }

    fn finish(&self, _row: usize, counts: [u64; 10]) -> [u64; 10] {
        counts
    }
}

fn main() -> Result<(), Error> {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    let rows = ndarray::Array2::from_shape_fn((1000, 8), |_| rng.random::<f32>());

    let kth = walk_self(&Euclidean, rows.view(), &KthDistance { k: 5 })?;
    let lone = (0..1000).fold(0, |far, row| if kth[row] > kth[far] { row } else { far });
    println!(
        "row {lone} is the loneliest: its fifth nearest is at {:.3}",
        kth[lone]
    );

    let most = 8f32.sqrt(); // the diagonal of the cube
    let per_row = walk_self(&Euclidean, rows.view(), &Histogram { most })?;
    println!("distances of all pairs, by tenths of the longest possible:");
    for tenth in 0..10 {
        let count = per_row.iter().map(|counts| counts[tenth]).sum::<u64>() / 2;
        println!(
            "{:.2} {count:6} {}",
            most * tenth as f32 / 10.0,
            "#".repeat(count as usize / 4000)
        );
    }
    Ok(())
}
