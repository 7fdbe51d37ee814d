//! What a full buffer forgets, against loops that look at all pairs again for every row that leaves.
#![allow(clippy::unwrap_used, reason = "tests: panics are failures")]

use metric_sampling::{BufferError, Eviction, RingBuffer};
use ndarray::{Array2, array};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A row on a grid, its label and the number of its push.
type Held = ([i32; 2], i64, u64);

/// What stays of `held`, oldest first, if `new` rows come and `surplus` must leave.
fn naive(held: &[Held], new: &[[i32; 2]], k: usize, surplus: usize) -> Vec<Held> {
    let mut held = held.to_vec();
    for _ in 0..surplus {
        // Squares of whole numbers are exact, and their roots keep the order.
        let radius = |at: usize| {
            let gap = |a: [i32; 2], b: [i32; 2]| (a[0] - b[0]).pow(2) + (a[1] - b[1]).pow(2);
            let old = (0..held.len())
                .filter(|&other| other != at)
                .map(|other| held[other].0);
            let mut gaps: Vec<i32> = old
                .chain(new.iter().copied())
                .map(|row| gap(held[at].0, row))
                .collect();
            gaps.sort_unstable();
            gaps[(k - 1).min(gaps.len() - 1)]
        };
        let gone = (0..held.len()).min_by_key(|&at| (radius(at), at)).unwrap();
        held.remove(gone);
    }
    held
}

proptest! {
    #[test]
    fn the_row_that_leaves_is_always_in_the_densest_region(
        capacity in prop_oneof![2..10usize, 30..60usize], k in 0..5usize,
        pushes in prop::collection::vec(prop::collection::vec((-6..6i32, -6..6i32), 0..58), 1..6),
    ) {
        let eviction = if k == 0 { Eviction::ClosestPair } else { Eviction::Densest { k } };
        let mut buffer = RingBuffer::<f32>::new(capacity, 2).unwrap().with_eviction(eviction).unwrap();
        let (mut held, mut pushed): (Vec<Held>, u64) = (Vec::new(), 0);
        for rows in pushes {
            let rows: Vec<[i32; 2]> = rows.into_iter().map(|(x, y)| [x, y]).take(capacity).collect();
            pushed += u64::from(!rows.is_empty());
            let labels: Vec<i64> = (0..rows.len()).map(|at| (pushed * 10) as i64 + at as i64).collect();
            let new = Array2::from_shape_fn((rows.len(), 2), |(i, j)| rows[i][j] as f32);
            buffer.push(new.view(), &labels).unwrap();
            let surplus = (held.len() + rows.len()).saturating_sub(capacity);
            held = naive(&held, &rows, k.max(1), surplus);
            held.extend(rows.iter().zip(&labels).map(|(&row, &label)| (row, label, pushed)));

            prop_assert_eq!(buffer.labels(), held.iter().map(|one| one.1).collect::<Vec<_>>());
            prop_assert_eq!(buffer.ages(), held.iter().map(|one| pushed - one.2).collect::<Vec<_>>());
            let want = Array2::from_shape_fn((held.len(), 2), |(i, j)| held[i].0[j] as f32);
            prop_assert_eq!(buffer.rows(), want);
            let stored = serde_json::to_string(&buffer).unwrap();
            let restored: RingBuffer<f32> = serde_json::from_str(&stored).unwrap();
            prop_assert_eq!(&restored, &buffer);
            buffer = restored;
        }
    }

    #[test]
    fn a_region_that_loses_most_of_its_rows_at_once_thins_out_one_by_one(
        crowd in prop::collection::vec((0..40i32, 0..40i32), 50),
        few in prop::collection::vec((1000..9000i32, 0..9000i32), 30..48),
        k in 1..6usize,
    ) {
        let grid = |rows: Vec<(i32, i32)>| rows.into_iter().map(|(x, y)| [x, y]).collect::<Vec<_>>();
        let (crowd, few) = (grid(crowd), grid(few));
        let eviction = Eviction::Densest { k };
        let mut buffer = RingBuffer::<f64>::new(50, 2).unwrap().with_eviction(eviction).unwrap();
        for (push, rows) in [&crowd, &few].into_iter().enumerate() {
            let labels: Vec<i64> = (0..rows.len()).map(|at| (push * 100 + at) as i64).collect();
            let new = Array2::from_shape_fn((rows.len(), 2), |(i, j)| f64::from(rows[i][j]));
            buffer.push(new.view(), &labels).unwrap();
        }
        let held: Vec<Held> = (0..).zip(&crowd).map(|(label, &row)| (row, label, 1)).collect();
        let want = naive(&held, &few, k, few.len());
        let want: Vec<i64> = want.iter().map(|one| one.1).chain((100..).take(few.len())).collect();
        prop_assert_eq!(buffer.labels(), want);
    }

    #[test]
    fn weights_fall_by_e_with_every_tau_pushes(pushes in 1..30u64, tau in 0.01..100.0f64) {
        let mut buffer = RingBuffer::<f64>::new(20, 1).unwrap();
        for push in 0..pushes {
            buffer.push(array![[push as f64]].view(), &[0]).unwrap();
        }
        let weights = buffer.staleness_weights(tau).unwrap();
        prop_assert_eq!(weights.len(), buffer.len());
        prop_assert_eq!(weights.last(), Some(&1.0));
        for pair in weights.windows(2) {
            // Two exponentials and a quotient: each is off by about an ε, an exponent of up to 2000 by 2000 of them.
            let ratio = pair[0] / pair[1];
            prop_assert!(pair[1] < 1e-300 || (ratio - (-1.0 / tau).exp()).abs() <= 4e3 * f64::EPSILON * ratio);
        }
    }
}

