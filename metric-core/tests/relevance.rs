//! Which items are relevant, by label sets and by a caller's function.

#![allow(clippy::unwrap_used, reason = "tests: panics are failures")]

use std::collections::BTreeSet;

use metric_core::retrieval::{RetrievalMetric, retrieval_scores};
use metric_core::{Error, Euclidean, LabelSets, Relevance};
use ndarray::array;
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

fn flat(sets: &[BTreeSet<u32>]) -> (Vec<u32>, Vec<usize>) {
    let mut labels = Vec::new();
    let mut ends = Vec::new();
    for set in sets {
        labels.extend(set);
        ends.push(labels.len());
    }
    (labels, ends)
}

proptest! {
    #[test]
    fn the_grade_of_label_sets_is_their_jaccard_index(
        sets in vec(btree_set(0..8u32, 0..5), 1..8),
        threshold in prop_oneof![Just(0.0), Just(1.0 / 3.0), Just(0.5), 0.0..1.2f64],
    ) {
        let (labels, ends) = flat(&sets);
        let relevance = Relevance::sets(LabelSets::new(&labels, &ends).unwrap());
        let relevance = relevance.from_grade(threshold).unwrap();
        prop_assert_eq!((relevance.rows(), relevance.references()), (sets.len(), sets.len()));
        for (i, a) in sets.iter().enumerate() {
            for (j, b) in sets.iter().enumerate() {
                let (both, all) = (a.intersection(b).count() as f64, a.union(b).count() as f64);
                let want = if all == 0.0 { 1.0 } else { both / all };
                // One rounding to f64 and one to f32 on both sides.
                prop_assert!(relevance.grade(i, j).total_cmp(&(want as f32)).is_eq());
                prop_assert_eq!(relevance.is_relevant(i, j), want > 0.0 && want >= threshold);
            }
        }
    }
}

#[test]
fn a_function_is_asked_for_row_and_item_and_nan_is_not_relevant() {
    let grades = [[0.0, 0.4], [f32::NAN, 0.6], [-1.0, f32::INFINITY]];
    let grade = |row: usize, item: usize| grades[row][item];
    let relevance = Relevance::with(3, 2, &grade);
    assert_eq!((relevance.rows(), relevance.references()), (3, 2));
    let relevant = |relevance: &Relevance<'_>| {
        let pairs = (0..3).flat_map(|i| (0..2).map(move |j| (i, j)));
        pairs
            .filter(|&(i, j)| relevance.is_relevant(i, j))
            .collect::<Vec<_>>()
    };
    assert_eq!(relevant(&relevance), [(0, 1), (1, 1), (2, 1)]);
    let half = relevance.from_grade(0.5).unwrap();
    assert_eq!(relevant(&half), [(1, 1), (2, 1)]);
    for bad in [-0.1, f64::NAN, f64::INFINITY] {
        assert!(matches!(
            relevance.from_grade(bad),
            Err(Error::InvalidParam {
                name: "threshold",
                ..
            })
        ));
    }
}

#[test]
fn label_sets_that_are_none_are_refused_with_their_row() {
    let refused = |labels: &[u32], ends: &[usize]| LabelSets::new(labels, ends).map(|_| ());
    assert_eq!(
        refused(&[1, 2, 2], &[2, 1, 3]),
        Err(Error::LabelSet { row: 1 })
    );
    assert_eq!(refused(&[1, 2], &[1, 3]), Err(Error::LabelSet { row: 1 }));
    assert_eq!(refused(&[2, 1], &[2]), Err(Error::LabelSet { row: 0 }));
    assert_eq!(refused(&[1, 1], &[2]), Err(Error::LabelSet { row: 0 }));
    assert_eq!(refused(&[1, 2], &[1]), Err(Error::LabelSet { row: 1 }));
    assert_eq!(refused(&[], &[0, 0]), Ok(()));
}

#[test]
fn retrieval_scores_take_label_sets_and_functions() {
    let rows = array![[0.0f32], [1.0], [2.0], [4.0]];
    let (labels, ends) = ([1, 1, 2, 3, 2, 3], [1, 3, 4, 6]);
    let sets = Relevance::sets(LabelSets::new(&labels, &ends).unwrap());
    // Nearest others: 1, 0, 1, 2; only row 2 ({3}) finds one that shares nothing with it ({1, 2}).
    let metrics = [RetrievalMetric::PrecisionAt1];
    let scores = retrieval_scores(&Euclidean, rows.view(), &sets, &metrics).unwrap();
    assert_eq!(scores.get(metrics[0]), Some(0.75));
    let grade = |i: usize, j: usize| sets.grade(i, j);
    let same = Relevance::with(4, 4, &grade);
    let again = retrieval_scores(&Euclidean, rows.view(), &same, &metrics).unwrap();
    assert_eq!(again.values, scores.values);
}
