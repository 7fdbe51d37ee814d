//! Losses of two views without memory of past batches: `NegativeCosineLoss`, `BarlowTwinsLoss`, `TiCoLoss`.
#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and some numbers are exact"
)]

use burn::tensor::{DType, Tensor};
use metric_losses::{BarlowTwinsLossConfig, NegativeCosineLossConfig, TiCoLossConfig};

use crate::common::*;

/// Rows that are not those of `rows(n, dim)`.
fn other(n: usize, dim: usize) -> Rows {
    rows(2 * n + 1, dim).split_off(n + 1)
}

fn scaled(rows: &Rows, factor: f64) -> Rows {
    let scale = |row: &Vec<f64>| row.iter().map(|v| v * factor).collect();
    rows.iter().map(scale).collect()
}

fn unit(rows: &Rows) -> Rows {
    let scale = |row: &Vec<f64>| row.iter().map(|v| v / dot(row, row).sqrt()).collect();
    rows.iter().map(scale).collect()
}

fn mean(terms: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = terms.len() as f64;
    terms.sum::<f64>() / count
}

fn cosine_loss(p: &Rows, z: &Rows, factor: f64, offset: f64) -> f64 {
    mean(p.iter().zip(z).map(|(p, z)| offset - factor * cosine(p, z)))
}

#[test]
fn the_negative_cosine_is_its_definition_on_both_sides() {
    let (p, z) = (rows(5, 3), other(5, 3));
    for (config, factor, offset) in [
        (NegativeCosineLossConfig::new(), 1.0, 0.0),
        (NegativeCosineLossConfig::byol(), 2.0, 2.0),
    ] {
        let loss = config.init(&device());
        let (of_z, of_p) = (double(&z), double(&p));
        assert_is(&p, &|p| loss.forward(p, of_z.clone()), &|p| {
            cosine_loss(p, &z, factor, offset)
        });
        assert_is(&z, &|z| loss.forward(of_p.clone(), z), &|z| {
            cosine_loss(&p, z, factor, offset)
        });
    }
}

#[test]
fn a_detached_target_gets_no_gradient() {
    let target = double(&rows(4, 3)).require_grad();
    let prediction = double(&other(4, 3)).require_grad();
    let loss = NegativeCosineLossConfig::byol().init(&device());
    let value = loss.forward(prediction.clone(), target.clone().detach());
    let gradients = value.backward();
    assert!(target.grad(&gradients).is_none());
    assert!(prediction.grad(&gradients).is_some());
}

/// Standardized columns, row by row.
fn standardized(z: &Rows) -> Rows {
    let (n, dim) = (z.len() as f64, z[0].len());
    let mut out = z.clone();
    for j in 0..dim {
        let mean = z.iter().map(|row| row[j]).sum::<f64>() / n;
        let variance = z.iter().map(|row| (row[j] - mean).powi(2)).sum::<f64>() / n;
        for row in &mut out {
            row[j] = (row[j] - mean) / (variance + 1e-5).sqrt();
        }
    }
    out
}

fn barlow_twins(a: &Rows, b: &Rows, lambda: f64) -> f64 {
    let (a, b) = (standardized(a), standardized(b));
    let (n, dim) = (a.len() as f64, a[0].len());
    let mut sum = 0.0;
    for j in 0..dim {
        for k in 0..dim {
            let c = a.iter().zip(&b).map(|(a, b)| a[j] * b[k]).sum::<f64>() / n;
            sum += if j == k {
                (1.0 - c).powi(2)
            } else {
                lambda * c * c
            };
        }
    }
    sum
}

