//! What learned linear metrics promise.

#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and some results are exact"
)]

use metric_core::linear::{Covariance, Estimator, Lda, LinearMap, Lmnn, Nca, Pca, Rca, Whitening};
use metric_core::{Distance, Error, Euclidean, Mahalanobis, Scalar, knn_self};
use ndarray::{Array2, ArrayView2, Axis, array, s};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::common::with_threads;

/// Independent normal numbers, by Box and Muller.
fn normal(shape: (usize, usize), seed: u64) -> Array2<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Array2::from_shape_simple_fn(shape, || {
        let (radius, turn): (f64, f64) = (rng.random(), rng.random());
        (-2.0 * (1.0 - radius).ln()).sqrt() * (std::f64::consts::TAU * turn).cos()
    })
}

/// Three classes a few units apart in two columns, and columns of loud noise.
fn noisy(n: usize, noise: usize, seed: u64) -> (Array2<f64>, Vec<u32>) {
    let labels: Vec<u32> = (0..n).map(|i| (i % 3) as u32 * 5).collect();
    let mut rows = normal((n, 2 + noise), seed);
    rows.slice_mut(s![.., 2..]).mapv_inplace(|x| 4.0 * x);
    for (mut row, &label) in rows.rows_mut().into_iter().zip(&labels) {
        row[0] += f64::from(label);
        row[1] -= if label == 5 { 5.0 } else { 0.0 };
    }
    (rows, labels)
}

/// Share of rows whose nearest other row has their label.
fn accuracy<T: Scalar>(metric: &impl Distance<T>, rows: ArrayView2<'_, T>, labels: &[u32]) -> f64 {
    let found = knn_self(metric, rows, 1).unwrap().indices;
    let hits = labels
        .iter()
        .zip(found.column(0))
        .filter(|&(&l, &j)| l == labels[j]);
    hits.count() as f64 / labels.len() as f64
}

fn chunklets(labels: &[u32]) -> Vec<Option<u32>> {
    // Nine rows each, so three of every class, and every fifth row in none.
    let chunklet = |(i, &label): (usize, &u32)| (i % 5 > 0).then_some(label + 100 * (i as u32 / 9));
    labels.iter().enumerate().map(chunklet).collect()
}

/// Every learner, with the directions it needs.
fn learn<T: Scalar>(rows: ArrayView2<'_, T>, labels: &[u32]) -> Vec<(&'static str, LinearMap<T>)> {
    let covariance = Covariance::fit(rows, Estimator::LedoitWolf).unwrap();
    vec![
        ("zca", covariance.whitening(Whitening::Zca).unwrap()),
        ("pca", covariance.whitening(Whitening::Pca).unwrap()),
        (
            "cholesky",
            covariance.whitening(Whitening::Cholesky).unwrap(),
        ),
        ("components", Pca::components(2).fit(rows).unwrap()),
        (
            "whitened",
            Pca::variance(0.9).whiten(true).fit(rows).unwrap(),
        ),
        ("lda", Lda::new().fit(rows, labels).unwrap()),
        ("rca", Rca::new().fit(rows, &chunklets(labels)).unwrap()),
        ("nca", Nca::new().iterations(15).fit(rows, labels).unwrap()),
        (
            "nca 2",
            Nca::new()
                .components(2)
                .iterations(15)
                .fit(rows, labels)
                .unwrap(),
        ),
        (
            "lmnn",
            Lmnn::new(3).iterations(30).fit(rows, labels).unwrap(),
        ),
        (
            "lmnn 2",
            Lmnn::new(3)
                .components(2)
                .iterations(30)
                .fit(rows, labels)
                .unwrap(),
        ),
    ]
}

#[test]
fn learned_metrics_find_neighbours_where_noise_hides_them() {
    let (train, labels) = noisy(210, 8, 1);
    let (test, test_labels) = noisy(210, 8, 2);
    let mut mixing = normal((10, 10), 3);
    mixing += &Array2::<f64>::eye(10);
    let (train, test) = (train.dot(&mixing), test.dot(&mixing));
    let (train, test) = (train.mapv(|x| x as f32), test.mapv(|x| x as f32));
    let rows = train.view();
    for (name, map) in [
        ("lda", Lda::new().fit(rows, &labels).unwrap()),
        ("rca", Rca::new().fit(rows, &chunklets(&labels)).unwrap()),
        ("nca", Nca::new().fit(rows, &labels).unwrap()),
        (
            "nca 2",
            Nca::new().components(2).fit(rows, &labels).unwrap(),
        ),
        ("lmnn", Lmnn::new(3).fit(rows, &labels).unwrap()),
        (
            "lmnn 2",
            Lmnn::new(3).components(2).fit(rows, &labels).unwrap(),
        ),
    ] {
        let metric = map.metric();
        for (set, labels) in [(&train, &labels), (&test, &test_labels)] {
            let plain = accuracy(&Euclidean, set.view(), labels);
            let learned = accuracy(&metric, set.view(), labels);
            assert!(learned >= plain + 0.1, "{name}: {plain} -> {learned}");
        }
    }
}

