//! The axioms, for every type marked `Metric`, as computed.

#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and laws hold exactly"
)]

use metric_core::{
    Angular, Canberra, Chebyshev, Chord, Euclidean, GreatCircle, Hamming, Hellinger, Jaccard,
    JensenShannon, Law, Lorentz, Mahalanobis, Manhattan, Metric, Minkowski, Poincare, Scalar,
};
use metric_testkit::strategy::{
    three_coordinates, three_histograms, three_in_ball, three_on_hyperboloid, three_points,
};
use proptest::prelude::*;

use crate::common::{matrix, precision, vector};

/// `relative` and `absolute` bound the triangle inequality's rounding error; each type's documentation derives them.
fn obeys<T: Scalar>(
    metric: &impl Metric<T>,
    points: &[Vec<f64>; 3],
    relative: f64,
    absolute: f64,
) -> Result<(), TestCaseError> {
    let points: Vec<Vec<T>> = points.iter().map(|p| vector(p)).collect();
    prop_assert!(matches!(metric.law(), Law::Metric | Law::Pseudometric));
    for point in &points {
        prop_assert_eq!(metric.check(point), Ok(()));
    }
    let d = |i: usize, j: usize| metric.distance(&points[i], &points[j]).to_f64();
    for i in 0..3 {
        prop_assert!(d(i, i) == 0.0, "d(x, x) = {}", d(i, i));
        for j in 0..3 {
            prop_assert!(d(i, j) >= 0.0 && d(i, j).is_finite(), "d = {}", d(i, j));
            prop_assert_eq!(d(i, j).to_bits(), d(j, i).to_bits());
            let rank = metric.rank(&points[i], &points[j]);
            prop_assert_eq!(
                metric.rank_to_distance(rank).to_f64().to_bits(),
                d(i, j).to_bits()
            );
        }
    }
    for (i, j, k) in [(0, 1, 2), (1, 2, 0), (2, 0, 1)] {
        let detour = d(i, k) + d(k, j);
        prop_assert!(
            d(i, j) <= detour * (1.0 + relative) + absolute,
            "{} > {detour}",
            d(i, j)
        );
    }
    Ok(())
}

/// Zero for equal vectors only. Pseudometrics do not promise it.
fn tells_apart<T: Scalar>(
    metric: &impl Metric<T>,
    [a, b, _]: &[Vec<f64>; 3],
) -> Result<(), TestCaseError> {
    prop_assert_eq!(metric.law(), Law::Metric);
    let d = metric.distance(&vector(a), &vector(b)).to_f64();
    prop_assert_eq!(d > 0.0, a != b, "d = {}", d);
    Ok(())
}

fn all_types<T: Scalar>(points: &[Vec<f64>; 3], factors: &[f64]) -> Result<(), TestCaseError> {
    let n = points[0].len() as f64;
    let eps = T::EPSILON.to_f64();
    obeys::<T>(&Euclidean, points, (n + 6.0) * eps, 0.0)?;
    tells_apart::<T>(&Euclidean, points)?;
    for p in [1.0, 1.5, 2.0, 3.0, 7.5, 40.0, f64::INFINITY] {
        let minkowski = Minkowski::new(p).unwrap();
        obeys::<T>(&minkowski, points, (n + 10.0) * eps, 0.0)?;
        tells_apart::<T>(&minkowski, points)?;
    }
    obeys::<T>(&Angular, points, (n + 8.0) * eps, 16.0 * eps)?;
    obeys::<T>(&Chord, points, (n + 8.0) * eps, 16.0 * eps)?;
    obeys::<T>(&Manhattan, points, (n + 2.0) * eps, 0.0)?;
    tells_apart::<T>(&Manhattan, points)?;
    obeys::<T>(&Chebyshev, points, 2.0 * eps, 0.0)?;
    tells_apart::<T>(&Chebyshev, points)?;
    obeys::<T>(&Canberra, points, (n + 6.0) * eps, 0.0)?;
    tells_apart::<T>(&Canberra, points)?;
    let precision = matrix::<T>(&precision(points[0].len(), factors));
    let mahalanobis = Mahalanobis::from_precision(precision.view()).unwrap();
    // Eigenvalues of the precision lie in [1, 1 + n²], so the condition of its factor is at most n + 1.
    let relative = 8.0 * eps + (n * n + 8.0) * (n + 1.0) * f64::EPSILON;
    obeys::<T>(&mahalanobis, points, relative, 0.0)?;
    tells_apart::<T>(&mahalanobis, points)
}

