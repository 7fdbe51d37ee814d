//! Contrastive losses that differ in what they take for negatives, against their definitions.
#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and some numbers are exact"
)]

use burn::tensor::{DType, Int, Tensor, TensorData};
use metric_losses::{
    ConfigError, DebiasedContrastiveLossConfig, DecoupledContrastiveLossConfig, EmbeddingDistance,
    HardNegativeContrastiveLossConfig, InfoNceLossConfig, NtXentLossConfig,
};

use crate::common::*;

const CLASSES: [i64; 8] = [0, 0, 0, 1, 1, 2, 2, 3];
const TEMPERATURE: f64 = 0.3;

type Likeness = fn(&[f64], &[f64]) -> f64;
/// Of a similarity, the row's positives and its negatives.
type Term<'a> = &'a dyn Fn(f64, &[f64], &[f64]) -> f64;

fn mean(terms: &[f64]) -> f64 {
    terms.iter().sum::<f64>() / terms.len() as f64
}

/// Similarities of a row to its positives and to its negatives, itself left out if it is in `others`.
fn similarities(
    row: (usize, &[f64]),
    others: &Rows,
    classes: &[i64],
    like: Likeness,
    within: bool,
) -> (Vec<f64>, Vec<f64>) {
    let (i, x) = row;
    let of = |same: bool| {
        let chosen = (0..others.len())
            .filter(|&j| (!within || j != i) && (CLASSES[i] == classes[j]) == same);
        chosen.map(|j| like(x, &others[j])).collect()
    };
    (of(true), of(false))
}

/// The mean over positive pairs of a function of the similarity, the row's positives and its negatives.
fn over_pairs(rows: &Rows, like: Likeness, term: Term<'_>) -> f64 {
    let mut terms = Vec::new();
    for (i, x) in rows.iter().enumerate() {
        let (positives, negatives) = similarities((i, x), rows, &CLASSES, like, true);
        terms.extend(positives.iter().map(|&s| term(s, &positives, &negatives)));
    }
    mean(&terms)
}

fn sum_exp(x: &[f64], factor: f64) -> f64 {
    x.iter().map(|x| (x * factor).exp()).sum()
}

/// `N g` and the loss by it, without logarithms.
fn debiased_term(s: f64, positives: &[f64], negatives: &[f64], tau: f64, beta: f64) -> f64 {
    let (n, t) = (negatives.len() as f64, 1.0 / TEMPERATURE);
    let importance = sum_exp(negatives, beta * t) / n;
    let negative = sum_exp(negatives, (1.0 + beta) * t) / importance;
    let positive = sum_exp(positives, t) / positives.len() as f64;
    let sum = ((negative - tau * n * positive) / (1.0 - tau)).max(n * (-t).exp());
    let own = (s * t).exp();
    -(own / (own + sum)).ln()
}

type Loss = Box<dyn Fn(Tensor<2>, Tensor<1, Int>) -> Tensor<1>>;

fn decoupled(weighting: Option<f64>, distance: EmbeddingDistance) -> Loss {
    let loss = DecoupledContrastiveLossConfig::new()
        .with_temperature(TEMPERATURE)
        .with_weighting(weighting)
        .with_distance(distance)
        .init(&device());
    Box::new(move |x, labels| loss.forward(x, labels))
}

fn debiased(tau_plus: f64) -> Loss {
    let loss = DebiasedContrastiveLossConfig::new()
        .with_temperature(TEMPERATURE)
        .with_tau_plus(tau_plus)
        .init(&device());
    Box::new(move |x, labels| loss.forward(x, labels))
}

fn hard(tau_plus: f64, beta: f64) -> Loss {
    let loss = HardNegativeContrastiveLossConfig::new()
        .with_temperature(TEMPERATURE)
        .with_tau_plus(tau_plus)
        .with_beta(beta)
        .init(&device());
    Box::new(move |x, labels| loss.forward(x, labels))
}

