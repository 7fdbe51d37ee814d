//! Every index against naive sorting, to the last bit.

#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and laws hold exactly"
)]

use std::sync::atomic::{AtomicUsize, Ordering};

use metric_core::{
    Angular, BruteForce, Distance, Error, Euclidean, Mahalanobis, Metric, Minkowski, NeighborIndex,
    NeighborLists, Neighbors, Scalar, SquaredEuclidean, VpTree, knn, radius, radius_self,
};
use metric_testkit::oracle::ranking;
use metric_testkit::strategy::{grid_points, three_points};
use ndarray::{Array2, ArrayView2, array};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::common::{matrix, precision, with_threads};

/// Euclidean distance rounded up to a multiple of `step`: a metric with ties everywhere, and not of this crate.
struct Stairs(f64);

impl<T: Scalar> Distance<T> for Stairs {
    fn distance(&self, a: &[T], b: &[T]) -> T {
        let d = Euclidean.distance(a, b).to_f64();
        T::from_f64((d / self.0).ceil() * self.0)
    }
}

impl<T: Scalar> Metric<T> for Stairs {
    /// Rounding before a step can cost a whole step.
    fn triangle_slack(&self, dim: usize) -> (f64, f64) {
        let (relative, absolute) = Metric::<T>::triangle_slack(&Euclidean, dim);
        (relative, absolute + self.0)
    }
}

/// Squared Euclidean distance, which breaks the triangle inequality by any amount and says so.
struct Lawless;

impl<T: Scalar> Distance<T> for Lawless {
    fn distance(&self, a: &[T], b: &[T]) -> T {
        SquaredEuclidean.distance(a, b)
    }
}

impl<T: Scalar> Metric<T> for Lawless {
    fn triangle_slack(&self, _: usize) -> (f64, f64) {
        (f64::INFINITY, 0.0)
    }
}

fn metrics<T: Scalar>(dim: usize) -> Vec<(&'static str, Box<dyn Metric<T>>)> {
    let p = matrix::<T>(&precision(dim, &[0.3, -0.8, 0.5, 1.0, -0.2]));
    vec![
        ("euclidean", Box::new(Euclidean)),
        ("manhattan", Box::new(Minkowski::new(1.0).unwrap())),
        ("minkowski 3", Box::new(Minkowski::new(3.0).unwrap())),
        (
            "chebyshev",
            Box::new(Minkowski::new(f64::INFINITY).unwrap()),
        ),
        ("angular", Box::new(Angular)),
        (
            "mahalanobis",
            Box::new(Mahalanobis::from_precision(p.view()).unwrap()),
        ),
        ("stairs", Box::new(Stairs(0.5))),
        ("lawless", Box::new(Lawless)),
    ]
}

fn indexes<'a, T: Scalar>(
    base: ArrayView2<'a, T>,
    metric: &'a dyn Metric<T>,
) -> Vec<Box<dyn NeighborIndex<T> + 'a>> {
    let mut all: Vec<Box<dyn NeighborIndex<T> + 'a>> =
        vec![Box::new(BruteForce::new(base, metric).unwrap())];
    for seed in 0..2 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        all.push(Box::new(VpTree::build(base, metric, &mut rng).unwrap()));
    }
    all
}

fn bits<T: Scalar>(values: impl IntoIterator<Item = T>) -> Vec<u64> {
    values.into_iter().map(|x| x.to_f64().to_bits()).collect()
}

/// Values of every pair, by the method of the metric that is given.
fn table<T: Scalar>(
    queries: &Array2<T>,
    base: &Array2<T>,
    value: impl Fn(&[T], &[T]) -> T,
) -> Vec<Vec<f64>> {
    let row = |rows: &Array2<T>, i: usize| rows.row(i).to_vec();
    (0..queries.nrows())
        .map(|i| {
            (0..base.nrows())
                .map(|j| value(&row(queries, i), &row(base, j)).to_f64())
                .collect()
        })
        .collect()
}

