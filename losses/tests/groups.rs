//! Losses of rows against pairs, centroids, clusters and proxies, against their definitions.
#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and some numbers are exact"
)]

use burn::tensor::{DType, Int, Tensor};
use metric_losses::*;

use crate::common::*;

/// A class with three rows, two with two, and one row alone.
const CLASSES: [i64; 8] = [0, 1, 0, 2, 0, 1, 2, 3];

fn squared(a: &[f64], b: &[f64]) -> f64 {
    euclidean(a, b).powi(2)
}

fn mean(terms: &[f64]) -> f64 {
    terms.iter().sum::<f64>() / terms.len() as f64
}

fn log_sum_exp(terms: &[f64]) -> f64 {
    let largest = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    largest + terms.iter().map(|t| (t - largest).exp()).sum::<f64>().ln()
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn unit(row: &[f64]) -> Vec<f64> {
    let norm = dot(row, row).sqrt();
    row.iter().map(|v| v / norm).collect()
}

fn sum_of<'a>(rows: impl Iterator<Item = &'a Vec<f64>>, dim: usize) -> Vec<f64> {
    rows.fold(vec![0.0; dim], |sum, row| {
        sum.iter().zip(row).map(|(a, b)| a + b).collect()
    })
}

fn soft_nearest_neighbor_of(rows: &Rows, inverse: f64) -> f64 {
    let mut terms = Vec::new();
    for i in 0..rows.len() {
        let logits = |keep: &dyn Fn(usize) -> bool| {
            let others = (0..rows.len()).filter(|&j| j != i && keep(j));
            others
                .map(|j| -squared(&rows[i], &rows[j]) * inverse)
                .collect::<Vec<_>>()
        };
        let same = logits(&|j| CLASSES[j] == CLASSES[i]);
        if !same.is_empty() {
            terms.push(log_sum_exp(&logits(&|_| true)) - log_sum_exp(&same));
        }
    }
    mean(&terms)
}

#[test]
fn soft_nearest_neighbor_with_a_fixed_and_a_learned_temperature() {
    let config = SoftNearestNeighborLossConfig::new().with_temperature(0.3);
    let loss = config.init(&device());
    assert!(loss.inverse_temperature().is_none());
    assert_is(
        &rows(8, 3),
        &|x| loss.forward(x, labels(&CLASSES)),
        &|rows| soft_nearest_neighbor_of(rows, 1.0 / 0.3),
    );

    // A power of two is the same in both precisions.
    let learned = config
        .with_temperature(0.25)
        .with_learn_temperature(true)
        .init(&device());
    let value = learned.forward(tensor(&rows(8, 3), DType::F64), labels(&CLASSES));
    let inverse = learned.inverse_temperature().unwrap();
    let gradient = to_f64(inverse.grad(&value.backward()).unwrap());
    let of = |inverse| soft_nearest_neighbor_of(&rows(8, 3), inverse);
    assert!((to_f64(value) - of(4.0)).abs() < 1e-11);
    let expected = (of(4.0 + 1e-5) - of(4.0 - 1e-5)) / 2e-5;
    // A parameter in single precision: its gradient is rounded to that.
    assert!((gradient - expected).abs() <= 1e-6 * (1.0 + expected.abs()));
}

#[test]
fn soft_nearest_neighbor_is_nca_with_the_inverse_temperature_as_scale() {
    let soft = SoftNearestNeighborLossConfig::new()
        .with_temperature(2.0)
        .init(&device());
    let nca = NcaLossConfig::new().with_scale(0.5).init(&device());
    let x = || tensor(&rows(8, 3), DType::F64);
    let (a, b) = (
        soft.forward_against(x(), labels(&CLASSES), x(), labels(&CLASSES)),
        nca.forward_against(x(), labels(&CLASSES), x(), labels(&CLASSES)),
    );
    assert_eq!(to_f64(a), to_f64(b));
}

/// Of `n` pairs, the rest being hard negatives.
fn ranking_of(
    (anchors, candidates): (&[Vec<f64>], &[Vec<f64>]),
    like: fn(&[f64], &[f64]) -> f64,
    (scale, symmetric): (f64, bool),
) -> f64 {
    let n = anchors.len();
    let logit = |i: usize, j: usize| scale * like(&anchors[i], &candidates[j]);
    let term = |all: Vec<f64>, own: f64| log_sum_exp(&all) - own;
    let found: Vec<f64> = (0..n)
        .map(|i| {
            let all = (0..candidates.len()).map(|j| logit(i, j)).collect();
            term(all, logit(i, i))
        })
        .collect();
    if !symmetric {
        return mean(&found);
    }
    let back: Vec<f64> = (0..n)
        .map(|j| term((0..n).map(|i| logit(i, j)).collect(), logit(j, j)))
        .collect();
    (mean(&found) + mean(&back)) / 2.0
}

