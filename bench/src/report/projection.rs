//! The two directions along which rows differ most.

use ndarray::{Array1, Array2, ArrayView2, Axis, s};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Directions iterated together: the gap that decides the speed is the one after the last.
const BLOCK: usize = 12;
const ROUNDS: usize = 500;
/// Residual, relative to the largest variance, at which a direction counts as found: below what a picture or `f32`
/// coordinates can show, above what rounding leaves (about `dim * eps` = 2e-13 at 784 columns).
const CLOSE: f64 = 1e-8;
/// Up to here the covariance is formed once; above it each round multiplies by the rows twice.
const WIDEST_COVARIANCE: usize = 1024;

/// Coordinates of rows `[n, dim]` along their first two principal axes, `[n, 2]`.
///
/// Same rows, same result: each axis is signed so that its largest loading is positive. Where an axis
/// does not exist (fewer than two rows, one column, constant rows) its coordinates are 0. Rows with a
/// NaN or an infinity do not count and get NaN coordinates.
///
/// Cost: `O(n dim²)` time, `O(n dim + dim²)` memory (in `f64`).
///
/// # Examples
///
/// ```
/// use ndarray::array;
///
/// // The rows lie on the line (1, 1): all of the variance is along it.
/// let plane = metric_bench::report::principal_plane(array![[0f32, 0.], [1., 1.], [2., 2.]].view());
/// assert!((plane[[2, 0]] - 2f32.sqrt()).abs() < 1e-6);
/// assert!(plane[[2, 1]].abs() < 1e-6);
/// ```
pub fn principal_plane(rows: ArrayView2<'_, f32>) -> Array2<f32> {
    let (n, dim) = rows.dim();
    let mut plane = Array2::from_elem((n, 2), f32::NAN);
    let whole: Vec<usize> = (0..n)
        .filter(|&i| rows.row(i).iter().all(|value| value.is_finite()))
        .collect();
    let Some((centred, scale)) = centred(rows, &whole) else {
        for i in whole {
            plane.row_mut(i).fill(0.0);
        }
        return plane;
    };
    let axes = principal_axes(&centred); // [dim, 2 or 1]
    let coordinates = centred.dot(&axes);
    for (at, &i) in whole.iter().enumerate() {
        for axis in 0..2 {
            let value = if axis < axes.ncols() {
                coordinates[[at, axis]] * scale
            } else {
                0.0
            };
            plane[[i, axis]] = value as f32;
        }
    }
    debug_assert!(axes.nrows() == dim);
    plane
}

/// The chosen rows less their mean, divided by their largest entry; `None` when nothing is left to see.
fn centred(rows: ArrayView2<'_, f32>, chosen: &[usize]) -> Option<(Array2<f64>, f64)> {
    let mut x = rows.select(Axis(0), chosen).mapv(f64::from);
    let magnitude = largest(&x);
    let mean = x.mean_axis(Axis(0))?;
    x -= &mean;
    let scale = largest(&x);
    // What rounding leaves of a constant column is no direction.
    if scale <= magnitude * 1e-14 {
        return None;
    }
    x /= scale;
    Some((x, scale))
}

fn largest(x: &Array2<f64>) -> f64 {
    x.iter().fold(0.0, |most, value| value.abs().max(most))
}

