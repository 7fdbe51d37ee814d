//! Losses with a margin on the target's logit, against their definitions.
#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and some numbers are exact"
)]

use std::f64::consts::PI;

use burn::tensor::{DType, Tensor};
use metric_losses::{
    ArcFaceLossConfig, CombinedMarginLossConfig, CosFaceLossConfig, LargeMarginSoftmaxLossConfig,
    MarginAnnealing, NormalizedSoftmaxLossConfig, P2sGradLossConfig, SphereFaceLossConfig,
    SubCenterArcFaceLossConfig, sample_classes,
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::common::*;

const CLASSES: [i64; 7] = [0, 2, 1, 1, 0, 3, 3];

/// Mean cross-entropy of logits `[row][class]`.
fn mean_cross_entropy(rows: &Rows, logits: &dyn Fn(&[f64], usize) -> Vec<f64>) -> f64 {
    let terms = rows.iter().zip(CLASSES);
    let sum: f64 = terms
        .map(|(x, y)| cross_entropy(&logits(x, y as usize), y as usize))
        .sum();
    sum / rows.len() as f64
}

/// Cosines to all classes, with `target` in the place of the row's own.
fn with_target(x: &[f64], weight: &Rows, y: usize, target: impl Fn(f64) -> f64) -> Vec<f64> {
    let logit = |(class, w): (usize, &Vec<f64>)| match cosine(x, w) {
        own if class == y => target(own),
        other => other,
    };
    weight.iter().enumerate().map(logit).collect()
}

fn scaled(logits: Vec<f64>, scale: f64) -> Vec<f64> {
    logits.into_iter().map(|logit| logit * scale).collect()
}

fn norm(x: &[f64]) -> f64 {
    dot(x, x).sqrt()
}

/// ArcFace's `ψ`.
fn plus_angle(cosine: f64, m: f64) -> f64 {
    let angle = cosine.acos();
    if angle <= PI - m {
        (angle + m).cos()
    } else {
        cosine - m * m.sin()
    }
}

/// SphereFace's `ψ`.
fn times_angle(cosine: f64, m: f64) -> f64 {
    let angle = m * cosine.acos();
    let k = (angle / PI).floor();
    let sign = if k as i64 % 2 == 0 { 1.0 } else { -1.0 };
    sign * angle.cos() - 2.0 * k
}

#[test]
fn cos_face_is_its_definition() {
    let weight = rows(4, 3);
    let loss = CosFaceLossConfig::new(4, 3).init(&device());
    let loss = loss.with_weight(tensor(&weight, DType::F64));
    assert_is(
        &rows(7, 3),
        &|x| loss.forward(x, labels(&CLASSES)),
        &|rows| {
            mean_cross_entropy(rows, &|x, y| {
                scaled(with_target(x, &weight, y, |cosine| cosine - 0.35), 64.0)
            })
        },
    );
}

#[test]
fn sub_center_arc_face_takes_the_closest_vector_of_every_class() {
    let vectors = rows(12, 3);
    // With 2.5 radians targets lie beyond pi - m, so both branches are seen.
    for margin in [0.5, 2.5] {
        let loss = SubCenterArcFaceLossConfig::new(4, 3)
            .with_margin(margin)
            .init(&device())
            .with_weight(tensor(&vectors, DType::F64));
        assert_is(
            &rows(7, 3),
            &|x| loss.forward(x, labels(&CLASSES)),
            &|rows| {
                mean_cross_entropy(rows, &|x, y| {
                    let closest = |vectors: &[Vec<f64>]| {
                        let cosines = vectors.iter().map(|w| cosine(x, w));
                        cosines.fold(f64::MIN, f64::max)
                    };
                    let mut logits: Vec<f64> = vectors.chunks(3).map(closest).collect();
                    logits[y] = plus_angle(logits[y], margin);
                    scaled(logits, 64.0)
                })
            },
        );
    }
}

#[test]
fn rows_far_from_the_dominant_sub_center_are_outliers() {
    let axes = vec![
        vec![2.0, 0.0],
        vec![0.0, 3.0],
        vec![-1.0, 0.0],
        vec![0.0, -1.0],
        vec![1.0, 1.0],
        vec![1.0, -1.0],
    ];
    let loss = SubCenterArcFaceLossConfig::new(3, 2)
        .with_sub_centers(2)
        .init(&device())
        .with_weight(tensor(&axes, DType::F32));
    // Class 0: two rows along its second vector, one along the first. Class 1: one row for each
    // vector, a tie. Class 2 has no rows.
    let x = vec![
        vec![0.0, 1.0],
        vec![5.0, 0.0],
        vec![0.0, 1e-20],
        vec![-1.0, 0.0],
        vec![0.0, -7.0],
    ];
    let report = loss.outliers(
        tensor(&x, DType::F32),
        labels(&[0, 0, 0, 1, 1]),
        75f64.to_radians(),
    );
    let dominant = report.dominant.clone().into_data().convert::<i64>();
    assert_eq!(dominant.try_to_vec::<i64>().unwrap(), [1, 0, 0]);
    let is_outlier = report.is_outlier.int().into_data().convert::<i64>();
    assert_eq!(is_outlier.try_to_vec::<i64>().unwrap(), [0, 1, 0, 0, 1]);
    let angles = report.angles.into_data().convert::<f64>();
    for (got, want) in
        angles
            .try_to_vec::<f64>()
            .unwrap()
            .into_iter()
            .zip([0.0, PI / 2.0, 0.0, 0.0, PI / 2.0])
    {
        // The arccosine of 1 - ε is √(2 ε), 5e-4 in single precision.
        assert!((got - want).abs() < 1e-3, "{got}, by hand {want}");
    }
    let kept = to_rows(loss.keep_dominant(report.dominant).weight().inner());
    assert_eq!(kept, [axes[1].clone(), axes[2].clone(), axes[4].clone()]);
}

#[test]
fn sphere_face_is_its_definition() {
    let weight = rows(4, 3);
    for (margin, lambda) in [(4.0, 0.0), (2.5, 0.0), (4.0, 3.0), (1.0, 0.0)] {
        let loss = SphereFaceLossConfig::new(4, 3)
            .with_margin(margin)
            .with_scale(2.0)
            .init(&device())
            .with_weight(tensor(&weight, DType::F64));
        assert_is(
            &rows(7, 3),
            &|x| loss.forward_annealed(x, labels(&CLASSES), lambda),
            &|rows| {
                mean_cross_entropy(rows, &|x, y| {
                    let target = |c: f64| (lambda * c + times_angle(c, margin)) / (1.0 + lambda);
                    scaled(with_target(x, &weight, y, target), 2.0 * norm(x))
                })
            },
        );
    }
}

#[test]
fn large_margin_softmax_is_its_definition() {
    let weight = rows(4, 3);
    for (margin, lambda) in [(4.0, 0.0), (2.5, 0.0), (3.0, 5.0)] {
        let loss = LargeMarginSoftmaxLossConfig::new(4, 3)
            .with_margin(margin)
            .init(&device())
            .with_weight(tensor(&weight, DType::F64));
        assert_is(
            &rows(7, 3),
            &|x| loss.forward_annealed(x, labels(&CLASSES), lambda),
            &|rows| {
                mean_cross_entropy(rows, &|x, y| {
                    let target = |c: f64| (lambda * c + times_angle(c, margin)) / (1.0 + lambda);
                    let logits = with_target(x, &weight, y, target);
                    let lengths = weight.iter().map(|w| norm(w) * norm(x));
                    logits
                        .into_iter()
                        .zip(lengths)
                        .map(|(l, a)| l * a)
                        .collect()
                })
            },
        );
    }
}

fn combined(rows: &Rows, weight: &Rows, [m1, m2, m3]: [f64; 3]) -> f64 {
    mean_cross_entropy(rows, &|x, y| {
        let target = |cosine: f64| match m1 {
            1.0 => plus_angle(cosine, m2) - m3,
            _ => {
                let angle = m1 * cosine.acos() + m2;
                let k = (angle / PI).floor();
                let sign = if k as i64 % 2 == 0 { 1.0 } else { -1.0 };
                sign * angle.cos() - 2.0 * k - m3
            }
        };
        scaled(with_target(x, weight, y, target), 64.0)
    })
}

#[test]
fn combined_margin_is_its_definition() {
    let weight = rows(4, 3);
    for margins in [
        [1.0, 0.3, 0.2],
        [0.9, 0.4, 0.15],
        [1.7, 2.0, -0.1],
        [1.0, 2.5, 0.1],
    ] {
        let loss = CombinedMarginLossConfig::new(4, 3)
            .with_m1(margins[0])
            .with_m2(margins[1])
            .with_m3(margins[2])
            .init(&device())
            .with_weight(tensor(&weight, DType::F64));
        assert_is(
            &rows(7, 3),
            &|x| loss.forward(x, labels(&CLASSES)),
            &|rows| combined(rows, &weight, margins),
        );
        assert_weight_gradient(
            &weight,
            &|weight| {
                let loss = loss.clone().with_weight(weight);
                let x = tensor(&rows(7, 3), DType::F64);
                (loss.forward(x, labels(&CLASSES)), loss.weight())
            },
            &|weight| combined(&rows(7, 3), weight, margins),
        );
    }
}

#[test]
fn combined_margin_holds_arc_face_and_cos_face() {
    let weight = || tensor(&rows(4, 3), DType::F64);
    let x = || tensor(&rows(7, 3), DType::F64);
    let combined = |m2, m3| {
        let config = CombinedMarginLossConfig::new(4, 3).with_m2(m2).with_m3(m3);
        let loss = config.init(&device()).with_weight(weight());
        to_f64(loss.forward(x(), labels(&CLASSES)))
    };
    let arc = ArcFaceLossConfig::new(4, 3)
        .init(&device())
        .with_weight(weight());
    let cos = CosFaceLossConfig::new(4, 3)
        .init(&device())
        .with_weight(weight());
    let arc = to_f64(arc.forward(x(), labels(&CLASSES)));
    let cos = to_f64(cos.forward(x(), labels(&CLASSES)));
    assert!((combined(0.5, 0.0) - arc).abs() < 1e-12);
    assert!((combined(0.0, 0.35) - cos).abs() < 1e-12);
}

#[test]
fn a_loss_against_some_classes_is_the_loss_with_those_vectors_alone() {
    let weight = rows(9, 3);
    // The labels of the batch as places among the chosen: 0 -> 1, 1 -> 3, 2 -> 0, 3 -> 2.
    let chosen = [2, 0, 3, 1, 7];
    let some: Rows = chosen.iter().map(|&c| weight[c as usize].clone()).collect();
    let places: Vec<i64> = CLASSES.iter().map(|c| [1, 3, 0, 2][*c as usize]).collect();
    let config = |classes| CombinedMarginLossConfig::new(classes, 3);
    let of_all = config(9)
        .init(&device())
        .with_weight(tensor(&weight, DType::F64));
    let of_some = config(5)
        .init(&device())
        .with_weight(tensor(&some, DType::F64));
    let x = tensor(&rows(7, 3), DType::F64);
    let value = of_all.forward_sampled(x.clone(), labels(&CLASSES), labels(&chosen));
    let gradient = of_all.weight().grad(&value.backward()).unwrap();
    let expected = of_some.forward(x, labels(&places));
    let expected_gradient = of_some.weight().grad(&expected.backward()).unwrap();
    assert_eq!(to_f64(value), to_f64(expected));
    let (gradient, expected) = (to_rows(gradient), to_rows(expected_gradient));
    for (class, got) in gradient.iter().enumerate() {
        let want = match chosen.iter().position(|&c| c == class as i64) {
            Some(place) => expected[place].clone(),
            None => vec![0.0; 3],
        };
        assert_eq!(got, &want, "class {class}");
    }
}

#[test]
#[should_panic(expected = "index 2 out of bounds")]
fn a_label_that_is_not_among_the_chosen_classes_is_refused() {
    let loss = CombinedMarginLossConfig::new(9, 3).init(&device());
    let x: Tensor<2> = tensor(&rows(2, 3), DType::F32);
    loss.forward_sampled(x, labels(&[4, 5]), labels(&[4, 6]));
}

#[test]
fn sampled_classes_hold_the_batch_and_as_many_others_as_are_asked_for() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut times = [0; 20];
    for _ in 0..2000 {
        let classes = sample_classes(&[4, 11, 4], 20, 8, &mut rng);
        assert!(classes.is_sorted() && classes.len() == 8);
        for class in classes {
            times[class] += 1;
        }
    }
    assert_eq!((times[4], times[11]), (2000, 2000));
    times[4] = 667;
    times[11] = 667;
    // Every other class in a third of 2000 draws: 667 with deviation 21; five of them are allowed.
    assert!(times.iter().all(|&t| (562..=772).contains(&t)), "{times:?}");
    assert_eq!(sample_classes(&[3, 1, 2], 5, 2, &mut rng), [1, 2, 3]);
    assert_eq!(sample_classes(&[], 3, 3, &mut rng), [0, 1, 2]);
}

