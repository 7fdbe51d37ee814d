//! Filtered neighbours and neighbour graphs against loops over all pairs.

#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and laws hold exactly"
)]

use metric_core::{
    Among, Distance, Error, Euclidean, Minkowski, NeighborLists, Neighbors, Relevance, knn,
    knn_among, knn_among_self, knn_self, knn_where, mutual_neighbors, recall, shared_neighbors,
};
use metric_testkit::oracle::ranking;
use metric_testkit::strategy::labelled_grid_points;
use ndarray::{Array2, array};
use proptest::prelude::*;

use crate::common::{matrix, with_threads};

/// The head of the sorted list of admitted rows.
fn naive(
    rows: &Array2<f32>,
    k: usize,
    admits: impl Fn(usize, usize) -> bool,
) -> Vec<Vec<(usize, f32)>> {
    let row = |i: usize| rows.row(i).to_vec();
    (0..rows.nrows())
        .map(|i| {
            let distances: Vec<f32> = (0..rows.nrows())
                .map(|j| Euclidean.distance(&row(i), &row(j)))
                .collect();
            let wide: Vec<f64> = distances.iter().map(|&d| f64::from(d)).collect();
            ranking(&wide, None)
                .into_iter()
                .filter(|&j| admits(i, j))
                .take(k)
                .map(|j| (j, distances[j]))
                .collect()
        })
        .collect()
}

