//! The approximate index against the exact answer.

#![cfg(feature = "usearch")]
#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and laws hold exactly"
)]

use metric_core::{
    ApproximateConfig, ApproximateIndex, ApproximateMetric, BruteForce, Cosine, Distance, Error,
    Euclidean, InnerProduct, NeighborIndex, Scalar, Similarity, recall,
};
use ndarray::{Array2, array, s};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::common::with_threads;

const ALL: [ApproximateMetric; 3] = [
    ApproximateMetric::Euclidean,
    ApproximateMetric::Cosine,
    ApproximateMetric::InnerProduct,
];

fn seeded<T: Scalar>(shape: (usize, usize), seed: u64) -> Array2<T> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Array2::from_shape_simple_fn(shape, || T::from_f64(rng.random_range(-1.0..1.0)))
}

fn built<T: Scalar>(rows: &Array2<T>, metric: ApproximateMetric) -> ApproximateIndex<'_, T> {
    ApproximateIndex::build(rows.view(), metric, ApproximateConfig::default()).unwrap()
}

fn recall_at_10<T: Scalar>(index: &ApproximateIndex<'_, T>, queries: &Array2<T>) -> f64 {
    let found = index.knn(queries.view(), 10).unwrap();
    recall(&found, &index.exact_knn(queries.view(), 10).unwrap()).unwrap()
}

/// Distances are those of the slices, and the lists are sorted.
fn is_in_order<T: Scalar>(
    index: &ApproximateIndex<'_, T>,
    (queries, rows): (&Array2<T>, &Array2<T>),
    distance: impl Fn(&[T], &[T]) -> T,
) {
    let found = index.knn(queries.view(), 10).unwrap();
    for (i, query) in queries.rows().into_iter().enumerate() {
        let list: Vec<(T, usize)> = (0..10)
            .map(|c| (found.distances[[i, c]], found.indices[[i, c]]))
            .collect();
        for &(d, j) in &list {
            let want = distance(query.to_slice().unwrap(), rows.row(j).to_slice().unwrap());
            assert!(d == want);
        }
        assert!(list.is_sorted_by(|a, b| a < b));
    }
}

fn finds_nearly_all<T: Scalar>() {
    let rows = seeded::<T>((5000, 32), 1);
    let queries = seeded::<T>((200, 32), 2);
    for metric in ALL {
        let index = built(&rows, metric);
        assert_eq!((index.len(), index.dim()), (5000, 32));
        let share = recall_at_10(&index, &queries);
        assert!(share >= 0.9, "{metric:?}: {share}");
        let distance = |a: &[T], b: &[T]| match metric {
            ApproximateMetric::Euclidean => Euclidean.distance(a, b),
            ApproximateMetric::Cosine => Cosine.distance(a, b),
            _ => -InnerProduct.similarity(a, b),
        };
        is_in_order(&index, (&queries, &rows), distance);
    }
}

#[test]
fn nine_of_ten_neighbours_are_found_in_f32() {
    finds_nearly_all::<f32>();
}

#[test]
fn nine_of_ten_neighbours_are_found_in_f64() {
    finds_nearly_all::<f64>();
}

#[test]
fn more_candidates_find_more_and_as_many_as_rows_find_all() {
    let rows = seeded::<f32>((3000, 32), 1);
    let queries = seeded::<f32>((100, 32), 2);
    let share = |connectivity, expansion| {
        let config = ApproximateConfig {
            connectivity,
            expansion_add: expansion,
            expansion_search: expansion,
        };
        let index = ApproximateIndex::build(rows.view(), ApproximateMetric::Euclidean, config);
        recall_at_10(&index.unwrap(), &queries)
    };
    let (few, many) = (share(4, 10), share(16, 128));
    assert!(few < 0.9 && many > 0.95, "{few} {many}");
    assert_eq!(share(16, 3000), 1.0);
}

#[test]
fn the_exact_answer_is_that_of_brute_force() {
    let rows = seeded::<f32>((300, 4), 1);
    let brute = BruteForce::new(rows.view(), Cosine).unwrap();
    assert_eq!(
        built(&rows, ApproximateMetric::Cosine).exact_knn(rows.view(), 7),
        brute.knn(rows.view(), 7)
    );
    let rows = array![[1.0f32, 0.0], [3.0, 0.0], [0.0, 9.0], [-4.0, 1.0]];
    let query = array![[1.0f32, 0.0]];
    let index = built(&rows, ApproximateMetric::InnerProduct);
    let exact = index.exact_knn(query.view(), 4).unwrap();
    assert_eq!(exact.indices, array![[1, 0, 2, 3]]);
    assert_eq!(exact.distances, array![[-3.0, -1.0, 0.0, 4.0]]);
    assert_eq!(index.knn(query.view(), 9).unwrap(), exact);
    let near = index.radius(query.view(), -1.0).unwrap();
    assert_eq!(near.list(0), (&[1, 0][..], &[-3.0, -1.0][..]));
}