#[test]
fn whitened_data_have_the_identity_as_covariance() {
    let rows = normal((60, 7), 4).dot(&(normal((7, 7), 5) + 2.0 * Array2::<f64>::eye(7))) + 1e3;
    for estimator in [Estimator::Biased, Estimator::Unbiased] {
        let covariance = Covariance::fit(rows.view(), estimator).unwrap();
        let mut distances = Vec::new();
        for whitening in [Whitening::Zca, Whitening::Pca, Whitening::Cholesky] {
            let map = covariance.whitening(whitening).unwrap();
            let images = map.transform(rows.view()).unwrap();
            let whitened = Covariance::fit(images.view(), estimator).unwrap().matrix();
            for ((i, j), got) in whitened.indexed_iter() {
                // dim ε times the condition of the covariance, below 1e4 for these rows.
                let want = f64::from(u8::from(i == j));
                assert!(
                    (got - want).abs() <= 7.0 * 1e4 * f64::EPSILON,
                    "{whitening:?}: {got}"
                );
            }
            let [a, b] = [0, 1].map(|i| rows.row(i).to_vec());
            distances.push(map.metric().distance(&a, &b));
        }
        assert!(
            distances
                .iter()
                .all(|d| (d - distances[0]).abs() <= 1e-11 * distances[0])
        );
        let zca: LinearMap<f64> = covariance.whitening(Whitening::Zca).unwrap();
        let skew = &zca.matrix() - &zca.matrix().t();
        assert!(skew.iter().all(|x| x.abs() < 1e-11));
    }
}

#[test]
fn the_metric_is_the_euclidean_distance_of_the_images() {
    let (rows, labels) = noisy(60, 4, 6);
    for (name, map) in learn(rows.view(), &labels) {
        let images = map.transform(rows.view()).unwrap();
        let metric = map.metric();
        for i in 0..rows.nrows() {
            let [a, b] = [rows.row(i), rows.row((i * 7 + 3) % 60)].map(|r| r.to_vec());
            let [fa, fb] = [i, (i * 7 + 3) % 60].map(|i| images.row(i).to_vec());
            let (got, want) = (metric.distance(&a, &b), Euclidean.distance(&fa, &fb));
            // Images round relative to their own length, which the distance may cancel.
            let size = Euclidean.distance(&fa, &vec![0.0; fa.len()])
                + Euclidean.distance(&fb, &vec![0.0; fb.len()]);
            let condition = map.matrix().iter().map(|x| x * x).sum::<f64>().sqrt() * 40.0;
            let limit = 16.0 * f64::EPSILON * (size + condition);
            assert!((got - want).abs() <= limit, "{name}: {got}, {want}");
        }
    }
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    // More columns than a strip of the covariance.
    let (rows, labels) = noisy(240, 70, 7);
    let rows = rows.mapv(|x| x as f32);
    let all = |threads: usize| {
        with_threads(threads, || {
            let maps = learn(rows.view(), &labels);
            let images = maps
                .iter()
                .map(|(_, map)| map.transform(rows.view()).unwrap());
            let images: Vec<Array2<f32>> = images.collect();
            (maps, images)
        })
    };
    let one = all(1);
    assert_eq!(one, all(2));
    assert_eq!(one, all(7));
}

#[test]
fn units_that_are_powers_of_two_change_the_unit_and_no_other_bit() {
    let (rows, labels) = noisy(60, 3, 8);
    let plain = learn(rows.view(), &labels);
    for exponent in [-900, -300, -1, 300, 900] {
        let unit = 2.0f64.powi(exponent);
        for ((name, map), (_, want)) in learn((&rows * unit).view(), &labels).iter().zip(&plain) {
            assert_eq!(map.mean(), &want.mean() * unit, "{name}");
            let rotation = *name == "components";
            let scale = if rotation { 1.0 } else { unit };
            assert_eq!(
                map.matrix(),
                &want.matrix() / scale,
                "{name} at 2^{exponent}"
            );
        }
    }
}