#[test]
fn p2s_grad_is_its_definition_and_has_the_papers_gradient() {
    let weight = rows(4, 3);
    let loss = P2sGradLossConfig::new(4, 3).init(&device());
    let loss = loss.with_weight(tensor(&weight, DType::F64));
    let definition = |rows: &Rows, weight: &Rows| {
        let terms = rows.iter().zip(CLASSES).map(|(x, y)| {
            let residuals = with_target(x, weight, y as usize, |cosine| cosine - 1.0);
            dot(&residuals, &residuals) / 2.0
        });
        terms.sum::<f64>() / 7.0
    };
    assert_is(
        &rows(7, 3),
        &|x| loss.forward(x, labels(&CLASSES)),
        &|rows| definition(rows, &weight),
    );
    assert_weight_gradient(
        &weight,
        &|weight| {
            let loss = loss.clone().with_weight(weight);
            let x = tensor(&rows(7, 3), DType::F64);
            (loss.forward(x, labels(&CLASSES)), loss.weight())
        },
        &|weight| definition(&rows(7, 3), weight),
    );
}

#[test]
fn rows_on_a_class_vector_or_opposite_to_it_have_a_finite_gradient() {
    let weight = rows(4, 3);
    let opposite = weight[2].iter().map(|v| -v).collect();
    let on_them = vec![weight[0].clone(), opposite, vec![0.0; 3]];
    for (name, loss) in with_margin(&weight, DType::F32) {
        let (value, gradient) =
            value_and_gradient(&on_them, DType::F32, &|x| loss(x, labels(&[0, 2, 1])));
        assert!(value.is_finite(), "{name}: {value}");
        assert!(
            gradient.concat().into_iter().all(f64::is_finite),
            "{name}: {gradient:?}"
        );
    }
}

