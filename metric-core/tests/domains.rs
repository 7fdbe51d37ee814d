//! Distances of histograms, hyperbolic space and the sphere: against their definitions, and what they refuse.

#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and laws hold exactly"
)]

use std::f64::consts::{FRAC_PI_2, LN_2, PI};

use metric_core::{
    Distance, Error, Euclidean, GreatCircle, Hellinger, JensenShannon, Lorentz, Mahalanobis,
    Poincare, Scalar,
};
use metric_testkit::{oracle, strategy};
use proptest::prelude::*;

use crate::common::vector;

fn between<T: Scalar>(distance: &impl Distance<T>, a: &[f64], b: &[f64]) -> f64 {
    distance.distance(&vector(a), &vector(b)).to_f64()
}

fn histograms<T: Scalar>([a, b, _]: &[Vec<f64>; 3]) -> Result<(), TestCaseError> {
    let eps = T::EPSILON.to_f64();
    // Squares, because the textbook forms cancel: n shares and terms, each of at most 1, round to a few u.
    let absolute = 8.0 * (a.len() as f64 + 8.0) * f64::EPSILON;
    for (got, want) in [
        (
            between::<T>(&JensenShannon, a, b),
            oracle::jensen_shannon_divergence(a, b),
        ),
        (
            between::<T>(&Hellinger, a, b),
            oracle::squared_hellinger(a, b),
        ),
    ] {
        let near = (got * got - want).abs() <= 4.0 * eps * want.abs() + absolute;
        prop_assert!(near, "{}, want {want}", got * got);
    }
    Ok(())
}

fn ball<T: Scalar>([a, b, _]: &[Vec<f64>; 3]) -> Result<(), TestCaseError> {
    let n = a.len() as f64;
    let got = between::<T>(&Poincare, a, b);
    let want = oracle::poincare_cosh(a, b);
    let gap = |v: &[f64]| 1.0 - oracle::dot(v, v);
    // A relative error in d is d times as large in its cosine; the oracle loses digits near the border.
    let computed = (got + 1.0) * (n + 12.0) * T::EPSILON.to_f64();
    let definition = 4.0 * (n + 8.0) * f64::EPSILON * (1.0 + 1.0 / gap(a) + 1.0 / gap(b));
    let near = (got.cosh() - want).abs() <= (computed + definition) * want;
    prop_assert!(near, "{}, want {want}", got.cosh());
    Ok(())
}

fn hyperboloid<T: Scalar>([a, b, _]: &[Vec<f64>; 3]) -> Result<(), TestCaseError> {
    let n = a.len() as f64;
    let got = between::<T>(&Lorentz, a, b);
    let want = oracle::lorentz_cosh(a, b);
    let first = |v: &[f64]| (1.0 + oracle::dot(&v[1..], &v[1..])).sqrt();
    // As for the ball, and the documented absolute error; the oracle cancels terms of size a₀ b₀.
    let absolute = 16.0 * (n + 4.0) * f64::EPSILON * f64::max(first(a), first(b));
    let computed = (got + 1.0) * (n + 12.0) * T::EPSILON.to_f64() + absolute;
    let definition = 4.0 * (n + 8.0) * f64::EPSILON * first(a) * first(b);
    let near = (got.cosh() - want).abs() <= computed * want + definition;
    prop_assert!(near, "{}, want {want}", got.cosh());
    Ok(())
}

fn sphere<T: Scalar>([a, b, _]: &[Vec<f64>; 3]) -> Result<(), TestCaseError> {
    let want = oracle::great_circle(a, b);
    for radius in [1.0, 6371.0] {
        let got = between::<T>(&GreatCircle::new(radius).unwrap(), a, b) / radius;
        // Sines of longitudes up to 2π in size and their products.
        let limit = 2.0 * T::EPSILON.to_f64() * want + 16.0 * f64::EPSILON * 2.0 * PI;
        prop_assert!((got - want).abs() <= limit, "{got}, want {want}");
    }
    Ok(())
}

proptest! {
    #[test]
    fn histogram_distances_match_their_definitions(points in strategy::three_histograms(50)) {
        histograms::<f32>(&points)?;
        histograms::<f64>(&points)?;
    }

    #[test]
    fn the_poincare_distance_matches_its_definition(points in strategy::three_in_ball(50)) {
        ball::<f32>(&points)?;
        ball::<f64>(&points)?;
    }

    #[test]
    fn the_hyperboloid_distance_matches_its_definition(
        points in strategy::three_on_hyperboloid(50),
    ) {
        hyperboloid::<f32>(&points)?;
        hyperboloid::<f64>(&points)?;
    }

    #[test]
    fn the_great_circle_distance_matches_the_angle_of_unit_vectors(
        points in strategy::three_coordinates(),
    ) {
        sphere::<f32>(&points)?;
        sphere::<f64>(&points)?;
    }
}

