//! Every backend that is compiled against every property.

use ndarray::{Array2, array};

use super::*;

type Factor = fn(ArrayView2<'_, f64>) -> Option<Array2<f64>>;
type Eigen = fn(ArrayView2<'_, f64>) -> Option<(Array1<f64>, Array2<f64>)>;

fn backends() -> Vec<(&'static str, Factor, Eigen)> {
    vec![
        ("faer", pure_rust::cholesky, pure_rust::eigen),
        #[cfg(feature = "lapack")]
        ("lapack", lapack::cholesky, lapack::eigen),
    ]
}

/// Symmetric, of full rank; eigenvalues of both signs.
fn symmetric(n: usize) -> Array2<f64> {
    // Sines of a quadratic form: those of a linear one have rank two.
    let a = Array2::from_shape_fn((n, n), |(i, j)| {
        ((i * i + 3 * i * j + 7 * j * j + 1) as f64).sin()
    });
    &a + &a.t()
}

/// `A Aᵀ + I`: eigenvalues of at least 1.
fn definite(n: usize) -> Array2<f64> {
    let a = symmetric(n);
    a.dot(&a.t()) + Array2::<f64>::eye(n)
}

fn norm(a: &Array2<f64>) -> f64 {
    a.iter().map(|x| x * x).sum::<f64>().sqrt()
}

// Backward stable factorizations are exact for a matrix within `c n ε ‖A‖` of the given one, `c` a small number: here 10.
fn limit(n: usize, a: &Array2<f64>) -> f64 {
    10.0 * n as f64 * f64::EPSILON * norm(a)
}

const SIZES: [usize; 6] = [1, 2, 3, 17, 64, 130];

#[test]
fn factors_multiply_back_to_the_matrix() {
    for (name, factor, _) in backends() {
        for n in SIZES {
            let a = definite(n);
            let lower = factor(a.view()).unwrap();
            assert!(lower.indexed_iter().all(|((i, j), &x)| i >= j || x == 0.0));
            let error = norm(&(lower.dot(&lower.t()) - &a));
            assert!(error <= limit(n, &a), "{name}, {n}: {error}");
            let one = invert_lower(&lower).dot(&lower);
            // The inverse's error grows with the condition, at most the largest eigenvalue here.
            let error = norm(&(one - Array2::<f64>::eye(n)));
            assert!(error <= limit(n, &a), "{name}, {n}: {error}");
        }
    }
}

#[test]
fn eigenvectors_diagonalise_the_matrix() {
    for (name, _, eigen) in backends() {
        for n in SIZES {
            let a = symmetric(n);
            let (values, columns) = eigen(a.view()).unwrap();
            assert!(values.windows(2).into_iter().all(|v| v[0] <= v[1]));
            let back = columns.dot(&Array2::from_diag(&values)).dot(&columns.t());
            let error = norm(&(back - &a));
            assert!(error <= limit(n, &a), "{name}, {n}: {error}");
            let one = columns.t().dot(&columns);
            let error = norm(&(one - Array2::<f64>::eye(n)));
            assert!(error <= limit(n, &Array2::eye(n)), "{name}, {n}: {error}");
        }
    }
}

#[test]
fn eigenvalues_fall_and_vectors_have_a_sign() {
    // Eigenvectors (1, 1) / √2 and (1, −1) / √2: of entries of one size the first is positive.
    let (values, vectors) = eigen(array![[2.0, 1.0], [1.0, 2.0]].view()).unwrap();
    let half = 0.5f64.sqrt();
    for (got, want) in values.iter().zip([3.0, 1.0]) {
        assert!((got - want).abs() <= 8.0 * f64::EPSILON * 3.0);
    }
    for (got, want) in vectors.iter().zip([half, half, half, -half]) {
        assert!((got - want).abs() <= 8.0 * f64::EPSILON, "{vectors}");
    }
    let (_, vectors) = eigen(symmetric(17).view()).unwrap();
    for vector in vectors.rows() {
        let largest = vector
            .iter()
            .copied()
            .max_by(|a, b| a.abs().total_cmp(&b.abs()));
        assert!(largest.unwrap() > 0.0);
    }
}

#[test]
fn the_size_of_the_matrix_does_not_matter() {
    for exponent in [-1000, -500, 0, 500, 1000] {
        let scale = 2.0f64.powi(exponent);
        let (values, vectors) = eigen((symmetric(5) * scale).view()).unwrap();
        let (unit, same) = eigen(symmetric(5).view()).unwrap();
        assert_eq!(values, unit * scale);
        assert_eq!(vectors, same);
    }
}

#[test]
fn the_first_bad_pivot_is_named() {
    // Column `bad` is a copy of column 0, or its diagonal entry is negative, or too small, with a sound start before it.
    for n in [2, 5, 40, 130] {
        for bad in [1, n / 2, n - 1] {
            let refused = Err(Error::NotPositiveDefinite { index: bad });
            let mut copied = definite(n);
            for i in 0..n {
                copied[[i, bad]] = copied[[i, 0]];
            }
            for j in 0..n {
                copied[[bad, j]] = copied[[0, j]];
            }
            assert_eq!(cholesky(copied.view()), refused, "copy, {bad} of {n}");
            let mut negative = definite(n);
            negative[[bad, bad]] = -1.0;
            assert_eq!(cholesky(negative.view()), refused, "negative, {bad} of {n}");
        }
    }
    let indefinite = Err(Error::NotPositiveDefinite { index: 0 });
    assert_eq!(cholesky(array![[0.0]].view()), indefinite);
    assert_eq!(
        cholesky(array![[-1.0, 0.0], [0.0, -1.0]].view()),
        indefinite
    );
}

#[cfg(feature = "lapack")]
#[test]
fn lapack_and_pure_rust_give_the_same_factors_and_signed_vectors() {
    use crate::{Distance, Mahalanobis};
    for n in SIZES {
        let a = definite(n);
        let (one, other) = (
            pure_rust::cholesky(a.view()).unwrap(),
            lapack::cholesky(a.view()).unwrap(),
        );
        let metrics = [one, other]
            .map(|lower| Mahalanobis::<f64>::from_factor(invert_lower(&lower)).unwrap());
        for seed in 0..20 {
            let x: Vec<f64> = (0..n).map(|i| ((seed * n + i) as f64).cos()).collect();
            let y: Vec<f64> = (0..n).map(|i| ((seed * n + 3 * i) as f64).sin()).collect();
            let [a, b] = metrics.each_ref().map(|metric| metric.distance(&x, &y));
            assert!((a - b).abs() <= 1e-6 * a, "{a} and {b}");
        }
        let a = symmetric(n);
        let (values, vectors) = arrange(pure_rust::eigen(a.view()).unwrap());
        let (others, same) = arrange(lapack::eigen(a.view()).unwrap());
        for i in 0..n {
            assert!((values[i] - others[i]).abs() <= limit(n, &a));
            // Vectors turn by the error over the gap to the next value.
            let gaps = (0..n)
                .filter(|&j| j != i)
                .map(|j| (values[i] - values[j]).abs());
            let gap = gaps.fold(norm(&a), f64::min);
            let apart = &vectors.row(i) - &same.row(i);
            let apart = apart.dot(&apart).sqrt();
            assert!(gap > 1e-6, "{n}, {i}: {gap}");
            assert!(apart <= 2.0 * limit(n, &a) / gap, "{n}, {i}: {apart}");
        }
    }
}
