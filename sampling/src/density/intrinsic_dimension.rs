//! In how many dimensions the rows lie.

use metric_core::{Euclidean, knn_self};
use ndarray::{Array2, ArrayView1, ArrayView2, Axis, linalg::general_mat_mul};

use super::checks::{directed, enough, norm, within};
use crate::DensityError;

/// Rows whose products are added at a time.
const ROWS: usize = 512;

/// How local estimates of the dimension become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DimensionAverage {
    /// The inverse of the mean of the inverses, the likeliest dimension of all rows together: MacKay and Ghahramani, *Comments on
    /// "Maximum Likelihood Estimation of Intrinsic Dimension"*, 2005, <https://www.inference.org.uk/mackay/dimension/>.
    #[default]
    Inverse,
    /// The mean, as Levina and Bickel have it: too large by about `m/k`.
    Mean,
}

/// The dimension around each of `rows` `[n, dim]` by its `k` nearest neighbours (Levina and Bickel, *Maximum Likelihood Estimation
/// of Intrinsic Dimension*, 2004,
/// <https://proceedings.neurips.cc/paper/2004/hash/74934548253bcab8490ebd74afed7031-Abstract.html>, eq. 8).
///
/// ```text
/// m(x) = [1/(k − 1) Σ_{j<k} log(r_k(x) / r_j(x))]⁻¹
/// ```
/// with Euclidean distances `r_1 ≤ … ≤ r_k` to other rows; `k` is at least 3, and 10 to 20 in practice. The standard
/// deviation of an estimate is about `m/√k`: average, or take `k` large.
///
/// Neighbours that coincide with `x` are not counted, and lower `k` for it. A row without two different distances above 0 among
/// its neighbours has the dimension of all of them, by [`DimensionAverage::Inverse`].
///
/// Cost: one exact search; memory about `28 k` bytes a row.
///
/// # Errors
///
/// [`DensityError::Data`] if the rows are empty or not finite; [`DensityError::InvalidParam`] if `k < 3`;
/// [`DensityError::TooFewRows`] unless there are more than `k`; [`DensityError::NoSpread`] if no row has two different distances
/// above 0 among its neighbours.
pub fn local_dimensions(rows: ArrayView2<'_, f32>, k: usize) -> Result<Vec<f64>, DensityError> {
    let ratios = log_ratios(rows, k)?;
    let together = inverse_mean(&ratios).ok_or(DensityError::NoSpread { rows: rows.nrows() })?;
    let local = ratios
        .iter()
        .map(|ratios| ratios.dimension().unwrap_or(together));
    Ok(local.collect())
}

/// The dimension that `rows` `[n, dim]` lie in, by the `k` nearest neighbours of each: an average of [`local_dimensions`] of the rows
/// that have one.
///
/// ```text
/// m = [mean_x 1/m(x)]⁻¹   or   mean_x m(x)
/// ```
/// # Errors
///
/// As [`local_dimensions`].
///
/// # Examples
///
/// ```
/// use metric_sampling::density::{DimensionAverage, maximum_likelihood_dimension};
/// // Points of a line, far from a corner of the space.
/// let rows = ndarray::Array2::from_shape_fn((500, 3), |(i, j)| (i * (j + 1)) as f32 + 100.0);
/// let m = maximum_likelihood_dimension(rows.view(), 20, DimensionAverage::Inverse)?;
/// assert!((m - 1.0).abs() < 0.3);
/// # Ok::<(), metric_sampling::DensityError>(())
/// ```
pub fn maximum_likelihood_dimension(
    rows: ArrayView2<'_, f32>,
    k: usize,
    average: DimensionAverage,
) -> Result<f64, DensityError> {
    let ratios = log_ratios(rows, k)?;
    let found = match average {
        DimensionAverage::Inverse => inverse_mean(&ratios),
        DimensionAverage::Mean => {
            let local: Vec<f64> = ratios.iter().filter_map(LogRatios::dimension).collect();
            (!local.is_empty()).then(|| local.iter().sum::<f64>() / local.len() as f64)
        }
    };
    found.ok_or(DensityError::NoSpread { rows: rows.nrows() })
}

