//! The same bits for any number of threads.

#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and results are exact"
)]

use metric_core::clusters::{KMeans, MiniBatchKMeans, Variant, silhouette};
use metric_core::retrieval::RetrievalMetric::MapAtR;
use metric_core::retrieval::{class_spread, retrieval_scores};
use metric_core::{
    CosineSimilarity, Distance, InnerProduct, Law, Relevance, Scalar, gather, gather_ends,
    gather_self, knn, knn_self, knn_where, one_to_many, paired, pairwise, pairwise_similarity,
    radius, scatter, scatter_groups, walk, walk_both, walk_self,
};
use ndarray::{Array2, ArrayView2, s};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::common::cases::{cases, row_sets};
use crate::common::programs::Pieces;
use crate::common::{bits, with_threads};

/// The name of a function and what it gives, as numbers.
type Answer<'a> = (&'static str, Box<dyn Fn() -> Vec<u64> + Sync + 'a>);

fn answers<'a, T: Scalar>(
    distance: &'a dyn Distance<T>,
    x: ArrayView2<'a, T>,
    y: ArrayView2<'a, T>,
    labels: &'a [u32],
) -> Vec<Answer<'a>> {
    let answer = |name, work: Box<dyn Fn() -> Vec<u64> + Sync + 'a>| (name, work);
    let pieces = |rows: Vec<Vec<(usize, Vec<T>)>>| -> Vec<u64> {
        let piece = |(first, distances): (usize, Vec<T>)| {
            let mut all = vec![first as u64];
            all.extend(bits(&distances));
            all
        };
        rows.into_iter().flatten().flat_map(piece).collect()
    };
    let found = |indices: &[usize], distances: &[T]| -> Vec<u64> {
        let mut all: Vec<u64> = indices.iter().map(|&i| i as u64).collect();
        all.extend(bits(distances));
        all
    };
    // Some distance of a pair that is neither near nor far.
    let some = knn(distance, x.slice(s![..1, ..]), y, 40)
        .unwrap()
        .distances[[0, 39]];
    vec![
        answer(
            "pairwise",
            Box::new(move || bits(&pairwise(distance, x, y).unwrap())),
        ),
        answer(
            "walk",
            Box::new(move || pieces(walk(distance, x, y, &Pieces).unwrap())),
        ),
        answer(
            "walk_self",
            Box::new(move || pieces(walk_self(distance, y, &Pieces).unwrap())),
        ),
        answer(
            "walk_both",
            Box::new(move || {
                let [of_x, of_y] = walk_both(distance, (x, &Pieces), (y, &Pieces)).unwrap();
                [pieces(of_x), pieces(of_y)].concat()
            }),
        ),
        answer(
            "scatter_groups",
            Box::new(move || {
                let n = y.nrows();
                let pairs = (0..n).step_by(2).map(|row| (n - row).min(2));
                let groups: Vec<usize> = pairs.collect();
                let sums = scatter_groups(distance, y, x, &groups, |_, mut values| {
                    values.mapv_inplace(|d| T::ONE / (d + T::ONE));
                })
                .unwrap();
                let mut all = bits(&sums.rows);
                all.extend(bits(&sums.columns));
                all
            }),
        ),
        answer(
            "scatter",
            Box::new(move || {
                let sums = scatter(distance, y, x, |row, values| {
                    let size = T::from_f64(1.0 + row as f64);
                    values.iter_mut().for_each(|d| *d = T::ONE / (*d + size));
                })
                .unwrap();
                let mut all = bits(&sums.rows);
                all.extend(bits(&sums.columns));
                all.extend(bits(&sums.row_sums));
                all.extend(bits(&sums.column_sums));
                all
            }),
        ),
        answer(
            "gather",
            Box::new(move || {
                let sums = gather(distance, y, x, |row, first, values| {
                    let size = T::from_f64(1.0 + (row + first) as f64);
                    values.iter_mut().for_each(|d| *d = T::ONE / (*d + size));
                })
                .unwrap();
                let mut all = bits(&sums.rows);
                all.extend(bits(&sums.row_sums));
                all
            }),
        ),
        answer(
            "gather_self and gather_ends",
            Box::new(move || {
                let weigh = |row: usize, first: usize, values: &mut [T]| {
                    let size = T::from_f64(1.0 + (row + first) as f64);
                    values.iter_mut().for_each(|d| *d = T::ONE / (*d + size));
                };
                let once = gather_self(distance, y, weigh);
                let ends = gather_ends(distance, y, weigh);
                let refused = distance.law() == Law::Asymmetric;
                let mut all = Vec::new();
                for sums in [once, ends] {
                    assert_eq!(sums.is_err(), refused);
                    if let Ok(sums) = sums {
                        all.extend(bits(&sums.rows));
                        all.extend(bits(&sums.row_sums));
                    }
                }
                all
            }),
        ),
        answer(
            "knn",
            Box::new(move || {
                let near = knn(distance, x, y, 9).unwrap();
                found(
                    near.indices.as_slice().unwrap(),
                    near.distances.as_slice().unwrap(),
                )
            }),
        ),
        answer(
            "knn of few queries",
            Box::new(move || {
                let near = knn(distance, x.slice(s![..2, ..]), y, 9).unwrap();
                found(
                    near.indices.as_slice().unwrap(),
                    near.distances.as_slice().unwrap(),
                )
            }),
        ),
        answer(
            "knn_self",
            Box::new(move || {
                let near = knn_self(distance, y, 3).unwrap();
                found(
                    near.indices.as_slice().unwrap(),
                    near.distances.as_slice().unwrap(),
                )
            }),
        ),
        answer(
            "knn_where",
            Box::new(move || {
                let near = knn_where(distance, x, y, 3, |i, j| (i + j) % 3 == 0).unwrap();
                found(near.indices(), near.values())
            }),
        ),
        answer(
            "radius",
            Box::new(move || {
                let near = radius(distance, x, y, some).unwrap();
                found(near.indices(), near.values())
            }),
        ),
        answer(
            "lists",
            Box::new(move || {
                let mut all = bits(&one_to_many(distance, x.row(0), y).unwrap());
                let n = x.nrows();
                all.extend(bits(&paired(distance, x, y.slice(s![..n, ..])).unwrap()));
                all
            }),
        ),
        answer(
            "scores",
            Box::new(move || {
                let found = silhouette(distance, y, labels).unwrap();
                let spread = class_spread(distance, y, labels).unwrap();
                let scores = retrieval_scores(distance, y, &Relevance::labels(labels), &[MapAtR]);
                let mut all = bits(&found.rows);
                all.extend(bits(&[found.mean, spread.within, spread.between]));
                all.extend(bits(&[scores.unwrap().values[0].1]));
                all
            }),
        ),
    ]
}

