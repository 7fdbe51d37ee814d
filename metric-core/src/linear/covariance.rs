//! Mean and covariance of rows, and the maps that make it the identity.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, s};
use rayon::prelude::*;

use super::LinearMap;
use super::centred::Centred;
use super::factor::{cholesky, eigen, invert_lower};
use crate::{Error, Mahalanobis, Scalar};

/// How a covariance is estimated from `n` rows around their mean, of second moment `S = Σ xᵢ xᵢᵀ / n`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub enum Estimator {
    /// `S`, the maximum of a normal distribution's likelihood.
    Biased,
    /// `S n / (n − 1)`.
    #[default]
    Unbiased,
    /// `(1 − ρ) S + ρ μ I`, `μ = tr S / dim`, with the given `ρ` in `[0, 1]`.
    Shrunk(f64),
    /// `(1 − ρ) S + ρ μ I` with the `ρ` that the data ask for (Ledoit & Wolf, *A well-conditioned estimator for
    /// large-dimensional covariance matrices*, 2004, section 3.2, eq. 14).
    ///
    /// ```text
    /// ρ  = min(b², d²) / d²
    /// d² = ‖S − μ I‖² / dim
    /// b² = (Σ ‖xᵢ‖⁴ / n − ‖S‖²) / (n dim)
    /// ```
    /// Deviates from the paper, which takes the mean as known: rows are moved to theirs. `ρ = 0` where `d² = 0`.
    LedoitWolf,
}

/// Which map makes a covariance `Σ` the identity.
///
/// All of them give the same distance; they differ by a rotation (Kessy, Lewin & Strimmer, *Optimal whitening and
/// decorrelation*, 2018, <https://arxiv.org/abs/1512.00809>, table 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Whitening {
    /// `W = Σ^(−1/2)`, symmetric: images stay as near to their rows as they can.
    Zca,
    /// `W = Λ^(−1/2) V` for `Σ = Vᵀ Λ V`: directions of falling variance.
    Pca,
    /// `W = C⁻¹` for `Σ = C Cᵀ`, lower triangular. The paper factors `Σ⁻¹` instead; here no inverse is formed.
    Cholesky,
}

/// Mean and covariance of a set of rows.
///
/// Held divided by a power of two, so that no square of the data overflows. Cost of the fit: `n dim²`.
///
/// # Examples
///
/// ```
/// use metric_core::linear::{Covariance, Estimator};
/// use ndarray::array;
/// let rows = array![[1.0f32, 0.0], [3.0, 0.0], [1.0, 4.0], [3.0, 4.0]];
/// let covariance = Covariance::fit(rows.view(), Estimator::Biased)?;
/// assert_eq!(covariance.mean(), array![2.0, 2.0]);
/// assert_eq!(covariance.matrix(), array![[1.0, 0.0], [0.0, 4.0]]);
/// # Ok::<(), metric_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Covariance {
    mean: Array1<f64>,
    moments: Moments,
    scale: f64,
}

impl Covariance {
    /// Mean and covariance of `rows` `[n, dim]`.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`], [`Error::NonFinite`], or [`Error::InvalidParam`] for a `ρ` outside `[0, 1]` or a single row
    /// with [`Estimator::Unbiased`].
    pub fn fit<T: Scalar>(rows: ArrayView2<'_, T>, estimator: Estimator) -> Result<Self, Error> {
        let Centred { rows, mean, scale } = Centred::new(rows)?;
        let moments = Moments::new(&rows, 1, estimator)?;
        Ok(Self {
            mean,
            moments,
            scale,
        })
    }

    /// The mean, `[dim]`.
    pub fn mean(&self) -> ArrayView1<'_, f64> {
        self.mean.view()
    }

    /// The covariance, `[dim, dim]`; infinite where it is beyond the range of `f64`.
    pub fn matrix(&self) -> Array2<f64> {
        let entry = |x: f64| x * self.scale * self.scale;
        self.moments.matrix.mapv(entry)
    }

    /// The share `ρ` of the identity in it.
    pub fn shrinkage(&self) -> f64 {
        self.moments.shrinkage
    }

    /// Its Mahalanobis distance.
    ///
    /// # Errors
    ///
    /// [`Error::Rank`] if there were too few rows for an estimator without shrinkage,
    /// [`Error::NotPositiveDefinite`] naming a column that depends on those before it, or [`Error::Overflow`].
    pub fn mahalanobis<T: Scalar>(&self) -> Result<Mahalanobis<T>, Error> {
        self.whitening(Whitening::Cholesky).map(|map| map.metric())
    }

    /// A map after which the covariance is the identity.
    ///
    /// # Errors
    ///
    /// As [`mahalanobis`](Self::mahalanobis) for [`Whitening::Cholesky`]. The others need eigenvalues above `dim ε` of
    /// the largest, else [`Error::Rank`]: columns of very different units are for [`Whitening::Cholesky`].
    pub fn whitening<T: Scalar>(&self, whitening: Whitening) -> Result<LinearMap<T>, Error> {
        let matrix = self.moments.whitening(whitening)?;
        LinearMap::scaled(matrix, self.mean.clone(), self.scale)
    }
}

