//! Densities of a queue against those computed anew.

#![allow(clippy::unwrap_used, reason = "tests: panics are failures")]

use metric_core::Error;
use metric_sampling::density::{
    GaussianKernelDensity, KernelDensityQueue, KnnDensity, KnnDensityQueue, LogDensity,
    VonMisesFisherKernelDensity,
};
use metric_sampling::{BufferError, DensityError};
use ndarray::{Array2, ArrayView2, array};
use proptest::collection::vec;
use proptest::prelude::*;

const EPSILON: f64 = f32::EPSILON as f64;
const DIM: usize = 3;

/// Rows on a coarse grid, so that some coincide, in batches.
fn batches() -> impl Strategy<Value = Vec<Array2<f32>>> {
    let batch = vec(vec((-3..=3i8).prop_map(f32::from), DIM), 0..8);
    let array = |rows: Vec<Vec<f32>>| Array2::from_shape_fn((rows.len(), DIM), |(i, j)| rows[i][j]);
    vec(batch.prop_map(array), 1..12)
}

fn labels(rows: ArrayView2<'_, f32>) -> Vec<i64> {
    vec![0; rows.nrows()]
}

proptest! {
    #[test]
    fn knn_densities_of_a_queue_are_those_anew_to_the_bit(batches in batches(), capacity in 8..20usize, k in 1..5usize) {
        let knn = KnnDensity::new(k).unwrap();
        let mut queue = KnnDensityQueue::new(capacity, DIM, knn).unwrap();
        for rows in batches {
            queue.push(rows.view(), &labels(rows.view())).unwrap();
            let held = queue.buffer().rows();
            let want = if held.nrows() > k {
                knn.log_density_self(held.view())
            } else {
                Err(DensityError::TooFewRows { needed: k + 1, rows: held.nrows() })
            };
            prop_assert_eq!(queue.log_densities(), want);
        }
    }

    #[test]
    fn kernel_densities_of_a_queue_are_those_anew(batches in batches(), capacity in 8..20usize, h in 0.7..3.0f64) {
        let kernel = GaussianKernelDensity::new(h).unwrap();
        let mut queue = KernelDensityQueue::gaussian(capacity, DIM, &kernel).unwrap();
        // A kernel is off by z² ρ with ρ = (2 dim + 66) ε that of a distance, and 2⁻²¹; z² is at most 3 · 6² / h². Sums of the queue are
        // off by nine times that, those anew by once.
        let tolerance = 10.0 * (108.0 / (h * h) * (2.0 * DIM as f64 + 66.0) * EPSILON + 2f64.powi(-21));
        for rows in batches {
            queue.push(rows.view(), &labels(rows.view())).unwrap();
            let held = queue.buffer().rows();
            if held.nrows() < 2 {
                let rows = held.nrows();
                prop_assert_eq!(queue.log_densities(), Err(DensityError::TooFewRows { needed: 2, rows }));
                continue;
            }
            let want = kernel.log_density_self(held.view()).unwrap();
            for (got, want) in queue.log_densities().unwrap().iter().zip(want) {
                prop_assert!((got - want).abs() <= tolerance, "{got} is not {want} within {tolerance:.1e}");
            }
        }
    }
}

#[test]
fn a_sum_that_has_lost_its_neighbours_is_summed_anew() {
    // The neighbour of the last row at distance 0.1 leaves; what stays is 50 bandwidths away, e^−1250 of the sum it had: far below
    // what a difference could tell from 0.
    let kernel = GaussianKernelDensity::new(1.0).unwrap();
    let mut queue = KernelDensityQueue::gaussian(3, 1, &kernel).unwrap();
    queue
        .push(array![[0.1f32], [0.0], [50.0]].view(), &[0; 3])
        .unwrap();
    queue.push(array![[-50.0f32]].view(), &[0]).unwrap();
    let want = kernel
        .log_density_self(array![[0.0f32], [50.0], [-50.0]].view())
        .unwrap();
    for (got, want) in queue.log_densities().unwrap().iter().zip(want) {
        // Exponents of −1250 are off by (2 + 66) ε relative.
        assert!(
            (got - want).abs() < 1250.0 * 68.0 * EPSILON,
            "{got} is not {want}"
        );
    }
}

