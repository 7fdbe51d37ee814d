//! Miners against loops over all triplets.

#![allow(clippy::unwrap_used, reason = "tests: panics are failures")]

use metric_core::{Error, Relevance, SquaredEuclidean};
use metric_sampling::{
    Batch, BatchHard, MiningError, NegativePairs, PositivePairs, RandomTriplets, SemiHard,
    TripletKind, TripletMarginMiner, TripletMiner, Triplets,
};
use metric_testkit::oracle::{euclidean, squared_euclidean, triplets};
use metric_testkit::strategy::labelled_grid_points;
use ndarray::{Array2, array};
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

const MARGIN: f64 = 0.5;

type Found = Vec<(u32, u32, u32)>;

fn matrix(rows: &[Vec<f64>]) -> Array2<f32> {
    Array2::from_shape_fn((rows.len(), rows[0].len()), |(i, j)| rows[i][j] as f32)
}

fn mine(miner: &dyn TripletMiner, batch: &Batch<'_>) -> Found {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    miner.mine(batch, &mut rng).unwrap().iter().collect()
}

fn narrow((a, p, n): (usize, usize, usize)) -> (u32, u32, u32) {
    (a as u32, p as u32, n as u32)
}

/// Distance as the miner has it: grid points have exact squares, whose root rounds to `f32` once.
fn rounded(a: &[f64], b: &[f64]) -> f64 {
    f64::from(euclidean(a, b) as f32)
}

proptest! {
    #[test]
    fn triplets_of_a_kind_are_those_whose_gap_says_so((points, labels) in labelled_grid_points(1..24, 4)) {
        let rows = matrix(&points);
        let batch = Batch::new(rows.view(), Relevance::labels(&labels)).unwrap();
        for kind in [TripletKind::All, TripletKind::Hard, TripletKind::SemiHard, TripletKind::Easy] {
            let keeps = |&(a, p, n): &(usize, usize, usize)| {
                let gap = rounded(&points[a], &points[n]) - rounded(&points[a], &points[p]);
                match kind {
                    TripletKind::All => gap <= MARGIN,
                    TripletKind::Hard => gap <= 0.0,
                    TripletKind::SemiHard => 0.0 < gap && gap <= MARGIN,
                    _ => gap > MARGIN,
                }
            };
            let want: Found = triplets(&labels).into_iter().filter(keeps).map(narrow).collect();
            prop_assert_eq!(mine(&TripletMarginMiner::new(MARGIN, kind).unwrap(), &batch), want);
        }
    }

    #[test]
    fn batch_hard_has_no_harder_triplet((points, labels) in labelled_grid_points(1..40, 4)) {
        let rows = matrix(&points);
        let batch = Batch::new(rows.view(), Relevance::labels(&labels)).unwrap();
        let d = |i: usize, j: usize| squared_euclidean(&points[i], &points[j]);
        let mut want = Found::new();
        for anchor in 0..points.len() {
            let mut best: Option<(usize, usize, usize)> = None;
            for (a, p, n) in triplets(&labels).into_iter().filter(|t| t.0 == anchor) {
                let (_, bp, bn) = best.unwrap_or((a, p, n));
                let p = if d(a, p) > d(a, bp) { p } else { bp };
                let n = if d(a, n) < d(a, bn) { n } else { bn };
                best = Some((a, p, n));
            }
            want.extend(best.map(narrow));
        }
        prop_assert_eq!(mine(&BatchHard::new(), &batch), want.clone());
        prop_assert_eq!(mine(&BatchHard::new().with_distance(SquaredEuclidean), &batch), want);
    }

    #[test]
    fn semi_hard_takes_the_nearest_negative_behind_the_positive((points, labels) in labelled_grid_points(1..24, 4)) {
        let rows = matrix(&points);
        let batch = Batch::new(rows.view(), Relevance::labels(&labels)).unwrap();
        let mut best = std::collections::BTreeMap::new();
        for (a, p, n) in triplets(&labels) {
            let (ap, an) = (squared_euclidean(&points[a], &points[p]), squared_euclidean(&points[a], &points[n]));
            if ap < an && an - ap <= MARGIN {
                let nearest = best.entry((a, p)).or_insert((n, an));
                if an < nearest.1 {
                    *nearest = (n, an);
                }
            }
        }
        let want: Found = best.into_iter().map(|((a, p), (n, _))| narrow((a, p, n))).collect();
        let miner = SemiHard::new(MARGIN).unwrap().with_distance(SquaredEuclidean);
        prop_assert_eq!(mine(&miner, &batch), want);
    }

    #[test]
    fn against_a_reference_set_nothing_is_left_out(
        (points, labels) in labelled_grid_points(2..24, 3),
        split in 0.1..0.9f64,
    ) {
        let cut = ((points.len() as f64 * split) as usize).max(1);
        let ((x, y), (x_labels, y_labels)) = (points.split_at(cut), labels.split_at(cut));
        let (rows, reference) = (matrix(x), matrix(y));
        let relevance = Relevance::labels_against(x_labels, y_labels);
        let batch = Batch::against(rows.view(), reference.view(), relevance).unwrap();
        let mut want = Found::new();
        for (a, label) in x_labels.iter().enumerate() {
            for p in (0..y.len()).filter(|&p| y_labels[p] == *label) {
                for n in (0..y.len()).filter(|&n| y_labels[n] != *label) {
                    want.push(narrow((a, p, n)));
                }
            }
        }
        let mut got = mine(&TripletMarginMiner::new(MARGIN, TripletKind::All).unwrap(), &batch);
        got.extend(mine(&TripletMarginMiner::new(MARGIN, TripletKind::Easy).unwrap(), &batch));
        got.sort_unstable();
        prop_assert_eq!(got, want);
    }

    #[test]
    fn random_triplets_are_valid_and_as_many_as_asked((points, labels) in labelled_grid_points(1..40, 4), per_anchor in 1..5usize) {
        let rows = matrix(&points);
        let batch = Batch::new(rows.view(), Relevance::labels(&labels)).unwrap();
        let valid: Found = triplets(&labels).into_iter().map(narrow).collect();
        let got = mine(&RandomTriplets::new(per_anchor).unwrap(), &batch);
        prop_assert!(got.is_sorted());
        prop_assert!(got.iter().all(|t| valid.contains(t)));
        for anchor in 0..points.len() as u32 {
            let has_any = valid.iter().any(|t| t.0 == anchor);
            let count = got.iter().filter(|t| t.0 == anchor).count();
            prop_assert_eq!(count, if has_any { per_anchor } else { 0 });
        }
    }
}

