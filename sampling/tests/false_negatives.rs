//! Suspected false negatives against loops in `f64`.

#![allow(clippy::unwrap_used, reason = "tests: panics are failures")]

use metric_core::{Error, Relevance};
use metric_sampling::positives::{FalseNegatives, SupportScore};
use metric_sampling::{
    AllPairs, Batch, MiningError, NegativePairs, PairMiner, Pairs, PositivePairs,
};
use metric_testkit::oracle::cosine_similarity;
use metric_testkit::strategy::labelled_grid_points;
use ndarray::{Array2, Array3, Axis, array, s};
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// As for the nearest in a bank, of at most 5 numbers a row: 17 ε a cosine. A mean of directions is rounded to `f32` once more,
/// which turns it by less than ε.
const TOLERANCE: f64 = 18.0 * f32::EPSILON as f64;

const SCORES: [SupportScore; 2] = [SupportScore::Max, SupportScore::Mean];

fn matrix(rows: &[Vec<f64>]) -> Array2<f32> {
    Array2::from_shape_fn((rows.len(), rows[0].len()), |(i, j)| rows[i][j] as f32)
}

/// Support views of all rows: each is a row on the same grid, never zero.
fn views(points: &[Vec<f64>], views: usize) -> Vec<Vec<Vec<f64>>> {
    let n = points.len();
    let view = |row: usize, view: usize| {
        let mut point = points[(row + view * view) % n].clone();
        point[view % points[0].len()] += 0.25;
        if point.iter().all(|&x| x == 0.0) {
            point[0] = 0.5;
        }
        point
    };
    let of = |row| (0..views).map(|v| view(row, v)).collect();
    (0..n).map(of).collect()
}

fn block(views: &[Vec<Vec<f64>>]) -> Array3<f32> {
    let shape = (views.len(), views[0].len(), views[0][0].len());
    Array3::from_shape_fn(shape, |(i, v, j)| views[i][v][j] as f32)
}

fn score(views: &[Vec<f64>], item: &[f64], how: SupportScore) -> f64 {
    // What has no direction scores 0.
    let cosines = views.iter().map(|view| cosine_similarity(view, item));
    match how {
        SupportScore::Max => cosines.fold(-1.0, f64::max),
        SupportScore::Mean => cosines.sum::<f64>() / views.len() as f64,
    }
}

fn suspects_of(pairs: &Pairs, anchor: usize) -> Vec<usize> {
    let of_anchor = pairs
        .negative
        .iter()
        .filter(|pair| pair.0 as usize == anchor);
    of_anchor.map(|pair| pair.1 as usize).collect()
}