#[test]
fn without_a_margin_the_losses_are_normalized_softmax() {
    let weight = rows(4, 3);
    let plain = NormalizedSoftmaxLossConfig::new(4, 3)
        .init(&device())
        .with_weight(tensor(&weight, DType::F64));
    let x = tensor(&rows(7, 3), DType::F64);
    let want = to_f64(plain.forward(x.clone(), labels(&CLASSES)));
    let weight = || tensor(&weight, DType::F64);
    let cos = CosFaceLossConfig::new(4, 3)
        .with_margin(0.0)
        .with_scale(20.0);
    let cos = cos.init(&device()).with_weight(weight());
    assert!((to_f64(cos.forward(x.clone(), labels(&CLASSES))) - want).abs() < 1e-12);
    let unit = metric_losses::l2_normalize(x);
    let sphere = SphereFaceLossConfig::new(4, 3)
        .with_margin(1.0)
        .with_scale(20.0);
    let sphere = sphere.init(&device()).with_weight(weight());
    assert!((to_f64(sphere.forward(unit, labels(&CLASSES))) - want).abs() < 1e-12);
}

/// The losses of this file, with given class vectors (each of them three times where a class has
/// three).
fn with_margin(weight: &Rows, dtype: DType) -> Vec<NamedLoss> {
    let (device, [classes, dim]) = (device(), [weight.len(), weight[0].len()]);
    let vectors = || tensor(weight, dtype);
    let thrice: Rows = weight.iter().flat_map(|w| vec![w.clone(); 3]).collect();
    let cos = CosFaceLossConfig::new(classes, dim).init(&device);
    let cos = cos.with_weight(vectors());
    let sub = SubCenterArcFaceLossConfig::new(classes, dim).init(&device);
    let sub = sub.with_weight(tensor(&thrice, dtype));
    let sphere = SphereFaceLossConfig::new(classes, dim).init(&device);
    let sphere = sphere.with_weight(vectors());
    let large = LargeMarginSoftmaxLossConfig::new(classes, dim).init(&device);
    let large = large.with_weight(vectors());
    let combined = CombinedMarginLossConfig::new(classes, dim).with_m1(1.5);
    let combined = combined.init(&device).with_weight(vectors());
    let p2s = P2sGradLossConfig::new(classes, dim).init(&device);
    let p2s = p2s.with_weight(vectors());
    vec![
        (
            "combined_margin",
            Box::new(move |x, y| combined.forward(x, y)),
        ),
        ("p2s_grad", Box::new(move |x, y| p2s.forward(x, y))),
        ("cos_face", Box::new(move |x, y| cos.forward(x, y))),
        (
            "sub_center_arc_face",
            Box::new(move |x, y| sub.forward(x, y)),
        ),
        ("sphere_face", Box::new(move |x, y| sphere.forward(x, y))),
        (
            "large_margin_softmax",
            Box::new(move |x, y| large.forward(x, y)),
        ),
    ]
}