#[test]
fn rows_at_the_top_of_the_range_have_the_images_of_moderate_ones() {
    let (rows, labels) = noisy(60, 3, 17);
    let unit = 2.0f64.powi(1018);
    let huge = &rows * unit;
    for ((name, map), (_, want)) in learn(huge.view(), &labels)
        .iter()
        .zip(learn(rows.view(), &labels))
    {
        let unit = if *name == "components" { unit } else { 1.0 };
        let got = map.transform(huge.view()).unwrap();
        let want = want.transform(rows.view()).unwrap();
        for (got, want) in got.iter().zip(&want) {
            // Subnormal entries of the map end at 2⁻¹⁰⁷⁴; five differences below 2⁶ 2¹⁰¹⁸ meet them.
            let error = (got / unit - want).abs();
            assert!(
                error <= 5.0 * 2.0f64.powi(6 + 1018 - 1074),
                "{name}: {got}, {want}"
            );
        }
    }
}

#[test]
fn single_precision_keeps_its_digits_at_extreme_sizes_and_far_from_the_origin() {
    let (rows, labels) = noisy(90, 2, 9);
    for (unit, offset) in [
        (1e18, 0.0),
        (1e-18, 0.0),
        (1e-30, 0.0),
        (1.0, 1e4),
        (1e18, 1e21),
    ] {
        // What `f32` holds, again as `f64` and in units of 1.
        let single = rows.mapv(|x| (x * unit + offset) as f32);
        let plain = single.mapv(|x| (f64::from(x) - offset) / unit);
        let learned = learn(single.view(), &labels);
        for ((name, map), (_, want)) in learned.iter().zip(learn(plain.view(), &labels)) {
            if name.starts_with("nca") || name.starts_with("lmnn") {
                continue; // the search follows rounding errors of the unit, which is no power of two
            }
            let images = map.transform(single.view()).unwrap();
            let want = want.transform(plain.view()).unwrap();
            let unit = if *name == "components" { unit } else { 1.0 };
            let largest = want.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
            for (got, want) in images.iter().zip(&want) {
                let got = f64::from(*got) / unit;
                assert!(
                    (got - want).abs() <= 1e-6 * largest,
                    "{name}: {got}, {want}"
                );
            }
        }
        for (name, map) in learned {
            let images = map.transform(single.view()).unwrap();
            assert!(images.iter().all(|x| x.is_finite()), "{name}");
            if name.starts_with("nca") || name.starts_with("lmnn") {
                let plain = accuracy(&Euclidean, single.view(), &labels);
                assert!(
                    accuracy(&map.metric(), single.view(), &labels) >= plain,
                    "{name} {unit} {offset} {plain}"
                );
            }
        }
    }
}

#[test]
fn shrinkage_is_needed_where_there_are_fewer_rows_than_columns() {
    let (rows, labels) = noisy(12, 18, 10);
    let rows = rows.view();
    let refused = |rank| Error::Rank { needed: 20, rank };
    let plain = Mahalanobis::from_data(rows, Estimator::Unbiased);
    assert_eq!(plain, Err(refused(11)));
    assert!(Mahalanobis::from_data(rows, Estimator::LedoitWolf).is_ok());
    assert!(Mahalanobis::from_data(rows, Estimator::Shrunk(0.1)).is_ok());
    assert_eq!(Lda::new().fit(rows, &labels), Err(refused(9)));
    let shrunk = Lda::new()
        .estimator(Estimator::LedoitWolf)
        .fit(rows, &labels)
        .unwrap();
    assert_eq!(shrunk.out(), 2);
    let groups: Vec<Option<u32>> = labels.iter().map(|&l| Some(l)).collect();
    assert_eq!(Rca::new().fit(rows, &groups), Err(refused(9)));
    assert!(
        Rca::new()
            .estimator(Estimator::LedoitWolf)
            .fit(rows, &groups)
            .is_ok()
    );
    assert_eq!(Pca::variance(1.0).fit(rows).unwrap().out(), 11);
    let many = Pca::components(12).fit(rows);
    assert_eq!(
        many,
        Err(Error::Rank {
            needed: 12,
            rank: 11
        })
    );
    for map in [
        Nca::new().iterations(5).fit(rows, &labels).unwrap(),
        Lmnn::new(3).iterations(5).fit(rows, &labels).unwrap(),
    ] {
        assert_eq!(map.matrix().dim(), (20, 20));
        assert!(map.matrix().iter().all(|x| x.is_finite()));
    }
}

