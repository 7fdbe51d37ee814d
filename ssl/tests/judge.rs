//! Judging features: neighbours, probes, spread and collapse.
#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and some numbers are exact"
)]

mod common;

use burn::tensor::Device;
use common::random;
use metric_core::Error;
use metric_ssl::{
    Collapse, CollapseLimits, LinearProbe, ProbeError, Spread, Vote, alignment, knn_accuracy,
    uniformity,
};
use ndarray::{Array2, array};
use rand::RngExt;

fn cloud(n: usize, dim: usize, seed: u64) -> Array2<f32> {
    let mut random = random(seed);
    // The sum of four is close enough to normal for directions to be spread evenly.
    Array2::from_shape_simple_fn((n, dim), || {
        (0..4).map(|_| random.random_range(-1.0..1.0_f32)).sum()
    })
}

#[test]
fn neighbours_vote_by_number_or_by_weight() {
    // Cosines to the query (1, 0): 1, 0.8, 0.6.
    let gallery = array![[1.0_f32, 0.0], [0.8, 0.6], [0.6, 0.8]];
    let query = array![[2.0_f32, 0.0]];
    let share = |vote, ks: &[usize]| {
        knn_accuracy(gallery.view(), &[1, 0, 0], query.view(), &[1], ks, vote).unwrap()
    };
    assert_eq!(
        share(Vote::Majority, &[1, 2, 3, 9]),
        [1.0, 1.0, 0.0, 0.0],
        "a tie goes to the nearest"
    );
    // 1 against exp(−0.2/T) + exp(−0.4/T): more than 1 at T = 1, less at T = 0.1.
    assert_eq!(share(Vote::Weighted { temperature: 1.0 }, &[3]), [0.0]);
    assert_eq!(share(Vote::Weighted { temperature: 0.1 }, &[3]), [1.0]);
    assert_eq!(share(Vote::Weighted { temperature: 1e-30 }, &[3]), [1.0]);
}

#[test]
fn bad_input_of_a_vote_is_named() {
    let rows = array![[1.0_f32, 0.0], [0.8, 0.6]];
    let vote = |labels: &[u32], ks: &[usize], vote| {
        knn_accuracy(rows.view(), labels, rows.view(), &[0, 1], ks, vote).unwrap_err()
    };
    assert_eq!(
        vote(&[0], &[1], Vote::Majority),
        Error::LabelCount { rows: 2, labels: 1 }
    );
    assert_eq!(vote(&[0, 1], &[0], Vote::Majority), Error::ZeroNeighbors);
    let error = vote(&[0, 1], &[1], Vote::Weighted { temperature: 0.0 });
    assert_eq!(error.to_string(), "temperature must be above 0, got 0");
}

#[test]
fn directions_spread_evenly_have_deviation_one_and_full_rank() {
    let dim = 16;
    let spread = Spread::of(cloud(4000, dim, 1).view()).unwrap();
    // Standard errors: √(1/2n) of a deviation, and the entropy of 16 nearly equal values.
    assert!((spread.deviation - 1.0).abs() < 0.01, "{spread:?}");
    assert!((spread.effective_rank - 16.0).abs() < 0.1, "{spread:?}");
    let limits = CollapseLimits::default();
    assert_eq!(Collapse::of(&spread, &spread, &limits), None);
    let half = Spread {
        deviation: 0.5 * spread.deviation,
        ..spread
    };
    // A loss may let unlike images be half alike, in as many directions as before.
    assert_eq!(Collapse::of(&half, &spread, &limits), None);
    let narrow = Spread {
        effective_rank: 0.4 * spread.effective_rank,
        ..half
    };
    let collapse = Collapse::of(&narrow, &spread, &limits).unwrap();
    assert!(
        collapse.to_string().starts_with("collapsing: "),
        "{collapse}"
    );
}

#[test]
fn rank_counts_directions_also_with_fewer_rows_than_columns() {
    // Three directions of 40 in use, the same in all of 200 rows and in 20 of them.
    let low = cloud(200, 3, 2);
    let mut rows = Array2::<f32>::zeros((200, 40));
    for (mut row, low) in rows.outer_iter_mut().zip(low.outer_iter()) {
        for (column, &x) in [4, 17, 39].into_iter().zip(low) {
            row[column] = x;
        }
    }
    for n in [200, 20] {
        let spread = Spread::of(rows.slice(ndarray::s![..n, ..])).unwrap();
        assert!(
            (2.7..=3.0 + 1e-9).contains(&spread.effective_rank),
            "{n} rows: {spread:?}"
        );
    }
}

