//! Labels that are more than integers, weights of rows, and means per anchor: losses against their definitions as loops.
#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and some numbers are exact"
)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use burn::tensor::{DType, Tensor, TensorData};
use metric_losses::*;

use crate::common::*;

const N: usize = 9;

/// Streamed, and by the matrix of all pairs.
const DISTANCES: [EmbeddingDistance; 2] = [
    EmbeddingDistance::Euclidean,
    EmbeddingDistance::Lp { p: 2.0, power: 1.0 },
];

fn sets() -> Vec<Vec<i64>> {
    vec![
        vec![1, 2],
        vec![2],
        vec![2, 1, 1],
        vec![3, 4],
        vec![],
        vec![4],
        vec![],
        vec![2, 3, 4],
        vec![9],
    ]
}

/// The definition, by looking every label up.
fn jaccard_of(a: &[i64], b: &[i64]) -> f64 {
    let distinct = |set: &[i64]| {
        let first = |&at: &usize| !set[..at].contains(&set[at]);
        (0..set.len())
            .filter(first)
            .map(|at| set[at])
            .collect::<Vec<_>>()
    };
    let (a, b) = (distinct(a), distinct(b));
    let common = a.iter().filter(|label| b.contains(label)).count();
    match a.len() + b.len() - common {
        0 => 1.0,
        all => common as f64 / all as f64,
    }
}

const KEYS: [i64; N] = [3, 14, 15, 92, 65, 35, 89, 79, 32];

/// Not symmetric; some grades are no numbers.
fn relation(a: i64, b: i64) -> f64 {
    match (a * 7 + b * 3) % 11 {
        0 => f64::NAN,
        1 => f64::INFINITY,
        2 => f64::NEG_INFINITY,
        grade => grade as f64 / 4.0 - 1.25,
    }
}

/// What a pair is by the definition: its grade if it is positive, none if it is negative.
type Pairs = Vec<Vec<Pair>>;

#[derive(Clone, Copy, PartialEq)]
enum Pair {
    Positive(f64),
    Negative,
    Neutral,
}

fn pairs(grade: impl Fn(usize, usize) -> f64, from: f64, to: f64) -> Pairs {
    let pair = |i: usize, j: usize| match grade(i, j) {
        _ if i == j => Pair::Neutral,
        grade if !grade.is_finite() => Pair::Neutral,
        grade if grade >= from => Pair::Positive(grade),
        grade if grade <= to => Pair::Negative,
        _ => Pair::Neutral,
    };
    let row = |i| (0..N).map(|j| pair(i, j)).collect();
    (0..N).map(row).collect()
}

struct Case {
    name: &'static str,
    labels: Labels,
    pairs: Pairs,
    weights: Vec<f64>,
}

fn weights() -> Vec<f64> {
    (0..N).map(|i| ((i * 5) % 4) as f64 * 0.75 - 0.5).collect()
}

fn vector(values: &[f64]) -> Tensor<1> {
    let data = TensorData::new(values.to_vec(), [values.len()]);
    Tensor::from_data(data, (&device(), DType::F64))
}