#[test]
fn multiple_negatives_ranking_one_way_and_both_with_and_without_hard_negatives() {
    for symmetric in [false, true] {
        let config = MultipleNegativesRankingLossConfig::new()
            .with_symmetric(symmetric)
            .with_scale(5.0);
        let loss = config.init(&device());
        assert_is(
            &rows(8, 3),
            &|x| loss.forward(x.clone().narrow(0, 0, 4), x.narrow(0, 4, 4)),
            &|rows| ranking_of(rows.split_at(4), cosine, (5.0, symmetric)),
        );
        let paper = config
            .with_scale(1.0)
            .with_distance(EmbeddingDistance::InnerProduct)
            .init(&device());
        assert_is(
            &rows(9, 3),
            &|x| {
                paper.forward_with_negatives(
                    x.clone().narrow(0, 0, 3),
                    x.clone().narrow(0, 3, 3),
                    x.narrow(0, 6, 3),
                )
            },
            &|rows| ranking_of(rows.split_at(3), dot, (1.0, symmetric)),
        );
    }
}

/// A number of another implementation, pytorch-metric-learning 2.9.0 on torch.
#[test]
fn ranking_rows_with_themselves_is_the_instance_loss_within_a_batch() {
    let x = || tensor(&five(), DType::F64);
    let loss = MultipleNegativesRankingLossConfig::new().with_scale(4.0);
    let value = to_f64(loss.init(&device()).forward(x(), x()));
    assert!((value - 0.193_931_219_166_033_84).abs() < 1e-12, "{value}");
}

#[test]
#[should_panic(expected = "one positive an anchor: [3, 2] and [4, 2]")]
fn pairs_must_be_complete() {
    let loss = MultipleNegativesRankingLossConfig::new().init(&device());
    loss.forward(
        tensor(&rows(3, 2), DType::F32),
        tensor(&rows(4, 2), DType::F32),
    );
}

fn ge2e_of(rows: &Rows, variant: Ge2eVariant, (w, b): (f64, f64)) -> f64 {
    let rows: Rows = rows.iter().map(|row| unit(row)).collect();
    let dim = rows[0].len();
    let mut terms = Vec::new();
    for i in 0..rows.len() {
        let rest = (0..rows.len()).filter(|&j| j != i && CLASSES[j] == CLASSES[i]);
        let rest: Vec<&Vec<f64>> = rest.map(|j| &rows[j]).collect();
        if rest.is_empty() {
            continue;
        }
        let own = w * cosine(&rows[i], &sum_of(rest.into_iter(), dim)) + b;
        let others: Vec<f64> = (0..4)
            .filter(|&class| class != CLASSES[i])
            .map(|class| {
                let members = (0..rows.len()).filter(|&j| CLASSES[j] == class);
                w * cosine(&rows[i], &sum_of(members.map(|j| &rows[j]), dim)) + b
            })
            .collect();
        terms.push(match variant {
            Ge2eVariant::Softmax => log_sum_exp(&[&[own], &*others].concat()) - own,
            Ge2eVariant::Contrast => {
                let closest = others.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                1.0 - sigmoid(own) + sigmoid(closest)
            }
        });
    }
    mean(&terms)
}

#[test]
fn ge2e_in_both_variants_with_gradients_of_scale_and_bias() {
    for variant in [Ge2eVariant::Softmax, Ge2eVariant::Contrast] {
        let loss = Ge2eLossConfig::new()
            .with_variant(variant)
            .with_scale(3.0)
            .with_bias(-1.5)
            .init(&device());
        let x = rows(8, 3);
        assert_is(&x, &|x| loss.forward(x, labels(&CLASSES)), &|rows| {
            ge2e_of(rows, variant, (3.0, -1.5))
        });
        let value = loss.forward(tensor(&x, DType::F64), labels(&CLASSES));
        let gradients = value.backward();
        let of = |w, b| ge2e_of(&x, variant, (w, b));
        let by_scale = (of(3.0 + 1e-5, -1.5) - of(3.0 - 1e-5, -1.5)) / 2e-5;
        let by_bias = (of(3.0, -1.5 + 1e-5) - of(3.0, -1.5 - 1e-5)) / 2e-5;
        // Parameters in single precision: their gradients are rounded to that.
        let got = to_f64(loss.scale().grad(&gradients).unwrap());
        assert!((got - by_scale).abs() <= 1e-6 * (1.0 + by_scale.abs()));
        let got = loss.bias().grad(&gradients).map_or(0.0, to_f64);
        assert!((got - by_bias).abs() <= 1e-6 * (1.0 + by_bias.abs()));
    }
}