/// By labels, for the tables: both weightings, both sides of the bound of the estimate.
fn by_labels() -> Vec<NamedLoss> {
    vec![
        ("decoupled", decoupled(None, EmbeddingDistance::Cosine)),
        (
            "decoupled, weighted",
            decoupled(Some(0.5), EmbeddingDistance::Cosine),
        ),
        ("debiased", debiased(0.1)),
        ("debiased, at its bound", debiased(0.9)),
        ("hard negatives", hard(0.1, 1.0)),
        ("hard negatives, steep", hard(0.5, 40.0)),
    ]
}

#[test]
fn info_nce_is_its_definition_among_keys_in_both_directions() {
    let keys = rows(6, 4);
    let likes: [(EmbeddingDistance, Likeness); 3] = [
        (EmbeddingDistance::Cosine, cosine),
        (EmbeddingDistance::InnerProduct, dot),
        (EmbeddingDistance::Euclidean, |a, b| -euclidean(a, b)),
    ];
    for symmetric in [false, true] {
        for (distance, like) in likes {
            let loss = InfoNceLossConfig::new()
                .with_temperature(TEMPERATURE)
                .with_symmetric(symmetric)
                .with_distance(distance)
                .init(&device());
            let definition = |queries: &Rows, keys: &Rows| {
                let of = |queries: &Rows, keys: &Rows| {
                    let terms: Vec<f64> = (0..queries.len())
                        .map(|i| {
                            let logits: Vec<f64> = keys
                                .iter()
                                .map(|k| like(&queries[i], k) / TEMPERATURE)
                                .collect();
                            cross_entropy(&logits, i)
                        })
                        .collect();
                    mean(&terms)
                };
                match symmetric {
                    false => of(queries, keys),
                    true => (of(queries, keys) + of(keys, queries)) / 2.0,
                }
            };
            let queries: Rows = rows(7, 4)[1..].to_vec();
            assert_is(
                &queries,
                &|x| loss.forward(x, tensor(&keys, DType::F64)),
                &|queries| definition(queries, &keys),
            );
            assert_is(
                &keys,
                &|y| loss.forward(tensor(&queries, DType::F64), y),
                &|keys| definition(&queries, keys),
            );
        }
    }
}

#[test]
fn info_nce_is_its_definition_with_a_queue() {
    let (queries, keys, queue) = (rows(4, 3), rows(4, 3)[..].to_vec(), rows(9, 3));
    let keys: Rows = keys
        .iter()
        .map(|k| k.iter().map(|v| v * v - 0.3).collect())
        .collect();
    let loss = InfoNceLossConfig::new()
        .with_temperature(TEMPERATURE)
        .init(&device());
    let definition = |queries: &Rows, keys: &Rows, queue: &Rows| {
        let terms: Vec<f64> = (0..queries.len())
            .map(|i| {
                let mut logits = vec![cosine(&queries[i], &keys[i]) / TEMPERATURE];
                logits.extend(queue.iter().map(|k| cosine(&queries[i], k) / TEMPERATURE));
                cross_entropy(&logits, 0)
            })
            .collect();
        mean(&terms)
    };
    let t = |rows: &Rows| tensor(rows, DType::F64);
    assert_is(
        &queries,
        &|x| loss.forward_with_negatives(x, t(&keys), t(&queue)),
        &|queries| definition(queries, &keys, &queue),
    );
    assert_is(
        &keys,
        &|x| loss.forward_with_negatives(t(&queries), x, t(&queue)),
        &|keys| definition(&queries, keys, &queue),
    );
    assert_is(
        &queue,
        &|x| loss.forward_with_negatives(t(&queries), t(&keys), x),
        &|queue| definition(&queries, &keys, queue),
    );
}