#[test]
fn a_radius_holds_what_brute_force_finds() {
    let rows = seeded::<f32>((2000, 8), 1);
    let queries = rows.slice(s![..50, ..]);
    let index = built(&rows, ApproximateMetric::Euclidean);
    let brute = BruteForce::new(rows.view(), Euclidean).unwrap();
    for radius in [0.0, 0.7, 1.5] {
        let found = index.radius(queries, radius).unwrap();
        let exact = brute.radius(queries, radius).unwrap();
        let (found, exact) = (found.indices().len(), exact.indices().len());
        assert!(
            found <= exact && 10 * found >= 9 * exact,
            "{found} of {exact}"
        );
    }
    let all = index.radius(queries, f32::INFINITY).unwrap();
    assert_eq!(all, brute.radius(queries, f32::INFINITY).unwrap());
}

#[test]
fn rows_of_any_size_and_place_are_searched() {
    let plain = seeded::<f64>((1500, 8), 1);
    for (scale, offset) in [
        (1e18, 0.0),
        (1e-18, 0.0),
        (1e300, 0.0),
        (1e-3, 1e6),
        (3e307, 0.0),
    ] {
        let rows = plain.mapv(|x| x * scale + offset);
        let queries = rows.slice(s![..100, ..]).mapv(|x| x + scale * 0.01);
        let index = built(&rows, ApproximateMetric::Euclidean);
        let share = recall_at_10(&index, &queries);
        assert!(share > 0.95, "{scale} {offset}: {share}");
    }
    // Products of 1e-15 still are numbers in `f32`; those of 1e-30 would not be.
    for (metric, scale) in ALL.into_iter().zip([1e-30, 1e-30, 1e-15]) {
        let rows = plain.mapv(|x| (x * scale) as f32);
        let share = recall_at_10(&built(&rows, metric), &rows);
        assert!(share > 0.9, "{metric:?}: {share}");
    }
    // Far outside, and among zero vectors.
    let mut rows = seeded::<f32>((50, 3), 1);
    rows.row_mut(7).fill(0.0);
    let queries = array![[1e30f32, -2e30, 1e29], [0.0, 0.0, 0.0]];
    for metric in ALL {
        let found = built(&rows, metric).knn(queries.view(), 5).unwrap();
        assert!(found.distances.iter().all(|d| d.is_finite()));
    }
    let cosine = built(&rows, ApproximateMetric::Cosine);
    assert_eq!(cosine.knn_one(&[0.0; 3], 1).unwrap(), [(7, 0.0)]);
}

#[test]
fn equal_rows_and_a_single_row_are_found() {
    let rows = Array2::<f32>::ones((200, 3));
    let index = built(&rows, ApproximateMetric::Euclidean);
    let found = index.knn(rows.slice(s![..3, ..]), 10).unwrap();
    assert!(found.distances.iter().all(|&d| d == 0.0));
    let all = index.knn(rows.slice(s![..1, ..]), 999).unwrap();
    assert_eq!(all.indices.row(0).to_vec(), (0..200).collect::<Vec<_>>());
    let alone = array![[1.0f32, 2.0]];
    for metric in ALL {
        assert_eq!(
            built(&alone, metric).knn_one(&[1.0, 2.0], 4).unwrap().len(),
            1
        );
    }
}

#[test]
fn the_number_of_threads_changes_neither_graph_nor_answer() {
    let rows = seeded::<f32>((2000, 16), 1);
    let answers = |threads| {
        with_threads(threads, || {
            let index = built(&rows, ApproximateMetric::Euclidean);
            (
                index.knn(rows.view(), 5).unwrap(),
                index.radius(rows.view(), 1.4).unwrap(),
            )
        })
    };
    let alone = answers(1);
    for threads in [2, 7] {
        assert_eq!(alone, answers(threads));
    }
    // More threads than there were when it was built.
    let index = with_threads(1, || built(&rows, ApproximateMetric::Euclidean));
    let found = with_threads(16, || index.knn(rows.view(), 5).unwrap());
    assert_eq!(found, alone.0);
}