#[test]
fn a_large_bias_does_not_erase_what_classes_differ_by() {
    let x = tensor(&rows(8, 3), DType::F32);
    let value = |bias: f64| {
        let loss = Ge2eLossConfig::new().with_bias(bias).init(&device());
        to_f64(loss.forward(x.clone(), labels(&CLASSES)))
    };
    assert_eq!(value(1e8), value(-5.0));
}

#[test]
fn instance_classifies_both_kinds_by_one_weight() {
    let (x, weight) = (rows(8, 3), rows(5, 3));
    let y = [0, 4, 2, 2];
    for (scale, normalize) in [(1.0, false), (6.0, true)] {
        let logit = move |a: &[f64], b: &[f64]| match normalize {
            true => scale * cosine(a, b),
            false => scale * dot(a, b),
        };
        let definition = |rows: &Rows, weight: &Rows| {
            let term = |row: &Vec<f64>, label: usize| {
                let logits: Vec<f64> = weight.iter().map(|w| logit(row, w)).collect();
                cross_entropy(&logits, label)
            };
            let of = |at: usize| {
                let terms = (0..4).map(|i| term(&rows[at + i], y[i] as usize));
                mean(&terms.collect::<Vec<_>>())
            };
            of(0) + of(4)
        };
        let make = |weight: Tensor<2>| {
            InstanceLossConfig::new(5, 3)
                .with_scale(scale)
                .with_normalize(normalize)
                .init(&device())
                .with_weight(weight)
        };
        let forward = |loss: &InstanceLoss, x: Tensor<2>| {
            let (images, texts) = (x.clone().narrow(0, 0, 4), x.narrow(0, 4, 4));
            loss.forward(images, texts, labels(&y))
        };
        let loss = make(tensor(&weight, DType::F64));
        assert_is(&x, &|x| forward(&loss, x), &|rows| {
            definition(rows, &weight)
        });
        assert_weight_gradient(
            &weight,
            &|weight| {
                let loss = make(weight);
                (forward(&loss, tensor(&x, DType::F64)), loss.weight())
            },
            &|weight| definition(&x, weight),
        );
    }
}

/// Clusters of a class: class 0 has rows 0, 2 and row 4, class 1 one cluster, class 2 two.
const CLUSTERS: [i64; 8] = [0, 0, 0, 5, 1, 0, 1, 0];

fn magnet_of(rows: &Rows, alpha: f64) -> (f64, usize) {
    let key = |i: usize| (CLASSES[i], CLUSTERS[i]);
    let centre = |of: (i64, i64)| -> Vec<f64> {
        let members: Vec<&Vec<f64>> = (0..8).filter(|&j| key(j) == of).map(|j| &rows[j]).collect();
        let count = members.len() as f64;
        let sum = sum_of(members.into_iter(), rows[0].len());
        sum.into_iter().map(|v| v / count).collect()
    };
    let own: Vec<f64> = (0..8).map(|i| squared(&rows[i], &centre(key(i)))).collect();
    let variance = own.iter().sum::<f64>() / 7.0;
    let mut keys: Vec<_> = (0..8).map(key).collect();
    keys.sort_unstable();
    keys.dedup();
    let mut terms = Vec::new();
    for i in 0..8 {
        let others = keys.iter().filter(|key| key.0 != CLASSES[i]);
        let others = others.map(|&key| -squared(&rows[i], &centre(key)) / (2.0 * variance));
        let others: Vec<f64> = others.collect();
        terms.push((own[i] / (2.0 * variance) + alpha + log_sum_exp(&others)).max(0.0));
    }
    (mean(&terms), terms.iter().filter(|&&t| t > 0.0).count())
}

