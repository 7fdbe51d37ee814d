//! Losses of pairs against their definitions, in value and gradient.
#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and some numbers are exact"
)]

use burn::tensor::{DType, Tensor};
use metric_losses::*;
use metric_sampling::Triplets;

use crate::common::*;

/// A class with three rows, two with two, and one row alone.
const CLASSES: [i64; 8] = [0, 1, 0, 2, 0, 1, 2, 3];
const N: usize = 8;

fn squared(a: &[f64], b: &[f64]) -> f64 {
    euclidean(a, b).powi(2)
}

fn is_positive(i: usize, j: usize) -> bool {
    i != j && CLASSES[i] == CLASSES[j]
}

fn is_negative(i: usize, j: usize) -> bool {
    CLASSES[i] != CLASSES[j]
}

fn positives() -> Vec<(usize, usize)> {
    let all = (0..N).flat_map(|i| (0..N).map(move |j| (i, j)));
    all.filter(|&(i, j)| is_positive(i, j)).collect()
}

fn negatives() -> Vec<(usize, usize)> {
    let all = (0..N).flat_map(|i| (0..N).map(move |j| (i, j)));
    all.filter(|&(i, j)| is_negative(i, j)).collect()
}

/// `f` of row `i` to its positives and to its negatives.
fn sides(rows: &Rows, i: usize, f: impl Fn(&[f64], &[f64]) -> f64) -> (Vec<f64>, Vec<f64>) {
    let of = |keep: fn(usize, usize) -> bool| {
        let columns = (0..N).filter(move |&j| keep(i, j));
        columns.map(|j| f(&rows[i], &rows[j])).collect()
    };
    (of(is_positive), of(is_negative))
}

fn mean(terms: &[f64]) -> f64 {
    if terms.is_empty() {
        return 0.0;
    }
    terms.iter().sum::<f64>() / terms.len() as f64
}

fn mean_over_rows(rows: &Rows, term: impl Fn(usize) -> Option<f64>) -> f64 {
    mean(&(0..rows.len()).filter_map(term).collect::<Vec<_>>())
}

fn sum_of_powers(exponents: impl Iterator<Item = f64>) -> f64 {
    exponents.map(f64::exp).sum()
}

fn unit(row: &[f64]) -> Vec<f64> {
    let norm = dot(row, row).sqrt();
    row.iter().map(|v| v / norm).collect()
}

#[test]
fn multi_similarity() {
    let loss = MultiSimilarityLossConfig::new()
        .with_beta(10.0)
        .with_base(0.5)
        .init(&device());
    assert_is(
        &rows(N, 3),
        &|x| loss.forward(x, labels(&CLASSES)),
        &|rows| {
            mean_over_rows(rows, |i| {
                let (p, n) = sides(rows, i, cosine);
                let p = sum_of_powers(p.iter().map(|s| -2.0 * (s - 0.5)));
                let n = sum_of_powers(n.iter().map(|s| 10.0 * (s - 0.5)));
                Some(p.ln_1p() / 2.0 + n.ln_1p() / 10.0)
            })
        },
    );
}

#[test]
fn circle_has_constant_weights() {
    // The weights are constants in the gradient, so the oracle takes them from the rows it starts at.
    let start = rows(N, 3);
    let loss = CircleLossConfig::new().with_gamma(5.0).init(&device());
    assert_is(&start, &|x| loss.forward(x, labels(&CLASSES)), &|rows| {
        mean_over_rows(rows, |i| {
            let (p, n) = sides(rows, i, cosine);
            let (p0, n0) = sides(&start, i, cosine);
            if p.is_empty() {
                return None;
            }
            let weight = |s: f64| (s + 0.4).max(0.0);
            let p = p
                .iter()
                .zip(p0)
                .map(|(s, s0)| -5.0 * (1.4 - s0) * (s - 0.6));
            let n = n.iter().zip(n0).map(|(s, s0)| 5.0 * weight(s0) * (s - 0.4));
            Some((sum_of_powers(p) * sum_of_powers(n)).ln_1p())
        })
    });
}

