//! Prototypes of clusters against loops in `f64`.

#![allow(clippy::unwrap_used, reason = "tests: panics are failures")]

use metric_core::Error;
use metric_sampling::PrototypeError;
use metric_sampling::density::Concentration;
use metric_sampling::positives::{ClusterPrototypes, PrototypeClustering};
use metric_testkit::oracle::{cosine_similarity, dot, euclidean};
use metric_testkit::strategy::grid_points;
use ndarray::{Array2, array, s};
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

const EPSILON: f64 = f32::EPSILON as f64;

fn random(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// Rows of every direction and of very different lengths.
fn wave(n: usize, dim: usize) -> Array2<f32> {
    Array2::from_shape_fn((n, dim), |(i, j)| {
        ((i * 7 + j * 3 + i * j) as f32 * 0.61).sin() * (1 + i % 9) as f32
    })
}

fn wide(row: ndarray::ArrayView1<'_, f32>) -> Vec<f64> {
    row.iter().map(|&x| f64::from(x)).collect()
}

fn fit(rows: &Array2<f32>, clusters: &[usize], seed: u64) -> ClusterPrototypes {
    let clustering = PrototypeClustering::new(clusters).unwrap();
    clustering.fit(rows.view(), &mut random(seed)).unwrap()
}

/// Between the two values beside it, as a straight line.
fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = share * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    below + (above - below) * (at - at.floor())
}

