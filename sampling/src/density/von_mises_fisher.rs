//! Density on the sphere by von Mises-Fisher kernels.

use metric_core::Chord;
use ndarray::{Array1, ArrayView2};

use super::LogDensity;
use super::bandwidth::likeliest;
use super::checks::{directed, enough, norm, within};
use super::kernel::Kernel;
use super::sphere::{log_mean_exp, log_sphere_area};
use crate::DensityError;

/// The most a concentration may be.
const MOST: f64 = 1e12;

/// Log of the constant that makes the von Mises-Fisher density in `n ≥ 2` dimensions one (Banerjee et al., *Clustering on the
/// Unit Hypersphere using von Mises-Fisher Distributions*, 2005, <https://jmlr.org/papers/v6/banerjee05a.html>).
///
/// ```text
/// p(x) = C_n(κ) exp(κ μ·x)
/// log C_n(κ) = (n/2 − 1) log κ − n/2 log 2π − log I_(n/2−1)(κ)
/// ```
/// At `κ = 0` it is minus the log area of the sphere. Computed without a power or a Bessel function that could leave the range;
/// for `n` up to 4,096 and `κ` up to `10^4` off by less than `10^−10`, of values up to about `10^4`.
///
/// # Panics
///
/// If `n < 2`, or `κ` is negative or not finite.
///
/// # Examples
///
/// ```
/// use metric_sampling::density::log_von_mises_fisher_constant;
/// // In three dimensions it is κ / (4π sinh κ).
/// let want = (2.0 / (4.0 * std::f64::consts::PI * 2.0f64.sinh())).ln();
/// assert!((log_von_mises_fisher_constant(3, 2.0) - want).abs() < 1e-14);
/// ```
pub fn log_von_mises_fisher_constant(n: usize, kappa: f64) -> f64 {
    assert!(
        n >= 2 && kappa >= 0.0 && kappa.is_finite(),
        "a von Mises-Fisher density needs n >= 2 and a finite kappa >= 0, got {n} and {kappa}"
    );
    log_peak(n, kappa) - kappa
}

/// Log density at the centre: `log C_n(κ) + κ`, which has no `κ` left to lose digits to.
fn log_peak(n: usize, kappa: f64) -> f64 {
    -log_sphere_area(n) - log_mean_exp(n, kappa)
}

/// The concentration of one von Mises-Fisher density for all rows, by Banerjee's approximation of the likeliest one (Banerjee
/// et al., 2005, <https://jmlr.org/papers/v6/banerjee05a.html>, eq. 4.4).
///
/// ```text
/// κ ≈ r (n − r²) / (1 − r²),   r = ‖Σ x_i‖ / N
/// ```
/// of rows `[N, n]` divided by their norms. Within a few percent of the likeliest one. Cost: `O(N n)`.
///
/// # Errors
///
/// [`DensityError::Data`] if the rows are empty, not finite, or one is zero; [`DensityError::InvalidParam`] in one dimension;
/// [`DensityError::NoSpread`] if all directions coincide.
pub fn von_mises_fisher_concentration(rows: ArrayView2<'_, f32>) -> Result<f64, DensityError> {
    directed("rows", rows)?;
    let mut sum = Array1::<f64>::zeros(rows.ncols());
    for row in rows.outer_iter() {
        let norm = norm(row);
        sum.zip_mut_with(&row, |sum, &x| *sum += f64::from(x) / norm);
    }
    let n = rows.ncols() as f64;
    let r = sum.dot(&sum).sqrt() / rows.nrows() as f64;
    let rest = (1.0 - r) * (1.0 + r);
    // Norms and sums in `f64` of coordinates in `f32`: directions nearer than this are one.
    if rest < (rows.nrows() + rows.ncols()) as f64 * f64::EPSILON {
        return Err(DensityError::NoSpread { rows: rows.nrows() });
    }
    Ok(r * (n - r * r) / rest)
}

