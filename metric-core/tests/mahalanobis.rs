//! Mahalanobis distances from covariances, data and maps.

#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and some results are exact"
)]

use metric_core::linear::{Covariance, Estimator};
use metric_core::{Distance, Error, Euclidean, Mahalanobis, Metric, Scalar};
use metric_testkit::{oracle, strategy};
use ndarray::{Array2, array};
use proptest::prelude::*;

use crate::common::{matrix, precision, vector};

/// A map of rank below its dimension obeys the axioms of a pseudometric.
fn pseudometric<T: Scalar>(points: &[Vec<f64>; 3], rows: &[Vec<f64>]) -> Result<(), TestCaseError> {
    let metric = Mahalanobis::<T>::from_map(matrix(rows).view()).unwrap();
    let points: Vec<Vec<T>> = points.iter().map(|p| vector(p)).collect();
    let d = |i: usize, j: usize| metric.distance(&points[i], &points[j]).to_f64();
    let plain = |i: usize, j: usize| Euclidean.distance(&points[i], &points[j]).to_f64();
    for i in 0..3 {
        prop_assert_eq!(d(i, i), 0.0);
        for j in 0..3 {
            prop_assert!(d(i, j) >= 0.0 && d(i, j).is_finite());
            prop_assert_eq!(d(i, j).to_bits(), d(j, i).to_bits());
        }
    }
    let n = points[0].len().max(rows.len()) as f64;
    let norm = rows.iter().flatten().map(|x| x * x).sum::<f64>().sqrt();
    for (i, j, k) in [(0, 1, 2), (1, 2, 0), (2, 0, 1)] {
        let detour = d(i, k) + d(k, j);
        // As documented.
        let lost = (n * n + 8.0) * f64::EPSILON * norm * (plain(i, k) + plain(k, j));
        let limit = detour * (1.0 + 8.0 * T::EPSILON.to_f64()) + lost;
        prop_assert!(d(i, j) <= limit, "{} > {limit}", d(i, j));
    }
    Ok(())
}

proptest! {
    #[test]
    fn maps_of_any_rank_give_pseudometrics(
        points in strategy::three_points(9),
        out in 1usize..5,
        entries in prop::collection::vec((-16..=16).prop_map(|x| f64::from(x) / 8.0), 1..40),
    ) {
        let dim = points[0].len();
        let entry = |i: usize, j: usize| entries[(i * dim + j) % entries.len()];
        let rows: Vec<Vec<f64>> = (0..out).map(|i| (0..dim).map(|j| entry(i, j)).collect()).collect();
        pseudometric::<f32>(&points, &rows)?;
        pseudometric::<f64>(&points, &rows)?;
    }

    #[test]
    fn a_covariance_measures_as_its_inverse_does(
        points in strategy::three_points(9),
        numbers in prop::collection::vec(-1.0..1.0f64, 1..30),
    ) {
        let [a, b, _] = &points;
        let n = a.len();
        let sigma = precision(n, &numbers);
        let metric = Mahalanobis::<f64>::from_covariance(matrix(&sigma).view()).unwrap();
        // By elimination: solve Σ y = a − b, then d² = (a − b)ᵀ y.
        let scale = a.iter().zip(b).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max);
        prop_assume!(scale > 0.0);
        let unit: Vec<f64> = a.iter().zip(b).map(|(x, y)| (x - y) / scale).collect();
        let mut rows: Vec<Vec<f64>> = sigma.clone();
        let mut right = unit.clone();
        for k in 0..n {
            for i in k + 1..n {
                let factor = rows[i][k] / rows[k][k];
                let above = rows[k].clone();
                for (entry, above) in rows[i].iter_mut().zip(above) {
                    *entry -= factor * above;
                }
                right[i] -= factor * right[k];
            }
        }
        for k in (0..n).rev() {
            let known: f64 = (k + 1..n).map(|j| rows[k][j] * right[j]).sum();
            right[k] = (right[k] - known) / rows[k][k];
        }
        let want = oracle::dot(&unit, &right).sqrt() * scale;
        let got = metric.distance(a, b);
        // Eigenvalues between 1 and 1 + n²: condition below 82, backward error n² ε on either side.
        prop_assert!((got - want).abs() <= 1e-11 * want, "{} for {}", got, want);
    }
}

#[test]
fn rank_is_judged_column_by_column() {
    let rank = |map: Array2<f64>| Mahalanobis::from_map(map.view()).unwrap().is_full_rank();
    assert!(rank(array![[1.0, 0.0], [0.0, 1.0]]));
    assert!(rank(array![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]));
    assert!(rank(array![[1e-200, 0.0], [0.0, 1e200]])); // units do not matter
    assert!(!rank(array![[1.0, 2.0]]));
    assert!(!rank(array![[1.0, 2.0], [2.0, 4.0]]));
    assert!(!rank(array![[1.0, 0.0], [2.0, 0.0]]));
    assert!(!rank(array![[0.0, 0.0], [0.0, 0.0]]));
    let p = precision(9, &[0.9, -0.3, 0.5, 0.2, -0.7]);
    assert!(
        Mahalanobis::from_precision(matrix::<f64>(&p).view())
            .unwrap()
            .is_full_rank()
    );
}