#[test]
fn info_nce_is_its_definition_with_negatives_of_each_query() {
    const OWN: usize = 2;
    let (queries, queue) = (rows(4, 3), rows(9, 3)[5..].to_vec());
    let keys: Rows = rows(8, 3)[4..].to_vec();
    let own: Rows = rows(8, 3).iter().map(|r| vec![r[1], r[2], r[0]]).collect();
    let loss = InfoNceLossConfig::new()
        .with_temperature(TEMPERATURE)
        .init(&device());
    let definition = |queries: &Rows, own: &Rows| {
        let terms = queries.iter().enumerate().map(|(i, query)| {
            let others = queue.iter().chain(&own[i * OWN..(i + 1) * OWN]);
            let mut logits = vec![cosine(query, &keys[i]) / TEMPERATURE];
            logits.extend(others.map(|k| cosine(query, k) / TEMPERATURE));
            cross_entropy(&logits, 0)
        });
        mean(&terms.collect::<Vec<_>>())
    };
    let t = |rows: &Rows| tensor(rows, DType::F64);
    let value = |queries: Tensor<2>, own: Tensor<2>| {
        let own = own.reshape([4, OWN, 3]);
        loss.forward_with_own_negatives(queries, t(&keys), t(&queue), own)
    };
    assert_is(&queries, &|x| value(x, t(&own)), &|queries| {
        definition(queries, &own)
    });
    assert_is(&own, &|x| value(t(&queries), x), &|own| {
        definition(&queries, own)
    });
}

#[test]
fn info_nce_is_its_definition_with_weighted_negatives() {
    let (queries, keys, queue) = (rows(4, 3), rows(8, 3)[4..].to_vec(), rows(5, 3));
    // The first query has one negative left, the last none.
    let weights: Rows = vec![
        vec![0.0, 0.0, 2.0, 0.0, f64::NAN],
        vec![0.5, 1.0, 1.5, 0.0, 2.0],
        vec![1e-3, 1e3, 1.0, 1.0, 1.0],
        vec![0.0; 5],
    ];
    let loss = InfoNceLossConfig::new()
        .with_temperature(TEMPERATURE)
        .init(&device());
    let definition = |queries: &Rows, queue: &Rows| {
        let terms = queries.iter().enumerate().map(|(i, query)| {
            let own = (cosine(query, &keys[i]) / TEMPERATURE).exp();
            let others = queue.iter().zip(&weights[i]).filter(|(_, w)| **w > 0.0);
            let others: f64 = others
                .map(|(n, w)| w * (cosine(query, n) / TEMPERATURE).exp())
                .sum();
            (1.0 + others / own).ln()
        });
        mean(&terms.collect::<Vec<_>>())
    };
    let t = |rows: &Rows| tensor(rows, DType::F64);
    let value = |queries: Tensor<2>, queue: Tensor<2>| {
        loss.forward_with_weighted_negatives(queries, t(&keys), queue, t(&weights))
    };
    assert_is(&queries, &|x| value(x, t(&queue)), &|queries| {
        definition(queries, &queue)
    });
    assert_is(&queue, &|x| value(t(&queries), x), &|queue| {
        definition(&queries, queue)
    });
}

#[test]
fn decoupled_is_its_definition() {
    let likes: [(EmbeddingDistance, Likeness); 3] = [
        (EmbeddingDistance::Cosine, cosine),
        (EmbeddingDistance::InnerProduct, dot),
        (EmbeddingDistance::Euclidean, |a, b| -euclidean(a, b)),
    ];
    for (distance, like) in likes {
        let loss = decoupled(None, distance);
        assert_is(&rows(8, 3), &|x| loss(x, labels(&CLASSES)), &|rows| {
            over_pairs(rows, like, &|s, _, negatives| {
                -s / TEMPERATURE + sum_exp(negatives, 1.0 / TEMPERATURE).ln()
            })
        });
    }
}

#[test]
fn decoupled_with_weights_is_its_definition_with_weights_held_fixed() {
    const SIGMA: f64 = 0.5;
    for (distance, like) in [
        (EmbeddingDistance::Cosine, cosine as Likeness),
        (EmbeddingDistance::InnerProduct, dot),
    ] {
        let loss = decoupled(Some(SIGMA), distance);
        let fixed = rows(8, 3);
        let mut at = Vec::new();
        for (i, x) in fixed.iter().enumerate() {
            at.extend(similarities((i, x), &fixed, &CLASSES, like, true).0);
        }
        let powers: Vec<f64> = at.iter().map(|s| (s / SIGMA).exp()).collect();
        let weights: Vec<f64> = powers.iter().map(|p| 2.0 - p / mean(&powers)).collect();
        assert_is(&fixed, &|x| loss(x, labels(&CLASSES)), &|rows| {
            let pair = std::cell::Cell::new(0);
            over_pairs(rows, like, &|s, _, negatives| {
                let weight = weights[pair.replace(pair.get() + 1)];
                -weight * s / TEMPERATURE + sum_exp(negatives, 1.0 / TEMPERATURE).ln()
            })
        });
    }
}

