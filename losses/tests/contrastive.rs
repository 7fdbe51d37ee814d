//! Contrastive loss against its definition.
#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and some numbers are exact"
)]

use metric_losses::{ContrastiveLossConfig, EmbeddingDistance, Reducer};

use crate::common::*;

const CLASSES: [i64; 8] = [0, 0, 0, 1, 1, 2, 2, 3];

fn config() -> ContrastiveLossConfig {
    ContrastiveLossConfig::new()
        .with_pos_margin(0.4)
        .with_neg_margin(1.3)
}

/// Hinges of all ordered pairs: those of one class, those of two.
fn hinges(rows: &Rows, distance: impl Fn(&[f64], &[f64]) -> f64) -> (Vec<f64>, Vec<f64>) {
    let (mut positive, mut negative) = (Vec::new(), Vec::new());
    for i in 0..rows.len() {
        for j in 0..rows.len() {
            let d = distance(&rows[i], &rows[j]);
            if i != j && CLASSES[i] == CLASSES[j] {
                positive.push((d - 0.4).max(0.0));
            } else if CLASSES[i] != CLASSES[j] {
                negative.push((1.3 - d).max(0.0));
            }
        }
    }
    (positive, negative)
}

#[test]
fn it_is_its_definition_in_value_and_gradient() {
    let loss = config().init(&device());
    assert_is(
        &rows(8, 3),
        &|x| loss.forward(x, labels(&CLASSES)),
        &|rows| {
            let (positive, negative) = hinges(rows, euclidean);
            mean_above_zero(&positive) + mean_above_zero(&negative)
        },
    );
}

#[test]
fn the_squared_form_is_the_papers() {
    let loss = config()
        .with_squared(true)
        .with_reducer(Reducer::Mean)
        .init(&device());
    let half_square =
        |terms: &[f64]| terms.iter().map(|t| 0.5 * t * t).sum::<f64>() / terms.len() as f64;
    assert_is(
        &rows(8, 3),
        &|x| loss.forward(x, labels(&CLASSES)),
        &|rows| {
            let (positive, negative) = hinges(rows, euclidean);
            half_square(&positive) + half_square(&negative)
        },
    );
}

#[test]
fn other_distances_enter_as_themselves() {
    type Of = fn(&[f64], &[f64]) -> f64;
    let cases: [(EmbeddingDistance, Of); 4] = [
        (EmbeddingDistance::SquaredEuclidean, |a, b| {
            euclidean(a, b).powi(2)
        }),
        (EmbeddingDistance::Cosine, |a, b| 1.0 - cosine(a, b)),
        (EmbeddingDistance::InnerProduct, |a, b| -dot(a, b)),
        (EmbeddingDistance::Lp { p: 3.0, power: 2.0 }, |a, b| {
            a.iter()
                .zip(b)
                .map(|(x, y)| (x - y).abs().powi(3))
                .sum::<f64>()
                .powf(2.0 / 3.0)
        }),
    ];
    for (distance, of) in cases {
        let loss = config()
            .with_distance(distance)
            .with_reducer(Reducer::Sum)
            .init(&device());
        assert_is(
            &rows(8, 3),
            &|x| loss.forward(x, labels(&CLASSES)),
            &|rows| {
                let (positive, negative) = hinges(rows, of);
                positive.iter().chain(&negative).sum()
            },
        );
    }
}

#[test]
fn a_reference_set_leaves_no_pair_out() {
    let loss = config().with_reducer(Reducer::Sum).init(&device());
    let against_itself = |rows: &Rows| {
        let x = tensor(rows, burn::tensor::DType::F64);
        to_f64(loss.forward_against(x.clone(), labels(&CLASSES), x, labels(&CLASSES)))
    };
    let rows = rows(8, 3);
    let (positive, negative) = hinges(&rows, euclidean);
    // A row against itself is a positive pair at distance 0, within the margin.
    let expected: f64 = positive.iter().chain(&negative).sum();
    assert!((against_itself(&rows) - expected).abs() < 1e-11);
}

#[test]
fn the_order_of_the_batch_does_not_matter() {
    let loss = config().init(&device());
    assert_ignores_order(&rows(8, 3), &CLASSES, &|x, y| loss.forward(x, y));
}

#[test]
fn extreme_rows_leave_value_and_gradient_finite() {
    for squared in [false, true] {
        let loss = config().with_squared(squared).init(&device());
        // The square of a hinge of 1e18 is representable; that of 1e20 would not be.
        assert_stays_finite(8, 4, &|x| loss.forward(x, labels(&CLASSES)));
    }
}

#[test]
fn one_row_is_zero_and_still_on_the_graph() {
    let loss = config().init(&device());
    assert_is_zero_on_the_graph(&rows(1, 3), &|x| loss.forward(x, labels(&[0])));
}

#[test]
fn a_large_batch_takes_the_product_form_and_agrees() {
    // 300 · 300 · 64 differences are above the limit of the direct form, 40 rows are below it.
    let (many, few) = (rows(300, 64), 40);
    let distance = EmbeddingDistance::Euclidean;
    let all = tensor(&many, burn::tensor::DType::F32);
    let first = all.clone().narrow(0, 0, few);
    let product = to_rows(distance.matrix(all.clone(), all));
    let direct = to_rows(distance.matrix(first.clone(), first));
    // d² errs by 4 ε max‖x‖², and max‖x‖² is below 64 · 1: 3e-5; the root of that at d = 0.
    for (i, row) in direct.iter().enumerate() {
        for (j, &d) in row.iter().enumerate() {
            assert!(
                (product[i][j].powi(2) - d.powi(2)).abs() <= 4.0 * 64.0 * 1.2e-7,
                "{i} {j}"
            );
        }
    }
}

#[test]
fn a_broken_embedding_shows_under_every_reducer() {
    let threshold = Reducer::Threshold {
        low: 0.1,
        high: 0.5,
    };
    for reducer in [Reducer::Mean, Reducer::Sum, Reducer::AvgNonZero, threshold] {
        let loss = config().with_reducer(reducer).init(&device());
        assert_shows_nan(8, 3, &|x| loss.forward(x, labels(&CLASSES)));
    }
}

#[test]
fn configurations_out_of_range_are_refused_by_name() {
    let nan = config().with_neg_margin(f64::NAN).validate().unwrap_err();
    assert_eq!(nan.to_string(), "neg_margin must be finite, got NaN");
    let p = EmbeddingDistance::Lp { p: 0.5, power: 1.0 };
    let p = config().with_distance(p).validate().unwrap_err();
    assert_eq!(p.to_string(), "p must be finite and at least 1, got 0.5");
    let band = Reducer::Threshold {
        low: 0.5,
        high: 0.1,
    };
    assert!(config().with_reducer(band).validate().is_err());
}
