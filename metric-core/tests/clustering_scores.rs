//! Scores of a clustering against scikit-learn's and against loops.

#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and laws hold exactly"
)]

use metric_core::clusters::{Normalizer, ami, ari, nmi, silhouette, v_measure};
use metric_core::{Distance, Error, Euclidean, Minkowski};
use metric_testkit::oracle::euclidean;
use metric_testkit::strategy::labelled_grid_points;
use ndarray::{Array2, array};
use proptest::prelude::*;
use serde_json::Value;

use crate::common::{matrix, with_threads};

const NORMALIZERS: [Normalizer; 4] = [
    Normalizer::Arithmetic,
    Normalizer::Geometric,
    Normalizer::Min,
    Normalizer::Max,
];
/// Both sides add up a few hundred numbers of order one, or logarithms of factorials of order 10³ in `f64` on theirs.
const AGREEMENT: f64 = 1e-12;

fn golden(part: &str) -> Vec<Value> {
    let cases: Value = serde_json::from_str(include_str!("golden/clustering.json")).unwrap();
    cases[part].as_array().unwrap().clone()
}

fn labels(value: &Value) -> Vec<u32> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|x| u32::try_from(x.as_u64().unwrap()).unwrap())
        .collect()
}

fn numbers(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|x| x.as_f64().unwrap())
        .collect()
}

#[test]
fn agreement_is_what_scikit_learn_says() {
    let cases = golden("agreement");
    assert!(cases.len() >= 13);
    for case in cases {
        let (left, right) = (labels(&case["left"]), labels(&case["right"]));
        let close = |got: f64, want: f64, what: &str| {
            let name = &case["name"];
            assert!(
                (got - want).abs() <= AGREEMENT,
                "{name}, {what}: {got}, want {want}"
            );
        };
        let want = numbers(&case["nmi"]).into_iter().zip(numbers(&case["ami"]));
        for (normalizer, (of_nmi, of_ami)) in NORMALIZERS.into_iter().zip(want) {
            close(nmi(&left, &right, normalizer).unwrap(), of_nmi, "nmi");
            close(ami(&left, &right, normalizer).unwrap(), of_ami, "ami");
        }
        close(
            ari(&left, &right).unwrap(),
            case["ari"].as_f64().unwrap(),
            "ari",
        );
        let got = v_measure(&left, &right).unwrap();
        close(
            got.homogeneity,
            case["homogeneity"].as_f64().unwrap(),
            "homogeneity",
        );
        close(
            got.completeness,
            case["completeness"].as_f64().unwrap(),
            "completeness",
        );
        close(
            got.v_measure,
            case["v_measure"].as_f64().unwrap(),
            "v-measure",
        );
    }
}

#[test]
fn silhouettes_are_what_scikit_learn_says() {
    let cases = golden("silhouette");
    assert!(!cases.is_empty());
    for case in cases {
        let rows: Vec<Vec<f64>> = case["rows"]
            .as_array()
            .unwrap()
            .iter()
            .map(numbers)
            .collect();
        let distance: Box<dyn Distance<f64>> = match case["distance"].as_str().unwrap() {
            "euclidean" => Box::new(Euclidean),
            "manhattan" => Box::new(Minkowski::new(1.0).unwrap()),
            other => panic!("no distance {other}"),
        };
        let rows = matrix::<f64>(&rows);
        let got = silhouette(distance.as_ref(), rows.view(), &labels(&case["labels"])).unwrap();
        for (got, want) in got.rows.iter().zip(numbers(&case["silhouettes"])) {
            assert!((got - want).abs() <= AGREEMENT);
        }
        assert!((got.mean - case["mean"].as_f64().unwrap()).abs() <= AGREEMENT);
    }
}

/// The mean mutual information over all orders of `right`.
fn mean_over_orders(left: &[u32], right: &[u32]) -> f64 {
    fn visit(rest: &mut Vec<u32>, order: &mut Vec<u32>, left: &[u32], sum: &mut (f64, f64)) {
        if rest.is_empty() {
            *sum = (sum.0 + information(left, order), sum.1 + 1.0);
        }
        for i in 0..rest.len() {
            order.push(rest.remove(i));
            visit(rest, order, left, sum);
            rest.insert(i, order.pop().unwrap());
        }
    }
    let mut sum = (0.0, 0.0);
    visit(&mut right.to_vec(), &mut Vec::new(), left, &mut sum);
    sum.0 / sum.1
}

