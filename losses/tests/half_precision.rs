//! Embeddings in `f16` and `bf16` are computed with in `f32` (R11, R12, R23, R30): every loss, by a table.
#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and some numbers are exact"
)]

use burn::tensor::DType;

use crate::common::every_loss::{
    DIM, Loss, against_classes, of_high_order, of_others, of_views, over_pairs,
};
use crate::common::*;

const CLASSES: [i64; 8] = [0, 0, 0, 1, 1, 2, 2, 3];
/// The loss of half-precision rows is, to the last bit, that of the same numbers in `f32`, and its gradient is the gradient
/// there in the type of the rows: what a row gets as an anchor and as the other end of a pair is rounded, then the sum of
/// both, three relative errors of `2^-digits` at most of numbers about as large as the gradient. A number of `f16` below
/// `2^-14` is rounded to a multiple of `2^-24`.
fn assert_is_that_of_f32((name, loss): &(&str, Loss), rows: &Rows, (dtype, digits): (DType, i32)) {
    let rows = to_rows(tensor(rows, dtype));
    let of = |dtype| value_and_gradient(&rows, dtype, &|x| loss(x, labels(&CLASSES).into()));
    let ((value, gradient), (expected, wanted)) = (of(dtype), of(DType::F32));
    assert!(value.is_finite(), "{name}: {value}");
    assert_eq!(value, expected, "{name}");
    let (gradient, wanted) = (gradient.concat(), wanted.concat());
    let norm = |x: &[f64]| dot(x, x).sqrt();
    let off: Vec<f64> = gradient.iter().zip(&wanted).map(|(a, b)| a - b).collect();
    let of_tiny = if dtype == DType::F16 {
        2f64.powi(-25)
    } else {
        0.0
    };
    let bound = 3.0 * (2f64.powi(-digits) * norm(&wanted) + of_tiny * (off.len() as f64).sqrt());
    assert!(
        norm(&off) <= bound,
        "{name}: {dtype:?} gradient off by {} of {}, above {bound}",
        norm(&off),
        norm(&wanted)
    );
}

fn ordinary() -> Vec<(&'static str, Loss)> {
    let all = [against_classes(), over_pairs(), of_others(), of_views()];
    all.into_iter().flatten().collect()
}

const F16: (DType, i32) = (DType::F16, 11);
const BF16: (DType, i32) = (DType::BF16, 8);

fn rows_of_size(size: f64) -> Rows {
    let scaled = |row: Vec<f64>| row.iter().map(|v| v * size).collect();
    rows(8, DIM).into_iter().map(scaled).collect()
}

/// Their squared norm is some 2e6, of which `f16` holds 6e4.
#[test]
fn rows_of_300_in_half_precision_give_the_loss_and_the_gradient_of_f32() {
    for loss in ordinary() {
        for precision in [F16, BF16] {
            assert_is_that_of_f32(&loss, &rows_of_size(300.0), precision);
        }
    }
    for loss in of_high_order() {
        assert_is_that_of_f32(&loss, &rows_of_size(300.0), BF16);
        assert_is_that_of_f32(&loss, &rows_of_size(10.0), F16);
    }
}

#[test]
fn ordinary_rows_in_half_precision_give_the_loss_and_the_gradient_of_f32() {
    for loss in ordinary().into_iter().chain(of_high_order()) {
        for precision in [F16, BF16] {
            assert_is_that_of_f32(&loss, &rows(8, DIM), precision);
        }
    }
}
