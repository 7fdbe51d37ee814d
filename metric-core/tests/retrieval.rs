//! Retrieval scores against a fully sorted list, and class spread against two loops.

#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and laws hold exactly"
)]

use metric_core::retrieval::RetrievalMetric::*;
use metric_core::retrieval::{
    RetrievalMetric, RetrievalScores, class_spread, retrieval_scores, retrieval_scores_against,
};
use metric_core::{Error, Euclidean, Relevance};
use metric_testkit::oracle;
use metric_testkit::strategy::labelled_grid_points;
use ndarray::{Array2, array};
use proptest::prelude::*;

use crate::common::{matrix, with_threads};

const ALL: [RetrievalMetric; 8] = [
    PrecisionAt1,
    RecallAt(1),
    RecallAt(3),
    RecallAt(1000),
    RPrecision,
    MapAtR,
    MeanAveragePrecision,
    MeanReciprocalRank,
];

fn naive(metric: RetrievalMetric, list: &[bool]) -> f64 {
    match metric {
        PrecisionAt1 => oracle::precision_at(list, 1),
        RecallAt(k) => oracle::recall_at(list, k),
        RPrecision => oracle::r_precision(list),
        MapAtR => oracle::map_at_r(list),
        MeanAveragePrecision => oracle::average_precision(list, list.len()),
        MeanReciprocalRank => oracle::reciprocal_rank(list),
        other => panic!("no oracle for {other}"),
    }
}

/// Lists of hits, by the oracle's full sort, of the queries that have any.
fn hit_lists(
    queries: (&[Vec<f64>], &[u32]),
    base: (&[Vec<f64>], &[u32]),
    leave_out: impl Fn(usize) -> Option<usize>,
) -> Vec<Vec<bool>> {
    let lists = queries
        .0
        .iter()
        .zip(queries.1)
        .enumerate()
        .map(|(i, (query, label))| {
            let distances: Vec<f64> = base.0.iter().map(|b| oracle::euclidean(query, b)).collect();
            let ranking = oracle::ranking(&distances, leave_out(i));
            ranking
                .into_iter()
                .map(|j| base.1[j] == *label)
                .collect::<Vec<bool>>()
        });
    lists.filter(|list| list.contains(&true)).collect()
}

