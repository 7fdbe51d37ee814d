use metric_core::{Error, RowProgram, SquaredEuclidean, linear::Pca, walk_self};
use ndarray::{Array1, Array2, ArrayView2, Axis};

/// How far features fill their space.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Spread {
    /// Mean standard deviation of the columns of the rows brought to length one, times `√dim`: 1 if they point everywhere
    /// alike, 0 if all point the same way (Chen and He, *Exploring simple Siamese representation learning*, CVPR 2021,
    /// <https://arxiv.org/abs/2011.10566>, section 4.1, who have it without the factor).
    pub deviation: f64,
    /// Number of directions the rows use: `exp(−Σ pₖ log pₖ)` with `pₖ` the share of the `k`-th singular value of the centred
    /// rows of length one (Roy and Vetterli, *The effective rank*, EUSIPCO 2007; for features Garrido et al., *`RankMe`*, ICML
    /// 2023, <https://arxiv.org/abs/2210.02885>, who do not centre). From 1 to `dim`; 0 if all rows point the same way.
    pub effective_rank: f64,
    /// Length of a row.
    pub dim: usize,
}

impl Spread {
    /// Of `rows` `[n, dim]`; a row of zeros points nowhere and stays as it is. `O(n dim² + dim³)` time, with `n` and `dim`
    /// in each other's place where there are fewer rows than columns.
    ///
    /// # Errors
    /// [`Error::Empty`], and [`Error::NonFinite`] naming the entry.
    pub fn of(rows: ArrayView2<'_, f32>) -> Result<Self, Error> {
        let unit = unit_rows(rows)?;
        let (n, dim) = unit.dim();
        let mean = unit.sum_axis(Axis(0)) / n as f64;
        let variances = unit
            .rows()
            .into_iter()
            .fold(vec![0.0; dim], |mut sums, row| {
                for ((sum, x), mean) in sums.iter_mut().zip(row).zip(&mean) {
                    *sum += (x - mean) * (x - mean) / n as f64;
                }
                sums
            });
        let deviation = variances
            .iter()
            .map(|variance| variance.sqrt())
            .sum::<f64>();
        Ok(Self {
            deviation: deviation / (dim as f64).sqrt(),
            effective_rank: effective_rank(&unit, &mean, variances.iter().sum()),
            dim,
        })
    }
}

/// Of unit rows with this mean, whose columns have this variance together.
fn effective_rank(unit: &Array2<f64>, mean: &Array1<f64>, variance: f64) -> f64 {
    // Unit rows that differ by rounding alone.
    if variance <= 1e-12 {
        return 0.0;
    }
    let centred = unit - mean;
    let (n, dim) = centred.dim();
    // Of few long rows the products say the same: their singular values are the squares, their columns have mean 0 too.
    let squared = n < dim;
    let rows = if squared {
        centred.dot(&centred.t())
    } else {
        centred
    };
    let components = Pca::variance(1.0)
        .fit(rows.view())
        .and_then(|map| map.transform(rows.view()));
    let Ok(components) = components else {
        return 0.0;
    };
    // The norm of a component is a singular value.
    let values: Vec<f64> = components
        .columns()
        .into_iter()
        .map(|column| column.iter().map(|x| x * x).sum::<f64>().sqrt())
        .map(|value| if squared { value.sqrt() } else { value })
        .collect();
    let sum: f64 = values.iter().sum();
    let shares = values
        .iter()
        .map(|value| value / sum)
        .filter(|&share| share > 0.0);
    shares.map(|share| -share * share.ln()).sum::<f64>().exp()
}

/// Mean squared distance of two views of the same things, brought to length one (Wang and Isola, *Understanding contrastive
/// representation learning through alignment and uniformity on the hypersphere*, ICML 2020,
/// <https://arxiv.org/abs/2005.10242>, section 4.2, with `α = 2`): 0 if they agree, 2 if they know nothing of each other.
///
/// # Errors
/// [`Error::RowCount`], [`Error::DimMismatch`], [`Error::Empty`], [`Error::NonFinite`].
pub fn alignment(first: ArrayView2<'_, f32>, second: ArrayView2<'_, f32>) -> Result<f64, Error> {
    if first.nrows() != second.nrows() {
        return Err(Error::RowCount {
            left: first.nrows(),
            right: second.nrows(),
        });
    }
    if first.ncols() != second.ncols() {
        return Err(Error::DimMismatch {
            left: first.ncols(),
            right: second.ncols(),
        });
    }
    let difference = unit_rows(first)? - unit_rows(second)?;
    Ok(difference.iter().map(|x| x * x).sum::<f64>() / first.nrows() as f64)
}

/// `log mean exp(−2 ‖xᵢ − xⱼ‖²)` over all pairs of different rows, brought to length one (Wang and Isola, as
/// [`alignment`], with `t = 2`): 0 if all point the same way, about −4 if they are spread evenly in many dimensions.
///
/// `O(n² dim)` time, `O(n dim)` memory. Of a single row it is 0.
///
/// # Errors
/// [`Error::Empty`], [`Error::NonFinite`].
pub fn uniformity(rows: ArrayView2<'_, f32>) -> Result<f64, Error> {
    let unit = unit_rows(rows)?;
    let n = unit.nrows();
    if n < 2 {
        return Ok(0.0);
    }
    let sums = walk_self(&SquaredEuclidean, unit.view(), &Potential)?;
    let pairs = (n * (n - 1)) as f64;
    Ok((sums.iter().sum::<f64>() / pairs).ln())
}

/// `Σ exp(−2 d)` of a row to the others.
struct Potential;

impl RowProgram<f64> for Potential {
    type State = f64;
    type Output = f64;

    fn start(&self, _row: usize) -> f64 {
        0.0
    }

    fn see(&self, sum: &mut f64, row: usize, first: usize, distances: &[f64]) {
        for (column, &distance) in (first..).zip(distances) {
            if column != row {
                *sum += (-2.0 * distance).exp();
            }
        }
    }

    fn finish(&self, _row: usize, sum: f64) -> f64 {
        sum
    }
}

/// Rows divided by their length, in `f64`.
fn unit_rows(rows: ArrayView2<'_, f32>) -> Result<Array2<f64>, Error> {
    if rows.is_empty() {
        return Err(Error::Empty { what: "rows" });
    }
    if let Some(((row, column), _)) = rows.indexed_iter().find(|(_, x)| !x.is_finite()) {
        let what = "rows";
        return Err(Error::NonFinite { what, row, column });
    }
    let mut unit = rows.mapv(f64::from);
    for mut row in unit.rows_mut() {
        let norm = row.iter().map(|x| x * x).sum::<f64>().sqrt();
        if norm > 0.0 {
            row /= norm;
        }
    }
    Ok(unit)
}
