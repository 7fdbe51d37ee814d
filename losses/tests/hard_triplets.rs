//! Losses of triplets and quadruplets that choose or weigh them, against their definitions.
#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and some numbers are exact"
)]

use burn::tensor::{DType, Int, Tensor};
use metric_losses::*;
use metric_sampling::Triplets;

use crate::common::*;

/// A class with three rows, two with two, and one row alone.
const CLASSES: [i64; 8] = [0, 1, 0, 2, 0, 1, 2, 3];

fn squared(a: &[f64], b: &[f64]) -> f64 {
    euclidean(a, b).powi(2)
}

fn mean(terms: &[f64]) -> f64 {
    if terms.is_empty() {
        return 0.0;
    }
    terms.iter().sum::<f64>() / terms.len() as f64
}

fn reduced(reducer: Reducer, terms: &[f64]) -> f64 {
    match reducer {
        Reducer::Mean => mean(terms),
        Reducer::Sum => terms.iter().sum(),
        Reducer::AvgNonZero => mean_above_zero(terms),
        Reducer::Threshold { low, high } => {
            let between = terms.iter().copied().filter(|&t| low < t && t < high);
            mean(&between.collect::<Vec<_>>())
        }
        Reducer::PerAnchor => unreachable!("a list of terms has no anchors"),
    }
}

/// Of rows that are anchors and rows that are the rest: a pair of the same number is a row with itself, if `within`.
struct Sets<'a> {
    anchors: (&'a [Vec<f64>], &'a [i64]),
    others: (&'a [Vec<f64>], &'a [i64]),
    within: bool,
}

impl Sets<'_> {
    fn positives(&self) -> Vec<(usize, usize)> {
        let (y, z) = (self.anchors.1, self.others.1);
        let all = (0..y.len()).flat_map(|i| (0..z.len()).map(move |j| (i, j)));
        all.filter(|&(i, j)| y[i] == z[j] && !(self.within && i == j))
            .collect()
    }

    fn quadruplet(&self, (m1, m2): (f64, f64), reducer: Reducer) -> f64 {
        let ((x, y), (r, z)) = (self.anchors, self.others);
        let (mut u, mut v) = (Vec::new(), Vec::new());
        for (i, j) in self.positives() {
            let d = squared(&x[i], &r[j]);
            for k in (0..r.len()).filter(|&k| z[k] != y[i]) {
                u.push((d - squared(&x[i], &r[k]) + m1).max(0.0));
                for l in (0..r.len()).filter(|&l| z[l] != y[i] && z[l] != z[k]) {
                    v.push((d - squared(&r[k], &r[l]) + m2).max(0.0));
                }
            }
        }
        reduced(reducer, &u) + reduced(reducer, &v)
    }
}

fn within<'a>(rows: &'a Rows, classes: &'a [i64]) -> Sets<'a> {
    Sets {
        anchors: (rows, classes),
        others: (rows, classes),
        within: true,
    }
}

#[test]
fn quadruplet_by_every_reducer() {
    for reducer in [
        Reducer::AvgNonZero,
        Reducer::Mean,
        Reducer::Sum,
        Reducer::Threshold {
            low: 0.3,
            high: 2.1,
        },
    ] {
        let loss = QuadrupletLossConfig::new()
            .with_margin(0.6)
            .with_reducer(reducer)
            .init(&device());
        assert_is(
            &rows(8, 3),
            &|x| loss.forward(x, labels(&CLASSES)),
            &|rows| within(rows, &CLASSES).quadruplet((0.6, 0.5), reducer),
        );
    }
}

#[test]
fn quadruplet_against_a_reference_set_with_gradients_to_both() {
    let classes = [0, 1, 2, 0, 0, 1, 2, 1, 3];
    let loss = QuadrupletLossConfig::new().init(&device());
    assert_is(
        &rows(9, 3),
        &|x| {
            let (y, all) = (x.clone().narrow(0, 0, 3), x.narrow(0, 3, 6));
            loss.forward_against(y, labels(&classes[..3]), all, labels(&classes[3..]))
        },
        &|rows| {
            let sets = Sets {
                anchors: (&rows[..3], &classes[..3]),
                others: (&rows[3..], &classes[3..]),
                within: false,
            };
            sets.quadruplet((1.0, 0.5), Reducer::AvgNonZero)
        },
    );
}

