//! Corrections that other libraries had to make to their losses, as tests of these: large, tiny and common numbers.
//!
//! The numbers R1 to R35 are those of a list of such corrections.
#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and some numbers are exact"
)]

use burn::tensor::{DType, Int, Tensor};
use metric_losses::*;

use crate::common::*;

type Likeness = fn(&[f64], &[f64]) -> f64;
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
        NtXentLossConfig::new().with_distance(by),
        SupConLossConfig::new().with_distance(by),
    );
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

/// R17. Inner products of ±2.9e38 differ by more than the largest `f32`; a tenth of it does not.
#[test]
fn similarities_at_both_ends_of_the_floats_have_a_finite_loss_where_it_is_one() {
    let by = EmbeddingDistance::InnerProduct;
    let mut all = losses!(
        DecoupledContrastiveLossConfig::new()
            .with_distance(by)
            .with_temperature(10.0),
        NcaLossConfig::new().with_distance(by).with_scale(0.1),
        NtXentLossConfig::new()
            .with_distance(by)
            .with_temperature(10.0),
        SupConLossConfig::new()
            .with_distance(by)
            .with_temperature(10.0),
    );
    let info_nce = InfoNceLossConfig::new()
        .with_distance(by)
        .with_temperature(10.0)
        .init(&device());
    all.push((
        "InfoNCE",
        Box::new(move |x, _| info_nce.forward(x.clone(), -x)),
    ));
    for include_target in [false, true] {
        let proxies = ProxyNcaLossConfig::new(3, 2)
            .with_include_target(include_target)
            .with_normalize(false)
            .with_temperature(10.0)
            .with_distance(by)
            .init(&device());
        all.push((
            "ProxyNCA",
            Box::new(move |x, _| {
                let loss = proxies.clone().with_weight(-x.clone());
                loss.forward(x, labels(&[0, 1, 2]))
            }),
        ));
    }
    let end = 1.7e19;
    let rows = vec![vec![end, 0.0], vec![-end, 0.0], vec![end, 1.0]];
    for (name, loss) in all {
        let loss = |x| loss(x, labels(&[0, 0, 1]));
        let (expected, wanted) = value_and_gradient(&rows, DType::F64, &loss);
        let (value, gradient) = value_and_gradient(&rows, DType::F32, &loss);
        assert!(expected > 1e36, "{name}: {expected}");
        assert!(
            (value - expected).abs() < 1e-5 * expected,
            "{name}: {value}, {expected}"
        );
        for (got, want) in gradient.concat().into_iter().zip(wanted.concat()) {
            assert!((got - want).abs() <= 1e-5 * end, "{name}: {got}, {want}");
        }
    }
}

/// R10. The ratio of variances does not depend on the size of the rows, and these have variances of 1e-9.
#[test]
fn signal_to_noise_of_tiny_variances_in_half_precision_keeps_its_digits() {
    let variance = |x: &[f64]| {
        let mean = x.iter().sum::<f64>() / x.len() as f64;
        x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / x.len() as f64
    };
    let loss = ContrastiveLossConfig::new()
        .with_neg_margin(20.0)
        .with_distance(EmbeddingDistance::SignalToNoise)
        .with_reducer(Reducer::Mean)
        .init(&device());
    for dtype in [DType::F16, DType::BF16] {
        let tiny: Rows = rows(8, 16)
            .iter()
            .map(|row| row.iter().map(|v| v * 5e-5).collect())
            .collect();
        let tiny = to_rows(tensor(&tiny, dtype));
        let (mut positive, mut negative) = (Vec::new(), Vec::new());
        for (i, j) in (0..8).flat_map(|i| (0..8).map(move |j| (i, j))) {
            let noise: Vec<f64> = tiny[i].iter().zip(&tiny[j]).map(|(a, b)| a - b).collect();
            let distance = variance(&noise) / variance(&tiny[i]);
            match CLASSES[i] == CLASSES[j] {
                true if i != j => positive.push(distance),
                true => {}
                false => negative.push((20.0 - distance).max(0.0)),
            }
        }
        let mean = |terms: &[f64]| terms.iter().sum::<f64>() / terms.len() as f64;
        let expected = mean(&positive) + mean(&negative);
        let (value, gradient) =
            value_and_gradient(&tiny, dtype, &|x| loss.forward(x, labels(&CLASSES)));
        assert!(
            (value - expected).abs() < 1e-5 * expected,
            "{value}, {expected}"
        );
        assert!(gradient.concat().iter().all(|g| g.is_finite()));

        // An anchor without any signal.
        let mut constant = tiny.clone();
        constant[0] = vec![tiny[0][0]; 16];
        let (value, gradient) =
            value_and_gradient(&constant, dtype, &|x| loss.forward(x, labels(&CLASSES)));
        assert!(value.is_finite() && gradient.concat().iter().all(|g| g.is_finite()));
    }
}

