//! Targets that a teacher softens: `SoftInfoNceLoss`, `DistillationLoss`, `ConsistencyLoss`.
#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and some numbers are exact"
)]

use burn::tensor::{DType, Tensor};
use metric_losses::{
    ConsistencyLossConfig, ConsistencyMeasure, DistillationLossConfig, InfoNceLossConfig,
    SoftInfoNceLossConfig,
};

use crate::common::*;

fn mean_over(rows: &Rows, term: impl Fn(usize, &[f64]) -> f64) -> f64 {
    let terms = rows.iter().enumerate().map(|(i, row)| term(i, row));
    terms.sum::<f64>() / rows.len() as f64
}

fn soft_info_nce(queries: &Rows, taught: &Rows, candidates: &Rows, alpha: f64, t: f64) -> f64 {
    let cosines = |x: &[f64]| -> Vec<f64> { candidates.iter().map(|c| cosine(x, c)).collect() };
    mean_over(queries, |i, query| {
        let p = softmax(&cosines(query), t);
        let mut targets = softmax(&cosines(&taught[i]), t);
        for (j, q) in targets.iter_mut().enumerate() {
            *q = alpha * *q + if i == j { 1.0 - alpha } else { 0.0 };
        }
        -targets.iter().zip(p).map(|(q, p)| q * p.ln()).sum::<f64>()
    })
}

#[test]
fn soft_info_nce_is_its_definition_with_a_queue_and_without() {
    let all = sets(3, 4, 3);
    let (queries, taught, keys) = (&all[0], &all[1], &all[2]);
    for queued in [0, 5] {
        let queue = rows(5, 3)[..queued].to_vec();
        let candidates = [keys.clone(), queue.clone()].concat();
        let queue = match queued {
            0 => Tensor::zeros([0, 3], &device()),
            _ => double(&queue),
        };
        for alpha in [0.0, 0.4, 1.0] {
            let config = SoftInfoNceLossConfig::new().with_temperature(0.3);
            let loss = config.with_alpha(alpha).init(&device());
            let forward =
                |x: Tensor<2>| loss.forward(x, double(taught), double(keys), queue.clone());
            assert_is(queries, &forward, &|x| {
                soft_info_nce(x, taught, &candidates, alpha, 0.3)
            });
        }
    }
}

#[test]
fn without_a_teacher_soft_info_nce_is_info_nce() {
    let all = sets(3, 4, 3);
    let [x, taught, keys] = [&all[0], &all[1], &all[2]].map(double);
    let none = Tensor::zeros([0, 3], &device());
    let soft = SoftInfoNceLossConfig::new().with_alpha(0.0).init(&device());
    let hard = InfoNceLossConfig::new().init(&device());
    let soft = to_f64(soft.forward(x.clone(), taught, keys.clone(), none));
    let hard = to_f64(hard.forward(x, keys));
    // Both sum four powers in f64.
    assert!((soft - hard).abs() <= 1e-13 * (1.0 + hard.abs()));
}

fn distillation(student: &Rows, teacher: &Rows, t: f64) -> f64 {
    mean_over(student, |i, row| {
        let (p, q) = (softmax(row, t), softmax(&teacher[i], t));
        -q.iter().zip(p).map(|(q, p)| q * p.ln()).sum::<f64>()
    })
}

fn consistency(student: &Rows, teacher: &Rows, measure: ConsistencyMeasure) -> f64 {
    mean_over(student, |i, row| {
        let (p, q) = (softmax(row, 1.0), softmax(&teacher[i], 1.0));
        let pairs = q.iter().zip(&p);
        match measure {
            ConsistencyMeasure::MeanSquare => {
                pairs.map(|(q, p)| (p - q).powi(2)).sum::<f64>() / p.len() as f64
            }
            ConsistencyMeasure::KullbackLeibler => pairs.map(|(q, p)| q * (q / p).ln()).sum(),
        }
    })
}

const MEASURES: [ConsistencyMeasure; 2] = [
    ConsistencyMeasure::MeanSquare,
    ConsistencyMeasure::KullbackLeibler,
];

#[test]
fn distillation_and_consistency_are_their_definitions() {
    let all = sets(2, 5, 4);
    let (student, teacher) = (&all[0], &all[1]);
    let loss = DistillationLossConfig::new().with_temperature(0.3);
    let loss = loss.init(&device());
    assert_is(student, &|x| loss.forward(x, double(teacher)), &|x| {
        distillation(x, teacher, 0.3)
    });
    for measure in MEASURES {
        let loss = ConsistencyLossConfig::new().with_measure(measure);
        let loss = loss.init(&device());
        assert_is(student, &|x| loss.forward(x, double(teacher)), &|x| {
            consistency(x, teacher, measure)
        });
    }
}

