//! Losses whose margin differs from row to row, against their definitions.
#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and some numbers are exact"
)]

use std::f64::consts::PI;

use burn::tensor::{DType, Tensor, TensorData};
use metric_losses::{
    AdaFaceLossConfig, ArcFaceLossConfig, CosFaceLossConfig, CurricularFaceLossConfig,
    DynamicArcFaceLossConfig, ElasticFaceLossConfig, MagFaceLossConfig, SubCenterArcFaceLossConfig,
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::common::*;

const CLASSES: [i64; 7] = [0, 2, 1, 1, 0, 3, 3];

fn vector(values: &[f64]) -> Tensor<1> {
    let data = TensorData::new(values.to_vec(), [values.len()]);
    Tensor::from_data(data, (&device(), DType::F64))
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

/// Mean cross-entropy of 64 times the cosines, with `target(i, xᵢ, cos θ_y)` in the target's place.
fn mean_loss(rows: &Rows, weight: &Rows, target: &dyn Fn(usize, &[f64], f64) -> f64) -> f64 {
    let terms = rows.iter().zip(CLASSES).enumerate().map(|(i, (x, y))| {
        let mut logits: Vec<f64> = weight.iter().map(|w| cosine(x, w)).collect();
        logits[y as usize] = target(i, x, logits[y as usize]);
        let logits: Vec<f64> = logits.into_iter().map(|l| 64.0 * l).collect();
        cross_entropy(&logits, y as usize)
    });
    terms.sum::<f64>() / rows.len() as f64
}

fn curricular(rows: &Rows, weight: &Rows, t: f64) -> f64 {
    let terms = rows.iter().zip(CLASSES).map(|(x, y)| {
        let cosines: Vec<f64> = weight.iter().map(|w| cosine(x, w)).collect();
        let target = plus_angle(cosines[y as usize], 0.5);
        let logit = |(class, cosine): (usize, f64)| {
            64.0 * match cosine {
                _ if class == y as usize => target,
                hard if hard > target => hard * (t + hard),
                easy => easy,
            }
        };
        let logits: Vec<f64> = cosines.into_iter().enumerate().map(logit).collect();
        cross_entropy(&logits, y as usize)
    });
    terms.sum::<f64>() / rows.len() as f64
}

#[test]
fn curricular_face_is_its_definition_before_and_after_an_update() {
    let weight = rows(4, 3);
    let loss = CurricularFaceLossConfig::new(4, 3)
        .with_rate(0.5)
        .init(&device())
        .with_weight(tensor(&weight, DType::F64));
    let mean = {
        let own = rows(7, 3).into_iter().zip(CLASSES);
        own.map(|(x, y)| cosine(&x, &weight[y as usize]))
            .sum::<f64>()
            / 7.0
    };
    let moved = loss
        .clone()
        .update(tensor(&rows(7, 3), DType::F64), labels(&CLASSES));
    let moved = moved.update(tensor(&rows(7, 3), DType::F64), labels(&CLASSES));
    let t = to_f64(moved.t());
    // Twice half way to the mean; the state is single.
    assert!(
        (t - 0.75 * mean).abs() < 1e-6,
        "{t}, by hand {}",
        0.75 * mean
    );
    for (loss, t) in [(loss, 0.0), (moved, t)] {
        assert_is(
            &rows(7, 3),
            &|x| loss.forward(x, labels(&CLASSES)),
            &|rows| curricular(rows, &weight, t),
        );
        assert_weight_gradient(
            &weight,
            &|weight| {
                let loss = loss.clone().with_weight(weight);
                let x = tensor(&rows(7, 3), DType::F64);
                (loss.forward(x, labels(&CLASSES)), loss.weight())
            },
            &|weight| curricular(&rows(7, 3), weight, t),
        );
    }
}

#[test]
fn ada_face_is_its_definition_with_the_quality_held_constant() {
    let weight = rows(4, 3);
    // Norms from 0.1 to 300: some below the mean, some so far above that the quality is clipped.
    let long = |factor: f64| -> Rows {
        let sizes = [0.1, 1.0, 3.0, 20.0, 30.0, 100.0, 300.0];
        let scaled = |(x, size): (Vec<f64>, f64)| x.iter().map(|v| v * size * factor).collect();
        rows(7, 3).into_iter().zip(sizes).map(scaled).collect()
    };
    let x = long(1.0);
    let loss = AdaFaceLossConfig::new(4, 3)
        .with_rate(0.5)
        .with_h(2.0)
        .init(&device())
        .with_weight(tensor(&weight, DType::F64));
    let norms: Vec<f64> = x.iter().map(|x| norm(x).clamp(1e-3, 100.0)).collect();
    let mean = norms.iter().sum::<f64>() / 7.0;
    let deviation = (norms.iter().map(|n| (n - mean).powi(2)).sum::<f64>() / 6.0).sqrt();
    let loss = loss.update(tensor(&x, DType::F64));
    let (mu, sigma) = (to_f64(loss.mean()), to_f64(loss.deviation()));
    // Half way from 20 and 100; the state is single.
    assert!(
        (mu - (20.0 + mean) / 2.0).abs() < 1e-4,
        "{mu}, by hand {mean}"
    );
    assert!((sigma - (100.0 + deviation) / 2.0).abs() < 1e-4, "{sigma}");
    let qualities: Vec<f64> = norms
        .iter()
        .map(|n| ((n - mu) / (sigma + 1e-3) * 2.0).clamp(-1.0, 1.0))
        .collect();
    assert!(qualities.contains(&1.0) && qualities.iter().any(|&q| q < 0.0));
    assert_is(&x, &|x| loss.forward(x, labels(&CLASSES)), &|rows| {
        mean_loss(rows, &weight, &|i, _, cosine| {
            let shift = 0.4 * qualities[i];
            (cosine.acos() - shift).clamp(0.0, PI).cos() - shift - 0.4
        })
    });
}

#[test]
fn ada_face_at_the_mean_norm_is_cos_face_and_far_below_it_is_arc_face() {
    let weight = || tensor(&rows(4, 3), DType::F64);
    let ada = AdaFaceLossConfig::new(4, 3);
    // With a huge h every norm below the mean has quality −1.
    let unit = |length: f64| {
        let scaled = |x: Vec<f64>| x.iter().map(|v| v * length / norm(&x)).collect();
        tensor(&rows(7, 3).into_iter().map(scaled).collect(), DType::F64)
    };
    let cos = CosFaceLossConfig::new(4, 3)
        .with_margin(0.4)
        .init(&device());
    let cos = cos
        .with_weight(weight())
        .forward(unit(1.0), labels(&CLASSES));
    let mean = ada.clone().init(&device()).with_weight(weight());
    let mean = mean.forward(unit(20.0), labels(&CLASSES));
    assert!((to_f64(mean) - to_f64(cos)).abs() < 1e-11);
    // ArcFace with the angle clipped at π, which no row reaches here.
    let near = rows(4, 3);
    let x = || tensor(&near, DType::F64);
    let arc = ArcFaceLossConfig::new(4, 3)
        .with_margin(0.4)
        .init(&device());
    let arc = arc
        .with_weight(weight())
        .forward(x(), labels(&[0, 1, 2, 3]));
    let low = ada.with_h(1e6).init(&device()).with_weight(weight());
    let low = low.forward(x(), labels(&[0, 1, 2, 3]));
    assert!((to_f64(low) - to_f64(arc)).abs() < 1e-11);
}

#[test]
fn mag_face_is_its_definition_inside_and_outside_its_norms() {
    let weight = rows(4, 3);
    let sizes = [1.0, 20.0, 30.0, 50.0, 70.0, 90.0, 300.0];
    let scaled = |(x, size): (Vec<f64>, f64)| x.iter().map(|v| v * size).collect();
    let x: Rows = rows(7, 3).into_iter().zip(sizes).map(scaled).collect();
    let loss = MagFaceLossConfig::new(4, 3).init(&device());
    let loss = loss.with_weight(tensor(&weight, DType::F64));
    assert_is(&x, &|x| loss.forward(x, labels(&CLASSES)), &|rows| {
        let a = |x: &[f64]| norm(x).clamp(10.0, 110.0);
        let reward = rows.iter().map(|x| 1.0 / a(x) + a(x) / (110.0 * 110.0));
        let reward = 35.0 * reward.sum::<f64>() / 7.0;
        let margin = |x: &[f64]| 0.45 + 0.35 * (a(x) - 10.0) / 100.0;
        mean_loss(rows, &weight, &|_, x, cosine| plus_angle(cosine, margin(x))) + reward
    });
}

#[test]
fn elastic_face_takes_the_margins_it_is_given() {
    let weight = rows(4, 3);
    let margins = [0.5, 0.4, 0.0, 2.5, 0.6, 0.45, 1.0];
    let arc = ElasticFaceLossConfig::new(4, 3).init(&device());
    let arc = arc.with_weight(tensor(&weight, DType::F64));
    assert_is(
        &rows(7, 3),
        &|x| arc.forward(x, labels(&CLASSES), vector(&margins)),
        &|rows| {
            mean_loss(rows, &weight, &|i, _, cosine| {
                plus_angle(cosine, margins[i])
            })
        },
    );
    let cos = ElasticFaceLossConfig::cosine(4, 3).init(&device());
    let cos = cos.with_weight(tensor(&weight, DType::F64));
    assert_is(
        &rows(7, 3),
        &|x| cos.forward(x, labels(&CLASSES), vector(&margins)),
        &|rows| mean_loss(rows, &weight, &|i, _, cosine| cosine - margins[i]),
    );
}

#[test]
fn drawn_margins_are_normal_and_the_generators_alone() {
    let loss = ElasticFaceLossConfig::new(4, 3).init(&device());
    let draw = |seed: u64, n: usize| {
        let margins = loss.draw_margins(n, &mut ChaCha8Rng::seed_from_u64(seed));
        margins
            .into_data()
            .convert::<f64>()
            .try_to_vec::<f64>()
            .unwrap()
    };
    assert_eq!(draw(1, 5), draw(1, 5));
    assert_ne!(draw(1, 5), draw(2, 5));
    let margins = draw(7, 10_000);
    let mean = margins.iter().sum::<f64>() / 1e4;
    let moment = |k: i32| {
        let terms = margins.iter().map(|m| ((m - 0.5) / 0.05).powi(k));
        terms.sum::<f64>() / 1e4
    };
    // Deviations of the mean, second and fourth moment of 10,000 normal numbers: 0.0005, √2/100,
    // √96/100; five of each are allowed.
    assert!((mean - 0.5).abs() < 0.0025, "{mean}");
    assert!((moment(2) - 1.0).abs() < 0.0708, "{}", moment(2));
    assert!((moment(4) - 3.0).abs() < 0.49, "{}", moment(4));
}

#[test]
fn dynamic_margins_follow_the_power_law_between_their_bounds() {
    let config = DynamicArcFaceLossConfig::new(vec![1, 16, 81, 256], 3);
    // n^−1/4: 1, 1/2, 1/3, 1/4; from 0.5 down to 0.05 that is 0.6 n^−1/4 − 0.1
    for (got, want) in config.margins().into_iter().zip([0.5, 0.2, 0.1, 0.05]) {
        assert!((got - want).abs() < 1e-14, "{got}, by hand {want}");
    }
    let equal = DynamicArcFaceLossConfig::new(vec![5; 3], 3);
    assert_eq!(equal.margins(), [0.5; 3]);
    let steep = DynamicArcFaceLossConfig::new(vec![3, 4, 1_000_000], 3).with_power(500.0);
    let margins = steep.margins();
    assert_eq!((margins[0], margins[2]), (0.5, 0.05));
    // (3/4)^500 is 3e-63 of the range
    assert!((margins[1] - 0.05).abs() < 1e-15);
    let close = vec![1_000_000_000, 1_000_000_001, 1_000_000_002];
    let close = DynamicArcFaceLossConfig::new(close, 3).margins();
    assert_eq!((close[0], close[2]), (0.5, 0.05));
    // Half way, but for the power law's bend, 1e-9 of it.
    assert!((close[1] - 0.275).abs() < 1e-8, "{}", close[1]);
}

#[test]
fn dynamic_arc_face_is_its_definition() {
    let weight = rows(4, 3);
    let config = DynamicArcFaceLossConfig::new(vec![1, 16, 81, 256], 3).with_sub_centers(1);
    // The margins are held in single precision.
    let margins: Vec<f64> = config
        .margins()
        .iter()
        .map(|&m| f64::from(m as f32))
        .collect();
    let loss = config
        .init(&device())
        .with_weight(tensor(&weight, DType::F64));
    assert_is(
        &rows(7, 3),
        &|x| loss.forward(x, labels(&CLASSES)),
        &|rows| {
            mean_loss(rows, &weight, &|i, _, cosine| {
                plus_angle(cosine, margins[CLASSES[i] as usize])
            })
        },
    );
}

#[test]
fn dynamic_arc_face_of_equal_classes_is_sub_center_arc_face() {
    let vectors = || tensor(&rows(12, 3), DType::F64);
    let x = || tensor(&rows(7, 3), DType::F64);
    let dynamic = DynamicArcFaceLossConfig::new(vec![9; 4], 3).init(&device());
    let dynamic = dynamic
        .with_weight(vectors())
        .forward(x(), labels(&CLASSES));
    let fixed = SubCenterArcFaceLossConfig::new(4, 3).init(&device());
    let fixed = fixed.with_weight(vectors()).forward(x(), labels(&CLASSES));
    assert!((to_f64(dynamic) - to_f64(fixed)).abs() < 1e-12);
}

fn all(dtype: DType) -> Vec<NamedLoss> {
    let device = device();
    let vectors = |n| tensor(&rows(n, 3), dtype);
    let curricular = CurricularFaceLossConfig::new(7, 3)
        .init(&device)
        .with_weight(vectors(7));
    let ada = AdaFaceLossConfig::new(7, 3)
        .init(&device)
        .with_weight(vectors(7));
    let mag = MagFaceLossConfig::new(7, 3)
        .init(&device)
        .with_weight(vectors(7));
    let elastic = ElasticFaceLossConfig::new(7, 3)
        .init(&device)
        .with_weight(vectors(7));
    let counts = vec![1, 2, 3, 4, 5, 6, 7];
    let dynamic = DynamicArcFaceLossConfig::new(counts, 3).init(&device);
    let dynamic = dynamic.with_weight(vectors(21));
    vec![
        (
            "curricular_face",
            Box::new(move |x, y| curricular.forward(x, y)),
        ),
        ("ada_face", Box::new(move |x, y| ada.forward(x, y))),
        ("mag_face", Box::new(move |x, y| mag.forward(x, y))),
        (
            "elastic_face",
            Box::new(move |x, y| {
                let [n, _] = x.dims();
                elastic.forward(x, y, vector(&vec![0.3; n]))
            }),
        ),
        (
            "dynamic_arc_face",
            Box::new(move |x, y| dynamic.forward(x, y)),
        ),
    ]
}

#[test]
fn extremes_order_and_labels_out_of_range() {
    for loss in all(DType::F32) {
        assert_behaves_as_a_class_loss(&loss);
    }
    for (_, loss) in all(DType::F64) {
        assert_ignores_order(&rows(7, 3), &CLASSES, &|x, y| loss(x, y));
    }
}

#[test]
fn rows_on_a_class_vector_or_opposite_to_it_have_a_finite_gradient() {
    let weight = rows(7, 3);
    for (name, loss) in all(DType::F32) {
        let opposite = weight[2].iter().map(|v| -v).collect();
        let on_them = vec![weight[0].clone(), opposite, vec![0.0; 3]];
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
fn an_update_from_one_row_keeps_the_deviation() {
    let loss = AdaFaceLossConfig::new(4, 3).init(&device());
    let loss = loss.update(tensor(&rows(1, 3), DType::F32));
    assert_eq!(
        (to_f64(loss.mean()), to_f64(loss.deviation())),
        (20.0, 100.0)
    );
}

#[test]
fn configurations_out_of_range_are_refused_by_name() {
    let message = |result: Result<(), metric_losses::ConfigError>| result.unwrap_err().to_string();
    assert_eq!(
        message(
            CurricularFaceLossConfig::new(4, 3)
                .with_rate(1.5)
                .validate()
        ),
        "rate must be from 0 to 1, got 1.5"
    );
    assert_eq!(
        message(AdaFaceLossConfig::new(4, 3).with_h(-1.0).validate()),
        "h must be finite and at least 0, got -1"
    );
    assert_eq!(
        message(MagFaceLossConfig::new(4, 3).with_max_norm(5.0).validate()),
        "max_norm must be above min_norm, got 5"
    );
    assert_eq!(
        message(
            ElasticFaceLossConfig::new(4, 3)
                .with_std(f64::NAN)
                .validate()
        ),
        "std must be finite and at least 0, got NaN"
    );
    assert_eq!(
        message(DynamicArcFaceLossConfig::new(vec![3, 0], 3).validate()),
        "class_counts must be one count a class, at least 1 each, got 0"
    );
    let crossed = DynamicArcFaceLossConfig::new(vec![3], 3).with_max_margin(0.01);
    assert_eq!(
        message(crossed.validate()),
        "max_margin must be at least min_margin, got 0.01"
    );
}
