//! Density by the distance to the k-th neighbour.

use metric_core::{Euclidean, RowProgram, knn, knn_self, walk};
use ndarray::{ArrayView2, Axis};

use super::LogDensity;
use super::checks::{dimension, enough, neighbors};
use super::sphere::log_ball_volume;
use crate::DensityError;

/// k-nearest-neighbour density (Loftsgaarden and Quesenberry, *A Nonparametric Estimate of a Multivariate Density Function*,
/// 1965, <https://doi.org/10.1214/aoms/1177700079>).
///
/// ```text
/// log p(x) = log k − log N − log V_m − m log r_k(x)
/// ```
/// with `r_k(x)` the Euclidean distance to the `k`-th nearest of `N` rows and `V_m` the [volume of the unit
/// ball](log_ball_volume). `m` is the ambient dimension unless another is given, such as an estimated intrinsic one; for
/// unit rows it is at most one less than the ambient one. For the rows of a set among themselves a row is not its own
/// neighbour, and `N` is one less than their number.
///
/// Where the `k` nearest coincide with `x`, `r_k` is 0. There `k` grows until the ball reaches a row that does not
/// coincide: with `c` copies of `x` the density is that of `k = c + 1` and the least distance above 0. Copies so raise
/// the density, which stays finite.
///
/// Deviates from the paper: `k` where it has `k − 1`, as is usual since; ranks do not change. As an estimate of a density,
/// `k − 1` is unbiased for a uniform one.
///
/// Cost: one exact search, `O(n m dim)` time with a small constant; memory for a copy of the bank and codes of it, and about
/// `28 k` bytes a query. Rows whose radius is 0 are looked at once more.
///
/// # Examples
///
/// ```
/// use metric_sampling::density::{KnnDensity, LogDensity};
/// use ndarray::array;
/// let (queries, bank) = (array![[0.0f32, 0.0]], array![[3.0, 4.0], [6.0, 8.0]]);
/// let log_density = KnnDensity::new(2)?.log_density(queries.view(), bank.view())?;
/// // Two of two rows in a circle of radius 10.
/// assert!((log_density[0] + (std::f64::consts::PI * 100.0).ln()).abs() < 1e-12);
/// # Ok::<(), metric_sampling::DensityError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KnnDensity {
    k: usize,
    dimension: Option<f64>,
}

impl KnnDensity {
    /// By the `k`-th nearest neighbour, `k ≥ 1`. Larger is smoother: its standard deviation is about `1/√k` in the logarithm.
    ///
    /// # Errors
    ///
    /// [`DensityError::Data`] for 0.
    pub fn new(k: usize) -> Result<Self, DensityError> {
        Ok(Self {
            k: neighbors(k)?,
            dimension: None,
        })
    }

    /// `m` in the place of the ambient dimension. It need not be whole.
    ///
    /// # Errors
    ///
    /// [`DensityError::InvalidParam`] unless it is above 0.
    pub fn with_dimension(mut self, m: f64) -> Result<Self, DensityError> {
        self.dimension = Some(dimension(m)?);
        Ok(self)
    }

    /// Which neighbour.
    pub fn k(&self) -> usize {
        self.k
    }

    /// The log density for `k` rows of so many in a ball.
    fn of_ball(&self, k: usize, rows: usize, dim: usize, radius: f64) -> f64 {
        let m = self.dimension.unwrap_or(dim as f64);
        (k as f64).ln() - (rows as f64).ln() - log_ball_volume(m) - m * radius.ln()
    }

    /// Log densities by the distances to the `k`-th of so many rows; infinite where that is 0.
    pub(super) fn of_radii(&self, radii: &[f32], rows: usize, dim: usize) -> Vec<f64> {
        let radii = radii.iter().map(|&radius| f64::from(radius));
        radii
            .map(|radius| self.of_ball(self.k, rows, dim, radius))
            .collect()
    }

    /// Log densities of rows by their distances to at least `k` neighbours among themselves, nearest first.
    pub(super) fn of_neighbors(
        &self,
        distances: &ndarray::Array2<f32>,
        rows: ArrayView2<'_, f32>,
    ) -> Result<Vec<f64>, DensityError> {
        let radii = radii(distances, self.k, 1)?;
        let mut log_densities = self.of_radii(&radii, rows.nrows() - 1, rows.ncols());
        self.grow(&mut log_densities, rows, rows, true)?;
        Ok(log_densities)
    }

    /// Puts those of larger balls in the place of infinite ones. Each query is itself in the bank if `is_own`.
    pub(super) fn grow(
        &self,
        log_densities: &mut [f64],
        queries: ArrayView2<'_, f32>,
        bank: ArrayView2<'_, f32>,
        is_own: bool,
    ) -> Result<(), DensityError> {
        let (own, dim) = (usize::from(is_own), bank.ncols());
        let lost = (0..log_densities.len()).filter(|&i| !log_densities[i].is_finite());
        let lost: Vec<usize> = lost.collect();
        if lost.is_empty() {
            return Ok(());
        }
        let queries = queries.select(Axis(0), &lost);
        let shells = walk(&Euclidean, queries.view(), bank, &FirstShell)?;
        for (&i, shell) in lost.iter().zip(&shells) {
            if !shell.radius.is_finite() {
                return Err(DensityError::NoSpread { rows: bank.nrows() });
            }
            let (k, rows) = (shell.copies + 1 - own, bank.nrows() - own);
            log_densities[i] = self.of_ball(k, rows, dim, f64::from(shell.radius));
        }
        Ok(())
    }
}

impl LogDensity for KnnDensity {
    fn log_density_self(&self, rows: ArrayView2<'_, f32>) -> Result<Vec<f64>, DensityError> {
        let distances = knn_self(&Euclidean, rows, self.k)?.distances;
        self.of_neighbors(&distances, rows)
    }

    fn log_density(
        &self,
        queries: ArrayView2<'_, f32>,
        bank: ArrayView2<'_, f32>,
    ) -> Result<Vec<f64>, DensityError> {
        let radii = radii(
            &knn(&Euclidean, queries, bank, self.k)?.distances,
            self.k,
            0,
        )?;
        let mut log_densities = self.of_radii(&radii, bank.nrows(), bank.ncols());
        self.grow(&mut log_densities, queries, bank, false)?;
        Ok(log_densities)
    }
}

/// The last column of distances, which must be `k`; beside the `k`, so many rows are needed.
fn radii(
    distances: &ndarray::Array2<f32>,
    k: usize,
    beside: usize,
) -> Result<Vec<f32>, DensityError> {
    enough(k + beside, distances.ncols() + beside)?;
    Ok(distances.column(k - 1).to_vec())
}

/// How many rows coincide with one, and the least distance above 0.
struct FirstShell;

struct Shell {
    copies: usize,
    radius: f32,
}

impl RowProgram<f32> for FirstShell {
    type State = Shell;
    type Output = Shell;

    fn start(&self, _: usize) -> Shell {
        Shell {
            copies: 0,
            radius: f32::INFINITY,
        }
    }

    fn see(&self, shell: &mut Shell, _: usize, _: usize, distances: &[f32]) {
        for &distance in distances {
            if distance <= 0.0 {
                shell.copies += 1;
            } else if distance < shell.radius {
                shell.radius = distance;
            }
        }
    }

    fn finish(&self, _: usize, shell: Shell) -> Shell {
        shell
    }
}
