//! Every distance and similarity against its definition in `f64`.

#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and laws hold exactly"
)]

use std::f64::consts::PI;

use metric_core::{
    Angular, BrayCurtis, Canberra, Chebyshev, Chord, Correlation, Cosine, CosineSimilarity,
    Distance, Euclidean, Hamming, InnerProduct, Jaccard, Mahalanobis, Manhattan, Minkowski, Scalar,
    SignalToNoise, Similarity, SquaredEuclidean, pairwise, pairwise_similarity,
};
use metric_testkit::{oracle, strategy};
use ndarray::{Array2, array};
use proptest::prelude::*;

use crate::common::{matrix, precision, vector};

fn close<T: Scalar>(got: T, want: f64, relative: f64, absolute: f64) -> Result<(), TestCaseError> {
    // What the type cannot hold is infinite.
    let want = if T::from_f64(want).is_finite() {
        want
    } else {
        T::from_f64(want).to_f64()
    };
    let got = got.to_f64();
    let near =
        got.total_cmp(&want).is_eq() || (got - want).abs() <= relative * want.abs() + absolute;
    prop_assert!(near, "got {got}, want {want}");
    Ok(())
}

fn agree<T: Scalar>([a, b, _]: &[Vec<f64>; 3], factors: &[f64]) -> Result<(), TestCaseError> {
    let (x, y) = (vector::<T>(a), vector::<T>(b));
    let n = a.len() as f64;
    let eps = T::EPSILON.to_f64();
    // Each of difference, square and n additions rounds once, in the code and (for f64) in the oracle.
    let sum = 2.0 * (n + 6.0) * eps;
    close(
        Euclidean.distance(&x, &y),
        oracle::euclidean(a, b),
        sum,
        0.0,
    )?;
    // Below the least positive f32 the square is zero or nearly so.
    let least = if eps > 1e-10 { 1e-44 } else { 0.0 };
    close(
        SquaredEuclidean.distance(&x, &y),
        oracle::squared_euclidean(a, b),
        sum,
        least,
    )?;
    for p in [1.0, 1.5, 2.0, 3.0, 7.5, f64::INFINITY] {
        let got = Minkowski::new(p).unwrap().distance(&x, &y);
        // The power turns a relative error e into p e and the root back into e.
        close(got, oracle::minkowski(a, b, p), 2.0 * (n + 10.0) * eps, 0.0)?;
    }
    // Unit vectors round to eps each, and the f64 oracle's quotient to n eps.
    let direction = (n + 16.0) * eps;
    let cosine = oracle::cosine_similarity(a, b);
    close(CosineSimilarity.similarity(&x, &y), cosine, 0.0, direction)?;
    close(Cosine.distance(&x, &y), 1.0 - cosine, 0.0, direction)?;
    // The oracle's arc cosine has a root's error where the angle is small or near a straight one.
    close(
        Angular.distance(&x, &y),
        cosine.acos(),
        0.0,
        direction.sqrt(),
    )?;
    let product: f64 = a.iter().zip(b).map(|(x, y)| (x * y).abs()).sum();
    // Products below the least normal number lose up to half the least positive one each.
    let lost = n * least;
    close(
        InnerProduct.similarity(&x, &y),
        oracle::dot(a, b),
        0.0,
        2.0 * n * eps * product + lost,
    )?;
    let p = precision(a.len(), factors);
    let got = Mahalanobis::from_precision(matrix::<T>(&p).view())
        .unwrap()
        .distance(&x, &y);
    // The oracle cancels: up to n² terms of size (n + 1) ‖d‖² against a result of at least ‖d‖².
    let relative = 8.0 * eps + (n + 1.0).powi(4) * f64::EPSILON;
    close(got, oracle::mahalanobis(&p, a, b), relative, 0.0)
}

/// The largest value in units of the root mean squared deviation: what centring can cost in digits.
fn offset_of(values: &[f64]) -> f64 {
    let squares: f64 = oracle::centred(values).iter().map(|x| x * x).sum();
    let largest = values.iter().fold(0.0, |m, x| f64::max(m, x.abs()));
    if squares > 0.0 {
        largest / (squares / values.len() as f64).sqrt()
    } else {
        0.0
    }
}

