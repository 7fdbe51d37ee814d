//! k-means against loops written from its definition, and its variants against each other.

#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and laws hold exactly"
)]

use metric_core::clusters::{Clusters, KMeans, MiniBatchKMeans, Start, Variant, inertia};
use metric_core::{Distance, Error, Euclidean, Scalar, knn};
use metric_testkit::oracle::{dot, squared_euclidean};
use metric_testkit::strategy::grid_points;
use ndarray::{Array2, array};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::common::cases::row_sets;
use crate::common::{matrix, with_threads};

fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// Rows around `blobs` corners, as multiples of 1/64 so that `f32` holds them exactly, also beside an offset of 10⁴.
fn blobs(seed: u64, n: usize, dim: usize, blobs: u64) -> Vec<Vec<f64>> {
    let mut rng = rng(seed);
    let row = |_| {
        let blob = rng.random_range(0..blobs);
        let corner = |j: usize| (blob * 37 + j as u64 * 11) % 7;
        (0..dim)
            .map(|j| corner(j) as f64 + f64::from(rng.random_range(-64..64i32)) / 64.0)
            .collect()
    };
    (0..n).map(row).collect()
}

fn nearest(row: &[f64], centres: &[Vec<f64>]) -> (usize, f64) {
    let distances = centres.iter().map(|c| squared_euclidean(row, c));
    distances.enumerate().fold(
        (0, f64::INFINITY),
        |best, (j, d)| if d < best.1 { (j, d) } else { best },
    )
}

/// Lloyd's iterations until no label changes, with centres rounded by `round`; empty clusters take the farthest row.
fn naive(
    rows: &[Vec<f64>],
    start: &[Vec<f64>],
    finish: impl Fn(Vec<f64>) -> Vec<f64>,
) -> (Vec<Vec<f64>>, Vec<u32>) {
    let (mut centres, mut labels) = (start.to_vec(), vec![usize::MAX; rows.len()]);
    loop {
        let found: Vec<(usize, f64)> = rows.iter().map(|row| nearest(row, &centres)).collect();
        let mut next: Vec<usize> = found.iter().map(|f| f.0).collect();
        let mut gaps: Vec<f64> = found.iter().map(|f| f.1).collect();
        for j in 0..centres.len() {
            if next.contains(&j) {
                continue;
            }
            let shared = |&i: &usize| next.iter().filter(|&&l| l == next[i]).count() > 1;
            let candidates = (0..rows.len()).filter(shared).filter(|&i| gaps[i] > 0.0);
            let best = candidates.fold(None, |best: Option<usize>, i| match best {
                Some(b) if gaps[b] >= gaps[i] => best,
                _ => Some(i),
            });
            if let Some(row) = best {
                (next[row], gaps[row]) = (j, 0.0);
            }
        }
        if next == labels {
            return (centres, labels.into_iter().map(|l| l as u32).collect());
        }
        labels = next;
        for (j, centre) in centres.iter_mut().enumerate() {
            let of: Vec<&Vec<f64>> = (0..rows.len())
                .filter(|&i| labels[i] == j)
                .map(|i| &rows[i])
                .collect();
            if !of.is_empty() {
                let sum = |c: usize| of.iter().map(|row| row[c]).sum::<f64>();
                *centre = finish(
                    (0..centre.len())
                        .map(|c| sum(c) / of.len() as f64)
                        .collect(),
                );
            }
        }
    }
}