proptest! {
    #[test]
    fn suspects_are_the_negatives_most_like_another_view(
        (points, labels) in labelled_grid_points(1..24, 5),
        count in 1usize..5,
        k in prop::option::of(1usize..6),
        threshold in prop::option::of(-1.0..=1.0f64),
        has_reference: bool,
    ) {
        let miner = match (k, threshold) {
            (Some(k), None) => FalseNegatives::top(k),
            (None, Some(t)) => FalseNegatives::above(t),
            (Some(k), Some(t)) => FalseNegatives::top(k).unwrap().with_threshold(t),
            (None, None) => FalseNegatives::above(0.7),
        }.unwrap();
        let threshold = if k.is_none() { threshold.or(Some(0.7)) } else { threshold };
        let rows = matrix(&points);
        let relevance = Relevance::labels(&labels);
        let batch = match has_reference {
            true => Batch::against(rows.view(), rows.view(), relevance),
            false => Batch::new(rows.view(), relevance),
        }.unwrap();
        let support = views(&points, count);
        for how in SCORES {
            let found = miner.with_score(how).find(&batch, block(&support).view()).unwrap();
            prop_assert!(found.positive.is_empty());
            for anchor in 0..points.len() {
                let score = |item: usize| score(&support[anchor], &points[item], how);
                let got = suspects_of(&found, anchor);
                prop_assert!(got.is_sorted_by(|a, b| a < b));
                let is_negative = |item: &usize| labels[*item] != labels[anchor];
                prop_assert!(got.iter().all(is_negative));
                let all: Vec<usize> = (0..points.len()).filter(is_negative).collect();
                let reaches = |slack: f64| {
                    all.iter().filter(|&&item| threshold.is_none_or(|t| score(item) >= t + slack)).count()
                };
                // As many as reach the threshold, give or take those that are as near to it as rounding.
                let (least, most) = (reaches(TOLERANCE), reaches(-TOLERANCE));
                let cap = k.unwrap_or(usize::MAX);
                prop_assert!((least.min(cap)..=most.min(cap)).contains(&got.len()));
                // And none that is higher was left out.
                let lowest = got.iter().map(|&item| score(item)).fold(2.0, f64::min);
                let left = all.iter().filter(|item| !got.contains(item));
                let highest = left.map(|&item| score(item)).fold(-2.0, f64::max);
                let at_cap = got.len() == cap;
                prop_assert!(!at_cap || lowest >= highest - 2.0 * TOLERANCE);
                prop_assert!(at_cap || threshold.is_none_or(|t| highest < t + TOLERANCE));
                prop_assert!(threshold.is_none_or(|t| lowest >= t - TOLERANCE));
            }
        }
    }

    #[test]
    fn the_order_of_the_batch_does_not_matter((points, labels) in labelled_grid_points(2..20, 4), turn in 1usize..19) {
        let n = points.len();
        let order: Vec<usize> = (0..n).map(|i| (i + turn) % n).collect();
        let (rows, support) = (matrix(&points), block(&views(&points, 3)));
        let turned_labels: Vec<u32> = order.iter().map(|&i| labels[i]).collect();
        let turned_rows = rows.select(Axis(0), &order);
        let turned_support = support.select(Axis(0), &order);
        let batch = Batch::new(rows.view(), Relevance::labels(&labels)).unwrap();
        let turned = Batch::new(turned_rows.view(), Relevance::labels(&turned_labels)).unwrap();
        for how in SCORES {
            let miner = FalseNegatives::above(0.6).unwrap().with_score(how);
            let found = miner.find(&batch, support.view()).unwrap();
            let other = miner.find(&turned, turned_support.view()).unwrap();
            let back = |(a, o): (u32, u32)| (order[a as usize] as u32, order[o as usize] as u32);
            let mut other: Vec<(u32, u32)> = other.negative.iter().map(back).collect();
            other.sort_unstable();
            prop_assert!(found.negative.iter().eq(other));
        }
    }
}

#[test]
fn one_view_that_is_alike_is_enough_for_the_maximum_and_not_for_the_mean() {
    // Cosines of 1 and 0 with item 1, of -1 and 0 with item 2, of 0 and 1 with item 3.
    let rows = array![[1.0f32, 1.0], [1.0, 0.0], [-3.0, 0.0], [0.0, 2.0]];
    let batch = Batch::new(rows.view(), Relevance::labels(&[0, 1, 2, 3])).unwrap();
    let mut support = Array3::from_elem((4, 2, 2), -1.0f32);
    support
        .slice_mut(s![0, .., ..])
        .assign(&array![[4.0, 0.0], [0.0, 0.5]]);
    let of_row_0 =
        |miner: FalseNegatives| suspects_of(&miner.find(&batch, support.view()).unwrap(), 0);
    let mean = |miner: FalseNegatives| of_row_0(miner.with_score(SupportScore::Mean));
    let above = |t| FalseNegatives::above(t).unwrap();
    // The threshold itself is reached; of equal scores the lower index comes first.
    assert_eq!(of_row_0(above(1.0)), [1, 3]);
    assert_eq!(of_row_0(FalseNegatives::top(1).unwrap()), [1]);
    assert_eq!(of_row_0(above(0.0).with_at_most(1).unwrap()), [1]);
    assert_eq!(of_row_0(FalseNegatives::top(9).unwrap()), [1, 2, 3]);
    assert_eq!(
        of_row_0(FalseNegatives::top(3).unwrap().with_threshold(0.5).unwrap()),
        [1, 3]
    );
    assert!(mean(above(0.51)).is_empty());
    assert_eq!(mean(above(0.49)), [1, 3]);
    assert_eq!(mean(FalseNegatives::top(2).unwrap()), [1, 3]);
}