fn every_distance<T: Scalar>() {
    let labels: Vec<u32> = (0..530).map(|i| i * i % 7).collect();
    for (dim, set) in [
        (2, "ordinary"),
        (19, "near duplicates"),
        (19, "one far row"),
    ] {
        let sets = row_sets::<T>(800, dim, 6);
        for (set, rows) in sets.into_iter().filter(|(name, _)| *name == set) {
            for case in cases::<T>(dim) {
                let rows = case.domain.rows::<T>(&rows);
                let (x, y) = (rows.slice(s![..270, ..]), rows.slice(s![270.., ..]));
                for (name, work) in answers(case.distance(), x, y, &labels) {
                    let one = with_threads(1, &work);
                    for threads in [2, 7] {
                        let same = one == with_threads(threads, &work);
                        assert!(same, "{name}, {}, {set}, {threads} threads", case.name);
                    }
                }
            }
        }
    }
}

#[test]
fn the_number_of_threads_changes_no_bit_in_f32() {
    every_distance::<f32>();
}

#[test]
fn the_number_of_threads_changes_no_bit_in_f64() {
    every_distance::<f64>();
}

fn clusters<T: Scalar>() {
    for (set, rows) in row_sets::<T>(2600, 5, 3) {
        let rows: Array2<T> = rows.mapv(T::from_f64);
        let fit = |variant: Variant| {
            let mut rng = ChaCha8Rng::seed_from_u64(1);
            let model = KMeans::new(9).variant(variant).max_iterations(6);
            model.fit(rows.view(), &mut rng).unwrap()
        };
        let mini = || {
            let mut rng = ChaCha8Rng::seed_from_u64(1);
            let model = MiniBatchKMeans::new(9).max_batches(6);
            model.fit(rows.view(), &mut rng).unwrap()
        };
        let one = with_threads(1, || (fit(Variant::Lloyd), fit(Variant::Hamerly), mini()));
        for threads in [2, 7] {
            let more = with_threads(threads, || {
                (fit(Variant::Lloyd), fit(Variant::Hamerly), mini())
            });
            for (one, more) in [(&one.0, &more.0), (&one.1, &more.1), (&one.2, &more.2)] {
                assert_eq!(bits(&one.centres), bits(&more.centres), "{set}");
                assert_eq!(one.labels, more.labels, "{set}");
                assert_eq!(one.inertia.to_bits(), more.inertia.to_bits(), "{set}");
                assert_eq!(one.iterations, more.iterations, "{set}");
            }
        }
        assert_eq!(
            bits(&one.0.centres),
            bits(&one.1.centres),
            "{set}: variants"
        );
        assert_eq!(one.0.labels, one.1.labels, "{set}: variants");
    }
}

#[test]
fn the_number_of_threads_changes_no_bit_of_clusters() {
    clusters::<f32>();
    clusters::<f64>();
}

#[test]
fn the_number_of_threads_changes_no_bit_of_similarities() {
    let rows = row_sets::<f32>(700, 30, 2)[0].1.mapv(|x| x as f32);
    let all = || {
        let mut all = bits(&pairwise_similarity(&InnerProduct, rows.view(), rows.view()).unwrap());
        let cosines = pairwise_similarity(&CosineSimilarity, rows.view(), rows.view());
        all.extend(bits(&cosines.unwrap()));
        all
    };
    let one = with_threads(1, all);
    assert!(one == with_threads(2, all) && one == with_threads(7, all));
}