fn cases() -> Vec<Case> {
    let none = f64::INFINITY;
    let of_sets = |i: usize, j: usize| jaccard_of(&sets()[i], &sets()[j]);
    let of_keys = |i: usize, j: usize| relation(KEYS[i], KEYS[j]);
    let keys = |from| Labels::related(KEYS.to_vec(), from, Arc::new(relation)).unwrap();
    let integers = [0, 1, 0, 1, 2, 0, 0, 2, 5];
    let equal = |i: usize, j: usize| f64::from(integers[i] == integers[j]);
    let case = |name, labels, pairs| Case {
        name,
        labels,
        pairs,
        weights: vec![1.0; N],
    };
    let weighted = |case: Case| Case {
        labels: case.labels.with_weights(vector(&weights())),
        weights: weights(),
        ..case
    };
    let table = [2.0, 0.5, -1.0, 9.0, 9.0, 3.0];
    vec![
        case(
            "sets",
            Labels::sets(sets(), 0.5).unwrap(),
            pairs(of_sets, 0.5, 0.0),
        ),
        case(
            "sets, all others negative",
            Labels::sets(sets(), 0.5)
                .unwrap()
                .negatives_up_to(none)
                .unwrap(),
            pairs(of_sets, 0.5, none),
        ),
        case(
            "sets, all positive",
            Labels::sets(sets(), 0.0).unwrap(),
            pairs(of_sets, 0.0, 0.0),
        ),
        case("keys", keys(0.5), pairs(of_keys, 0.5, 0.0)),
        case(
            "keys, further negatives",
            keys(0.8).negatives_up_to(0.3).unwrap(),
            pairs(of_keys, 0.8, 0.3),
        ),
        weighted(case("weighted keys", keys(0.5), pairs(of_keys, 0.5, 0.0))),
        weighted(case(
            "weighted integers",
            labels(&integers).into(),
            pairs(equal, 0.5, 0.5),
        )),
        Case {
            weights: integers
                .iter()
                .map(|&class| table[class as usize])
                .collect(),
            ..case(
                "weighted classes",
                Labels::from(labels(&integers)).with_class_weights(vector(&table)),
                pairs(equal, 0.5, 0.5),
            )
        },
    ]
}

const REDUCERS: [Reducer; 4] = [
    Reducer::Mean,
    Reducer::Sum,
    Reducer::AvgNonZero,
    Reducer::PerAnchor,
];

/// The terms of each row become one number.
fn reduce(reducer: Reducer, terms: &[Vec<f64>], weights: &[f64]) -> f64 {
    let counts = |term: &f64| reducer != Reducer::AvgNonZero || *term > 0.0;
    let of_rows = terms.iter().zip(weights).filter_map(|(terms, weight)| {
        let terms: Vec<f64> = terms.iter().copied().filter(counts).collect();
        let sum = terms.iter().sum::<f64>() * weight;
        (!terms.is_empty()).then_some((sum, terms.len() as f64))
    });
    let of_rows: Vec<(f64, f64)> = of_rows.collect();
    let sum: f64 = of_rows.iter().map(|(sum, _)| sum).sum();
    let count: f64 = of_rows.iter().map(|(_, count)| count).sum();
    match reducer {
        Reducer::Sum => sum,
        Reducer::PerAnchor => {
            let means = of_rows.iter().map(|(sum, count)| sum / count);
            means.sum::<f64>() / (of_rows.len().max(1)) as f64
        }
        _ => sum / count.max(1.0),
    }
}

/// Distances of a row to its positives, with their grades, and to its negatives.
type Row = (Vec<(f64, f64)>, Vec<f64>);

fn of_rows(x: &Rows, case: &Case) -> Vec<Row> {
    let of_row = |i: usize| {
        let (mut positives, mut negatives) = (Vec::new(), Vec::new());
        for (j, pair) in case.pairs[i].iter().enumerate() {
            let distance = euclidean(&x[i], &x[j]);
            match pair {
                Pair::Positive(grade) => positives.push((distance, *grade)),
                Pair::Negative => negatives.push(distance),
                Pair::Neutral => {}
            }
        }
        (positives, negatives)
    };
    (0..N).map(of_row).collect()
}

fn log_sum_exp(x: impl Iterator<Item = f64>) -> f64 {
    // Logits are of size one.
    x.map(f64::exp).sum::<f64>().ln()
}

const TEMPERATURE: f64 = 0.5;

fn contrastive_of(x: &Rows, case: &Case, reducer: Reducer) -> f64 {
    let rows = of_rows(x, case);
    let hinge = |gap: f64| gap.max(0.0);
    let part = |of: &dyn Fn(&Row) -> Vec<f64>| {
        let terms: Vec<Vec<f64>> = rows.iter().map(of).collect();
        reduce(reducer, &terms, &case.weights)
    };
    part(&|(positives, _)| positives.iter().map(|(d, _)| hinge(d - 0.3)).collect())
        + part(&|(_, negatives)| negatives.iter().map(|d| hinge(1.4 - d)).collect())
}