/// The terms of anchors, and whether they are hard.
fn selective_of(rows: &Rows, classes: &[i64], hard_above: f64) -> Vec<(f64, bool)> {
    let mut terms = Vec::new();
    for i in 0..rows.len() {
        let closest = |keep: &dyn Fn(usize) -> bool| {
            let others = (0..rows.len()).filter(|&j| keep(j));
            let cosines = others.map(|j| cosine(&rows[i], &rows[j]));
            cosines.fold(f64::NEG_INFINITY, f64::max)
        };
        let p = closest(&|j| j != i && classes[j] == classes[i]);
        let n = closest(&|j| classes[j] != classes[i]);
        let is_hard = n > p || n > hard_above;
        let term = if is_hard {
            0.7 * n
        } else {
            ((n - p) / 0.2).exp().ln_1p()
        };
        if p > f64::NEG_INFINITY {
            terms.push((term, is_hard));
        }
    }
    terms
}

fn mean_of(terms: &[(f64, bool)]) -> f64 {
    mean(&terms.iter().map(|term| term.0).collect::<Vec<_>>())
}

fn selective(hard_above: f64) -> SelectivelyContrastiveTripletLoss {
    SelectivelyContrastiveTripletLossConfig::new()
        .with_lambda(0.7)
        .with_temperature(0.2)
        .with_hard_above(hard_above)
        .init(&device())
}

#[test]
fn selectively_contrastive_triplets() {
    for hard_above in [1.0, 0.5] {
        let loss = selective(hard_above);
        let hard = selective_of(&rows(8, 3), &CLASSES, hard_above);
        assert!(hard.iter().any(|term| term.1) && hard.iter().any(|term| !term.1));
        assert_is(
            &rows(8, 3),
            &|x| loss.forward(x, labels(&CLASSES)),
            &|rows| mean_of(&selective_of(rows, &CLASSES, hard_above)),
        );
    }
}

#[test]
fn a_triplet_is_hard_from_where_its_negative_is_closer() {
    let at = |angle: f64| vec![angle.cos(), angle.sin()];
    for (turn, hard) in [(1e-6, false), (-1e-6, true)] {
        let rows = vec![at(0.0), at(1.0), at(-1.0 - turn)];
        let classes = [0, 0, 1];
        let terms = selective_of(&rows, &classes, 1.0);
        assert_eq!(terms[0].1, hard);
        let value = selective(1.0).forward(tensor(&rows, DType::F64), labels(&classes));
        assert!((to_f64(value) - mean_of(&terms)).abs() < 1e-12);
    }
}

/// Gaps of each positive pair, with the closest negative of both rows or with each of the anchor's.
fn gaps(sets: &Sets<'_>, hardest: bool) -> Vec<f64> {
    let ((x, y), (r, z)) = (sets.anchors, sets.others);
    let mut gaps = Vec::new();
    for (i, j) in sets.positives() {
        let d = euclidean(&x[i], &r[j]);
        let of_row = (0..r.len()).filter(|&k| z[k] != y[i]);
        let of_row = of_row.map(|k| euclidean(&x[i], &r[k]));
        let of_column = (0..x.len()).filter(|&k| y[k] != z[j]);
        let of_column = of_column.map(|k| euclidean(&x[k], &r[j]));
        if hardest {
            gaps.push(d - of_row.chain(of_column).fold(f64::INFINITY, f64::min));
        } else {
            gaps.extend(of_row.map(|negative| d - negative));
        }
    }
    gaps
}