#[test]
fn views_that_cancel_have_a_mean_score_of_zero() {
    let rows = array![[1.0f32, 0.0], [0.0, 1.0], [0.0, 0.0]];
    let batch = Batch::new(rows.view(), Relevance::labels(&[0, 1, 2])).unwrap();
    let support = Array3::from_shape_fn((3, 2, 2), |(_, view, _)| [2.0f32, -0.5][view]);
    let mean = |t| {
        FalseNegatives::above(t)
            .unwrap()
            .with_score(SupportScore::Mean)
    };
    let count = |t| mean(t).find(&batch, support.view()).unwrap().negative.len();
    assert_eq!([count(0.0), count(1e-9)], [6, 0]);
    // Also for the maximum nothing is like what has no direction.
    let found = FalseNegatives::above(1e-9)
        .unwrap()
        .find(&batch, support.view())
        .unwrap();
    assert!(found.negative.iter().all(|pair| pair.1 != 2));
}

#[test]
fn candidates_and_sets_of_labels_are_allowed_for() {
    let rows = array![[1.0f32, 0.0], [1.0, 0.1], [1.0, 0.2], [1.0, 0.3]];
    let support = rows.clone().insert_axis(Axis(1));
    let even = |a: usize, b: usize| if (a + b).is_multiple_of(2) { 1.0 } else { 0.0 };
    let batch = Batch::new(rows.view(), Relevance::with(4, 4, &even)).unwrap();
    let miner = FalseNegatives::above(0.5).unwrap();
    let found = miner.find(&batch, support.view()).unwrap();
    let want = [
        (0, 1),
        (0, 3),
        (1, 0),
        (1, 2),
        (2, 1),
        (2, 3),
        (3, 0),
        (3, 2),
    ];
    assert!(found.negative.iter().eq(want));
    let few = Pairs {
        positive: PositivePairs::default(),
        negative: NegativePairs::new(vec![2, 0], vec![3, 1]).unwrap(),
    };
    let found = miner
        .find(&batch.among(&few).unwrap(), support.view())
        .unwrap();
    assert!(found.negative.iter().eq([(0, 1), (2, 3)]));
}

#[test]
fn suspects_can_be_left_out_or_attracted() {
    let rows = array![[1.0f32, 0.0], [1.0, 0.1], [0.0, 1.0]];
    let batch = Batch::new(rows.view(), Relevance::labels(&[0, 1, 2])).unwrap();
    let support = rows.clone().insert_axis(Axis(1));
    let suspects = FalseNegatives::above(0.9)
        .unwrap()
        .find(&batch, support.view())
        .unwrap();
    assert!(suspects.negative.iter().eq([(0, 1), (1, 0)]));
    let attracted = PositivePairs::from(suspects.negative.clone());
    assert_eq!(attracted.anchors(), suspects.negative.anchors());
    assert_eq!(attracted.positives(), suspects.negative.negatives());
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut mine = |batch: &Batch<'_>| AllPairs.mine(batch, &mut rng).unwrap();
    let left = mine(&batch.except(&suspects).unwrap());
    assert!(left.positive.is_empty());
    assert!(left.negative.iter().eq([(0, 2), (1, 2), (2, 0), (2, 1)]));
    let drawn = mine(&batch.attract(&attracted).unwrap());
    assert!(drawn.positive.iter().eq([(0, 1), (1, 0)]));
    assert_eq!(drawn.negative, left.negative);
    // What is no negative any more is no suspect.
    let again = FalseNegatives::above(0.9).unwrap();
    for batch in [
        batch.except(&suspects).unwrap(),
        batch.attract(&attracted).unwrap(),
    ] {
        let found = again.find(&batch, support.view()).unwrap();
        assert_eq!(found, Pairs::default());
    }
}