/// The dimension by the ratio of the two nearest distances (Facco et al., *Estimating the intrinsic dimension of datasets by a
/// minimal neighborhood information*, 2017, <https://doi.org/10.1038/s41598-017-11873-y>).
///
/// ```text
/// μ_i = r_2(x_i)/r_1(x_i),   P(μ > u) = u^(−m)
/// m = q / [Σ_{i≤q} log μ_(i) + (N − q) log μ_(q)],   q = ⌈(1 − discard) N⌉
/// ```
/// over the ratios in ascending order, of which the share `discard`, `0 ≤ discard < 1`, at the top is only known to be beyond
/// the last one kept: `0.1` in the paper, against outliers. Without it, `m = N / Σ log μ`. The standard deviation of the
/// estimate is about `m/√q`.
///
/// Deviates from the paper: this is the likeliest `m` of the same law, where the paper fits a line to its logarithm. Rows that
/// coincide with another have no ratio and are left out.
///
/// Cost: one exact search for two neighbours.
///
/// # Errors
///
/// [`DensityError::Data`] if the rows are empty or not finite; [`DensityError::InvalidParam`]; [`DensityError::TooFewRows`] for fewer than
/// three; [`DensityError::NoSpread`] if no ratio is above 1.
///
/// # Examples
///
/// ```
/// use metric_sampling::density::two_nn_dimension;
/// use ndarray::array;
/// let rows = array![[0.0f32], [1.0], [3.0]];
/// // The ratios are 3, 2 and 3/2.
/// let m = two_nn_dimension(rows.view(), 0.0)?;
/// assert!((m - 3.0 / 9f64.ln()).abs() < 1e-6);
/// # Ok::<(), metric_sampling::DensityError>(())
/// ```
pub fn two_nn_dimension(rows: ArrayView2<'_, f32>, discard: f64) -> Result<f64, DensityError> {
    within(
        "discard",
        discard,
        0.0..=1.0 - f64::EPSILON,
        "at least 0 and below 1",
    )?;
    let distances = knn_self(&Euclidean, rows, 2)?.distances;
    enough(3, rows.nrows())?;
    let mut logs: Vec<f64> = distances
        .outer_iter()
        .filter(|r| r[0] > 0.0)
        .map(|r| f64::from(r[1]).ln() - f64::from(r[0]).ln())
        .collect();
    logs.sort_by(f64::total_cmp);
    let kept = ((1.0 - discard) * logs.len() as f64).ceil() as usize;
    let (kept, beyond) = logs.split_at(kept.min(logs.len()));
    let last = kept.last().copied().unwrap_or(0.0);
    let sum = kept.iter().sum::<f64>() + beyond.len() as f64 * last;
    if sum > 0.0 {
        Ok(kept.len() as f64 / sum)
    } else {
        Err(DensityError::NoSpread { rows: rows.nrows() })
    }
}

