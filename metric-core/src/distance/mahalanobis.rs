//! Mahalanobis distance.

use std::marker::PhantomData;
use std::ops::Range;

use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

use super::{Distance, Metric, same_length};
use crate::linear::factor::{cholesky, invert_lower};
use crate::linear::{Covariance, Estimator};
use crate::rows::Rows;
use crate::scalar::Sealed;
use crate::{Error, Scalar, lanes};

/// Mahalanobis distance: the Euclidean distance after a linear map `F` `[out, dim]`.
///
/// ```text
/// d(a, b) = √ (a − b)ᵀ P (a − b) = ‖F (a − b)‖,   P = Fᵀ F
/// ```
/// `P` is a precision matrix (inverse covariance), or what a learner of [`linear`](crate::linear) found. The factor is
/// held in `f64` and applied to the difference: nothing cancels for neighbours far from the origin, the square under
/// the root cannot be negative, and equal vectors are at 0 exactly.
///
/// A [`Metric`] if `F` has full column rank ([`is_full_rank`](Self::is_full_rank)), as it has from a precision or a
/// covariance. From a map that loses directions it is a pseudometric: vectors that differ only there are at 0 or at a
/// rounding error from it. The triangle inequality holds as for [`Euclidean`](crate::Euclidean), with the rounding
/// error of the map added, `n` the larger of `out` and `dim`:
/// ```text
/// d(a, c) ≤ (d(a, b) + d(b, c)) (1 + 8 ε) + (n² + 8) ε₆₄ ‖F‖ (‖a − b‖ + ‖b − c‖)
///         ≤ (d(a, b) + d(b, c)) (1 + 8 ε + (n² + 8) κ(F) ε₆₄)                      at full rank
/// ```
/// Cost: `out · dim` multiplications a pair, half of that for a triangular `F`.
///
/// # Examples
///
/// ```
/// use metric_core::{Distance, Mahalanobis};
/// use ndarray::array;
/// let precision = array![[4.0f32, 0.0], [0.0, 1.0]]; // the first axis counts double
/// let distance = Mahalanobis::from_precision(precision.view())?;
/// assert_eq!(distance.distance(&[1.0, 0.0], &[0.0, 0.0]), 2.0);
///
/// let map = array![[2.0f32, 0.0]]; // the second axis does not count at all
/// let distance = Mahalanobis::from_map(map.view())?;
/// assert!(!distance.is_full_rank());
/// assert_eq!(distance.distance(&[1.0, 7.0], &[0.0, 0.0]), 2.0);
/// # Ok::<(), metric_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Mahalanobis<T> {
    factor: Array2<f64>,
    /// Where each row of the factor is not zero.
    spans: Vec<Range<usize>>,
    scalar: PhantomData<T>,
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
        let lower = cholesky(symmetric("precision", precision)?.view())?;
        Self::from_factor(lower.reversed_axes())
    }

    /// The distance for a symmetric positive definite covariance `Σ`, without forming its inverse.
    ///
    /// ```text
    /// P = Σ⁻¹,   Σ = C Cᵀ,   F = C⁻¹
    /// ```
    /// Symmetry and pivots are judged as by [`from_precision`](Self::from_precision).
    ///
    /// # Errors
    ///
    /// Those of [`from_precision`](Self::from_precision), and [`Error::Overflow`].
    pub fn from_covariance(covariance: ArrayView2<'_, T>) -> Result<Self, Error> {
        let lower = cholesky(symmetric("covariance", covariance)?.view())?;
        Self::from_factor(invert_lower(&lower))
    }

    /// The distance for the covariance of `rows` `[n, dim]`.
    ///
    /// # Errors
    ///
    /// Those of [`Covariance::fit`]; [`Error::NotPositiveDefinite`] if the rows span too few directions for an
    /// estimator without shrinkage.
    ///
    /// # Examples
    ///
    /// ```
    /// use metric_core::linear::Estimator;
    /// use metric_core::{Distance, Mahalanobis};
    /// use ndarray::array;
    /// let rows = array![[2.0f64, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]];
    /// let distance = Mahalanobis::from_data(rows.view(), Estimator::Biased)?;
    /// // The variances are 2 and 1/2.
    /// assert!((distance.distance(&[1.0, 0.0], &[0.0, 0.0]) - 0.5f64.sqrt()).abs() < 1e-15);
    /// # Ok::<(), metric_core::Error>(())
    /// ```
    pub fn from_data(rows: ArrayView2<'_, T>, estimator: Estimator) -> Result<Self, Error> {
        Covariance::fit(rows, estimator)?.mahalanobis()
    }

    /// The distance after a linear map `[out, dim]` of any rank.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`] or [`Error::NonFinite`].
    pub fn from_map(map: ArrayView2<'_, T>) -> Result<Self, Error> {
        let rows = Rows::checked("map", map)?;
        Self::from_factor(Array2::from_shape_fn(map.dim(), |(i, j)| {
            rows.row(i)[j].to_f64()
        }))
    }

    /// The distance for `F` itself.
    pub(crate) fn from_factor(factor: Array2<f64>) -> Result<Self, Error> {
        if !factor.iter().all(|x| x.is_finite()) {
            return Err(Error::Overflow { what: "linear map" });
        }
        let factor = factor.as_standard_layout().into_owned();
        let spans = factor
            .rows()
            .into_iter()
            .map(|row| {
                let filled = |x: &f64| *x != 0.0;
                let first = row.iter().position(filled).unwrap_or(0);
                let last = row.iter().rposition(filled).map_or(0, |last| last + 1);
                first..last
            })
            .collect();
        Ok(Self {
            factor,
            spans,
            scalar: PhantomData,
        })
    }

    /// Length of the vectors it compares.
    pub fn dim(&self) -> usize {
        self.factor.ncols()
    }

    /// The map `F` `[out, dim]`.
    pub fn factor(&self) -> ArrayView2<'_, f64> {
        self.factor.view()
    }

    /// Do different vectors have a distance above zero? Then it is a metric, else a pseudometric.
    ///
    /// By the pivots of `Fᵀ F`, as [`from_precision`](Self::from_precision) judges them: false if a column of `F` lies
    /// within `√(dim ε₆₄)` of its length of the span of those before it. Cost: `(out + dim / 3) dim²`.
    pub fn is_full_rank(&self) -> bool {
        if self.factor.nrows() < self.dim() {
            return false;
        }
        let mut columns = self.factor.clone();
        for mut column in columns.columns_mut() {
            let largest = largest(column.iter());
            if largest == 0.0 {
                return false;
            }
            column /= largest;
        }
        cholesky(columns.t().dot(&columns).view()).is_ok()
    }

    /// The images `F (xᵢ − origin)` of rows in one slice, `[n, out]` in one vector.
    ///
    /// # Panics
    ///
    /// If `rows` is not made of rows of length [`dim`](Self::dim).
    pub(crate) fn map_rows_from(&self, rows: &[T], origin: &[f64]) -> Vec<f64> {
        let (out, dim) = self.factor.dim();
        assert_eq!(rows.len() % dim, 0, "rows must have the length of the map");
        let mut images = vec![0.0; rows.len() / dim * out];
        images
            .par_chunks_mut(out)
            .zip(rows.par_chunks(dim))
            .for_each_init(
                || vec![0.0; dim],
                |difference, (image, row)| {
                    for ((d, x), o) in difference.iter_mut().zip(row).zip(origin) {
                        *d = x.to_f64() - o;
                    }
                    for (image, y) in image.iter_mut().zip(self.apply(difference)) {
                        *image = y;
                    }
                    if !image.iter().all(|y| y.is_finite()) {
                        for ((d, x), o) in difference.iter_mut().zip(row).zip(origin) {
                            *d = x.to_f64() / 2.0 - o / 2.0;
                        }
                        let (unit, scale) = self.scaled(difference);
                        for (image, y) in image.iter_mut().zip(unit) {
                            *image = y * scale * 2.0;
                        }
                    }
                },
            );
        images
    }

    /// The images `F xᵢ` of rows in one slice, `[n, out]` in one vector.
    #[allow(dead_code, reason = "for engines that map rows once")]
    pub(crate) fn map_rows(&self, rows: &[T]) -> Vec<f64> {
        self.map_rows_from(rows, &vec![0.0; self.dim()])
    }

    /// `F difference`.
    fn apply<'s>(&'s self, difference: &'s [f64]) -> impl Iterator<Item = f64> + 's {
        let entries = self
            .factor
            .as_slice()
            .expect("the factor is in standard layout");
        let rows = entries.chunks_exact(self.dim()).zip(&self.spans);
        rows.map(|(row, span)| {
            lanes::sum(&row[span.clone()], &difference[span.clone()], |f, d| f * d)
        })
    }

    /// `F difference` as a vector of moderate size and the number it is to be multiplied with.
    fn scaled(&self, difference: &[f64]) -> (Vec<f64>, f64) {
        let (size, factor) = (largest(difference), largest(&self.factor));
        if size == 0.0 || factor == 0.0 {
            return (vec![0.0; self.factor.nrows()], 0.0);
        }
        let unit: Vec<f64> = difference.iter().map(|d| d / size).collect();
        let rows = self.factor.rows().into_iter();
        let image = rows.map(|row| row.iter().zip(&unit).map(|(f, d)| f / factor * d).sum());
        (image.collect(), size * factor)
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
            self.dim(),
            "vectors must have the length that the map takes"
        );
        let pairs = || a.iter().zip(b).map(|(x, y)| (x.to_f64(), y.to_f64()));
        let difference: Vec<f64> = pairs().map(|(x, y)| x - y).collect();
        let squares: f64 = self.apply(&difference).map(|y| y * y).sum();
        if squares >= f64::SAFE_SQUARES.0 && squares.is_finite() {
            return T::from_f64(squares.sqrt());
        }
        let (image, scale) = if difference.iter().all(|d| d.is_finite()) {
            self.scaled(&difference)
        } else {
            let halves: Vec<f64> = pairs().map(|(x, y)| x / 2.0 - y / 2.0).collect();
            let (image, scale) = self.scaled(&halves);
            (image, scale * 2.0)
        };
        let length = largest(&image);
        if length == 0.0 {
            return T::ZERO;
        }
        let squares: f64 = image.iter().map(|y| (y / length) * (y / length)).sum();
        T::from_f64(length * squares.sqrt() * scale)
    }
}

impl<T: Scalar> Metric<T> for Mahalanobis<T> {}

fn largest<'a>(values: impl IntoIterator<Item = &'a f64>) -> f64 {
    let sizes = values.into_iter().map(|x| x.abs());
    sizes.fold(0.0, f64::max)
}

/// A matrix with positive diagonal that is symmetric up to the rounding of `T`, made symmetric.
fn symmetric<T: Scalar>(
    what: &'static str,
    matrix: ArrayView2<'_, T>,
) -> Result<Array2<f64>, Error> {
    let (n, columns) = matrix.dim();
    let rows = Rows::checked(what, matrix)?;
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
    Ok(Array2::from_shape_fn((n, n), |(i, j)| {
        at(i, j) / 2.0 + at(j, i) / 2.0
    }))
}