/// On points that share entries, and zeros, with each other.
fn sets<T: Scalar>(points: &[Vec<f64>; 3]) -> Result<(), TestCaseError> {
    let points = points
        .clone()
        .map(|p| p.iter().map(|x| x.trunc()).collect());
    let eps = T::EPSILON.to_f64();
    obeys::<T>(&Hamming, &points, 2.0 * eps, 0.0)?;
    tells_apart::<T>(&Hamming, &points)?;
    obeys::<T>(&Jaccard, &points, 2.0 * eps, 0.0)
}

fn histograms<T: Scalar>(points: &[Vec<f64>; 3]) -> Result<(), TestCaseError> {
    let (n, eps) = (points[0].len() as f64, T::EPSILON.to_f64());
    let shares = 2.0 * (n + 6.0) * f64::EPSILON;
    obeys::<T>(&JensenShannon, points, (n + 12.0) * eps, shares)?;
    obeys::<T>(&Hellinger, points, (n + 8.0) * eps, shares)
}

fn ball<T: Scalar>(points: &[Vec<f64>; 3]) -> Result<(), TestCaseError> {
    let n = points[0].len() as f64;
    obeys::<T>(&Poincare, points, (n + 12.0) * T::EPSILON.to_f64(), 0.0)?;
    tells_apart::<T>(&Poincare, points)
}

fn hyperboloid<T: Scalar>(points: &[Vec<f64>; 3]) -> Result<(), TestCaseError> {
    let n = points[0].len() as f64;
    let norm = |p: &Vec<f64>| p[1..].iter().map(|x| x * x).sum::<f64>().sqrt();
    let largest = points.iter().map(norm).fold(0.0, f64::max);
    let absolute = 16.0 * (n + 4.0) * f64::EPSILON * largest;
    obeys::<T>(&Lorentz, points, (n + 12.0) * T::EPSILON.to_f64(), absolute)?;
    tells_apart::<T>(&Lorentz, points)
}

fn sphere<T: Scalar>(points: &[Vec<f64>; 3]) -> Result<(), TestCaseError> {
    for radius in [1.0, 6371.0] {
        let metric = GreatCircle::new(radius).unwrap();
        let absolute = 16.0 * f64::EPSILON * std::f64::consts::TAU * radius;
        obeys::<T>(&metric, points, 16.0 * T::EPSILON.to_f64(), absolute)?;
    }
    Ok(())
}

proptest! {
    #[test]
    fn every_metric_obeys_the_axioms_in_f32(
        points in three_points(40),
        factors in prop::collection::vec(-1.0..1.0f64, 1..50),
    ) {
        all_types::<f32>(&points, &factors)?;
    }

    #[test]
    fn every_metric_obeys_the_axioms_in_f64(
        points in three_points(40),
        factors in prop::collection::vec(-1.0..1.0f64, 1..50),
    ) {
        all_types::<f64>(&points, &factors)?;
    }
}

proptest! {
    #[test]
    fn set_distances_obey_the_axioms(points in three_points(40)) {
        sets::<f32>(&points)?;
        sets::<f64>(&points)?;
    }

    #[test]
    fn histogram_distances_obey_the_axioms(points in three_histograms(40)) {
        histograms::<f32>(&points)?;
        histograms::<f64>(&points)?;
    }

    #[test]
    fn the_poincare_distance_obeys_the_axioms_up_to_the_border(points in three_in_ball(40)) {
        ball::<f32>(&points)?;
        ball::<f64>(&points)?;
    }

    #[test]
    fn the_hyperboloid_distance_obeys_the_axioms(points in three_on_hyperboloid(40)) {
        hyperboloid::<f32>(&points)?;
        hyperboloid::<f64>(&points)?;
    }

    #[test]
    fn the_great_circle_distance_obeys_the_axioms(points in three_coordinates()) {
        sphere::<f32>(&points)?;
        sphere::<f64>(&points)?;
    }
}

#[test]
fn zero_vectors_keep_the_triangle_inequality_of_the_angle() {
    let zero = vec![0.0; 3];
    let (a, b) = (vec![1.0, 2.0, -1.0], vec![-1.0, -2.0, 1.0]);
    obeys::<f32>(&Angular, &[a.clone(), zero.clone(), b.clone()], 1e-6, 1e-6).unwrap();
    obeys::<f64>(&Angular, &[zero.clone(), a, zero], 1e-15, 1e-15).unwrap();
}