#[test]
fn rows_that_all_point_one_way_have_collapsed() {
    let same = Array2::from_shape_fn((50, 8), |(i, j)| (1.0 + i as f32) * (j as f32 - 3.0));
    let spread = Spread::of(same.view()).unwrap();
    assert!(
        spread.deviation < 1e-6 && spread.effective_rank == 0.0,
        "{spread:?}"
    );
    let collapse = Collapse::of(&spread, &spread, &CollapseLimits::default()).unwrap();
    assert!(
        collapse
            .to_string()
            .starts_with("collapsed: every image gets nearly the same output")
    );
    assert_eq!(uniformity(same.view()).unwrap(), 0.0);

    // Two opposite directions: much deviation in one dimension.
    let line = Array2::from_shape_fn((50, 8), |(i, j)| if (i + j) % 2 == 0 { 1.0 } else { -1.0 });
    let spread = Spread::of(line.view()).unwrap();
    assert!((spread.effective_rank - 1.0).abs() < 1e-6, "{spread:?}");
    let collapse = Collapse::of(&spread, &spread, &CollapseLimits::default()).unwrap();
    assert!(
        matches!(collapse, Collapse::Dimensional { dim: 8, .. }),
        "{collapse}"
    );
}

#[test]
fn alignment_and_uniformity_are_their_formulas() {
    let first = array![[2.0_f32, 0.0], [0.0, 1.0]];
    let second = array![[0.0_f32, 3.0], [0.0, 5.0]];
    // Squared distances 2 and 0.
    assert!((alignment(first.view(), second.view()).unwrap() - 1.0).abs() < 1e-12);
    // One pair at squared distance 2: log exp(−4).
    assert!((uniformity(first.view()).unwrap() + 4.0).abs() < 1e-12);
    assert_eq!(uniformity(array![[1.0_f32, 2.0]].view()).unwrap(), 0.0);
    let error = alignment(first.view(), array![[1.0_f32, 0.0]].view()).unwrap_err();
    assert_eq!(error, Error::RowCount { left: 2, right: 1 });
    let error = Spread::of(array![[1.0_f32, f32::NAN]].view()).unwrap_err();
    assert!(matches!(
        error,
        Error::NonFinite {
            row: 0,
            column: 1,
            ..
        }
    ));
}

#[test]
fn a_probe_separates_what_a_line_separates() {
    let rows = cloud(300, 5, 3);
    // Column 2 decides, whatever its scale and place.
    let labels: Vec<u32> = rows.column(2).iter().map(|&x| u32::from(x > 0.0)).collect();
    let features = rows.mapv(|x| 1000.0 + 0.01 * x);
    let (train, test) = features.view().split_at(ndarray::Axis(0), 200);
    let probe = LinearProbe {
        batch: 32,
        ..LinearProbe::default()
    };
    let run = |seed| {
        let device = Device::flex();
        probe
            .accuracy(
                train,
                &labels[..200],
                test,
                &labels[200..],
                &device,
                &mut random(seed),
            )
            .unwrap()
    };
    assert!(run(1) > 0.9, "{}", run(1));
    assert_eq!(run(1), run(1), "one seed, one result");
}

#[test]
fn bad_input_of_a_probe_is_named() {
    let rows = array![[1.0_f32], [2.0]];
    let device = Device::flex();
    let run = |probe: LinearProbe, labels: &[u32]| {
        probe
            .accuracy(
                rows.view(),
                labels,
                rows.view(),
                &[0, 1],
                &device,
                &mut random(1),
            )
            .unwrap_err()
    };
    let error = run(LinearProbe::default(), &[0]);
    assert_eq!(
        error,
        ProbeError::Data(Error::LabelCount { rows: 2, labels: 1 })
    );
    let error = run(
        LinearProbe {
            batch: 0,
            ..LinearProbe::default()
        },
        &[0, 1],
    );
    assert_eq!(error.to_string(), "batch must be above 0, got 0");
}