#[test]
fn magnet_with_gradients_through_means_and_variance() {
    let x = rows(8, 3);
    // All rows above the margin, some, none.
    for (alpha, counts) in [(1.0, 8..=8), (-1.2, 1..=7), (-30.0, 0..=0)] {
        let (_, above) = magnet_of(&x, alpha);
        assert!(counts.contains(&above), "alpha {alpha}: {above}");
        let loss = MagnetLossConfig::new().with_alpha(alpha).init(&device());
        assert_is(
            &x,
            &|x| loss.forward(x, labels(&CLASSES), labels(&CLUSTERS)),
            &|rows| magnet_of(rows, alpha).0,
        );
    }
}

#[test]
fn magnet_does_not_change_with_the_scale_of_the_rows() {
    let loss = MagnetLossConfig::new().init(&device());
    let value = |factor: f64| {
        let x = tensor(&rows(8, 3), DType::F32) * factor;
        to_f64(loss.forward(x, labels(&CLASSES), labels(&CLUSTERS)))
    };
    // Powers of two change no digit.
    assert_eq!(value(1.0), value(2f64.powi(50)));
    assert_eq!(value(1.0), value(2f64.powi(-50)));
}

/// Gauss–Jordan with the largest pivot.
fn inverse(mut a: Rows) -> Rows {
    let n = a.len();
    let mut result: Rows = (0..n)
        .map(|i| (0..n).map(|j| f64::from(u8::from(i == j))).collect())
        .collect();
    for column in 0..n {
        let pivot = (column..n)
            .max_by(|&i, &j| a[i][column].abs().total_cmp(&a[j][column].abs()))
            .unwrap();
        a.swap(column, pivot);
        result.swap(column, pivot);
        let by = a[column][column];
        for j in 0..n {
            a[column][j] /= by;
            result[column][j] /= by;
        }
        for i in (0..n).filter(|&i| i != column) {
            let by = a[i][column];
            for j in 0..n {
                a[i][j] -= by * a[column][j];
                result[i][j] -= by * result[column][j];
            }
        }
    }
    result
}

fn manifold_of(rows: &Rows, proxies: &Rows, assigned: &[i64], parameters: (f64, f64, f64)) -> f64 {
    let (alpha, margin, context_weight) = parameters;
    let nodes: Vec<&Vec<f64>> = rows.iter().chain(proxies).collect();
    let (n, all) = (rows.len(), nodes.len());
    let weight = |i: usize, j: usize| match i == j {
        true => 0.0,
        false => (cosine(nodes[i], nodes[j]).max(0.0) / 0.5).exp(),
    };
    let degrees: Vec<f64> = (0..all)
        .map(|i| (0..all).map(|j| weight(i, j)).sum())
        .collect();
    let system: Rows = (0..all)
        .map(|i| {
            let step = |j: usize| alpha * weight(i, j) / (degrees[i] * degrees[j]).sqrt();
            (0..all)
                .map(|j| f64::from(u8::from(i == j)) - step(j))
                .collect()
        })
        .collect();
    let walks = inverse(system);
    let violations = |similarity: &dyn Fn(usize) -> f64, own: usize| {
        let gaps = (0..proxies.len()).filter(|&p| p != own);
        let gaps = gaps.map(|p| similarity(p) - similarity(own) + margin);
        gaps.filter(|&gap| gap > 0.0)
            .map(f64::exp)
            .sum::<f64>()
            .ln_1p()
    };
    let terms: Vec<f64> = (0..n)
        .map(|i| {
            let own = assigned[i] as usize;
            violations(&|p| (1.0 - alpha) * walks[i][n + p], own)
                + context_weight * violations(&|p| cosine(&walks[i], &walks[n + p]), own)
        })
        .collect();
    mean(&terms)
}

fn five() -> Rows {
    vec![
        vec![1.0, 0.2, 0.1],
        vec![0.3, 1.0, -0.2],
        vec![-0.5, 0.2, 1.0],
        vec![0.4, 0.4, -0.7],
        vec![0.1, -0.9, 0.3],
    ]
}

fn four() -> Rows {
    vec![
        vec![1.0, 0.0, 0.0],
        vec![0.0, 1.0, 0.0],
        vec![0.0, 0.0, 1.0],
        vec![1.0, 1.0, 1.0],
    ]
}

const ASSIGNED: [i64; 5] = [0, 1, 2, 3, 3];

fn manifold(proxies: &Rows, (alpha, margin, context): (f64, f64, f64)) -> ManifoldProxiesLoss {
    ManifoldProxiesLossConfig::new(3)
        .with_num_proxies(proxies.len())
        .with_alpha(alpha)
        .with_margin(margin)
        .with_context_weight(context)
        .init(&device())
        .with_weight(tensor(proxies, DType::F64))
}

