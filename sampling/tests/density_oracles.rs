//! Densities, outlier factors, dimensions and concentrations against loops in `f64`.

#![allow(clippy::unwrap_used, reason = "tests: panics are failures")]

use std::f64::consts::PI;

use metric_sampling::DensityError;
use metric_sampling::density::{
    Concentration, DimensionAverage, GaussianKernelDensity, KnnDensity, LocalOutlierFactor,
    LogDensity, VonMisesFisherKernelDensity, local_dimensions, log_von_mises_fisher_constant,
    maximum_likelihood_dimension, sphere_dimension, two_nn_dimension,
};
use metric_testkit::oracle::{cosine_similarity, euclidean, ranking};
use metric_testkit::strategy::{grid_points, labelled_grid_points};
use ndarray::Array2;
use proptest::prelude::*;

const EPSILON: f64 = f32::EPSILON as f64;

fn matrix(rows: &[Vec<f64>]) -> Array2<f32> {
    Array2::from_shape_fn((rows.len(), rows[0].len()), |(i, j)| rows[i][j] as f32)
}

/// Distances of a row to all of a bank; infinite to itself if it is one of them.
fn distances(x: &[f64], bank: &[Vec<f64>], own: Option<usize>) -> Vec<f64> {
    let of = |(j, y): (usize, &Vec<f64>)| {
        if own == Some(j) {
            f64::INFINITY
        } else {
            euclidean(x, y)
        }
    };
    bank.iter().enumerate().map(of).collect()
}

fn all_coincide(points: &[Vec<f64>]) -> bool {
    points.iter().all(|point| *point == points[0])
}

/// Γ by its recurrence, for half-integers.
fn gamma(x: f64) -> f64 {
    match x {
        0.5 => PI.sqrt(),
        1.0 => 1.0,
        _ => (x - 1.0) * gamma(x - 1.0),
    }
}

fn knn_oracle(x: &[f64], bank: &[Vec<f64>], own: Option<usize>, k: usize) -> f64 {
    let mut near: Vec<f64> = distances(x, bank, own)
        .into_iter()
        .filter(|d| d.is_finite())
        .collect();
    near.sort_by(f64::total_cmp);
    let (mut count, mut radius) = (k, near[k - 1]);
    if radius == 0.0 {
        count = near.iter().filter(|&&d| d == 0.0).count() + 1;
        radius = near[count - 1];
    }
    let m = x.len() as f64;
    let volume = PI.powf(m / 2.0) / gamma(m / 2.0 + 1.0) * radius.powf(m);
    (count as f64 / (near.len() as f64 * volume)).ln()
}

/// `log Σ exp(−d²/2h²) − log N`, and what the rounding of distances and kernels may do to it.
fn kernel_oracle(distances: &[f64], h: f64, dim: usize) -> (f64, f64) {
    let z: Vec<f64> = distances
        .iter()
        .filter(|d| d.is_finite())
        .map(|d| d / h)
        .collect();
    let most = z
        .iter()
        .map(|z| -0.5 * z * z)
        .fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = z.iter().map(|z| (-0.5 * z * z - most).exp()).collect();
    let sum: f64 = weights.iter().sum();
    // A distance from a block is off by (2 dim + 64) ε relative, its division by h by 2 ε more; an exponent −z²/2 by twice that.
    let spread: f64 = z.iter().zip(&weights).map(|(z, w)| z * z * w).sum::<f64>() / sum;
    let nearest = -2.0 * most;
    let distance = (2.0 * dim as f64 + 66.0) * EPSILON * (spread + nearest);
    // Kernels are good to 2⁻²¹, their sum in f32 to ε a term.
    let tolerance = distance + 2f64.powi(-21) + z.len() as f64 * EPSILON;
    (most + sum.ln() - (z.len() as f64).ln(), tolerance)
}

/// `∫ exp(κ (cos θ − 1))` over the sphere in `n` dimensions, by Simpson's rule over the angle.
fn sphere_integral(n: usize, kappa: f64) -> f64 {
    let steps = 20_000;
    let width = PI / steps as f64;
    let at = |i: usize| {
        let theta = i as f64 * width;
        (kappa * (theta.cos() - 1.0)).exp() * theta.sin().abs().powi(n as i32 - 2)
    };
    let weight = |i: usize| {
        if i == 0 || i == steps {
            1.0
        } else {
            2.0 + 2.0 * (i % 2) as f64
        }
    };
    let sum: f64 = (0..=steps).map(|i| weight(i) * at(i)).sum();
    let half = (n - 1) as f64 / 2.0;
    2.0 * PI.powf(half) / gamma(half) * sum * width / 3.0
}

