//! Corrections that other libraries had to make to their losses against class vectors and of angles, as tests of these; the
//! numbers are those of `corrections.rs`.
#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and some numbers are exact"
)]

use burn::tensor::{DType, Tensor};
use metric_losses::*;

use crate::common::*;

const CLASSES: [i64; 8] = [0, 0, 0, 1, 1, 2, 2, 3];

fn all_finite(rows: &Rows) -> bool {
    rows.iter().flatten().all(|g| g.is_finite())
}

/// R2. Rows at angle 0 and π to their positive, where an arccosine has an infinite slope; the negative still moves.
#[test]
fn tuplet_margin_at_both_ends_of_the_angle_is_exact_and_its_negatives_have_a_gradient() {
    let (margin, scale) = (0.1, 8.0);
    let loss = TupletMarginLossConfig::new()
        .with_margin(margin)
        .with_scale(scale)
        .init(&device());
    for (end, angle) in [(1.0, 0.0), (-1.0, std::f64::consts::PI)] {
        let rows = vec![vec![0.6, 0.8], vec![0.6 * end, 0.8 * end], vec![1.0, 0.0]];
        let forward = |x| loss.forward(x, labels(&[0, 0, 1]));
        let (value, gradient) = value_and_gradient(&rows, DType::F64, &forward);
        let terms = [0.6, 0.6 * end]
            .map(|negative: f64| (scale * (negative - (angle - margin).cos())).exp().ln_1p());
        let expected = (terms[0] + terms[1]) / 2.0;
        // The chord of equal rows is the root of rounding, some 1e-8.
        assert!(
            (value - expected).abs() < 1e-7 * scale,
            "{value}, {expected}"
        );
        let (_, single) = value_and_gradient(&rows, DType::F32, &forward);
        assert!(all_finite(&gradient) && all_finite(&single));
        assert!(gradient[2][1].abs() > 1e-3, "{gradient:?}");
    }
}

/// R12. Norms of 500 in `f16` and of class vectors of 500: their product, 250,000, is beyond `f16`.
#[test]
fn norms_of_rows_and_class_vectors_are_multiplied_in_single_precision() {
    // Cosine 3/500 to the first class and its negative to the second, so logits ±1500 · scale.
    let rows = vec![vec![3.0, 500.0]];
    let weight = vec![vec![500.0, 0.0], vec![-500.0, 0.0]];
    let length = (500.0f64 * 500.0 + 9.0).sqrt();
    for (scale, wanted) in [(1e-3, 3.0), (1e-4, 0.3)] {
        let large_margin = LargeMarginSoftmaxLossConfig::new(2, 2)
            .with_margin(1.0)
            .with_scale(scale)
            .init(&device())
            .with_weight(tensor(&weight, DType::F32));
        let sphere = SphereFaceLossConfig::new(2, 2)
            .with_margin(1.0)
            .with_scale(scale)
            .init(&device())
            .with_weight(tensor(&weight, DType::F32));
        let softplus = |x: f64| x.exp().ln_1p();
        for (name, expected, loss) in [
            (
                "large margin",
                softplus(-wanted),
                Box::new(move |x| large_margin.forward(x, labels(&[0])))
                    as Box<dyn Fn(Tensor<2>) -> Tensor<1>>,
            ),
            (
                "SphereFace",
                softplus(-wanted / 500.0),
                Box::new(move |x| sphere.forward(x, labels(&[0]))),
            ),
        ] {
            let (value, gradient) = value_and_gradient(&rows, DType::F16, &loss);
            // Logits are some ε of the largest factor, the norm, off.
            let bound = f64::from(f32::EPSILON) * 8.0 * length;
            assert!(
                (value - expected).abs() < bound,
                "{name}: {value}, {expected}"
            );
            assert!(
                all_finite(&gradient) && gradient[0][0] != 0.0,
                "{name}: {gradient:?}"
            );
        }
    }
}

/// R14. Rows on their class vector, opposite to it, and close to either.
#[test]
fn without_a_margin_every_angular_loss_is_the_normalized_softmax_at_the_ends_too() {
    let weight = vec![vec![0.6, 0.8], vec![-1.0, 0.3]];
    let plain = NormalizedSoftmaxLossConfig::new(2, 2)
        .with_temperature(1.0 / 16.0)
        .init(&device())
        .with_weight(tensor(&weight, DType::F64));
    let rows = vec![
        vec![0.6, 0.8],
        vec![-0.6, -0.8],
        vec![0.6001, 0.8],
        vec![-0.6001, -0.8],
    ];
    let (expected, wanted) =
        value_and_gradient(&rows, DType::F64, &|x| plain.forward(x, labels(&[0; 4])));
    macro_rules! check {
        ($config:expr) => {{
            let loss = $config
                .with_scale(16.0)
                .init(&device())
                .with_weight(tensor(&weight, DType::F64));
            let (value, gradient) =
                value_and_gradient(&rows, DType::F64, &|x| loss.forward(x, labels(&[0; 4])));
            let name = stringify!($config);
            assert!(
                (value - expected).abs() < 1e-11,
                "{name}: {value}, {expected}"
            );
            for (got, want) in gradient.concat().into_iter().zip(wanted.concat()) {
                assert!((got - want).abs() < 1e-9, "{name}: {got}, {want}");
            }
        }};
    }
    check!(ArcFaceLossConfig::new(2, 2).with_margin(0.0));
    check!(
        SubCenterArcFaceLossConfig::new(2, 2)
            .with_sub_centers(1)
            .with_margin(0.0)
    );
    check!(
        CombinedMarginLossConfig::new(2, 2)
            .with_m2(0.0)
            .with_m3(0.0)
    );
    check!(CosFaceLossConfig::new(2, 2).with_margin(0.0));
    check!(
        DynamicArcFaceLossConfig::new(vec![3, 4], 2)
            .with_sub_centers(1)
            .with_min_margin(0.0)
            .with_max_margin(0.0)
    );
}

