//! Neighbours against a full sort.

#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and laws hold exactly"
)]

use metric_core::{
    Angular, Distance, Euclidean, Neighbors, Scalar, SquaredEuclidean, knn, knn_self,
};
use metric_testkit::oracle::{euclidean, ranking};
use metric_testkit::strategy::grid_points;
use ndarray::{Array2, array};
use proptest::prelude::*;

use crate::common::{matrix, with_threads};

fn is_the_sorted_list<T: Scalar>(
    found: &Neighbors<T>,
    queries: &[Vec<f64>],
    base: &[Vec<f64>],
    k: usize,
    leave_out: impl Fn(usize) -> Option<usize>,
) -> Result<(), TestCaseError> {
    for (i, query) in queries.iter().enumerate() {
        let distances: Vec<f64> = base.iter().map(|b| euclidean(query, b)).collect();
        let mut want = ranking(&distances, leave_out(i));
        want.truncate(k);
        prop_assert_eq!(found.indices.row(i).to_vec(), want.clone());
        for (got, j) in found.distances.row(i).iter().zip(want) {
            prop_assert!(
                (got.to_f64() - distances[j]).abs() <= 4.0 * T::EPSILON.to_f64() * distances[j]
            );
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn neighbours_are_the_head_of_the_sorted_list(points in grid_points(2..150), k in 1..40usize, split in 0.1..0.9f64) {
        let cut = ((points.len() as f64 * split) as usize).max(1);
        let (queries, base) = points.split_at(cut);
        let (x, y) = (matrix::<f32>(queries), matrix::<f32>(base));
        is_the_sorted_list(&knn(&Euclidean, x.view(), y.view(), k).unwrap(), queries, base, k, |_| None)?;
        let all = matrix::<f64>(&points);
        is_the_sorted_list(&knn_self(&Euclidean, all.view(), k).unwrap(), &points, &points, k, Some)?;
    }
}

#[test]
fn equal_distances_go_to_the_lowest_index() {
    let rows = Array2::<f32>::zeros((100, 3));
    let found = knn_self(&Euclidean, rows.view(), 4).unwrap();
    assert_eq!(found.indices.row(2).to_vec(), [0, 1, 3, 4]);
    assert_eq!(found.indices.row(99).to_vec(), [0, 1, 2, 3]);
}

#[test]
fn k_is_cut_to_what_exists() {
    let rows = array![[0.0f32], [1.0], [3.0]];
    assert_eq!(
        knn(&Euclidean, rows.view(), rows.view(), 9)
            .unwrap()
            .indices
            .dim(),
        (3, 3)
    );
    let found = knn_self(&Euclidean, rows.view(), 9).unwrap();
    assert_eq!(found.indices, array![[1, 2], [0, 2], [1, 0]]);
    let alone = knn_self(&Euclidean, array![[5.0f32]].view(), 2).unwrap();
    assert_eq!(alone.indices.dim(), (1, 0));
}

#[test]
fn ranks_come_back_as_distances() {
    let rows = array![[1.0f64, 0.0], [1.0, 1.0], [-1.0, 0.1]];
    let found = knn_self(&Angular, rows.view(), 2).unwrap();
    for ((i, c), &d) in found.distances.indexed_iter() {
        let (a, b) = (
            rows.row(i).to_vec(),
            rows.row(found.indices[[i, c]]).to_vec(),
        );
        assert_eq!(d, Angular.distance(&a, &b));
    }
    assert_eq!(found.indices.row(0).to_vec(), [1, 2]);
}

#[test]
fn values_whose_squares_leave_the_range_are_still_ordered() {
    for scale in [1e25f32, 1e-30] {
        let rows = array![[0.0], [3.0], [1.0], [2.0]].mapv(|x: f32| x * scale);
        let found = knn_self(&Euclidean, rows.view(), 3).unwrap();
        assert_eq!(found.indices.row(0).to_vec(), [2, 3, 1]);
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let rows = Array2::from_shape_fn((333, 40), |(i, j)| ((i * 31 + j * 17) as f32 * 0.37).sin());
    let one = with_threads(1, || knn_self(&SquaredEuclidean, rows.view(), 7).unwrap());
    let four = with_threads(4, || knn_self(&SquaredEuclidean, rows.view(), 7).unwrap());
    assert_eq!(one, four);
}