#[test]
fn suspects_are_the_same_for_any_number_of_threads() {
    let wave = |(i, v, j): (usize, usize, usize)| ((i * 7 + v * 5 + j * 3) as f32 * 0.61).sin();
    let support = Array3::from_shape_fn((300, 3, 6), wave);
    let rows = support.index_axis(Axis(1), 0).to_owned();
    let labels: Vec<u32> = (0..300).map(|i| i % 50).collect();
    let batch = Batch::new(rows.view(), Relevance::labels(&labels)).unwrap();
    for how in SCORES {
        let miner = FalseNegatives::top(4)
            .unwrap()
            .with_threshold(0.3)
            .unwrap()
            .with_score(how);
        let found = [1, 2, 5].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            let pool = pool.build().unwrap();
            pool.install(|| miner.find(&batch, support.view()).unwrap())
        });
        assert!(found[0].negative.len() > 600);
        assert_eq!(found[0], found[1]);
        assert_eq!(found[0], found[2]);
    }
}

#[test]
fn extreme_and_coincident_rows_have_suspects() {
    for size in [1e18f32, 1e-18, 1e-45, f32::MAX] {
        let rows =
            Array2::from_shape_fn((4, 2), |(i, j)| if i == 3 || j == 0 { size } else { 0.0 });
        let batch = Batch::new(rows.view(), Relevance::labels(&[0, 1, 2, 3])).unwrap();
        let support = rows.clone().insert_axis(Axis(1));
        for how in SCORES {
            let miner = FalseNegatives::above(0.9).unwrap().with_score(how);
            let found = miner.find(&batch, support.view()).unwrap();
            let want = [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)];
            assert!(found.negative.iter().eq(want), "{size}: {found:?}");
        }
    }
    // A batch of one class has no negative to suspect.
    let rows = Array2::from_elem((3, 2), 1.0f32);
    let batch = Batch::new(rows.view(), Relevance::labels(&[5, 5, 5])).unwrap();
    let support = rows.clone().insert_axis(Axis(1));
    let found = FalseNegatives::top(2)
        .unwrap()
        .find(&batch, support.view())
        .unwrap();
    assert_eq!(found, Pairs::default());
}

#[test]
fn bad_input_is_refused() {
    let named = |result: Result<FalseNegatives, MiningError>, want: &str| {
        let Err(MiningError::InvalidParam { name, .. }) = result else {
            panic!("{want}: {result:?}")
        };
        assert_eq!(name, want);
    };
    named(FalseNegatives::top(0), "k");
    for bad in [-1.1, 1.1, f64::NAN, f64::INFINITY] {
        named(FalseNegatives::above(bad), "threshold");
        named(
            FalseNegatives::top(1).unwrap().with_threshold(bad),
            "threshold",
        );
    }
    let rows = array![[1.0f32, 0.0], [0.0, 1.0]];
    let batch = Batch::new(rows.view(), Relevance::labels(&[0, 1])).unwrap();
    for how in SCORES {
        let miner = FalseNegatives::top(1).unwrap().with_score(how);
        let find = |support: Array3<f32>| miner.find(&batch, support.view()).unwrap_err();
        let count = MiningError::SupportCount {
            rows: 2,
            anchors: 3,
        };
        assert_eq!(find(Array3::ones((3, 2, 2))), count);
        let what = "support";
        assert_eq!(find(Array3::ones((2, 0, 2))), Error::Empty { what }.into());
        assert_eq!(find(Array3::ones((2, 2, 0))), Error::Empty { what }.into());
        let dims = Error::DimMismatch { left: 2, right: 3 };
        assert_eq!(find(Array3::ones((2, 2, 3))), dims.into());
        let mut broken = Array3::ones((2, 2, 2));
        broken[[1, 0, 1]] = f32::NAN;
        let (row, column) = (2, 1);
        assert_eq!(
            find(broken.clone()),
            Error::NonFinite { what, row, column }.into()
        );
        broken.slice_mut(s![1, 0, ..]).fill(0.0);
        assert_eq!(find(broken), Error::ZeroRow { what, row }.into());
    }
}