#[test]
fn random_triplets_are_uniform() {
    // Anchor 0 has positives 1, 2, 3 and negatives 4, 5, 6, 7: twelve equally likely triplets.
    let rows = Array2::zeros((8, 1));
    let labels = [0, 0, 0, 0, 1, 2, 2, 1];
    let batch = Batch::new(rows.view(), Relevance::labels(&labels)).unwrap();
    let draws = 12_000;
    let mut counts = std::collections::BTreeMap::new();
    for (a, p, n) in mine(&RandomTriplets::new(draws).unwrap(), &batch) {
        if a == 0 {
            *counts.entry((p, n)).or_insert(0.0) += 1.0;
        }
    }
    assert_eq!(counts.len(), 12);
    let expected = draws as f64 / 12.0;
    let chi_square: f64 = counts
        .values()
        .map(|c: &f64| (c - expected).powi(2) / expected)
        .sum();
    // 99.9 % quantile of chi-square with 11 degrees of freedom.
    assert!(chi_square < 31.26, "{chi_square}");
}

#[test]
fn batches_without_a_triplet_give_none() {
    let rows = array![[0.0f32], [1.0], [2.0]];
    let miners: [Box<dyn TripletMiner>; 4] = [
        Box::new(BatchHard::new()),
        Box::new(TripletMarginMiner::new(0.2, TripletKind::All).unwrap()),
        Box::new(SemiHard::new(0.2).unwrap()),
        Box::new(RandomTriplets::new(3).unwrap()),
    ];
    for labels in [[5, 5, 5], [1, 2, 3]] {
        let batch = Batch::new(rows.view(), Relevance::labels(&labels)).unwrap();
        for miner in &miners {
            assert!(mine(miner.as_ref(), &batch).is_empty());
        }
    }
}

