//! Densities and dimensions of samples whose distribution is known.

#![allow(clippy::unwrap_used, reason = "tests: panics are failures")]

use std::f64::consts::PI;

use metric_sampling::density::{
    DimensionAverage, GaussianKernelDensity, KnnDensity, LocalOutlierFactor, LogDensity,
    VonMisesFisherKernelDensity, local_dimensions, log_ball_volume, log_sphere_area,
    log_von_mises_fisher_constant, maximum_likelihood_dimension, sphere_dimension,
    two_nn_dimension, von_mises_fisher_concentration,
};
use ndarray::{Array2, Axis, array};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const EPSILON: f64 = f32::EPSILON as f64;

fn uniform(n: usize, dim: usize, seed: u64) -> Array2<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Array2::from_shape_fn((n, dim), |_| rng.random::<f32>())
}

/// Standard normal numbers, by Box and Muller.
fn normal(n: usize, dim: usize, seed: u64) -> Array2<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Array2::from_shape_fn((n, dim), |_| {
        let (u, v): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
        ((-2.0 * u.ln()).sqrt() * (2.0 * PI * v).cos()) as f32
    })
}

fn on_sphere(n: usize, dim: usize, seed: u64) -> Array2<f32> {
    let mut rows = normal(n, dim, seed);
    for mut row in rows.outer_iter_mut() {
        let norm = row.dot(&row).sqrt();
        row /= norm;
    }
    rows
}

/// Von Mises-Fisher in three dimensions around the last axis: the height has the density `κ e^{κ s} / (2 sinh κ)`.
fn von_mises_fisher(n: usize, kappa: f64, seed: u64) -> Array2<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut rows = Array2::zeros((n, 3));
    for mut row in rows.outer_iter_mut() {
        let u: f64 = 1.0 - rng.random::<f64>();
        let s = 1.0 + (u + (1.0 - u) * (-2.0 * kappa).exp()).ln() / kappa;
        let (around, wide) = (
            2.0 * PI * rng.random::<f64>(),
            (1.0 - s * s).max(0.0).sqrt(),
        );
        row.assign(&array![wide * around.cos(), wide * around.sin(), s].mapv(|x| x as f32));
    }
    rows
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[track_caller]
fn assert_close(got: f64, want: f64, tolerance: f64) {
    assert!(
        (got - want).abs() <= tolerance,
        "{got} is not {want} within {tolerance:.2e}"
    );
}

#[test]
fn knn_densities_of_the_unit_cube_are_one() {
    // Balls around 4³ grid points hold 50 of 20,000 rows: their radius is 0.084 (below 0.1 unless 84 rows fall where 50 are
    // expected), so that they neither overlap nor leave the cube. N V r_k³ is then a Gamma(k) variable, whose logarithm has the mean
    // ψ(k) = log k − 1/2k − 1/12k² and a variance of 1/k + 1/2k².
    let k = 50.0f64;
    let bank = uniform(20_000, 3, 1);
    let at = [0.2f32, 0.4, 0.6, 0.8];
    let queries = Array2::from_shape_fn((64, 3), |(i, c)| at[i >> (2 * c) & 3]);
    let found = KnnDensity::new(50)
        .unwrap()
        .log_density(queries.view(), bank.view())
        .unwrap();
    let want = 1.0 / (2.0 * k) + 1.0 / (12.0 * k * k);
    let deviation = (1.0 / k + 1.0 / (2.0 * k * k)).sqrt();
    assert_close(mean(&found), want, 5.0 * deviation / 8.0);
    for one in found {
        assert_close(one, want, 5.0 * deviation);
    }
}