/// Rows near others of their class, whose estimates reach the bound sooner.
fn clustered() -> Rows {
    let centres = rows(4, 3);
    let mut rows = rows(8, 3);
    for (row, class) in rows.iter_mut().zip(CLASSES) {
        for (x, centre) in row.iter_mut().zip(&centres[class as usize]) {
            *x = *x * 0.4 + centre;
        }
    }
    rows
}

#[test]
fn debiased_and_hard_negatives_are_their_definitions() {
    for tau in [0.0, 0.1, 0.2] {
        let loss = debiased(tau);
        assert_is(&clustered(), &|x| loss(x, labels(&CLASSES)), &|rows| {
            over_pairs(rows, cosine, &|s, p, n| debiased_term(s, p, n, tau, 0.0))
        });
        for beta in [0.0, 0.5, 2.0] {
            let loss = hard(tau, beta);
            assert_is(&clustered(), &|x| loss(x, labels(&CLASSES)), &|rows| {
                over_pairs(rows, cosine, &|s, p, n| debiased_term(s, p, n, tau, beta))
            });
        }
    }
}

#[test]
fn weights_of_negatives_are_part_of_their_importance() {
    let weights: Vec<f64> = (0..8).map(|i| 0.2 + 0.3 * f64::from(i)).collect();
    let logs: Vec<f64> = weights.iter().map(|w| w.ln()).collect();
    let logs = Tensor::<1>::from_data(TensorData::new(logs, [8]), (&device(), DType::F64));
    let (tau, beta, t) = (0.1, 0.5, 1.0 / TEMPERATURE);
    let loss = HardNegativeContrastiveLossConfig::new()
        .with_temperature(TEMPERATURE)
        .with_tau_plus(tau)
        .with_beta(beta)
        .init(&device());
    let by_definition = |x: &Rows, y: &Rows, within: bool| {
        let mut terms = Vec::new();
        for (i, row) in x.iter().enumerate() {
            let others = (0..y.len()).filter(|&j| !within || j != i);
            let (same, other): (Vec<usize>, Vec<usize>) =
                others.partition(|&j| CLASSES[i] == CLASSES[j]);
            let s = |j: &usize| cosine(row, &y[*j]);
            let sum = |power: f64| -> f64 {
                other
                    .iter()
                    .map(|j| weights[*j] * (power * t * s(j)).exp())
                    .sum()
            };
            let n = other.len() as f64;
            let negative = n * sum(1.0 + beta) / sum(beta);
            let positive = mean(&same.iter().map(|j| (t * s(j)).exp()).collect::<Vec<f64>>());
            let all = ((negative - tau * n * positive) / (1.0 - tau)).max(n * (-t).exp());
            terms.extend(same.iter().map(|j| (1.0 + all / (t * s(j)).exp()).ln()));
        }
        mean(&terms)
    };
    let (x, y) = (clustered(), rows(8, 3));
    let within = |x| loss.forward_weighted(x, labels(&CLASSES), logs.clone());
    assert_is(&x, &within, &|x| by_definition(x, x, true));
    let against = |x| {
        let y = (tensor(&y, DType::F64), labels(&CLASSES));
        loss.forward_weighted_against(x, labels(&CLASSES), y.0, y.1, logs.clone())
    };
    assert_is(&x, &against, &|x| by_definition(x, &y, false));
}