proptest! {
    #[test]
    fn every_example_is_in_the_cluster_of_the_nearest_direction(
        points in grid_points(2..40),
        k in 1usize..6,
        seed in 0u64..100,
    ) {
        let points: Vec<Vec<f64>> = points.into_iter().filter(|p| dot(p, p) > 0.0).collect();
        let n = points.len();
        prop_assume!(n > 1);
        let rows = Array2::from_shape_fn((n, points[0].len()), |(i, j)| points[i][j] as f32);
        let k = k.min(n);
        let found = fit(&rows, &[k, 1], seed);
        prop_assert_eq!(found.examples(), n);
        for (one, k) in found.granularities().iter().zip([k, 1]) {
            let centroids: Vec<Vec<f64>> = one.centroids().outer_iter().map(wide).collect();
            prop_assert_eq!(centroids.len(), k);
            let mut sizes = vec![0; k];
            for (point, &cluster) in points.iter().zip(one.assignments()) {
                let cosine = |c: &Vec<f64>| cosine_similarity(point, c);
                let best = centroids.iter().map(cosine).fold(-1.0, f64::max);
                // By distances of unit rows as `f32` has them: rounding these turns them by ε at most, and half the square of a
                // distance up to 2 of at most 5 numbers errs by 8 ε.
                prop_assert!(cosine(&centroids[cluster as usize]) >= best - 20.0 * EPSILON);
                sizes[cluster as usize] += 1;
            }
            prop_assert_eq!(one.sizes(), sizes);
            // Numbers up to 1, each rounded once.
            prop_assert!(centroids.iter().all(|c| (dot(c, c) - 1.0).abs() <= 4.0 * EPSILON));
        }
    }

    #[test]
    fn concentrations_are_those_of_the_formula(n in 12usize..60, k in 2usize..6, seed in 0u64..100) {
        let rows = wave(n, 4);
        let clustering = PrototypeClustering::new(&[k]).unwrap();
        for temperature in [0.2, 0.7] {
            let clustering = clustering.clone().with_concentration(Concentration::new(temperature).unwrap());
            let found = clustering.fit(rows.view(), &mut random(seed)).unwrap();
            let one = &found.granularities()[0];
            let mut phi = vec![0.0; k];
            for (row, &cluster) in rows.outer_iter().zip(one.assignments()) {
                let row = wide(row);
                let length = dot(&row, &row).sqrt();
                let unit: Vec<f64> = row.iter().map(|x| x / length).collect();
                phi[cluster as usize] += euclidean(&unit, &wide(one.centroids().row(cluster as usize)));
            }
            let most = one.sizes().iter().zip(&mut phi).fold(0.0, |most: f64, (&size, phi)| {
                let size = size as f64;
                *phi /= size * (size + 10.0).ln();
                if size > 1.0 { most.max(*phi) } else { most }
            });
            for (phi, &size) in phi.iter_mut().zip(one.sizes()) {
                if size < 2 {
                    *phi = most;
                }
            }
            let (low, high) = (quantile(&phi, 0.1), quantile(&phi, 0.9));
            phi.iter_mut().for_each(|phi| *phi = phi.clamp(low, high));
            let mean = phi.iter().sum::<f64>() / k as f64;
            for (&got, phi) in one.concentrations().iter().zip(&phi) {
                // Units rounded to f32 and distances up to 2 of four numbers err by 4.5 ε, so φ by that over log 12 or more, 2 ε;
                // and the ratio to the mean, which is at most 5, by 2 ε (1 + 5) over the mean.
                prop_assert!((got - temperature * phi / mean).abs() <= 12.0 * EPSILON * temperature / mean);
            }
        }
    }

    #[test]
    fn a_batch_meets_its_own_prototypes_and_others(
        batch in prop::collection::vec(0usize..60, 1..20),
        negatives in 0usize..12,
        seed in 0u64..100,
    ) {
        let found = fit(&wave(60, 4), &[4, 9], seed);
        let selected = found.select(&batch, negatives, &mut random(seed)).unwrap();
        prop_assert_eq!(selected.len(), 2);
        for (one, selected) in found.granularities().iter().zip(&selected) {
            let own = |example: &usize| one.assignments()[*example];
            let mut expected: Vec<u32> = batch.iter().map(own).collect();
            expected.sort_unstable();
            expected.dedup();
            let (mine, others) = selected.clusters.split_at(expected.len());
            prop_assert_eq!(mine, &expected[..]);
            prop_assert!(others.is_sorted_by(|a, b| a < b));
            prop_assert!(others.iter().all(|c| !expected.contains(c)));
            let left = one.sizes().iter().filter(|&&size| size > 0).count() - expected.len();
            prop_assert_eq!(others.len(), negatives.min(left));
            for (place, &cluster) in selected.clusters.iter().enumerate() {
                let cluster = cluster as usize;
                prop_assert!(selected.prototypes.row(place).iter().eq(one.centroids().row(cluster)));
                prop_assert_eq!(selected.concentrations[place].to_bits(), one.concentrations()[cluster].to_bits());
            }
            for (example, &place) in batch.iter().zip(&selected.positives) {
                prop_assert_eq!(selected.clusters[place as usize], own(example));
            }
        }
        // Another order of the batch: the same prototypes, and each example its own.
        let turned: Vec<usize> = batch.iter().rev().copied().collect();
        let other = found.select(&turned, negatives, &mut random(seed)).unwrap();
        for (one, other) in selected.iter().zip(&other) {
            prop_assert_eq!(&one.clusters, &other.clusters);
            prop_assert!(one.positives.iter().eq(other.positives.iter().rev()));
        }
    }

    #[test]
    fn what_is_stored_comes_back_to_the_bit(n in 6usize..40, k in 1usize..6, seed in 0u64..100) {
        let found = fit(&wave(n, 3), &[k, 2], seed);
        let stored = serde_json::to_string(&found).unwrap();
        let restored: ClusterPrototypes = serde_json::from_str(&stored).unwrap();
        for (one, other) in found.granularities().iter().zip(restored.granularities()) {
            let bits = |of: ndarray::ArrayView2<'_, f32>| of.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            prop_assert_eq!(bits(one.centroids()), bits(other.centroids()));
            let bits = |of: &[f64]| of.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            prop_assert_eq!(bits(one.concentrations()), bits(other.concentrations()));
        }
        prop_assert_eq!(
            found.select(&[0, n - 1], 2, &mut random(9)),
            restored.select(&[0, n - 1], 2, &mut random(9))
        );
        prop_assert_eq!(found, restored);
    }
}

