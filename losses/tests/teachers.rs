//! Targets by prototypes and teachers: `sinkhorn`, `SwappedPredictionLoss`, `SelfDistillationLoss`.
#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and some numbers are exact"
)]

use burn::tensor::{DType, Tensor};
use metric_losses::{SelfDistillationLossConfig, SwappedPredictionLossConfig, sinkhorn};
use proptest::prelude::*;

use crate::common::*;

fn unit(rows: &Rows) -> Rows {
    let scale = |row: &Vec<f64>| row.iter().map(|v| v / dot(row, row).sqrt()).collect();
    rows.iter().map(scale).collect()
}

fn products(x: &Rows, y: &Rows) -> Rows {
    let row = |x: &Vec<f64>| y.iter().map(|y| dot(x, y)).collect();
    x.iter().map(row).collect()
}

/// By powers, as the definition says.
fn codes(scores: &Rows, epsilon: f64, iterations: usize) -> Rows {
    let power = |row: &Vec<f64>| row.iter().map(|s| (s / epsilon).exp()).collect();
    let mut q: Rows = scores.iter().map(power).collect();
    for _ in 0..iterations {
        for j in 0..q[0].len() {
            let sum: f64 = q.iter().map(|row| row[j]).sum();
            q.iter_mut().for_each(|row| row[j] /= sum);
        }
        for row in &mut q {
            let sum: f64 = row.iter().sum();
            row.iter_mut().for_each(|q| *q /= sum);
        }
    }
    q
}

/// Mean over rows of `−q · log softmax(logits/T)`.
fn soft_cross_entropy(q: &Rows, logits: &Rows, temperature: f64) -> f64 {
    let term = |(q, logits): (&Vec<f64>, &Vec<f64>)| {
        let p = softmax(logits, temperature);
        -q.iter().zip(p).map(|(q, p)| q * p.ln()).sum::<f64>()
    };
    q.iter().zip(logits).map(term).sum::<f64>() / q.len() as f64
}

#[test]
fn codes_are_those_of_the_powers() {
    let scores = rows(7, 4);
    for (epsilon, iterations) in [(0.05, 3), (0.5, 1), (2.0, 20)] {
        let got = to_rows(sinkhorn(double(&scores), epsilon, iterations).unwrap());
        let expected = codes(&scores, epsilon, iterations);
        for (got, want) in got.concat().into_iter().zip(expected.concat()) {
            // The logarithms are below 40 in size: their rounding, and that of some 40 steps, is below 1e-12 of each.
            assert!((got - want).abs() <= 1e-12, "{got}, by definition {want}");
        }
    }
}

#[test]
fn codes_are_constants_and_extreme_scores_keep_rows_of_one() {
    let tracked = double(&rows(3, 2)).require_grad();
    assert!(!sinkhorn(tracked, 0.05, 3).unwrap().is_autodiff());
    for factor in [1e18, 1e3, 1e-18, 0.0] {
        let scores = tensor(&rows(6, 4), DType::F32) * factor;
        let codes = to_rows(sinkhorn(scores, 0.05, 3).unwrap());
        for row in codes {
            // Four powers in f32 and their sum
            assert!((row.iter().sum::<f64>() - 1.0).abs() <= 1e-6, "{row:?}");
        }
    }
    let none = sinkhorn(Tensor::zeros([0, 4], &device()), 0.05, 3).unwrap();
    assert_eq!(none.dims(), [0, 4]);
    let broken = to_rows(sinkhorn(double(&vec![vec![f64::NAN, 1.0]; 2]), 0.05, 3).unwrap());
    assert!(broken.concat().iter().any(|q| q.is_nan()));
}

proptest! {
    /// After many iterations every prototype has the same weight, whatever the scores are.
    #[test]
    fn prototypes_are_used_alike_in_the_end(n in 2usize..9, k in 2usize..6, seed in 0usize..50) {
        let scores = rows(n + seed, k).split_off(seed);
        let codes = to_rows(sinkhorn(double(&scores), 1.0, 200).unwrap());
        for j in 0..k {
            let weight: f64 = codes.iter().map(|row| row[j]).sum();
            // A matrix of entries from e⁻¹ to e: each iteration shrinks what is left by tanh(1)² or more, 0.58 ^ 200.
            prop_assert!((weight - n as f64 / k as f64).abs() <= 1e-9, "{weight}");
        }
    }
}

#[test]
fn codes_of_bad_parameters_are_refused() {
    let refusal = |epsilon, iterations| {
        let refused = sinkhorn(double(&rows(2, 2)), epsilon, iterations);
        refused.unwrap_err().to_string()
    };
    assert_eq!(refusal(0.0, 3), "epsilon must be finite and above 0, got 0");
    assert_eq!(refusal(0.1, 0), "iterations must be at least 1, got 0");
}

struct Swav {
    fixed: Vec<Rows>,
    queue: Vec<Rows>,
    prototypes: Rows,
}