/// Some rows of the cases above are at the bound and some are not, else they would not test both.
#[test]
fn the_bound_of_the_estimate_is_reached_by_some_rows_only() {
    let rows = clustered();
    let at_bound = |tau: f64| {
        let count = std::cell::Cell::new(0);
        over_pairs(&rows, cosine, &|_, p, n| {
            let (size, t) = (n.len() as f64, 1.0 / TEMPERATURE);
            let positive = sum_exp(p, t) / p.len() as f64;
            let sum = (sum_exp(n, t) - tau * size * positive) / (1.0 - tau);
            count.set(count.get() + usize::from(sum < size * (-t).exp()));
            0.0
        });
        count.get()
    };
    assert_eq!(at_bound(0.0), 0);
    assert!((1..10).contains(&at_bound(0.2)), "{}", at_bound(0.2));
}

#[test]
fn without_false_negatives_debiased_is_nt_xent() {
    let loss = debiased(0.0);
    let other = NtXentLossConfig::new()
        .with_temperature(TEMPERATURE)
        .init(&device());
    let x = rows(8, 3);
    let (a, ga) = value_and_gradient(&x, DType::F64, &|x| loss(x, labels(&CLASSES)));
    let (b, gb) = value_and_gradient(&x, DType::F64, &|x| other.forward(x, labels(&CLASSES)));
    assert!((a - b).abs() < 1e-12);
    for (a, b) in ga.concat().into_iter().zip(gb.concat()) {
        assert!((a - b).abs() < 1e-12);
    }
}

/// A reference set in which each row's class is there once more: gradients of both sets by central differences.
#[test]
fn against_a_reference_set_nothing_is_left_out() {
    let classes: [i64; 5] = [0, 1, 2, 3, 7];
    let (x, y) = (rows(8, 3), rows(5, 3));
    let over = |x: &Rows, y: &Rows, term: Term<'_>| {
        let mut terms = Vec::new();
        for (i, row) in x.iter().enumerate() {
            let (p, n) = similarities((i, row), y, &classes, cosine, false);
            terms.extend(p.iter().map(|&s| term(s, &p, &n)));
        }
        mean(&terms)
    };
    macro_rules! check {
        ($loss:expr, $term:expr) => {{
            let loss = $loss.init(&device());
            let forward = |x, y| loss.forward_against(x, labels(&CLASSES), y, labels(&classes));
            assert_is(&x, &|x| forward(x, tensor(&y, DType::F64)), &|x| {
                over(x, &y, &$term)
            });
            assert_is(&y, &|y| forward(tensor(&x, DType::F64), y), &|y| {
                over(&x, y, &$term)
            });
        }};
    }
    check!(
        DecoupledContrastiveLossConfig::new().with_temperature(TEMPERATURE),
        |s: f64, _: &[f64], n: &[f64]| -s / TEMPERATURE + sum_exp(n, 1.0 / TEMPERATURE).ln()
    );
    check!(
        DebiasedContrastiveLossConfig::new().with_temperature(TEMPERATURE),
        |s: f64, p: &[f64], n: &[f64]| debiased_term(s, p, n, 0.1, 0.0)
    );
    check!(
        HardNegativeContrastiveLossConfig::new().with_temperature(TEMPERATURE),
        |s: f64, p: &[f64], n: &[f64]| debiased_term(s, p, n, 0.1, 1.0)
    );
}

#[test]
fn the_order_of_the_batch_does_not_matter() {
    for (name, loss) in by_labels() {
        eprintln!("{name}");
        assert_ignores_order(&rows(8, 3), &CLASSES, &*loss);
    }
    // Pairs of query and key move together.
    let loss = InfoNceLossConfig::new()
        .with_symmetric(true)
        .init(&device());
    let keys = rows(8, 5);
    let numbers: Vec<i64> = (0..8).collect();
    let queries: Rows = keys.iter().rev().cloned().collect();
    assert_ignores_order(&queries, &numbers, &|x, order| {
        loss.forward(x, tensor(&keys, DType::F64).select(0, order))
    });
}