/// `|got − want|` in units of `ε want`.
fn off(got: f64, want: f64) -> f64 {
    (got - want).abs() / (f64::EPSILON * want)
}

#[test]
fn near_histograms_keep_their_digits() {
    // Shares ½ ± t/2: JS² = h(t) = t²/2 + t⁴/12 + …, of which the first term alone counts here.
    // No power of two, for which the formula that cancels is exact as well; p, q and t are exact.
    let shift = 1_234_567.0 * 2.0f64.powi(-50);
    let (p, q) = ([0.5 + shift, 0.5 - shift], [0.5 - shift, 0.5 + shift]);
    let t = 2.0 * shift;
    assert!(off(JensenShannon.distance(&p, &q), t / 2.0f64.sqrt()) <= 8.0);
    // H² = 1 − √(1 − t²) = t²/2 + …
    let hellinger: f64 = Hellinger.distance(&p, &q);
    // Roots of the shares round to u each, against a difference of t √½.
    assert!((hellinger - t / 2.0f64.sqrt()).abs() <= 4.0 * f64::EPSILON);
    // Both sides of the change of formula at t = ½, against ½ ((1 + t) ln(1 + t) + (1 − t) ln(1 − t)).
    for t in [0.499_f64, 0.501, 0.999_999] {
        let (p, q) = ([1.0 + t, 1.0 - t], [1.0 - t, 1.0 + t]);
        let want = 0.5 * ((1.0 + t) * (1.0 + t).ln() + (1.0 - t) * (1.0 - t).ln());
        assert!(
            off(JensenShannon.distance(&p, &q), want.sqrt()) <= 16.0,
            "{t}"
        );
    }
}

#[test]
fn histograms_of_any_total_compare_by_their_shares() {
    let (p, q) = ([3.0, 1.0, 0.0], [1.0, 1.0, 2.0]);
    for distance in [&JensenShannon as &dyn Distance<f64>, &Hellinger] {
        let want = distance.distance(&p, &q);
        for (left, right) in [
            (5e307, 1e-308),
            (1e-323, 8e307),
            (5e-324, 5e-324),
            (5e307, 5e307),
        ] {
            // Subnormal numbers hold these whole multiples exactly.
            let got = distance.distance(&p.map(|x| x * left), &q.map(|x| x * right));
            assert!(
                off(got, want) <= 8.0,
                "{left:e}, {right:e}: {got}, want {want}"
            );
        }
    }
}

#[test]
fn rows_without_mass_and_negative_entries_have_a_place() {
    let (zero, p) = ([0.0f64; 2], [0.25, 0.75]);
    assert_eq!(JensenShannon.distance(&zero, &p), LN_2.sqrt());
    assert_eq!(JensenShannon.distance(&zero, &zero), 0.0);
    assert_eq!(Hellinger.distance(&p, &zero), 1.0);
    assert_eq!(Hellinger.distance(&zero, &zero), 0.0);
    for distance in [&JensenShannon as &dyn Distance<f64>, &Hellinger] {
        let clamped = distance.distance(&[0.5, 0.5, 0.0], &[0.25, 0.75, 0.0]);
        let negative = distance.distance(&[0.5, 0.5, -3.0], &[0.25, 0.75, -0.1]);
        assert_eq!(negative, clamped);
        assert_eq!(distance.distance(&[], &[]), 0.0);
    }
}

#[test]
fn hyperbolic_points_on_a_line_are_as_far_as_their_parameters() {
    // tanh(t/2) on a diameter is t from the centre; so is (cosh t, sinh t).
    for (s, t) in [
        (0.0, 1.0),
        (0.5, 0.500_1),
        (-3.0, 2.0),
        (7.0, 7.5),
        (-6.0, -5.999),
    ] {
        let (s, t): (f64, f64) = (s, t);
        let exact = (t - s).abs();
        // Coordinates round to u; in the ball at t from the centre that is u eᵗ of hyperbolic length.
        let coordinates = 4.0 * f64::EPSILON * s.abs().max(t.abs()).exp();
        let ball: f64 = Poincare.distance(&[(s / 2.0).tanh()], &[(t / 2.0).tanh()]);
        assert!((ball - exact).abs() <= coordinates, "{ball}, want {exact}");
        let on = |t: f64| [t.cosh(), 0.6 * t.sinh(), 0.8 * t.sinh()];
        let sheet: f64 = Lorentz.distance(&on(s), &on(t));
        assert!(
            (sheet - exact).abs() <= coordinates,
            "{sheet}, want {exact}"
        );
    }
}