/// Orthogonal iteration with a Rayleigh-Ritz step, from a fixed start.
fn principal_axes(x: &Array2<f64>) -> Array2<f64> {
    let dim = x.ncols();
    let covariance = (dim <= WIDEST_COVARIANCE).then(|| x.t().dot(x));
    let apply = |v: &Array2<f64>| match &covariance {
        Some(covariance) => covariance.dot(v),
        None => x.t().dot(&x.dot(v)),
    };
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let mut basis =
        Array2::from_shape_simple_fn((dim, BLOCK.min(dim)), || random.random::<f64>() - 0.5);
    orthonormalise(&mut basis);
    let wanted = dim.min(2);
    for _ in 0..ROUNDS {
        let image = apply(&basis);
        let (values, turn) = symmetric_eigen(basis.t().dot(&image));
        basis = basis.dot(&turn);
        let image = image.dot(&turn);
        let residual = (0..wanted)
            .map(|k| {
                (&image.column(k) - &(&basis.column(k) * values[k]))
                    .mapv(|r| r * r)
                    .sum()
            })
            .fold(0.0, f64::max)
            .sqrt();
        if residual <= CLOSE * values[0] {
            break;
        }
        basis = image;
        orthonormalise(&mut basis);
    }
    let mut axes = basis.slice(s![.., ..wanted]).to_owned();
    for mut axis in axes.columns_mut() {
        // Loadings equal but for rounding must not decide the sign by that rounding.
        let most = axis.iter().fold(0f64, |most, value| value.abs().max(most));
        let first = axis.iter().find(|value| value.abs() >= most * (1.0 - 1e-6));
        if first.is_some_and(|&value| value < 0.0) {
            axis *= -1.0;
        }
    }
    axes
}

/// Gram-Schmidt, twice a column; a column that vanishes becomes the first unit vector with something left.
fn orthonormalise(basis: &mut Array2<f64>) {
    let (dim, width) = basis.dim();
    let mut next_unit = 0;
    let mut k = 0;
    while k < width {
        let (before, mut rest) = basis.view_mut().split_at(Axis(1), k);
        let mut column = rest.column_mut(0);
        let size = column.dot(&column).sqrt();
        for _ in 0..2 {
            let overlap = before.t().dot(&column);
            column -= &before.dot(&overlap);
        }
        let left = column.dot(&column).sqrt();
        if left > size * 1e-12 {
            column /= left;
            k += 1;
        } else {
            column.fill(0.0);
            column[next_unit % dim] = 1.0;
            next_unit += 1;
        }
    }
}