#[test]
fn a_pseudometric_is_zero_across_what_its_map_drops() {
    let metric = Mahalanobis::from_map(array![[2.0f32, 0.0, 0.0], [0.0, 0.0, 0.0]].view()).unwrap();
    assert_eq!(metric.dim(), 3);
    assert_eq!(metric.factor().dim(), (2, 3));
    assert_eq!(metric.distance(&[1.0, 2.0, 3.0], &[1.0, -9.0, 1e30]), 0.0);
    assert_eq!(metric.distance(&[3.0, 2.0, 3.0], &[1.0, -9.0, 1e30]), 4.0);
    let nothing = Mahalanobis::from_map(array![[0.0f64, 0.0]].view()).unwrap();
    assert_eq!(nothing.distance(&[f64::MAX, 1.0], &[-f64::MAX, 2.0]), 0.0);
}

#[test]
fn rows_far_from_the_origin_keep_their_small_differences() {
    let map = array![[3.0f32, 0.0, 1.0], [0.0, 4.0, -2.0]];
    let metric = Mahalanobis::from_map(map.view()).unwrap();
    let a = [8192.0f32, -8192.0, 5.0];
    let b = [8192.0f32 + 1.0 / 1024.0, -8192.0 + 1.0 / 1024.0, 5.0];
    assert_eq!(metric.distance(&a, &b), 5.0 / 1024.0);
}

#[test]
fn sizes_at_the_ends_of_the_range_are_finite_wherever_the_distance_is() {
    for (entry, x) in [
        (1e300f64, 1e-300),
        (1e-300, 1e300),
        (1e-170, 1e-130),
        (1e170, 1e130),
    ] {
        let metric = Mahalanobis::from_map(array![[entry, 0.0], [0.0, entry]].view()).unwrap();
        let got = metric.distance(&[3.0 * x, 0.0], &[0.0, -4.0 * x]);
        let want = 5.0 * (entry * x);
        assert!((got - want).abs() <= 1e-14 * want, "{entry}, {x}: {got}");
    }
    // The difference itself does not fit.
    let half = Mahalanobis::from_map(array![[0.25f64]].view()).unwrap();
    assert_eq!(half.distance(&[f64::MAX], &[-f64::MAX]), f64::MAX / 2.0);
}

#[test]
fn data_give_the_distance_of_their_covariance() {
    let rows = Array2::from_shape_fn((30, 4), |(i, j)| ((i * i + 3 * i * j + j) as f64).sin());
    let estimators = [
        Estimator::Biased,
        Estimator::Unbiased,
        Estimator::Shrunk(0.3),
        Estimator::LedoitWolf,
    ];
    for estimator in estimators {
        let covariance = Covariance::fit(rows.view(), estimator).unwrap();
        let want = Mahalanobis::from_covariance(covariance.matrix().view()).unwrap();
        let got = Mahalanobis::from_data(rows.view(), estimator).unwrap();
        let (a, b) = (rows.row(3).to_vec(), rows.row(17).to_vec());
        // The same numbers up to a power of two, which divides out.
        assert_eq!(got.distance(&a, &b), want.distance(&a, &b));
    }
}

#[test]
fn covariances_and_maps_are_checked() {
    let covariance = |c: Array2<f64>| Mahalanobis::from_covariance(c.view()).unwrap_err();
    assert_eq!(
        covariance(Array2::zeros((0, 0))),
        Error::Empty { what: "covariance" }
    );
    assert_eq!(
        covariance(Array2::ones((2, 3))),
        Error::NotSquare {
            rows: 2,
            columns: 3
        }
    );
    let refused = Error::NotSymmetric { row: 1, column: 0 };
    assert_eq!(covariance(array![[1.0, 0.5], [0.4, 1.0]]), refused);
    let refused = Error::NotPositiveDefinite { index: 1 };
    assert_eq!(covariance(array![[1.0, 1.0], [1.0, 1.0]]), refused);
    let nan = Error::NonFinite {
        what: "map",
        row: 0,
        column: 1,
    };
    let got = Mahalanobis::from_map(array![[1.0f32, f32::NAN]].view());
    assert_eq!(got, Err(nan));
    let got = Mahalanobis::<f32>::from_map(Array2::zeros((0, 2)).view());
    assert_eq!(got, Err(Error::Empty { what: "map" }));
    // Variance near the least number: its inverse root fits; a subnormal spread's inverse does not.
    let tiny = array![[1e-170f64], [-1e-170]];
    let metric = Mahalanobis::from_data(tiny.view(), Estimator::Biased).unwrap();
    assert!((metric.distance(&[1e-170], &[-1e-170]) - 2.0).abs() < 1e-14);
    let offset = array![[1e-300f64], [1e-300 * (1.0 + f64::EPSILON)]];
    let got = Mahalanobis::from_data(offset.view(), Estimator::Biased);
    assert_eq!(got, Err(Error::Overflow { what: "linear map" }));
}

#[test]
fn it_may_be_used_where_a_metric_is_asked_for() {
    fn prune<T: Scalar>(_: &impl Metric<T>) {}
    prune(&Mahalanobis::from_map(array![[1.0f32, 0.0]].view()).unwrap());
}