#[test]
fn knn_densities_of_the_uniform_sphere_are_one_over_its_area() {
    // On the sphere in three dimensions a cap of chord r has the area πr², so that with m = 2 the estimate is as above,
    // with n·k of it. Neighbouring rows share neighbours: caps of radius r overlap those within 2r, 4k of them, and the variance of
    // the mean is at most 4k/N that of one.
    let (n, k) = (5000, 20.0f64);
    let rows = on_sphere(n, 3, 2);
    let knn = KnnDensity::new(20).unwrap().with_dimension(2.0).unwrap();
    let found = mean(&knn.log_density_self(rows.view()).unwrap());
    let tolerance = 5.0 * (1.0 / k * 4.0 * k / n as f64).sqrt();
    assert_close(found, 1.0 / (2.0 * k) - log_sphere_area(3), tolerance);
    assert_close(log_sphere_area(3), (4.0 * PI).ln(), 1e-15);
}

#[test]
fn von_mises_fisher_densities_of_the_uniform_sphere_are_one_over_its_area() {
    // A kernel K over uniform points has the mean 1/A whatever κ, and E K² = C(κ)² / (A C(2κ)).
    for (n, dim, kappa) in [(20_000, 3, 30.0), (20_000, 16, 10.0), (4000, 128, 30.0)] {
        let (bank, queries) = (on_sphere(n, dim, 3), on_sphere(5, dim, 4));
        let kernel = VonMisesFisherKernelDensity::new(kappa).unwrap();
        let area = log_sphere_area(dim);
        let constant = |kappa| log_von_mises_fisher_constant(dim, kappa);
        let relative =
            ((area + 2.0 * constant(kappa) - constant(2.0 * kappa)).exp() - 1.0).max(0.0);
        let tolerance = 5.0 * (relative / n as f64).sqrt();
        for log_density in kernel.log_density(queries.view(), bank.view()).unwrap() {
            assert_close((log_density + area).exp(), 1.0, tolerance);
        }
    }
}

#[test]
fn von_mises_fisher_densities_of_a_von_mises_fisher_sample_are_the_blurred_density() {
    // The mean of C(a) e^{a x·y} over y ~ vMF(μ, b) is C(a) C(b) / C(‖a x + b μ‖), and that of the square C(a)² C(b) / C(‖2a x + b μ‖).
    let (n, a, b) = (20_000, 50.0, 10.0);
    let bank = von_mises_fisher(n, b, 5);
    let constant = |kappa| log_von_mises_fisher_constant(3, kappa);
    let kernel = VonMisesFisherKernelDensity::new(a).unwrap();
    for s in [1.0f64, 0.9, 0.6] {
        let query = array![[(1.0 - s * s).sqrt() as f32, 0.0, s as f32]];
        let found = kernel.log_density(query.view(), bank.view()).unwrap()[0];
        let length = |a: f64| (a * a + b * b + 2.0 * a * b * s).sqrt();
        let want = constant(a) + constant(b) - constant(length(a));
        let square = 2.0 * constant(a) + constant(b) - constant(length(2.0 * a));
        let relative = (square - 2.0 * want).exp() - 1.0;
        assert_close(
            (found - want).exp(),
            1.0,
            5.0 * (relative / n as f64).sqrt(),
        );
    }
}

#[test]
fn the_concentration_of_a_sample_is_banerjees_of_its_mean_length() {
    // The height s has the mean A = coth κ − 1/κ and the variance 1 − A² − 2A/κ; r is its mean over the sample, to first order. A
    // deviation of r moves the estimate by its derivative.
    let (n, kappa) = (20_000, 10.0f64);
    let height = 1.0 / kappa.tanh() - 1.0 / kappa;
    let banerjee = |r: f64| r * (3.0 - r * r) / (1.0 - r * r);
    let deviation = ((1.0 - height * height - 2.0 * height / kappa) / n as f64).sqrt();
    let slope = (banerjee(height + 1e-6) - banerjee(height - 1e-6)) / 2e-6;
    let found = von_mises_fisher_concentration(von_mises_fisher(n, kappa, 6).view()).unwrap();
    assert_close(found, banerjee(height), 5.0 * slope * deviation);
    // And the formula is within 4 % of the truth here, as it says.
    assert_close(banerjee(height), kappa, 0.04 * kappa);
}