#[test]
fn manifold_proxies_with_gradients_to_rows_and_proxies() {
    let (x, proxies) = (rows(5, 3), rows(4, 3));
    for parameters in [(0.8, 1.5, 0.7), (0.3, 0.01, 1.0), (0.99, 5e-4, 1.0)] {
        let loss = manifold(&proxies, parameters);
        assert_is(&x, &|x| loss.forward(x, labels(&ASSIGNED)), &|rows| {
            manifold_of(rows, &proxies, &ASSIGNED, parameters)
        });
        assert_weight_gradient(
            &proxies,
            &|weight| {
                let loss = manifold(&to_rows(weight), parameters);
                let value = loss.forward(tensor(&x, DType::F64), labels(&ASSIGNED));
                (value, loss.weight())
            },
            &|proxies| manifold_of(&x, proxies, &ASSIGNED, parameters),
        );
    }
}

/// Numbers of another implementation, pytorch-metric-learning 2.9.0 on torch, which solves the system in single precision.
#[test]
fn manifold_proxies_agree_with_another_implementation() {
    for (margin, expected) in [
        (0.5, 3.495_179_374_406_259),
        (5e-4, 0.721_069_181_987_846_1),
    ] {
        let loss = manifold(&four(), (0.8, margin, 1.0));
        let value = to_f64(loss.forward(tensor(&five(), DType::F64), labels(&ASSIGNED)));
        assert!((value - expected).abs() < 1e-6, "{value}");
    }
}

#[test]
fn a_walk_that_hardly_ends_and_a_huge_margin_keep_their_digits() {
    let (x, proxies) = (five(), four());
    for end in [1e-6, 1e-9] {
        // The system has condition 1 / (1 − α) and both ways of solving it lose that much: some ten roundings of F, whose
        // differences enter with weights of at most 1.
        let parameters = (1.0 - end, 0.5, 1.0);
        let loss = manifold(&proxies, parameters);
        let value = to_f64(loss.forward(tensor(&x, DType::F64), labels(&ASSIGNED)));
        let expected = manifold_of(&x, &proxies, &ASSIGNED, parameters);
        let tolerance = 10.0 * f64::EPSILON / end;
        assert!((value - expected).abs() < tolerance, "{value} {expected}");
    }

    let loss = manifold(&proxies, (0.8, 1e3, 1.0));
    let (value, gradient) =
        value_and_gradient(&x, DType::F32, &|x| loss.forward(x, labels(&ASSIGNED)));
    // log Σ e^(1000 + something below 1) over three proxies, twice
    assert!((value - 2.0 * (1e3 + 3f64.ln())).abs() < 2.0, "{value}");
    assert!(gradient.concat().iter().all(|g| g.is_finite()));
}

type Forward = Box<dyn Fn(Tensor<2>, Tensor<1, Int>) -> Tensor<1>>;

/// Losses of a batch and its labels.
fn all() -> Vec<(&'static str, Forward)> {
    let soft = SoftNearestNeighborLossConfig::new().init(&device());
    let learned = SoftNearestNeighborLossConfig::new()
        .with_learn_temperature(true)
        .init(&device());
    let softmax = Ge2eLossConfig::new().init(&device());
    let contrast = Ge2eLossConfig::new()
        .with_variant(Ge2eVariant::Contrast)
        .init(&device());
    let magnet = MagnetLossConfig::new().init(&device());
    vec![
        ("soft", Box::new(move |x, y| soft.forward(x, y))),
        ("soft, learned", Box::new(move |x, y| learned.forward(x, y))),
        ("ge2e", Box::new(move |x, y| softmax.forward(x, y))),
        (
            "ge2e, contrast",
            Box::new(move |x, y| contrast.forward(x, y)),
        ),
        (
            "magnet",
            Box::new(move |x, y| magnet.forward(x, y.clone(), y)),
        ),
    ]
}

#[test]
fn the_order_of_the_batch_does_not_matter() {
    for (_, loss) in all() {
        assert_ignores_order(&rows(8, 3), &CLASSES, &*loss);
    }
    let loss = MultipleNegativesRankingLossConfig::new().init(&device());
    let ranking = |x: Tensor<2>, _: Tensor<1, Int>| loss.forward(x.clone(), x * 2.0 + 0.3);
    assert_ignores_order(&rows(8, 3), &CLASSES, &ranking);
    let loss = manifold(&rows(4, 3), (0.8, 0.5, 1.0));
    assert_ignores_order(&rows(8, 3), &CLASSES, &|x, y| loss.forward(x, y));
    let loss = InstanceLossConfig::new(4, 3)
        .init(&device())
        .with_weight(tensor(&rows(4, 3), DType::F64));
    let instance = |x: Tensor<2>, y: Tensor<1, Int>| loss.forward_one(x, y);
    assert_ignores_order(&rows(8, 3), &CLASSES, &instance);
}