#[test]
fn a_row_equal_to_its_reference_item_is_still_a_pair() {
    let rows = array![[0.0f32]];
    let reference = array![[0.0f32], [1.0]];
    let relevance = Relevance::labels_against(&[1], &[1, 2]);
    let batch = Batch::against(rows.view(), reference.view(), relevance).unwrap();
    assert!(batch.has_reference() && batch.is_pair(0, 0));
    assert_eq!(mine(&BatchHard::new(), &batch), [(0, 0, 1)]);
}

#[test]
fn the_number_of_threads_changes_no_triplet() {
    let rows = Array2::from_shape_fn((97, 8), |(i, j)| ((i * 13 + j * 7) as f32 * 0.7).sin());
    let labels: Vec<u32> = (0..97).map(|i| i % 9).collect();
    let batch = Batch::new(rows.view(), Relevance::labels(&labels)).unwrap();
    let miner = TripletMarginMiner::new(MARGIN, TripletKind::SemiHard).unwrap();
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| mine(&miner, &batch))
    };
    let one = run(1);
    assert_eq!(one, run(4));
    assert!(one.is_sorted());
}

#[test]
fn batches_that_do_not_fit_are_refused() {
    let rows = array![[0.0f32, 1.0], [2.0, 3.0]];
    let refusal = |rows: &Array2<f32>, labels: &[u32]| {
        Batch::new(rows.view(), Relevance::labels(labels))
            .map(|_| ())
            .unwrap_err()
    };
    let count = Error::LabelCount { rows: 2, labels: 1 };
    assert_eq!(refusal(&rows, &[1]), count.into());
    assert_eq!(
        refusal(&Array2::zeros((0, 3)), &[]),
        Error::Empty { what: "rows" }.into()
    );
    let bad = array![[0.0f32, 1.0], [2.0, f32::NAN]];
    let place = Error::NonFinite {
        what: "rows",
        row: 1,
        column: 1,
    };
    assert_eq!(refusal(&bad, &[1, 2]), place.into());
    let narrow = array![[1.0f32]];
    let relevance = Relevance::labels_against(&[1, 2], &[1]);
    let mismatch = Batch::against(rows.view(), narrow.view(), relevance).map(|_| ());
    assert_eq!(
        mismatch,
        Err(Error::DimMismatch { left: 2, right: 1 }.into())
    );
    let wide = Batch::against(rows.view(), rows.view(), relevance).map(|_| ());
    assert_eq!(wide, Err(Error::LabelCount { rows: 2, labels: 1 }.into()));
}

#[test]
fn parameters_and_columns_are_checked() {
    for margin in [-0.1, f64::NAN, f64::INFINITY] {
        assert!(TripletMarginMiner::new(margin, TripletKind::All).is_err());
        assert!(SemiHard::new(margin).is_err());
    }
    assert!(RandomTriplets::new(0).is_err());
    let lengths = MiningError::TupleLengths {
        first: 1,
        second: 2,
    };
    assert_eq!(
        Triplets::new(vec![0], vec![1], vec![2, 3]),
        Err(lengths.clone())
    );
    assert_eq!(
        Triplets::new(vec![0], vec![1, 2], vec![2]),
        Err(lengths.clone())
    );
    assert_eq!(
        PositivePairs::new(vec![0], vec![1, 2]),
        Err(lengths.clone())
    );
    assert_eq!(NegativePairs::new(vec![0], vec![1, 2]), Err(lengths));
    let one = Triplets::new(vec![0], vec![1], vec![2]).unwrap();
    assert_eq!(
        (one.len(), one.anchors(), one.positives(), one.negatives()),
        (1, &[0][..], &[1][..], &[2][..])
    );
    let pair = PositivePairs::new(vec![4], vec![5]).unwrap();
    assert_eq!(pair.iter().collect::<Vec<_>>(), [(4, 5)]);
}
