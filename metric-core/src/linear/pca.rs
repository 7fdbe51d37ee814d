//! Principal components.

use ndarray::{ArrayView2, Axis, s};

use super::LinearMap;
use super::centred::Centred;
use super::covariance::{Estimator, Moments, spanned};
use super::factor::eigen;
use crate::{Error, Scalar};

/// Principal component analysis (Pearson, *On lines and planes of closest fit to systems of points in space*, 1901).
///
/// ```text
/// Σ = Vᵀ Λ V,   λ₁ ≥ λ₂ ≥ …
/// f(x) = V₁..ₖ (x − m)                  variances λ₁ … λₖ
/// f(x) = Λ₁..ₖ^(−1/2) V₁..ₖ (x − m)     whitened: variances 1
/// ```
/// `Σ` is the unbiased covariance. A direction counts as spanned if its variance is above `max(n, dim) ε λ₁`. The entry
/// of largest size in each direction is positive. Cost: `n dim² + 9 dim³`.
///
/// # Examples
///
/// ```
/// use metric_core::linear::Pca;
/// use ndarray::array;
/// let rows = array![[0.0f64, 0.0], [1.0, 1.0], [2.0, 2.0]];
/// let map = Pca::components(1).fit(rows.view())?;
/// let images = map.transform(rows.view())?;
/// assert!((images[[2, 0]] - 2.0f64.sqrt()).abs() < 1e-15);
/// # Ok::<(), metric_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pca {
    keep: Keep,
    whiten: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Keep {
    Count(usize),
    Variance(f64),
}

impl Pca {
    /// Keeps the first `k` components.
    pub fn components(k: usize) -> Self {
        Self {
            keep: Keep::Count(k),
            whiten: false,
        }
    }

    /// Keeps the fewest components that hold this share of the variance; 1 keeps every direction that the rows span.
    pub fn variance(share: f64) -> Self {
        Self {
            keep: Keep::Variance(share),
            whiten: false,
        }
    }

    /// Divides each component by its standard deviation? Default: no.
    #[must_use]
    pub fn whiten(self, whiten: bool) -> Self {
        Self { whiten, ..self }
    }

    /// Learns from `rows` `[n, dim]`.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`], [`Error::NonFinite`], [`Error::InvalidParam`] for no components, a share outside `(0, 1]` or a
    /// single row, and [`Error::Rank`] if the rows span fewer directions than asked for.
    pub fn fit<T: Scalar>(&self, rows: ArrayView2<'_, T>) -> Result<LinearMap<T>, Error> {
        let Centred { rows, mean, scale } = Centred::new(rows)?;
        let (values, vectors) = eigen(Moments::new(&rows, 1, Estimator::Unbiased)?.matrix.view())?;
        let rank = spanned(&values, rows.nrows().max(rows.ncols())).min(rows.nrows() - 1);
        let k = match self.keep {
            Keep::Count(0) => {
                return Err(Error::InvalidParam {
                    name: "components",
                    expected: "at least 1",
                    got: 0.0,
                });
            }
            Keep::Count(k) => k,
            Keep::Variance(share) if share > 0.0 && share <= 1.0 => {
                let all: f64 = values.iter().take(rank).sum();
                let mut held = 0.0;
                let enough = values.iter().take(rank).position(|value| {
                    held += value;
                    held >= share * all
                });
                enough.map_or(rank.max(1), |last| last + 1)
            }
            Keep::Variance(share) => {
                return Err(Error::InvalidParam {
                    name: "share of the variance",
                    expected: "above 0 and at most 1",
                    got: share,
                });
            }
        };
        if k > rank {
            return Err(Error::Rank { needed: k, rank });
        }
        let mut matrix = vectors.slice(s![..k, ..]).to_owned();
        if self.whiten {
            matrix /= &values.slice(s![..k]).mapv(f64::sqrt).insert_axis(Axis(1));
            return LinearMap::scaled(matrix, mean, scale);
        }
        LinearMap::scaled(matrix, mean, 1.0)
    }
}