/// Von Mises-Fisher kernel density of unit rows (Hall, Watson and Cabrera, *Kernel Density Estimation with Spherical
/// Data*, 1987, <https://doi.org/10.1093/biomet/74.4.751>).
///
/// ```text
/// log p(x) = log C_n(κ) + log Σ_i exp(κ x·x_i) − log N
/// ```
/// with the concentration `κ ≥ 0` and [`C_n`](log_von_mises_fisher_constant). Rows are divided by their norms first. The
/// denominator of `InfoNCE` at temperature `T` is this sum with `κ = 1/T`. For the rows of a set among themselves `i` runs over
/// the others, and `N` is one less than their number.
///
/// Computed as a Gaussian kernel of the chord, `exp(κ (x·x_i − 1)) = exp(−κ ‖x − x_i‖²/2)`, whose small distances keep their
/// digits; otherwise as [`GaussianKernelDensity`](super::GaussianKernelDensity) with `h = 1/√κ`, cost and precision included, save
/// that the unit rows are another copy.
///
/// # Examples
///
/// ```
/// use metric_sampling::density::{LogDensity, VonMisesFisherKernelDensity, log_sphere_area};
/// use ndarray::array;
/// let rows = array![[1.0f32, 0.0, 0.0], [0.0, 2.0, 0.0]];
/// // Without concentration every kernel is uniform.
/// let log_density = VonMisesFisherKernelDensity::new(0.0)?.log_density_self(rows.view())?;
/// assert_eq!(log_density, [-log_sphere_area(3); 2]);
/// # Ok::<(), metric_sampling::DensityError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VonMisesFisherKernelDensity {
    kappa: f64,
}

impl VonMisesFisherKernelDensity {
    /// Kernels with the concentration `kappa`.
    ///
    /// # Errors
    ///
    /// [`DensityError::InvalidParam`] unless it is from 0 to `1e12`.
    pub fn new(kappa: f64) -> Result<Self, DensityError> {
        Ok(Self {
            kappa: within("kappa", kappa, 0.0..=MOST, "from 0 to 1e12")?,
        })
    }

    /// The concentration with the largest leave-one-out likelihood, from `10^−4` to `10^12`.
    ///
    /// ```text
    /// κ = argmax Σ_i log p_κ(x_i | all x_j ≠ x_i)
    /// ```
    /// The search starts at [Banerjee's](von_mises_fisher_concentration) for one density over all rows, below which that of a
    /// kernel hardly is; otherwise as
    /// [`GaussianKernelDensity::leave_one_out`](super::GaussianKernelDensity::leave_one_out), cost included.
    ///
    /// # Errors
    ///
    /// As [`von_mises_fisher_concentration`], and [`DensityError::TooFewRows`] for one row.
    pub fn leave_one_out(rows: ArrayView2<'_, f32>) -> Result<Self, DensityError> {
        directed("rows", rows)?;
        enough(2, rows.nrows())?;
        let start = von_mises_fisher_concentration(rows)?.clamp(1.0, 1e8);
        let n = rows.ncols();
        let log_peak = |h: f64| log_peak(n, (h * h).recip());
        // In bandwidths 1/√κ.
        let bandwidth = likeliest(&Chord, rows, start.sqrt().recip(), (1e-6, 1e2), log_peak)?;
        Self::new((bandwidth * bandwidth).recip().min(MOST))
    }

    /// The concentration of the kernels.
    pub fn kappa(&self) -> f64 {
        self.kappa
    }

    /// For rows of so many numbers, which [`Kernel::check`] has seen are at least two.
    pub(super) fn kernel(&self, dim: usize) -> Kernel {
        Kernel {
            inverse: self.kappa.sqrt() as f32,
            log_peak: log_peak(dim.max(2), self.kappa),
            of_directions: true,
        }
    }
}

impl LogDensity for VonMisesFisherKernelDensity {
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