#[test]
fn lifted_structure() {
    let loss = LiftedStructureLossConfig::new()
        .with_pos_margin(0.1)
        .init(&device());
    assert_is(
        &rows(N, 3),
        &|x| loss.forward(x, labels(&CLASSES)),
        &|rows| {
            let push = |i: usize| {
                let (_, n) = sides(rows, i, euclidean);
                sum_of_powers(n.iter().map(|d| 1.0 - d))
            };
            let term = |(i, j): (usize, usize)| {
                let gap = (push(i) + push(j)).ln() + euclidean(&rows[i], &rows[j]) - 0.1;
                gap.max(0.0).powi(2) / 2.0
            };
            mean(&positives().into_iter().map(term).collect::<Vec<_>>())
        },
    );
}

#[test]
fn lifted_structure_against_references_pushes_from_both_ends() {
    let loss = LiftedStructureLossConfig::new().init(&device());
    let reference = rows(6, 3);
    let of = [0_i64, 1, 1, 2, 2, 0];
    let expected = |rows: &Rows| {
        let mut terms = Vec::new();
        #[allow(clippy::needless_range_loop, reason = "the row is a number too")]
        for i in 0..N {
            for j in (0..6).filter(|&j| of[j] == CLASSES[i]) {
                let d = |i: usize, j: usize| euclidean(&rows[i], &reference[j]);
                let of_row = (0..6)
                    .filter(|&k| of[k] != CLASSES[i])
                    .map(|k| 1.0 - d(i, k));
                let of_reference = (0..N)
                    .filter(|&k| CLASSES[k] != of[j])
                    .map(|k| 1.0 - d(k, j));
                let push = sum_of_powers(of_row) + sum_of_powers(of_reference);
                terms.push((push.ln() + d(i, j)).max(0.0).powi(2) / 2.0);
            }
        }
        mean(&terms)
    };
    let against = |x| {
        let reference = tensor(&reference, DType::F64);
        loss.forward_against(x, labels(&CLASSES), reference, labels(&of))
    };
    assert_is(&rows(N, 3), &against, &expected);
}

#[test]
fn generalized_lifted_structure() {
    let loss = GeneralizedLiftedStructureLossConfig::new()
        .with_pos_margin(0.1)
        .init(&device());
    assert_is(
        &rows(N, 3),
        &|x| loss.forward(x, labels(&CLASSES)),
        &|rows| {
            mean_over_rows(rows, |i| {
                let (p, n) = sides(rows, i, euclidean);
                let log_sum = |exponents: Vec<f64>| {
                    if exponents.is_empty() {
                        0.0
                    } else {
                        sum_of_powers(exponents.into_iter()).ln()
                    }
                };
                let pull = log_sum(p.iter().map(|d| d - 0.1).collect());
                let push = log_sum(n.iter().map(|d| 1.0 - d).collect());
                Some((pull + push).max(0.0))
            })
        },
    );
}

fn neighbours(rows: &Rows, scale: f64) -> f64 {
    mean_over_rows(rows, |i| {
        let (p, n) = sides(rows, i, squared);
        let part = sum_of_powers(p.iter().map(|d| -scale * d));
        let rest = sum_of_powers(n.iter().map(|d| -scale * d));
        (!p.is_empty()).then(|| -(part / (part + rest)).ln())
    })
}

#[test]
fn nca() {
    let loss = NcaLossConfig::new().with_scale(1.5).init(&device());
    assert_is(
        &rows(N, 3),
        &|x| loss.forward(x, labels(&CLASSES)),
        &|rows| neighbours(rows, 1.5),
    );
}

#[test]
fn nca_keeps_small_values_beside_a_common_offset() {
    // Products of 1e4 and of 1e4 less 20: -log of a share of 1 / (1 + e^-20).
    let rows = [vec![100.0], vec![100.0], vec![99.8]];
    let loss = NcaLossConfig::new()
        .with_distance(EmbeddingDistance::InnerProduct)
        .init(&device());
    let anchor = vec![vec![100.0]];
    let value = to_f64(loss.forward_against(
        tensor(&anchor, DType::F32),
        labels(&[0]),
        tensor(&rows[1..].to_vec(), DType::F32),
        labels(&[0, 1]),
    ));
    // 99.8 in f32 is off by 4e-6, the exponent by 4e-4 and 5e-4 of rounding to 1e4.
    assert!((value / (-20.0_f64).exp() - 1.0).abs() < 2e-3, "{value}");
}

fn margin_by_triplets(rows: &Rows, triplets: &[[usize; 3]], beta: impl Fn(usize) -> f64) -> f64 {
    let mut parts = Vec::new();
    for &[a, p, n] in triplets {
        parts.push(euclidean(&rows[a], &rows[p]) - beta(a) + 0.3);
        parts.push(beta(a) - euclidean(&rows[a], &rows[n]) + 0.3);
    }
    mean_above_zero(&parts)
}