fn lists<V: Copy>(found: &NeighborLists<V>) -> Vec<Vec<(usize, V)>> {
    found
        .iter()
        .map(|(indices, values)| {
            indices
                .iter()
                .copied()
                .zip(values.iter().copied())
                .collect()
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn filtered_neighbours_are_the_head_of_the_filtered_list(
        (points, labels) in labelled_grid_points(2..150, 4),
        k in 1..30usize,
        modulus in 1..9usize,
    ) {
        let x = matrix::<f32>(&points);
        let admits = |i: usize, j: usize| (i * 7 + j * j).is_multiple_of(modulus);
        let found = knn_where(&Euclidean, x.view(), x.view(), k, admits).unwrap();
        prop_assert_eq!(lists(&found), naive(&x, k, admits));

        let relevance = Relevance::labels(&labels);
        for among in [Among::Relevant, Among::Irrelevant] {
            let wanted = |i: usize, j: usize| (labels[i] == labels[j]) == (among == Among::Relevant);
            let found = knn_among(&Euclidean, x.view(), x.view(), k, &relevance, among).unwrap();
            prop_assert_eq!(lists(&found), naive(&x, k, wanted));
            let found = knn_among_self(&Euclidean, x.view(), k, &relevance, among).unwrap();
            prop_assert_eq!(lists(&found), naive(&x, k, |i, j| i != j && wanted(i, j)));
        }
    }

    #[test]
    fn graphs_are_what_loops_over_all_pairs_find((points, _) in labelled_grid_points(2..80, 2), k in 1..12usize) {
        let x = matrix::<f32>(&points);
        let near = knn_self(&Minkowski::new(1.0).unwrap(), x.view(), k).unwrap();
        let n = points.len();
        let has = |i: usize, j: usize| near.indices.row(i).iter().any(|&other| other == j);
        let (mutual, shared) = (mutual_neighbors(&near).unwrap(), shared_neighbors(&near).unwrap());
        prop_assert_eq!((mutual.len(), shared.len()), (n, n));
        for i in 0..n {
            let edges = || near.indices.row(i).to_vec().into_iter().zip(near.distances.row(i).to_vec());
            let want: Vec<(usize, f32)> = edges().filter(|&(j, _)| has(j, i)).collect();
            prop_assert_eq!(&lists(&mutual)[i], &want);
            let want: Vec<(usize, usize)> = edges()
                .map(|(j, _)| (j, (0..n).filter(|&c| has(i, c) && has(j, c)).count()))
                .collect();
            prop_assert_eq!(&lists(&shared)[i], &want);
        }
    }
}

#[test]
fn a_filter_that_admits_all_is_no_filter_and_one_that_admits_none_finds_nothing() {
    let x = Array2::from_shape_fn((100, 5), |(i, j)| ((i * 13 + j * 5) as f32 * 0.7).sin());
    let all = knn_where(&Euclidean, x.view(), x.view(), 7, |_, _| true).unwrap();
    let plain = knn(&Euclidean, x.view(), x.view(), 7).unwrap();
    assert_eq!(all.indices(), plain.indices.as_slice().unwrap());
    assert_eq!(all.values(), plain.distances.as_slice().unwrap());
    let none = knn_where(&Euclidean, x.view(), x.view(), usize::MAX, |_, _| false).unwrap();
    assert_eq!((none.len(), none.indices().len()), (100, 0));
    assert!(none.iter().all(|(indices, _)| indices.is_empty()));
}

#[test]
fn the_number_of_threads_changes_no_list() {
    let x = Array2::from_shape_fn((333, 4), |(i, j)| ((i * 31 + j * 17) % 23) as f32);
    let labels: Vec<u32> = (0..333).map(|i| i % 5).collect();
    let relevance = Relevance::labels(&labels);
    let answers = |threads| {
        with_threads(threads, || {
            let near = knn_self(&Euclidean, x.view(), 9).unwrap();
            (
                knn_among_self(&Euclidean, x.view(), 6, &relevance, Among::Irrelevant).unwrap(),
                mutual_neighbors(&near).unwrap(),
                shared_neighbors(&near).unwrap(),
            )
        })
    };
    let alone = answers(1);
    for threads in [2, 7] {
        assert_eq!(alone, answers(threads));
    }
}

#[test]
fn a_row_listed_as_its_own_neighbour_gets_no_edge() {
    let x = array![[0.0f32], [1.0], [3.0]];
    let near = knn(&Euclidean, x.view(), x.view(), 2).unwrap();
    assert_eq!(near.indices, array![[0, 1], [1, 0], [2, 1]]);
    assert_eq!(
        lists(&mutual_neighbors(&near).unwrap()),
        [vec![(1, 1.0)], vec![(0, 1.0)], vec![]]
    );
    // Jarvis and Patrick's lists, which hold the row itself.
    assert_eq!(
        lists(&shared_neighbors(&near).unwrap()),
        [vec![(1, 2)], vec![(0, 2)], vec![(1, 1)]]
    );
}

#[test]
fn lists_that_make_no_graph_are_refused() {
    let x = array![[0.0f32], [1.0], [2.0]];
    let across = knn(&Euclidean, x.slice(ndarray::s![..2, ..]), x.view(), 3).unwrap();
    let refused = Error::NotARow {
        row: 0,
        neighbor: 2,
        rows: 2,
    };
    assert_eq!(mutual_neighbors(&across), Err(refused.clone()));
    assert_eq!(shared_neighbors(&across), Err(refused.clone()));
    assert_eq!(
        refused.to_string(),
        "neighbours must be among the 2 rows of the set, but row 0 lists 2"
    );
    let torn = Neighbors {
        indices: array![[1], [0]],
        distances: Array2::<f32>::zeros((2, 2)),
    };
    let refused = Error::NeighborShape {
        expected: (2, 1),
        got: (2, 2),
    };
    assert_eq!(mutual_neighbors(&torn), Err(refused.clone()));
    assert_eq!(
        refused.to_string(),
        "neighbours must have the shape (2, 1), got (2, 2)"
    );
    // One row has no other: an edgeless graph.
    let alone = knn_self(&Euclidean, array![[5.0f32]].view(), 3).unwrap();
    assert_eq!(mutual_neighbors(&alone).unwrap().offsets(), [0, 0]);
}

#[test]
fn filters_refuse_what_does_not_fit() {
    let x = array![[0.0f32], [1.0]];
    let relevance = Relevance::labels_against(&[1, 2], &[1, 2, 3]);
    let found = knn_among(
        &Euclidean,
        x.view(),
        x.view(),
        1,
        &relevance,
        Among::Relevant,
    );
    assert_eq!(found, Err(Error::LabelCount { rows: 2, labels: 3 }));
    let one = Relevance::labels(&[1]);
    let found = knn_among_self(&Euclidean, x.view(), 1, &one, Among::Relevant);
    assert_eq!(found, Err(Error::LabelCount { rows: 2, labels: 1 }));
    let zero = knn_where(&Euclidean, x.view(), x.view(), 0, |_, _| true);
    assert_eq!(zero, Err(Error::ZeroNeighbors));
    let nan = knn_where(
        &Euclidean,
        array![[f32::NAN]].view(),
        x.view(),
        1,
        |_, _| true,
    );
    assert!(matches!(
        nan,
        Err(Error::NonFinite {
            what: "queries",
            ..
        })
    ));
}

#[test]
fn recall_counts_what_was_found() {
    let with = |indices: Array2<usize>| Neighbors {
        distances: Array2::<f32>::zeros(indices.dim()),
        indices,
    };
    let exact = with(array![[1, 2, 3, 4], [5, 6, 7, 8]]);
    assert_eq!(recall(&exact, &exact), Ok(1.0));
    let partly = with(array![[4, 3, 9, 8], [0, 1, 2, 5]]);
    assert_eq!(recall(&partly, &exact), Ok(0.375));
    assert!(matches!(
        recall(&with(array![[1]]), &exact),
        Err(Error::NeighborShape { .. })
    ));
    let nothing = with(Array2::zeros((2, 0)));
    assert_eq!(
        recall(&nothing, &nothing),
        Err(Error::Empty { what: "exact" })
    );
}
