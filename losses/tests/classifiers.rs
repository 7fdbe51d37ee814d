//! Softmax, normalized softmax and ArcFace against their definitions.
#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and some numbers are exact"
)]

use burn::tensor::{DType, Tensor};
use metric_losses::{
    ArcFaceLossConfig, NormalizedSoftmaxLossConfig, Reducer, SoftmaxLossConfig, l2_normalize,
};

use crate::common::*;

const CLASSES: [i64; 7] = [0, 2, 1, 1, 0, 3, 3];

fn mean(terms: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = terms.len() as f64;
    terms.sum::<f64>() / count
}

#[test]
fn softmax_is_its_definition_in_value_and_gradient() {
    let device = device();
    let loss = SoftmaxLossConfig::new(4, 3).init(&device);
    // W and b, read off the logits of the origin and of the unit vectors.
    let unit = vec![
        vec![0.0, 0.0, 0.0],
        vec![1.0, 0.0, 0.0],
        vec![0.0, 1.0, 0.0],
        vec![0.0, 0.0, 1.0],
    ];
    let probe = to_rows(loss.logits(tensor(&unit, DType::F32)).inner());
    let x = rows(7, 3);
    let expected = mean(x.iter().zip(CLASSES).map(|(x, y)| {
        let logits: Vec<f64> = (0..4)
            .map(|c| {
                let bias = probe[0][c];
                bias + (0..3).map(|j| x[j] * (probe[j + 1][c] - bias)).sum::<f64>()
            })
            .collect();
        cross_entropy(&logits, y as usize)
    }));
    let (value, _) = value_and_gradient(&x, DType::F32, &|x| loss.forward(x, labels(&CLASSES)));
    // Single precision: four logits of size one, a few ε each.
    assert!(
        (value - expected).abs() < 1e-5,
        "{value}, by definition {expected}"
    );
    assert_stays_finite(7, 3, &|x| loss.forward(x, labels(&CLASSES)));
}

#[test]
fn normalized_softmax_is_its_definition_in_value_and_gradient() {
    let classes = rows(4, 3);
    let loss = NormalizedSoftmaxLossConfig::new(4, 3)
        .init(&device())
        .with_weight(tensor(&classes, DType::F64));
    assert_is(
        &rows(7, 3),
        &|x| loss.forward(x, labels(&CLASSES)),
        &|rows| {
            mean(rows.iter().zip(CLASSES).map(|(x, y)| {
                let logits: Vec<f64> = classes.iter().map(|w| cosine(x, w) / 0.05).collect();
                cross_entropy(&logits, y as usize)
            }))
        },
    );
}

fn arc_face_logits(x: &[f64], classes: &Rows, label: usize, margin: f64) -> Vec<f64> {
    let logit = |(class, w): (usize, &Vec<f64>)| {
        let cosine = cosine(x, w);
        let angle = cosine.acos();
        64.0 * match class == label {
            false => cosine,
            true if angle <= std::f64::consts::PI - margin => (angle + margin).cos(),
            true => cosine - margin * margin.sin(),
        }
    };
    classes.iter().enumerate().map(logit).collect()
}

#[test]
fn arc_face_is_its_definition_in_value_and_gradient() {
    let classes = rows(4, 3);
    // With 2.5 radians most targets lie beyond pi - m, so both branches are seen.
    for margin in [0.5, 2.5] {
        let loss = ArcFaceLossConfig::new(4, 3)
            .with_margin(margin)
            .init(&device())
            .with_weight(tensor(&classes, DType::F64));
        assert_is(
            &rows(7, 3),
            &|x| loss.forward(x, labels(&CLASSES)),
            &|rows| {
                mean(rows.iter().zip(CLASSES).map(|(x, y)| {
                    let label = y as usize;
                    cross_entropy(&arc_face_logits(x, &classes, label, margin), label)
                }))
            },
        );
    }
}

#[test]
fn arc_face_without_margin_is_normalized_softmax() {
    let classes = tensor(&rows(4, 3), DType::F64);
    let arc = ArcFaceLossConfig::new(4, 3)
        .with_margin(0.0)
        .with_scale(20.0)
        .init(&device());
    let plain = NormalizedSoftmaxLossConfig::new(4, 3).init(&device());
    let x = tensor(&rows(7, 3), DType::F64);
    let arc = arc
        .with_weight(classes.clone())
        .forward(x.clone(), labels(&CLASSES));
    let plain = plain.with_weight(classes).forward(x, labels(&CLASSES));
    assert!((to_f64(arc) - to_f64(plain)).abs() < 1e-12);
}