#[test]
fn points_next_to_the_border_of_the_ball_keep_their_digits() {
    // 1 − x² = (1 − x)(1 + x) exactly, down to one step below 1.
    for steps in [1u64, 3, 1000] {
        let x = f64::from_bits(1.0f64.to_bits() - steps);
        let want = ((1.0 + x) / (1.0 - x)).ln();
        assert!(off(Poincare.distance(&[0.0], &[x]), want) <= 4.0, "{steps}");
        assert_eq!(Poincare.check(&[x]), Ok(()));
    }
    // Squares that add up to 1 − 2⁻⁶⁰ and to 1: 53 bits cannot tell them apart.
    let tiny = 2.0f64.powi(-30);
    assert!(Poincare.check(&[tiny, 1.0]).is_err());
    let below = f64::from_bits(1.0f64.to_bits() - 1);
    assert!(Poincare.check(&[2.0f64.powi(-27), below]).is_ok());
}

#[test]
fn points_outside_the_ball_are_infinitely_far() {
    for (a, b, want) in [
        ([1.0f32, 0.0], [0.5, 0.0], f32::INFINITY),
        ([3.0, 0.0], [0.0, 2.0], f32::INFINITY),
        ([1.0, 0.0], [1.0, 0.0], 0.0),
        ([1e30, 0.0], [1e30, 0.0], 0.0),
    ] {
        assert_eq!(Poincare.distance(&a, &b), want);
    }
}

#[test]
fn hyperboloid_points_of_any_size_have_finite_distances() {
    let on = |x: f64, y: f64| [x.hypot(y).hypot(1.0), x, y];
    for e in [-300, -200, -100, -18, 18, 100, 200, 300] {
        let r = 10.0f64.powi(e);
        let exact = 2.0 * r.asinh();
        let opposite: f64 = Lorentz.distance(&on(r, 0.0), &on(-r, 0.0));
        assert!(off(opposite, exact) <= 1e3, "{opposite}, want {exact}");
        // sinh(d/2) = r sin(θ/2) for equal radii.
        let right: f64 = Lorentz.distance(&on(r, 0.0), &on(0.0, r));
        let exact = 2.0 * (r * 0.5f64.sqrt()).asinh();
        assert!(off(right, exact) <= 1e3, "{right}, want {exact}");
        // From the vertex.
        let out: f64 = Lorentz.distance(&on(0.0, 0.0), &on(r, 0.0));
        assert!(off(out, r.asinh()) <= 1e3, "{out}");
        assert_eq!(Lorentz.distance(&on(r, r), &on(r, r)), 0.0);
    }
    // A difference whose square leaves the range.
    let step: f64 = Lorentz.distance(&on(1.0, 0.0), &on(1.0, 1e-200));
    assert!(off(step, 1e-200) <= 16.0, "{step}");
    let far: f64 = Lorentz.distance(&on(1e300, 0.0), &on(2e300, 0.0));
    // arsinh(1e300) is 691, so its rounding is 1e-13.
    assert!((far - LN_2).abs() <= 1e-12, "{far}");
}

#[test]
fn great_circles_are_right_at_poles_antipodes_and_tiny_steps() {
    let unit = GreatCircle::unit();
    let d = |a: [f64; 2], b: [f64; 2]| Distance::<f64>::distance(&unit, &a, &b);
    assert_eq!(d([0.3, 1.0], [0.3, 1.0]), 0.0);
    // Antipodes: coordinates hold π to ε, so the angle is π to a few ε.
    assert!(off(d([0.3, 1.0], [-0.3, 1.0 - PI]), PI) <= 4.0);
    // A step from the antipode, where an arc sine would have lost half of the digits.
    assert!((d([0.0, 0.0], [1e-9, PI]) - (PI - 1e-9)).abs() <= 4.0 * f64::EPSILON);
    assert!(off(d([0.0, 0.0], [1e-200, 0.0]), 1e-200) <= 4.0);
    // 1.0 + 1e-12 holds its step to ε only.
    assert!((d([0.0, 1.0], [0.0, 1.0 + 1e-12]) - 1e-12).abs() <= f64::EPSILON);
    assert!(off(d([FRAC_PI_2, 0.0], [-FRAC_PI_2, 2.0]), PI) <= 4.0);
    assert!(d([FRAC_PI_2, 0.0], [FRAC_PI_2, 2.0]) <= 4.0 * f64::EPSILON);
    assert!(d([1e308, 1e308], [-1e308, -1e308]).is_finite());
}