/// R14. Beyond `π − m` the target's logit is `cos θ` and a constant: it keeps the slope of the cosine.
#[test]
fn arc_face_keeps_its_slope_where_the_angle_and_the_margin_are_beyond_a_half_turn() {
    let (margin, scale) = (0.5, 2.0);
    let weight = vec![vec![1.0, 0.0], vec![0.0, 1.0]];
    let loss = ArcFaceLossConfig::new(2, 2)
        .with_margin(margin)
        .with_scale(scale)
        .init(&device())
        .with_weight(tensor(&weight, DType::F64));
    // 2.9 is beyond π − 0.5, and so is the half turn but for 1e-3.
    for angle in [2.9f64, std::f64::consts::PI - 1e-3] {
        let rows = vec![vec![angle.cos(), angle.sin()]];
        assert_is(&rows, &|x| loss.forward(x, labels(&[0])), &|rows| {
            let own = cosine(&rows[0], &weight[0]) - margin * margin.sin();
            let other = cosine(&rows[0], &weight[1]);
            cross_entropy(&[own * scale, other * scale], 0)
        });
    }
}

/// R15. The power law as it stands in the paper loses all digits of such counts in `f32`, and of such a power in `f64`.
#[test]
fn dynamic_margins_follow_the_power_law_for_steep_powers_and_nearly_equal_counts() {
    let margins = |counts: Vec<usize>, power: f64| {
        DynamicArcFaceLossConfig::new(counts, 2)
            .with_power(power)
            .margins()
    };
    let (low, high) = (0.05, 0.5);
    // Between neighbours the law is a line.
    for power in [0.25, 1.0, 50.0] {
        let found = margins(vec![1_000_000_000, 1_000_000_001, 1_000_000_002], power);
        // Its curvature over two parts of 1e9, times the power.
        let bound = 1e-7;
        assert!((found[0] - high).abs() < bound, "{found:?}");
        assert!((found[1] - (high + low) / 2.0).abs() < bound, "{found:?}");
        assert!((found[2] - low).abs() < bound, "{found:?}");
    }
    // 2^-50 of the way is left to the second, 3^-50 to the third.
    let found = margins(vec![1, 2, 3, 1000], 50.0);
    assert_eq!((found[0], found[3]), (high, low));
    assert!(found[1] >= found[2] && found[2] >= low, "{found:?}");
    assert!(
        (found[1] - low - (high - low) * 2f64.powi(-50)).abs() < 1e-16,
        "{found:?}"
    );
    let steep = margins(vec![1, 1000], 1e6);
    assert_eq!(steep, [high, low]);
}

/// R18. A relaxed maximum whose temperature is tiny is the maximum.
#[test]
fn soft_triple_with_a_tiny_gamma_takes_the_closest_centre() {
    let weight = rows(6, 3);
    let x = rows(4, 3);
    let loss = SoftTripleLossConfig::new(3, 3)
        .with_centers_per_class(2)
        .with_gamma(1e-6)
        .with_margin(0.0)
        .with_tau(0.0)
        .init(&device())
        .with_weight(tensor(&weight, DType::F32));
    let lambda = 20.0;
    let (value, gradient) =
        value_and_gradient(&x, DType::F32, &|x| loss.forward(x, labels(&[0, 1, 2, 1])));
    let terms = x.iter().zip([0, 1, 2, 1]).map(|(x, label)| {
        let closest = |c: usize| {
            let to = |k: usize| cosine(x, &weight[2 * c + k]);
            lambda * to(0).max(to(1))
        };
        cross_entropy(&[closest(0), closest(1), closest(2)], label)
    });
    let expected = terms.sum::<f64>() / 4.0;
    assert!((value - expected).abs() < 1e-4, "{value}, {expected}");
    assert!(all_finite(&gradient));
}

/// R30. What half-precision rows get back is their own type's gradient, and it is not zero.
#[test]
fn proxies_in_single_precision_leave_half_precision_rows_their_gradient() {
    let loss = ProxyNcaLossConfig::new(4, 3).init(&device());
    for dtype in [DType::F16, DType::BF16] {
        let x = tensor(&rows(8, 3), dtype).require_grad();
        let gradients = loss.forward(x.clone(), labels(&CLASSES)).backward();
        let gradient = x.grad(&gradients).unwrap();
        assert_eq!(gradient.dtype(), dtype);
        assert!(
            to_rows(gradient)
                .concat()
                .iter()
                .all(|g| *g != 0.0 && g.is_finite())
        );
        assert!(loss.weight().grad(&gradients).is_some());
    }
}