#[test]
fn barlow_twins_is_its_definition_by_either_matrix() {
    let loss = BarlowTwinsLossConfig::new().with_lambda(0.3);
    let loss = loss.init(&device());
    // 3 columns: the correlations themselves; 11 of 4 rows: Gram matrices
    for (n, dim) in [(6, 3), (4, 11), (2, 4), (2, 5)] {
        let (a, b) = (rows(n, dim), other(n, dim));
        let (of_a, of_b) = (double(&a), double(&b));
        assert_is(&a, &|a| loss.forward(a, of_b.clone()), &|a| {
            barlow_twins(a, &b, 0.3)
        });
        assert_is(&b, &|b| loss.forward(of_a.clone(), b), &|b| {
            barlow_twins(&a, b, 0.3)
        });
    }
}

#[test]
fn barlow_twins_of_one_row_costs_its_columns_and_moves_nothing() {
    let loss = BarlowTwinsLossConfig::new().init(&device());
    let (value, gradient) = value_and_gradient(&rows(1, 4), DType::F32, &|x| {
        loss.forward(x.clone(), x * 2.0)
    });
    assert_eq!(value, 4.0);
    assert!(gradient.concat().into_iter().all(|g| g == 0.0));
}

fn tico(a: &Rows, b: &Rows, covariance: &Rows, rho: f64) -> f64 {
    let (a, b) = (unit(a), unit(b));
    let spread = |a: &Vec<f64>| {
        let products = covariance.iter().zip(a).map(|(row, x)| x * dot(row, a));
        products.sum::<f64>()
    };
    let terms = a.iter().zip(&b);
    mean(terms.map(|(a, b)| 1.0 - dot(a, b) + rho * spread(a)))
}

#[test]
fn tico_is_its_definition_on_both_sides_with_a_constant_covariance() {
    let (a, b, past) = (rows(5, 3), other(5, 3), rows(4, 3));
    let loss = TiCoLossConfig::new(3).with_beta(0.8).with_rho(3.0);
    let loss = loss.init(&device()).update(double(&past));
    let loss = loss.update(double(&a));
    let mut covariance = vec![vec![0.0; 3]; 3];
    for batch in [&past, &a] {
        for (j, row) in covariance.iter_mut().enumerate() {
            for (k, c) in row.iter_mut().enumerate() {
                let products = unit(batch).into_iter().map(|x| x[j] * x[k]);
                *c = 0.8 * *c + 0.2 * mean(products);
            }
        }
    }
    let (of_a, of_b) = (double(&a), double(&b));
    assert_is(&a, &|a| loss.forward(a, of_b.clone()), &|a| {
        tico(a, &b, &covariance, 3.0)
    });
    assert_is(&b, &|b| loss.forward(of_a.clone(), b), &|b| {
        tico(&a, b, &covariance, 3.0)
    });
    let unmoved = to_rows(loss.covariance());
    let again = to_rows(loss.update(Tensor::zeros([0, 3], &device())).covariance());
    assert_eq!(unmoved, again);
}

#[test]
fn extreme_rows_stay_finite_and_broken_ones_show() {
    let cosine = NegativeCosineLossConfig::byol().init(&device());
    let barlow = BarlowTwinsLossConfig::new().init(&device());
    let tico = TiCoLossConfig::new(3).init(&device());
    let updated = |x: &Tensor<2>| tico.clone().update(x.clone());
    for factor in [1.0, 1e18, 1e-18, 0.0] {
        let b = tensor(&scaled(&other(6, 3), factor), DType::F32);
        assert_stays_finite(6, 3, &|x| cosine.forward(x, b.clone()));
        assert_stays_finite(6, 3, &|x| cosine.forward(x.clone(), x));
        assert_stays_finite(6, 3, &|x| barlow.forward(x, b.clone()));
        assert_stays_finite(6, 3, &|x| barlow.forward(x.clone(), x));
        assert_stays_finite(6, 3, &|x| updated(&x).forward(x, b.clone()));
        let wide = tensor(&scaled(&other(3, 7), factor), DType::F32);
        assert_stays_finite(3, 7, &|x| barlow.forward(x, wide.clone()));
    }
    let b = tensor(&other(6, 3), DType::F32);
    assert_shows_nan(6, 3, &|x| cosine.forward(x, b.clone()));
    assert_shows_nan(6, 3, &|x| barlow.forward(x, b.clone()));
    assert_shows_nan(6, 3, &|x| tico.forward(x, b.clone()));
    assert_shows_nan(6, 3, &|x| updated(&x).forward(b.clone(), b.clone()));
}

