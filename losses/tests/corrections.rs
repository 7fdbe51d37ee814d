//! Corrections that other libraries had to make to their losses, as tests of these: large, tiny and common numbers.
//!
//! The numbers R1 to R35 are those of a list of such corrections.
#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and some numbers are exact"
)]

mod common;

use burn::tensor::{DType, Int, Tensor};
use common::*;
use metric_losses::*;

type Loss = Box<dyn Fn(Tensor<2>, Tensor<1, Int>) -> Tensor<1>>;

macro_rules! losses {
    ($($config:expr),* $(,)?) => {
        vec![$((stringify!($config), {
            let loss = $config.init(&device());
            Box::new(move |x: Tensor<2>, labels: Tensor<1, Int>| loss.forward(x, labels)) as Loss
        })),*]
    };
}

/// Losses that look at differences of similarities only. By inner products `NtXentLoss` and `SupConLoss` are streamed.
fn of_differences(by: EmbeddingDistance) -> Vec<(&'static str, Loss)> {
    let mut all = losses!(
        DecoupledContrastiveLossConfig::new().with_distance(by),
        DecoupledContrastiveLossConfig::new()
            .with_distance(by)
            .with_weighting(Some(0.5)),
        NPairsLossConfig::new().with_distance(by),
        NcaLossConfig::new().with_scale(0.3).with_distance(by),
    );
    if by != EmbeddingDistance::InnerProduct {
        all.extend(losses!(
            NtXentLossConfig::new().with_distance(by),
            SupConLossConfig::new().with_distance(by),
        ));
    }
    for symmetric in [false, true] {
        let loss = InfoNceLossConfig::new()
            .with_symmetric(symmetric)
            .with_distance(by)
            .init(&device());
        all.push((
            "InfoNCE",
            Box::new(move |x, _| loss.forward(x.clone().narrow(0, 0, 4), x.narrow(0, 4, 4))),
        ));
    }
    let loss = InfoNceLossConfig::new().with_distance(by).init(&device());
    all.push((
        "InfoNCE with a queue",
        Box::new(move |x, _| {
            let (queries, others) = (x.clone().narrow(0, 0, 3), x.narrow(0, 3, 5));
            let keys = others.clone().narrow(0, 2, 3);
            loss.forward_with_negatives(queries, keys, others)
        }),
    ));
    for include_target in [false, true] {
        let loss = ProxyNcaLossConfig::new(4, 3)
            .with_include_target(include_target)
            .with_normalize(false)
            .with_temperature(0.3)
            .with_distance(by)
            .init(&device());
        all.push((
            "ProxyNCA",
            Box::new(move |x, _| {
                let proxies = x.clone().narrow(0, 0, 4);
                let loss = loss.clone().with_weight(proxies);
                loss.forward(x.narrow(0, 4, 4), labels(&[2, 0, 1, 1]))
            }),
        ));
    }
    all
}

const CLASSES: [i64; 8] = [0, 0, 0, 1, 1, 2, 2, 3];

/// `n` rows of whole quarters.
fn quarters(n: usize, dim: usize) -> Rows {
    let rounded = |row: &Vec<f64>| row.iter().map(|v| (v * 4.0).round() / 4.0).collect();
    rows(n, dim).iter().map(rounded).collect()
}

/// Value and gradient in `f32` of rows whose similarities have a number in common are those in `f64` of rows without it,
/// and of the rows themselves.
///
/// The slopes of a row add up to 0 but for some `ε`, and multiply entries of size `entry`.
fn assert_takes_no_digits((name, loss): &(&str, Loss), plain: &Rows, common: &Rows, entry: f64) {
    let loss = |x| loss(x, labels(&CLASSES));
    let (expected, _) = value_and_gradient(plain, DType::F64, &loss);
    let (value, gradient) = value_and_gradient(common, DType::F32, &loss);
    let (_, wanted) = value_and_gradient(common, DType::F64, &loss);
    // A few dozen operations in f32 on numbers of the size of the loss.
    let bound = 32.0 * f64::from(f32::EPSILON);
    assert!(
        (value - expected).abs() <= bound * (1.0 + expected.abs()),
        "{name}: {value}, without the common number {expected}"
    );
    let (gradient, wanted) = (gradient.concat(), wanted.concat());
    let norm = |x: &[f64]| dot(x, x).sqrt();
    let off: Vec<f64> = gradient.iter().zip(&wanted).map(|(a, b)| a - b).collect();
    assert!(
        norm(&off) <= bound * norm(&wanted) + 4.0 * f64::from(f32::EPSILON) * entry,
        "{name}: the gradient is off by {} of {}",
        norm(&off),
        norm(&wanted)
    );
}

/// R1, R17, R18. Inner products of 1e6 differ by sixteenths, which `f32` holds exactly; divided by a temperature first, they
/// do not.
#[test]
fn what_inner_products_have_in_common_takes_no_digits_from_their_differences() {
    let with_first = |first: f64| -> Rows {
        let mut rows = quarters(8, 3);
        rows.iter_mut().for_each(|row| row[0] = first);
        rows
    };
    for loss in of_differences(EmbeddingDistance::InnerProduct) {
        assert_takes_no_digits(&loss, &with_first(0.0), &with_first(1000.0), 1000.0);
    }
}

/// The same for distances: each row has an axis of its own, so that every two are `2^20` and some quarters apart.
#[test]
fn what_distances_have_in_common_takes_no_digits_from_their_differences() {
    let with_axes = |far: f64| -> Rows {
        let with_axis = |(i, mut row): (usize, Vec<f64>)| {
            row.extend((0..8).map(|j| if i == j { far } else { 0.0 }));
            row
        };
        quarters(8, 3)
            .into_iter()
            .enumerate()
            .map(with_axis)
            .collect()
    };
    for loss in of_differences(EmbeddingDistance::Lp { p: 1.0, power: 1.0 }) {
        assert_takes_no_digits(&loss, &with_axes(0.0), &with_axes(2f64.powi(19)), 1.0);
    }
}