fn agrees_with_loops<T: Scalar>(rows: &[Vec<f64>], k: usize, variant: Variant) {
    let start: Vec<Vec<f64>> = rows[..k].to_vec();
    let stored = |mean: Vec<f64>| mean.iter().map(|&x| T::from_f64(x).to_f64()).collect();
    let (centres, labels) = naive(rows, &start, stored);
    let found = KMeans::<T>::new(k)
        .start(Start::Given(matrix(&start)))
        .variant(variant)
        .tolerance(0.0)
        .max_iterations(1000)
        .fit(matrix(rows).view(), &mut rng(0))
        .unwrap();
    assert!(found.converged);
    assert_eq!(found.labels, labels);
    for (&got, want) in found.centres.iter().zip(centres.iter().flatten()) {
        // The means differ by the order of at most 400 exact terms below 8: none, since multiples of 1/64 add up
        // exactly in f64.
        assert_eq!(got.to_f64(), *want);
    }
    let want: f64 = rows
        .iter()
        .zip(&labels)
        .map(|(row, &l)| squared_euclidean(row, &centres[l as usize]))
        .sum();
    // n · dim terms, added up in another order: (n dim + 4) ε of their sum.
    assert!(
        (found.inertia - want).abs()
            <= (rows.len() * rows[0].len() + 4) as f64 * f64::EPSILON * want
    );
}

#[test]
fn lloyd_and_hamerly_do_what_the_loops_do() {
    for (seed, n, dim, k) in [
        (1, 60, 2, 3),
        (2, 400, 5, 7),
        (3, 300, 19, 12),
        (4, 200, 40, 40),
        (5, 50, 1, 1),
    ] {
        let rows = blobs(seed, n, dim, 6);
        for variant in [Variant::Lloyd, Variant::Hamerly] {
            agrees_with_loops::<f32>(&rows, k, variant);
            agrees_with_loops::<f64>(&rows, k, variant);
        }
    }
}

#[test]
fn spherical_k_means_does_what_the_loops_do() {
    let unit = |v: Vec<f64>| {
        let length = dot(&v, &v).sqrt();
        v.into_iter().map(|x| x / length).collect::<Vec<f64>>()
    };
    for (seed, k) in [(1, 3), (2, 8)] {
        let mut rows = blobs(seed, 300, 6, 5);
        rows.iter_mut()
            .for_each(|row| row.iter_mut().for_each(|x| *x -= 3.0));
        let units: Vec<Vec<f64>> = rows.iter().cloned().map(unit).collect();
        // Unit vectors: the nearest is that of the largest cosine.
        let (centres, labels) = naive(&units, &units[..k], unit);
        // Their length does not matter, that of the start neither.
        let stretched: Vec<Vec<f64>> = rows
            .iter()
            .enumerate()
            .map(|(i, row)| row.iter().map(|x| x * (1 + i % 9) as f64 * 1e200).collect())
            .collect();
        for variant in [Variant::Lloyd, Variant::Hamerly] {
            let found = KMeans::<f64>::new(k)
                .spherical()
                .variant(variant)
                .start(Start::Given(matrix(&rows[..k])))
                .tolerance(0.0)
                .fit(matrix(&stretched).view(), &mut rng(0))
                .unwrap();
            assert_eq!(found.labels, labels);
            // Sums of at most 300 numbers below 1 and a division: 300 ε, relative to a length above 1/300.
            for (got, want) in found.centres.iter().zip(centres.iter().flatten()) {
                assert!((got - want).abs() <= 300.0 * 300.0 * f64::EPSILON);
            }
            let cosines: f64 = units
                .iter()
                .zip(&labels)
                .map(|(u, &l)| dot(u, &centres[l as usize]))
                .sum();
            // Each term as above, in its six products.
            assert!(
                (found.inertia - 2.0 * (300.0 - cosines)).abs()
                    <= 300.0 * 12.0 * 9e4 * f64::EPSILON
            );
        }
    }
}

/// Every bit of a result.
fn bits<T: Scalar>(found: &Clusters<T>) -> (Vec<u64>, &[u32], u64, usize, bool) {
    let centres = found.centres.iter().map(|x| x.to_f64().to_bits()).collect();
    (
        centres,
        &found.labels,
        found.inertia.to_bits(),
        found.iterations,
        found.converged,
    )
}