#[test]
fn barlow_twins_knows_correlations_only() {
    let loss = BarlowTwinsLossConfig::new().with_epsilon(1e-12);
    let loss = loss.init(&device());
    let (a, b) = (double(&rows(6, 3)), double(&other(6, 3)));
    let expected = to_f64(loss.forward(a.clone(), b.clone()));
    let huge = scaled(&rows(6, 3), 1e20);
    let (value, gradient) = value_and_gradient(&huge, DType::F32, &|a| {
        loss.forward(a, b.clone().cast(DType::F32))
    });
    // Their squares are beyond f32. Six products of standardized numbers, each rounded by a few ε of 1e-7
    assert!((value - expected).abs() <= 1e-5 * (1.0 + expected));
    assert!(gradient.concat().iter().all(|g| g.is_finite()));
    let moved = to_f64(loss.forward(a * 1e9 + 1e8, b * 3.0 - 7.0));
    // ε/v is below 1e-11, and rows of 1e9 around 1e8 have lost 1e-15 of their size.
    assert!(
        (moved - expected).abs() <= 1e-9 * expected,
        "{moved} {expected}"
    );
}

#[test]
fn no_rows_cost_nothing_and_stay_on_the_graph() {
    let cosine = NegativeCosineLossConfig::byol().init(&device());
    let barlow = BarlowTwinsLossConfig::new().init(&device());
    let tico = TiCoLossConfig::new(3).init(&device());
    let check = |loss: &dyn Fn(Tensor<2>, Tensor<2>) -> Tensor<1>| {
        let x = Tensor::<2>::zeros([0, 3], &device()).require_grad();
        let value = loss(x.clone(), x.clone());
        let gradient = x.grad(&value.backward()).expect("on the graph");
        assert_eq!((to_f64(value), gradient.dims()), (0.0, [0, 3]));
    };
    check(&|a, b| cosine.forward(a, b));
    check(&|a, b| barlow.forward(a, b));
    check(&|a, b| tico.forward(a, b));
}

#[test]
fn the_order_of_the_rows_does_not_matter() {
    let (a, b) = (rows(7, 3), other(7, 3));
    let cosine = NegativeCosineLossConfig::new().init(&device());
    let barlow = BarlowTwinsLossConfig::new().init(&device());
    let tico = TiCoLossConfig::new(3).init(&device());
    let numbers: Vec<i64> = (0..7).collect();
    assert_ignores_order(&a, &numbers, &|x, order| {
        let y = double(&b).select(0, order);
        cosine.forward(x.clone(), y.clone())
            + barlow.forward(x.clone(), y.clone())
            + tico.clone().update(x.clone()).forward(x, y)
    });
}

#[test]
fn parameters_out_of_range_are_named() {
    for (name, result) in [
        (
            "factor",
            NegativeCosineLossConfig::new().with_factor(0.0).validate(),
        ),
        (
            "offset",
            NegativeCosineLossConfig::new()
                .with_offset(f64::NAN)
                .validate(),
        ),
        (
            "lambda",
            BarlowTwinsLossConfig::new().with_lambda(-1.0).validate(),
        ),
        (
            "epsilon",
            BarlowTwinsLossConfig::new().with_epsilon(0.0).validate(),
        ),
        ("embedding_size", TiCoLossConfig::new(0).validate()),
        ("beta", TiCoLossConfig::new(2).with_beta(1.5).validate()),
        ("rho", TiCoLossConfig::new(2).with_rho(-0.1).validate()),
    ] {
        assert!(result.unwrap_err().to_string().starts_with(name), "{name}");
    }
}