impl Swav {
    /// The codes are constants: they come from `fixed`, predictions from `crops`.
    fn definition(&self, crops: &[Rows], prototypes: &Rows, coded: usize) -> f64 {
        let mut sum = 0.0;
        for s in 0..coded {
            let mut rows = self.fixed[s].clone();
            rows.extend(self.queue.get(s).into_iter().flatten().cloned());
            let scores = products(&unit(&rows), &unit(&self.prototypes));
            let mut q = codes(&scores, 0.2, 3);
            q.truncate(self.fixed[s].len());
            for v in (0..crops.len()).filter(|&v| v != s) {
                let logits = products(&unit(&crops[v]), &unit(prototypes));
                sum += soft_cross_entropy(&q, &logits, 0.3);
            }
        }
        sum / (coded * (crops.len() - 1)) as f64
    }
}

fn with_crop(crops: &[Rows], which: usize, rows: &Rows) -> Vec<Rows> {
    let mut crops = crops.to_vec();
    crops[which] = rows.clone();
    crops
}

#[test]
fn swapped_prediction_is_its_definition_for_every_crop_and_for_the_prototypes() {
    for (coded, queued) in [(2, 0), (1, 3), (2, 3), (3, 0)] {
        let all = sets(5, 4, 3);
        let (crops, queue) = (all[..3].to_vec(), &all[3..3 + coded.min(2)]);
        let queue = if queued > 0 { queue.to_vec() } else { vec![] };
        let case = Swav {
            fixed: crops.clone(),
            queue,
            prototypes: rows(5, 3),
        };
        let config = SwappedPredictionLossConfig::new(5, 3)
            .with_temperature(0.3)
            .with_epsilon(0.2)
            .with_code_crops(coded);
        let loss = config
            .init(&device())
            .with_prototypes(double(&case.prototypes));
        let queue: Vec<Tensor<2>> = case.queue.iter().map(double).collect();
        for which in 0..3 {
            let forward = |x: Tensor<2>| {
                let mut crops: Vec<Tensor<2>> = crops.iter().map(double).collect();
                crops[which] = x;
                loss.forward_with_queue(&crops, &queue)
            };
            assert_is(&crops[which], &forward, &|x| {
                case.definition(&with_crop(&crops, which, x), &case.prototypes, coded)
            });
        }
        let inputs: Vec<Tensor<2>> = crops.iter().map(double).collect();
        let gradients = loss.forward_with_queue(&inputs, &queue).backward();
        let got = to_rows(loss.prototypes().grad(&gradients).unwrap());
        let wanted = central_differences(&case.prototypes, &|prototypes| {
            case.definition(&crops, prototypes, coded)
        });
        for (got, want) in got.concat().into_iter().zip(wanted.concat()) {
            assert!((got - want).abs() <= 1e-6 * (1.0 + want.abs()));
        }
    }
}

#[test]
fn swapped_prediction_of_extreme_rows_is_finite_and_of_none_zero() {
    let loss = SwappedPredictionLossConfig::new(4, 3).init(&device());
    let b = tensor(&rows(5, 3), DType::F32);
    assert_stays_finite(5, 3, &|x| loss.forward(&[x, b.clone()]));
    assert_stays_finite(5, 3, &|x| loss.forward(&[x.clone(), b.clone(), x]));
    assert_stays_finite(5, 3, &|x| {
        loss.forward_with_queue(&[b.clone(), b.clone()], &[x.clone(), x.clone()]) + x.sum() * 0.0
    });
    assert_shows_nan(5, 3, &|x| loss.forward(&[x, b.clone()]));
    let zero = loss
        .clone()
        .with_prototypes(Tensor::zeros([4, 3], &device()));
    assert_stays_finite(5, 3, &|x| zero.forward(&[x, b.clone()]));
    let x = Tensor::<2>::zeros([0, 3], &device()).require_grad();
    let value = loss.forward(&[x.clone(), x.clone()]);
    let gradient = x.grad(&value.backward()).expect("on the graph");
    assert_eq!((to_f64(value), gradient.dims()), (0.0, [0, 3]));
}

#[test]
#[should_panic(expected = "predictions need two crops and 2 with codes, got 1")]
fn one_crop_cannot_be_swapped() {
    let loss = SwappedPredictionLossConfig::new(4, 3).init(&device());
    loss.forward(&[double(&rows(5, 3))]);
}

fn dino(student: &[Rows], teacher: &[Rows], center: &[f64]) -> f64 {
    let mut sum = 0.0;
    for (t, output) in teacher.iter().enumerate() {
        let target = |g: &Vec<f64>| {
            let centred: Vec<f64> = g.iter().zip(center).map(|(g, c)| g - c).collect();
            softmax(&centred, 0.25)
        };
        let q: Rows = output.iter().map(target).collect();
        for v in (0..student.len()).filter(|&v| v != t) {
            sum += soft_cross_entropy(&q, &student[v], 0.4);
        }
    }
    sum / (teacher.len() * (student.len() - 1)) as f64
}

