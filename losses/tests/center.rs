//! Center loss against its definition.
#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and some numbers are exact"
)]

use burn::tensor::DType;
use metric_losses::{CenterLoss, CenterLossConfig};

use crate::common::*;

const CLASSES: [i64; 7] = [0, 0, 0, 1, 1, 3, 3];

fn centers() -> Rows {
    rows(4, 3)
}

fn loss() -> CenterLoss {
    CenterLossConfig::new(4, 3)
        .init(&device())
        .with_centers(tensor(&centers(), DType::F64))
}

#[test]
fn the_gradient_of_double_rows_is_double() {
    // (x − c) / 3 to the last digits; a division rounded to single would be off by 3e-8.
    let (_, gradient) = value_and_gradient(&vec![vec![1.0; 3]; 3], DType::F64, &|x| {
        let origin = CenterLossConfig::new(1, 3).init(&device());
        let origin = origin.with_centers(tensor(&vec![vec![0.0; 3]], DType::F64));
        origin.forward(x, labels(&[0; 3]))
    });
    assert!(
        gradient
            .concat()
            .into_iter()
            .all(|g| (g - 1.0 / 3.0).abs() < 1e-15)
    );
}

#[test]
fn it_is_its_definition_in_value_and_gradient() {
    let (loss, centers) = (loss(), centers());
    assert_is(
        &rows(7, 3),
        &|x| loss.forward(x, labels(&CLASSES)),
        &|rows| {
            let squares = rows.iter().zip(CLASSES);
            squares
                .map(|(x, y)| euclidean(x, &centers[y as usize]).powi(2))
                .sum::<f64>()
                / 14.0
        },
    );
}

#[test]
fn centres_move_by_the_papers_rule_and_only_when_told() {
    let x = rows(7, 3);
    let loss = loss();
    let _ = loss.forward(tensor(&x, DType::F64), labels(&CLASSES));
    assert_eq!(to_rows(loss.centers()), centers(), "forward moves nothing");
    let moved = to_rows(
        loss.update(tensor(&x, DType::F64), labels(&CLASSES))
            .centers(),
    );
    for (class, before) in centers().into_iter().enumerate() {
        let members: Vec<&Vec<f64>> = x
            .iter()
            .zip(CLASSES)
            .filter(|&(_, y)| y == class as i64)
            .map(|(x, _)| x)
            .collect();
        for j in 0..3 {
            let pull: f64 = members.iter().map(|member| before[j] - member[j]).sum();
            let expected = before[j] - 0.5 * pull / (1.0 + members.len() as f64);
            assert!(
                (moved[class][j] - expected).abs() < 1e-14,
                "class {class}, entry {j}"
            );
        }
    }
    assert_eq!(moved[2], centers()[2], "a class without rows stays");
}

#[test]
fn repeated_updates_bring_a_centre_to_the_mean_of_its_rows() {
    let x = rows(7, 3);
    let mut loss = loss();
    for _ in 0..200 {
        loss = loss.update(tensor(&x, DType::F64), labels(&CLASSES));
    }
    let centre = &to_rows(loss.centers())[0];
    for j in 0..3 {
        assert!((centre[j] - (x[0][j] + x[1][j] + x[2][j]) / 3.0).abs() < 1e-12);
    }
}

#[test]
fn the_order_of_the_batch_does_not_matter() {
    let loss = loss();
    assert_ignores_order(&rows(7, 3), &CLASSES, &|x, y| loss.forward(x, y));
}

#[test]
fn extreme_rows_leave_value_and_gradient_finite() {
    let loss = CenterLossConfig::new(4, 3).init(&device());
    assert_stays_finite(7, 3, &|x| loss.forward(x, labels(&CLASSES)));
}

#[test]
fn centres_survive_a_record() {
    use burn::module::Module;
    let x = tensor(&rows(7, 3), DType::F32);
    let fresh = || CenterLossConfig::new(4, 3).init(&device());
    let moved = fresh().update(x, labels(&CLASSES));
    let loaded = fresh().load_record(moved.clone().into_record());
    assert_eq!(to_rows(loaded.centers()), to_rows(moved.centers()));
}

#[test]
fn configurations_out_of_range_are_refused_by_name() {
    let alpha = CenterLossConfig::new(4, 3)
        .with_alpha(1.5)
        .validate()
        .unwrap_err();
    assert_eq!(alpha.to_string(), "alpha must be from 0 to 1, got 1.5");
    let classes = CenterLossConfig::new(0, 3).validate().unwrap_err();
    assert_eq!(classes.to_string(), "num_classes must be at least 1, got 0");
}