#[test]
fn a_saved_index_comes_back_and_other_rows_are_noticed() {
    let rows = seeded::<f32>((1000, 6), 1);
    let config = ApproximateConfig::default();
    let file = std::env::temp_dir().join(format!("metric-core-{}.usearch", std::process::id()));
    let missing = file.with_extension("missing");
    for metric in ALL {
        let index = built(&rows, metric);
        index.save(&file).unwrap();
        let load = |rows: &Array2<f32>, metric| {
            ApproximateIndex::load(&file, rows.view(), metric, config)
                .map(|index| index.knn(rows.view(), 5).unwrap())
        };
        assert_eq!(load(&rows, metric), index.knn(rows.view(), 5));
        let mut other = rows.clone();
        other[[400, 2]] *= -1.0;
        assert!(matches!(load(&other, metric), Err(Error::OtherRows { .. })));
        let fewer = rows.slice(s![..999, ..]).to_owned();
        assert!(matches!(load(&fewer, metric), Err(Error::OtherRows { .. })));
        let narrow = rows.slice(s![.., ..5]).to_owned();
        let refused = Error::DimMismatch { left: 6, right: 5 };
        assert_eq!(load(&narrow, metric), Err(refused));
        let another = ALL[(ALL.iter().position(|&m| m == metric).unwrap() + 1) % 3];
        assert!(matches!(
            load(&rows, another),
            Err(Error::ApproximateIndex { .. })
        ));
    }
    let thorough = ApproximateConfig {
        expansion_search: 1000,
        ..config
    };
    let last = ALL[2];
    let index = ApproximateIndex::load(&file, rows.view(), last, thorough).unwrap();
    assert_eq!(index.knn(rows.view(), 5), index.exact_knn(rows.view(), 5));
    std::fs::remove_file(&file).unwrap();
    let refused = ApproximateIndex::load(&missing, rows.view(), last, config).unwrap_err();
    assert!(matches!(
        refused,
        Error::ApproximateIndex {
            expected: "read its file",
            ..
        }
    ));
    assert!(index.save(missing.join("nowhere")).is_err());
}

#[test]
fn what_does_not_fit_is_refused() {
    let rows = array![[0.0f32, 1.0], [2.0, 3.0]];
    let build = |rows: &Array2<f32>, config| {
        ApproximateIndex::build(rows.view(), ApproximateMetric::Euclidean, config).map(|_| ())
    };
    let config = ApproximateConfig::default();
    let empty = Error::Empty { what: "rows" };
    assert_eq!(build(&Array2::zeros((0, 2)), config), Err(empty));
    let refused = build(&array![[f32::NAN]], config);
    assert!(matches!(
        refused,
        Err(Error::NonFinite { what: "rows", .. })
    ));
    for (config, bad) in [
        (
            ApproximateConfig {
                connectivity: 1,
                ..config
            },
            "connectivity",
        ),
        (
            ApproximateConfig {
                expansion_add: 0,
                ..config
            },
            "expansion_add",
        ),
        (
            ApproximateConfig {
                expansion_search: 0,
                ..config
            },
            "expansion_search",
        ),
        (
            ApproximateConfig {
                connectivity: usize::MAX,
                ..config
            },
            "connectivity",
        ),
    ] {
        let refused = build(&rows, config);
        assert!(matches!(refused, Err(Error::InvalidParam { name, .. }) if name == bad));
    }
    let index = built(&rows, ApproximateMetric::Euclidean);
    let mismatch = Error::DimMismatch { left: 3, right: 2 };
    assert_eq!(
        index.knn(Array2::zeros((1, 3)).view(), 1),
        Err(mismatch.clone())
    );
    assert_eq!(
        index.radius(Array2::zeros((1, 3)).view(), 1.0),
        Err(mismatch)
    );
    assert_eq!(index.knn(rows.view(), 0), Err(Error::ZeroNeighbors));
    let nan = index.knn_one(&[f32::NAN, 0.0], 1);
    assert!(matches!(
        nan,
        Err(Error::NonFinite {
            what: "queries",
            ..
        })
    ));
    for radius in [-1.0, f32::NAN] {
        assert!(index.radius(rows.view(), radius).is_err());
    }
    let product = built(&rows, ApproximateMetric::InnerProduct);
    assert!(product.radius(rows.view(), f32::NAN).is_err());
}