#[test]
fn gaussian_densities_of_a_mixture_are_the_blurred_mixture() {
    // Kernels of width h blur a normal density of width σ to one of √(σ² + h²). A squared kernel is (4πh²)^−1 times one of h/√2 in two
    // dimensions, which gives E K².
    let (n, h) = (20_000usize, 0.3f64);
    let (centres, sigmas) = ([[0.0, 0.0], [4.0, -2.0]], [1.0, 0.5]);
    let mut bank = normal(n, 2, 7);
    for (i, mut row) in bank.outer_iter_mut().enumerate() {
        let part = usize::from(i >= n / 2);
        row.mapv_inplace(|x| x * sigmas[part] as f32);
        row += &array![centres[part][0] as f32, centres[part][1] as f32];
    }
    let density = |x: [f64; 2], blur: f64| -> f64 {
        let parts = centres.iter().zip(sigmas).map(|(c, sigma)| {
            let variance = sigma * sigma + blur;
            let square = (x[0] - c[0]).powi(2) + (x[1] - c[1]).powi(2);
            (-square / (2.0 * variance)).exp() / (2.0 * PI * variance)
        });
        parts.sum::<f64>() / 2.0
    };
    let kernel = GaussianKernelDensity::new(h).unwrap();
    for x in [[0.0, 0.0], [4.0, -2.0], [1.5, -0.5], [-1.0, 1.5]] {
        let query = array![[x[0] as f32, x[1] as f32]];
        let found = kernel.log_density(query.view(), bank.view()).unwrap()[0].exp();
        let want = density(x, h * h);
        // Half of the rows come from either part, not by chance: the variance is no larger for it.
        let square = density(x, h * h / 2.0) / (4.0 * PI * h * h);
        assert_close(
            found,
            want,
            5.0 * ((square - want * want) / n as f64).sqrt(),
        );
    }
}

#[test]
fn sums_over_many_tiles_are_those_of_the_loop() {
    // 700 rows are four blocks of a walk over a set with itself, and two tiles of one against a bank.
    let rows = normal(700, 6, 18);
    let h = 0.9;
    let kernel = GaussianKernelDensity::new(h).unwrap();
    let with_itself = kernel.log_density_self(rows.view()).unwrap();
    let against = kernel.log_density(rows.view(), rows.view()).unwrap();
    for (i, x) in rows.outer_iter().enumerate() {
        let square = |y: ndarray::ArrayView1<'_, f32>| -> f64 {
            x.iter()
                .zip(y)
                .map(|(&x, &y)| (f64::from(x) - f64::from(y)).powi(2))
                .sum()
        };
        let kernels = rows
            .outer_iter()
            .map(|y| (-0.5 * square(y) / (h * h)).exp());
        let kernels: Vec<f64> = kernels.collect();
        let all: f64 = kernels.iter().sum();
        let others: f64 = kernels
            .iter()
            .enumerate()
            .filter(|&(j, _)| j != i)
            .map(|(_, k)| k)
            .sum();
        let constant = 3.0 * (2.0 * PI * h * h).ln();
        // The exponents that count are above −30 and off by (2 · 6 + 66) ε relative, twice; kernels are off by 2⁻²¹, sums of 512 of
        // them by 32 ε.
        let tolerance = 60.0 * 78.0 * EPSILON + 2f64.powi(-21) + 32.0 * EPSILON;
        assert_close(with_itself[i], (others / 699.0).ln() - constant, tolerance);
        assert_close(against[i], (all / 700.0).ln() - constant, tolerance);
    }
}

#[test]
fn scotts_rule_is_its_formula() {
    // Columns −1, 1 and −3, 3 have the variances 2 and 18: σ² = 10, and n^(−1/6) for two rows.
    let rows = array![[-1.0f32, -3.0], [1.0, 3.0]];
    let h = GaussianKernelDensity::scott(rows.view(), None)
        .unwrap()
        .bandwidth();
    assert_close(h, 10f64.sqrt() * 2f64.powf(-1.0 / 6.0), 1e-12);
    let h = GaussianKernelDensity::scott(rows.view(), Some(1.0))
        .unwrap()
        .bandwidth();
    assert_close(h, 20f64.sqrt() * 2f64.powf(-1.0 / 5.0), 1e-12);
}