/// Neighbours are the head of the list sorted by rank, what a radius holds is the head of the list sorted by distance.
fn agrees<T: Scalar>(queries: &[Vec<f64>], base: &[Vec<f64>]) -> Result<(), TestCaseError> {
    let (x, y) = (matrix::<T>(queries), matrix::<T>(base));
    for (name, metric) in metrics::<T>(y.ncols()) {
        let ranks = table(&x, &y, |a, b| metric.rank(a, b));
        let distances = table(&x, &y, |a, b| metric.distance(a, b));
        let middle = distances[0][base.len() / 2];
        for index in indexes(y.view(), &*metric) {
            prop_assert_eq!((index.len(), index.dim()), y.dim());
            for k in [1, 3, 40, base.len() + 5] {
                let found = index.knn(x.view(), k).unwrap();
                prop_assert_eq!(found.indices.dim(), (x.nrows(), k.min(base.len())));
                for (i, ranks) in ranks.iter().enumerate() {
                    let mut want = ranking(ranks, None);
                    want.truncate(k);
                    prop_assert_eq!(
                        found.indices.row(i).to_vec(),
                        want.clone(),
                        "{} {}",
                        name,
                        k
                    );
                    let want = want.iter().map(|&j| distances[i][j]);
                    prop_assert_eq!(
                        bits(found.distances.row(i).to_vec()),
                        bits(want),
                        "{}",
                        name
                    );
                }
                let one = index.knn_one(x.row(0).to_slice().unwrap(), k).unwrap();
                let (indices, values): (Vec<_>, Vec<_>) = one.into_iter().unzip();
                prop_assert_eq!(indices, found.indices.row(0).to_vec());
                prop_assert_eq!(bits(values), bits(found.distances.row(0).to_vec()));
            }
            for r in [0.0, middle, f64::INFINITY] {
                let found = index.radius(x.view(), T::from_f64(r)).unwrap();
                prop_assert_eq!(found.len(), x.nrows());
                for ((indices, values), distances) in found.iter().zip(&distances) {
                    let mut want = ranking(distances, None);
                    want.retain(|&j| distances[j] <= r);
                    prop_assert_eq!(indices, &want[..], "{} {}", name, r);
                    let want = want.iter().map(|&j| distances[j]);
                    prop_assert_eq!(bits(values.to_vec()), bits(want), "{}", name);
                }
            }
        }
    }
    Ok(())
}

fn agrees_in_both_precisions(queries: &[Vec<f64>], base: &[Vec<f64>]) {
    agrees::<f32>(queries, base).unwrap();
    agrees::<f64>(queries, base).unwrap();
}

/// Rows of the given entries, rounded to `f32`.
fn seeded(n: usize, dim: usize, seed: u64, entry: impl Fn(f64) -> f64) -> Vec<Vec<f64>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut value = || f64::from(entry(rng.random_range(-1.0..1.0)) as f32);
    (0..n)
        .map(|_| (0..dim).map(|_| value()).collect())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_index_agrees_on_grids_full_of_ties(points in grid_points(2..300), split in 0.02..0.3f64) {
        let cut = ((points.len() as f64 * split) as usize).max(1);
        let (queries, base) = points.split_at(cut);
        agrees::<f32>(queries, base)?;
        agrees::<f64>(queries, base)?;
    }

    #[test]
    fn every_index_agrees_on_points_of_any_size(triples in prop::collection::vec(three_points(2), 14..40)) {
        let points: Vec<Vec<f64>> = triples.into_iter().flatten().collect();
        let (queries, base) = points.split_at(3);
        agrees::<f32>(queries, base)?;
        agrees::<f64>(queries, base)?;
    }
}

