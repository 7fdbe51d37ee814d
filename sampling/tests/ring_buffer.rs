//! The buffer of the rows seen last against a plain list of all rows ever pushed.
#![allow(clippy::unwrap_used, reason = "tests: panics are failures")]

use metric_core::Error;
use metric_sampling::{BufferError, RingBuffer};
use ndarray::{Array2, array, s};
use proptest::prelude::*;

/// A row for each of `n` numbers.
fn rows(start: usize, n: usize, dim: usize) -> Array2<f32> {
    Array2::from_shape_fn((n, dim), |(i, j)| ((start + i) * 10 + j) as f32 / 7.0)
}

proptest! {
    #[test]
    fn it_holds_the_last_rows_in_the_order_they_came(
        capacity in 1usize..9,
        dim in 1usize..4,
        pushes in prop::collection::vec((0usize..9, any::<bool>()), 0..12),
    ) {
        let mut buffer = RingBuffer::<f32>::new(capacity, dim).unwrap();
        // (number of the row, number of the push)
        let mut all: Vec<(usize, u64)> = Vec::new();
        let mut pushed = 0;
        for (n, restore) in pushes {
            let n = n.min(capacity);
            let labels: Vec<i64> = (all.len()..all.len() + n).map(|row| row as i64).collect();
            buffer.push(rows(all.len(), n, dim).view(), &labels).unwrap();
            pushed += u64::from(n > 0);
            all.extend((all.len()..all.len() + n).map(|row| (row, pushed)));
            if restore {
                let stored = serde_json::to_string(&buffer).unwrap();
                let restored: RingBuffer<f32> = serde_json::from_str(&stored).unwrap();
                prop_assert_eq!(&restored, &buffer);
                buffer = restored;
            }
            let held = &all[all.len().saturating_sub(capacity)..];
            prop_assert_eq!(buffer.len(), held.len());
            prop_assert_eq!(buffer.is_empty(), held.is_empty());
            prop_assert_eq!(buffer.is_full(), held.len() == capacity);
            let labels: Vec<i64> = held.iter().map(|&(row, _)| row as i64).collect();
            prop_assert_eq!(buffer.labels(), labels);
            prop_assert_eq!(buffer.pushes(), pushed);
            let ages: Vec<u64> = held.iter().map(|&(_, push)| pushed - push).collect();
            prop_assert_eq!(buffer.ages(), ages);
            let start = held.first().map_or(0, |&(row, _)| row);
            let expected = rows(start, held.len(), dim);
            let (old, new) = buffer.as_slices();
            prop_assert_eq!([old, new].concat(), expected.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(buffer.rows(), expected);
        }
    }

    #[test]
    fn every_finite_number_is_restored_to_the_bit(
        values in prop::collection::vec(prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL | prop::num::f64::ZERO, 1..20),
    ) {
        let mut buffer = RingBuffer::new(values.len(), 1).unwrap();
        let n = values.len();
        let column = Array2::from_shape_vec((n, 1), values.clone()).unwrap();
        buffer.push(column.view(), &vec![i64::MIN; n]).unwrap();
        let stored = serde_json::to_vec(&buffer).unwrap();
        let restored: RingBuffer<f64> = serde_json::from_slice(&stored).unwrap();
        let bits = |row: &[f64]| row.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        prop_assert_eq!(bits(restored.as_slices().0), bits(&values));
        prop_assert_eq!(restored, buffer);
    }
}

#[test]
fn what_is_refused_leaves_it_as_it_was() {
    let mut buffer = RingBuffer::<f32>::new(3, 2).unwrap();
    buffer.push(rows(0, 2, 2).view(), &[4, 5]).unwrap();
    let before = buffer.clone();
    let mut broken = rows(0, 2, 2);
    broken[[1, 0]] = f32::NAN;
    let cases = [
        (
            buffer.push(rows(0, 1, 3).view(), &[1]),
            BufferError::Data(Error::DimMismatch { left: 2, right: 3 }),
        ),
        (
            buffer.push(rows(0, 2, 2).view(), &[1]),
            BufferError::Data(Error::LabelCount { rows: 2, labels: 1 }),
        ),
        (
            buffer.push(rows(0, 4, 2).view(), &[1; 4]),
            BufferError::TooManyRows {
                rows: 4,
                capacity: 3,
            },
        ),
        (
            buffer.push(broken.view(), &[1; 2]),
            BufferError::Data(Error::NonFinite {
                what: "rows",
                row: 1,
                column: 0,
            }),
        ),
    ];
    for (result, expected) in cases {
        assert_eq!(result, Err(expected));
    }
    assert_eq!(buffer, before);
}

#[test]
fn a_size_of_zero_is_refused() {
    for (capacity, dim, name) in [(0, 1, "capacity"), (1, 0, "dim")] {
        let error = RingBuffer::<f64>::new(capacity, dim).unwrap_err();
        assert_eq!(error, BufferError::Zero { name });
    }
}

#[test]
fn rows_of_any_layout_are_taken_as_they_are_seen() {
    let mut buffer = RingBuffer::new(2, 2).unwrap();
    let wide = array![[1.0f64, 0.0, 2.0], [3.0, 0.0, 4.0]];
    buffer.push(wide.slice(s![..;-1, ..;2]), &[0, 1]).unwrap();
    assert_eq!(buffer.rows(), array![[3.0, 4.0], [1.0, 2.0]]);
    buffer.clear();
    assert!(buffer.is_empty() && buffer.rows().dim() == (0, 2));
}

#[test]
fn a_stored_buffer_that_cannot_be_is_refused() {
    let good = r#"{"capacity":2,"dim":1,"rows":[1.0],"labels":[3],"stamps":[1],"pushes":2}"#;
    let read = |stored: &str| serde_json::from_str::<RingBuffer<f32>>(stored);
    assert_eq!(read(good).unwrap().ages(), [1]);
    let bad = [
        (
            "\"capacity\":2",
            "\"capacity\":0",
            "capacity must be at least 1",
        ),
        ("[3]", "[3,3]", "got 1 numbers, 1 ages and 2 labels"),
        ("[1.0]", "[1.0,2.0]", "got 2 numbers, 1 ages and 1 labels"),
        ("[3]", "[3,3,3]", "takes at most as many, got 3"),
        ("[1],", "[1,2],", "got 1 numbers, 2 ages and 1 labels"),
        ("[1],", "[3],", "up to 2, got 3 for the last"),
    ];
    for (from, to, message) in bad {
        let error = read(&good.replace(from, to)).unwrap_err().to_string();
        assert!(error.contains(message), "{to}: {error}");
    }
    let unsorted =
        r#"{"capacity":2,"dim":1,"rows":[1.0,2.0],"labels":[3,4],"stamps":[2,1],"pushes":2}"#;
    assert!(read(unsorted).is_err());
}