#[test]
fn self_distillation_is_its_definition_for_every_crop() {
    let all = sets(5, 4, 3);
    let (student, teacher) = (&all[..3], &all[3..]);
    let center = vec![vec![0.3, -0.2, 0.1]];
    let loss = SelfDistillationLossConfig::new(3).with_student_temperature(0.4);
    let loss = loss.init(&device()).with_center(double(&center));
    for taught in [1, 2] {
        let outputs: Vec<Tensor<2>> = teacher[..taught].iter().map(double).collect();
        for which in 0..3 {
            let forward = |x: Tensor<2>| {
                let mut crops: Vec<Tensor<2>> = student.iter().map(double).collect();
                crops[which] = x;
                loss.forward(&crops, &outputs, 0.25)
            };
            assert_is(&student[which], &forward, &|x| {
                dino(
                    &with_crop(student, which, x),
                    &teacher[..taught],
                    &center[0],
                )
            });
        }
    }
}

#[test]
fn the_teacher_gets_no_gradient() {
    let loss = SelfDistillationLossConfig::new(3).init(&device());
    let teacher = double(&rows(4, 3)).require_grad();
    let student = double(&rows(5, 3)).narrow(0, 0, 4).require_grad();
    let value = loss.forward(
        &[student.clone(), student.clone()],
        std::slice::from_ref(&teacher),
        0.04,
    );
    let gradients = value.backward();
    assert!(teacher.grad(&gradients).is_none());
    assert!(student.grad(&gradients).is_some());
}

#[test]
fn the_centre_moves_only_when_told_and_by_its_momentum() {
    let outputs = sets(2, 3, 2);
    let loss = SelfDistillationLossConfig::new(2).with_center_momentum(0.75);
    let loss = loss.init(&device());
    let crops: Vec<Tensor<2>> = outputs.iter().map(double).collect();
    loss.forward(&crops, &crops, 0.1);
    assert_eq!(to_rows(loss.center()), vec![vec![0.0, 0.0]]);
    let loss = loss.update_center(&crops).update_center(&crops);
    let loss = loss.update_center(&[Tensor::zeros([0, 2], &device())]);
    for (j, got) in to_rows(loss.center())[0].iter().enumerate() {
        let mean = outputs.concat().iter().map(|row| row[j]).sum::<f64>() / 6.0;
        // 0.25 of the way, and 0.25 of what is left; a dozen operations in f64
        assert!((got - 0.4375 * mean).abs() <= 1e-14);
    }
}

#[test]
fn self_distillation_of_extreme_outputs_is_finite_and_of_none_zero() {
    let loss = SelfDistillationLossConfig::new(3).init(&device());
    for factor in [1.0, 1e18, 1e-18, 0.0] {
        let other = tensor(&rows(6, 3), DType::F32).narrow(0, 1, 5) * factor;
        assert_stays_finite(5, 3, &|x| {
            loss.forward(&[other.clone(), x], std::slice::from_ref(&other), 0.04)
        });
        assert_stays_finite(5, 3, &|x| {
            let loss = loss.clone().update_center(std::slice::from_ref(&x));
            loss.forward(&[other.clone(), x.clone()], &[x], 0.04)
        });
    }
    let b = tensor(&rows(5, 3), DType::F32);
    assert_shows_nan(5, 3, &|x| {
        loss.forward(&[b.clone(), x], std::slice::from_ref(&b), 0.04)
    });
    assert_shows_nan(5, 3, &|x| loss.forward(&[b.clone(), b.clone()], &[x], 0.04));
    let x = Tensor::<2>::zeros([0, 3], &device()).require_grad();
    let value = loss.forward(&[x.clone(), x.clone()], std::slice::from_ref(&x), 0.04);
    let gradient = x.grad(&value.backward()).expect("on the graph");
    assert_eq!((to_f64(value), gradient.dims()), (0.0, [0, 3]));
}

#[test]
#[should_panic(expected = "teacher_temperature must be finite and above 0, got 0")]
fn a_teacher_of_temperature_zero_is_refused() {
    let x = double(&rows(2, 3));
    let loss = SelfDistillationLossConfig::new(3).init(&device());
    loss.forward(&[x.clone(), x.clone()], &[x], 0.0);
}

#[test]
fn parameters_out_of_range_are_named() {
    let swav = || SwappedPredictionLossConfig::new(4, 3);
    let dino = || SelfDistillationLossConfig::new(4);
    for (name, result) in [
        (
            "num_prototypes",
            SwappedPredictionLossConfig::new(0, 3).validate(),
        ),
        (
            "embedding_size",
            SwappedPredictionLossConfig::new(3, 0).validate(),
        ),
        ("temperature", swav().with_temperature(0.0).validate()),
        ("epsilon", swav().with_epsilon(-0.1).validate()),
        ("iterations", swav().with_iterations(0).validate()),
        ("code_crops", swav().with_code_crops(0).validate()),
        ("num_outputs", SelfDistillationLossConfig::new(0).validate()),
        (
            "student_temperature",
            dino().with_student_temperature(f64::NAN).validate(),
        ),
        (
            "center_momentum",
            dino().with_center_momentum(1.1).validate(),
        ),
    ] {
        assert!(result.unwrap_err().to_string().starts_with(name), "{name}");
    }
}