#[test]
fn constant_columns_are_named_or_do_not_matter() {
    let (mut rows, labels) = noisy(60, 2, 11);
    // Not a number whose sums are exact.
    rows.column_mut(1).fill(0.1);
    let rows = rows.view();
    let named = Error::NotPositiveDefinite { index: 1 };
    let whole = Covariance::fit(rows, Estimator::Biased).unwrap();
    assert_eq!(whole.matrix()[[1, 1]], 0.0);
    assert_eq!(whole.mean()[1], 0.1);
    assert_eq!(whole.mahalanobis::<f64>(), Err(named.clone()));
    let rank = Error::Rank { needed: 4, rank: 3 };
    assert_eq!(whole.whitening::<f64>(Whitening::Zca), Err(rank.clone()));
    assert_eq!(Lda::new().fit(rows, &labels), Err(named));
    assert_eq!(Rca::new().fit(rows, &chunklets(&labels)), Err(rank));
    let whitened = Pca::variance(1.0).whiten(true).fit(rows).unwrap();
    assert_eq!(whitened.out(), 3);
    let without = rows.select(Axis(1), &[0, 2, 3]);
    let nca =
        [rows, without.view()].map(|rows| Nca::new().iterations(10).fit(rows, &labels).unwrap());
    assert!(nca[0].matrix().column(1).iter().all(|x| x.is_finite()));
    for map in [&nca[0], &Lmnn::new(2).fit(rows, &labels).unwrap()] {
        assert!(accuracy(&map.metric(), rows, &labels) >= accuracy(&Euclidean, rows, &labels));
    }
}

#[test]
fn a_column_that_is_constant_within_classes_is_named() {
    let (mut rows, labels) = noisy(60, 2, 12);
    for (x, &label) in rows.column_mut(2).iter_mut().zip(&labels) {
        *x = 0.1 + 0.7 * f64::from(label);
    }
    let got = Lda::new().fit(rows.view(), &labels);
    assert_eq!(got, Err(Error::NotPositiveDefinite { index: 2 }));
}

#[test]
fn equal_rows_span_nothing() {
    let rows = Array2::from_elem((6, 2), 0.1f32);
    let labels = [0, 0, 0, 1, 1, 1];
    let none = |needed| Error::Rank { needed, rank: 0 };
    assert_eq!(Pca::components(1).fit(rows.view()), Err(none(1)));
    assert_eq!(Pca::variance(0.5).fit(rows.view()), Err(none(1)));
    assert_eq!(Nca::new().fit(rows.view(), &labels), Err(none(1)));
    assert_eq!(Lmnn::new(1).fit(rows.view(), &labels), Err(none(1)));
    for estimator in [Estimator::Biased, Estimator::LedoitWolf] {
        let got = Mahalanobis::from_data(rows.view(), estimator);
        assert_eq!(got, Err(Error::NotPositiveDefinite { index: 0 }));
        let got = Lda::new().estimator(estimator).fit(rows.view(), &labels);
        assert_eq!(got, Err(Error::NotPositiveDefinite { index: 0 }));
    }
}

#[test]
fn bad_data_and_labels_are_refused() {
    let (rows, labels) = noisy(12, 2, 13);
    let rows = rows.view();
    let supervised = |rows: ArrayView2<'_, f64>, labels: &[u32]| {
        [
            Lda::new().fit(rows, labels).unwrap_err(),
            Nca::new().fit(rows, labels).unwrap_err(),
            Lmnn::new(3).fit(rows, labels).unwrap_err(),
        ]
    };
    let all = |error: Error| [error.clone(), error.clone(), error];
    let few = Error::LabelCount {
        rows: 12,
        labels: 11,
    };
    assert_eq!(supervised(rows, &labels[1..]), all(few.clone()));
    assert_eq!(Rca::new().fit(rows, &[None; 11]), Err(few));
    assert_eq!(supervised(rows, &[7; 12]), all(Error::OneClass));
    let lone: Vec<u32> = (0..12).collect();
    assert_eq!(supervised(rows, &lone)[1..], all(Error::AllLone)[1..]);
    let own: Vec<Option<u32>> = lone.iter().map(|&l| Some(l)).collect();
    assert_eq!(Rca::new().fit(rows, &own), Err(Error::AllLone));
    assert_eq!(Rca::new().fit(rows, &[None; 12]), Err(Error::AllLone));
    for bad in [f64::NAN, f64::INFINITY] {
        let mut broken = rows.to_owned();
        broken[[3, 1]] = bad;
        let place = Error::NonFinite {
            what: "rows",
            row: 3,
            column: 1,
        };
        assert_eq!(supervised(broken.view(), &labels), all(place.clone()));
        assert_eq!(Pca::components(1).fit(broken.view()), Err(place.clone()));
        let groups = chunklets(&labels);
        assert_eq!(Rca::new().fit(broken.view(), &groups), Err(place.clone()));
        let map = Pca::components(1).fit(rows).unwrap();
        assert_eq!(map.transform(broken.view()), Err(place));
    }
    let empty = Array2::<f64>::zeros((0, 3));
    assert_eq!(
        supervised(empty.view(), &[]),
        all(Error::Empty { what: "rows" })
    );
    let map = Pca::components(1).fit(rows).unwrap();
    let narrow = map.transform(rows.slice(s![.., ..3]));
    assert_eq!(narrow, Err(Error::DimMismatch { left: 3, right: 4 }));
    let wide = Nca::new().fit_from(rows.slice(s![.., ..3]), &labels, &map);
    assert_eq!(wide, Err(Error::DimMismatch { left: 3, right: 4 }));
}

