//! Mahalanobis distance.

use ndarray::ArrayView2;

use super::{Distance, Law, Metric, check_columns, same_length};
use crate::rows::Rows;
use crate::scalar::Sealed;
use crate::{Error, Scalar, lanes};

/// Mahalanobis distance for a precision matrix (inverse covariance) `P`.
///
/// ```text
/// d(a, b) = √ (a − b)ᵀ P (a − b) = ‖Lᵀ (a − b)‖,   P = L Lᵀ
/// ```
/// A [`Metric`], since `P` is positive definite. The factor is applied to the difference, in `f64`: nothing
/// cancels for neighbours far from the origin, the square under the root cannot be negative, and equal vectors
/// are at 0 exactly. The triangle inequality holds as for [`Euclidean`](crate::Euclidean), with the condition of
/// `L` as a further factor on an `f64` rounding error:
/// ```text
/// d(a, c) ≤ (d(a, b) + d(b, c)) (1 + 8 ε + (n² + 8) κ(L) ε₆₄)
/// ```
/// Cost: `dim²/2` multiplications a pair.
///
/// # Examples
///
/// ```
/// use metric_core::{Distance, Mahalanobis};
/// use ndarray::array;
/// let precision = array![[4.0f32, 0.0], [0.0, 1.0]]; // the first axis counts double
/// let distance = Mahalanobis::from_precision(precision.view())?;
/// assert_eq!(distance.distance(&[1.0, 0.0], &[0.0, 0.0]), 2.0);
/// # Ok::<(), metric_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Mahalanobis<T> {
    /// Column `j` of `L` from its diagonal entry down, one after another.
    factor: Vec<f64>,
    dim: usize,
    scalar: std::marker::PhantomData<T>,
}

impl<T: Scalar> Mahalanobis<T> {
    /// The distance for a symmetric positive definite matrix.
    ///
    /// Entries across the diagonal may differ by `√ε · √(pᵢᵢ pⱼⱼ)`, as computed inverses do; their mean is used.
    /// A pivot of Cholesky's factorisation counts as zero below `n ε₆₄ pᵢᵢ`.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`], [`Error::NonFinite`], [`Error::NotSquare`], [`Error::NotSymmetric`] or
    /// [`Error::NotPositiveDefinite`], naming the place.
    pub fn from_precision(precision: ArrayView2<'_, T>) -> Result<Self, Error> {
        let (n, columns) = precision.dim();
        let rows = Rows::checked("precision", precision)?;
        if n != columns {
            return Err(Error::NotSquare { rows: n, columns });
        }
        let at = |i: usize, j: usize| rows.row(i)[j].to_f64();
        if let Some(index) = (0..n).find(|&i| at(i, i) <= 0.0) {
            return Err(Error::NotPositiveDefinite { index });
        }
        let tolerance = T::EPSILON.to_f64().sqrt();
        for row in 0..n {
            for column in 0..row {
                let size = at(row, row).sqrt() * at(column, column).sqrt();
                if (at(row, column) - at(column, row)).abs() > tolerance * size {
                    return Err(Error::NotSymmetric { row, column });
                }
            }
        }
        let factor = cholesky(n, |i, j| at(i, j) / 2.0 + at(j, i) / 2.0)?;
        Ok(Self {
            factor,
            dim: n,
            scalar: std::marker::PhantomData,
        })
    }

    /// Length of the vectors it compares.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// `‖L‖ ‖L⁻¹‖` in Frobenius norms, at least the condition of `L`.
    fn condition(&self) -> f64 {
        let columns: Vec<&[f64]> = (0..self.dim)
            .scan(self.factor.as_slice(), |rest, j| {
                let (column, after) = rest.split_at(self.dim - j);
                *rest = after;
                Some(column)
            })
            .collect();
        let largest = largest(&self.factor);
        let factor: f64 = self.factor.iter().map(|x| (x / largest).powi(2)).sum();
        let mut inverse = 0.0;
        for unit in 0..self.dim {
            // Forward substitution of a unit vector gives a column of the inverse.
            let mut rest = vec![0.0; self.dim];
            rest[unit] = largest;
            for j in unit..self.dim {
                let x = rest[j] / columns[j][0];
                inverse += x * x;
                for (rest, l) in rest[j..].iter_mut().zip(columns[j]) {
                    *rest -= l * x;
                }
            }
        }
        (factor * inverse).sqrt()
    }