/// R20. The share of the positive is `exp(−9999)`, which is 0 in any float.
#[test]
fn nca_keeps_a_query_whose_share_underflows() {
    let loss = NcaLossConfig::new().init(&device());
    let rows = vec![vec![0.0], vec![100.0], vec![1.0]];
    let forward = |x| loss.forward(x, labels(&[0, 0, 1]));
    let (value, gradient) = value_and_gradient(&rows, DType::F32, &forward);
    // Squared distances: 10000 to the positive; 1 and 9801 to the negative.
    assert!(
        (value - f64::midpoint(9999.0, 199.0)).abs() < 1e-2,
        "{value}"
    );
    assert!(gradient.concat().iter().all(|g| g.is_finite() && *g != 0.0));
}

/// R18, R22. Weights `exp(T · excess)` of a million are those of the largest excess alone.
#[test]
fn ranked_list_with_large_temperatures_takes_the_hardest_pair() {
    let (alpha, margin, imbalance) = (1.2, 0.4, 0.3);
    let loss = RankedListLossConfig::new()
        .with_pos_temperature(1e6)
        .with_neg_temperature(1e6)
        .with_imbalance(imbalance)
        .init(&device());
    let rows = rows(8, 3);
    let (value, gradient) =
        value_and_gradient(&rows, DType::F32, &|x| loss.forward(x, labels(&CLASSES)));
    let hardest = |i: usize, same: bool| {
        let others = (0..8).filter(|&j| j != i && (CLASSES[i] == CLASSES[j]) == same);
        let excesses = others.map(|j| match euclidean(&rows[i], &rows[j]) {
            d if same => d - (alpha - margin),
            d => alpha - d,
        });
        excesses.fold(0.0, f64::max)
    };
    let terms =
        (0..8).map(|i| (1.0 - imbalance) * hardest(i, true) + imbalance * hardest(i, false));
    let expected = terms.sum::<f64>() / 8.0;
    assert!((value - expected).abs() < 1e-5, "{value}, {expected}");
    assert!(gradient.concat().iter().all(|g| g.is_finite()));
}

/// R24. Of equal and of opposite rows the cosine may be an `ε` beyond 1 and −1.
#[test]
fn cosines_beyond_the_ends_by_rounding_fall_into_the_end_bins_of_a_histogram() {
    let loss = HistogramLossConfig::new().init(&device());
    for direction in rows(50, 7) {
        let opposite: Vec<f64> = direction.iter().map(|v| -v).collect();
        let batch = vec![direction.clone(), direction, opposite.clone(), opposite];
        let value = |classes: [i64; 4]| {
            let forward = |x| loss.forward(x, labels(&classes));
            let (value, gradient) = value_and_gradient(&batch, DType::F32, &forward);
            assert!(gradient.concat().iter().all(|g| g.is_finite()));
            value
        };
        // Positives at 1 and negatives at −1, then the other way round but for two negative pairs of four at 1. A cosine
        // some ε short of its end puts that much of it, times the bins, into the next.
        let bound = 100.0 * 8.0 * f64::from(f32::EPSILON);
        assert!(value([0, 0, 1, 1]).abs() < bound);
        assert!((value([0, 1, 0, 1]) - 1.0).abs() < bound);
    }
}

/// R26. A row with positives and no negative has the others of its class in the denominator.
#[test]
fn sup_con_of_one_class_is_not_zero() {
    let loss = SupConLossConfig::new().init(&device());
    let equal = vec![vec![0.6, 0.8]; 3];
    let (value, _) = value_and_gradient(&equal, DType::F32, &|x| loss.forward(x, labels(&[4; 3])));
    assert!((value - 2f64.ln()).abs() < 1e-6, "{value}");
}