fn information(left: &[u32], right: &[u32]) -> f64 {
    let n = left.len() as f64;
    let count = |f: &dyn Fn(usize) -> bool| (0..left.len()).filter(|&i| f(i)).count() as f64;
    (0..left.len())
        .map(|i| {
            // Over rows: each cell comes as often as it has rows.
            let both = count(&|r| left[r] == left[i] && right[r] == right[i]);
            let (a, b) = (
                count(&|r| left[r] == left[i]),
                count(&|r| right[r] == right[i]),
            );
            (n * both / (a * b)).ln() / n
        })
        .sum()
}

#[test]
fn chance_is_the_mean_over_all_orders() {
    for (left, right) in [
        ([0, 0, 0, 1, 1, 2, 2], [0, 1, 0, 1, 0, 1, 1]),
        ([0, 0, 0, 0, 0, 1, 1], [0, 0, 1, 1, 2, 2, 2]),
        ([0, 0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 0, 1, 1]),
    ] {
        let (chance, entropy) = (mean_over_orders(&left, &right), information(&left, &left));
        let most = (entropy + information(&right, &right)) / 2.0;
        let want = (information(&left, &right) - chance) / (most - chance);
        let got = ami(&left, &right, Normalizer::Arithmetic).unwrap();
        // 5040 terms below one, over a difference above 0.1.
        assert!(
            (got - want).abs() <= 6e4 * f64::EPSILON,
            "{got}, want {want}"
        );
    }
}

#[test]
fn a_million_rows_keep_their_digits() {
    // Independent by construction, so that I = 0 and AMI = −E / (H − E). E ≈ (R − 1)(C − 1)/(2 n) to first order, the
    // next is of order 1/n of that (Miller 1955).
    let n = 1_000_000u32;
    let (left, right): (Vec<u32>, Vec<u32>) = (0..n).map(|i| (i % 10, i / 10 % 5)).unzip();
    let got = ami(&left, &right, Normalizer::Arithmetic).unwrap();
    let chance = 36.0 / (2.0 * f64::from(n));
    let most = (10f64.ln() + 5f64.ln()) / 2.0;
    let want = -chance / (most - chance);
    assert!(
        (got - want).abs() <= 1e-4 * want.abs(),
        "{got}, want {want}"
    );
}

fn all_scores(left: &[u32], right: &[u32]) -> Vec<f64> {
    let mut scores = vec![
        ari(left, right).unwrap(),
        v_measure(left, right).unwrap().v_measure,
    ];
    for normalizer in NORMALIZERS {
        scores.push(nmi(left, right, normalizer).unwrap());
        scores.push(ami(left, right, normalizer).unwrap());
    }
    scores
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn scores_are_symmetric_blind_to_names_and_bounded(
        pairs in prop::collection::vec((0..7u32, 0..5u32), 1..80),
        shift: u32,
    ) {
        let (left, right): (Vec<u32>, Vec<u32>) = pairs.iter().copied().unzip();
        let scores = all_scores(&left, &right);
        prop_assert_eq!(&scores, &all_scores(&right, &left));
        let renamed: Vec<u32> = left.iter().map(|&l| (l * 5 % 7).wrapping_add(shift).wrapping_mul(2_654_435_761)).collect();
        prop_assert_eq!(&scores, &all_scores(&renamed, &right));
        let backwards: Vec<(u32, u32)> = pairs.iter().rev().copied().collect();
        let (l, r): (Vec<u32>, Vec<u32>) = backwards.into_iter().unzip();
        prop_assert_eq!(&scores, &all_scores(&l, &r));
        prop_assert!(scores.iter().all(|&s| s.is_finite() && s <= 1.0));
        prop_assert!(scores[0] >= -0.5);
        for normalizer in NORMALIZERS {
            prop_assert!(nmi(&left, &right, normalizer).unwrap() >= 0.0);
        }
        prop_assert!(all_scores(&left, &renamed).iter().all(|&s| s == 1.0));
        let got = v_measure(&left, &right).unwrap();
        let swapped = v_measure(&right, &left).unwrap();
        prop_assert_eq!((got.homogeneity, got.completeness), (swapped.completeness, swapped.homogeneity));
        // One quotient and its terms against another.
        let by_nmi = nmi(&left, &right, Normalizer::Arithmetic).unwrap();
        prop_assert!((got.v_measure - by_nmi).abs() <= 8.0 * f64::EPSILON);
    }

    #[test]
    fn silhouettes_are_those_of_two_loops((points, labels) in labelled_grid_points(2..90, 5)) {
        let got = silhouette(&Euclidean, matrix::<f64>(&points).view(), &labels);
        if labels.iter().all(|&l| l == labels[0]) {
            prop_assert_eq!(got, Err(Error::OneClass));
            return Ok(());
        }
        let got = got.unwrap();
        for (i, &value) in got.rows.iter().enumerate() {
            let mean = |label: u32| {
                let others = (0..labels.len()).filter(|&j| j != i && labels[j] == label);
                let distances: Vec<f64> = others.map(|j| euclidean(&points[i], &points[j])).collect();
                (!distances.is_empty()).then(|| distances.iter().sum::<f64>() / distances.len() as f64)
            };
            let b = (0..5).filter(|&l| l != labels[i]).filter_map(mean).fold(f64::INFINITY, f64::min);
            let want = match mean(labels[i]) {
                Some(a) if a.max(b) > 0.0 => (b - a) / a.max(b),
                _ => 0.0,
            };
            // 90 terms and a quotient at most one, on either side.
            prop_assert!((value - want).abs() <= 4.0 * 94.0 * f64::EPSILON);
            prop_assert!((-1.0..=1.0).contains(&value));
        }
        let mean = got.rows.iter().sum::<f64>() / labels.len() as f64;
        prop_assert_eq!(got.mean, mean);
    }
}