#[test]
fn rows_on_a_class_vector_or_opposite_to_it_have_a_finite_gradient() {
    let classes = rows(4, 3);
    let loss = ArcFaceLossConfig::new(4, 3)
        .init(&device())
        .with_weight(tensor(&classes, DType::F32));
    let opposite = classes[2].iter().map(|v| -v).collect();
    let on_them = vec![classes[0].clone(), opposite];
    let (value, gradient) =
        value_and_gradient(&on_them, DType::F32, &|x| loss.forward(x, labels(&[0, 2])));
    assert!(value.is_finite());
    assert!(
        gradient.concat().into_iter().all(f64::is_finite),
        "{gradient:?}"
    );
}

#[test]
fn the_class_vectors_get_a_gradient() {
    let loss = ArcFaceLossConfig::new(4, 3).init(&device());
    let value = loss.forward(tensor(&rows(7, 3), DType::F32), labels(&CLASSES));
    let gradient = loss
        .weight()
        .grad(&value.backward())
        .expect("class vectors are parameters");
    assert!(to_rows(gradient).concat().into_iter().any(|g| g != 0.0));
}

#[test]
fn the_order_of_the_batch_does_not_matter() {
    let weight = || tensor(&rows(4, 3), DType::F64);
    let arc = ArcFaceLossConfig::new(4, 3)
        .init(&device())
        .with_weight(weight());
    let plain = NormalizedSoftmaxLossConfig::new(4, 3)
        .init(&device())
        .with_weight(weight());
    let x = rows(7, 3);
    assert_ignores_order(&x, &CLASSES, &|x, y| arc.forward(x, y));
    assert_ignores_order(&x, &CLASSES, &|x, y| plain.forward(x, y));
}

#[test]
fn extreme_rows_leave_value_and_gradient_finite() {
    let arc = ArcFaceLossConfig::new(4, 3).init(&device());
    let plain = NormalizedSoftmaxLossConfig::new(4, 3).init(&device());
    assert_stays_finite(7, 3, &|x| arc.forward(x, labels(&CLASSES)));
    assert_stays_finite(7, 3, &|x| plain.forward(x, labels(&CLASSES)));
}

#[test]
fn a_threshold_that_nothing_passes_is_zero_and_still_on_the_graph() {
    let band = Reducer::Threshold {
        low: 1e6,
        high: 1e7,
    };
    let loss = NormalizedSoftmaxLossConfig::new(4, 3)
        .with_reducer(band)
        .init(&device());
    assert_is_zero_on_the_graph(&rows(7, 3), &|x| loss.forward(x, labels(&CLASSES)));
}

#[test]
fn normalizing_keeps_the_direction_of_huge_and_tiny_rows_and_leaves_zero_alone() {
    let x = Tensor::<2>::from_floats([[3e18, 4e18], [3e-30, -4e-30], [0.0, 0.0]], &device());
    let unit = to_rows(l2_normalize(x).inner());
    for (got, want) in unit.iter().zip([[0.6, 0.8], [0.6, -0.8], [0.0, 0.0]]) {
        // Four roundings of single precision.
        assert!(
            got.iter()
                .zip(want)
                .all(|(g, w)| (g - w).abs() <= 4.0 * 6e-8),
            "{got:?}"
        );
    }
}

#[test]
fn a_broken_embedding_shows() {
    let device = device();
    let arc = ArcFaceLossConfig::new(4, 3).init(&device);
    let plain = NormalizedSoftmaxLossConfig::new(4, 3).init(&device);
    let softmax = SoftmaxLossConfig::new(4, 3).init(&device);
    assert_shows_nan(7, 3, &|x| arc.forward(x, labels(&CLASSES)));
    assert_shows_nan(7, 3, &|x| plain.forward(x, labels(&CLASSES)));
    assert_shows_nan(7, 3, &|x| softmax.forward(x, labels(&CLASSES)));
}

#[test]
fn configurations_out_of_range_are_refused_by_name() {
    let temperature = NormalizedSoftmaxLossConfig::new(4, 3).with_temperature(0.0);
    assert_eq!(
        temperature.validate().unwrap_err().to_string(),
        "temperature must be finite and above 0, got 0"
    );
    let margin = ArcFaceLossConfig::new(4, 3)
        .with_margin(28.6)
        .validate()
        .unwrap_err();
    assert_eq!(
        margin.to_string(),
        "margin must be an angle in radians from 0 to pi, got 28.6"
    );
    assert!(SoftmaxLossConfig::new(0, 3).validate().is_err());
}
