//! Densities of extreme and of refused input.

#![allow(clippy::unwrap_used, reason = "tests: panics are failures")]

use metric_core::Error;
use metric_sampling::DensityError;
use metric_sampling::density::{
    Concentration, DimensionAverage, GaussianKernelDensity, KnnDensity, LocalOutlierFactor,
    LogDensity, VonMisesFisherKernelDensity, local_dimensions, maximum_likelihood_dimension,
    sphere_dimension, two_nn_dimension, von_mises_fisher_concentration,
};
use ndarray::{Array2, array};

type Estimator = (&'static str, Box<dyn LogDensity>);

fn estimators() -> [Estimator; 4] {
    [
        ("knn", Box::new(KnnDensity::new(2).unwrap())),
        (
            "gaussian",
            Box::new(GaussianKernelDensity::new(1.0).unwrap()),
        ),
        (
            "narrow",
            Box::new(GaussianKernelDensity::new(1e-20).unwrap()),
        ),
        (
            "von mises-fisher",
            Box::new(VonMisesFisherKernelDensity::new(1e4).unwrap()),
        ),
    ]
}

/// Rows of very different sizes, two of them equal.
fn extreme() -> Vec<(&'static str, Array2<f32>)> {
    let base = array![
        [1.0f32, 0.5],
        [1.0, 0.5],
        [-2.0, 0.25],
        [0.125, 3.0],
        [2.0, 2.0],
        [-1.0, -1.0]
    ];
    let mixed = Array2::from_shape_fn((6, 2), |(i, c)| base[[i, c]] * [1e18, 1.0, 1e-18][i % 3]);
    vec![
        ("large", &base * 1e18),
        ("small", &base * 1e-18),
        ("mixed", mixed),
        ("plain", base),
    ]
}

#[test]
fn extreme_rows_have_finite_densities_factors_and_dimensions() {
    for (rows_name, rows) in extreme() {
        let is_finite = |name: &str, values: &[f64]| {
            assert!(
                values.iter().all(|v| v.is_finite()),
                "{name} of {rows_name} rows: {values:?}"
            );
        };
        for (name, estimator) in estimators() {
            is_finite(name, &estimator.log_density_self(rows.view()).unwrap());
            for (_, bank) in extreme() {
                is_finite(
                    name,
                    &estimator.log_density(rows.view(), bank.view()).unwrap(),
                );
            }
        }
        for k in [1, 2, 5] {
            let lof = LocalOutlierFactor::fit(rows.view(), k).unwrap();
            is_finite("factors", lof.factors());
            is_finite("reachability", &lof.local_reachability_densities());
            for (_, others) in extreme() {
                is_finite("factors of others", &lof.factors_of(others.view()).unwrap());
            }
        }
        is_finite("dimensions", &local_dimensions(rows.view(), 4).unwrap());
        let single = [
            maximum_likelihood_dimension(rows.view(), 4, DimensionAverage::Mean).unwrap(),
            two_nn_dimension(rows.view(), 0.0).unwrap(),
            sphere_dimension(rows.view()).unwrap(),
            GaussianKernelDensity::scott(rows.view(), None)
                .unwrap()
                .bandwidth(),
            GaussianKernelDensity::leave_one_out(rows.view(), None)
                .unwrap()
                .bandwidth(),
            VonMisesFisherKernelDensity::leave_one_out(rows.view())
                .unwrap()
                .kappa(),
            von_mises_fisher_concentration(rows.view()).unwrap(),
        ];
        is_finite("single numbers", &single);
        let labels = [0, 0, 1, 1, 2, 0];
        let centroids = rows.slice(ndarray::s![1..5, ..]);
        is_finite(
            "phi",
            &Concentration::new(0.1)
                .unwrap()
                .of_clusters(rows.view(), &labels, centroids)
                .unwrap(),
        );
    }
}

#[test]
fn a_row_out_of_reach_of_all_kernels_has_the_exponent_of_the_nearest() {
    let kernel = GaussianKernelDensity::new(0.01)
        .unwrap()
        .with_dimension(1.0)
        .unwrap();
    let found = kernel
        .log_density(array![[100.0f32]].view(), array![[0.0f32], [-3.0]].view())
        .unwrap();
    // 10⁴ bandwidths away: −½ 10⁸, of which f32 knows 7 digits twice over.
    let want = -0.5e8 - (0.01 * (2.0 * std::f64::consts::PI).sqrt()).ln() - 2f64.ln();
    assert!(
        (found[0] - want).abs() < 0.5e8 * 4e-7,
        "{} is not {want}",
        found[0]
    );
}

#[test]
fn copies_raise_the_density_and_keep_it_finite() {
    // Three copies at 0 and one row at 2: for a copy, two others and the row at 2 are 3 of 3 in the ball of radius 2.
    let rows = array![[0.0f32], [0.0], [0.0], [2.0]];
    let found = KnnDensity::new(1)
        .unwrap()
        .log_density_self(rows.view())
        .unwrap();
    assert!((found[0] - (3.0f64 / (3.0 * 4.0)).ln()).abs() < 1e-12);
    assert!((found[3] - (1.0f64 / (3.0 * 4.0)).ln()).abs() < 1e-12);
    // As a query it has three copies, and four of four rows in the ball.
    let found = KnnDensity::new(1)
        .unwrap()
        .log_density(array![[0.0f32]].view(), rows.view())
        .unwrap();
    assert!((found[0] - (4.0f64 / (4.0 * 4.0)).ln()).abs() < 1e-12);
}

#[test]
fn rows_that_all_coincide_say_so_where_nothing_is_known() {
    let rows = Array2::from_elem((7, 3), 0.5f32);
    let no_spread = Some(DensityError::NoSpread { rows: 7 });
    assert_eq!(
        KnnDensity::new(3)
            .unwrap()
            .log_density_self(rows.view())
            .err(),
        no_spread
    );
    assert_eq!(LocalOutlierFactor::fit(rows.view(), 3).err(), no_spread);
    assert_eq!(local_dimensions(rows.view(), 4).err(), no_spread);
    assert_eq!(
        maximum_likelihood_dimension(rows.view(), 4, DimensionAverage::Inverse).err(),
        no_spread
    );
    assert_eq!(
        maximum_likelihood_dimension(rows.view(), 4, DimensionAverage::Mean).err(),
        no_spread
    );
    assert_eq!(two_nn_dimension(rows.view(), 0.1).err(), no_spread);
    assert_eq!(sphere_dimension(rows.view()).err(), no_spread);
    assert_eq!(von_mises_fisher_concentration(rows.view()).err(), no_spread);
    assert_eq!(
        GaussianKernelDensity::scott(rows.view(), None).err(),
        no_spread
    );
    assert_eq!(
        GaussianKernelDensity::leave_one_out(rows.view(), None).err(),
        no_spread
    );
    assert_eq!(
        VonMisesFisherKernelDensity::leave_one_out(rows.view()).err(),
        no_spread
    );
    // A kernel of given width is as high as it gets: at 0, where all others are.
    let found = GaussianKernelDensity::new(1.0)
        .unwrap()
        .log_density_self(rows.view())
        .unwrap();
    let want = -1.5 * (2.0 * std::f64::consts::PI).ln();
    assert!(found.iter().all(|found| (found - want).abs() < 1e-6));
    let centroid = array![[0.5f32, 0.5, 0.5]];
    let phi = Concentration::new(0.3)
        .unwrap()
        .of_clusters(rows.view(), &[0; 7], centroid.view());
    assert_eq!(phi.unwrap(), [0.3]);
}

#[test]
fn too_few_rows_and_bad_ones_are_refused() {
    let one = array![[1.0f32, 2.0]];
    let empty = Array2::<f32>::zeros((0, 2));
    let nan = array![[1.0f32, 2.0], [f32::NAN, 0.0], [3.0, 1.0], [2.0, 2.0]];
    let fine = array![[1.0f32, 2.0], [4.0, 0.0], [3.0, 1.0], [2.0, 2.0]];
    let other = array![[1.0f32], [2.0], [3.0]];
    for (name, estimator) in estimators() {
        let lone = estimator.log_density_self(one.view());
        assert!(
            matches!(lone, Err(DensityError::TooFewRows { rows: 1, .. })),
            "{name}: {lone:?}"
        );
        for refused in [
            estimator.log_density_self(empty.view()),
            estimator.log_density(empty.view(), fine.view()),
            estimator.log_density(fine.view(), empty.view()),
        ] {
            assert!(
                matches!(refused, Err(DensityError::Data(Error::Empty { .. }))),
                "{name}: {refused:?}"
            );
        }
        for refused in [
            estimator.log_density_self(nan.view()),
            estimator.log_density(nan.view(), fine.view()),
            estimator.log_density(fine.view(), nan.view()),
        ] {
            assert!(
                matches!(refused, Err(DensityError::Data(Error::NonFinite { .. }))),
                "{name}: {refused:?}"
            );
        }
        assert!(
            estimator.log_density(other.view(), fine.view()).is_err(),
            "{name}"
        );
    }
    for k in [4, 9] {
        let too_few = Some(DensityError::TooFewRows {
            needed: k + 1,
            rows: 4,
        });
        assert_eq!(
            KnnDensity::new(k)
                .unwrap()
                .log_density_self(fine.view())
                .err(),
            too_few
        );
        assert_eq!(LocalOutlierFactor::fit(fine.view(), k).err(), too_few);
        assert_eq!(local_dimensions(fine.view(), k).err(), too_few);
    }
    let too_few = Some(DensityError::TooFewRows { needed: 5, rows: 4 });
    assert_eq!(
        KnnDensity::new(5)
            .unwrap()
            .log_density(fine.view(), fine.view())
            .err(),
        too_few
    );
    let two = fine.slice(ndarray::s![..2, ..]);
    let too_few = Some(DensityError::TooFewRows { needed: 3, rows: 2 });
    assert_eq!(two_nn_dimension(two, 0.0).err(), too_few);
    assert_eq!(sphere_dimension(two).err(), too_few);
    let zero = array![[1.0f32, 2.0], [0.0, 0.0]];
    let kernel = VonMisesFisherKernelDensity::new(1.0).unwrap();
    let zero_row = DensityError::Data(Error::ZeroRow {
        what: "rows",
        row: 1,
    });
    assert_eq!(kernel.log_density_self(zero.view()).err(), Some(zero_row));
    assert!(matches!(
        kernel.log_density_self(other.view()),
        Err(DensityError::InvalidParam { name: "dim", .. })
    ));
}

#[test]
fn parameters_out_of_their_range_are_refused() {
    let rows = array![[1.0f32, 2.0], [4.0, 0.0], [3.0, 1.0], [2.0, 2.0]];
    assert_eq!(
        KnnDensity::new(0).err(),
        Some(DensityError::Data(Error::ZeroNeighbors))
    );
    assert_eq!(
        LocalOutlierFactor::fit(rows.view(), 0).err(),
        Some(DensityError::Data(Error::ZeroNeighbors))
    );
    let refused = |name: &str, error: Option<DensityError>| {
        let Some(DensityError::InvalidParam { name: got, .. }) = error else {
            panic!("{name}: {error:?}")
        };
        assert_eq!(got, name);
    };
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        refused("bandwidth", GaussianKernelDensity::new(bad).err());
        refused(
            "dimension",
            KnnDensity::new(1).unwrap().with_dimension(bad).err(),
        );
        refused(
            "dimension",
            GaussianKernelDensity::scott(rows.view(), Some(bad)).err(),
        );
        refused("temperature", Concentration::new(bad).err());
        refused(
            "alpha",
            Concentration::new(1.0).unwrap().with_alpha(bad).err(),
        );
    }
    for bad in [-1.0, f64::NAN, f64::INFINITY] {
        refused("kappa", VonMisesFisherKernelDensity::new(bad).err());
        refused("discard", two_nn_dimension(rows.view(), bad).err());
        refused(
            "clip",
            Concentration::new(1.0).unwrap().with_clip(bad).err(),
        );
    }
    refused("discard", two_nn_dimension(rows.view(), 1.0).err());
    refused("k", local_dimensions(rows.view(), 2).err());
    let phi = Concentration::new(1.0).unwrap();
    let centroids = array![[0.0f32, 0.0]];
    let out_of_range = Error::LabelOutOfRange {
        row: 3,
        label: 1,
        centres: 1,
    };
    assert_eq!(
        phi.of_clusters(rows.view(), &[0, 0, 0, 1], centroids.view())
            .err(),
        Some(DensityError::Data(out_of_range))
    );
    let count = Error::LabelCount { rows: 4, labels: 1 };
    assert_eq!(
        phi.of_clusters(rows.view(), &[0], centroids.view()).err(),
        Some(DensityError::Data(count))
    );
    let dims = Error::DimMismatch { left: 2, right: 1 };
    assert_eq!(
        phi.of_clusters(rows.view(), &[0; 4], array![[0.0f32]].view())
            .err(),
        Some(DensityError::Data(dims))
    );
}