fn close(got: f64, want: f64, tolerance: f64) -> Result<(), TestCaseError> {
    prop_assert!(
        (got - want).abs() <= tolerance,
        "{got} is not {want} within {tolerance:.1e}"
    );
    Ok(())
}

/// The least reach above 0 in the place of 0.
fn lifted(reach: f64, least: f64) -> f64 {
    if reach > 0.0 { reach } else { least }
}

/// Neighbours with their distances, nearest first, ties by index.
fn nearest(x: &[f64], bank: &[Vec<f64>], own: Option<usize>, k: usize) -> Vec<(usize, f64)> {
    let d = distances(x, bank, own);
    ranking(&d, own)
        .into_iter()
        .take(k)
        .map(|j| (j, d[j]))
        .collect()
}

proptest! {
    #[test]
    fn knn_densities_are_those_of_the_loop(points in grid_points(2..40), k in 1..6usize, split in 0.2..0.8f64) {
        let rows = matrix(&points);
        // Squares on the grid are exact: a radius is off by one rounding, m times that in the logarithm.
        let tolerance = points[0].len() as f64 * EPSILON + 1e-12;
        let knn = KnnDensity::new(k).unwrap();
        match knn.log_density_self(rows.view()) {
            Err(DensityError::TooFewRows { .. }) => prop_assert!(k >= points.len()),
            Err(error) => prop_assert!(all_coincide(&points), "{error}"),
            Ok(found) => for (i, &got) in found.iter().enumerate() {
                close(got, knn_oracle(&points[i], &points, Some(i), k), tolerance)?;
            },
        }
        let cut = ((points.len() as f64 * split) as usize).max(1);
        let (x, y) = points.split_at(cut);
        match knn.log_density(matrix(x).view(), matrix(y).view()) {
            Err(DensityError::TooFewRows { .. }) => prop_assert!(k > y.len()),
            Err(error) => prop_assert!(all_coincide(y), "{error}"),
            Ok(found) => for (x, &got) in x.iter().zip(&found) {
                close(got, knn_oracle(x, y, None, k), tolerance)?;
            },
        }
    }

    #[test]
    fn gaussian_densities_are_those_of_the_loop(points in grid_points(2..40), h in 0.05..3.0f64, m in 0.5..9.0f64, split in 0.2..0.8f64) {
        let rows = matrix(&points);
        let dim = points[0].len();
        let constant = m * (h * (2.0 * PI).sqrt()).ln();
        let kernel = GaussianKernelDensity::new(h).unwrap().with_dimension(m).unwrap();
        for (i, &got) in kernel.log_density_self(rows.view()).unwrap().iter().enumerate() {
            let (want, tolerance) = kernel_oracle(&distances(&points[i], &points, Some(i)), h, dim);
            close(got, want - constant, tolerance)?;
        }
        let cut = ((points.len() as f64 * split) as usize).max(1);
        let (x, y) = points.split_at(cut);
        let kernel = GaussianKernelDensity::new(h).unwrap();
        let constant = dim as f64 * (h * (2.0 * PI).sqrt()).ln();
        for (x, &got) in x.iter().zip(&kernel.log_density(matrix(x).view(), matrix(y).view()).unwrap()) {
            let (want, tolerance) = kernel_oracle(&distances(x, y, None), h, dim);
            close(got, want - constant, tolerance)?;
        }
    }

    #[test]
    fn von_mises_fisher_densities_are_those_of_the_loop(points in grid_points(2..30), kappa in 0.0..60.0f64) {
        let points: Vec<Vec<f64>> = points.into_iter().filter(|p| p.iter().any(|&x| x != 0.0)).collect();
        prop_assume!(points.len() >= 2 && points[0].len() >= 2);
        let n = points[0].len();
        let kernel = VonMisesFisherKernelDensity::new(kappa).unwrap();
        let constant = sphere_integral(n, kappa).ln();
        for (i, &got) in kernel.log_density_self(matrix(&points).view()).unwrap().iter().enumerate() {
            let chord = |j: usize| (2.0 - 2.0 * cosine_similarity(&points[i], &points[j])).max(0.0).sqrt();
            let chords: Vec<f64> = (0..points.len()).map(|j| if i == j { f64::INFINITY } else { chord(j) }).collect();
            let (want, tolerance) = kernel_oracle(&chords, kappa.sqrt().recip(), n);
            // Directions in f32 move chords by 6 ε, and exponents −κ c²/2 of chords up to 2 by that times 2κ; the constant is Simpson's.
            close(got, want - constant, tolerance + 12.0 * EPSILON * kappa + 1e-9)?;
        }
        let constant_of_ours = -log_von_mises_fisher_constant(n, kappa) - kappa;
        close(constant_of_ours, constant, 1e-9)?;
    }

    #[test]
    fn outlier_factors_are_those_of_the_loop(points in grid_points(4..40), k in 1..6usize, split in 0.3..0.8f64) {
        let cut = ((points.len() as f64 * split) as usize).max(2);
        let (bank, new) = points.split_at(cut);
        let rows = matrix(bank);
        let near: Vec<Vec<(usize, f64)>> = (0..cut).map(|i| nearest(&bank[i], bank, Some(i), k)).collect();
        let reach = |near: &[(usize, f64)], k_distance: &[f64]| {
            near.iter().map(|&(o, d)| d.max(k_distance[o])).sum::<f64>() / near.len() as f64
        };
        let lof = match LocalOutlierFactor::fit(rows.view(), k) {
            Err(DensityError::TooFewRows { needed, rows }) => {
                prop_assert_eq!((needed, rows), (k + 1, cut));
                return Ok(());
            }
            other => other,
        };
        let k_distance: Vec<f64> = near.iter().map(|near| near[k - 1].1).collect();
        let reaches: Vec<f64> = near.iter().map(|near| reach(near, &k_distance)).collect();
        let least = reaches.iter().copied().filter(|&r| r > 0.0).fold(f64::INFINITY, f64::min);
        if least.is_infinite() {
            prop_assert_eq!(lof.err(), Some(DensityError::NoSpread { rows: cut }));
            return Ok(());
        }
        let (lof, reaches): (_, Vec<f64>) = (lof.unwrap(), reaches.iter().map(|&r| lifted(r, least)).collect());
        let factor = |near: &[(usize, f64)], own: f64| near.iter().map(|&(o, _)| own / reaches[o]).sum::<f64>() / k as f64;
        for i in 0..cut {
            // Distances are off by half an ε, a ratio of two means of them by one.
            let want = factor(&near[i], reaches[i]);
            close(lof.factors()[i], want, 2.0 * EPSILON * want)?;
            let want = reaches[i].recip();
            close(lof.local_reachability_densities()[i], want, EPSILON * want)?;
        }
        if !new.is_empty() {
            for (x, &got) in new.iter().zip(&lof.factors_of(matrix(new).view()).unwrap()) {
                let near = nearest(x, bank, None, k);
                let want = factor(&near, lifted(reach(&near, &k_distance), least));
                close(got, want, 2.0 * EPSILON * want)?;
            }
        }
    }

    #[test]
    fn dimensions_by_likelihood_are_those_of_the_loop(points in grid_points(2..40), k in 3..9usize) {
        let rows = matrix(&points);
        let mut sums = Vec::new();
        for (i, x) in points.iter().enumerate() {
            let near: Vec<f64> = nearest(x, &points, Some(i), k).into_iter().map(|(_, d)| d).filter(|&d| d > 0.0).collect();
            let sum: f64 = near.iter().map(|d| (near[near.len() - 1] / d).ln()).sum();
            sums.push((near.len().saturating_sub(1) as f64, if sum > 1e-9 { sum } else { 0.0 }));
        }
        let (terms, sum) = sums.iter().fold((0.0, 0.0), |all, one| (all.0 + one.0, all.1 + one.1));
        let local = local_dimensions(rows.view(), k);
        if points.len() <= k {
            let too_few = matches!(local, Err(DensityError::TooFewRows { .. }));
            prop_assert!(too_few);
        } else if sum == 0.0 {
            prop_assert_eq!(local.err(), Some(DensityError::NoSpread { rows: points.len() }));
        } else {
            // Each logarithm is off by one ε, and they are few; distances on the grid differ by more than 0.01 relative if at all.
            let tolerance = 1e-3;
            let mut finite = Vec::new();
            for (&got, &(terms, own)) in local.unwrap().iter().zip(&sums) {
                let want = if own > 0.0 { terms / own } else { f64::NAN };
                if own > 0.0 {
                    finite.push(want);
                    close(got, want, tolerance * want)?;
                }
            }
            let inverse = maximum_likelihood_dimension(rows.view(), k, DimensionAverage::Inverse).unwrap();
            close(inverse, terms / sum, tolerance * inverse)?;
            let mean = maximum_likelihood_dimension(rows.view(), k, DimensionAverage::Mean).unwrap();
            close(mean, finite.iter().sum::<f64>() / finite.len() as f64, tolerance * mean)?;
        }
    }

    #[test]
    fn two_nn_dimensions_are_those_of_the_loop(points in grid_points(3..40), discard in 0.0..0.9f64) {
        let mut logs = Vec::new();
        for (i, x) in points.iter().enumerate() {
            let near = nearest(x, &points, Some(i), 2);
            if near[0].1 > 0.0 {
                logs.push((near[1].1 / near[0].1).ln());
            }
        }
        logs.sort_by(f64::total_cmp);
        let kept = ((1.0 - discard) * logs.len() as f64).ceil() as usize;
        let sum: f64 = (0..logs.len()).map(|i| logs[i.min(kept - 1)]).sum();
        match two_nn_dimension(matrix(&points).view(), discard) {
            Ok(got) => close(got, kept as f64 / sum, 1e-3 * got)?,
            Err(error) => {
                prop_assert_eq!(error, DensityError::NoSpread { rows: points.len() });
                prop_assert!(sum < 1e-9);
            }
        }
    }

    #[test]
    fn the_dimension_by_cosines_is_that_of_the_loop(points in grid_points(3..40)) {
        let points: Vec<Vec<f64>> = points.into_iter().filter(|p| p.iter().any(|&x| x != 0.0)).collect();
        prop_assume!(points.len() >= 3 && points[0].len() >= 2);
        let mut cosines = Vec::new();
        for i in 0..points.len() {
            cosines.extend((0..i).map(|j| cosine_similarity(&points[i], &points[j])));
        }
        let mean = cosines.iter().sum::<f64>() / cosines.len() as f64;
        let variance = cosines.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / cosines.len() as f64;
        match sphere_dimension(matrix(&points).view()) {
            // Rounding in f64, of sums of at most n² ones.
            Ok(got) => close(got.recip(), variance, 1e-12)?,
            Err(error) => {
                prop_assert_eq!(error, DensityError::NoSpread { rows: points.len() });
                prop_assert!(variance < 1e-12);
            }
        }
    }

    #[test]
    fn concentrations_are_those_of_the_loop((points, labels) in labelled_grid_points(1..40, 5), alpha in 1.0..20.0f64) {
        let k = 5;
        let dim = points[0].len();
        let mut centroids = vec![vec![0.25; dim]; k];
        centroids[1] = vec![-1.0; dim];
        let mut phi = Vec::new();
        for (c, centroid) in centroids.iter().enumerate() {
            let own: Vec<f64> = (0..points.len()).filter(|&i| labels[i] as usize == c).map(|i| euclidean(&points[i], centroid)).collect();
            let z = own.len() as f64;
            phi.push(if own.len() > 1 { own.iter().sum::<f64>() / (z * (z + alpha).ln()) } else { -1.0 });
        }
        let most = phi.iter().copied().fold(0.0, f64::max);
        let phi: Vec<f64> = phi.into_iter().map(|p| if p < 0.0 { most } else { p }).collect();
        // Of five values the quantiles 0.1 and 0.9 are 0.4 of the way between the first two and the last two.
        let mut sorted = phi.clone();
        sorted.sort_by(f64::total_cmp);
        let (low, high) = (0.6 * sorted[0] + 0.4 * sorted[1], 0.4 * sorted[3] + 0.6 * sorted[4]);
        let cut: Vec<f64> = phi.iter().map(|p| p.clamp(low, high)).collect();
        let mean = cut.iter().sum::<f64>() / 5.0;
        let found = Concentration::new(0.7).unwrap().with_alpha(alpha).unwrap()
            .of_clusters(matrix(&points).view(), &labels, matrix(&centroids).view()).unwrap();
        for (got, cut) in found.iter().zip(cut) {
            // Distances are rounded once.
            let want = if mean > 0.0 { 0.7 * cut / mean } else { 0.7 };
            close(*got, want, 2.0 * EPSILON * want)?;
        }
    }

    #[test]
    fn bandwidths_by_likelihood_beat_those_beside_them(points in grid_points(4..30)) {
        prop_assume!(!all_coincide(&points));
        let dim = points[0].len();
        let rows = matrix(&points);
        let likelihood = |log_h: f64| -> f64 {
            let h = log_h.exp();
            let each = (0..points.len()).map(|i| {
                let d: Vec<f64> = distances(&points[i], &points, Some(i)).into_iter().filter(|&d| d > 0.0).collect();
                kernel_oracle(&d, h, dim).0 + (d.iter().filter(|d| d.is_finite()).count() as f64).ln()
            });
            each.sum::<f64>() - points.len() as f64 * dim as f64 * log_h
        };
        let log_h = GaussianKernelDensity::leave_one_out(rows.view(), None).unwrap().bandwidth().ln();
        // The peak is found to well within 0.02 in the logarithm; the likelihood itself to f32.
        let here = likelihood(log_h) + 1e-4 * points.len() as f64;
        prop_assert!(here >= likelihood(log_h - 0.04), "{log_h} is too large");
        prop_assert!(here >= likelihood(log_h + 0.04), "{log_h} is too small");
    }
}
