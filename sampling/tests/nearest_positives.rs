//! Positives out of a bank against loops in `f64`.

#![allow(clippy::unwrap_used, reason = "tests: panics are failures")]

use metric_core::{Error, Euclidean};
use metric_sampling::positives::NearestPositives;
use metric_sampling::{MiningError, RingBuffer};
use metric_testkit::oracle::{cosine_similarity, euclidean, ranking};
use metric_testkit::strategy::grid_points;
use ndarray::{Array2, Axis, array, s};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A cosine distance is half a squared chord. Rounding the units moves the chord, at most 2, by less than 3 ε: 6 ε in the
/// half square. Its sum of at most 5 squares, in any order, adds 5 ε of at most 2; the subtraction from 1 another.
const TOLERANCE: f64 = 17.0 * f32::EPSILON as f64;

fn matrix(rows: &[Vec<f64>]) -> Array2<f32> {
    Array2::from_shape_fn((rows.len(), rows[0].len()), |(i, j)| rows[i][j] as f32)
}

fn random() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(5)
}

proptest! {
    #[test]
    fn no_item_of_the_bank_is_nearer(points in grid_points(2..40), split in 0.1..0.9f64, skip in 1usize..4) {
        let cut = ((points.len() as f64 * split) as usize).max(1);
        let (rows, bank) = points.split_at(cut);
        let (x, y) = (matrix(rows), matrix(bank));
        // Row and item of one number are copies, say.
        let admits = |row: usize, item: usize| bank.len() == 1 || row % bank.len() != item * skip;
        let found = NearestPositives::new().find_where(x.view(), y.view(), admits, &mut random()).unwrap();
        for (row, point) in rows.iter().enumerate() {
            let cosine = |item: usize| cosine_similarity(point, &bank[item]);
            let admitted = (0..bank.len()).filter(|&item| admits(row, item));
            let best = admitted.map(cosine).fold(-1.0, f64::max);
            let chosen = found.indices[row] as usize;
            prop_assert!(admits(row, chosen));
            prop_assert!(cosine(chosen) >= best - 2.0 * TOLERANCE);
            prop_assert!((f64::from(found.similarities()[row]) - cosine(chosen)).abs() <= TOLERANCE);
            prop_assert_eq!(found.rows.row(row), y.row(chosen));
        }
    }

    #[test]
    fn one_of_the_nearest_is_drawn(points in grid_points(3..40), k in 1usize..6) {
        let rows = matrix(&points);
        let others = |row, item| row != item;
        let draw = NearestPositives::of_nearest(k).unwrap().with_distance(Euclidean);
        let found = draw.find_where(rows.view(), rows.view(), others, &mut random()).unwrap();
        for (row, point) in points.iter().enumerate() {
            // On the grid the order of distances is exact.
            let distances: Vec<f64> = points.iter().map(|p| euclidean(point, p)).collect();
            let near = ranking(&distances, Some(row));
            let chosen = found.indices[row] as usize;
            prop_assert!(near[..k.min(near.len())].contains(&chosen));
            prop_assert_eq!(found.distances[row].to_bits(), (distances[chosen] as f32).to_bits());
        }
    }

    #[test]
    fn the_order_of_the_bank_does_not_matter(points in grid_points(2..30), turn in 1usize..29) {
        let bank = matrix(&points);
        let rows = bank.slice(s![..;-1, ..]);
        let turned: Vec<usize> = (0..points.len()).map(|i| (i + turn) % points.len()).collect();
        let near = |bank: &Array2<f32>| {
            NearestPositives::new().find(rows, bank.view(), &mut random()).unwrap()
        };
        let (one, other) = (near(&bank), near(&bank.select(Axis(0), &turned)));
        // Where several are at one distance, another of them may come first.
        prop_assert_eq!(one.distances, other.distances);
        // The same row has the same answer wherever it stands.
        let again = NearestPositives::new().find(bank.view(), bank.view(), &mut random()).unwrap();
        prop_assert!(one.indices.iter().eq(again.indices.iter().rev()));
    }
}

#[test]
fn each_of_the_nearest_is_drawn_as_often() {
    // Items 1, 3 and 4 are the three nearest to all rows.
    let bank = array![
        [-1.0f32, 0.0],
        [1.0, 0.1],
        [0.0, 1.0],
        [1.0, 0.2],
        [1.0, -0.3]
    ];
    let draws = 6000;
    let rows = Array2::from_shape_fn((draws, 2), |(_, j)| 1.0 - j as f32);
    let draw = NearestPositives::of_nearest(3).unwrap();
    let found = draw.find(rows.view(), bank.view(), &mut random()).unwrap();
    let mut counts = [0; 5];
    // Neighbouring rows draw independently of each other.
    let mut pairs = [[0.0; 5]; 5];
    for both in found.indices.chunks(2) {
        let [one, other] = [both[0] as usize, both[1] as usize];
        counts[one] += 1;
        counts[other] += 1;
        pairs[one][other] += 1.0;
    }
    assert_eq!(counts[0] + counts[2], 0);
    let chi = |count: f64, want: f64| (count - want).powi(2) / want;
    let want = draws as f64 / 3.0;
    let once: f64 = [1, 3, 4]
        .iter()
        .map(|&i: &usize| chi(f64::from(counts[i]), want))
        .sum();
    // 2 degrees of freedom: exceeded once in a thousand.
    assert!(once < 13.82, "{once}");
    let want = draws as f64 / 18.0;
    let each = [1, 3, 4]
        .iter()
        .flat_map(|&i: &usize| [1, 3, 4].map(|j: usize| pairs[i][j]));
    let twice: f64 = each.map(|count| chi(count, want)).sum();
    // 8 degrees of freedom: exceeded once in a thousand.
    assert!(twice < 26.12, "{twice}");
}