fn triplets() -> Vec<[usize; 3]> {
    let with_negatives = |(a, p)| {
        (0..N)
            .filter(move |&n| is_negative(a, n))
            .map(move |n| [a, p, n])
    };
    positives().into_iter().flat_map(with_negatives).collect()
}

#[test]
fn margin() {
    let config = MarginLossConfig::new().with_margin(0.3).with_nu(0.5);
    let one = config.clone().init(&device());
    let one = one.with_beta(Tensor::from_data([1.1_f64], (&device(), DType::F64)));
    assert_is(
        &rows(N, 3),
        &|x| one.forward(x, labels(&CLASSES)),
        &|rows| margin_by_triplets(rows, &triplets(), |_| 1.1) + 0.5 * 1.1,
    );
    let betas = [0.9, 1.0, 1.1, 1.2];
    let each = config.with_num_classes(Some(4)).init(&device());
    let each = each.with_beta(Tensor::from_data(betas, (&device(), DType::F64)));
    let beta = |i: usize| betas[CLASSES[i] as usize];
    let mean_beta = mean(&(0..N).map(beta).collect::<Vec<_>>());
    assert_is(
        &rows(N, 3),
        &|x| each.forward(x, labels(&CLASSES)),
        &|rows| margin_by_triplets(rows, &triplets(), beta) + 0.5 * mean_beta,
    );
    let given = Triplets::new(vec![0, 1], vec![2, 5], vec![3, 4]).unwrap();
    let given = TripletIndices::upload(&given, &device());
    assert_is(
        &rows(N, 3),
        &|x| each.forward_mined(x, labels(&CLASSES), &given),
        &|rows| margin_by_triplets(rows, &[[0, 2, 3], [1, 5, 4]], beta) + 0.5 * mean_beta,
    );
}

#[test]
fn the_boundary_of_the_margin_loss_is_learned_unless_fixed() {
    let x = rows(N, 3);
    let gradient = |learned: bool| {
        let loss = MarginLossConfig::new()
            .with_margin(0.3)
            .with_nu(0.5)
            .with_learn_beta(learned)
            .init(&device());
        let value = loss.forward(tensor(&x, DType::F32), labels(&CLASSES));
        // Without a learned boundary nothing is on the graph here.
        learned.then(|| to_f64(loss.beta().grad(&value.backward()).unwrap()))
    };
    assert_eq!(gradient(false), None);
    let by = |beta: f64| margin_by_triplets(&x, &triplets(), |_| beta) + 0.5 * beta;
    let expected = (by(1.2 + 1e-5) - by(1.2 - 1e-5)) / 2e-5;
    // f32: some hundred terms of size one.
    assert!((gradient(true).unwrap() - expected).abs() < 1e-4);
}

#[test]
fn angular() {
    let tan2 = 0.7_f64.tan().powi(2);
    for normalize in [true, false] {
        let loss = AngularLossConfig::new()
            .with_alpha(0.7)
            .with_normalize_negatives(normalize)
            .init(&device());
        assert_is(
            &rows(N, 3),
            &|x| loss.forward(x, labels(&CLASSES)),
            &|rows| {
                let term = |(a, p): (usize, usize)| {
                    let (xa, xp) = (unit(&rows[a]), unit(&rows[p]));
                    let f = |n: usize| {
                        let xn = if normalize {
                            unit(&rows[n])
                        } else {
                            rows[n].clone()
                        };
                        let across = dot(&xa, &xn) + dot(&xp, &xn);
                        4.0 * tan2 * across - 2.0 * (1.0 + tan2) * dot(&xa, &xp)
                    };
                    sum_of_powers((0..N).filter(|&n| is_negative(a, n)).map(f)).ln_1p()
                };
                mean(&positives().into_iter().map(term).collect::<Vec<_>>())
            },
        );
    }
}

#[test]
fn n_pairs() {
    let loss = NPairsLossConfig::new().init(&device());
    assert_is(
        &rows(N, 3),
        &|x| loss.forward(x, labels(&CLASSES)),
        &|rows| {
            let (anchors, partners) = ([0, 1, 3], [2, 5, 6]);
            let term = |at: usize| {
                let logits: Vec<f64> = partners
                    .iter()
                    .map(|&p| dot(&rows[anchors[at]], &rows[p]))
                    .collect();
                cross_entropy(&logits, at)
            };
            mean(&(0..3).map(term).collect::<Vec<_>>())
        },
    );
}

