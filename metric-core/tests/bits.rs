//! Packed bits against the same distances of zeros and ones.

#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and laws hold exactly"
)]

use metric_core::bits::{BitDistance, BitRows, HammingCount, knn, one_to_many, paired, pairwise};
use metric_core::{Distance, Error, Hamming, Jaccard, Law};
use metric_testkit::oracle;
use ndarray::{Array2, array};
use proptest::prelude::*;

use crate::common::with_threads;

/// Fewer than 20 rows of fewer than 200 bits, sparse ones too.
fn bits() -> impl Strategy<Value = Array2<bool>> {
    (1..20usize, 1..200usize, 1..9u8).prop_flat_map(|(n, dim, density)| {
        let bit = (0..9u8).prop_map(move |x| x < density);
        prop::collection::vec(bit, n * dim)
            .prop_map(move |bits| Array2::from_shape_vec((n, dim), bits).unwrap())
    })
}

fn numbers(bits: &Array2<bool>) -> Vec<Vec<f64>> {
    let rows = bits.rows().into_iter();
    rows.map(|row| row.iter().map(|&bit| f64::from(u8::from(bit))).collect())
        .collect()
}

fn same_as<D: BitDistance>(
    distance: &D,
    bits: &Array2<bool>,
    plain: impl Fn(&[f64], &[f64]) -> f64,
    k: usize,
) -> Result<(), TestCaseError> {
    let rows = BitRows::from_bools(bits.view()).unwrap();
    let numbers = numbers(bits);
    let all = pairwise(distance, &rows, &rows).unwrap();
    for ((i, j), &got) in all.indexed_iter() {
        prop_assert_eq!(got, plain(&numbers[i], &numbers[j]) as f32);
        for k in 0..rows.len() {
            // One rounding a quotient.
            prop_assert!(got <= (all[[i, k]] + all[[k, j]]) * (1.0 + 2.0 * f32::EPSILON));
        }
    }
    let found = knn(distance, &rows, &rows, k).unwrap();
    for row in 0..rows.len() {
        let line = one_to_many(distance, rows.row(row), &rows).unwrap();
        prop_assert_eq!(line.view(), all.row(row));
        let line: Vec<f64> = line.iter().map(|&d| f64::from(d)).collect();
        let mut want = oracle::ranking(&line, None);
        want.truncate(k);
        prop_assert_eq!(found.indices.row(row).to_vec(), want.clone());
        let distances: Vec<f32> = want.iter().map(|&j| all[[row, j]]).collect();
        prop_assert_eq!(found.distances.row(row).to_vec(), distances);
    }
    let reversed = BitRows::from_bools(bits.slice(ndarray::s![..;-1, ..])).unwrap();
    let pairs = paired(distance, &rows, &reversed).unwrap();
    for (row, &got) in pairs.iter().enumerate() {
        prop_assert_eq!(got, all[[row, rows.len() - 1 - row]]);
    }
    Ok(())
}

proptest! {
    #[test]
    fn packed_bits_have_the_distances_of_zeros_and_ones(bits in bits(), k in 1..25usize) {
        same_as(&Hamming, &bits, |a, b| Distance::distance(&Hamming, a, b), k)?;
        same_as(&Jaccard, &bits, |a, b| Distance::distance(&Jaccard, a, b), k)?;
        let count = |a: &[f64], b: &[f64]| oracle::squared_euclidean(a, b);
        same_as(&HammingCount, &bits, count, k)?;
        prop_assert_eq!(BitRows::from_bools(bits.view()).unwrap().to_bools(), bits);
    }
}

#[test]
fn thresholds_pack_what_lies_above() {
    let x = array![[0.5f32, 0.25, -1.0], [0.26, 7.0, 0.0]];
    let rows = BitRows::above(x.view(), 0.25).unwrap();
    assert_eq!(rows.to_bools(), x.mapv(|x| x > 0.25));
    let columns = BitRows::above(x.t(), 0.25).unwrap();
    assert_eq!(columns.to_bools(), x.t().mapv(|x| x > 0.25));
    assert_eq!(
        (columns.len(), columns.dim(), columns.row(0).dim()),
        (3, 2, 2)
    );
}

#[test]
fn all_three_are_metrics() {
    for law in [
        BitDistance::law(&Hamming),
        BitDistance::law(&HammingCount),
        BitDistance::law(&Jaccard),
    ] {
        assert_eq!(law, Law::Metric);
    }
    let empty = BitRows::from_bools(array![[false; 3]].view()).unwrap();
    assert_eq!(pairwise(&Jaccard, &empty, &empty).unwrap(), array![[0.0]]);
}

#[test]
fn results_do_not_depend_on_threads() {
    let bits = Array2::from_shape_fn((300, 70), |(i, j)| (i * 31 + j * j * 7) % 5 < 2);
    let rows = BitRows::from_bools(bits.view()).unwrap();
    let run = || knn(&Jaccard, &rows, &rows, 7).unwrap();
    assert_eq!(with_threads(1, run), with_threads(3, run));
}

#[test]
fn bits_that_do_not_fit_are_refused() {
    let rows = |n, dim| BitRows::from_bools(Array2::default((n, dim)).view());
    assert_eq!(rows(0, 3).unwrap_err(), Error::Empty { what: "x" });
    assert_eq!(rows(3, 0).unwrap_err(), Error::Empty { what: "x" });
    let (x, y) = (rows(2, 3).unwrap(), rows(2, 4).unwrap());
    let mismatch = Error::DimMismatch { left: 3, right: 4 };
    assert_eq!(pairwise(&Hamming, &x, &y), Err(mismatch.clone()));
    assert_eq!(paired(&Hamming, &x, &y), Err(mismatch.clone()));
    assert_eq!(one_to_many(&Hamming, x.row(0), &y), Err(mismatch.clone()));
    assert_eq!(knn(&Hamming, &x, &y, 1), Err(mismatch));
    assert_eq!(knn(&Hamming, &x, &x, 0), Err(Error::ZeroNeighbors));
    let error = paired(&Hamming, &x, &rows(5, 3).unwrap()).unwrap_err();
    assert_eq!(error, Error::RowCount { left: 2, right: 5 });
    let bad = array![[0.0f32, 1.0], [2.0, f32::NAN]];
    let refused = Error::NonFinite {
        what: "x",
        row: 1,
        column: 1,
    };
    assert_eq!(BitRows::above(bad.view(), 0.0), Err(refused));
    let refused = BitRows::above(array![[0.0f32]].view(), f32::NAN);
    assert!(matches!(
        refused,
        Err(Error::InvalidParam {
            name: "threshold",
            ..
        })
    ));
}

#[test]
#[should_panic(expected = "same length")]
fn rows_of_different_length_panic() {
    let rows = |dim| BitRows::from_bools(Array2::default((1, dim)).view()).unwrap();
    HammingCount.distance(rows(3).row(0), rows(4).row(0));
}
