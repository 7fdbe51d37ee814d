//! The bank with a row for each example, against its formula in `f64`.
#![allow(clippy::unwrap_used, reason = "tests: panics are failures")]

use metric_core::Error;
use metric_sampling::{BufferError, MemoryBank};
use ndarray::{Array2, array};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

proptest! {
    #[test]
    fn rows_move_as_the_formula_says(
        n in 1..6usize, dim in 1..4usize, momentum in 0.0..0.99f64, unit: bool, seed: u64,
        updates in prop::collection::vec(prop::collection::vec(0..6usize, 0..5), 0..6),
    ) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        // Positive entries: no blend is zero.
        let start = Array2::from_shape_fn((n, dim), |_| 0.1 + rng.random::<f64>());
        let mut bank = MemoryBank::new(start.view()).unwrap().with_momentum(momentum).unwrap();
        let mut want: Vec<Vec<f64>> = start.outer_iter().map(|row| row.to_vec()).collect();
        let to_unit = |row: &mut Vec<f64>| {
            let norm = row.iter().map(|v| v * v).sum::<f64>().sqrt();
            row.iter_mut().for_each(|v| *v /= norm);
        };
        if unit {
            bank = bank.with_unit_rows().unwrap();
            want.iter_mut().for_each(to_unit);
        }
        let (mut stamps, mut count) = (vec![0u64; n], 0u64);
        for indices in updates {
            let indices: Vec<usize> = indices.into_iter().map(|index| index % n).collect();
            let rows = Array2::from_shape_fn((indices.len(), dim), |_| 0.1 + rng.random::<f64>());
            bank.update(&indices, rows.view()).unwrap();
            count += u64::from(!indices.is_empty());
            for (&index, row) in indices.iter().zip(rows.outer_iter()) {
                for (to, x) in want[index].iter_mut().zip(row) {
                    *to = momentum * *to + (1.0 - momentum) * x;
                }
                if unit {
                    to_unit(&mut want[index]);
                }
                stamps[index] = count;
            }
            let stored = serde_json::to_string(&bank).unwrap();
            let restored: MemoryBank<f64> = serde_json::from_str(&stored).unwrap();
            prop_assert_eq!(&restored, &bank);
            bank = restored;
        }
        prop_assert_eq!(bank.updates(), count);
        prop_assert_eq!(bank.ages(), stamps.iter().map(|stamp| count - stamp).collect::<Vec<_>>());
        prop_assert!((0..n).all(|row| bank.is_updated(row) == (stamps[row] > 0)));
        for (got, want) in bank.rows().iter().zip(want.iter().flatten()) {
            // At most 20 blends and norms of entries up to 1.1, each off by some 10 ε.
            prop_assert!((got - want).abs() <= 300.0 * f64::EPSILON, "{} against {}", got, want);
        }
    }

    #[test]
    fn without_momentum_a_row_is_the_one_given(value in prop::num::f32::NORMAL) {
        let mut bank = MemoryBank::new(array![[1.0f32], [2.0]].view()).unwrap();
        bank.update(&[1], array![[value]].view()).unwrap();
        prop_assert_eq!(bank.rows(), array![[1.0], [value]]);
    }
}

#[test]
fn directions_are_uniform_and_of_length_one() {
    let (n, dim) = (20_000, 3);
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let bank = MemoryBank::<f32>::random(n, dim, &mut rng).unwrap();
    assert!(bank.has_unit_rows() && bank.momentum() == 0.0);
    for row in bank.rows().outer_iter() {
        // Three entries rounded to f32, and their squares and sum.
        assert!((row.dot(&row) - 1.0).abs() < 10.0 * f32::EPSILON);
    }
    // On the sphere in three dimensions each coordinate is uniform (Archimedes). A Kolmogorov-Smirnov distance above 2.23 / √n
    // has probability 1e-4.
    for column in bank.rows().columns() {
        let mut values: Vec<f64> = column.iter().map(|&v| (f64::from(v) + 1.0) / 2.0).collect();
        values.sort_by(f64::total_cmp);
        let gap = |(at, value): (usize, &f64)| {
            let (below, above) = (at as f64 / n as f64, (at + 1) as f64 / n as f64);
            (value - below).abs().max((value - above).abs())
        };
        let distance = values.iter().enumerate().map(gap).fold(0.0, f64::max);
        assert!(distance < 2.23 / (n as f64).sqrt(), "{distance}");
    }
    let again = MemoryBank::<f32>::random(n, dim, &mut ChaCha8Rng::seed_from_u64(2)).unwrap();
    assert_eq!(again, bank);
}

