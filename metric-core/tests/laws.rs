//! Each distance's law: what it claims, and a counter-example where it claims less than a metric.

#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and laws hold exactly"
)]

use metric_core::{
    Angular, BrayCurtis, Canberra, Chebyshev, Chord, Correlation, Cosine, Distance, Euclidean,
    GreatCircle, Hamming, Hellinger, Jaccard, JensenShannon, Law, Lorentz, Mahalanobis, Manhattan,
    Metric, Minkowski, Poincare, SignalToNoise, SquaredEuclidean,
};
use ndarray::Array2;

fn law(distance: &dyn Distance<f64>) -> Law {
    // Through a reference as well, which must ask the distance itself.
    assert_eq!(Distance::<f64>::law(&distance), distance.law());
    distance.law()
}

#[test]
fn laws_are_as_documented() {
    let mahalanobis = Mahalanobis::from_precision(Array2::<f64>::eye(2).view()).unwrap();
    for metric in [
        &Euclidean as &dyn Distance<f64>,
        &Manhattan,
        &Chebyshev,
        &Minkowski::new(3.0).unwrap(),
        &mahalanobis,
        &Canberra,
        &Hamming,
        &Poincare,
        &Lorentz,
    ] {
        assert_eq!(law(metric), Law::Metric);
    }
    for metric in [
        &Angular as &dyn Distance<f64>,
        &Chord,
        &Jaccard,
        &JensenShannon,
        &Hellinger,
        &GreatCircle::unit(),
    ] {
        assert_eq!(law(metric), Law::Pseudometric);
    }
    for distance in [
        &SquaredEuclidean as &dyn Distance<f64>,
        &Cosine,
        &BrayCurtis,
        &Correlation,
    ] {
        assert_eq!(law(distance), Law::Semimetric);
    }
    assert_eq!(law(&SignalToNoise), Law::Asymmetric);
}

#[test]
fn pseudometrics_have_different_points_at_zero() {
    fn at_zero(metric: impl Metric<f64>, a: &[f64], b: &[f64]) {
        assert_ne!(a, b);
        assert_eq!(metric.distance(a, b), 0.0);
    }
    at_zero(Angular, &[1.0, 2.0], &[2.0, 4.0]);
    at_zero(Chord, &[1.0, 2.0], &[2.0, 4.0]);
    at_zero(Jaccard, &[1.0, 2.0], &[7.0, 4.0]);
    at_zero(JensenShannon, &[1.0, 2.0], &[2.0, 4.0]);
    at_zero(Hellinger, &[1.0, 2.0], &[2.0, 4.0]);
    // A full turn is 2π to rounding.
    let turn = GreatCircle::unit().distance(&[0.5, 0.0], &[0.5, std::f64::consts::TAU]);
    assert!(turn <= 4.0 * f64::EPSILON);
}

#[test]
fn semimetrics_break_the_triangle_inequality() {
    let detour = |distance: &dyn Distance<f64>, [a, b, c]: [&[f64]; 3]| {
        assert_eq!(distance.distance(a, c), distance.distance(c, a));
        assert_eq!(distance.distance(a, a), 0.0);
        let (direct, detour) = (
            distance.distance(a, c),
            distance.distance(a, b) + distance.distance(b, c),
        );
        assert!(direct > 1.1 * detour, "{direct} and {detour}");
    };
    detour(&SquaredEuclidean, [&[0.0], &[1.0], &[2.0]]);
    detour(&Cosine, [&[1.0, 0.0], &[1.0, 1.0], &[0.0, 1.0]]);
    detour(&BrayCurtis, [&[1.0, 0.0], &[1.0, 1.0], &[0.0, 1.0]]);
    // Centred, and at right angles.
    let (a, c) = ([1.0, -1.0, 0.0, 0.0], [0.0, 0.0, 1.0, -1.0]);
    detour(&Correlation, [&a, &[1.0, -1.0, 1.0, -1.0], &c]);
}

#[test]
fn the_signal_to_noise_distance_has_an_anchor() {
    let (a, b) = ([1.0f64, -1.0, 0.0], [2.0, -2.0, 0.0]);
    assert_eq!(SignalToNoise.distance(&a, &b), 1.0);
    assert_eq!(SignalToNoise.distance(&b, &a), 0.25);
    assert_eq!(SignalToNoise.distance(&a, &a), 0.0);
}