#[test]
fn a_crowd_does_not_drive_out_the_few() {
    // Nineteen of twenty rows come from one spot. First in, first out holds a twentieth of the others.
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let count = |eviction| {
        let mut rng = rng.clone();
        let mut buffer = RingBuffer::<f32>::new(100, 2)
            .unwrap()
            .with_eviction(eviction)
            .unwrap();
        for _ in 0..40 {
            let rows = Array2::from_shape_fn((20, 2), |(i, _)| {
                let spread = if i == 0 { 100.0 } else { 1.0 };
                (rng.random::<f32>() - 0.5) * spread
            });
            let labels: Vec<i64> = (0..20).map(|i| i64::from(i == 0)).collect();
            buffer.push(rows.view(), &labels).unwrap();
        }
        buffer.labels().into_iter().sum::<i64>()
    };
    assert_eq!(count(Eviction::Oldest), 5);
    assert_eq!(count(Eviction::ClosestPair), 40);
    assert!(count(Eviction::Densest { k: 3 }) > 30);
    // The generator is the caller's: what was drawn does not depend on the order of the lines above.
    assert_eq!(
        rng.random::<u64>(),
        ChaCha8Rng::seed_from_u64(3).random::<u64>()
    );
}

#[test]
fn any_number_of_threads_evicts_the_same_rows() {
    let held = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            let mut rng = ChaCha8Rng::seed_from_u64(1);
            let mut buffer = RingBuffer::<f32>::new(300, 8).unwrap();
            buffer = buffer.with_eviction(Eviction::Densest { k: 4 }).unwrap();
            for _ in 0..6 {
                let rows = Array2::from_shape_fn((90, 8), |_| rng.random::<f32>());
                buffer.push(rows.view(), &[0; 90]).unwrap();
            }
            buffer.rows()
        })
    };
    assert_eq!(held(1), held(4));
}

#[test]
fn copies_and_extreme_rows_leave_a_full_buffer() {
    for scale in [0.0f32, 1e-18, 1e18, 3e38] {
        for eviction in [Eviction::ClosestPair, Eviction::Densest { k: 20 }] {
            let mut buffer = RingBuffer::<f32>::new(10, 2)
                .unwrap()
                .with_eviction(eviction)
                .unwrap();
            for push in 0..4 {
                let rows =
                    Array2::from_shape_fn((6, 2), |(i, j)| ((i + j) as f32 / 6.0 - 0.5) * scale);
                buffer.push(rows.view(), &[push; 6]).unwrap();
            }
            assert!(buffer.is_full() && buffer.ages()[4..] == [0; 6]);
        }
    }
    // Of copies the oldest leave.
    let mut buffer = RingBuffer::<f32>::new(3, 1)
        .unwrap()
        .with_eviction(Eviction::ClosestPair)
        .unwrap();
    for label in 0..7 {
        buffer.push(array![[1.0]].view(), &[label]).unwrap();
    }
    assert_eq!(buffer.labels(), [4, 5, 6]);
}

#[test]
fn what_was_stored_before_there_was_a_choice_is_first_in_first_out() {
    let old = r#"{"capacity":2,"dim":1,"rows":[1.0],"labels":[3],"stamps":[1],"pushes":2}"#;
    let buffer: RingBuffer<f32> = serde_json::from_str(old).unwrap();
    assert_eq!(buffer.eviction(), Eviction::Oldest);
    let stored = serde_json::to_string(&buffer).unwrap();
    let densest = stored.replace(r#""Oldest""#, r#"{"Densest":{"k":2}}"#);
    let buffer: RingBuffer<f32> = serde_json::from_str(&densest).unwrap();
    assert_eq!(buffer.eviction(), Eviction::Densest { k: 2 });
    let none = stored.replace(r#""Oldest""#, r#"{"Densest":{"k":0}}"#);
    let error = serde_json::from_str::<RingBuffer<f32>>(&none).unwrap_err();
    assert!(
        error.to_string().contains("k must be at least 1"),
        "{error}"
    );
}

#[test]
fn bad_parameters_are_refused() {
    let buffer = RingBuffer::<f32>::new(2, 1).unwrap();
    for tau in [0.0, -1.0, f64::NAN] {
        let error = buffer.staleness_weights(tau).unwrap_err();
        assert!(matches!(
            error,
            BufferError::InvalidParam { name: "tau", .. }
        ));
    }
    assert_eq!(buffer.staleness_weights(f64::INFINITY), Ok(vec![]));
    let none = buffer.with_eviction(Eviction::Densest { k: 0 });
    assert_eq!(none.unwrap_err(), BufferError::Zero { name: "k" });
}