#[test]
fn extreme_rows_stay_finite() {
    for scale in [1e-300f64, 1e-18, 1e18, 1e300] {
        let rows = array![[scale, -scale], [scale, 0.0]];
        let mut bank = MemoryBank::new(rows.view())
            .unwrap()
            .with_momentum(0.5)
            .unwrap();
        bank = bank.with_unit_rows().unwrap();
        bank.update(&[0, 1], rows.view()).unwrap();
        assert!(bank.rows().iter().all(|v| v.is_finite()));
        assert!(bank.rows()[[1, 1]].abs() < 1e-300);
    }
}

#[test]
fn what_is_refused_leaves_it_as_it_was() {
    let start = array![[1.0f32, 0.0], [0.0, 1.0]];
    let mut bank = MemoryBank::new(start.view())
        .unwrap()
        .with_momentum(0.5)
        .unwrap();
    bank = bank.with_unit_rows().unwrap();
    let before = bank.clone();
    let one = array![[1.0f32, 1.0]];
    let cases = [
        (
            bank.update(&[0], array![[1.0]].view()),
            BufferError::Data(Error::DimMismatch { left: 2, right: 1 }),
        ),
        (
            bank.update(&[0, 1], one.view()),
            BufferError::Indices {
                rows: 1,
                indices: 2,
            },
        ),
        (
            bank.update(&[2], one.view()),
            BufferError::UnknownRow { index: 2, rows: 2 },
        ),
        (
            bank.update(&[0], array![[1.0, f32::NAN]].view()),
            BufferError::Data(Error::NonFinite {
                what: "rows",
                row: 0,
                column: 1,
            }),
        ),
        (
            // The first row would do; the second meets its opposite half way.
            bank.update(&[0, 1], array![[1.0, 1.0], [0.0, -1.0]].view()),
            BufferError::Data(Error::ZeroRow {
                what: "updated rows",
                row: 1,
            }),
        ),
    ];
    for (result, expected) in cases {
        assert_eq!(result, Err(expected));
    }
    assert_eq!(bank, before);
    bank.update(&[], Array2::zeros((0, 2)).view()).unwrap();
    assert_eq!(bank, before);
}

#[test]
fn banks_that_cannot_be_are_refused() {
    let new = |rows: Array2<f32>| MemoryBank::new(rows.view());
    let empty = BufferError::Data(Error::Empty { what: "rows" });
    assert_eq!(new(Array2::zeros((0, 2))), Err(empty));
    assert!(new(array![[f32::INFINITY]]).is_err());
    let zero = new(array![[1.0], [0.0]]).unwrap().with_unit_rows();
    assert_eq!(
        zero,
        Err(BufferError::Data(Error::ZeroRow {
            what: "rows",
            row: 1
        }))
    );
    for momentum in [-0.1, 1.0, f64::NAN] {
        let error = new(array![[1.0]])
            .unwrap()
            .with_momentum(momentum)
            .unwrap_err();
        assert!(matches!(
            error,
            BufferError::InvalidParam {
                name: "momentum",
                ..
            }
        ));
    }
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let none = MemoryBank::<f32>::random(0, 1, &mut rng);
    assert_eq!(none, Err(BufferError::Zero { name: "n" }));
    let none = MemoryBank::<f32>::random(1, 0, &mut rng);
    assert_eq!(none, Err(BufferError::Zero { name: "dim" }));

    let good =
        r#"{"dim":1,"rows":[1.0,-1.0],"stamps":[0,2],"updates":2,"momentum":0.5,"unit":true}"#;
    let read = |stored: &str| serde_json::from_str::<MemoryBank<f32>>(stored);
    assert_eq!(read(good).unwrap().ages(), [2, 0]);
    for (from, to, message) in [
        ("[0,2]", "[0,3]", "up to 2, got 3"),
        ("[0,2]", "[0]", "got 2 numbers, 1 ages"),
        ("\"dim\":1", "\"dim\":0", "got 2 numbers"),
        ("0.5", "1.5", "below 1, got 1.5"),
        ("-1.0", "-2.0", "row 1 has 2"),
    ] {
        let error = read(&good.replace(from, to)).unwrap_err().to_string();
        assert!(error.contains(message), "{to}: {error}");
    }
}