#[test]
fn others_are_drawn_as_often_as_each_other() {
    // Twelve directions, a cluster each.
    let rows = Array2::from_shape_fn((12, 2), |(i, j)| {
        (i as f32 * 0.5 + j as f32 * std::f32::consts::FRAC_PI_2).cos()
    });
    let found = fit(&rows, &[12], 1);
    let one = &found.granularities()[0];
    assert_eq!(one.sizes(), [1; 12]);
    let own = [one.assignments()[3], one.assignments()[7]];
    let draws = 4000;
    let mut counts = [0; 12];
    let mut pairs = [[0.0; 12]; 12];
    let mut rng = random(3);
    for _ in 0..draws {
        let selected = &found.select(&[3, 7, 3], 2, &mut rng).unwrap()[0];
        let [_, _, first, second] = selected.clusters[..] else {
            panic!("{:?}", selected.clusters)
        };
        counts[first as usize] += 1;
        counts[second as usize] += 1;
        pairs[first as usize][second as usize] += 1.0;
    }
    let others: Vec<usize> = (0..12).filter(|&c| !own.contains(&(c as u32))).collect();
    let chi = |count: f64, want: f64| (count - want).powi(2) / want;
    // Every pair of the ten others as often: 45 of them, 44 degrees of freedom, exceeded once in a thousand.
    let want = f64::from(draws) / 45.0;
    let ordered = others
        .iter()
        .flat_map(|&a| others.iter().map(move |&b| (a, b)));
    let ascending = ordered.filter(|(a, b)| a < b);
    let chi_squared: f64 = ascending.map(|(a, b)| chi(pairs[a][b], want)).sum();
    assert!(chi_squared < 78.75, "{chi_squared}");
    assert_eq!(own.map(|cluster| counts[cluster as usize]), [0, 0]);
}

#[test]
fn clusters_without_examples_are_never_drawn() {
    let base = array![[1.0f32, 0.0], [0.0, 2.0], [-3.0, 0.0]];
    let rows = Array2::from_shape_fn((30, 2), |(i, j)| base[[i % 3, j]]);
    let found = fit(&rows, &[8], 2);
    let one = &found.granularities()[0];
    assert_eq!(one.sizes().iter().filter(|&&size| size == 10).count(), 3);
    assert_eq!(one.sizes().iter().sum::<usize>(), 30);
    let selected = &found.select(&[0, 3], 8, &mut random(1)).unwrap()[0];
    assert_eq!(selected.clusters.len(), 3);
    // All rows lie on their centroids: each has the temperature itself.
    assert_eq!(one.concentrations(), [0.2; 8]);
}

#[test]
fn a_granularity_does_not_depend_on_the_others() {
    let rows = wave(200, 5);
    let (few, more) = (fit(&rows, &[3, 20], 7), fit(&rows, &[11, 20, 5], 7));
    assert_eq!(few.granularities()[1], more.granularities()[1]);
    assert_ne!(
        fit(&rows, &[20], 8).granularities()[0],
        fit(&rows, &[20], 7).granularities()[0]
    );
}

#[test]
fn clusters_have_the_same_bits_for_any_number_of_threads() {
    let rows = wave(3000, 6);
    let found = [1, 2, 5].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().unwrap().install(|| fit(&rows, &[10, 50], 4))
    });
    assert_eq!(found[0], found[1]);
    assert_eq!(found[0], found[2]);
}