#[test]
fn extreme_embeddings_stay_finite_and_broken_ones_show() {
    for (name, loss) in all() {
        eprintln!("{name}");
        for classes in [CLASSES, [0; 8], [0, 1, 2, 3, 4, 5, 6, 7]] {
            assert_stays_finite(8, 3, &|x| loss(x, labels(&classes)));
        }
        // Of these, every row has a term in magnet loss: it is a cluster of its own.
        if name != "magnet" {
            let distinct = [0, 1, 2, 3, 4, 5, 6, 7];
            assert_is_zero_on_the_graph(&rows(8, 3), &|x| loss(x, labels(&distinct)));
        }
        for classes in [[0i64, 0, 1], [0, 1, 0]] {
            let antipodal = vec![vec![1.0, 0.5], vec![-1.0, -0.5], vec![1.0, 0.5]];
            let (value, gradient) =
                value_and_gradient(&antipodal, DType::F32, &|x| loss(x, labels(&classes)));
            assert!(value.is_finite());
            assert!(gradient.concat().iter().all(|g| g.is_finite()));
        }
        assert_is_zero_on_the_graph(&rows(1, 3), &|x| loss(x, labels(&[0])));
        assert_shows_nan(8, 3, &|x| loss(x, labels(&CLASSES)));
    }
    let ranking = MultipleNegativesRankingLossConfig::new()
        .with_symmetric(true)
        .init(&device());
    let halves = |x: Tensor<2>| {
        let n = x.dims()[0] / 2;
        ranking.forward(x.clone().narrow(0, 0, n), x.narrow(0, n, n))
    };
    assert_stays_finite(8, 3, &halves);
    assert_shows_nan(8, 3, &halves);
    assert_is_zero_on_the_graph(&rows(2, 3), &halves);
}

#[test]
fn losses_with_vectors_of_their_own_behave() {
    let instance = InstanceLossConfig::new(8, 3)
        .with_normalize(true)
        .init(&device());
    let manifold = ManifoldProxiesLossConfig::new(3)
        .with_num_proxies(8)
        .init(&device());
    let losses: [NamedLoss; 2] = [
        (
            "instance",
            Box::new(move |x, y| instance.forward(x.clone(), x, y)),
        ),
        ("manifold", Box::new(move |x, y| manifold.forward(x, y))),
    ];
    for loss in &losses {
        assert_behaves_as_a_class_loss(loss);
    }
}

#[test]
fn configurations_out_of_range_are_refused_by_name() {
    let message = |checked: Result<(), ConfigError>| checked.unwrap_err().to_string();
    let wrong = SoftNearestNeighborLossConfig::new().with_temperature(0.0);
    assert_eq!(
        message(wrong.validate()),
        "temperature must be finite and above 0, got 0"
    );
    let wrong = MultipleNegativesRankingLossConfig::new().with_scale(-1.0);
    assert_eq!(
        message(wrong.validate()),
        "scale must be finite and above 0, got -1"
    );
    let wrong = Ge2eLossConfig::new().with_scale(0.0);
    assert_eq!(
        message(wrong.validate()),
        "scale must be finite and above 0, got 0"
    );
    let wrong = Ge2eLossConfig::new().with_bias(f64::NAN);
    assert_eq!(message(wrong.validate()), "bias must be finite, got NaN");
    let wrong = InstanceLossConfig::new(0, 3);
    assert_eq!(
        message(wrong.validate()),
        "num_instances must be at least 1, got 0"
    );
    let wrong = MagnetLossConfig::new().with_alpha(f64::INFINITY);
    assert_eq!(message(wrong.validate()), "alpha must be finite, got inf");
    let wrong = ManifoldProxiesLossConfig::new(3).with_alpha(1.0);
    assert_eq!(
        message(wrong.validate()),
        "alpha must be above 0 and below 1, got 1"
    );
    let wrong = ManifoldProxiesLossConfig::new(3).with_num_proxies(0);
    assert_eq!(
        message(wrong.validate()),
        "num_proxies must be at least 1, got 0"
    );
}
