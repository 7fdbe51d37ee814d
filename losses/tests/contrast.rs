//! Contrastive losses by softmax against their definitions, streamed and not.
#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and some numbers are exact"
)]

use burn::tensor::{DType, Int, Tensor};
use metric_losses::{EmbeddingDistance, NtXentLossConfig, Reducer, SupConLossConfig};

use crate::common::*;

const CLASSES: [i64; 8] = [0, 0, 0, 1, 1, 2, 2, 3];
const TEMPERATURE: f64 = 0.2;

type Likeness = fn(&[f64], &[f64]) -> f64;
type Forward = Box<dyn Fn(Tensor<2>, Tensor<1, Int>) -> Tensor<1>>;

/// Streamed (cosine, inner product) and not (the others).
const DISTANCES: [(EmbeddingDistance, Likeness); 3] = [
    (EmbeddingDistance::Cosine, cosine),
    (EmbeddingDistance::InnerProduct, dot),
    (EmbeddingDistance::SquaredEuclidean, |a, b| {
        -euclidean(a, b).powi(2)
    }),
];

fn log_sum_exp(x: &[f64]) -> f64 {
    let largest = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    largest + x.iter().map(|x| (x - largest).exp()).sum::<f64>().ln()
}

/// Logits of a row to its positives and to its negatives.
fn logits(rows: &Rows, i: usize, like: Likeness) -> (Vec<f64>, Vec<f64>) {
    let (mut positive, mut negative) = (Vec::new(), Vec::new());
    for j in (0..rows.len()).filter(|&j| j != i) {
        let logit = like(&rows[i], &rows[j]) / TEMPERATURE;
        let to = if CLASSES[i] == CLASSES[j] {
            &mut positive
        } else {
            &mut negative
        };
        to.push(logit);
    }
    (positive, negative)
}

fn mean(terms: &[f64]) -> f64 {
    terms.iter().sum::<f64>() / terms.len() as f64
}

fn sup_con_of(rows: &Rows, like: Likeness) -> f64 {
    let rows_with = (0..rows.len()).map(|i| logits(rows, i, like));
    let terms: Vec<f64> = rows_with
        .filter(|(positive, _)| !positive.is_empty())
        .map(|(positive, negative)| {
            log_sum_exp(&[&*positive, &negative].concat()) - mean(&positive)
        })
        .collect();
    mean(&terms)
}

fn nt_xent_of(rows: &Rows, like: Likeness) -> f64 {
    let mut terms = Vec::new();
    for i in 0..rows.len() {
        let (positive, negative) = logits(rows, i, like);
        for p in positive {
            terms.push(log_sum_exp(&[&[p], &*negative].concat()) - p);
        }
    }
    mean(&terms)
}

fn sup_con(distance: EmbeddingDistance, reducer: Reducer) -> Forward {
    let loss = SupConLossConfig::new()
        .with_temperature(TEMPERATURE)
        .with_distance(distance)
        .with_reducer(reducer)
        .init(&device());
    Box::new(move |x, labels| loss.forward(x, labels))
}

fn nt_xent(distance: EmbeddingDistance, reducer: Reducer) -> Forward {
    let loss = NtXentLossConfig::new()
        .with_temperature(TEMPERATURE)
        .with_distance(distance)
        .with_reducer(reducer)
        .init(&device());
    Box::new(move |x, labels| loss.forward(x, labels))
}

const MAKERS: [fn(EmbeddingDistance, Reducer) -> Forward; 2] = [sup_con, nt_xent];

#[test]
fn they_are_their_definitions_in_value_and_gradient() {
    for (distance, like) in DISTANCES {
        let loss = sup_con(distance, Reducer::Mean);
        assert_is(&rows(8, 3), &|x| loss(x, labels(&CLASSES)), &|rows| {
            sup_con_of(rows, like)
        });
        let loss = nt_xent(distance, Reducer::Mean);
        assert_is(&rows(8, 3), &|x| loss(x, labels(&CLASSES)), &|rows| {
            nt_xent_of(rows, like)
        });
    }
}