fn triplet_of(x: &Rows, case: &Case, reducer: Reducer) -> f64 {
    let of_row = |(positives, negatives): Row| {
        let all = positives
            .iter()
            .flat_map(|(p, _)| negatives.iter().map(move |n| p - n));
        all.map(|gap| (gap + 0.2).max(0.0)).collect()
    };
    let terms: Vec<Vec<f64>> = of_rows(x, case).into_iter().map(of_row).collect();
    reduce(reducer, &terms, &case.weights)
}

fn nt_xent_of(x: &Rows, case: &Case, reducer: Reducer) -> f64 {
    let of_row = |(positives, negatives): Row| {
        let logit = |d: f64| -d / TEMPERATURE;
        let term = |p: f64| {
            let all = std::iter::once(p).chain(negatives.iter().copied());
            log_sum_exp(all.map(logit)) - logit(p)
        };
        positives.iter().map(|&(p, _)| term(p)).collect()
    };
    let terms: Vec<Vec<f64>> = of_rows(x, case).into_iter().map(of_row).collect();
    reduce(reducer, &terms, &case.weights)
}

fn sup_con_of(x: &Rows, case: &Case, reducer: Reducer, by_count: bool) -> f64 {
    let of_row = |(positives, negatives): Row| {
        let logit = |d: f64| -d / TEMPERATURE;
        let all = positives.iter().map(|&(d, _)| d).chain(negatives);
        let log_sum = log_sum_exp(all.map(logit));
        let terms = positives
            .iter()
            .map(|&(d, grade)| -grade * (logit(d) - log_sum));
        let total: f64 = terms.sum();
        let divisor = if by_count {
            positives.len() as f64
        } else {
            positives.iter().map(|(_, grade)| grade).sum()
        };
        if divisor > 0.0 {
            vec![total / divisor]
        } else {
            Vec::new()
        }
    };
    let terms: Vec<Vec<f64>> = of_rows(x, case).into_iter().map(of_row).collect();
    reduce(reducer, &terms, &case.weights)
}

#[test]
fn losses_are_their_definitions_for_every_kind_of_labels() {
    let x = rows(N, 3);
    let on = &device();
    for case in &cases() {
        for reducer in REDUCERS {
            for distance in DISTANCES {
                eprintln!("{}, {reducer:?}, {distance:?}", case.name);
                macro_rules! check {
                    ($config:expr, $definition:expr) => {
                        let loss = $config
                            .with_distance(distance)
                            .with_reducer(reducer)
                            .init(on);
                        assert_is(&x, &|x| loss.forward(x, case.labels.clone()), &|x| {
                            $definition(x)
                        });
                    };
                }
                check!(
                    ContrastiveLossConfig::new()
                        .with_pos_margin(0.3)
                        .with_neg_margin(1.4),
                    |x: &Rows| contrastive_of(x, case, reducer)
                );
                check!(
                    TripletMarginLossConfig::new().with_margin(0.2),
                    |x: &Rows| triplet_of(x, case, reducer)
                );
                check!(
                    NtXentLossConfig::new().with_temperature(TEMPERATURE),
                    |x: &Rows| nt_xent_of(x, case, reducer)
                );
                for by_count in [false, true] {
                    check!(
                        SupConLossConfig::new()
                            .with_temperature(TEMPERATURE)
                            .with_by_count(by_count),
                        |x: &Rows| sup_con_of(x, case, reducer, by_count)
                    );
                }
            }
        }
    }
}

type Forward = Box<dyn Fn(Tensor<2>, Labels) -> Tensor<1>>;
type Against = Box<dyn Fn((Tensor<2>, Labels), (Tensor<2>, Labels)) -> Tensor<1>>;