    /// The entries of `Lᵀ difference`.
    fn apply<'s>(&'s self, difference: &'s [f64]) -> impl Iterator<Item = f64> + 's {
        let mut rest = self.factor.as_slice();
        (0..self.dim).map(move |j| {
            let (column, after) = rest.split_at(self.dim - j);
            rest = after;
            lanes::sum(column, &difference[j..], |l, d| l * d)
        })
    }
}

impl<T: Scalar> Distance<T> for Mahalanobis<T> {
    /// # Panics
    ///
    /// If a slice's length is not [`dim`](Self::dim).
    fn distance(&self, a: &[T], b: &[T]) -> T {
        same_length(a, b);
        assert_eq!(
            a.len(),
            self.dim,
            "vectors must have the length of the precision matrix"
        );
        let mut difference: Vec<f64> = a
            .iter()
            .zip(b)
            .map(|(x, y)| x.to_f64() - y.to_f64())
            .collect();
        let squares: f64 = self.apply(&difference).map(|y| y * y).sum();
        if squares >= f64::SAFE_SQUARES.0 && squares.is_finite() {
            return T::from_f64(squares.sqrt());
        }
        let scale = largest(&difference);
        if scale == 0.0 || !scale.is_finite() {
            return T::from_f64(scale);
        }
        difference.iter_mut().for_each(|d| *d /= scale);
        let image: Vec<f64> = self.apply(&difference).collect();
        let length = largest(&image);
        let squares: f64 = image.iter().map(|y| (y / length) * (y / length)).sum();
        T::from_f64(length * squares.sqrt() * scale)
    }
    fn law(&self) -> Law {
        Law::Metric
    }
    fn check(&self, row: &[T]) -> Result<(), Error> {
        check_columns(
            "mahalanobis",
            "as many columns as the precision matrix",
            self.dim,
            row,
        )
    }
}

impl<T: Scalar> Metric<T> for Mahalanobis<T> {
    /// The bound above, with `‖L‖ ‖L⁻¹‖` in Frobenius norms for `κ(L)`. Cost: `O(dim³)`.
    fn triangle_slack(&self, dim: usize) -> (f64, f64) {
        let n = dim as f64;
        let map = (n * n + 8.0) * self.condition() * f64::EPSILON;
        (8.0 * T::EPSILON.to_f64() + map, 0.0)
    }
}

fn largest(values: &[f64]) -> f64 {
    values
        .iter()
        .fold(0.0, |largest, x| f64::max(largest, x.abs()))
}

/// `L` of `P = L Lᵀ`, by columns from the diagonal down.
fn cholesky(n: usize, entry: impl Fn(usize, usize) -> f64) -> Result<Vec<f64>, Error> {
    let mut lower = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            let (row_i, row_j) = (&lower[i * n..][..j], &lower[j * n..][..j]);
            let rest = entry(i, j) - lanes::sum(row_i, row_j, |x, y| x * y);
            lower[i * n + j] = if i != j {
                rest / lower[j * n + j]
            } else if rest > n as f64 * f64::EPSILON * entry(i, i) {
                rest.sqrt()
            } else {
                return Err(Error::NotPositiveDefinite { index: i });
            };
        }
    }
    Ok((0..n)
        .flat_map(|j| (j..n).map(move |i| (i, j)))
        .map(|(i, j)| lower[i * n + j])
        .collect())
}