fn refusal<T: Scalar>(distance: &dyn Distance<T>, row: &[f64]) -> Error {
    distance.check(&vector(row)).unwrap_err()
}

#[test]
fn rows_outside_a_domain_are_refused_by_name() {
    let histogram = |distance| Error::OutOfDomain {
        distance,
        expected: "entries of at least 0",
        row: None,
        column: Some(1),
        got: -0.5,
    };
    let row = [1.0, -0.5, -2.0];
    assert_eq!(
        refusal::<f32>(&JensenShannon, &row),
        histogram("jensen-shannon")
    );
    assert_eq!(refusal::<f64>(&Hellinger, &row), histogram("hellinger"));
    assert_eq!(
        refusal::<f64>(&Poincare, &[3.0, 4.0]).in_row(2).to_string(),
        "poincare distance needs a norm below 1, got 5 (row 2)"
    );
    assert!(
        refusal::<f32>(&Poincare, &[1e30; 3])
            .to_string()
            .contains("norm below 1")
    );
    assert_eq!(
        refusal::<f64>(&Lorentz, &[2.0, 1.0]).to_string(),
        "lorentz distance needs a first entry of sqrt(1 + the others' squares), got 2 (column 0)"
    );
    // The other sheet, a row without entries, and the point itself in single precision.
    let sheet = 3.0f64.sqrt();
    for row in [&[-sheet, 1.0, 1.0] as &[f64], &[]] {
        let error = refusal::<f64>(&Lorentz, row);
        assert!(matches!(
            error,
            Error::OutOfDomain {
                distance: "lorentz",
                ..
            }
        ));
    }
    assert_eq!(Lorentz.check(&vector::<f32>(&[sheet, 1.0, 1.0])), Ok(()));
    assert_eq!(Lorentz.check(&[1e300f64, 1e300]), Ok(()));
    let sphere = GreatCircle::unit();
    assert_eq!(
        refusal::<f32>(&sphere, &[0.0, 0.0, 0.0]).to_string(),
        "great-circle distance needs 2 columns, latitude and longitude, got 3"
    );
    for latitude in [1.6, -1.6] {
        let error = refusal::<f32>(&sphere, &[latitude, 0.0]);
        assert!(matches!(
            error,
            Error::OutOfDomain {
                column: Some(0),
                ..
            }
        ));
    }
    for latitude in [FRAC_PI_2, -FRAC_PI_2] {
        assert_eq!(
            Distance::<f32>::check(&sphere, &vector(&[latitude, 9.0])),
            Ok(())
        );
        assert_eq!(Distance::<f64>::check(&sphere, &[latitude, 9.0]), Ok(()));
    }
    let identity = ndarray::Array2::<f64>::eye(2);
    let mahalanobis = Mahalanobis::from_precision(identity.view()).unwrap();
    assert!(mahalanobis.check(&[1.0; 3]).is_err());
    assert_eq!(mahalanobis.check(&[1.0; 2]), Ok(()));
}

#[test]
fn distances_for_all_vectors_refuse_none_and_references_ask_the_distance() {
    assert_eq!(Euclidean.check(&[1e30f32, -1.0]), Ok(()));
    let refuses = |distance: &dyn Distance<f64>| Distance::check(&distance, &[2.0]).is_err();
    assert!(refuses(&Poincare) && !refuses(&Euclidean));
}

#[test]
fn other_errors_have_no_row_to_fill_in() {
    assert_eq!(Error::ZeroNeighbors.in_row(3), Error::ZeroNeighbors);
}

#[test]
fn spheres_have_a_radius() {
    for radius in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let refused = GreatCircle::new(radius);
        assert!(matches!(
            refused,
            Err(Error::InvalidParam { name: "radius", .. })
        ));
    }
    assert_eq!(GreatCircle::default().radius(), 1.0);
}

#[test]
#[should_panic(expected = "latitude, longitude")]
fn coordinates_of_another_length_panic() {
    GreatCircle::unit().distance(&[0.0f32; 3], &[0.0; 3]);
}