fn sums_and_means_agree<T: Scalar>([a, b, _]: &[Vec<f64>; 3]) -> Result<(), TestCaseError> {
    let (x, y) = (vector::<T>(a), vector::<T>(b));
    let n = a.len() as f64;
    let eps = T::EPSILON.to_f64();
    let order = |p: f64| Minkowski::new(p).unwrap().distance(&x, &y).to_f64();
    prop_assert_eq!(Manhattan.distance(&x, &y).to_f64(), order(1.0));
    prop_assert_eq!(Chebyshev.distance(&x, &y).to_f64(), order(f64::INFINITY));
    let chord = Chord.distance(&x, &y).to_f64();
    close(Cosine.distance(&x, &y), chord * chord / 2.0, 4.0 * eps, 0.0)?;
    // A term rounds three times, the sum n times; so does the oracle.
    let sum = 2.0 * (n + 6.0) * eps;
    close(Canberra.distance(&x, &y), oracle::canberra(a, b), sum, 0.0)?;
    close(
        BrayCurtis.distance(&x, &y),
        oracle::bray_curtis(a, b),
        sum,
        0.0,
    )?;
    // Computed in `f64` and rounded once. The oracle takes the mean from the values themselves, which costs their
    // size over their spread.
    let noise: Vec<f64> = a.iter().zip(b).map(|(x, y)| x - y).collect();
    let mean = 8.0 * (n + 8.0) * f64::EPSILON;
    let offsets = 1.0 + offset_of(a) + offset_of(b);
    let want = oracle::correlation(a, b);
    close(Correlation.distance(&x, &y), want, eps, mean * offsets)?;
    let offsets = 1.0 + offset_of(a) + offset_of(&noise);
    let want = oracle::signal_to_noise(a, b);
    let least = if eps > 1e-10 { 1e-44 } else { 0.0 };
    close(
        SignalToNoise.distance(&x, &y),
        want,
        eps + mean * offsets,
        least,
    )?;
    let whole = |p: &[f64]| -> Vec<f64> { p.iter().map(|x| x.trunc()).collect() };
    for (a, b) in [(a, b), (&whole(a), &whole(b))] {
        let (x, y) = (vector::<T>(a), vector::<T>(b));
        // One quotient; the oracle subtracts from one.
        close(Hamming.distance(&x, &y), oracle::hamming(a, b), eps, 0.0)?;
        close(
            Jaccard.distance(&x, &y),
            oracle::jaccard(a, b),
            eps,
            f64::EPSILON,
        )?;
    }
    Ok(())
}

proptest! {
    #[test]
    fn distances_match_their_definitions_in_f32(
        points in strategy::three_points(50),
        factors in prop::collection::vec(-1.0..1.0f64, 1..50),
    ) {
        agree::<f32>(&points, &factors)?;
        sums_and_means_agree::<f32>(&points)?;
    }

    #[test]
    fn distances_match_their_definitions_in_f64(
        points in strategy::three_points(50),
        factors in prop::collection::vec(-1.0..1.0f64, 1..50),
    ) {
        agree::<f64>(&points, &factors)?;
        sums_and_means_agree::<f64>(&points)?;
    }
}

fn all<T: Scalar>() -> Vec<(&'static str, Box<dyn Distance<T>>)> {
    let order = |p: f64| Box::new(Minkowski::new(p).unwrap());
    let identity = Array2::from_shape_fn((2, 2), |(i, j)| if i == j { T::ONE } else { T::ZERO });
    vec![
        ("euclidean", Box::new(Euclidean)),
        ("manhattan", Box::new(Manhattan)),
        ("minkowski", order(3.0)),
        ("minkowski, broken order", order(2.5)),
        ("chebyshev", Box::new(Chebyshev)),
        (
            "mahalanobis",
            Box::new(Mahalanobis::from_precision(identity.view()).unwrap()),
        ),
    ]
}

/// `2^exponent`, subnormal ones too, which `powi` takes for zero.
fn power_of_two(exponent: i32) -> f64 {
    2.0f64.powi(exponent / 2) * 2.0f64.powi(exponent - exponent / 2)
}

/// Scaling both vectors by a power of two scales these distances by it, at any size.
fn scales<T: Scalar>(exponents: impl Iterator<Item = i32>) {
    let at = |x: f64, scale: f64| T::from_f64(x * scale);
    for exponent in exponents {
        let scale = power_of_two(exponent);
        for (name, distance) in all::<T>() {
            let unit = distance.distance(&[at(3.0, 1.0), T::ZERO], &[T::ZERO, at(-4.0, 1.0)]);
            let got = distance.distance(&[at(3.0, scale), T::ZERO], &[T::ZERO, at(-4.0, scale)]);
            let (got, want) = (got.to_f64(), unit.to_f64() * scale);
            // A subnormal result rounds to the spacing there.
            let spacing = if scale < 1e-300 {
                f64::from_bits(2)
            } else {
                0.0
            };
            let limit = 8.0 * T::EPSILON.to_f64() * want + spacing;
            assert!(
                (got - want).abs() <= limit,
                "{name} at 2^{exponent}: {got} for {want}"
            );
        }
    }
}

#[test]
fn distances_are_right_over_the_whole_range_of_the_type() {
    scales::<f32>((-120..=124).step_by(4));
    scales::<f64>((-1040..=1020).step_by(20));
}

fn directions<T: Scalar>(exponents: impl Iterator<Item = i32>) {
    for exponent in exponents {
        let scale = power_of_two(exponent);
        let (a, b) = (
            [T::from_f64(scale), T::ZERO],
            [T::from_f64(scale), T::from_f64(scale)],
        );
        let unit = [T::from_f64(3.0), T::ZERO];
        let limit = 8.0 * T::EPSILON.to_f64();
        for from in [&a, &unit] {
            let angle = Angular.distance(from, &b).to_f64();
            assert!(
                (angle - PI / 4.0).abs() <= limit,
                "angle at 2^{exponent}: {angle}"
            );
            let similarity = CosineSimilarity.similarity(from, &b).to_f64();
            assert!(
                (similarity - 0.5f64.sqrt()).abs() <= limit,
                "{similarity} at 2^{exponent}"
            );
        }
    }
}

