//! Prototypes beside items, as positives of a miner.

#![allow(clippy::unwrap_used, reason = "tests: panics are failures")]

use metric_core::{Error, Relevance};
use metric_sampling::positives::{ClassPrototypes, PrototypeClustering, SupportedReference};
use metric_sampling::{AllPairs, Batch, MiningError, PairMiner};
use metric_testkit::strategy::labelled_grid_points;
use ndarray::{Array2, array, s};
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

fn random() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(1)
}

proptest! {
    #[test]
    fn the_prototype_of_its_class_joins_the_positives_of_a_row((points, labels) in labelled_grid_points(1..24, 5)) {
        let n = points.len();
        let rows = Array2::from_shape_fn((n, points[0].len()), |(i, j)| points[i][j] as f32);
        // The class of the last row has none.
        let last = labels[n - 1];
        let known: Vec<usize> = (0..n).filter(|&i| labels[i] != last).collect();
        prop_assume!(!known.is_empty());
        let of_known: Vec<u32> = known.iter().map(|&i| labels[i]).collect();
        let prototypes = ClassPrototypes::of(rows.select(ndarray::Axis(0), &known).view(), &of_known).unwrap();
        let reference = SupportedReference::new(
            (rows.view(), &labels),
            (prototypes.rows(), prototypes.labels()),
        ).unwrap();
        prop_assert_eq!(reference.items(), n);
        prop_assert_eq!(reference.rows().nrows(), n + prototypes.len());
        prop_assert!(reference.rows().slice(s![..n, ..]) == rows);
        prop_assert!(reference.rows().slice(s![n.., ..]) == prototypes.rows());
        prop_assert!((0..n + prototypes.len()).all(|row| reference.is_prototype(row) == (row >= n)));
        let own = reference.own_copies();
        prop_assert!(own.negative.is_empty());
        prop_assert!(own.positive.iter().eq((0..n as u32).map(|i| (i, i))));

        let relevance = Relevance::labels_against(&labels, reference.labels());
        let batch = Batch::against(rows.view(), reference.rows(), relevance).unwrap();
        let pairs = AllPairs.mine(&batch.except(&own).unwrap(), &mut random()).unwrap();
        let got: Vec<(u32, u32)> = pairs.positive.iter().collect();
        let mut want = Vec::new();
        for a in 0..n {
            want.extend((0..n).filter(|&i| i != a && labels[i] == labels[a]).map(|i| (a as u32, i as u32)));
            let prototype = prototypes.labels().iter().position(|&label| label == labels[a]);
            want.extend(prototype.map(|place| (a as u32, (n + place) as u32)));
        }
        prop_assert_eq!(got, want);
    }
}

#[test]
fn a_row_alone_of_its_cluster_gets_its_centroid() {
    let rows = array![[1.0f32, 0.0], [0.9, 0.1], [0.0, 1.0], [-1.0, 0.1]];
    let found = PrototypeClustering::new(&[3]).unwrap();
    let found = found.fit(rows.view(), &mut random()).unwrap();
    let one = &found.granularities()[0];
    let numbers = [0, 1, 2];
    let batch_rows = rows.slice(s![1.., ..]);
    let labels = &one.assignments()[1..];
    let reference =
        SupportedReference::new((batch_rows, labels), (one.centroids(), &numbers)).unwrap();
    let relevance = Relevance::labels_against(labels, reference.labels());
    let batch = Batch::against(batch_rows, reference.rows(), relevance).unwrap();
    let batch = batch.except(&reference.own_copies()).unwrap();
    let pairs = AllPairs.mine(&batch, &mut random()).unwrap();
    let of_others: Vec<(u32, u32)> = pairs.positive.iter().collect();
    let want: Vec<(u32, u32)> = (0..3).map(|i| (i, 3 + labels[i as usize])).collect();
    assert_eq!(of_others, want);
}

#[test]
fn what_does_not_fit_is_refused() {
    let rows = array![[1.0f32, 2.0], [3.0, 4.0]];
    let labels = [0, 1];
    let fine = (rows.view(), &labels[..]);
    let refused = |items, prototypes| SupportedReference::new(items, prototypes).unwrap_err();
    let none = (rows.slice(s![..0, ..]), &labels[..0]);
    let empty = |what| MiningError::Data(Error::Empty { what });
    assert_eq!(refused(none, fine), empty("items"));
    assert_eq!(refused(fine, none), empty("prototypes"));
    let count = MiningError::Data(Error::LabelCount { rows: 2, labels: 1 });
    assert_eq!(refused((rows.view(), &labels[..1]), fine), count);
    assert_eq!(refused(fine, (rows.view(), &labels[..1])), count);
    let (left, right) = (2, 1);
    let narrow = (rows.slice(s![.., ..1]), &labels[..]);
    assert_eq!(
        refused(fine, narrow),
        Error::DimMismatch { left, right }.into()
    );
    let broken = array![[1.0f32, 2.0], [3.0, f32::NAN]];
    for (what, items, prototypes) in [
        ("items", (broken.view(), &labels[..]), fine),
        ("prototypes", fine, (broken.view(), &labels[..])),
    ] {
        let (row, column) = (1, 1);
        assert_eq!(
            refused(items, prototypes),
            Error::NonFinite { what, row, column }.into()
        );
    }
}
