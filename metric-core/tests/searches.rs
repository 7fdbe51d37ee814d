//! Searches, which leave out by bounds what cannot matter, against the plain loop over all pairs: the same bits.

#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and results are exact"
)]

use metric_core::{
    Among, BruteForce, Distance, NeighborIndex, NeighborLists, Neighbors, Relevance, Scalar,
    VpTree, knn, knn_among, knn_among_self, knn_self, knn_where, radius, radius_self,
};
use ndarray::{Array2, Axis, concatenate};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::common::bits;
use crate::common::cases::{Case, cases, ensure, everywhere, row_sets};

/// Queries, rows and columns. The last have more rows than are looked at between two bounds, and more queries than one task
/// takes.
const SHAPES: [(usize, usize, usize); 9] = [
    (2, 1, 1),
    (3, 11, 3),
    (12, 33, 5),
    (31, 97, 31),
    (13, 130, 2),
    (7, 65, 64),
    (9, 40, 100),
    (2, 2100, 4),
    (200, 20, 3),
];

type Lists<T> = Vec<Vec<(usize, T)>>;

fn row<T: Scalar>(rows: &Array2<T>, i: usize) -> &[T] {
    rows.row(i).to_slice().unwrap()
}

/// For every query all rows that count, by rank and index.
fn ranked<T: Scalar>(
    distance: &dyn Distance<T>,
    (x, y): (&Array2<T>, &Array2<T>),
    admits: impl Fn(usize, usize) -> bool,
) -> Lists<T> {
    let list = |i: usize| {
        let rank = |j: usize| (j, distance.rank(row(x, i), row(y, j)));
        let rows = (0..y.nrows()).filter(|&j| admits(i, j));
        let mut list: Vec<(usize, T)> = rows.map(rank).collect();
        list.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        list.into_iter()
            .map(|(j, rank)| (j, distance.rank_to_distance(rank)))
            .collect()
    };
    (0..x.nrows()).map(list).collect()
}

fn heads<T: Scalar>(lists: &Lists<T>, k: usize) -> Lists<T> {
    let head = |list: &Vec<(usize, T)>| list.iter().take(k).copied().collect();
    lists.iter().map(head).collect()
}

/// Rows within a distance; different ranks may be one distance, so that the order is another.
fn within<T: Scalar>(lists: &Lists<T>, radius: T) -> Lists<T> {
    let mut lists = lists.clone();
    for list in &mut lists {
        list.retain(|(_, d)| *d <= radius);
        list.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
    }
    lists
}

/// Rows of the lists that the filter admits.
fn admitted<T: Scalar>(lists: &Lists<T>, admits: impl Fn(usize, usize) -> bool) -> Lists<T> {
    let mut lists = lists.clone();
    for (query, list) in lists.iter_mut().enumerate() {
        list.retain(|(row, _)| admits(query, *row));
    }
    lists
}

fn of_neighbors<T: Scalar>(found: &Neighbors<T>) -> Lists<T> {
    let pairs = found.indices.rows().into_iter().zip(found.distances.rows());
    pairs
        .map(|(indices, distances)| {
            indices
                .into_iter()
                .copied()
                .zip(distances.iter().copied())
                .collect()
        })
        .collect()
}

fn of_lists<T: Scalar>(found: &NeighborLists<T>) -> Lists<T> {
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

fn same<T: Scalar>(what: &str, got: &Lists<T>, want: &Lists<T>) -> Result<(), String> {
    for (query, (got, want)) in got.iter().zip(want).enumerate() {
        let place = got
            .iter()
            .zip(want)
            .position(|(g, w)| g.0 != w.0 || g.1.to_f64().to_bits() != w.1.to_f64().to_bits());
        let place = place.or((got.len() != want.len()).then(|| got.len().min(want.len())));
        if let Some(place) = place {
            return Err(format!(
                "{what}: query {query}, place {place}: got {:?}, want {:?}",
                got.get(place),
                want.get(place)
            ));
        }
    }
    ensure!(
        got.len() == want.len(),
        "{what}: {} lists, want {}",
        got.len(),
        want.len()
    );
    Ok(())
}

/// None, some and all of the distances, and each radius the very distance of a pair.
fn radii<T: Scalar>(lists: &Lists<T>) -> Vec<T> {
    let mut all: Vec<T> = lists.iter().flatten().map(|(_, d)| *d).collect();
    all.sort_by(T::total_cmp);
    let mut radii = vec![T::ZERO, T::from_f64(f64::INFINITY)];
    radii.extend([1, 6].map(|tenth| all[all.len() * tenth / 10]));
    radii
}

fn equals_the_loop<T: Scalar>(case: &Case<T>, x: &Array2<T>, y: &Array2<T>) -> Result<(), String> {
    let distance = case.distance();
    let m = y.nrows();
    let all = ranked(distance, (x, y), |_, _| true);
    for k in [1, 7, m.max(2) - 1, m + 3] {
        let found = knn(distance, x.view(), y.view(), k).unwrap();
        same(&format!("knn {k}"), &of_neighbors(&found), &heads(&all, k))?;
    }
    for r in radii(&all) {
        let found = radius(distance, x.view(), y.view(), r).unwrap();
        same(&format!("radius {r}"), &of_lists(&found), &within(&all, r))?;
    }
    let filter = |query: usize, row: usize| (5 * query + row) % 3 != 1 && row % 4 != query % 4;
    let some = admitted(&all, filter);
    for k in [1, 4, m] {
        let found = knn_where(distance, x.view(), y.view(), k, filter).unwrap();
        same(
            &format!("knn_where {k}"),
            &of_lists(&found),
            &heads(&some, k),
        )?;
    }
    let index = BruteForce::new(y.view(), distance).unwrap();
    let found = index.knn(x.view(), 3).unwrap();
    same("brute force", &of_neighbors(&found), &heads(&all, 3))?;
    if let Some(metric) = case.metric() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let tree = VpTree::build(y.view(), metric, &mut rng).unwrap();
        let found = tree.knn(x.view(), 3).unwrap();
        same("tree", &of_neighbors(&found), &heads(&all, 3))?;
        let r = radii(&all)[2];
        let found = tree.radius(x.view(), r).unwrap();
        same("radius of the tree", &of_lists(&found), &within(&all, r))?;
    }
    Ok(())
}