/// `points` of a histogram from -2 to 2.
fn histogram(gaps: &[f64], points: usize) -> Vec<f64> {
    let mut counts = vec![0.0; points];
    for gap in gaps {
        let place = ((gap + 2.0) * (points - 1) as f64 / 4.0).clamp(0.0, (points - 1) as f64);
        let at = place.floor() as usize;
        counts[at] += 1.0 - (place - place.floor());
        counts[(at + 1).min(points - 1)] += place - place.floor();
    }
    counts.iter().map(|c| c / gaps.len() as f64).collect()
}

fn share(histogram: &[f64], gap: f64) -> f64 {
    let last = (histogram.len() - 1) as f64;
    let at = ((gap + 2.0) * last / 4.0).clamp(0.0, last).floor() as usize;
    histogram[..=at].iter().sum::<f64>() / histogram.iter().sum::<f64>()
}

#[test]
fn dynamic_soft_margin_weighs_by_its_histogram_as_a_constant() {
    let start = rows(8, 3);
    for hardest in [true, false] {
        let loss = DynamicSoftMarginLossConfig::new()
            .with_num_bins(9)
            .with_hardest(hardest)
            .init(&device());
        let moved = loss
            .clone()
            .update(tensor(&start, DType::F64), labels(&CLASSES));
        let seen = gaps(&within(&start, &CLASSES), hardest);
        // The state is kept in single precision: what the loss takes is what it says it has.
        for (loss, expected) in [(loss, vec![0.0; 9]), (moved, histogram(&seen, 9))] {
            let state = to_rows(loss.histogram().reshape([1, 9])).remove(0);
            for (got, want) in state.iter().zip(&expected) {
                assert!((got - want).abs() < 1e-6, "{state:?} {expected:?}");
            }
            let state = if state.iter().all(|&h| h == 0.0) {
                vec![1.0; 9]
            } else {
                state
            };
            // Moving a row moves no gap over a point of the histogram by 1e-5: the weights are constants.
            assert_is(&start, &|x| loss.forward(x, labels(&CLASSES)), &|rows| {
                let gaps = gaps(&within(rows, &CLASSES), hardest);
                mean(
                    &gaps
                        .iter()
                        .map(|&g| share(&state, g) * g)
                        .collect::<Vec<_>>(),
                )
            });
        }
    }
}

#[test]
fn dynamic_soft_margin_mixes_histograms_by_momentum() {
    let loss = DynamicSoftMarginLossConfig::new()
        .with_num_bins(6)
        .with_momentum(0.25)
        .init(&device());
    let (first, second) = (rows(8, 3), rows(8, 4));
    let after = |loss: DynamicSoftMarginLoss, rows: &Rows| {
        loss.update(tensor(rows, DType::F32), labels(&CLASSES))
    };
    let loss = after(after(loss, &first), &second);
    let of = |rows: &Rows| histogram(&gaps(&within(rows, &CLASSES), true), 6);
    let state = to_rows(loss.histogram().reshape([1, 6])).remove(0);
    for ((got, a), b) in state.iter().zip(of(&first)).zip(of(&second)) {
        // single precision, of numbers below 1
        assert!((got - (0.75 * a + 0.25 * b)).abs() < 1e-6);
    }
    // Without a triplet nothing moves.
    let same = loss
        .clone()
        .update(tensor(&first, DType::F32), labels(&[1; 8]));
    assert_eq!(to_rows(same.histogram().reshape([1, 6])).remove(0), state);
}

