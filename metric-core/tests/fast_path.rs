//! Matrices, which are computed tile by tile, against the distances of their pairs.

#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and laws hold exactly"
)]

use metric_core::{
    CosineSimilarity, Distance, InnerProduct, Law, Scalar, Similarity, pairwise,
    pairwise_similarity,
};
use ndarray::Array2;

use crate::common::bits;
use crate::common::cases::{Agreement, cases, ensure, everywhere, row_sets};

/// Rows of `x`, rows of `y` and columns: on both sides of whole tiles and vectors.
const SHAPES: [(usize, usize, usize); 14] = [
    (1, 1, 1),
    (2, 11, 3),
    (11, 12, 4),
    (12, 13, 5),
    (13, 31, 31),
    (31, 32, 64),
    (32, 33, 1),
    (33, 97, 100),
    (97, 130, 3),
    (130, 2, 31),
    (1, 300, 4),
    (300, 33, 5),
    (40, 40, 2),
    (50, 50, 64),
];

fn largest<T: Scalar>(rows: &Array2<T>) -> f64 {
    rows.iter().fold(0.0, |m, x| f64::max(m, x.to_f64().abs()))
}

fn agrees_with_pairs<T: Scalar>() {
    everywhere::<T>(&SHAPES, |case, x, y| {
        let distance = case.distance();
        let got = pairwise(distance, x.view(), y.view()).unwrap();
        let reach = f64::max(largest(x), largest(y));
        let (relative, absolute) = case.tolerance(x.ncols(), 2.0 * reach);
        for ((i, j), value) in got.indexed_iter() {
            let (a, b) = (x.row(i).to_vec(), y.row(j).to_vec());
            let (got, want) = (value.to_f64(), distance.distance(&a, &b).to_f64());
            let near = got == want || (got - want).abs() <= relative * want + absolute;
            ensure!(near, "({i}, {j}) is {got:e}, want {want:e}");
            ensure!(got >= 0.0, "({i}, {j}) is {got:e}");
        }
        Ok(())
    });
}

#[test]
fn a_matrix_holds_the_distances_of_its_pairs_in_f32() {
    agrees_with_pairs::<f32>();
}

#[test]
fn a_matrix_holds_the_distances_of_its_pairs_in_f64() {
    agrees_with_pairs::<f64>();
}

fn keeps_the_laws<T: Scalar>() {
    everywhere::<T>(&SHAPES, |case, x, y| {
        let distance = case.distance();
        let own = pairwise(distance, x.view(), x.view()).unwrap();
        ensure!(own.diag().iter().all(|&d| d == T::ZERO), "d(x, x)");
        if distance.law() != Law::Asymmetric {
            ensure!(bits(&own) == bits(own.t()), "d(x, y) is not d(y, x)");
            let there = pairwise(distance, x.view(), y.view()).unwrap();
            let back = pairwise(distance, y.view(), x.view()).unwrap();
            ensure!(bits(&there) == bits(back.t()), "x and y exchanged");
        }
        let Some(metric) = case.metric() else {
            return Ok(());
        };
        let (n, dim) = (x.nrows().min(24), x.ncols());
        let (stated, stated_absolute) = metric.triangle_slack(dim);
        let (tile, tile_absolute) = case.tolerance(dim, 2.0 * largest(x));
        let relative = stated + 2.0 * tile;
        // Results that are subnormal numbers round to whole multiples of the least one.
        let least = if T::EPSILON.to_f64() > 1e-10 {
            1.4e-45
        } else {
            5e-324
        };
        let absolute = stated_absolute + 3.0 * tile_absolute + 3.0 * least;
        for (i, j, k) in (0..n * n * n).map(|t| (t / n / n, t / n % n, t % n)) {
            let d = |a: usize, b: usize| own[[a, b]].to_f64();
            let (direct, detour) = (d(i, k), d(i, j) + d(j, k));
            // An infinite slack promises nothing, nor does one of 0 · ∞.
            let limit = detour * (1.0 + relative) + absolute;
            ensure!(
                direct <= limit || limit.is_nan(),
                "{direct:e} from {i} to {k}, {detour:e} over {j}"
            );
        }
        Ok(())
    });
}

#[test]
fn matrices_keep_the_laws_in_f32() {
    keeps_the_laws::<f32>();
}

#[test]
fn matrices_keep_the_laws_in_f64() {
    keeps_the_laws::<f64>();
}

/// Values have the ranges that the types document, also where a tile rounds beyond them.
fn stays_in_range<T: Scalar>() {
    everywhere::<T>(&SHAPES, |case, x, y| {
        let most = match case.name.as_str() {
            "cosine" | "chord" | "correlation" => 2.0,
            "hellinger" | "hamming" | "jaccard" => 1.0,
            "angular" => T::from_f64(std::f64::consts::PI).to_f64(),
            _ => return Ok(()),
        };
        let minus = x.mapv(|x| if case.name == "hellinger" { x } else { -x });
        for (left, right) in [(x, y), (x, &minus)] {
            let got = pairwise(case.distance(), left.view(), right.view()).unwrap();
            for ((i, j), d) in got.indexed_iter() {
                ensure!(d.to_f64() <= most, "({i}, {j}) is {d:e}", d = d.to_f64());
            }
        }
        Ok(())
    });
}

#[test]
fn matrices_keep_to_the_range_of_the_distance() {
    stays_in_range::<f32>();
    stays_in_range::<f64>();
}