/// The covariance of rows that are around the means of their groups already.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Moments {
    pub(super) matrix: Array2<f64>,
    shrinkage: f64,
    /// The rows span no more directions than this.
    rank: usize,
}

impl Moments {
    pub(super) fn new(
        rows: &Array2<f64>,
        groups: usize,
        estimator: Estimator,
    ) -> Result<Self, Error> {
        let (count, dim) = rows.dim();
        let n = count as f64;
        let mut matrix = second_moment(rows);
        let size = matrix.diag().sum() / dim as f64;
        let shrinkage = match estimator {
            Estimator::Biased => 0.0,
            Estimator::Unbiased if count > groups => {
                matrix *= n / (count - groups) as f64;
                0.0
            }
            Estimator::Unbiased => {
                return Err(Error::InvalidParam {
                    name: "number of rows",
                    expected: "above the number of means taken from them",
                    got: n,
                });
            }
            Estimator::Shrunk(share) if (0.0..=1.0).contains(&share) => share,
            Estimator::Shrunk(share) => {
                return Err(Error::InvalidParam {
                    name: "shrinkage",
                    expected: "between 0 and 1",
                    got: share,
                });
            }
            Estimator::LedoitWolf => ledoit_wolf(rows, &matrix, size),
        };
        if shrinkage > 0.0 {
            matrix *= 1.0 - shrinkage;
            matrix.diag_mut().mapv_inplace(|x| x + shrinkage * size);
        }
        let rank = if shrinkage > 0.0 {
            dim
        } else {
            dim.min(count.saturating_sub(groups))
        };
        Ok(Self {
            matrix,
            shrinkage,
            rank,
        })
    }

    pub(super) fn whitening(&self, whitening: Whitening) -> Result<Array2<f64>, Error> {
        let dim = self.matrix.nrows();
        if self.rank < dim {
            return Err(Error::Rank {
                needed: dim,
                rank: self.rank,
            });
        }
        if whitening == Whitening::Cholesky {
            return cholesky(self.matrix.view()).map(|lower| invert_lower(&lower));
        }
        let (values, vectors) = eigen(self.matrix.view())?;
        let rank = spanned(&values, dim);
        if rank < dim {
            return Err(Error::Rank { needed: dim, rank });
        }
        let scaled = &vectors / &values.mapv(f64::sqrt).insert_axis(ndarray::Axis(1));
        Ok(if whitening == Whitening::Pca {
            scaled
        } else {
            vectors.t().dot(&scaled)
        })
    }
}

/// How many of these falling eigenvalues are above `size ε` of the first.
pub(super) fn spanned(values: &Array1<f64>, size: usize) -> usize {
    let least = size as f64 * f64::EPSILON * values[0];
    values.iter().take_while(|&&x| x > least.max(0.0)).count()
}

/// `Σ xᵢ xᵢᵀ / n`.
fn second_moment(rows: &Array2<f64>) -> Array2<f64> {
    const STRIP: usize = 64;
    let (n, dim) = rows.dim();
    let mut matrix = Array2::zeros((dim, dim));
    let entries = matrix
        .as_slice_mut()
        .expect("a fresh array is in standard layout");
    entries
        .par_chunks_mut(STRIP * dim)
        .enumerate()
        .for_each(|(strip, entries)| {
            let first = strip * STRIP;
            let columns = rows.slice(s![.., first..dim.min(first + STRIP)]);
            let products = columns.t().dot(rows);
            for (entry, product) in entries.iter_mut().zip(&products) {
                *entry = product / n as f64;
            }
        });
    for i in 0..dim {
        for j in 0..i {
            matrix[[j, i]] = matrix[[i, j]];
        }
    }
    matrix
}

fn ledoit_wolf(rows: &Array2<f64>, moment: &Array2<f64>, size: f64) -> f64 {
    let (n, dim) = (rows.nrows() as f64, rows.ncols() as f64);
    let norm: f64 = moment.iter().map(|x| x * x).sum();
    let fourth: f64 = rows
        .rows()
        .into_iter()
        .map(|row| row.iter().map(|x| x * x).sum::<f64>().powi(2))
        .sum();
    let squares = moment.indexed_iter().map(|((i, j), x)| {
        let target = if i == j { size } else { 0.0 };
        (x - target) * (x - target)
    });
    let distance = squares.sum::<f64>() / dim;
    let noise = ((fourth / n - norm) / (n * dim)).max(0.0);
    if noise > 0.0 && distance > 0.0 {
        noise.min(distance) / distance
    } else {
        0.0
    }
}