#[test]
fn dynamic_soft_margin_of_two_sets_and_of_mined_triplets() {
    let classes = [0, 1, 2, 0, 1, 2];
    let x = rows(6, 3);
    let loss = DynamicSoftMarginLossConfig::new()
        .with_num_bins(5)
        .init(&device());
    let halves = |x: Tensor<2>| (x.clone().narrow(0, 0, 3), x.narrow(0, 3, 3));
    let (a, p) = halves(tensor(&x, DType::F64));
    let (y, z) = (|| labels(&classes[..3]), || labels(&classes[3..]));
    let loss = loss.update_against(a, y(), p, z());
    let sets = |rows: &Rows| {
        let (a, p) = rows.split_at(3);
        gaps(
            &Sets {
                anchors: (a, &classes[..3]),
                others: (p, &classes[3..]),
                within: false,
            },
            true,
        )
    };
    let state = to_rows(loss.histogram().reshape([1, 5])).remove(0);
    for (got, want) in state.iter().zip(histogram(&sets(&x), 5)) {
        assert!((got - want).abs() < 1e-6);
    }
    assert_is(
        &x,
        &|x| {
            let (a, p) = halves(x);
            loss.forward_against(a, y(), p, z())
        },
        &|rows| {
            let gaps = sets(rows);
            mean(
                &gaps
                    .iter()
                    .map(|&g| share(&state, g) * g)
                    .collect::<Vec<_>>(),
            )
        },
    );

    let triplets = Triplets::new(vec![0, 4], vec![3, 1], vec![1, 5]).unwrap();
    let triplets = TripletIndices::upload(&triplets, &device());
    let of_triplets = |x: &Rows| {
        let gap = |a: usize, p: usize, n: usize| euclidean(&x[a], &x[p]) - euclidean(&x[a], &x[n]);
        [gap(0, 3, 1), gap(4, 1, 5)]
    };
    assert_is(&x, &|x| loss.forward_mined(x, &triplets), &|rows| {
        let gaps = of_triplets(rows);
        mean(&gaps.map(|g| share(&state, g) * g))
    });
    let moved = DynamicSoftMarginLossConfig::new()
        .with_num_bins(5)
        .init(&device())
        .update_mined(tensor(&x, DType::F64), &triplets);
    let got = to_rows(moved.histogram().reshape([1, 5])).remove(0);
    for (got, want) in got.iter().zip(histogram(&of_triplets(&x), 5)) {
        assert!((got - want).abs() < 1e-6);
    }
}

/// Numbers of another implementation, pytorch-metric-learning 2.9.0 on torch, in double precision.
#[test]
fn dynamic_soft_margin_agrees_with_another_implementation() {
    let x = vec![
        vec![1.0, 0.2, 0.1],
        vec![0.3, 1.0, -0.2],
        vec![-0.5, 0.2, 1.0],
        vec![0.4, 0.4, -0.7],
        vec![0.1, -0.9, 0.3],
        vec![0.7, 0.6, 0.1],
    ];
    let x = l2_normalize(tensor(&x, DType::F64));
    // Its 8 bins leave out the point at the upper end.
    let config = DynamicSoftMarginLossConfig::new().with_num_bins(9);
    let all = config.clone().with_hardest(false).init(&device());
    let y = || labels(&[0, 0, 1, 1, 2, 2]);
    let value = to_f64(all.update(x.clone(), y()).forward(x.clone(), y()));
    // The histogram is kept in single precision.
    assert!((value - 0.295_798_762_774_952_7).abs() < 1e-6, "{value}");

    let (a, p) = (x.clone().narrow(0, 0, 3), x.narrow(0, 3, 3));
    let y = || labels(&[0, 1, 2]);
    let loss = config
        .init(&device())
        .update_against(a.clone(), y(), p.clone(), y());
    let value = to_f64(loss.forward_against(a, y(), p, y()));
    assert!((value - 0.501_678_625_913_572_5).abs() < 1e-6, "{value}");
}

#[test]
fn a_histogram_survives_a_record() {
    use burn::module::Module;
    let fresh = || DynamicSoftMarginLossConfig::new().init(&device());
    let moved = fresh().update(tensor(&rows(8, 3), DType::F32), labels(&CLASSES));
    let loaded = fresh().load_record(moved.clone().into_record());
    let state = |loss: &DynamicSoftMarginLoss| to_rows(loss.histogram().reshape([1, 512]));
    assert_eq!(state(&loaded), state(&moved));
}

type Forward = Box<dyn Fn(Tensor<2>, Tensor<1, Int>) -> Tensor<1>>;