#[test]
fn rows_without_variation_have_a_place() {
    let (flat, other, a) = ([0.1f64; 3], [7.3; 3], [1.0, 2.0, 4.0]);
    assert_eq!(Correlation.distance(&flat, &other), 0.0);
    assert_eq!(Correlation.distance(&flat, &a), 1.0);
    assert_eq!(Correlation.distance(&a, &flat), 1.0);
    assert_eq!(SignalToNoise.distance(&flat, &other), 0.0);
    assert_eq!(SignalToNoise.distance(&flat, &a), f64::INFINITY);
    assert_eq!(SignalToNoise.distance(&a, &flat), 1.0);
    // One entry does not vary, no entry neither.
    assert_eq!(Correlation.distance(&[1.0f32], &[2.0]), 0.0);
    assert_eq!(SignalToNoise.distance(&[1.0f32], &[2.0]), 0.0);
    for distance in [
        &Correlation as &dyn Distance<f64>,
        &SignalToNoise,
        &BrayCurtis,
        &Canberra,
        &Hamming,
        &Jaccard,
        &Lorentz,
        &Poincare,
    ] {
        assert_eq!(distance.distance(&[], &[]), 0.0);
    }
}

#[test]
fn offsets_cost_centred_distances_no_digits() {
    // Multiples of 1/256 near 1e4 are exact in `f32`.
    let a: Vec<f32> = (0..64).map(|i| ((i * 37) % 64) as f32 / 256.0).collect();
    let b: Vec<f32> = (0..64)
        .map(|i| ((i * 11 + 5) % 64) as f32 / 256.0)
        .collect();
    let far = |v: &[f32]| -> Vec<f32> { v.iter().map(|x| 1e4 + x).collect() };
    for distance in [&Correlation as &dyn Distance<f32>, &SignalToNoise] {
        let (near, offset) = (
            distance.distance(&a, &b),
            distance.distance(&far(&a), &far(&b)),
        );
        assert!(
            (near - offset).abs() <= f32::EPSILON * near,
            "{near} and {offset}"
        );
    }
}

#[test]
fn opposite_vectors_are_infinitely_far_for_bray_curtis() {
    assert_eq!(
        BrayCurtis.distance(&[1.0f32, -2.0], &[-1.0, 2.0]),
        f32::INFINITY
    );
    assert_eq!(BrayCurtis.distance(&[0.0f32; 2], &[0.0; 2]), 0.0);
}

#[test]
fn ratios_are_right_at_the_ends_of_the_range() {
    let max = f32::MAX;
    assert_eq!(Canberra.distance(&[max, max, 1.0], &[-max, max, 3.0]), 1.5);
    // Three times the maximum and the quotient round.
    assert!((BrayCurtis.distance(&[max, max], &[max, 0.0]) - 1.0 / 3.0).abs() <= f32::EPSILON);
    let max = f64::MAX;
    assert_eq!(Canberra.distance(&[max, max, 1.0], &[-max, max, 3.0]), 1.5);
    // Three times the maximum and the quotient round.
    assert!((BrayCurtis.distance(&[max, max], &[max, 0.0]) - 1.0 / 3.0).abs() <= f64::EPSILON);
    let least = f64::from_bits(1);
    assert_eq!(Canberra.distance(&[least, 3.0 * least], &[0.0, least]), 1.5);
    assert_eq!(
        BrayCurtis.distance(&[least, 0.0], &[least, 2.0 * least]),
        0.5
    );
    let (a, b) = ([1.0, 2.0, 4.0, 8.0], [3.0, -1.0, 2.0, 2.5]);
    let unit_correlation: f64 = Correlation.distance(&a, &b);
    let unit_noise: f64 = SignalToNoise.distance(&a, &b);
    for exponent in (-1060..=1020).step_by(20) {
        let scale = 2.0f64.powi(exponent / 2) * 2.0f64.powi(exponent - exponent / 2);
        let (a, b) = (a.map(|x| x * scale), b.map(|x| x * scale));
        let close = |got: f64, want: f64| (got - want).abs() <= 8.0 * f64::EPSILON * want;
        assert!(
            close(Correlation.distance(&a, &b), unit_correlation),
            "2^{exponent}"
        );
        assert!(
            close(SignalToNoise.distance(&a, &b), unit_noise),
            "2^{exponent}"
        );
    }
    // Differences that overflow, and a ratio that does not.
    let (a, b) = ([max, -max, 0.0], [-max, max, 0.0]);
    assert_eq!(SignalToNoise.distance(&a, &b), 4.0);
    assert_eq!(Correlation.distance(&a, &b), 2.0);
    // Noise far below the size of the entries: squares leave the range, 1e-200 itself does not.
    assert_eq!(
        SignalToNoise.distance(&[1e200, 0.0], &[1e200, 1e100]),
        1e-200
    );
    assert_eq!(
        SignalToNoise.distance(&[1e18f32, -1e18], &[1e-18, 0.0]),
        1.0
    );
}