/// The dimension `m` in which uniform directions have cosines that vary as much.
///
/// ```text
/// m = 1 / Var(s_ij),   s_ij = x_i·x_j / (‖x_i‖ ‖x_j‖),   i ≠ j
/// ```
/// Uniform points of the sphere in `m` dimensions have cosines with mean 0 and variance `1/m`. Global, and robust: what a sampler needs
/// that corrects the density of distances on the sphere. Rows are divided by their norms first.
///
/// Cost: `O(n dim min(n, dim))`, since the sums of cosines and of their squares are those of the rows and of their Gram matrix; memory
/// `min(n, dim)²` numbers.
///
/// # Errors
///
/// [`DensityError::Data`] if the rows are empty, not finite, or one is zero; [`DensityError::InvalidParam`] in one dimension;
/// [`DensityError::TooFewRows`] for fewer than three; [`DensityError::NoSpread`] if all cosines are equal.
///
/// # Examples
///
/// ```
/// use metric_sampling::density::sphere_dimension;
/// use ndarray::array;
/// // Cosines 0, 0, 1, −1, 0, 0 have the variance 1/3.
/// let rows = array![[2.0f32, 0.0], [0.0, 1.0], [0.0, 1.0], [-1.0, 0.0]];
/// assert!((sphere_dimension(rows.view())? - 3.0).abs() < 1e-12);
/// # Ok::<(), metric_sampling::DensityError>(())
/// ```
pub fn sphere_dimension(rows: ArrayView2<'_, f32>) -> Result<f64, DensityError> {
    directed("rows", rows)?;
    enough(3, rows.nrows())?;
    let (n, dim) = rows.dim();
    let unit = |rows: ArrayView2<'_, f32>| {
        let mut unit = rows.mapv(f64::from);
        for (mut row, of) in unit.outer_iter_mut().zip(rows.outer_iter()) {
            row /= norm(of);
        }
        unit
    };
    let mut sum = ndarray::Array1::<f64>::zeros(dim);
    let mut gram = Array2::<f64>::zeros((n.min(dim), n.min(dim)));
    if n < dim {
        let unit = unit(rows);
        sum += &unit.sum_axis(Axis(0));
        gram = unit.dot(&unit.t());
    } else {
        for rows in rows.axis_chunks_iter(Axis(0), ROWS) {
            let unit = unit(rows);
            sum += &unit.sum_axis(Axis(0));
            general_mat_mul(1.0, &unit.t(), &unit, 1.0, &mut gram);
        }
    }
    // Over all pairs, of which n are of a row with itself and have the cosine 1.
    let (n, all) = (n as f64, (n * n) as f64);
    let squares: f64 = gram.iter().map(|s| s * s).sum();
    let pairs = all - n;
    let mean = (sum.dot(&sum) - n) / pairs;
    let variance = (squares - n) / pairs - mean * mean;
    // The rounding of the sums, which are of all pairs.
    if variance > 8.0 * (n + dim as f64) * f64::EPSILON {
        Ok(variance.recip())
    } else {
        Err(DensityError::NoSpread { rows: rows.nrows() })
    }
}

/// `Σ_{j<k} log(r_k/r_j)` and the number of its terms.
struct LogRatios {
    sum: f64,
    terms: usize,
}

impl LogRatios {
    fn of(distances: ArrayView1<'_, f32>) -> Self {
        let logs = distances
            .iter()
            .filter(|&&r| r > 0.0)
            .map(|&r| f64::from(r).ln());
        let logs: Vec<f64> = logs.collect();
        let last = logs.last().copied().unwrap_or(0.0);
        Self {
            sum: logs.iter().map(|log| last - log).sum(),
            terms: logs.len().saturating_sub(1),
        }
    }

    fn dimension(&self) -> Option<f64> {
        (self.sum > 0.0).then(|| self.terms as f64 / self.sum)
    }
}

fn log_ratios(rows: ArrayView2<'_, f32>, k: usize) -> Result<Vec<LogRatios>, DensityError> {
    within("k", k as f64, 3.0..=f64::INFINITY, "at least 3")?;
    let distances = knn_self(&Euclidean, rows, k)?.distances;
    enough(k + 1, rows.nrows())?;
    Ok(distances.outer_iter().map(LogRatios::of).collect())
}

/// The likeliest dimension of rows with these distances to their neighbours, nearest first.
pub(super) fn likeliest_dimension(distances: &ndarray::Array2<f32>) -> Option<f64> {
    let ratios: Vec<LogRatios> = distances.outer_iter().map(LogRatios::of).collect();
    inverse_mean(&ratios)
}

/// The likeliest dimension of all together.
fn inverse_mean(ratios: &[LogRatios]) -> Option<f64> {
    let sum: f64 = ratios.iter().map(|ratios| ratios.sum).sum();
    let terms: usize = ratios.iter().map(|ratios| ratios.terms).sum();
    (sum > 0.0).then(|| terms as f64 / sum)
}