#[test]
fn the_lengths_of_the_rows_do_not_matter() {
    let rows = wave(100, 4);
    let want = fit(&rows, &[4, 16], 4);
    // Powers of two change no digit.
    for size in [1e18f64, 1e-18] {
        let scale = size.log2().round().exp2() as f32;
        assert_eq!(fit(&(&rows * scale), &[4, 16], 4), want);
    }
    let mixed = Array2::from_shape_fn(rows.dim(), |(i, j)| {
        rows[[i, j]] * [2f32.powi(60), 1.0, 2f32.powi(-60)][i % 3]
    });
    assert_eq!(fit(&mixed, &[4, 16], 4), want);
    let same = Array2::from_elem((9, 3), 1e18f32);
    let found = fit(&same, &[4], 4);
    assert_eq!(found.granularities()[0].concentrations(), [0.2; 4]);
}

#[test]
fn bad_input_is_refused() {
    let named = |result: Result<PrototypeClustering, PrototypeError>, want: &str| {
        let Err(PrototypeError::InvalidParam { name, .. }) = result else {
            panic!("{want}: {result:?}")
        };
        assert_eq!(name, want);
    };
    named(PrototypeClustering::new(&[]), "granularities");
    named(PrototypeClustering::new(&[3, 0]), "clusters");
    let two = PrototypeClustering::new(&[2, 3]).unwrap();
    named(two.clone().with_max_iterations(0), "max_iterations");
    let refused = |rows: &Array2<f32>| two.fit(rows.view(), &mut random(1)).unwrap_err();
    let data = PrototypeError::Data;
    let what = "rows";
    assert_eq!(refused(&Array2::zeros((0, 2))), data(Error::Empty { what }));
    assert_eq!(refused(&Array2::zeros((4, 0))), data(Error::Empty { what }));
    let mut rows = wave(5, 2);
    let few = rows.slice(s![..2, ..]).to_owned();
    assert_eq!(refused(&few), data(Error::ClusterCount { k: 3, rows: 2 }));
    rows.row_mut(3).fill(0.0);
    assert_eq!(refused(&rows), data(Error::ZeroRow { what, row: 3 }));
    rows[[3, 1]] = f32::INFINITY;
    let (row, column) = (3, 1);
    assert_eq!(refused(&rows), data(Error::NonFinite { what, row, column }));
    let found = fit(&wave(5, 2), &[2, 3], 1);
    let select = |examples: &[usize]| found.select(examples, 1, &mut random(1)).unwrap_err();
    assert_eq!(select(&[]), data(Error::Empty { what: "batch" }));
    let (index, examples) = (5, 5);
    assert_eq!(
        select(&[4, 5]),
        PrototypeError::UnknownExample { index, examples }
    );
}

#[test]
fn stored_prototypes_that_cannot_be_are_refused() {
    let one =
        r#"{"dim":1,"centroids":[1.0,-1.0],"assignments":[1,0,1],"concentrations":[0.5,0.25]}"#;
    let good = format!("[{one}, {one}]");
    let read = |stored: &str| serde_json::from_str::<ClusterPrototypes>(stored);
    assert_eq!(read(&good).unwrap().granularities()[1].sizes(), [1, 2]);
    assert!(
        read("[]")
            .unwrap_err()
            .to_string()
            .contains("granularities must be at least 1")
    );
    let bad = [
        ("\"dim\":1", "\"dim\":0", "at least one row and one column"),
        ("\"dim\":1", "\"dim\":2", "need 4 numbers, got 2"),
        ("[1,0,1]", "[]", "at least one row and one column"),
        ("[1,0,1]", "[1,0]", "need 2 assignments, got 3"),
        ("[1,0,1]", "[1,2,1]", "but row 1 has 2"),
        ("[1.0,-1.0]", "[1.0,-2.0]", "number 1 has 2"),
        ("0.25", "-0.25", "finite and at least 0, got -0.25"),
        ("0.25", "0.25,1.0", "need 3 numbers, got 2"),
    ];
    for (from, to, message) in bad {
        let error = read(&good.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.contains(message), "{to}: {error}");
    }
}