fn agree(
    got: Result<RetrievalScores, Error>,
    lists: &[Vec<bool>],
    queries: usize,
    metrics: &[RetrievalMetric],
) -> Result<(), TestCaseError> {
    if lists.is_empty() {
        prop_assert_eq!(got, Err(Error::AllLone));
        return Ok(());
    }
    let got = got.unwrap();
    prop_assert_eq!(
        (got.queries, got.lone),
        (lists.len(), queries - lists.len())
    );
    prop_assert_eq!(got.values.len(), metrics.len());
    for &metric in metrics {
        let want = lists.iter().map(|list| naive(metric, list)).sum::<f64>() / lists.len() as f64;
        let value = got.get(metric).unwrap();
        // Sums of at most 150 terms of at most 1, twice.
        prop_assert!(
            (value - want).abs() <= 300.0 * f64::EPSILON,
            "{metric}: {value}, want {want}"
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn scores_are_those_of_the_sorted_list(
        (points, labels) in labelled_grid_points(2..150, 12),
        split in 0.1..0.9f64,
    ) {
        let set = (&points[..], &labels[..]);
        let lists = hit_lists(set, set, Some);
        let relevance = Relevance::labels(&labels);
        let rows = matrix::<f32>(&points);
        for metrics in [&ALL[..], &[PrecisionAt1, RecallAt(2), MeanReciprocalRank], &[RPrecision]] {
            let got = retrieval_scores(&Euclidean, rows.view(), &relevance, metrics);
            agree(got, &lists, points.len(), metrics)?;
        }

        let cut = ((points.len() as f64 * split) as usize).max(1);
        let ((x, y), (x_labels, y_labels)) = (points.split_at(cut), labels.split_at(cut));
        let lists = hit_lists((x, x_labels), (y, y_labels), |_| None);
        let relevance = Relevance::labels_against(x_labels, y_labels);
        let (queries, reference) = (matrix::<f64>(x), matrix::<f64>(y));
        let got = retrieval_scores_against(&Euclidean, queries.view(), reference.view(), &relevance, &ALL);
        agree(got, &lists, x.len(), &ALL)?;
    }

    #[test]
    fn spread_is_that_of_two_loops((points, labels) in labelled_grid_points(2..90, 5)) {
        let (mut within, mut between) = (Vec::new(), Vec::new());
        for i in 0..points.len() {
            for j in 0..i {
                let side = if labels[i] == labels[j] { &mut within } else { &mut between };
                side.push(oracle::euclidean(&points[i], &points[j]));
            }
        }
        let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
        let got = class_spread(&Euclidean, matrix::<f64>(&points).view(), &labels);
        match (within.is_empty(), between.is_empty()) {
            (_, true) => prop_assert_eq!(got, Err(Error::OneClass)),
            (true, _) => prop_assert_eq!(got, Err(Error::AllLone)),
            _ => {
                let got = got.unwrap();
                // 4005 terms at most, added in another order; each at most 7.
                prop_assert!((got.within - mean(&within)).abs() <= 7.0 * 8e3 * f64::EPSILON);
                prop_assert!((got.between - mean(&between)).abs() <= 7.0 * 8e3 * f64::EPSILON);
                if got.between > 0.0 {
                    prop_assert!(got.ratio() == got.within / got.between);
                }
            }
        }
    }
}

#[test]
fn a_hand_worked_list() {
    // Query 0 finds, in order: 1 (hit), 2, 3 (hit), 4. R = 2, so MAP@R sees the first two places only.
    let rows = array![[0.0f32], [1.0], [2.0], [3.0], [4.0]];
    let relevance = Relevance::labels_against(&[7], &[9, 7, 9, 7, 9]);
    let query = rows.slice(ndarray::s![..1, ..]);
    let mut reference = rows.clone();
    reference[[0, 0]] = 9.0;
    let got =
        retrieval_scores_against(&Euclidean, query, reference.view(), &relevance, &ALL).unwrap();
    assert_eq!(got.get(RPrecision), Some(0.5));
    assert_eq!(got.get(MapAtR), Some(0.5));
    assert_eq!(got.get(MeanAveragePrecision), Some((1.0 + 2.0 / 3.0) / 2.0));
    assert_eq!(got.get(RecallAt(5)), None);
}

#[test]
fn labels_beyond_the_precision_of_f32_stay_apart() {
    let rows = array![[0.0f32], [0.1], [5.0], [5.1]];
    let labels = [16_777_216, 16_777_217, 16_777_216, 16_777_217];
    let got = retrieval_scores(
        &Euclidean,
        rows.view(),
        &Relevance::labels(&labels),
        &[PrecisionAt1],
    );
    assert_eq!(got.unwrap().get(PrecisionAt1), Some(0.0));
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let rows = Array2::from_shape_fn((301, 24), |(i, j)| ((i * 37 + j * 11) as f32 * 0.61).cos());
    let labels: Vec<u32> = (0..301).map(|i| i * i % 13).collect();
    let run = || {
        let scores = retrieval_scores(&Euclidean, rows.view(), &Relevance::labels(&labels), &ALL);
        (
            scores.unwrap(),
            class_spread(&Euclidean, rows.view(), &labels).unwrap(),
        )
    };
    assert_eq!(with_threads(1, run), with_threads(5, run));
}

#[test]
fn names_are_read_back() {
    for metric in ALL {
        assert_eq!(metric.to_string().parse(), Ok(metric));
    }
    for name in [
        "recall_at_0",
        "recall_at_",
        "recall_at_x",
        "Precision_at_1",
        "",
    ] {
        assert_eq!(name.parse::<RetrievalMetric>(), Err(Error::UnknownMetric));
    }
}

#[test]
fn relevance_by_labels_is_binary() {
    let relevance = Relevance::labels_against(&[1, 2], &[2, 3, 2]);
    assert_eq!((relevance.rows(), relevance.references()), (2, 3));
    assert!(relevance.is_relevant(1, 2) && !relevance.is_relevant(0, 0));
    assert_eq!((relevance.grade(1, 0), relevance.grade(1, 1)), (1.0, 0.0));
}