#[test]
fn the_bandwidth_by_likelihood_adapts_where_scotts_cannot() {
    // Two tight clusters far apart: Scott's bandwidth spans both. That of a single cluster of 200 rows of width 0.01 is, by Scott's rule
    // for it, 0.01 · 200^(−1/6) = 0.004; the likeliest one is of that size.
    let mut rows = normal(400, 2, 8) * 0.01;
    rows.slice_mut(ndarray::s![200.., ..])
        .mapv_inplace(|x| x + 5.0);
    let scott = GaussianKernelDensity::scott(rows.view(), None)
        .unwrap()
        .bandwidth();
    let likeliest = GaussianKernelDensity::leave_one_out(rows.view(), None)
        .unwrap()
        .bandwidth();
    assert!(scott > 0.9, "{scott}");
    assert!((0.002..0.008).contains(&likeliest), "{likeliest}");
    // The same on the sphere: 1/√κ is a length.
    let mut rows = von_mises_fisher(400, 1e4, 9);
    rows.slice_mut(ndarray::s![200.., ..]).mapv_inplace(|x| -x);
    let kappa = VonMisesFisherKernelDensity::leave_one_out(rows.view())
        .unwrap()
        .kappa();
    assert!((0.002..0.008).contains(&kappa.sqrt().recip()), "{kappa}");
    // Uniform directions want no kernel that could be told from a flat one: a density a few times flatter than one of κ = 10.
    let kappa = VonMisesFisherKernelDensity::leave_one_out(on_sphere(300, 64, 10).view())
        .unwrap()
        .kappa();
    assert!(kappa < 64.0, "{kappa}");
}

#[test]
fn outlier_factors_are_one_inside_and_large_outside() {
    // In a uniform square reaches to the k-th of 20 neighbours vary by 1/(2√20) = 0.11; ratios of their means by less than
    // half of that. A row at five times the width of the square from it has a reach of about 4, against √(20/2000π) = 0.056.
    let mut bank = uniform(2000, 2, 11);
    bank.row_mut(0).fill(5.0);
    let lof = LocalOutlierFactor::fit(bank.view(), 20).unwrap();
    let inside: Vec<f64> = (1..2000)
        .filter(|&i| bank.row(i).iter().all(|&x| (0.15..0.85).contains(&x)))
        .map(|i| lof.factors()[i])
        .collect();
    assert_close(mean(&inside), 1.0, 0.05);
    assert!(inside.iter().all(|&factor| (0.6..1.6).contains(&factor)));
    assert!(lof.factors()[0] > 30.0);
    let new = lof
        .factors_of(array![[0.5f32, 0.5], [5.0, -4.0]].view())
        .unwrap();
    assert!((0.7..1.5).contains(&new[0]) && new[1] > 30.0, "{new:?}");
}