#[test]
fn a_search_gives_the_bits_of_the_loop_over_all_pairs_in_f32() {
    everywhere::<f32>(&SHAPES, equals_the_loop);
}

#[test]
fn a_search_gives_the_bits_of_the_loop_over_all_pairs_in_f64() {
    everywhere::<f64>(&SHAPES, equals_the_loop);
}

fn self_equals_the_loop<T: Scalar>(
    case: &Case<T>,
    x: &Array2<T>,
    y: &Array2<T>,
) -> Result<(), String> {
    let distance = case.distance();
    let rows = concatenate![Axis(0), *x, *y];
    let all = ranked(distance, (&rows, &rows), |i, j| i != j);
    for k in [1, 5, rows.nrows()] {
        let found = knn_self(distance, rows.view(), k).unwrap();
        same(
            &format!("knn_self {k}"),
            &of_neighbors(&found),
            &heads(&all, k),
        )?;
    }
    for r in radii(&all) {
        let found = radius_self(distance, rows.view(), r).unwrap();
        same(
            &format!("radius_self {r}"),
            &of_lists(&found),
            &within(&all, r),
        )?;
    }
    let labels: Vec<u32> = (0..rows.nrows() as u32).map(|i| i * i % 5).collect();
    let relevance = Relevance::labels(&labels);
    for (among, relevant) in [(Among::Relevant, true), (Among::Irrelevant, false)] {
        let want = admitted(&all, |i, j| (labels[i] == labels[j]) == relevant);
        let found = knn_among_self(distance, rows.view(), 2, &relevance, among).unwrap();
        same("knn_among_self", &of_lists(&found), &heads(&want, 2))?;
    }
    let (own, others) = labels.split_at(x.nrows());
    let relevance = Relevance::labels_against(own, others);
    let want = ranked(distance, (x, y), |i, j| own[i] != others[j]);
    let found = knn_among(
        distance,
        x.view(),
        y.view(),
        2,
        &relevance,
        Among::Irrelevant,
    )
    .unwrap();
    same("knn_among", &of_lists(&found), &heads(&want, 2))
}

#[test]
fn a_search_of_a_set_in_itself_gives_the_bits_of_the_loop() {
    everywhere::<f32>(&SHAPES[1..6], self_equals_the_loop);
    everywhere::<f64>(&SHAPES[1..6], self_equals_the_loop);
}

/// The screen is built around the base; these queries are not.
fn far_queries<T: Scalar>(factors: &[f64]) {
    let base = &row_sets::<T>(120, 6, 5)[0].1;
    for case in cases::<T>(6) {
        for &factor in factors {
            let rows = case.domain.rows::<T>(base);
            let queries = case.domain.rows::<T>(&(factor * base));
            if let Err(what) = equals_the_loop(&case, &queries, &rows) {
                panic!("{}, {factor:e}: {what}", case.name);
            }
            let shifted = case.domain.rows::<T>(&(base + factor));
            if let Err(what) = equals_the_loop(&case, &shifted, &rows) {
                panic!("{}, + {factor:e}: {what}", case.name);
            }
        }
    }
}

#[test]
fn queries_far_outside_of_the_base_find_the_same_as_the_loop() {
    far_queries::<f32>(&[1e4, 1e9, 1e14, 1e17, 1e25, 1e37, 1e-12, 1e-37]);
    far_queries::<f64>(&[1e4, 1e9, 1e17, 1e37, 1e60, 1e200, 1e305, 1e-30, 1e-200]);
}

#[test]
fn equal_rows_are_found_by_index_for_every_distance() {
    let rows = Array2::from_shape_fn((300, 3), |(i, j)| f64::from((i % 2 * (j + 1)) as u8) / 4.0);
    for case in cases::<f32>(3) {
        let rows = case.domain.rows::<f32>(&rows);
        let found = knn_self(case.distance(), rows.view(), 4).unwrap();
        assert_eq!(found.indices.row(7).to_vec(), [1, 3, 5, 9], "{}", case.name);
        assert_eq!(
            found.indices.row(298).to_vec(),
            [0, 2, 4, 6],
            "{}",
            case.name
        );
        assert_eq!(bits(&found.distances), vec![0; 1200], "{}", case.name);
    }
}