#[test]
fn tuplet_margin() {
    let loss = TupletMarginLossConfig::new()
        .with_margin(0.3)
        .with_scale(8.0)
        .init(&device());
    assert_is(
        &rows(N, 3),
        &|x| loss.forward(x, labels(&CLASSES)),
        &|rows| {
            let term = |(a, p): (usize, usize)| {
                let target = (cosine(&rows[a], &rows[p]).acos() - 0.3).cos();
                let (_, n) = sides(rows, a, cosine);
                sum_of_powers(n.iter().map(|s| 8.0 * (s - target))).ln_1p()
            };
            mean(&positives().into_iter().map(term).collect::<Vec<_>>())
        },
    );
}

fn values(pairs: Vec<(usize, usize)>, rows: &Rows, f: impl Fn(&[f64], &[f64]) -> f64) -> Vec<f64> {
    pairs
        .into_iter()
        .map(|(i, j)| f(&rows[i], &rows[j]))
        .collect()
}

#[test]
fn intra_pair_variance() {
    let loss = IntraPairVarianceLossConfig::new()
        .with_pos_eps(0.05)
        .with_neg_eps(0.02)
        .init(&device());
    assert_is(
        &rows(N, 3),
        &|x| loss.forward(x, labels(&CLASSES)),
        &|rows| {
            let square = |gap: f64| gap.max(0.0).powi(2);
            let (p, n) = (
                values(positives(), rows, cosine),
                values(negatives(), rows, cosine),
            );
            let (mean_p, mean_n) = (mean(&p), mean(&n));
            let lacking: Vec<f64> = p.iter().map(|s| square(0.95 * mean_p - s)).collect();
            let excess: Vec<f64> = n.iter().map(|s| square(s - 1.02 * mean_n)).collect();
            mean(&lacking) + mean(&excess)
        },
    );
}

#[test]
fn contrastive_with_the_distance_of_signal_and_noise() {
    let loss = ContrastiveLossConfig::new()
        .with_pos_margin(0.1)
        .with_neg_margin(2.5)
        .with_distance(EmbeddingDistance::SignalToNoise)
        .init(&device());
    let variance = |row: &[f64]| {
        let centre = mean(row);
        mean(&row.iter().map(|v| (v - centre).powi(2)).collect::<Vec<_>>())
    };
    let distance = |x: &[f64], y: &[f64]| {
        let noise: Vec<f64> = x.iter().zip(y).map(|(a, b)| a - b).collect();
        variance(&noise) / variance(x)
    };
    assert_is(
        &rows(N, 4),
        &|x| loss.forward(x, labels(&CLASSES)),
        &|rows| {
            let p: Vec<f64> = values(positives(), rows, distance)
                .iter()
                .map(|d| d - 0.1)
                .collect();
            let n: Vec<f64> = values(negatives(), rows, distance)
                .iter()
                .map(|d| 2.5 - d)
                .collect();
            mean_above_zero(&p) + mean_above_zero(&n)
        },
    );
    // A pair alone is the same as its place in the matrix.
    let (x, y) = (rows(N, 4), rows(N + 1, 4)[1..].to_vec());
    let paired =
        EmbeddingDistance::SignalToNoise.paired(tensor(&x, DType::F64), tensor(&y, DType::F64));
    let paired = to_rows(paired.reshape([1, N]));
    for (i, got) in paired[0].iter().enumerate() {
        assert!(
            (got - distance(&x[i], &y[i])).abs() < 1e-12 * (1.0 + got),
            "{i}"
        );
    }
}

#[test]
fn threshold_consistent_margin() {
    let loss = ThresholdConsistentMarginLossConfig::new()
        .with_lambda_plus(0.7)
        .with_lambda_minus(1.3)
        .with_margin_minus(-0.1)
        .init(&device());
    assert_is(
        &rows(N, 3),
        &|x| loss.forward(x, labels(&CLASSES)),
        &|rows| {
            let p: Vec<f64> = values(positives(), rows, cosine)
                .iter()
                .map(|s| 0.9 - s)
                .collect();
            let n: Vec<f64> = values(negatives(), rows, cosine)
                .iter()
                .map(|s| s + 0.1)
                .collect();
            0.7 * mean_above_zero(&p) + 1.3 * mean_above_zero(&n)
        },
    );
}
