//! Conversions between the test kit's vectors and arrays, and cases that several files share.

pub(crate) mod cases;
pub(crate) mod programs;

use metric_core::Scalar;
use ndarray::Array2;

pub(crate) fn vector<T: Scalar>(values: &[f64]) -> Vec<T> {
    values.iter().map(|&x| T::from_f64(x)).collect()
}

pub(crate) fn matrix<T: Scalar>(rows: &[Vec<f64>]) -> Array2<T> {
    Array2::from_shape_fn((rows.len(), rows[0].len()), |(i, j)| {
        T::from_f64(rows[i][j])
    })
}

/// `A Aᵀ + I` for the given numbers, rounded to `f32`: symmetric, all eigenvalues about 1 or more.
pub(crate) fn precision(dim: usize, numbers: &[f64]) -> Vec<Vec<f64>> {
    let a = |i: usize, j: usize| numbers[(i * dim + j) % numbers.len()];
    let entry = |i: usize, j: usize| {
        let sum: f64 = (0..dim).map(|k| a(i, k) * a(j, k)).sum();
        f64::from((sum + f64::from(u8::from(i == j))) as f32)
    };
    (0..dim)
        .map(|i| (0..dim).map(|j| entry(i, j)).collect())
        .collect()
}

pub(crate) fn with_threads<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> R {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .unwrap()
        .install(work)
}

/// The bits of numbers, for results that must be the same.
pub(crate) fn bits<'a, T: Scalar>(values: impl IntoIterator<Item = &'a T>) -> Vec<u64> {
    values.into_iter().map(|x| x.to_f64().to_bits()).collect()
}