fn same_bits<T: Scalar>(rows: &Array2<T>, k: usize, seed: u64) {
    for start in [
        Start::Random,
        Start::PlusPlus { trials: Some(1) },
        Start::default(),
    ] {
        for tolerance in [0.0, 1e-2] {
            for sphere in [false, true] {
                let fit = |variant| {
                    let mut model = KMeans::new(k)
                        .start(start.clone())
                        .variant(variant)
                        .tolerance(tolerance);
                    if sphere {
                        model = model.spherical();
                    }
                    model.fit(rows.view(), &mut rng(seed))
                };
                match (fit(Variant::Lloyd), fit(Variant::Hamerly)) {
                    (Ok(lloyd), Ok(hamerly)) => assert_eq!(bits(&lloyd), bits(&hamerly)),
                    (lloyd, hamerly) => assert_eq!(lloyd.unwrap_err(), hamerly.unwrap_err()),
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn hamerly_is_lloyd_to_the_bit_among_ties(points in grid_points(2..120), part in 0.0..1.0f64, seed: u64) {
        let k = 1 + (part * part * (points.len() - 1) as f64) as usize;
        same_bits(&matrix::<f32>(&points), k, seed);
        same_bits(&matrix::<f64>(&points), k, seed);
        // Where differences are a few units in the last place, where they are subnormal, and where they leave the
        // range.
        same_bits(&matrix::<f32>(&points).mapv(|x| 1e4 + x * 1e-3), k, seed);
        same_bits(&matrix::<f32>(&points).mapv(|x| x * 1e-45), k, seed);
        same_bits(&matrix::<f32>(&points).mapv(|x| x * 2e38), k, seed);
        same_bits(&matrix::<f64>(&points).mapv(|x| x * 1e308), k, seed);
    }

    #[test]
    fn labels_are_nearest_centres_and_no_cluster_of_distinct_rows_is_lost(points in grid_points(2..100), part in 0.0..1.0f64, seed: u64) {
        let k = 1 + (part * (points.len() - 1) as f64) as usize;
        let rows = matrix::<f32>(&points);
        for max_iterations in [1, 2, 100] {
            let found = KMeans::new(k).max_iterations(max_iterations).fit(rows.view(), &mut rng(seed)).unwrap();
            prop_assert!(found.iterations <= max_iterations);
            let nearest = knn(&Euclidean, rows.view(), found.centres.view(), 1).unwrap();
            let labels: Vec<u32> = nearest.indices.iter().map(|&j| j as u32).collect();
            prop_assert_eq!(&found.labels, &labels);
            prop_assert_eq!(found.inertia, inertia(rows.view(), found.centres.view(), &labels).unwrap());
        }
        let found = KMeans::new(k).tolerance(0.0).max_iterations(1000).fit(rows.view(), &mut rng(seed)).unwrap();
        prop_assert!(found.converged);
        let mut distinct = points.clone();
        distinct.sort_by(|a, b| a.partial_cmp(b).unwrap());
        distinct.dedup();
        let mut used = found.labels.clone();
        used.sort_unstable();
        used.dedup();
        prop_assert_eq!(used.len(), k.min(distinct.len()));
    }
}

#[test]
fn empty_clusters_take_the_farthest_rows_in_order() {
    let fit = |rows: Array2<f64>, start: Array2<f64>| {
        let model = KMeans::new(start.nrows())
            .start(Start::Given(start))
            .max_iterations(1);
        model.fit(rows.view(), &mut rng(0)).unwrap()
    };
    // All rows go to centre 0; the farthest, 20, fills cluster 1, then 10 fills cluster 2.
    let found = fit(
        array![[0.0], [1.0], [10.0], [20.0]],
        array![[0.0], [0.0], [0.0]],
    );
    assert_eq!(found.centres, array![[0.5], [20.0], [10.0]]);
    assert_eq!(found.labels, [0, 0, 2, 1]);
    // Rows 0 and 1 are equally far: the lower index moves.
    let found = fit(array![[-5.0], [5.0], [0.0]], array![[0.0], [0.0]]);
    assert_eq!(found.centres, array![[2.5], [-5.0]]);
    // The farthest row, 9, is alone in its cluster and stays.
    let found = fit(array![[0.0], [1.0], [9.0]], array![[0.0], [5.0], [-20.0]]);
    assert_eq!(found.centres, array![[0.0], [9.0], [1.0]]);
}

#[test]
fn more_clusters_than_distinct_rows_stay_finite() {
    for start in [
        Start::Random,
        Start::default(),
        Start::Given(array![[3.0f32], [3.0], [7.0]]),
    ] {
        let rows = array![[3.0f32], [3.0], [3.0], [3.0]];
        for variant in [Variant::Lloyd, Variant::Hamerly] {
            let model = KMeans::new(3).start(start.clone()).variant(variant);
            let found = model.fit(rows.view(), &mut rng(3)).unwrap();
            assert_eq!((found.inertia, found.converged), (0.0, true));
            assert_eq!(found.labels, [0; 4]);
            assert!(found.centres.iter().all(|x| x.is_finite()));
        }
    }
}

#[test]
fn neither_an_offset_nor_a_scale_changes_the_clusters() {
    let points = blobs(8, 500, 12, 5);
    let rows = matrix::<f32>(&points);
    for variant in [Variant::Lloyd, Variant::Hamerly] {
        let fit = |rows: &Array2<f32>| {
            let start = Start::Given(rows.slice(ndarray::s![..6, ..]).to_owned());
            KMeans::new(6)
                .variant(variant)
                .start(start)
                .tolerance(0.0)
                .fit(rows.view(), &mut rng(5))
                .unwrap()
        };
        let plain = fit(&rows);
        assert_eq!(fit(&rows.mapv(|x| x + 1e4)).labels, plain.labels);
        for scale in [2f64.powi(60), 2f64.powi(-60)] {
            let found = fit(&rows.mapv(|x| x * scale as f32));
            assert_eq!(found.labels, plain.labels);
            assert_eq!(found.centres, plain.centres.mapv(|x| x * scale as f32));
            assert_eq!(found.inertia, plain.inertia * scale * scale);
        }
    }
    // Squares far outside the range of f64, from a drawn start.
    let rows = matrix::<f64>(&points);
    let fit = |rows: &Array2<f64>| KMeans::new(5).fit(rows.view(), &mut rng(5)).unwrap();
    let plain = fit(&rows);
    for scale in [2f64.powi(1020), 2f64.powi(-900)] {
        let found = fit(&rows.mapv(|x| x * scale));
        assert_eq!(found.labels, plain.labels);
        assert_eq!(found.centres, plain.centres.mapv(|x| x * scale));
        assert_eq!(found.iterations, plain.iterations);
    }
}

#[test]
fn the_tolerance_is_relative_to_the_mean_variance() {
    // Clusters {0, 2} and {10, 12}, from 0 and 10: each centre moves by 1, then by nothing. The mean is 6 and the
    // variance (36 + 16 + 16 + 36)/4 = 26, so the first movement, 2, is within 2/26 and not within less.
    let rows = array![[0.0f64], [2.0], [10.0], [12.0]];
    let iterations = |tolerance: f64| {
        let start = Start::Given(array![[0.0], [10.0]]);
        let model = KMeans::new(2).start(start).tolerance(tolerance);
        let found = model.fit(rows.view(), &mut rng(0)).unwrap();
        assert!(found.converged);
        found.iterations
    };
    assert_eq!(iterations(2.0 / 26.0 * (1.0 + 1e-12)), 1);
    assert_eq!(iterations(2.0 / 26.0 * (1.0 - 1e-12)), 2);
    assert_eq!(iterations(0.0), 2);
}

#[test]
fn a_mini_batch_moves_each_centre_to_the_running_mean_of_its_rows() {
    let rows = blobs(11, 200, 3, 4);
    let mut draws = rng(9);
    let (mut centres, mut counts) = (rows[..4].to_vec(), [0.0; 4]);
    // Thirty rows are fewer than ten for each centre: no centre is put elsewhere.
    for _ in 0..3 {
        let batch: Vec<usize> = (0..10).map(|_| draws.random_range(0..200)).collect();
        let labels: Vec<usize> = batch
            .iter()
            .map(|&i| nearest(&rows[i], &centres).0)
            .collect();
        for (&i, &j) in batch.iter().zip(&labels) {
            counts[j] += 1.0;
            for (c, x) in centres[j].iter_mut().zip(&rows[i]) {
                *c = (1.0 - 1.0 / counts[j]) * *c + x / counts[j];
            }
        }
    }
    let model = MiniBatchKMeans::new(4)
        .start(Start::Given(matrix(&rows[..4])))
        .batch_size(10)
        .max_batches(3);
    let found = model.fit(matrix::<f64>(&rows).view(), &mut rng(9)).unwrap();
    for (got, want) in found.centres.iter().zip(centres.iter().flatten()) {
        // At most 30 steps, each with a few roundings of numbers below 8.
        assert!((got - want).abs() <= 30.0 * 4.0 * 8.0 * f64::EPSILON);
    }
    let labels: Vec<u32> = rows
        .iter()
        .map(|row| nearest(row, &centres).0 as u32)
        .collect();
    assert_eq!(found.labels, labels);
    assert_eq!((found.iterations, found.converged), (3, false));
}

#[test]
fn mini_batches_find_clusters_and_bring_lost_centres_back() {
    let rows = Array2::from_shape_fn((3000, 2), |(i, j)| {
        ((i % 3 * 100 + i / 3 % 7) * (1 + j)) as f32
    });
    let model = MiniBatchKMeans::new(3).batch_size(64);
    let found = model.fit(rows.view(), &mut rng(2)).unwrap();
    assert_eq!(found, model.fit(rows.view(), &mut rng(2)).unwrap());
    assert!(found.converged && found.iterations < 1000);
    assert!((0..3000).all(|i| found.labels[i] == found.labels[i % 3]));
    let lost = array![[3.0, 6.0], [103.0, 206.0], [1e6, 1e6]];
    let model = model.start(Start::Given(lost)).max_batches(20);
    let found = model.fit(rows.view(), &mut rng(4)).unwrap();
    assert!(
        found.centres.iter().all(|&x| x < 500.0),
        "{}",
        found.centres
    );
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let rows = Array2::from_shape_fn((5000, 13), |(i, j)| {
        ((i * 31 + j * 17) as f32 * 0.37).sin() + (i % 4) as f32
    });
    let run = || {
        let fit = |model: KMeans<f32>| {
            model
                .max_iterations(8)
                .fit(rows.view(), &mut rng(1))
                .unwrap()
        };
        let mini = MiniBatchKMeans::new(20)
            .max_batches(15)
            .fit(rows.view(), &mut rng(1))
            .unwrap();
        [
            fit(KMeans::new(3)),
            fit(KMeans::new(37).variant(Variant::Hamerly)),
            fit(KMeans::new(37).spherical()),
            mini,
        ]
    };
    let one = with_threads(1, run);
    for threads in [2, 7] {
        for (a, b) in one.iter().zip(&with_threads(threads, run)) {
            assert_eq!(bits(a), bits(b));
        }
    }
}

#[test]
fn what_cannot_be_clustered_is_refused() {
    let rows = array![[0.0f32, 1.0], [2.0, 3.0], [4.0, 5.0]];
    let fit = |model: KMeans<f32>| model.fit(rows.view(), &mut rng(0)).unwrap_err();
    let mini = |model: MiniBatchKMeans<f32>| model.fit(rows.view(), &mut rng(0)).unwrap_err();
    for k in [0, 4] {
        assert_eq!(fit(KMeans::new(k)), Error::ClusterCount { k, rows: 3 });
        assert_eq!(
            mini(MiniBatchKMeans::new(k)),
            Error::ClusterCount { k, rows: 3 }
        );
    }
    let given = |start: Array2<f32>| KMeans::new(2).start(Start::Given(start));
    assert_eq!(
        fit(given(array![[1.0], [2.0]])),
        Error::DimMismatch { left: 2, right: 1 }
    );
    assert_eq!(
        fit(given(array![[1.0, 2.0]])),
        Error::CentreCount { k: 2, got: 1 }
    );
    let broken = Error::NonFinite {
        what: "start",
        row: 1,
        column: 0,
    };
    let start = array![[1.0, 2.0], [f32::NAN, 0.0]];
    assert_eq!(fit(given(start.clone())), broken);
    assert_eq!(fit(given(start).spherical()), broken);
    let named = |error: Error, name: &str| matches!(error, Error::InvalidParam { name: n, .. } if n == name);
    for tolerance in [-1e-9, f64::NAN, f64::INFINITY] {
        assert!(named(fit(KMeans::new(2).tolerance(tolerance)), "tolerance"));
    }
    assert!(named(
        fit(KMeans::new(2).max_iterations(0)),
        "max_iterations"
    ));
    assert!(named(
        fit(KMeans::new(2).start(Start::PlusPlus { trials: Some(0) })),
        "trials"
    ));
    assert!(named(
        mini(MiniBatchKMeans::new(2).batch_size(0)),
        "batch_size"
    ));
    assert!(named(
        mini(MiniBatchKMeans::new(2).max_batches(0)),
        "max_batches"
    ));
    for bad in [f32::NAN, f32::INFINITY] {
        let rows = array![[0.0, 1.0], [2.0, bad]];
        let refused = Error::NonFinite {
            what: "rows",
            row: 1,
            column: 1,
        };
        for model in [KMeans::new(1), KMeans::new(1).spherical()] {
            assert_eq!(model.fit(rows.view(), &mut rng(0)), Err(refused.clone()));
        }
        assert_eq!(
            MiniBatchKMeans::new(1).fit(rows.view(), &mut rng(0)),
            Err(refused)
        );
    }
    for shape in [(0, 2), (2, 0)] {
        let empty = Array2::<f64>::zeros(shape);
        for model in [KMeans::new(1), KMeans::new(1).spherical()] {
            assert_eq!(
                model.fit(empty.view(), &mut rng(0)),
                Err(Error::Empty { what: "rows" })
            );
        }
    }
    let zero = array![[1.0f32, 0.0], [0.0, 0.0]];
    let refused = Err(Error::ZeroRow {
        what: "rows",
        row: 1,
    });
    assert_eq!(
        KMeans::new(1).spherical().fit(zero.view(), &mut rng(0)),
        refused
    );

    let centres = array![[0.0f32, 1.0]];
    let judge = |labels: &[u32]| inertia(rows.view(), centres.view(), labels);
    assert_eq!(judge(&[0]), Err(Error::LabelCount { rows: 3, labels: 1 }));
    let outside = Error::LabelOutOfRange {
        row: 2,
        label: 1,
        centres: 1,
    };
    assert_eq!(
        outside.to_string(),
        "labels must be below the number of centres (1), but row 2 has 1"
    );
    assert_eq!(judge(&[0, 0, 1]), Err(outside));
    assert_eq!(
        Error::ClusterCount { k: 9, rows: 3 }.to_string(),
        "the number of clusters must be from 1 to the number of rows (3), got 9"
    );
}

#[test]
fn labels_are_the_nearest_centres_of_rows_of_any_size() {
    fn check<T: Scalar>() {
        for (set, rows) in row_sets::<T>(1100, 4, 9) {
            let rows: Array2<T> = rows.mapv(T::from_f64);
            for variant in [Variant::Lloyd, Variant::Hamerly] {
                let model = KMeans::new(11).variant(variant).max_iterations(5);
                let found = model.fit(rows.view(), &mut rng(4)).unwrap();
                for (row, &label) in rows.rows().into_iter().zip(&found.labels) {
                    let distances: Vec<T> = found
                        .centres
                        .rows()
                        .into_iter()
                        .map(|centre| Euclidean.distance(&row.to_vec(), &centre.to_vec()))
                        .collect();
                    let nearest = (0..11).fold(0, |best, j| {
                        if distances[j] < distances[best] {
                            j
                        } else {
                            best
                        }
                    });
                    assert_eq!(label as usize, nearest, "{set}: {distances:?}");
                }
            }
        }
    }
    check::<f32>();
    check::<f64>();
}