#[test]
fn extremes_order_and_labels_out_of_range() {
    for loss in with_margin(&rows(7, 3), DType::F32) {
        assert_behaves_as_a_class_loss(&loss);
    }
    for (_, loss) in with_margin(&rows(7, 3), DType::F64) {
        assert_ignores_order(&rows(7, 3), &CLASSES, &|x, y| loss(x, y));
    }
}

#[test]
fn the_only_class_costs_nothing() {
    for (name, loss) in with_margin(&rows(1, 3), DType::F32) {
        if name == "p2s_grad" {
            continue; // no softmax: it asks for a cosine of 1 whatever the other classes
        }
        let (value, gradient) =
            value_and_gradient(&rows(3, 3), DType::F32, &|x| loss(x, labels(&[0; 3])));
        assert_eq!(value, 0.0, "{name}");
        assert!(gradient.concat().into_iter().all(|g| g == 0.0), "{name}");
    }
}

#[test]
fn configurations_out_of_range_are_refused_by_name() {
    let message = |result: Result<(), metric_losses::ConfigError>| result.unwrap_err().to_string();
    assert_eq!(
        message(CosFaceLossConfig::new(4, 3).with_scale(-1.0).validate()),
        "scale must be finite and above 0, got -1"
    );
    assert_eq!(
        message(
            SubCenterArcFaceLossConfig::new(4, 3)
                .with_margin(28.6)
                .validate()
        ),
        "margin must be an angle in radians from 0 to pi, got 28.6"
    );
    assert_eq!(
        message(
            SubCenterArcFaceLossConfig::new(4, 3)
                .with_sub_centers(0)
                .validate()
        ),
        "sub_centers must be at least 1, got 0"
    );
    assert_eq!(
        message(SphereFaceLossConfig::new(4, 3).with_margin(0.5).validate()),
        "margin must be finite and at least 1, got 0.5"
    );
    assert_eq!(
        message(CombinedMarginLossConfig::new(4, 3).with_m1(0.0).validate()),
        "m1 must be finite and above 0, got 0"
    );
    assert_eq!(
        message(MarginAnnealing::new().with_gamma(-0.1).validate()),
        "gamma must be finite and at least 0, got -0.1"
    );
    assert_eq!(
        message(P2sGradLossConfig::new(4, 0).validate()),
        "embedding_size must be at least 1, got 0"
    );
    assert_eq!(
        message(LargeMarginSoftmaxLossConfig::new(0, 3).validate()),
        "num_classes must be at least 1, got 0"
    );
}

#[test]
#[should_panic(expected = "lambda must be finite and at least 0, got -1")]
fn a_negative_lambda_is_refused() {
    let loss = SphereFaceLossConfig::new(4, 3).init(&device());
    let x: Tensor<2> = tensor(&rows(1, 3), DType::F32);
    loss.forward_annealed(x, labels(&[0]), -1.0);
}
