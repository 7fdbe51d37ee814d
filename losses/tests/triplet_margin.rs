//! Triplet margin loss against its definition.
#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and some numbers are exact"
)]

use burn::tensor::DType;
use metric_losses::{Reducer, TripletIndices, TripletMarginLossConfig};
use metric_sampling::Triplets;
use proptest::prelude::*;

use crate::common::*;

const CLASSES: [i64; 8] = [0, 0, 0, 1, 1, 2, 2, 3];

fn config() -> TripletMarginLossConfig {
    TripletMarginLossConfig::new().with_margin(0.3)
}

fn triplets(classes: &[i64]) -> Vec<[usize; 3]> {
    let n = classes.len();
    let mut found = Vec::new();
    for a in 0..n {
        for p in 0..n {
            for q in 0..n {
                if a != p && classes[a] == classes[p] && classes[a] != classes[q] {
                    found.push([a, p, q]);
                }
            }
        }
    }
    found
}

fn gaps(rows: &Rows, swap: bool) -> Vec<f64> {
    triplets(&CLASSES)
        .into_iter()
        .map(|[a, p, n]| {
            let mut to_negative = euclidean(&rows[a], &rows[n]);
            if swap {
                to_negative = to_negative.min(euclidean(&rows[p], &rows[n]));
            }
            euclidean(&rows[a], &rows[p]) - to_negative + 0.3
        })
        .collect()
}

#[test]
fn it_is_its_definition_in_value_and_gradient() {
    for swap in [false, true] {
        let loss = config().with_swap(swap).init(&device());
        assert_is(
            &rows(8, 3),
            &|x| loss.forward(x, labels(&CLASSES)),
            &|rows| mean_above_zero(&gaps(rows, swap)),
        );
    }
}

#[test]
fn the_soft_margin_is_a_softplus() {
    let loss = config()
        .with_soft_margin(true)
        .with_reducer(Reducer::Sum)
        .init(&device());
    assert_is(
        &rows(8, 3),
        &|x| loss.forward(x, labels(&CLASSES)),
        &|rows| gaps(rows, false).into_iter().map(|u| u.exp().ln_1p()).sum(),
    );
}

#[test]
fn given_triplets_are_the_only_ones_that_count() {
    let loss = config().with_reducer(Reducer::Sum).init(&device());
    let given = Triplets::new(vec![0, 3], vec![2, 4], vec![5, 7]).unwrap();
    let given = TripletIndices::upload(&given, &device());
    assert_is(&rows(8, 3), &|x| loss.forward_mined(x, &given), &|rows| {
        let term = |a: usize, p: usize, n: usize| {
            let gap = euclidean(&rows[a], &rows[p]) - euclidean(&rows[a], &rows[n]);
            (gap + 0.3).max(0.0)
        };
        term(0, 2, 5) + term(3, 4, 7)
    });
}

#[test]
fn all_triplets_given_are_the_same_as_none_given() {
    let all = triplets(&CLASSES);
    let column = |at: usize| all.iter().map(|triplet| triplet[at] as u32).collect();
    let all = Triplets::new(column(0), column(1), column(2)).unwrap();
    let all = TripletIndices::upload(&all, &device());
    for reducer in [
        Reducer::Mean,
        Reducer::Sum,
        Reducer::AvgNonZero,
        Reducer::Threshold {
            low: 0.1,
            high: 0.6,
        },
    ] {
        let loss = config().with_reducer(reducer).init(&device());
        let x = tensor(&rows(8, 3), DType::F64);
        let given = to_f64(loss.forward_mined(x.clone(), &all));
        let every = to_f64(loss.forward(x, labels(&CLASSES)));
        assert!(
            (given - every).abs() < 1e-12,
            "{reducer:?}: {given}, {every}"
        );
    }
}

#[test]
fn a_reference_set_is_searched_for_positives_and_negatives() {
    let loss = config().with_swap(true).init(&device());
    let reference = rows(6, 3);
    let reference_classes = [0_i64, 1, 1, 2, 2, 4];
    assert_is(
        &rows(8, 3),
        &|x| {
            let reference = tensor(&reference, DType::F64);
            loss.forward_against(x, labels(&CLASSES), reference, labels(&reference_classes))
        },
        &|rows| {
            let mut terms = Vec::new();
            for (a, class) in CLASSES.iter().enumerate() {
                for p in (0..6).filter(|&p| reference_classes[p] == *class) {
                    for n in (0..6).filter(|&n| reference_classes[n] != *class) {
                        let near = euclidean(&rows[a], &reference[n])
                            .min(euclidean(&reference[p], &reference[n]));
                        terms.push(euclidean(&rows[a], &reference[p]) - near + 0.3);
                    }
                }
            }
            mean_above_zero(&terms)
        },
    );
}

#[test]
fn the_order_of_the_batch_does_not_matter() {
    let loss = config().init(&device());
    assert_ignores_order(&rows(8, 3), &CLASSES, &|x, y| loss.forward(x, y));
}

#[test]
fn extreme_rows_leave_value_and_gradient_finite() {
    for soft in [false, true] {
        let loss = config().with_soft_margin(soft).init(&device());
        assert_stays_finite(8, 4, &|x| loss.forward(x, labels(&CLASSES)));
    }
}

#[test]
fn a_batch_without_a_triplet_is_zero_and_still_on_the_graph() {
    let loss = config().init(&device());
    assert_is_zero_on_the_graph(&rows(4, 3), &|x| loss.forward(x, labels(&[1, 1, 1, 1])));
    assert_is_zero_on_the_graph(&rows(4, 3), &|x| loss.forward(x, labels(&[0, 1, 2, 3])));
    let none = TripletIndices::upload(&Triplets::default(), &device());
    assert!(none.is_empty());
    assert_is_zero_on_the_graph(&rows(4, 3), &|x| loss.forward_mined(x, &none));
}

#[test]
fn a_broken_embedding_shows() {
    let loss = config().init(&device());
    assert_shows_nan(8, 3, &|x| loss.forward(x, labels(&CLASSES)));
    let given = Triplets::new(vec![1], vec![0], vec![4]).unwrap();
    let given = TripletIndices::upload(&given, &device());
    assert_shows_nan(8, 3, &|x| loss.forward_mined(x, &given));
}

#[test]
fn configurations_out_of_range_are_refused_by_name() {
    let margin = config().with_margin(f64::INFINITY).validate().unwrap_err();
    assert_eq!(margin.to_string(), "margin must be finite, got inf");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    /// Moving and turning the space does not change distances, so it does not change the loss.
    #[test]
    fn moving_all_rows_changes_nothing(shift in -10.0..10.0f64) {
        let loss = config().init(&device());
        let rows = rows(8, 3);
        let moved: Rows =
            rows.iter().map(|row| row.iter().map(|v| v + shift).collect()).collect();
        let value = |rows: &Rows| to_f64(loss.forward(tensor(rows, DType::F64), labels(&CLASSES)));
        prop_assert!((value(&rows) - value(&moved)).abs() < 1e-12);
    }
}