#[test]
fn the_sphere_has_two_dimensions_by_every_likelihood() {
    // Areas of caps are exactly πr², so that given r_k the (r_j/r_k)² are uniform: the sum of log(r_k/r_j) is Gamma(k − 1) / 2, with mean
    // (k − 1)/2 and a relative variance of 1/(k − 1). Rows share neighbours with fewer than 4k others, of which N are independent by
    // at least N/4k.
    let (n, k) = (5000.0f64, 10.0f64);
    let rows = on_sphere(5000, 3, 12);
    // Lying in ten dimensions changes nothing: columns that repeat the first by 0.
    let mut wide = Array2::zeros((5000, 10));
    wide.slice_mut(ndarray::s![.., 4..7]).assign(&rows);
    let found = maximum_likelihood_dimension(wide.view(), 10, DimensionAverage::Inverse).unwrap();
    assert_close(found, 2.0, 5.0 * 2.0 * (4.0 * k / n / (k - 1.0)).sqrt());
    // The mean of the inverse of a Gamma(k − 1) is 1/(k − 2), its relative variance 1/(k − 3).
    let found = maximum_likelihood_dimension(wide.view(), 10, DimensionAverage::Mean).unwrap();
    let want = 2.0 * (k - 1.0) / (k - 2.0);
    assert_close(found, want, 5.0 * want * (4.0 * k / n / (k - 3.0)).sqrt());
    let local = local_dimensions(wide.view(), 10).unwrap();
    assert_close(mean(&local), found, 1e-9);
    // log μ is exponential with mean 1/2; two rows that are each other's nearest share r_1.
    let found = two_nn_dimension(wide.view(), 0.0).unwrap();
    assert_close(found, 2.0, 5.0 * 2.0 * (2.0 / n).sqrt());
    let found = two_nn_dimension(wide.view(), 0.1).unwrap();
    assert_close(found, 2.0, 5.0 * 2.0 * (2.0 / (0.9 * n)).sqrt());
}

#[test]
fn the_cube_has_its_dimension_up_to_its_faces() {
    // Rows at a face see part of a ball, in which ratios are those of the whole but for the edge: with 20,000 rows and two
    // neighbours r is below 0.04 and a tenth of the rows lie that near to a face or edge. They move the mean by less than a tenth of it.
    let rows = uniform(20_000, 3, 13);
    let found = two_nn_dimension(rows.view(), 0.1).unwrap();
    assert_close(found, 3.0, 0.3);
}

#[test]
fn uniform_directions_have_the_dimension_of_their_cosines() {
    // s² has the mean 1/m and a variance of at most 2/m², and is uncorrelated between pairs: over n(n − 1)/2 of them the relative
    // deviation of their mean is 2/n.
    for (n, m, dim) in [(500, 32, 32), (300, 32, 700), (800, 8, 64)] {
        let mut rows = Array2::zeros((n, dim));
        rows.slice_mut(ndarray::s![.., ..m])
            .assign(&on_sphere(n, m, 14));
        let found = sphere_dimension(rows.view()).unwrap();
        assert_close(found, m as f64, 5.0 * 2.0 / n as f64 * m as f64);
    }
}

#[test]
fn scaling_shifts_log_densities_by_the_dimension_times_its_logarithm() {
    let rows = normal(200, 5, 15);
    for exponent in [-60, -7, 9, 60] {
        // A power of two changes no digit but where squares leave the range of f32 and are taken in f64: a distance then differs by
        // its rounding, at most (5 + 5) ε/4 + ε/2 = 3 ε, and logarithms of densities by m = 5 times that; exponents −z²/2 here
        // are above −20, and move by 2 · 20 times that, 1.5e-5.
        let s = 2f64.powi(exponent);
        let scaled = rows.mapv(|x| x * s as f32);
        let knn = KnnDensity::new(5).unwrap();
        let (small, large) = (
            GaussianKernelDensity::new(0.7).unwrap(),
            GaussianKernelDensity::new(0.7 * s).unwrap(),
        );
        let pairs: [(&dyn LogDensity, &dyn LogDensity); 2] = [(&knn, &knn), (&small, &large)];
        for (before, after) in pairs {
            let before = before.log_density_self(rows.view()).unwrap();
            let after = after.log_density_self(scaled.view()).unwrap();
            for (before, after) in before.iter().zip(after) {
                assert_close(after, before - 5.0 * s.ln(), 2e-5);
            }
        }
        let ratio = |rows: &Array2<f32>| {
            GaussianKernelDensity::leave_one_out(rows.view(), None)
                .unwrap()
                .bandwidth()
        };
        assert_close(ratio(&scaled) / s / ratio(&rows), 1.0, 1e-3);
        let factors = |rows: &Array2<f32>| {
            LocalOutlierFactor::fit(rows.view(), 5)
                .unwrap()
                .factors()
                .to_vec()
        };
        for (a, b) in factors(&rows).iter().zip(factors(&scaled)) {
            assert_close(*a, b, 6.0 * EPSILON * a);
        }
        // Σ log μ = N/m: its terms move by 6 ε each, the dimension by 6 ε m² with m < 10.
        assert_close(
            two_nn_dimension(scaled.view(), 0.1).unwrap(),
            two_nn_dimension(rows.view(), 0.1).unwrap(),
            1e-4,
        );
    }
}