/// Eigenvalues, largest first, and eigenvectors (columns) of a small symmetric matrix: cyclic Jacobi.
fn symmetric_eigen(mut a: Array2<f64>) -> (Array1<f64>, Array2<f64>) {
    let n = a.nrows();
    let mut vectors = Array2::<f64>::eye(n);
    let size = a.iter().map(|value| value * value).sum::<f64>().sqrt();
    for _ in 0..50 {
        let mut off = 0f64;
        for p in 0..n {
            for q in p + 1..n {
                off = off.max(a[[p, q]].abs());
                if a[[p, q]].abs() <= f64::EPSILON * size * 1e-3 {
                    continue;
                }
                let half = (a[[q, q]] - a[[p, p]]) / (2.0 * a[[p, q]]);
                let tan = half.signum() / (half.abs() + half.hypot(1.0));
                let cos = 1.0 / tan.hypot(1.0);
                let sin = tan * cos;
                for k in 0..n {
                    let (left, right) = (a[[k, p]], a[[k, q]]);
                    a[[k, p]] = cos * left - sin * right;
                    a[[k, q]] = sin * left + cos * right;
                    let (left, right) = (vectors[[k, p]], vectors[[k, q]]);
                    vectors[[k, p]] = cos * left - sin * right;
                    vectors[[k, q]] = sin * left + cos * right;
                }
                for k in 0..n {
                    let (upper, lower) = (a[[p, k]], a[[q, k]]);
                    a[[p, k]] = cos * upper - sin * lower;
                    a[[q, k]] = sin * upper + cos * lower;
                }
            }
        }
        if off <= f64::EPSILON * size {
            break;
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| a[[j, j]].total_cmp(&a[[i, i]]).then(i.cmp(&j)));
    let values = order.iter().map(|&i| a[[i, i]]).collect();
    (values, vectors.select(Axis(1), &order))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn noise(n: usize, dim: usize, spread: impl Fn(usize) -> f32) -> Array2<f32> {
        let mut random = ChaCha8Rng::seed_from_u64(7);
        Array2::from_shape_fn((n, dim), |(_, j)| {
            (random.random::<f32>() - 0.5) * spread(j)
        })
    }

    #[test]
    fn the_widest_columns_are_found_in_order_and_with_their_sign() {
        let rows = noise(400, 6, |j| [0.1, 5.0, 0.2, 1.0, 0.1, 0.3][j]);
        let plane = principal_plane(rows.view());
        // Sampled columns correlate by about 1 / sqrt(400), so the axes tilt by that much.
        for i in 0..400 {
            let (mean1, mean3) = (
                rows.column(1).mean().unwrap(),
                rows.column(3).mean().unwrap(),
            );
            assert!((plane[[i, 0]] - (rows[[i, 1]] - mean1)).abs() < 0.15);
            assert!((plane[[i, 1]] - (rows[[i, 3]] - mean3)).abs() < 0.3);
        }
    }

    #[test]
    fn the_variances_along_the_axes_are_the_largest_eigenvalues_even_when_close() {
        let rows = noise(120, 30, |_| 1.0);
        let x = centred(rows.view(), &(0..120).collect::<Vec<_>>())
            .unwrap()
            .0;
        let (values, _) = symmetric_eigen(x.t().dot(&x));
        let seen = x.dot(&principal_axes(&x));
        for k in 0..2 {
            let variance = seen.column(k).dot(&seen.column(k));
            assert!(
                (variance - values[k]).abs() < 1e-9 * values[0],
                "{variance} {}",
                values[k]
            );
        }
        assert!(seen.column(0).dot(&seen.column(1)).abs() < 1e-7 * values[0]);
    }

    #[test]
    fn rows_without_two_directions_give_zeros_and_never_nan() {
        assert_eq!(principal_plane(Array2::zeros((0, 5)).view()).dim(), (0, 2));
        assert_eq!(
            principal_plane(Array2::zeros((3, 0)).view()),
            Array2::<f32>::zeros((3, 2))
        );
        assert_eq!(
            principal_plane(array![[3f32, 4.]].view()),
            array![[0f32, 0.]]
        );
        let constant = Array2::from_elem((7, 9), 0.1f32);
        assert_eq!(
            principal_plane(constant.view()),
            Array2::<f32>::zeros((7, 2))
        );
        assert_eq!(
            principal_plane(array![[1f32], [3.]].view()),
            array![[-1f32, 0.], [1., 0.]],
            "one column"
        );
        let line = principal_plane(Array2::from_shape_fn((9, 40), |(i, _)| i as f32).view());
        assert!(line.iter().all(|value| value.is_finite()));
        assert!(line.column(1).iter().all(|value| value.abs() < 1e-4));
        let huge = principal_plane(array![[3e38f32, 0.], [-3e38, 0.], [0., 1.]].view());
        assert!(huge.iter().all(|value| value.is_finite()));
    }

    #[test]
    fn a_row_with_nan_is_left_out_and_marked() {
        let with = principal_plane(array![[0f32, 0.], [f32::NAN, 1.], [4., 0.], [2., 1.]].view());
        let without = principal_plane(array![[0f32, 0.], [4., 0.], [2., 1.]].view());
        assert!(with.row(1).iter().all(|value| value.is_nan()));
        assert_eq!(with.select(Axis(0), &[0, 2, 3]), without);
    }

    #[test]
    fn wide_rows_take_the_path_without_a_covariance_to_the_same_plane() {
        let narrow = noise(40, 12, |j| 1.0 + j as f32);
        let mut wide = Array2::<f32>::zeros((40, WIDEST_COVARIANCE + 1));
        wide.slice_mut(s![.., ..12]).assign(&narrow);
        let (a, b) = (principal_plane(narrow.view()), principal_plane(wide.view()));
        assert!((&a - &b).iter().all(|gap| gap.abs() < 1e-4));
    }
}