fn similarities<T: Scalar>() {
    let epsilon = T::EPSILON.to_f64();
    let row = |rows: &Array2<T>, i: usize| rows.row(i).to_vec();
    for (seed, (n, m, dim)) in (1..).zip(SHAPES) {
        let terms = dim as f64 + 8.0;
        for (set, rows) in row_sets::<T>(n + m, dim, seed) {
            let rows = rows.mapv(T::from_f64);
            let (x, y) = rows.view().split_at(ndarray::Axis(0), n);
            let place = format!("{set}, {n} x {m} x {dim}");
            let products = pairwise_similarity(&InnerProduct, x, y).unwrap();
            let cosines = pairwise_similarity(&CosineSimilarity, x, y).unwrap();
            for i in 0..n {
                for j in 0..m {
                    let (a, b) = (row(&rows, i), row(&rows, n + j));
                    let (got, want) = (
                        products[[i, j]].to_f64(),
                        InnerProduct.similarity(&a, &b).to_f64(),
                    );
                    // Both sums are off by n u Σ |aᵢ bᵢ|, and by half the least number for each product that underflows.
                    let size: f64 = a
                        .iter()
                        .zip(&b)
                        .map(|(a, b)| (a.to_f64() * b.to_f64()).abs())
                        .sum();
                    let least = if epsilon > 1e-10 { 1.4e-45 } else { 5e-324 };
                    let limit = terms * (epsilon * size + least);
                    assert!(
                        got == want || (got - want).abs() <= limit,
                        "{place}: inner product ({i}, {j}) is {got:e}, want {want:e}"
                    );
                    let (got, want) = (
                        cosines[[i, j]].to_f64(),
                        CosineSimilarity.similarity(&a, &b).to_f64(),
                    );
                    // Of unit vectors, whose norms are off by 4 u: (n + 8) u on each of both sides, and the norms.
                    assert!(
                        (got - want).abs() <= (terms + 8.0) * epsilon,
                        "{place}: cosine ({i}, {j}) is {got:e}, want {want:e}"
                    );
                    assert!((-1.0..=1.0).contains(&got), "{place}: cosine {got:e}");
                }
            }
            let own = pairwise_similarity(&CosineSimilarity, x, x).unwrap();
            assert!(own.diag().iter().all(|&c| c == T::ONE), "{place}");
            for similarity in [&InnerProduct as &dyn Similarity<T>, &CosineSimilarity] {
                let there = pairwise_similarity(similarity, x, y).unwrap();
                let back = pairwise_similarity(similarity, y, x).unwrap();
                assert_eq!(bits(&there), bits(back.t()), "{place}");
            }
        }
    }
}

#[test]
fn a_matrix_of_similarities_holds_those_of_its_pairs() {
    similarities::<f32>();
    similarities::<f64>();
}

#[test]
fn tiles_are_not_pairs_in_disguise() {
    // A test of the tests: where nothing cancels, the tile's own arithmetic shows in some last digit.
    let rows = row_sets::<f32>(200, 64, 9)[0].1.mapv(|x| x as f32);
    for case in cases::<f32>(64) {
        let rows = case.domain.rows::<f32>(&rows.mapv(f64::from));
        let got = pairwise(case.distance(), rows.view(), rows.view()).unwrap();
        let differs = got.indexed_iter().any(|((i, j), d)| {
            let (a, b) = (rows.row(i).to_vec(), rows.row(j).to_vec());
            case.distance().distance(&a, &b) != *d
        });
        assert_eq!(differs, case.agreement != Agreement::Bits, "{}", case.name);
    }
}

#[test]
fn half_of_a_symmetric_matrix_is_the_whole_to_the_bit() {
    for (n, dim) in [(1, 3), (193, 4), (390, 2)] {
        for (set, rows) in row_sets::<f32>(n, dim, 5) {
            for case in cases::<f32>(dim) {
                let rows = case.domain.rows::<f32>(&rows);
                let copy = rows.clone();
                let half = pairwise(case.distance(), rows.view(), rows.view()).unwrap();
                let whole = pairwise(case.distance(), rows.view(), copy.view()).unwrap();
                assert!(
                    bits(&half) == bits(&whole),
                    "{} of {n} x {dim}, {set}",
                    case.name
                );
            }
        }
    }
}

#[test]
fn a_distance_without_symmetry_is_not_mirrored() {
    struct Rise;
    impl Distance<f32> for Rise {
        fn distance(&self, a: &[f32], b: &[f32]) -> f32 {
            (b[0] - a[0]).max(0.0)
        }
        fn law(&self) -> Law {
            Law::Asymmetric
        }
    }
    let rows = ndarray::array![[1.0f32], [3.0], [2.0]];
    let got = pairwise(&Rise, rows.view(), rows.view()).unwrap();
    let want = ndarray::array![[0.0, 2.0, 1.0], [0.0, 0.0, 0.0], [0.0, 1.0, 0.0]];
    assert_eq!(got, want);
}

#[test]
fn tiles_take_the_offset_from_far_rows() {
    // Left in, it would cancel in every pair, and each would be computed by the definition: right, but slow. The tile's own
    // rounding in some last digit says that it was not.
    let rows = row_sets::<f32>(200, 64, 9)[1].1.mapv(|x| x as f32);
    assert!(rows.iter().all(|x| (9e3..1.1e4).contains(x)));
    for case in cases::<f32>(64) {
        let moves_nothing = case.name.contains("euclidean") || case.name == "minkowski 2";
        if !moves_nothing {
            continue;
        }
        let got = pairwise(case.distance(), rows.view(), rows.view()).unwrap();
        let differs = got.indexed_iter().any(|((i, j), d)| {
            let (a, b) = (rows.row(i).to_vec(), rows.row(j).to_vec());
            case.distance().distance(&a, &b) != *d
        });
        assert!(differs, "{}", case.name);
    }
}