#[test]
fn turning_and_reordering_rows_changes_nothing_but_digits() {
    let rows = normal(150, 4, 16);
    let (sin, cos) = 0.6f64.sin_cos();
    let mut turned = rows.clone();
    for (mut to, row) in turned.outer_iter_mut().zip(rows.outer_iter()) {
        for (a, b) in [(0, 1), (2, 3)] {
            let (x, y) = (f64::from(row[a]), f64::from(row[b]));
            to[a] = (cos * x - sin * y) as f32;
            to[b] = (sin * x + cos * y) as f32;
        }
    }
    let order: Vec<usize> = (0..150).map(|i| (i * 67 + 5) % 150).collect();
    let mixed = rows.select(Axis(0), &order);
    // Coordinates up to 4 are rounded to ε/2 of that; the nearest of 150 rows in four dimensions are 0.1 and more away, so that
    // their distance moves by 4 ε √4 / 0.1 = 1e-5 relative, its logarithm times m = 4 by 4e-5; kernel exponents here are below
    // 10, and move by 2e-4 at most.
    let tolerance = 2e-4;
    let estimators: [&dyn LogDensity; 3] = [
        &KnnDensity::new(4).unwrap(),
        &GaussianKernelDensity::new(0.8).unwrap(),
        &VonMisesFisherKernelDensity::new(20.0).unwrap(),
    ];
    for estimator in estimators {
        let plain = estimator.log_density_self(rows.view()).unwrap();
        let after = estimator.log_density_self(turned.view()).unwrap();
        plain
            .iter()
            .zip(after)
            .for_each(|(a, b)| assert_close(b, *a, tolerance));
        let after = estimator.log_density_self(mixed.view()).unwrap();
        order
            .iter()
            .zip(after)
            .for_each(|(&i, b)| assert_close(b, plain[i], tolerance));
    }
}

#[test]
fn results_are_the_same_bits_for_any_number_of_threads() {
    let rows = on_sphere(1500, 12, 17);
    let all = || -> Vec<u64> {
        let estimators: [&dyn LogDensity; 3] = [
            &KnnDensity::new(4).unwrap(),
            &GaussianKernelDensity::leave_one_out(rows.view(), None).unwrap(),
            &VonMisesFisherKernelDensity::leave_one_out(rows.view()).unwrap(),
        ];
        let mut found = Vec::new();
        for estimator in estimators {
            found.extend(estimator.log_density_self(rows.view()).unwrap());
            found.extend(
                estimator
                    .log_density(rows.view(), rows.slice(ndarray::s![..700, ..]))
                    .unwrap(),
            );
        }
        found.extend(LocalOutlierFactor::fit(rows.view(), 7).unwrap().factors());
        found.push(sphere_dimension(rows.view()).unwrap());
        found.into_iter().map(f64::to_bits).collect()
    };
    let with = |threads| {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap()
            .install(all)
    };
    let one = with(1);
    assert_eq!(one, with(2));
    assert_eq!(one, with(5));
}

#[test]
fn volumes_and_areas_are_those_of_the_formulas() {
    for (m, volume) in [
        (1.0, 2.0),
        (2.0, PI),
        (3.0, 4.0 * PI / 3.0),
        (4.0, PI * PI / 2.0),
    ] {
        assert_close(log_ball_volume(m), f64::ln(volume), 1e-14);
    }
    // A_n = n V_n
    for n in 1..40 {
        let want = log_ball_volume(n as f64) + (n as f64).ln();
        assert_close(log_sphere_area(n), want, 1e-12);
    }
}
