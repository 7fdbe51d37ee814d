//! `VicRegLoss` against its definition.
#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and some numbers are exact"
)]

use burn::tensor::DType;
use metric_losses::VicRegLossConfig;

use crate::common::*;

const WEIGHTS: [f64; 3] = [3.0, 5.0, 0.7];

fn covariance(z: &Rows, j: usize, k: usize) -> f64 {
    let n = z.len() as f64;
    let mean = |j: usize| z.iter().map(|row| row[j]).sum::<f64>() / n;
    let (of_j, of_k) = (mean(j), mean(k));
    let products = z.iter().map(|row| (row[j] - of_j) * (row[k] - of_k));
    products.sum::<f64>() / (n - 1.0)
}

fn definition(a: &Rows, b: &Rows) -> f64 {
    let dim = a[0].len();
    let pairs = a.iter().flatten().zip(b.iter().flatten());
    let s = pairs.map(|(x, y)| (x - y).powi(2)).sum::<f64>() / (a.len() * dim) as f64;
    let (mut v, mut c) = (0.0, 0.0);
    for z in [a, b] {
        for j in 0..dim {
            v += (1.0 - (covariance(z, j, j) + 1e-4).sqrt()).max(0.0) / dim as f64;
            for k in (0..dim).filter(|&k| k != j) {
                c += covariance(z, j, k).powi(2) / dim as f64;
            }
        }
    }
    WEIGHTS[0] * s + WEIGHTS[1] * v + WEIGHTS[2] * c
}

fn loss() -> metric_losses::VicRegLoss {
    VicRegLossConfig::new()
        .with_lambda(WEIGHTS[0])
        .with_mu(WEIGHTS[1])
        .with_nu(WEIGHTS[2])
        .init(&device())
}

/// Columns of standard deviation below 1 and above it.
fn wide(n: usize) -> Rows {
    let stretch = |row: &Vec<f64>| {
        row.iter()
            .zip([0.5, 1.0, 4.0])
            .map(|(x, f)| x * f)
            .collect()
    };
    rows(n, 3).iter().map(stretch).collect()
}

#[test]
fn it_is_its_definition_in_value_and_both_gradients() {
    let (a, b) = (wide(6), rows(6, 3));
    let loss = loss();
    let t = |rows: &Rows| tensor(rows, DType::F64);
    assert_is(&a, &|x| loss.forward(x, t(&b)), &|a| definition(a, &b));
    assert_is(&b, &|x| loss.forward(t(&a), x), &|b| definition(&a, b));
}

#[test]
fn the_order_of_the_rows_does_not_matter() {
    let (loss, b) = (loss(), wide(7));
    let numbers: Vec<i64> = (0..7).collect();
    assert_ignores_order(&rows(7, 3), &numbers, &|x, order| {
        loss.forward(x, tensor(&b, DType::F64).select(0, order))
    });
}

/// The covariance term is of fourth order: rows of 1e9 are as large as `f32` can take.
#[test]
fn extreme_embeddings_stay_finite_and_broken_ones_show() {
    let loss = VicRegLossConfig::new().with_epsilon(0.0).init(&device());
    for factor in [1e8, 1e-18, 0.0] {
        let x: Rows = wide(6)
            .iter()
            .map(|row| row.iter().map(|v| v * factor).collect())
            .collect();
        for x in [x.clone(), vec![x[0].clone(); 6]] {
            for sign in [1.0, -1.0] {
                let (value, gradient) =
                    value_and_gradient(&x, DType::F32, &|x| loss.forward(x.clone(), x * sign));
                assert!(value.is_finite(), "{factor}: {value}");
                let gradient = gradient.concat();
                assert!(
                    gradient.iter().all(|g| g.is_finite()),
                    "{factor}: {gradient:?}"
                );
            }
        }
    }
    assert_shows_nan(6, 3, &|x| loss.forward(x, tensor(&rows(6, 3), DType::F32)));
}

#[test]
#[should_panic(expected = "a variance needs two rows, got 1")]
fn one_row_panics_and_does_not_give_nan() {
    let x = tensor(&rows(1, 3), DType::F32);
    loss().forward(x.clone(), x);
}

#[test]
fn parameters_out_of_range_are_named() {
    let config = VicRegLossConfig::new;
    for (name, result) in [
        ("lambda", config().with_lambda(-1.0).validate()),
        ("mu", config().with_mu(f64::NAN).validate()),
        ("nu", config().with_nu(f64::INFINITY).validate()),
        ("epsilon", config().with_epsilon(-1e-9).validate()),
    ] {
        assert!(result.unwrap_err().to_string().starts_with(name));
    }
}