/// On unit rows `−‖x − y‖²/2` is the cosine but for a constant: a squared Euclidean distance, not streamed, with twice the
/// temperature is the streamed loss.
#[test]
fn streamed_and_plain_agree_over_many_tiles() {
    let (n, dim) = (700, 9);
    let classes: Vec<i64> = (0..n as i64).map(|i| i * i % 37 % 11).collect();
    let unit = |x| metric_losses::l2_normalize(x);
    for reducer in [
        Reducer::Mean,
        Reducer::Sum,
        Reducer::AvgNonZero,
        Reducer::Threshold {
            low: 5.0,
            high: 7.5,
        },
    ] {
        for make in MAKERS {
            let streamed = make(EmbeddingDistance::Cosine, reducer);
            let plain = make(EmbeddingDistance::Lp { p: 2.0, power: 2.0 }, reducer);
            let rows = rows(n, dim);
            let (got, gradient) =
                value_and_gradient(&rows, DType::F64, &|x| streamed(x, labels(&classes)));
            // Half the squared distance, by rows shortened to 1/√2.
            let (want, wanted) = value_and_gradient(&rows, DType::F64, &|x| {
                plain(unit(x) * std::f64::consts::FRAC_1_SQRT_2, labels(&classes))
            });
            assert!(
                (got - want).abs() <= 1e-9 * want.abs(),
                "{reducer:?}: {got}, {want}"
            );
            let size = wanted.concat().iter().map(|g| g * g).sum::<f64>().sqrt();
            let pairs = gradient.concat().into_iter().zip(wanted.concat());
            let off = pairs.map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
            // The scalar that shortens the rows is rounded to single precision on its way back.
            assert!(off <= 1e-6 * size, "{reducer:?}: off by {off} of {size}");
        }
    }
}

#[test]
fn a_reference_set_that_is_the_batch_adds_each_row_to_itself() {
    let loss = SupConLossConfig::new()
        .with_temperature(TEMPERATURE)
        .init(&device());
    let batch = rows(6, 4);
    let classes = [0, 1, 2, 3, 4, 5];
    let x = tensor(&batch, DType::F64).require_grad();
    let value = loss.forward_against(
        x.clone(),
        labels(&classes),
        tensor(&batch, DType::F64),
        labels(&classes),
    );
    // Every row has one positive, itself, with cosine 1.
    let terms: Vec<f64> = (0..6)
        .map(|i| {
            let logits: Vec<f64> = batch
                .iter()
                .map(|y| cosine(&batch[i], y) / TEMPERATURE)
                .collect();
            log_sum_exp(&logits) - 1.0 / TEMPERATURE
        })
        .collect();
    assert!((to_f64(value) - mean(&terms)).abs() < 1e-11);
}

#[test]
fn the_order_of_the_batch_does_not_matter() {
    for make in MAKERS {
        let loss = make(EmbeddingDistance::Cosine, Reducer::Mean);
        assert_ignores_order(&rows(8, 3), &CLASSES, &*loss);
    }
}

#[test]
fn extreme_embeddings_stay_finite_and_broken_ones_show() {
    for make in MAKERS {
        let loss = make(EmbeddingDistance::Cosine, Reducer::Mean);
        assert_stays_finite(8, 3, &|x| loss(x, labels(&CLASSES)));
        // One class only, all rows negatives of each other, one row.
        assert_stays_finite(8, 3, &|x| loss(x, labels(&[0; 8])));
        assert_shows_nan(8, 3, &|x| loss(x, labels(&CLASSES)));
        let distinct = [0, 1, 2, 3, 4, 5, 6, 7];
        assert_is_zero_on_the_graph(&rows(8, 3), &|x| loss(x, labels(&distinct)));
        assert_is_zero_on_the_graph(&rows(1, 3), &|x| loss(x, labels(&[0])));
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let classes: Vec<i64> = (0..300).map(|i| i % 7).collect();
    for make in MAKERS {
        let runs = [1, 2, 5].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            pool.build().unwrap().install(|| {
                let loss = make(EmbeddingDistance::Cosine, Reducer::Mean);
                value_and_gradient(&rows(300, 5), DType::F32, &|x| loss(x, labels(&classes)))
            })
        });
        assert!(runs[0] == runs[1] && runs[0] == runs[2]);
    }
}

#[test]
fn parameters_out_of_range_are_named() {
    for temperature in [0.0, -1.0, f64::NAN] {
        let error = SupConLossConfig::new()
            .with_temperature(temperature)
            .validate();
        assert!(error.unwrap_err().to_string().contains("temperature"));
        let error = NtXentLossConfig::new()
            .with_temperature(temperature)
            .validate();
        assert!(error.unwrap_err().to_string().contains("temperature"));
    }
}
