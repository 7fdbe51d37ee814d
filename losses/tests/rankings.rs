//! Losses of rankings against their definitions.
#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    clippy::print_stdout,
    reason = "tests: panics are failures, some numbers are exact, and output names what failed"
)]

use burn::tensor::{DType, Int, Tensor};
use metric_losses::{
    EmbeddingDistance, FastApLossConfig, HistogramLossConfig, PnpLossConfig, PnpVariant,
    RankedListLossConfig, RecallAtKLossConfig, SmoothApLossConfig,
};

use crate::common::*;

/// Classes of 4, 1, 3 and 1 rows, in no order.
const CLASSES: [i64; 9] = [0, 2, 0, 1, 2, 0, 2, 0, 3];
const VARIANTS: [PnpVariant; 5] = [
    PnpVariant::O,
    PnpVariant::Iu,
    PnpVariant::Ib,
    PnpVariant::Ds,
    PnpVariant::Dq,
];

type Loss = Box<dyn Fn(Tensor<2>, Tensor<1, Int>) -> Tensor<1>>;

/// Every loss of the folder, at the defaults and at temperatures that saturate less.
fn all() -> Vec<(&'static str, Loss)> {
    let device = device();
    let mut losses: Vec<(&'static str, Loss)> = Vec::new();
    let fast_ap = FastApLossConfig::new().init(&device);
    losses.push(("FastAP", Box::new(move |x, y| fast_ap.forward(x, y))));
    for anchored in [false, true] {
        let config = HistogramLossConfig::new().with_anchored_negatives(anchored);
        let loss = config.init(&device);
        losses.push(("histogram", Box::new(move |x, y| loss.forward(x, y))));
    }
    let ranked = RankedListLossConfig::new()
        .with_epsilon(1e-5)
        .with_pos_temperature(3.0);
    let ranked = ranked.init(&device);
    losses.push(("ranked list", Box::new(move |x, y| ranked.forward(x, y))));
    for temperature in [0.01, 0.5] {
        for variant in VARIANTS {
            let config = PnpLossConfig::new().with_variant(variant);
            let loss = config.with_temperature(temperature).init(&device);
            losses.push(("PNP", Box::new(move |x, y| loss.forward(x, y))));
        }
        for distance in [EmbeddingDistance::Cosine, EmbeddingDistance::Euclidean] {
            let config = SmoothApLossConfig::new().with_distance(distance);
            let loss = config.with_temperature(temperature).init(&device);
            losses.push(("Smooth-AP", Box::new(move |x, y| loss.forward(x, y))));
        }
        let config = RecallAtKLossConfig::new().with_temperature(temperature);
        let loss = config.init(&device);
        losses.push(("recall@k", Box::new(move |x, y| loss.forward(x, y))));
    }
    losses
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Rows of `q`'s class, and rows of others.
fn sets(q: usize, with_itself: bool) -> (Vec<usize>, Vec<usize>) {
    let same = |j: usize| CLASSES[j] == CLASSES[q];
    let positive = (0..9).filter(|&j| same(j) && (with_itself || j != q));
    (positive.collect(), (0..9).filter(|&j| !same(j)).collect())
}

/// Mean over the rows that have a positive of `of(row, positives, negatives)`.
fn mean_of_queries(with_itself: bool, of: impl Fn(usize, &[usize], &[usize]) -> f64) -> f64 {
    let queries: Vec<usize> = (0..9).filter(|&q| !sets(q, false).0.is_empty()).collect();
    let losses = queries.iter().map(|&q| {
        let (positive, negative) = sets(q, with_itself);
        of(q, &positive, &negative)
    });
    losses.sum::<f64>() / queries.len() as f64
}

#[test]
fn pnp_is_its_definition_in_every_variant() {
    for variant in VARIANTS {
        let config = PnpLossConfig::new()
            .with_variant(variant)
            .with_b(1.5)
            .with_alpha(2.5);
        let loss = config.with_temperature(0.3).init(&device());
        let f = |r: f64| match variant {
            PnpVariant::O => r,
            PnpVariant::Iu => (1.0 + r) * (1.0 + r).ln(),
            PnpVariant::Ib => (1.5 * r - (1.0 + 1.5 * r).ln()) / 2.25,
            PnpVariant::Ds => (1.0 + r).ln(),
            PnpVariant::Dq => 1.0 - (1.0 + r).powf(-2.5),
        };
        assert_is(&rows(9, 3), &|x| loss.forward(x, labels(&CLASSES)), &|x| {
            let s = |i: usize, j: usize| cosine(&x[i], &x[j]);
            mean_of_queries(true, |q, positive, negative| {
                let r = |p: usize| -> f64 {
                    negative
                        .iter()
                        .map(|&n| logistic((s(q, n) - s(q, p)) / 0.3))
                        .sum()
                };
                positive.iter().map(|&p| f(r(p))).sum::<f64>() / positive.len() as f64
            })
        });
    }
}

#[test]
fn the_slow_start_of_ib_keeps_its_digits() {
    // Two classes far apart at a low temperature: r is e^-20 or less, where x − ln(1 + x) would be 0
    // in f32. Rows 0 and 1 are 10 degrees apart, row 2 is opposite.
    let x: Rows = vec![vec![1.0, 0.0], vec![0.9848, 0.1736], vec![-1.0, 0.0]];
    let loss = PnpLossConfig::new()
        .with_variant(PnpVariant::Ib)
        .with_temperature(0.2);
    let loss = loss.init(&device());
    let value = to_f64(loss.forward(tensor(&x, DType::F32), labels(&[0, 0, 1])));
    let r = |q: usize, p: usize| logistic((cosine(&x[q], &x[2]) - cosine(&x[q], &x[p])) / 0.2);
    let pairs = [(0, 0), (0, 1), (1, 0), (1, 1)];
    // r is near 5e-5, so (br − ln(1 + br)) / b² is r²/2 to 1e-4 of it.
    let expected = pairs
        .iter()
        .map(|&(q, p)| r(q, p).powi(2) / 2.0)
        .sum::<f64>()
        / 4.0;
    assert!(
        (value - expected).abs() < 1e-3 * expected,
        "{value}, {expected}"
    );
}

#[test]
fn smooth_ap_is_its_definition() {
    let loss = SmoothApLossConfig::new()
        .with_temperature(0.3)
        .init(&device());
    assert_is(&rows(9, 3), &|x| loss.forward(x, labels(&CLASSES)), &|x| {
        let s = |i: usize, j: usize| cosine(&x[i], &x[j]);
        mean_of_queries(true, |q, positive, negative| {
            let before = |i: usize, set: &[usize]| -> f64 {
                let others = set.iter().filter(|&&j| j != i);
                others.map(|&j| logistic((s(q, j) - s(q, i)) / 0.3)).sum()
            };
            let precision = |i: usize| {
                let place = 1.0 + before(i, positive);
                place / (place + before(i, negative))
            };
            1.0 - positive.iter().map(|&i| precision(i)).sum::<f64>() / positive.len() as f64
        })
    });
}

#[test]
fn recall_at_k_is_its_definition() {
    let config = RecallAtKLossConfig::new()
        .with_k(vec![1, 2, 5])
        .with_temperature(0.3);
    let loss = config.with_rank_temperature(0.7).init(&device());
    assert_is(&rows(9, 3), &|x| loss.forward(x, labels(&CLASSES)), &|x| {
        let s = |i: usize, j: usize| cosine(&x[i], &x[j]);
        mean_of_queries(false, |q, positive, _| {
            let rank = |p: usize| -> f64 {
                let others = (0..9).filter(|&j| j != q && j != p);
                1.0 + others
                    .map(|j| logistic((s(q, j) - s(q, p)) / 0.3))
                    .sum::<f64>()
            };
            let recall = |k: usize| {
                let hits: f64 = positive
                    .iter()
                    .map(|&p| logistic((k as f64 - rank(p)) / 0.7))
                    .sum();
                hits / k.min(positive.len()) as f64
            };
            1.0 - (recall(1) + recall(2) + recall(5)) / 3.0
        })
    });
}

#[test]
fn fast_ap_is_its_definition() {
    let loss = FastApLossConfig::new().with_num_bins(6).init(&device());
    let unit = |x: Tensor<2>| metric_losses::l2_normalize(x);
    assert_is(
        &rows(9, 3),
        &|x| loss.forward(unit(x), labels(&CLASSES)),
        &|x| {
            let step = 4.0 / 6.0;
            let kernel = |i: usize, j: usize, bin: usize| {
                let d = 2.0 - 2.0 * cosine(&x[i], &x[j]);
                (1.0 - (d - bin as f64 * step).abs() / step).max(0.0)
            };
            mean_of_queries(false, |q, positive, negative| {
                let (mut positive_to, mut all_to, mut sum) = (0.0, 0.0, 0.0);
                for bin in 0..=6 {
                    let here: f64 = positive.iter().map(|&j| kernel(q, j, bin)).sum();
                    positive_to += here;
                    all_to += here + negative.iter().map(|&j| kernel(q, j, bin)).sum::<f64>();
                    if all_to > 0.0 {
                        sum += here * positive_to / all_to;
                    }
                }
                1.0 - sum / positive.len() as f64
            })
        },
    );
}

#[test]
fn histogram_is_its_definition_with_all_negatives_and_with_anchored_ones() {
    for anchored in [false, true] {
        let config = HistogramLossConfig::new().with_num_bins(7);
        let loss = config.with_anchored_negatives(anchored).init(&device());
        assert_is(&rows(9, 3), &|x| loss.forward(x, labels(&CLASSES)), &|x| {
            let lonely = |i: usize| sets(i, false).0.is_empty();
            let (mut positive, mut negative) = (vec![0.0; 8], vec![0.0; 8]);
            for i in 0..9 {
                for j in i + 1..9 {
                    let histogram = if CLASSES[i] == CLASSES[j] {
                        &mut positive
                    } else if anchored && lonely(i) && lonely(j) {
                        continue;
                    } else {
                        &mut negative
                    };
                    for (bin, count) in histogram.iter_mut().enumerate() {
                        let node = -1.0 + 2.0 * bin as f64 / 7.0;
                        let off = (cosine(&x[i], &x[j]) - node).abs() / (2.0 / 7.0);
                        *count += (1.0 - off).max(0.0);
                    }
                }
            }
            let (np, nn) = (positive.iter().sum::<f64>(), negative.iter().sum::<f64>());
            let below = |r: usize| positive[..=r].iter().sum::<f64>() / np;
            (0..8).map(|r| negative[r] / nn * below(r)).sum()
        });
    }
}

#[test]
fn ranked_list_is_its_definition() {
    let config = RankedListLossConfig::new()
        .with_alpha(1.3)
        .with_margin(0.5)
        .with_neg_temperature(4.0)
        .with_pos_temperature(1.5)
        .with_imbalance(0.3)
        .with_epsilon(0.01);
    let loss = config.init(&device());
    assert_is(&rows(9, 3), &|x| loss.forward(x, labels(&CLASSES)), &|x| {
        let part = |set: &[usize], t: f64, excess: &dyn Fn(usize) -> f64| {
            let over: Vec<f64> = set
                .iter()
                .map(|&j| excess(j))
                .filter(|&v| v > 0.0)
                .collect();
            let total: f64 = over.iter().map(|v| (t * v).exp()).sum::<f64>() + 9.0 * 0.01;
            over.iter().map(|v| (t * v).exp() * v).sum::<f64>() / total
        };
        let row = |i: usize| {
            let (positive, negative) = sets(i, false);
            let d = |j: usize| euclidean(&x[i], &x[j]);
            0.7 * part(&positive, 1.5, &|j| d(j) - 0.8)
                + 0.3 * part(&negative, 4.0, &|j| 1.3 - d(j))
        };
        (0..9).map(row).sum::<f64>() / 9.0
    });
}

#[test]
fn more_pairs_than_fit_one_chunk_and_a_reference_set_of_its_own_size() {
    // Six queries, nine references: 19 positive pairs come in chunks of six.
    let (queries, references) = (rows(6, 3), rows(9, 3));
    let of = [0, 0, 2, 1, 0, 2];
    let loss = SmoothApLossConfig::new()
        .with_temperature(0.3)
        .init(&device());
    let definition = |x: &Rows, y: &Rows| {
        let query = |q: usize| {
            let s = |j: usize| cosine(&x[q], &y[j]);
            let positive: Vec<usize> = (0..9).filter(|&j| CLASSES[j] == of[q]).collect();
            let before = |i: usize, j: usize| logistic((s(j) - s(i)) / 0.3);
            let precision = |i: usize| {
                let others = positive.iter().filter(|&&j| j != i);
                let place = 1.0 + others.map(|&j| before(i, j)).sum::<f64>();
                let negative = (0..9).filter(|&j| CLASSES[j] != of[q]);
                place / (place + negative.map(|j| before(i, j)).sum::<f64>())
            };
            1.0 - positive.iter().map(|&i| precision(i)).sum::<f64>() / positive.len() as f64
        };
        (0..6).map(query).sum::<f64>() / 6.0
    };
    let forward =
        |x: Tensor<2>, y: Tensor<2>| loss.forward_against(x, labels(&of), y, labels(&CLASSES));
    assert_is(
        &queries,
        &|x| forward(x, tensor(&references, DType::F64)),
        &|x| definition(x, &references),
    );
    assert_is(
        &references,
        &|y| forward(tensor(&queries, DType::F64), y),
        &|y| definition(&queries, y),
    );
}

#[test]
fn the_order_of_the_batch_does_not_matter() {
    for (_, loss) in all() {
        assert_ignores_order(&rows(9, 3), &CLASSES, &loss);
    }
}

#[test]
fn extreme_rows_leave_value_and_gradient_finite() {
    let distinct: Vec<i64> = (0..9).collect();
    for (name, loss) in all() {
        for classes in [&CLASSES[..], &[5; 9], &distinct] {
            println!("{name} of {classes:?}");
            assert_stays_finite(9, 4, &|x| loss(x, labels(classes)));
        }
        let mut antipodal = rows(9, 4);
        antipodal[2] = antipodal[0].iter().map(|v| -v).collect();
        let (value, gradient) =
            value_and_gradient(&antipodal, DType::F32, &|x| loss(x, labels(&CLASSES)));
        assert!(
            value.is_finite() && gradient.concat().iter().all(|g| g.is_finite()),
            "{name}"
        );
    }
}

#[test]
fn one_row_is_zero_and_still_on_the_graph() {
    for (name, loss) in all() {
        println!("{name}");
        assert_is_zero_on_the_graph(&rows(1, 3), &|x| loss(x, labels(&[0])));
    }
}

#[test]
fn a_broken_embedding_shows() {
    for (name, loss) in all() {
        println!("{name}");
        assert_shows_nan(9, 3, &|x| loss(x, labels(&CLASSES)));
    }
}

#[test]
fn configurations_out_of_range_are_refused_by_name() {
    let message =
        |checked: Result<(), metric_losses::ConfigError>| checked.unwrap_err().to_string();
    assert_eq!(
        message(PnpLossConfig::new().with_temperature(0.0).validate()),
        "temperature must be finite and above 0, got 0"
    );
    assert_eq!(
        message(PnpLossConfig::new().with_b(-1.0).validate()),
        "b must be finite and above 0, got -1"
    );
    assert!(
        SmoothApLossConfig::new()
            .with_temperature(f64::NAN)
            .validate()
            .is_err()
    );
    assert_eq!(
        message(RecallAtKLossConfig::new().with_k(vec![1, 0]).validate()),
        "k must be at least 1, got 0"
    );
    assert!(
        RecallAtKLossConfig::new()
            .with_k(Vec::new())
            .validate()
            .is_err()
    );
    assert_eq!(
        message(FastApLossConfig::new().with_num_bins(0).validate()),
        "num_bins must be at least 1, got 0"
    );
    assert!(
        HistogramLossConfig::new()
            .with_num_bins(0)
            .validate()
            .is_err()
    );
    assert_eq!(
        message(RankedListLossConfig::new().with_imbalance(1.5).validate()),
        "imbalance must be from 0 to 1, got 1.5"
    );
}