#[test]
fn densities_do_not_drift_over_many_pushes() {
    use rand::{RngExt, SeedableRng};
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    let kernel = VonMisesFisherKernelDensity::new(40.0).unwrap();
    let mut queue = KernelDensityQueue::von_mises_fisher(300, 8, &kernel).unwrap();
    for _ in 0..200 {
        let rows = Array2::from_shape_fn((16, 8), |_| rng.random::<f32>() - 0.4);
        queue.push(rows.view(), &[0; 16]).unwrap();
    }
    let want = kernel
        .log_density_self(queue.buffer().rows().view())
        .unwrap();
    for (got, want) in queue.log_densities().unwrap().iter().zip(want) {
        // As above: z² = κ c² up to 40 · 4 for chords up to 2, and directions off by 6 ε each.
        let tolerance = 10.0 * (160.0 * (16.0 + 66.0) * EPSILON + 480.0 * EPSILON + 2f64.powi(-21));
        assert!((got - want).abs() <= tolerance, "{got} is not {want}");
    }
}

#[test]
fn a_queue_that_refuses_rows_stays_as_it_was() {
    let kernel = VonMisesFisherKernelDensity::new(2.0).unwrap();
    let mut queue = KernelDensityQueue::von_mises_fisher(4, 2, &kernel).unwrap();
    queue
        .push(array![[1.0f32, 0.0], [0.0, 1.0]].view(), &[1, 2])
        .unwrap();
    let (rows, before) = (queue.buffer().rows(), queue.log_densities().unwrap());
    let zero = queue.push(array![[1.0f32, 1.0], [0.0, 0.0]].view(), &[0, 0]);
    assert_eq!(
        zero,
        Err(DensityError::Data(Error::ZeroRow {
            what: "rows",
            row: 1
        }))
    );
    let wide = queue.push(array![[1.0f32, 1.0, 1.0]].view(), &[0]);
    let mismatch = Error::DimMismatch { left: 2, right: 3 };
    assert_eq!(wide, Err(DensityError::Buffer(BufferError::Data(mismatch))));
    let many = queue.push(Array2::ones((5, 2)).view(), &[0; 5]);
    let too_many = BufferError::TooManyRows {
        rows: 5,
        capacity: 4,
    };
    assert_eq!(many, Err(DensityError::Buffer(too_many)));
    let count = BufferError::Data(Error::LabelCount { rows: 1, labels: 2 });
    assert_eq!(
        queue.push(array![[1.0f32, 1.0]].view(), &[0, 0]),
        Err(DensityError::Buffer(count))
    );
    assert!(queue.push(array![[1.0f32, f32::NAN]].view(), &[0]).is_err());
    assert_eq!(queue.push(Array2::zeros((0, 2)).view(), &[]), Ok(()));
    assert_eq!(
        (queue.buffer().rows(), queue.log_densities().unwrap()),
        (rows, before)
    );
    let mut queue = KnnDensityQueue::new(4, 2, KnnDensity::new(1).unwrap()).unwrap();
    queue
        .push(array![[1.0f32, 0.0], [0.0, 1.0]].view(), &[1, 2])
        .unwrap();
    let nan = Error::NonFinite {
        what: "rows",
        row: 0,
        column: 1,
    };
    assert_eq!(
        queue.push(array![[1.0f32, f32::NAN]].view(), &[0]),
        Err(DensityError::Data(nan))
    );
    assert_eq!(
        queue.buffer().rows().nrows(),
        queue.log_densities().unwrap().len()
    );
    let zero = KnnDensityQueue::new(0, 3, KnnDensity::new(1).unwrap()).err();
    assert_eq!(
        zero,
        Some(DensityError::Buffer(BufferError::Zero { name: "capacity" }))
    );
}