fn all() -> Vec<(&'static str, Forward)> {
    let quadruplet = QuadrupletLossConfig::new().init(&device());
    let summed = QuadrupletLossConfig::new()
        .with_distance(EmbeddingDistance::Euclidean)
        .with_reducer(Reducer::Sum)
        .init(&device());
    let selective = SelectivelyContrastiveTripletLossConfig::new().init(&device());
    let hardest = DynamicSoftMarginLossConfig::new().init(&device());
    let x = tensor(&rows(8, 3), DType::F32);
    let moved = hardest.clone().update(x, labels(&CLASSES));
    let every = DynamicSoftMarginLossConfig::new()
        .with_hardest(false)
        .init(&device());
    vec![
        ("quadruplet", Box::new(move |x, y| quadruplet.forward(x, y))),
        (
            "quadruplet, sum",
            Box::new(move |x, y| summed.forward(x, y)),
        ),
        ("selective", Box::new(move |x, y| selective.forward(x, y))),
        ("hardest", Box::new(move |x, y| hardest.forward(x, y))),
        ("hardest, moved", Box::new(move |x, y| moved.forward(x, y))),
        ("every", Box::new(move |x, y| every.forward(x, y))),
    ]
}

#[test]
fn the_order_of_the_batch_does_not_matter() {
    for (_, loss) in all() {
        assert_ignores_order(&rows(8, 3), &CLASSES, &*loss);
    }
}

#[test]
fn extreme_embeddings_stay_finite_and_broken_ones_show() {
    for (name, loss) in all() {
        eprintln!("{name}");
        for classes in [CLASSES, [0; 8], [0, 1, 2, 3, 4, 5, 6, 7]] {
            assert_stays_finite(8, 3, &|x| loss(x, labels(&classes)));
        }
        for classes in [[0; 8], [0, 1, 2, 3, 4, 5, 6, 7]] {
            assert_is_zero_on_the_graph(&rows(8, 3), &|x| loss(x, labels(&classes)));
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
}

#[test]
fn extreme_embeddings_leave_the_histogram_finite() {
    let huge: Rows = rows(8, 3)
        .iter()
        .map(|row| row.iter().map(|v| v * 1e18).collect())
        .collect();
    for rows in [huge, vec![vec![0.0; 3]; 8], vec![vec![f64::NAN; 3]; 8]] {
        for classes in [CLASSES, [0; 8]] {
            let loss = DynamicSoftMarginLossConfig::new().init(&device());
            let loss = loss.update(tensor(&rows, DType::F32), labels(&classes));
            let state = to_rows(loss.histogram().reshape([1, 512])).concat();
            assert!(state.iter().all(|h| h.is_finite()));
            let sum = state.iter().sum::<f64>();
            assert!(sum == 0.0 || (sum - 1.0).abs() < 1e-5, "{sum}");
        }
    }
}

#[test]
fn configurations_out_of_range_are_refused_by_name() {
    let message = |checked: Result<(), ConfigError>| checked.unwrap_err().to_string();
    let quadruplet = QuadrupletLossConfig::new();
    let wrong = quadruplet.clone().with_margin(f64::NAN).validate();
    assert_eq!(message(wrong), "margin must be finite, got NaN");
    let wrong = quadruplet.with_other_margin(f64::INFINITY).validate();
    assert_eq!(message(wrong), "other_margin must be finite, got inf");
    let selective = SelectivelyContrastiveTripletLossConfig::new();
    let wrong = selective.clone().with_lambda(-1.0).validate();
    assert_eq!(
        message(wrong),
        "lambda must be finite and at least 0, got -1"
    );
    let wrong = selective.with_temperature(0.0).validate();
    assert_eq!(
        message(wrong),
        "temperature must be finite and above 0, got 0"
    );
    let dynamic = DynamicSoftMarginLossConfig::new();
    let wrong = dynamic.clone().with_num_bins(1).validate();
    assert_eq!(message(wrong), "num_bins must be at least 2, got 1");
    let wrong = dynamic.clone().with_range(0.0).validate();
    assert_eq!(message(wrong), "range must be finite and above 0, got 0");
    let wrong = dynamic.with_momentum(1.5).validate();
    assert_eq!(message(wrong), "momentum must be from 0 to 1, got 1.5");
}