#[test]
fn parameters_out_of_range_are_refused() {
    let (rows, labels) = noisy(12, 2, 14);
    let rows = rows.view();
    let name = |error: Error| match error {
        Error::InvalidParam { name, .. } => name,
        other => panic!("{other}"),
    };
    let map = Pca::components(2).fit(rows).unwrap();
    let refusals = [
        (Pca::components(0).fit(rows), "components"),
        (Pca::variance(0.0).fit(rows), "share of the variance"),
        (Pca::variance(1.1).fit(rows), "share of the variance"),
        (Pca::variance(f64::NAN).fit(rows), "share of the variance"),
        (
            Pca::components(1).fit(rows.slice(s![..1, ..])),
            "number of rows",
        ),
        (Lda::new().components(0).fit(rows, &labels), "components"),
        (Nca::new().components(0).fit(rows, &labels), "components"),
        (Lmnn::new(1).components(0).fit(rows, &labels), "components"),
        (Lmnn::new(1).push(0.0).fit(rows, &labels), "push"),
        (Lmnn::new(1).push(f64::NAN).fit(rows, &labels), "push"),
        (
            Nca::new().components(3).fit_from(rows, &labels, &map),
            "rows of the start",
        ),
    ];
    for (got, want) in refusals {
        assert_eq!(name(got.unwrap_err()), want);
    }
    for share in [-0.1, 1.1, f64::NAN] {
        let got = Covariance::fit(rows, Estimator::Shrunk(share));
        assert_eq!(name(got.unwrap_err()), "shrinkage");
    }
    let got = Lda::new().components(3).fit(rows, &labels);
    assert_eq!(got, Err(Error::Rank { needed: 3, rank: 2 }));
    assert_eq!(Lmnn::new(0).fit(rows, &labels), Err(Error::ZeroNeighbors));
    let mean = array![0.0, 1.0, 2.0];
    let got = LinearMap::<f32>::new(array![[1.0, 2.0]].view(), mean.view());
    assert_eq!(got, Err(Error::DimMismatch { left: 2, right: 3 }));
}

#[test]
fn class_means_on_a_line_have_one_direction() {
    let (mut rows, labels) = noisy(60, 2, 15);
    let base = rows.slice(s![..20, ..]).to_owned();
    for (i, mut row) in rows.rows_mut().into_iter().enumerate() {
        // The same spread around means at 0, 5 and 10 times one vector.
        row.assign(&base.row(i / 3));
        row += &(array![1.0, 2.0, 0.0, 1.0] * f64::from(labels[i]));
    }
    assert_eq!(Lda::new().fit(rows.view(), &labels).unwrap().out(), 1);
    let got = Lda::new().components(2).fit(rows.view(), &labels);
    assert_eq!(got, Err(Error::Rank { needed: 2, rank: 1 }));
}

#[test]
fn searches_start_where_they_are_told_and_only_improve() {
    let (rows, labels) = noisy(60, 4, 16);
    let start = Lda::new().fit(rows.view(), &labels).unwrap();
    let nca = Nca::new()
        .iterations(0)
        .fit_from(rows.view(), &labels, &start);
    assert_eq!(nca.unwrap().matrix(), start.matrix());
    let lmnn = Lmnn::new(3)
        .iterations(0)
        .fit_from(rows.view(), &labels, &start);
    assert_eq!(lmnn.unwrap().matrix(), start.matrix());
    let better = Nca::new().fit_from(rows.view(), &labels, &start).unwrap();
    assert_eq!(better.out(), 2);
    let [before, after] =
        [&start, &better].map(|map| accuracy(&map.metric(), rows.view(), &labels));
    assert!(after >= before, "{before} -> {after}");
}