#[test]
fn directions_do_not_depend_on_length() {
    directions::<f32>((-148..=127).step_by(5));
    directions::<f64>((-1074..=1023).step_by(9));
}

#[test]
fn zero_vectors_have_a_place_among_directions() {
    let (zero, a) = ([0.0f32; 2], [3.0f32, -1.0]);
    for (x, y, cosine, angle) in [
        (zero, a, 1.0, PI / 2.0),
        (a, zero, 1.0, PI / 2.0),
        (zero, zero, 0.0, 0.0),
    ] {
        assert_eq!(Cosine.distance(&x, &y).to_f64(), cosine);
        assert_eq!(CosineSimilarity.similarity(&x, &y).to_f64(), 1.0 - cosine);
        assert!((Angular.distance(&x, &y).to_f64() - angle).abs() < 1e-7);
        assert_eq!(Chord.distance(&x, &y), (2.0 * cosine as f32).sqrt());
    }
}

#[test]
fn equal_and_opposite_directions_are_exact() {
    let a = [0.3f32, -7.0, 0.11, 5.5];
    let opposite = a.map(|x| -x);
    assert_eq!(CosineSimilarity.similarity(&a, &a), 1.0);
    assert_eq!(CosineSimilarity.similarity(&a, &opposite), -1.0);
    assert_eq!(Cosine.distance(&a, &a), 0.0);
    assert_eq!(Cosine.distance(&a, &opposite), 2.0);
    assert_eq!(Angular.distance(&a, &opposite), std::f32::consts::PI);
    for i in 1..100u8 {
        let a = [f32::from(i), 1.0, 0.3];
        assert_eq!(Chord.distance(&a, &a.map(|x| -x)), 2.0);
    }
}

#[test]
fn small_angles_keep_their_digits() {
    // arccos would give 0 here: the cosine differs from 1 by 5e-13.
    let angle = Angular.distance(&[1.0f32, 0.0], &[1.0, 1e-6]);
    assert!((angle - 1e-6).abs() < 1e-12, "{angle}");
}

#[test]
fn near_duplicates_far_from_the_origin_do_not_cancel() {
    let a: Vec<f32> = (0..32).map(|i| 1000.0 + i as f32).collect();
    let mut b = a.clone();
    b[5] += 1.0 / 1024.0;
    let p = precision(32, &[0.9, -0.3, 0.5, 0.2, -0.7]);
    let distance = Mahalanobis::from_precision(matrix::<f32>(&p).view()).unwrap();
    let want = (p[5][5]).sqrt() / 1024.0;
    assert!((f64::from(distance.distance(&a, &b)) - want).abs() <= 1e-6 * want);
    assert_eq!(distance.distance(&a, &a), 0.0);
    assert_eq!(Euclidean.distance(&a, &b), 1.0 / 1024.0);
}

#[test]
fn an_inner_product_that_fits_survives_terms_that_do_not() {
    let (a, b) = ([1e30f32, 1e30, 1.0], [1e30f32, -1e30, 7.0]);
    assert_eq!(InnerProduct.similarity(&a, &b), 7.0);
    assert_eq!(
        InnerProduct.similarity(&[1e19f32; 3], &[3e19, 3e19, -3e19]),
        1e19 * 3e19
    );
    let (a, b) = ([1e300f64, 1e300, 1e10], [1e300f64, -1e300, 0.0]);
    assert_eq!(InnerProduct.similarity(&a, &b), 0.0);
}

#[test]
fn the_matrix_of_all_pairs_holds_the_pairs_and_ignores_memory_order() {
    let x = Array2::from_shape_fn((70, 5), |(i, j)| (i * 7 + j * 3 % 11) as f32);
    let y = Array2::from_shape_fn((133, 5), |(i, j)| (i + j * j) as f32);
    let got = pairwise(&Euclidean, x.view(), y.view()).unwrap();
    let product = pairwise_similarity(&InnerProduct, x.view(), y.view()).unwrap();
    for ((i, j), &d) in got.indexed_iter() {
        let (a, b) = (x.row(i).to_vec(), y.row(j).to_vec());
        assert_eq!(d, Euclidean.distance(&a, &b));
        assert_eq!(product[[i, j]], InnerProduct.similarity(&a, &b));
    }
    let columns_first = x.t().as_standard_layout().into_owned();
    assert_eq!(
        pairwise(&Euclidean, columns_first.t(), y.view()).unwrap(),
        got
    );
    let backwards = pairwise(&Euclidean, x.slice(ndarray::s![..;-1, ..]), y.view()).unwrap();
    assert_eq!(backwards.row(0), got.row(69));
}

#[test]
fn a_distance_can_be_a_trait_object() {
    let distance: &dyn Distance<f64> = &Euclidean;
    let x = array![[0.0, 3.0], [4.0, 0.0]];
    assert_eq!(pairwise(distance, x.view(), x.view()).unwrap()[[0, 1]], 5.0);
}