#[test]
fn a_student_that_is_its_teacher_is_consistent() {
    let x = double(&rows(5, 4));
    for measure in MEASURES {
        let loss = ConsistencyLossConfig::new().with_measure(measure);
        let value = to_f64(loss.init(&device()).forward(x.clone(), x.clone()));
        // The two sides may be rounded differently, each class by some ε.
        assert!(value.abs() <= 1e-14, "{value}");
    }
}

#[test]
fn a_teacher_gets_no_gradient() {
    let all = sets(3, 4, 3);
    let [student, teacher, keys] = [&all[0], &all[1], &all[2]].map(|x| double(x).require_grad());
    let soft = SoftInfoNceLossConfig::new().init(&device());
    let queue = double(&rows(5, 3)).require_grad();
    let pass = |x: &Tensor<2>| x.clone();
    let value = soft.forward(pass(&student), pass(&teacher), pass(&keys), pass(&queue))
        + DistillationLossConfig::new()
            .init(&device())
            .forward(pass(&student), pass(&teacher))
        + ConsistencyLossConfig::new()
            .init(&device())
            .forward(pass(&student), pass(&teacher));
    let gradients = value.backward();
    assert!(student.grad(&gradients).is_some());
    for constant in [teacher, keys, queue] {
        assert!(constant.grad(&gradients).is_none());
    }
}

#[test]
fn extreme_rows_stay_finite_broken_ones_show_and_none_cost_nothing() {
    let soft = SoftInfoNceLossConfig::new().init(&device());
    let distillation = DistillationLossConfig::new().with_temperature(0.1);
    let distillation = distillation.init(&device());
    let consistent = MEASURES.map(|m| ConsistencyLossConfig::new().with_measure(m).init(&device()));
    let check = |loss: &dyn Fn(Tensor<2>, Tensor<2>) -> Tensor<1>| {
        for factor in [1.0, 1e18, 1e-18, 0.0] {
            let b = tensor(&rows(6, 3), DType::F32).narrow(0, 1, 5) * factor;
            assert_stays_finite(5, 3, &|x| loss(x, b.clone()));
            assert_stays_finite(5, 3, &|x| loss(x.clone(), x.flip([0])));
        }
        let b = tensor(&rows(5, 3), DType::F32);
        assert_shows_nan(5, 3, &|x| loss(x, b.clone()));
        assert_shows_nan(5, 3, &|x| loss(b.clone(), x));
        let x = Tensor::<2>::zeros([0, 3], &device()).require_grad();
        let value = loss(x.clone(), x.clone());
        let gradient = x.grad(&value.backward()).expect("on the graph");
        assert_eq!((to_f64(value), gradient.dims()), (0.0, [0, 3]));
    };
    check(&|a, b| soft.forward(a, b.clone(), b.clone(), b));
    check(&|a, b| distillation.forward(a, b));
    for loss in consistent {
        check(&|a, b| loss.forward(a, b));
    }
}

#[test]
fn the_order_of_the_rows_does_not_matter() {
    let all = sets(2, 7, 3);
    let soft = SoftInfoNceLossConfig::new().init(&device());
    let distillation = DistillationLossConfig::new().init(&device());
    let consistent = ConsistencyLossConfig::new().init(&device());
    let numbers: Vec<i64> = (0..7).collect();
    assert_ignores_order(&all[0], &numbers, &|x, order| {
        let y = double(&all[1]).select(0, order);
        soft.forward(x.clone(), y.clone(), y.clone(), double(&rows(4, 3)))
            + distillation.forward(x.clone(), y.clone())
            + consistent.forward(x, y)
    });
}

#[test]
fn parameters_out_of_range_are_named() {
    let soft = SoftInfoNceLossConfig::new;
    for (name, result) in [
        ("temperature", soft().with_temperature(0.0).validate()),
        ("alpha", soft().with_alpha(1.1).validate()),
        (
            "temperature",
            DistillationLossConfig::new()
                .with_temperature(f64::INFINITY)
                .validate(),
        ),
    ] {
        assert!(result.unwrap_err().to_string().starts_with(name), "{name}");
    }
}