#[test]
fn silhouettes_of_trivial_and_extreme_rows_are_finite() {
    let rows = array![[0.0f32], [1.0], [4.0]];
    assert_eq!(
        silhouette(&Euclidean, rows.view(), &[5, 6, 7])
            .unwrap()
            .rows,
        [0.0; 3]
    );
    let equal = Array2::<f32>::zeros((4, 2));
    assert_eq!(
        silhouette(&Euclidean, equal.view(), &[0, 0, 1, 1])
            .unwrap()
            .mean,
        0.0
    );
    // The first two are 6e38 apart, beyond f32, and so are the clusters.
    let far = array![[-3e38f32], [3e38], [-3e38], [3e38]];
    let got = silhouette(&Euclidean, far.view(), &[0, 0, 1, 1]).unwrap();
    assert!(got.rows.iter().all(|s| s.is_finite()));
    for scale in [2f32.powi(60), 2f32.powi(-60)] {
        let got = silhouette(&Euclidean, rows.mapv(|x| x * scale).view(), &[0, 0, 1]).unwrap();
        assert_eq!(got.rows, [0.75, 1.0 - 1.0 / 3.0, 0.0]);
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let rows = Array2::from_shape_fn((700, 9), |(i, j)| ((i * 37 + j * 11) as f32 * 0.61).cos());
    let (left, right): (Vec<u32>, Vec<u32>) =
        (0..700u32).map(|i| (i * i % 13, i * i * i % 37)).unzip();
    let run = || {
        let shape = silhouette(&Euclidean, rows.view(), &left).unwrap();
        (
            shape,
            ami(&left, &right, Normalizer::Arithmetic)
                .unwrap()
                .to_bits(),
        )
    };
    let one = with_threads(1, run);
    for threads in [2, 7] {
        assert_eq!(one, with_threads(threads, run));
    }
}

#[test]
fn labellings_that_do_not_fit_are_refused() {
    for (left, right) in [(&[0, 1][..], &[0][..]), (&[], &[])] {
        let refused = Error::LabellingLengths {
            left: left.len(),
            right: right.len(),
        };
        assert_eq!(nmi(left, right, Normalizer::Min), Err(refused.clone()));
        assert_eq!(ami(left, right, Normalizer::Min), Err(refused.clone()));
        assert_eq!(v_measure(left, right), Err(refused.clone()));
        assert_eq!(ari(left, right), Err(refused));
    }
    let rows = array![[0.0f32], [1.0]];
    let refused = Err(Error::LabelCount { rows: 2, labels: 3 });
    assert_eq!(silhouette(&Euclidean, rows.view(), &[0, 0, 1]), refused);
    let broken = array![[0.0f32], [f32::NAN]];
    let refused = Err(Error::NonFinite {
        what: "rows",
        row: 1,
        column: 0,
    });
    assert_eq!(silhouette(&Euclidean, broken.view(), &[0, 1]), refused);
}
