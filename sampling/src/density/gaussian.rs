//! Density by Gaussian kernels.

use std::f64::consts::PI;

use metric_core::Euclidean;
use ndarray::{ArrayView2, Axis};

use super::LogDensity;
use super::bandwidth::{RANGE, RANGE_IN_WORDS, likeliest};
use super::checks::{dimension, enough, finite, within};
use super::kernel::Kernel;
use crate::DensityError;

/// Gaussian kernel density (Parzen, *On Estimation of a Probability Density Function and Mode*, 1962,
/// <https://doi.org/10.1214/aoms/1177704472>).
///
/// ```text
/// log p(x) = log Σ_i exp(−‖x − x_i‖²/2h²) − log N − m log h − m/2 log 2π
/// ```
/// with a bandwidth `h > 0` for all directions. `m` is the ambient dimension unless another is given: with the intrinsic one
/// the kernels have mass one along a flat manifold of that dimension. For the rows of a set among themselves `i` runs over the
/// others, and `N` is one less than their number.
///
/// The sum is streamed with its largest term taken out: a row far from all others has a finite log density, about
/// `−d²/2h²`, until `d` is `10^18 h` and counts as that. `d` is taken in `f32` and the kernel to `2⁻²¹`, so that
/// the log density is off by about `10^−6 (1 + d²/h²)` with `d` the distance to the rows that count.
///
/// Cost: `O(n m dim)` time; memory for a copy of the bank and about 40 bytes a row. Rows among themselves take half the time.
///
/// # Examples
///
/// ```
/// use metric_sampling::density::{GaussianKernelDensity, LogDensity};
/// use ndarray::array;
/// let (queries, bank) = (array![[0.0f32]], array![[1.0], [-1.0]]);
/// let log_density = GaussianKernelDensity::new(1.0)?.log_density(queries.view(), bank.view())?;
/// // Both kernels have exp(−½)/√2π there.
/// assert!((log_density[0] - (-0.5 - 0.918_938_533)).abs() < 1e-6);
/// # Ok::<(), metric_sampling::DensityError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GaussianKernelDensity {
    bandwidth: f64,
    dimension: Option<f64>,
}

impl GaussianKernelDensity {
    /// Kernels with the standard deviation `bandwidth`, in units of the rows.
    ///
    /// # Errors
    ///
    /// [`DensityError::InvalidParam`] unless it is from `1e-37` to `1e37`.
    pub fn new(bandwidth: f64) -> Result<Self, DensityError> {
        Ok(Self {
            bandwidth: within("bandwidth", bandwidth, RANGE, RANGE_IN_WORDS)?,
            dimension: None,
        })
    }

    /// `m` in the place of the ambient dimension; the bandwidth stays. It need not be whole.
    ///
    /// # Errors
    ///
    /// [`DensityError::InvalidParam`] unless it is above 0.
    pub fn with_dimension(mut self, m: f64) -> Result<Self, DensityError> {
        self.dimension = Some(dimension(m)?);
        Ok(self)
    }

    /// The bandwidth by Scott's rule (*Multivariate Density Estimation*, 1992) for `n` rows in `m` dimensions, the ambient one if
    /// `None`.
    ///
    /// ```text
    /// h = σ n^(−1/(m + 4)),   σ² = Σ_c Var(x_c) / m
    /// ```
    /// Made for densities near a normal one: of clustered embeddings it smooths far too much, and
    /// [`leave_one_out`](Self::leave_one_out) does better. `scipy` scales by the whole covariance instead of `σ`, and
    /// scikit-learn's `bandwidth="scott"` not at all. Cost: `O(n dim)`.
    ///
    /// # Errors
    ///
    /// [`DensityError::Data`]; [`DensityError::TooFewRows`] for one; [`DensityError::NoSpread`] if all coincide.
    pub fn scott(rows: ArrayView2<'_, f32>, m: Option<f64>) -> Result<Self, DensityError> {
        finite("rows", rows)?;
        enough(2, rows.nrows())?;
        let (n, dim) = (rows.nrows() as f64, rows.ncols() as f64);
        let variances = rows.axis_iter(Axis(1)).map(|column| {
            let mean = column.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
            let squares = column.iter().map(|&x| (f64::from(x) - mean).powi(2));
            squares.sum::<f64>() / (n - 1.0)
        });
        let (variance, m) = (variances.sum::<f64>(), dimension(m.unwrap_or(dim))?);
        let deviation = (variance / m).sqrt();
        // The mean of equal numbers is off by rounding.
        if rows.outer_iter().all(|row| row == rows.row(0)) {
            return Err(DensityError::NoSpread { rows: rows.nrows() });
        }
        Self::new(deviation * n.powf(-1.0 / (m + 4.0)))?.with_dimension(m)
    }

    /// The bandwidth with the largest leave-one-out likelihood (Duin, *On the Choice of Smoothing Parameters for Parzen
    /// Estimators of Probability Density Functions*, 1976, <https://doi.org/10.1109/TC.1976.1674577>), in `m` dimensions, the
    /// ambient one if `None`.
    ///
    /// ```text
    /// h = argmax Σ_i log p_h(x_i | all x_j ≠ x_i)
    /// ```
    /// Deviates from the paper: rows that coincide with `x_i` are left out as it is, since with them the likelihood grows without
    /// end as `h` falls. Exact to about a thousandth of `h`, where the likelihood has one peak within the range searched: a
    /// factor of a thousand around a quarter of Scott's bandwidth, moved on up to six times if the peak is at its end.
    ///
    /// Cost: about four walks over all pairs with nine kernels each: take a sample of some thousand rows, since the bandwidth
    /// falls only with `n^(−1/(m + 4))`. Memory: a copy of the rows and 300 bytes a row.
    ///
    /// # Errors
    ///
    /// As [`scott`](Self::scott).
    pub fn leave_one_out(rows: ArrayView2<'_, f32>, m: Option<f64>) -> Result<Self, DensityError> {
        let start = Self::scott(rows, m)?;
        let m = start.dimension.unwrap_or(rows.ncols() as f64);
        let limits = (*RANGE.start(), *RANGE.end());
        let bandwidth = likeliest(&Euclidean, rows, start.bandwidth, limits, |h| -m * h.ln())?;
        Self::new(bandwidth)?.with_dimension(m)
    }

    /// The standard deviation of the kernels.
    pub fn bandwidth(&self) -> f64 {
        self.bandwidth
    }

    pub(super) fn kernel(&self, dim: usize) -> Kernel {
        let m = self.dimension.unwrap_or(dim as f64);
        Kernel {
            inverse: self.bandwidth.recip() as f32,
            log_peak: -m * (self.bandwidth.ln() + 0.5 * (2.0 * PI).ln()),
            of_directions: false,
        }
    }
}

impl LogDensity for GaussianKernelDensity {
    fn log_density_self(&self, rows: ArrayView2<'_, f32>) -> Result<Vec<f64>, DensityError> {
        self.kernel(rows.ncols()).log_density_self(rows)
    }

    fn log_density(
        &self,
        queries: ArrayView2<'_, f32>,
        bank: ArrayView2<'_, f32>,
    ) -> Result<Vec<f64>, DensityError> {
        self.kernel(bank.ncols()).log_density_of(queries, bank)
    }
}