#[test]
fn what_is_drawn_is_the_same_for_any_number_of_threads() {
    let wave = |n: usize, shift: f32| {
        Array2::from_shape_fn((n, 6), |(i, j)| {
            ((i * 7 + j * 3) as f32 * 0.61 + shift).sin()
        })
    };
    let (rows, bank) = (wave(300, 0.0), wave(700, 0.5));
    let draw = NearestPositives::of_nearest(4).unwrap();
    let found = [1, 2, 5].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        let pool = pool.build().unwrap();
        pool.install(|| draw.find(rows.view(), bank.view(), &mut random()).unwrap())
    });
    assert_eq!(found[0], found[1]);
    assert_eq!(found[0], found[2]);
    // What the first rows draw does not depend on those after them.
    let few = draw
        .find(rows.slice(s![..5, ..]), bank.view(), &mut random())
        .unwrap();
    assert_eq!(few.indices, found[0].indices[..5]);
}

#[test]
fn the_nearest_alone_draws_nothing() {
    let rows = array![[1.0f32, 0.0]];
    let mut rng = random();
    NearestPositives::default()
        .find(rows.view(), rows.view(), &mut rng)
        .unwrap();
    assert_eq!(rng, random());
    NearestPositives::of_nearest(2)
        .unwrap()
        .find(rows.view(), rows.view(), &mut rng)
        .unwrap();
    assert_ne!(rng.random::<u64>(), random().random::<u64>());
}

#[test]
fn a_queue_is_a_bank() {
    let mut queue = RingBuffer::<f32>::new(3, 2).unwrap();
    queue
        .push(array![[1.0, 0.0], [0.0, 1.0]].view(), &[0, 1])
        .unwrap();
    queue
        .push(array![[-1.0, 0.0], [0.0, -1.0]].view(), &[2, 3])
        .unwrap();
    let rows = array![[0.1f32, 5.0], [-2.0, 0.3]];
    let found = NearestPositives::new()
        .find(rows.view(), queue.rows().view(), &mut random())
        .unwrap();
    assert_eq!(found.indices, [0, 1]);
    assert_eq!(found.rows, array![[0.0, 1.0], [-1.0, 0.0]]);
}

#[test]
fn extreme_rows_have_finite_positives() {
    let base = array![
        [1.0f32, 0.5],
        [1.0, 0.5],
        [-2.0, 0.25],
        [0.0, 0.0],
        [2.0, 2.0]
    ];
    for size in [1e18f32, 1e-18, 1.0] {
        for bank_size in [1e18f32, 1e-18, 1.0] {
            let (rows, bank) = (&base * size, &base * bank_size);
            let draw = NearestPositives::of_nearest(2).unwrap();
            let found = draw.find(rows.view(), bank.view(), &mut random()).unwrap();
            let cosines = found.similarities();
            assert!(
                cosines.iter().all(|c| (-1.0..=1.0).contains(c)),
                "{cosines:?}"
            );
            // Coincident with an item up to its size.
            let found = NearestPositives::new()
                .find(rows.view(), bank.view(), &mut random())
                .unwrap();
            assert_eq!(found.indices, [0, 0, 2, 3, 4]);
        }
    }
}

#[test]
fn bad_input_is_refused() {
    let rows = array![[1.0f32, 0.0], [0.0, 1.0]];
    let find = |rows: &Array2<f32>, bank: &Array2<f32>| {
        NearestPositives::new().find(rows.view(), bank.view(), &mut random())
    };
    let data = |error: Error| Err(MiningError::Data(error));
    let none = Array2::<f32>::zeros((0, 2));
    assert!(matches!(
        find(&none, &rows),
        Err(MiningError::Data(Error::Empty { .. }))
    ));
    assert!(matches!(
        find(&rows, &none),
        Err(MiningError::Data(Error::Empty { .. }))
    ));
    let (left, right) = (2, 1);
    assert_eq!(
        find(&rows, &array![[1.0]]),
        data(Error::DimMismatch { left, right })
    );
    for bad in [f32::NAN, f32::INFINITY] {
        let bad = array![[1.0, 2.0], [bad, 0.0]];
        for refused in [find(&bad, &rows), find(&rows, &bad)] {
            let named = matches!(
                refused,
                Err(MiningError::Data(Error::NonFinite {
                    row: 1,
                    column: 0,
                    ..
                }))
            );
            assert!(named, "{refused:?}");
        }
    }
    let zero = NearestPositives::of_nearest(0).unwrap_err();
    assert_eq!(zero, MiningError::Data(Error::ZeroNeighbors));
    let own = |row, item| row == 0 && item == 0;
    let lone = NearestPositives::new().find_where(rows.view(), rows.view(), own, &mut random());
    assert_eq!(lone, Err(MiningError::NoneLeft { row: 1 }));
}