/// Every loss over the terms of rows whose pairs are alike or not.
fn losses(reducer: Reducer) -> Vec<(&'static str, Forward, Against)> {
    macro_rules! table {
        ($($config:expr),* $(,)?) => {
            vec![$((
                stringify!($config),
                {
                    let loss = $config.init(&device());
                    Box::new(move |x, labels| loss.forward(x, labels)) as Forward
                },
                {
                    let loss = $config.init(&device());
                    Box::new(move |(x, of), (y, to)| loss.forward_against(x, of, y, to)) as Against
                },
            )),*]
        };
    }
    table!(
        AngularLossConfig::new().with_reducer(reducer),
        CircleLossConfig::new()
            .with_gamma(8.0)
            .with_reducer(reducer),
        ContrastiveLossConfig::new().with_reducer(reducer),
        DebiasedContrastiveLossConfig::new().with_reducer(reducer),
        DecoupledContrastiveLossConfig::new().with_reducer(reducer),
        DecoupledContrastiveLossConfig::new()
            .with_weighting(Some(0.5))
            .with_reducer(reducer),
        DynamicSoftMarginLossConfig::new().with_reducer(reducer),
        DynamicSoftMarginLossConfig::new()
            .with_hardest(false)
            .with_reducer(reducer),
        FastApLossConfig::new().with_reducer(reducer),
        GeneralizedLiftedStructureLossConfig::new().with_reducer(reducer),
        HardNegativeContrastiveLossConfig::new().with_reducer(reducer),
        IntraPairVarianceLossConfig::new().with_reducer(reducer),
        LiftedStructureLossConfig::new().with_reducer(reducer),
        MarginLossConfig::new(),
        MultiSimilarityLossConfig::new().with_reducer(reducer),
        NcaLossConfig::new().with_reducer(reducer),
        NtXentLossConfig::new().with_reducer(reducer),
        PnpLossConfig::new().with_reducer(reducer),
        QuadrupletLossConfig::new().with_reducer(reducer),
        RankedListLossConfig::new().with_reducer(reducer),
        RecallAtKLossConfig::new().with_reducer(reducer),
        SelectivelyContrastiveTripletLossConfig::new().with_reducer(reducer),
        SmoothApLossConfig::new().with_reducer(reducer),
        SoftNearestNeighborLossConfig::new().with_reducer(reducer),
        SupConLossConfig::new().with_reducer(reducer),
        ThresholdConsistentMarginLossConfig::new(),
        TripletMarginLossConfig::new().with_reducer(reducer),
        TripletMarginLossConfig::new()
            .with_swap(true)
            .with_reducer(reducer),
        TripletMarginLossConfig::new()
            .with_choice(TripletChoice::SemiHard)
            .with_reducer(reducer),
        TripletMarginLossConfig::new()
            .with_choice(TripletChoice::BatchHard)
            .with_soft_margin(true)
            .with_reducer(reducer),
        TupletMarginLossConfig::new().with_reducer(reducer),
    )
}