/// The detour through a third point is no shorter than the slack allows, for every metric and every order.
fn keeps_its_slack<T: Scalar>(points: &[Vec<f64>; 3]) -> Result<(), TestCaseError> {
    let points = matrix::<T>(points);
    let row = |i: usize| points.row(i).to_vec();
    for (name, metric) in metrics::<T>(points.ncols()) {
        let (relative, absolute) = metric.triangle_slack(points.ncols());
        for (i, j, k) in [(0, 1, 2), (1, 2, 0), (2, 0, 1)] {
            let d = |i: usize, j: usize| metric.distance(&row(i), &row(j)).to_f64();
            let (direct, detour) = (d(i, j), d(i, k) + d(k, j));
            // Zero times infinity allows nothing.
            let allowed = if detour > 0.0 {
                detour * (1.0 + relative)
            } else {
                0.0
            };
            prop_assert!(direct <= allowed + absolute, "{name}: {direct} > {detour}");
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn every_metric_keeps_the_slack_it_states(points in three_points(40)) {
        keeps_its_slack::<f32>(&points)?;
        keeps_its_slack::<f64>(&points)?;
    }
}

#[test]
fn the_slack_of_a_mahalanobis_distance_grows_with_its_condition() {
    // L = diag(1e6, 1, 1), of condition 1e6; the Frobenius norms make at most 3 times that.
    let p = Array2::from_diag(&array![1e12f64, 1.0, 1.0]);
    let distance = Mahalanobis::from_precision(p.view()).unwrap();
    let (relative, absolute) = distance.triangle_slack(3);
    let stated = 8.0 * f64::EPSILON + (9.0 + 8.0) * 1e6 * f64::EPSILON;
    assert!(relative >= stated && relative <= 3.0 * stated, "{relative}");
    assert_eq!(absolute, 0.0);
    // Neither the size of the precision nor a rotation changes a condition: (5, 4; 4, 5) has eigenvalues 9 and 1.
    let slack = |scale: f64| {
        let p = array![[5.0 * scale, 4.0 * scale], [4.0 * scale, 5.0 * scale]];
        Mahalanobis::from_precision(p.view())
            .unwrap()
            .triangle_slack(2)
            .0
    };
    // ‖L‖² = tr P = 10 and ‖L⁻¹‖² = tr P⁻¹ = 10/9, thus 10/3 for a condition of 3.
    let want = (8.0 + 12.0 * 10.0 / 3.0) * f64::EPSILON;
    for scale in [1.0, 1e-200, 1e200] {
        assert!(
            (slack(scale) / want - 1.0).abs() < 1e-12,
            "{}",
            slack(scale) / want
        );
    }
}

#[test]
fn every_index_agrees_on_ordinary_rows() {
    for (n, dim) in [(700, 2), (500, 17)] {
        agrees_in_both_precisions(&seeded(7, dim, 1, |x| x), &seeded(n, dim, 2, |x| x));
    }
}

#[test]
fn every_index_agrees_on_one_row_and_on_equal_rows() {
    let queries = seeded(3, 4, 1, |x| x);
    agrees_in_both_precisions(&queries, &seeded(1, 4, 2, |x| x));
    agrees_in_both_precisions(&queries, &vec![vec![0.25, -1.0, 3.0, 0.0]; 333]);
    agrees_in_both_precisions(&queries[..1], &vec![queries[0].clone(); 100]);
    agrees_in_both_precisions(&vec![vec![0.0; 4]; 2], &vec![vec![0.0; 4]; 100]);
}

#[test]
fn every_index_agrees_on_huge_tiny_and_mixed_values() {
    for scale in [1e18, 1e-18, 1e-42] {
        let entry = |x: f64| x * scale;
        agrees_in_both_precisions(&seeded(5, 3, 1, entry), &seeded(300, 3, 2, entry));
    }
    let mixed = |x: f64| (20.0 * x).exp2() * x;
    agrees_in_both_precisions(&seeded(5, 3, 1, mixed), &seeded(300, 3, 2, mixed));
    // Distances that overflow are infinite, and tie.
    let overflowing = |x: f64| x * 3e38;
    agrees::<f32>(
        &seeded(5, 3, 1, overflowing),
        &seeded(300, 3, 2, overflowing),
    )
    .unwrap();
}

#[test]
fn every_index_agrees_where_only_rounding_decides() {
    // On a line the triangle inequality holds with equality, so that each bound is as tight as it can be.
    let on_a_line = |n: usize, seed: u64| -> Vec<Vec<f64>> {
        let at = seeded(n, 1, seed, |x| x);
        at.iter()
            .map(|t| (0..7).map(|j| t[0] * (0.3 + j as f64 * 0.7)).collect())
            .collect()
    };
    let far = |rows: Vec<Vec<f64>>| -> Vec<Vec<f64>> {
        let moved = |row: Vec<f64>| row.iter().map(|x| 1000.0 + x / 64.0).collect();
        rows.into_iter().map(moved).collect()
    };
    for seed in 0..4 {
        let (queries, base) = (on_a_line(40, 10 + seed), on_a_line(400, 20 + seed));
        agrees_in_both_precisions(&queries, &base);
        agrees_in_both_precisions(&far(queries), &far(base));
    }
}

#[test]
fn the_number_of_threads_changes_no_answer() {
    let base = matrix::<f32>(&seeded(3000, 3, 1, |x| (x * 8.0).round()));
    let queries = matrix::<f32>(&seeded(50, 3, 2, |x| (x * 8.0).round()));
    let answers = |threads| -> Vec<(Neighbors<f32>, NeighborLists<f32>)> {
        with_threads(threads, || {
            let answer = |index: &dyn NeighborIndex<f32>| {
                let near = index.knn(queries.view(), 9).unwrap();
                (near, index.radius(queries.view(), 2.0).unwrap())
            };
            indexes(base.view(), &Euclidean)
                .iter()
                .map(|index| answer(&**index))
                .collect()
        })
    };
    let alone = answers(1);
    for threads in [2, 7] {
        assert_eq!(alone, answers(threads));
    }
}

#[test]
fn a_hundred_thousand_equal_rows_need_no_deep_stack() {
    let rows = Array2::<f32>::ones((100_000, 2));
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(2)
        .stack_size(128 * 1024)
        .build()
        .unwrap();
    pool.install(|| {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let tree = VpTree::build(rows.view(), Euclidean, &mut rng).unwrap();
        let found = tree.knn(array![[1.0, 1.0], [0.0, 1.0]].view(), 5).unwrap();
        for row in found.indices.rows() {
            assert_eq!(row.to_vec(), [0, 1, 2, 3, 4]);
        }
    });
}

/// Euclidean distance that counts how often it is asked.
#[derive(Default)]
struct Counting(AtomicUsize);

impl Distance<f32> for Counting {
    fn distance(&self, a: &[f32], b: &[f32]) -> f32 {
        self.0.fetch_add(1, Ordering::Relaxed);
        Euclidean.distance(a, b)
    }
}

impl Metric<f32> for Counting {}

#[test]
fn a_tree_looks_at_a_small_part_of_the_rows() {
    let base = matrix::<f32>(&seeded(20_000, 2, 1, |x| x));
    let queries = matrix::<f32>(&seeded(100, 2, 2, |x| x));
    let counting = Counting::default();
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let tree = VpTree::build(base.view(), &counting, &mut rng).unwrap();
    // Ten levels of n distances, and a quarter more to choose vantage points.
    let built = counting.0.swap(0, Ordering::Relaxed);
    assert!(built < 10 * 20_000 * 5 / 4, "{built}");
    let found = tree.knn(queries.view(), 5).unwrap();
    let asked = counting.0.load(Ordering::Relaxed);
    // Five neighbours lie within 0.016 or so; a few leaves of 20 rows and their paths meet that disc.
    assert!(asked < 100 * 400, "{asked}");
    assert_eq!(
        found,
        knn(&Euclidean, queries.view(), base.view(), 5).unwrap()
    );
}

#[test]
fn a_row_is_left_out_of_its_own_radius_but_its_copy_is_not() {
    let rows = array![[2.0f32], [0.0], [2.0], [3.0]];
    let found = radius_self(&Euclidean, rows.view(), 1.0).unwrap();
    assert_eq!(found.offsets(), [0, 2, 2, 4, 6]);
    assert_eq!(found.indices(), [2, 3, 0, 3, 0, 2]);
    assert_eq!(found.values(), [0.0, 1.0, 0.0, 1.0, 1.0, 1.0]);
}

#[test]
fn what_does_not_fit_an_index_is_refused() {
    let rows = array![[0.0f32, 1.0], [2.0, 3.0]];
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for shape in [(0, 2), (2, 0)] {
        let empty = Array2::<f32>::zeros(shape);
        let refused = Error::Empty { what: "rows" };
        let brute = BruteForce::new(empty.view(), Euclidean);
        assert_eq!(brute.unwrap_err(), refused);
        let tree = VpTree::build(empty.view(), Euclidean, &mut rng);
        assert_eq!(tree.unwrap_err(), refused);
    }
    for bad in [f32::NAN, f32::INFINITY] {
        let mut rows = rows.clone();
        rows[[1, 0]] = bad;
        let refused = Error::NonFinite {
            what: "rows",
            row: 1,
            column: 0,
        };
        assert_eq!(
            BruteForce::new(rows.view(), Euclidean).unwrap_err(),
            refused
        );
        let tree = VpTree::build(rows.view(), Euclidean, &mut rng);
        assert_eq!(tree.unwrap_err(), refused);
    }
    for index in indexes(rows.view(), &Euclidean) {
        let asked = |queries: &Array2<f32>| {
            let near = index.knn(queries.view(), 1).unwrap_err();
            assert_eq!(index.radius(queries.view(), 1.0).unwrap_err(), near);
            near
        };
        let mismatch = Error::DimMismatch { left: 3, right: 2 };
        assert_eq!(asked(&Array2::zeros((4, 3))), mismatch);
        let empty = Error::Empty { what: "queries" };
        assert_eq!(asked(&Array2::zeros((0, 2))), empty);
        let nan = Error::NonFinite {
            what: "queries",
            row: 0,
            column: 1,
        };
        assert_eq!(asked(&array![[0.0, f32::NAN]]), nan);
        assert_eq!(index.knn(rows.view(), 0), Err(Error::ZeroNeighbors));
        assert_eq!(index.knn_one(&[1.0, 2.0, 3.0], 1), Err(mismatch));
        assert_eq!(index.knn_one(&[], 1), Err(empty));
        assert_eq!(index.knn_one(&[0.0, f32::NAN], 1), Err(nan));
        for bad in [-1.0f32, f32::NAN, f32::NEG_INFINITY] {
            let refused = index.radius(rows.view(), bad).unwrap_err();
            assert!(
                matches!(refused, Error::InvalidParam { name: "radius", .. }),
                "{refused}"
            );
        }
    }
    let narrow = array![[0.0f32]];
    let mismatch = Err(Error::DimMismatch { left: 2, right: 1 });
    assert_eq!(
        radius(&Euclidean, rows.view(), narrow.view(), 1.0),
        mismatch
    );
    assert!(radius_self(&Euclidean, rows.view(), -0.5).is_err());
    let message = radius_self(&Euclidean, rows.view(), -0.5).unwrap_err();
    assert_eq!(message.to_string(), "radius must be at least 0, got -0.5");
}

#[test]
fn rows_in_any_layout_are_indexed() {
    let base = matrix::<f64>(&seeded(200, 3, 1, |x| x));
    let turned = base.t().as_standard_layout().to_owned();
    let queries = base.slice(ndarray::s![..;9, ..]);
    for (plain, strided) in indexes(base.view(), &Euclidean)
        .iter()
        .zip(indexes(turned.t(), &Euclidean))
    {
        assert_eq!(plain.knn(queries, 4), strided.knn(queries, 4));
    }
}