#[test]
fn extreme_embeddings_stay_finite_and_broken_ones_show() {
    for (name, loss) in by_labels() {
        eprintln!("{name}");
        let distinct = [0, 1, 2, 3, 4, 5, 6, 7];
        for classes in [CLASSES, [0; 8], distinct] {
            assert_stays_finite(8, 3, &|x| loss(x, labels(&classes)));
        }
        let antipodal = vec![vec![1.0, 0.5], vec![-1.0, -0.5], vec![1.0, 0.5]];
        for classes in [[0, 0, 1], [0, 1, 0]] {
            let (value, gradient) =
                value_and_gradient(&antipodal, DType::F32, &|x| loss(x, labels(&classes)));
            assert!(value.is_finite(), "{name}");
            assert!(gradient.concat().iter().all(|g| g.is_finite()), "{name}");
        }
        assert_shows_nan(8, 3, &|x| loss(x, labels(&CLASSES)));
        assert_is_zero_on_the_graph(&rows(8, 3), &|x| loss(x, labels(&[0; 8])));
        assert_is_zero_on_the_graph(&rows(8, 3), &|x| loss(x, labels(&distinct)));
        assert_is_zero_on_the_graph(&rows(1, 3), &|x| loss(x, labels(&[0])));
    }
}

#[test]
fn extreme_queries_and_keys_stay_finite_and_broken_ones_show() {
    for symmetric in [false, true] {
        let loss = InfoNceLossConfig::new()
            .with_symmetric(symmetric)
            .init(&device());
        let keys = || tensor(&rows(8, 3), DType::F32);
        assert_stays_finite(8, 3, &|x| loss.forward(x.clone(), x));
        assert_stays_finite(8, 3, &|x| loss.forward(x.clone(), -x));
        assert_stays_finite(8, 3, &|x| loss.forward(x, keys()));
        assert_stays_finite(8, 3, &|x| {
            loss.forward_with_negatives(x.clone(), -x, keys())
        });
        assert_stays_finite(8, 3, &|x| loss.forward_with_negatives(keys(), keys(), x));
        let weights = || Tensor::<2>::ones([8, 8], &device());
        assert_stays_finite(8, 3, &|x| {
            loss.forward_with_weighted_negatives(x.clone(), -x.clone(), x, weights())
        });
        assert_stays_finite(8, 3, &|x| {
            let own = x.clone().reshape([8, 1, 3]);
            loss.forward_with_own_negatives(x.clone(), -x.clone(), x, own)
        });
        assert_shows_nan(8, 3, &|x| loss.forward(x, keys()));
        assert_shows_nan(8, 3, &|x| loss.forward_with_negatives(keys(), keys(), x));
        let one = || tensor(&rows(1, 3), DType::F32);
        assert_is_zero_on_the_graph(&rows(1, 3), &|x| loss.forward(x, one()));
        let none = || Tensor::<2>::zeros([0, 3], &device());
        assert_is_zero_on_the_graph(&rows(1, 3), &|x| {
            loss.forward_with_negatives(x, one(), none())
        });
    }
}

#[test]
fn parameters_out_of_range_are_named() {
    let named = |result: Result<(), ConfigError>, field: &str| {
        assert!(
            result.unwrap_err().to_string().starts_with(field),
            "{field}"
        );
    };
    for bad in [0.0, -1.0, f64::NAN] {
        named(
            InfoNceLossConfig::new().with_temperature(bad).validate(),
            "temperature",
        );
        let config = DecoupledContrastiveLossConfig::new;
        named(config().with_temperature(bad).validate(), "temperature");
        named(config().with_weighting(Some(bad)).validate(), "weighting");
    }
    for bad in [1.0, -0.1, f64::NAN] {
        let config = DebiasedContrastiveLossConfig::new();
        named(config.with_tau_plus(bad).validate(), "tau_plus");
        let config = HardNegativeContrastiveLossConfig::new();
        named(config.with_tau_plus(bad).validate(), "tau_plus");
    }
    let config = HardNegativeContrastiveLossConfig::new();
    named(config.with_beta(-1.0).validate(), "beta");
}

#[test]
#[should_panic(expected = "one key a query")]
fn queries_and_keys_of_different_number_panic() {
    let loss = InfoNceLossConfig::new().init(&device());
    loss.forward(
        tensor(&rows(3, 2), DType::F32),
        tensor(&rows(4, 2), DType::F32),
    );
}
