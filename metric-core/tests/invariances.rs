//! What a distance does not see: moves, turns, sizes and the order of coordinates.

#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and laws hold exactly"
)]

use metric_core::{
    Angular, BrayCurtis, Canberra, Chebyshev, Chord, Correlation, Cosine, Distance, Euclidean,
    GreatCircle, Hamming, Hellinger, Jaccard, JensenShannon, Lorentz, Manhattan, Minkowski,
    Poincare, Scalar, SignalToNoise, SquaredEuclidean,
};
use metric_testkit::strategy::{
    grid_points, three_coordinates, three_histograms, three_in_ball, three_on_hyperboloid,
    three_points,
};
use proptest::prelude::*;

use crate::common::vector;

type Named<T> = (&'static str, Box<dyn Distance<T>>);

fn named<T: Scalar>(name: &'static str, distance: impl Distance<T> + 'static) -> Named<T> {
    (name, Box::new(distance))
}

fn of_differences<T: Scalar>() -> Vec<Named<T>> {
    vec![
        named("euclidean", Euclidean),
        named("manhattan", Manhattan),
        named("chebyshev", Chebyshev),
        named("minkowski", Minkowski::new(3.0).unwrap()),
    ]
}

fn of_directions<T: Scalar>() -> Vec<Named<T>> {
    vec![
        named("cosine", Cosine),
        named("angular", Angular),
        named("chord", Chord),
    ]
}

fn of_ratios<T: Scalar>() -> Vec<Named<T>> {
    vec![
        named("canberra", Canberra),
        named("bray-curtis", BrayCurtis),
        named("correlation", Correlation),
        named("signal to noise", SignalToNoise),
        named("hamming", Hamming),
        named("jaccard", Jaccard),
    ]
}

fn of_histograms<T: Scalar>() -> Vec<Named<T>> {
    vec![
        named("jensen-shannon", JensenShannon),
        named("hellinger", Hellinger),
    ]
}

fn at<T: Scalar>(distance: &dyn Distance<T>, a: &[f64], b: &[f64]) -> f64 {
    distance.distance(&vector(a), &vector(b)).to_f64()
}

fn mapped(v: &[f64], f: impl Fn(f64) -> f64) -> Vec<f64> {
    v.iter().map(|&x| f(x)).collect()
}

/// On a grid of quarters a whole shift is exact, so nothing may change at all.
fn translation<T: Scalar>(a: &[f64], b: &[f64], shift: f64) -> Result<(), TestCaseError> {
    let moved = |v: &[f64]| mapped(v, |x| x + shift);
    let (a_moved, b_moved) = (moved(a), moved(b));
    for (name, distance) in of_differences::<T>().into_iter().chain([
        named("squared euclidean", SquaredEuclidean),
        named("hamming", Hamming),
    ]) {
        let (before, after) = (at(&*distance, a, b), at(&*distance, &a_moved, &b_moved));
        prop_assert_eq!(before, after, "{}", name);
    }
    for (name, distance) in [
        named("correlation", Correlation),
        named("noise", SignalToNoise),
    ] {
        let before = at::<T>(&*distance, a, b);
        // These do not see a shift of one side either. The mean rounds afresh.
        let after = at::<T>(&*distance, &a_moved, b);
        let limit = T::EPSILON.to_f64() * before + 32.0 * f64::EPSILON;
        let same = before.total_cmp(&after).is_eq() || (before - after).abs() <= limit;
        prop_assert!(same, "{name}: {before} and {after}");
    }
    Ok(())
}

/// A power of two scales numbers without rounding.
fn scale<T: Scalar>(a: &[f64], b: &[f64], factor: f64) -> Result<(), TestCaseError> {
    let scaled = |v: &[f64]| mapped(v, |x| x * factor);
    let (a_scaled, b_scaled) = (scaled(a), scaled(b));
    for (name, distance) in of_differences::<T>() {
        let (before, after) = (at(&*distance, a, b), at(&*distance, &a_scaled, &b_scaled));
        prop_assert_eq!(before * factor, after, "{}", name);
    }
    for (name, distance) in of_ratios::<T>().into_iter().chain(of_directions()) {
        let (before, after) = (at(&*distance, a, b), at(&*distance, &a_scaled, &b_scaled));
        prop_assert_eq!(before, after, "{}", name);
    }
    for (name, distance) in of_directions::<T>()
        .into_iter()
        .chain([named("correlation", Correlation)])
    {
        let (before, after) = (at(&*distance, a, b), at(&*distance, a, &b_scaled));
        prop_assert_eq!(before, after, "{}: one side", name);
    }
    Ok(())
}

/// The sum over coordinates in another order: `relative` for positive terms of `d` itself, `absolute` beside it.
fn same_reversed<T: Scalar>(
    (name, distance): Named<T>,
    [a, b]: [&[f64]; 2],
    relative: f64,
    absolute: f64,
) -> Result<(), TestCaseError> {
    let reversed = |v: &[f64]| -> Vec<f64> { v.iter().rev().copied().collect() };
    let before = at(&*distance, a, b);
    let after = at(&*distance, &reversed(a), &reversed(b));
    let same = before.total_cmp(&after).is_eq()
        || (before - after).abs() <= relative * before.abs() + absolute;
    prop_assert!(same, "{name}: {before} and {after}");
    Ok(())
}

/// Turns the plane of coordinates `i` and `j`.
fn turned(v: &[f64], (i, j): (usize, usize), angle: f64) -> Vec<f64> {
    let mut v = v.to_vec();
    let (sin, cos) = angle.sin_cos();
    (v[i], v[j]) = (cos * v[i] - sin * v[j], sin * v[i] + cos * v[j]);
    v
}

fn norm(v: &[f64]) -> f64 {
    v.iter().map(|x| x * x).sum::<f64>().sqrt()
}

proptest! {
    #[test]
    fn differences_and_centred_rows_ignore_a_shift(points in grid_points(2..3), shift in -50..50) {
        translation::<f32>(&points[0], &points[1], f64::from(shift))?;
        translation::<f64>(&points[0], &points[1], f64::from(shift))?;
    }

    #[test]
    fn lengths_scale_and_ratios_do_not(points in grid_points(2..3), exponent in -20..20) {
        scale::<f32>(&points[0], &points[1], 2.0f64.powi(exponent))?;
        scale::<f64>(&points[0], &points[1], 2.0f64.powi(exponent))?;
    }

    #[test]
    fn histograms_ignore_totals([a, b, _] in three_histograms(30), exponent in -20..20) {
        let b_scaled = mapped(&b, |x| x * 2.0f64.powi(exponent));
        for (name, distance) in of_histograms::<f64>() {
            prop_assert_eq!(at(&*distance, &a, &b), at(&*distance, &a, &b_scaled), "{}", name);
        }
    }

    #[test]
    fn the_order_of_coordinates_does_not_matter([a, b, _] in three_points(40)) {
        let pair = [&a[..], &b[..]];
        // n additions each way, and what the types round themselves.
        let relative = 2.0 * (a.len() as f64 + 8.0) * f64::EPSILON;
        for distance in of_differences::<f64>() {
            same_reversed(distance, pair, relative, 0.0)?;
        }
        for distance in [
            named::<f64>("canberra", Canberra),
            named("bray-curtis", BrayCurtis),
            named("hamming", Hamming),
            named("jaccard", Jaccard),
        ] {
            same_reversed(distance, pair, relative, 0.0)?;
        }
        for distance in of_directions::<f64>() {
            same_reversed(distance, pair, 0.0, 4.0 * relative)?;
        }
    }

    #[test]
    fn the_order_of_bins_does_not_matter([a, b, _] in three_histograms(40)) {
        let relative = 2.0 * (a.len() as f64 + 8.0) * f64::EPSILON;
        for distance in of_histograms::<f64>() {
            same_reversed(distance, [&a, &b], relative, relative)?;
        }
    }

    #[test]
    fn turns_keep_lengths_angles_and_hyperbolic_distances(
        [a, b, _] in three_in_ball(20),
        angle in -3.0..3.0f64,
        plane in (0..20usize, 1..20usize),
    ) {
        let n = a.len();
        // On a line there is nothing to turn.
        let (i, j) = (plane.0 % n, (plane.0 + 1 + plane.1 % (n - 1).max(1)) % n);
        let turn = |v: &[f64]| if n > 1 { turned(v, (i, j), angle) } else { v.to_vec() };
        let (a_turned, b_turned) = (turn(&a), turn(&b));
        // Turned entries round to a few u of the point's norm.
        let rounding = 4.0 * f64::EPSILON * (norm(&a) + norm(&b));
        let sum = 2.0 * (n as f64 + 6.0) * f64::EPSILON;
        let moved = |distance: &dyn Distance<f64>| {
            let (before, after) = (at(distance, &a, &b), at(distance, &a_turned, &b_turned));
            (before, (before - after).abs())
        };
        let (d, off) = moved(&Euclidean);
        prop_assert!(off <= sum * d + rounding, "euclidean {d}, off by {off}");
        for (name, distance) in of_directions::<f64>() {
            let (d, off) = moved(&*distance);
            // Of unit vectors, so rounding counts by itself.
            prop_assert!(off <= 16.0 * (sum + 4.0 * f64::EPSILON), "{name} {d}, off by {off}");
        }
        // Hyperbolic length is at most 2/(1 − r²) as long as Euclidean.
        let stretch = 2.0 / (1.0 - norm(&a).max(norm(&b)).powi(2));
        let (d, off) = moved(&Poincare);
        prop_assert!(off <= sum * d + 2.0 * rounding * stretch, "poincare {d}, off by {off}");
    }

    #[test]
    fn the_ball_and_the_hyperboloid_are_one_space([a, b, _] in three_in_ball(20)) {
        // (1 + r², 2 x) / (1 − r²)
        let on_sheet = |v: &[f64]| -> Vec<f64> {
            let squares: f64 = v.iter().map(|x| x * x).sum();
            let mut point = vec![(1.0 + squares) / (1.0 - squares)];
            point.extend(v.iter().map(|x| 2.0 * x / (1.0 - squares)));
            point
        };
        let ball: f64 = Poincare.distance(&a, &b);
        let (a_sheet, b_sheet) = (on_sheet(&a), on_sheet(&b));
        let sheet: f64 = Lorentz.distance(&a_sheet, &b_sheet);
        // 1 − r² loses digits by 1/(1 − r²), and coordinates round to ε of their size.
        let n = a.len() as f64;
        let far = a_sheet[0].max(b_sheet[0]);
        let limit = 16.0 * (n + 8.0) * f64::EPSILON * (far + ball);
        prop_assert!((ball - sheet).abs() <= limit, "{ball} and {sheet}");
    }

    #[test]
    fn boosts_keep_the_hyperboloid_distance(
        [a, b, _] in three_on_hyperboloid(20),
        rapidity in -1.0..1.0f64,
    ) {
        let first = |v: &[f64]| (1.0 + v[1..].iter().map(|x| x * x).sum::<f64>()).sqrt();
        let boosted = |v: &[f64]| -> Vec<f64> {
            let mut v = v.to_vec();
            let (sinh, cosh) = (rapidity.sinh(), rapidity.cosh());
            let time = first(&v);
            (v[0], v[1]) = (cosh * time + sinh * v[1], sinh * time + cosh * v[1]);
            v
        };
        let before: f64 = Lorentz.distance(&a, &b);
        let after: f64 = Lorentz.distance(&boosted(&a), &boosted(&b));
        // Boosted coordinates, at most e times as large, round to a few u each; so does the distance.
        let far = 3.0 * first(&a).max(first(&b));
        let limit = 16.0 * (a.len() as f64 + 8.0) * f64::EPSILON * (far + before);
        prop_assert!((before - after).abs() <= limit, "{before} and {after}");
    }

    #[test]
    fn turning_the_globe_keeps_great_circles([a, b, _] in three_coordinates(), turn in -3.0..3.0f64) {
        let unit = GreatCircle::unit();
        let moved = |v: &[f64]| [v[0], v[1] + turn];
        let before = at::<f64>(&unit, &a, &b);
        let after = at::<f64>(&unit, &moved(&a), &moved(&b));
        // Longitudes below 10 round to 10 u on the way, and each distance to a few u.
        prop_assert!((before - after).abs() <= 32.0 * f64::EPSILON, "{before} and {after}");
    }
}