/// Both forms on the rows of a batch, half of them the reference set of the second.
fn forms(
    x: &Tensor<2>,
    half: usize,
    of: &dyn Fn(usize, usize) -> Labels,
    loss: &(&'static str, Forward, Against),
) -> [f64; 2] {
    let part = |from: usize, to: usize| (x.clone().narrow(0, from, to - from), of(from, to));
    let n = x.dims()[0];
    let (_, forward, against) = loss;
    let (rows, labels) = part(0, n);
    [
        to_f64(forward(rows, labels)),
        to_f64(against(part(0, half), part(half, n))),
    ]
}

fn assert_close(got: [f64; 2], want: [f64; 2], name: &str) {
    for (got, want) in got.into_iter().zip(want) {
        // Sums of a few hundred terms in f64, of size 1 to 100.
        let close = (got - want).abs() <= 1e-11 * (1.0 + want.abs());
        assert!(close, "{name}: {got}, but {want} is expected");
    }
}

const CLASSES: [i64; N] = [0, 1, 2, 0, 0, 1, 2, 0, 1];

#[test]
fn sets_of_one_label_are_integers_for_every_loss() {
    let x = tensor(&rows(N, 4), DType::F64);
    for reducer in REDUCERS {
        for loss in &losses(reducer) {
            let classes = |from, to| labels(&CLASSES[from..to]).into();
            let sets = |from: usize, to: usize| {
                let sets = CLASSES[from..to].iter().map(|&class| vec![class]);
                Labels::sets(sets.collect(), 1.0).unwrap()
            };
            let keys = |from: usize, to: usize| {
                let same = |a: i64, b: i64| f64::from(a == b);
                Labels::related(CLASSES[from..to].to_vec(), 0.1, Arc::new(same)).unwrap()
            };
            let want = forms(&x, 5, &classes, loss);
            assert_close(forms(&x, 5, &sets, loss), want, loss.0);
            assert_close(forms(&x, 5, &keys, loss), want, loss.0);
        }
    }
}

#[test]
fn a_loss_is_linear_in_the_weights_of_its_anchors() {
    let x = tensor(&rows(N, 4), DType::F64);
    for reducer in REDUCERS {
        for loss in &losses(reducer) {
            let weighed = |weights: &[f64]| {
                let labels = |from: usize, to: usize| {
                    Labels::from(labels(&CLASSES[from..to]))
                        .with_weights(vector(&weights[from..to]))
                };
                forms(&x, 5, &labels, loss)
            };
            let unweighted = forms(&x, 5, &|from, to| labels(&CLASSES[from..to]).into(), loss);
            assert_close(weighed(&[1.0; N]), unweighted, loss.0);
            let mut sum = [0.0; 2];
            for i in 0..N {
                let mut one = [0.0; N];
                one[i] = 1.0;
                let alone = weighed(&one);
                let factor = weights()[i];
                sum = [0, 1].map(|form| sum[form] + factor * alone[form]);
                if i >= 5 {
                    assert_eq!(
                        alone[1], 0.0,
                        "{}: no anchor is in the reference set",
                        loss.0
                    );
                }
            }
            assert_close(weighed(&weights()), sum, loss.0);
        }
    }
}

#[test]
fn every_anchor_counts_the_same_where_each_has_as_many_terms() {
    let x = tensor(&rows(N, 4), DType::F64);
    let balanced = [0, 1, 2, 0, 1, 2, 0, 1, 2];
    for (mean, per_anchor) in losses(Reducer::Mean)
        .iter()
        .zip(&losses(Reducer::PerAnchor))
    {
        let of = |from, to| labels(&balanced[from..to]).into();
        // Whose number depends on the distances.
        if mean.0.contains("SemiHard") {
            continue;
        }
        let (want, got) = (forms(&x, 3, &of, mean), forms(&x, 3, &of, per_anchor));
        assert_close(got, want, mean.0);
    }
}

#[test]
fn an_anchor_with_many_terms_counts_no_more_than_one_with_few() {
    // All rows are one: every term is the margin, or a margin of each of two kinds.
    let x = Tensor::<2>::zeros([N, 2], (&device(), DType::F64));
    let uneven = [0, 0, 0, 0, 1, 1, 2, 2, 3];
    let weights: Vec<f64> = uneven
        .iter()
        .map(|&class| [1.0, 10.0, 100.0, 0.0][class as usize])
        .collect();
    let of = Labels::from(labels(&uneven)).with_weights(vector(&weights));
    // Of eight anchors.
    let want = (4.0 * 1.0 + 2.0 * 10.0 + 2.0 * 100.0) / 8.0;
    let loss = TripletMarginLossConfig::new()
        .with_margin(0.5)
        .with_reducer(Reducer::PerAnchor);
    let got = to_f64(loss.init(&device()).forward(x.clone(), of.clone()));
    assert!((got - 0.5 * want).abs() < 1e-12, "{got}");
    let loss = QuadrupletLossConfig::new()
        .with_margin(0.5)
        .with_other_margin(0.25)
        .with_reducer(Reducer::PerAnchor);
    let got = to_f64(loss.init(&device()).forward(x, of));
    assert!((got - 0.75 * want).abs() < 1e-12, "{got}");
}

#[test]
fn means_of_half_precision_neither_overflow_nor_lose_a_term() {
    // A thousand terms of 100 for each anchor: their sum is beyond `f16`.
    for dtype in [DType::F16, DType::BF16] {
        let hundreds = || Tensor::<2>::full([70, 1000], 100.0, (&device(), dtype)).require_grad();
        for reducer in [Reducer::Mean, Reducer::AvgNonZero, Reducer::PerAnchor] {
            let terms = hundreds();
            let value = reducer.reduce(terms.clone(), terms.clone().greater_scalar(0.0));
            let gradient = terms.grad(&value.backward()).unwrap();
            let value = to_f64(value);
            // 70,000 additions in `f32`; in half precision the sum ends where an addend is below its last digit.
            let rounding = 100.0 * 70_000.0 * f64::from(f32::EPSILON) / 2.0;
            assert!(
                (value - 100.0).abs() < rounding,
                "{reducer:?}, {dtype:?}: {value}"
            );
            let want = 1.0 / 70_000.0;
            // To the 8 binary digits of `bf16`, and to the last of the small numbers of `f16`.
            let close = |got: &f64| (got - want).abs() <= want / 256.0 + 2f64.powi(-24);
            assert!(to_rows(gradient).concat().iter().all(close));
        }
    }
}

#[test]
fn mined_triplets_are_grouped_by_their_anchors() {
    let triplets =
        metric_sampling::Triplets::new(vec![0, 0, 0, 1], vec![1, 1, 1, 0], vec![2, 3, 4, 2]);
    let triplets = TripletIndices::upload(&triplets.unwrap(), &device());
    let x = vec![vec![0.0], vec![1.0], vec![1.1], vec![1.2], vec![1.3]];
    let loss = TripletMarginLossConfig::new()
        .with_margin(1.0)
        .with_reducer(Reducer::PerAnchor)
        .init(&device());
    let value = to_f64(loss.forward_mined(tensor(&x, DType::F64), &triplets));
    // Anchor 0: 0.9, 0.8 and 0.7; anchor 1: 1 - 0.1 + 1.
    assert!((value - (0.8 + 1.9) / 2.0).abs() < 1e-12, "{value}");
}

#[test]
fn the_order_of_the_batch_changes_nothing() {
    let x = rows(N, 4);
    let order: Vec<usize> = (0..N).map(|i| (i * 5 + 2) % N).collect();
    let moved: Rows = order.iter().map(|&i| x[i].clone()).collect();
    let labels_in = |order: &[usize]| {
        let sets = order.iter().map(|&i| sets()[i].clone()).collect();
        let weights: Vec<f64> = order.iter().map(|&i| weights()[i]).collect();
        let sets = Labels::sets(sets, 0.5).unwrap();
        sets.with_weights(vector(&weights))
    };
    let in_order: Vec<usize> = (0..N).collect();
    for reducer in REDUCERS {
        for (name, forward, _) in &losses(reducer) {
            let value = |x: &Rows, order: &[usize]| {
                to_f64(forward(tensor(x, DType::F64), labels_in(order)))
            };
            let (want, got) = (value(&x, &in_order), value(&moved, &order));
            assert_close([got; 2], [want; 2], name);
        }
    }
}

#[test]
fn every_loss_stays_finite_and_shows_nan_for_every_kind_of_labels() {
    for case in &cases() {
        // A sum of squared distances of 1e18 is no number.
        for reducer in [Reducer::Mean, Reducer::AvgNonZero, Reducer::PerAnchor] {
            for (name, forward, _) in &losses(reducer) {
                eprintln!("{name}, {}, {reducer:?}", case.name);
                assert_stays_finite(N, 3, &|x| forward(x, case.labels.clone()));
                // Without negatives there is nothing to compare a distance with.
                if case.pairs.concat().contains(&Pair::Negative) {
                    assert_shows_nan(N, 3, &|x| forward(x, case.labels.clone()));
                }
            }
        }
    }
}

/// One term, 1 − d = 0.75, if the pair is negative, 0.25 if it is positive.
fn is_positive(of: Labels) -> bool {
    let loss = ContrastiveLossConfig::new().init(&device());
    let x = tensor(&vec![vec![0.0], vec![0.25]], DType::F32);
    let value = to_f64(loss.forward(x, of));
    assert!(value == 0.25 || value == 0.75, "{value}");
    value == 0.25
}

#[test]
fn thousands_of_common_labels_are_counted_exactly() {
    let pair = |a: i64, b: i64| vec![(0..a).collect::<Vec<i64>>(), (0..b).collect()];
    let all = |sets, from| {
        let labels = Labels::sets(sets, from).unwrap();
        is_positive(labels.negatives_up_to(f64::INFINITY).unwrap())
    };
    // More than 2048 integers are not exact in half precision, nor 2^24 in single.
    for (common, total, from) in [
        (2049, 4098, 0.5),
        (300, 3000, 0.1),
        (4097, 12_291, 1.0 / 3.0),
    ] {
        assert!(all(pair(common, total), from), "{common} of {total}");
        assert!(
            !all(pair(common - 1, total), from),
            "{common} - 1 of {total}"
        );
        assert!(
            !all(pair(common, total + 1), from),
            "{common} of {total} + 1"
        );
    }
    let many = [
        (0..5000).collect::<Vec<i64>>(),
        (2500..7500).rev().collect(),
    ];
    assert_eq!(jaccard(&many[0], &many[1]), 2500.0 / 7500.0);
    assert_eq!(jaccard(&[], &[]), 1.0);
    assert_eq!(jaccard(&[], &[1]), 0.0);
    assert_eq!(jaccard(&[1, 1, 1], &[1]), 1.0);
}

#[test]
fn a_grade_at_a_bound_is_within_it_whatever_the_precision_of_the_rows() {
    let of = |grade: f64| Labels::related(vec![0, 1], 0.1, Arc::new(move |_, _| grade)).unwrap();
    assert!(is_positive(of(0.1)));
    // In single precision 0.1 and the next smaller number are one.
    let below = 0.1_f64.next_down();
    assert_eq!(below as f32, 0.1_f32);
    assert!(!is_positive(of(below).negatives_up_to(below).unwrap()));
    for neutral in [below, 1e-300, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for distance in DISTANCES {
            let config = ContrastiveLossConfig::new().with_distance(distance);
            let loss = config.init(&device());
            assert_is_zero_on_the_graph(&rows(2, 3), &|x| loss.forward(x, of(neutral)));
        }
    }
    let loss = ContrastiveLossConfig::new().init(&device());
    assert_is_zero_on_the_graph(&vec![vec![3.0]], &|x| {
        loss.forward(x, Labels::sets(vec![vec![1]], 0.5).unwrap())
    });
}

#[test]
fn a_memory_remembers_keys_and_asks_the_function_of_the_batch() {
    let table = sets();
    let similar = Arc::new(move |a: i64, b: i64| jaccard(&table[a as usize], &table[b as usize]));
    let keys = |keys: &[i64]| Labels::related(keys.to_vec(), 0.5, similar.clone()).unwrap();
    let (past, now) = ([0, 3, 6, 7], [5, 2, 4]);
    let (old, x) = (rows(4, 3), rows(3, 3));
    let loss = SupConLossConfig::new().init(&device());
    let mut memory = CrossBatchMemoryConfig::new(10, 3)
        .with_warm_up(1)
        .init(&device());
    memory.push(tensor(&old, DType::F32), keys(&past)).unwrap();
    let batch = keys(&now).with_weights(vector(&[0.5, 2.0, 3.0]));
    // Rows are remembered in single precision.
    let old = tensor(&to_rows(tensor(&old, DType::F32)), DType::F64);
    let x = tensor(&x, DType::F64);
    let against = loss.forward_against(x.clone(), batch.clone(), old, keys(&past));
    let want = to_f64(loss.forward(x.clone(), batch.clone()) + against);
    let got = to_f64(memory.forward(&loss, x.clone(), batch));
    assert!((got - want).abs() < 1e-12, "{got}, {want}");

    let message = panic_of(|| {
        memory
            .clone()
            .push(x.clone(), Labels::sets(sets()[..3].to_vec(), 0.5).unwrap())
    });
    assert!(message.contains("integers or keys, not sets"), "{message}");
}

fn panic_of<R>(of: impl FnOnce() -> R) -> String {
    let Err(panic) = catch_unwind(AssertUnwindSafe(of)) else {
        panic!("it does not panic");
    };
    let message = panic.downcast_ref::<String>().cloned();
    message.unwrap_or_else(|| (*panic.downcast_ref::<&str>().unwrap()).to_owned())
}

#[test]
fn what_does_not_fit_is_refused() {
    let x = || tensor(&rows(3, 2), DType::F32);
    let classes = || Labels::from(labels(&[0, 1, 0]));
    let sets = || Labels::sets(vec![vec![1], vec![2], vec![]], 0.5).unwrap();
    let keys = || Labels::related(vec![1, 2, 3], 0.5, Arc::new(|_, _| 1.0)).unwrap();
    for (name, forward, against) in &losses(Reducer::Mean) {
        for (a, b) in [(classes(), sets()), (sets(), keys()), (keys(), classes())] {
            let message = panic_of(|| against((x(), a), (x(), b)));
            assert!(message.contains("one kind of labels"), "{name}: {message}");
        }
        for few in [
            Labels::from(labels(&[0, 1])),
            Labels::sets(vec![vec![1]; 2], 0.5).unwrap(),
        ] {
            let message = panic_of(|| forward(x(), few.clone()));
            assert!(message.contains("3 rows, 2 labels"), "{name}: {message}");
        }
    }
    let message = panic_of(|| sets().with_weights(vector(&[1.0, 2.0])));
    assert!(message.contains("3 rows, 2 weights"), "{message}");
    let message = panic_of(|| sets().with_class_weights(vector(&[1.0, 2.0])));
    assert!(message.contains("needs integer labels"), "{message}");
    for bad in [-1, 2] {
        let message =
            panic_of(|| Labels::from(labels(&[0, bad])).with_class_weights(vector(&[1.0, 2.0])));
        assert!(
            message.contains(&format!("label {bad} has no weight")),
            "{message}"
        );
    }
    let n_pairs = NPairsLossConfig::new().init(&device());
    let message = panic_of(|| n_pairs.forward(x(), sets()));
    assert!(message.contains("needs integer labels"), "{message}");
    let histogram = HistogramLossConfig::new().init(&device());
    let weighted = || classes().with_weights(vector(&[1.0; 3]));
    let message = panic_of(|| histogram.forward(x(), weighted()));
    assert!(message.contains("cannot be weighed"), "{message}");

    let same = || Arc::new(|_, _| 1.0);
    for from in [-0.1, f64::NAN, f64::INFINITY] {
        let errors = [
            Labels::sets(Vec::new(), from).unwrap_err(),
            Labels::related(Vec::new(), from, same()).unwrap_err(),
        ];
        for error in errors {
            assert!(error.to_string().starts_with("from must be"), "{error}");
        }
    }
    let error = sets().negatives_up_to(f64::NAN).unwrap_err();
    assert_eq!(error.to_string(), "to must be a number, got NaN");
}