/// R28. A bin that nothing has fallen into up to there has no precision, 0 of 0.
#[test]
fn fast_ap_with_empty_first_bins_is_finite_and_exact() {
    let loss = FastApLossConfig::new().init(&device());
    let rows = vec![vec![1.0, 0.0], vec![-1.0, 0.0], vec![1.0, 0.0]];
    let forward = |x| loss.forward(x, labels(&[0, 0, 1]));
    let (value, gradient) = value_and_gradient(&rows, DType::F32, &forward);
    // Row 0: the negative in the first bin, the positive in the last, half of those up to there. Row 1: both in the last.
    assert!((value - 0.5).abs() < 1e-6, "{value}");
    assert!(gradient.concat().iter().all(|g| g.is_finite()));
}

/// R34. Of two equal largest similarities a maximum in the graph would give its gradient to one.
#[test]
fn equal_largest_similarities_share_the_gradient() {
    let loss = InfoNceLossConfig::new()
        .with_temperature(0.5)
        .init(&device());
    let keys = rows(3, 3);
    let queue = vec![vec![0.2, 0.9, 0.1]; 2];
    let forward = |queue| {
        let (queries, keys) = (tensor(&rows(3, 3), DType::F64), tensor(&keys, DType::F64));
        loss.forward_with_negatives(-queries, keys, queue)
    };
    let (_, gradient) = value_and_gradient(&queue, DType::F64, &forward);
    assert_eq!(gradient[0], gradient[1]);
    assert_is(&queue, &forward, &|queue| {
        let terms = keys.iter().map(|key| {
            let query: Vec<f64> = key.iter().map(|v| -v).collect();
            let others = queue.iter().map(|k| cosine(&query, k) / 0.5);
            let logits: Vec<f64> = std::iter::once(-1.0 / 0.5).chain(others).collect();
            cross_entropy(&logits, 0)
        });
        terms.sum::<f64>() / 3.0
    });
}

/// R32. There are more triplets than a 32-bit number counts.
#[test]
fn billions_of_triplets_are_counted() {
    let half = 1300;
    let rows: Rows = (0..2 * half).map(|i| vec![f64::from(i % 2)]).collect();
    let classes: Vec<i64> = (0..2 * i64::from(half)).map(|i| i % 2).collect();
    let triplets = 2.0 * f64::from(half) * f64::from(half - 1) * f64::from(half);
    assert!(triplets > f64::from(u32::MAX));
    for (reducer, expected) in [
        (Reducer::Sum, triplets),
        (Reducer::Mean, 1.0),
        (Reducer::AvgNonZero, 1.0),
    ] {
        // Positives coincide and negatives are 1 away: each triplet has 0 − 1 + 2.
        let loss = TripletMarginLossConfig::new()
            .with_margin(2.0)
            .with_reducer(reducer)
            .init(&device());
        let (value, _) =
            value_and_gradient(&rows, DType::F32, &|x| loss.forward(x, labels(&classes)));
        assert!(
            (value - expected).abs() < 1e-5 * expected,
            "{reducer:?}: {value}, {expected}"
        );
    }
}

/// R35. Half of 1.4 million pairs are positive: each against a row of 1,200 would take 3.5 GB.
#[test]
fn nt_xent_of_many_positives_holds_no_cube() {
    let n = 1200;
    let classes: Vec<i64> = (0..n as i64).map(|i| i % 2).collect();
    let rows = rows(n, 2);
    let losses = losses!(
        NtXentLossConfig::new().with_temperature(0.5),
        NtXentLossConfig::new()
            .with_temperature(0.5)
            .with_distance(EmbeddingDistance::SquaredEuclidean),
    );
    let likes: [Likeness; 2] = [cosine, |a, b| -euclidean(a, b).powi(2)];
    for ((name, loss), like) in losses.into_iter().zip(likes) {
        let (value, _) = value_and_gradient(&rows, DType::F32, &|x| loss(x, labels(&classes)));
        let (mut sum, mut count) = (0.0, 0.0);
        for i in 0..n {
            let to = |same: bool| {
                let others = (0..n).filter(move |&j| j != i && (i % 2 == j % 2) == same);
                others.map(|j| like(&rows[i], &rows[j]) / 0.5)
            };
            let negatives: f64 = to(false).map(f64::exp).sum();
            for s in to(true) {
                sum += (negatives * (-s).exp()).ln_1p();
                count += 1.0;
            }
        }
        let expected = sum / count;
        // The matrix of distances by products is some ε of its largest entry off.
        assert!(
            (value - expected).abs() < 1e-5 * expected,
            "{name}: {value}, {expected}"
        );
    }
}
