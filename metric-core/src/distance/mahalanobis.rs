//! Mahalanobis distance.

use std::marker::PhantomData;
use std::ops::Range;

use ndarray::{Array2, ArrayView2, ArrayViewMut2, s};
use rayon::prelude::*;

use super::form::{Kind, Linear, Map, Value};
use super::{Distance, Form, Law, Metric, check_columns, same_length};
use crate::linear::factor::{cholesky, invert_lower};
use crate::linear::{Covariance, Estimator};
use crate::rows::Rows;
use crate::scalar::Sealed;
use crate::tile::products;
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
    /// `‖F‖ ‖F⁻¹‖` in Frobenius norms, at least the condition of `F`; infinite if `F` loses directions or nearly so.
    condition: f64,
    /// `‖F‖`, Frobenius.
    size: f64,
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
            condition: condition(&factor),
            size: frobenius(&factor),
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
    fn law(&self) -> Law {
        if self.is_full_rank() {
            Law::Metric
        } else {
            Law::Pseudometric
        }
    }
    fn check(&self, row: &[T]) -> Result<(), Error> {
        check_columns(
            "mahalanobis",
            "as many columns as the linear map",
            self.dim(),
            row,
        )
    }
    fn form(&self) -> Form<'_, T> {
        Form(Kind::Chords(Map::Linear(self), Value::Chord))
    }
}

impl<T: Scalar> Metric<T> for Mahalanobis<T> {
    /// The bound above at full rank, with `‖F‖ ‖F⁻¹‖` in Frobenius norms for `κ(F)`; else infinite.
    fn triangle_slack(&self, dim: usize) -> (f64, f64) {
        let n = dim.max(self.factor.nrows()) as f64;
        let map = (n * n + 8.0) * self.condition * f64::EPSILON;
        (8.0 * T::EPSILON.to_f64() + map, 0.0)
    }
}

/// Rows of the factor that are multiplied at a time, over the columns where they are not zero.
const ROWS: usize = 64;

/// Beyond this condition, in units of that of the identity, the product in `T` would show its rounding.
const BENIGN: f64 = 16.0;

impl<T: Scalar> Mahalanobis<T> {
    fn is_benign(&self) -> bool {
        self.condition <= BENIGN * self.dim() as f64
    }

    fn image<A: Scalar>(&self, rows: ArrayView2<'_, A>, mut out: ArrayViewMut2<'_, A>) {
        for first in (0..self.factor.nrows()).step_by(ROWS) {
            let last = self.factor.nrows().min(first + ROWS);
            let spans = &self.spans[first..last];
            let start = spans.iter().map(|span| span.start).min().unwrap_or(0);
            let end = spans
                .iter()
                .map(|span| span.end)
                .max()
                .unwrap_or(0)
                .max(start);
            if start == end {
                out.slice_mut(s![.., first..last]).fill(A::ZERO);
                continue;
            }
            let factor = self
                .factor
                .slice(s![first..last, start..end])
                .mapv(A::from_f64);
            products(
                rows.slice(s![.., start..end]),
                factor.view(),
                out.slice_mut(s![.., first..last]),
            );
        }
    }
}

impl<T: Scalar> Linear<T> for Mahalanobis<T> {
    fn dim(&self) -> usize {
        self.factor.nrows()
    }

    fn apply(&self, rows: ArrayView2<'_, T>, mut out: ArrayViewMut2<'_, T>) {
        if self.is_benign() {
            self.image(rows, out);
        } else {
            let mut image = Array2::<f64>::zeros(out.dim());
            self.image(rows.mapv(|x| x.to_f64()).view(), image.view_mut());
            out.zip_mut_with(&image, |out, &x| *out = T::from_f64(x));
        }
    }

    fn error(&self) -> f64 {
        let terms = self.factor.ncols() as f64 + 4.0;
        let rounding = if self.is_benign() {
            terms * T::EPSILON.to_f64()
        } else {
            T::EPSILON.to_f64() + terms * f64::EPSILON
        };
        rounding * self.size
    }
}

fn frobenius(matrix: &Array2<f64>) -> f64 {
    let largest = largest(matrix);
    if largest == 0.0 {
        return 0.0;
    }
    matrix
        .iter()
        .map(|x| (x / largest).powi(2))
        .sum::<f64>()
        .sqrt()
        * largest
}

fn condition(factor: &Array2<f64>) -> f64 {
    if factor.nrows() < factor.ncols() {
        return f64::INFINITY;
    }
    let size = largest(factor);
    if size == 0.0 {
        return f64::INFINITY;
    }
    let unit = factor / size;
    match cholesky(unit.t().dot(&unit).view()) {
        Ok(lower) => frobenius(&lower) * frobenius(&invert_lower(&lower)),
        Err(_) => f64::INFINITY,
    }
}

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
