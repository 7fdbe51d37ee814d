//! `laws:<distance>`: how well the matrix of all pairs keeps the laws for rows far from the origin.

use metric_core::{Distance, pairwise};
use ndarray::{Array2, Axis};
use serde::Serialize;

use super::distances::{self, NAMES, Use, named};
use super::{Settings, SpeedError, data};

/// Where the rows lie, in every coordinate.
const OFFSET: f32 = 1e4;

/// What goes wrong in a matrix of all pairs of rows near `1e4`, each spread by 1.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Laws {
    /// `laws:<distance>`.
    pub op: String,
    /// Rows.
    pub n: usize,
    /// Numbers in a row.
    pub dim: usize,
    /// Largest `d(x, x)`.
    pub self_distance: f64,
    /// Largest `|d(x, y) − d(y, x)|`.
    pub asymmetry: f64,
    /// Largest `|d − d₆₄| / d₆₄` over pairs of different rows, `d₆₄` the distance of the same rows in `f64`, one pair at a time.
    pub worst_relative_error: f64,
}

pub(super) fn names() -> impl Iterator<Item = String> {
    NAMES.iter().map(|name| format!("laws:{name}"))
}

/// The laws of the distance in `op`, as `laws:euclidean`.
///
/// # Errors
/// [`SpeedError`] for an unknown name or parameter, or if the distance refuses the rows.
pub fn laws(op: &str, settings: &Settings) -> Result<Laws, SpeedError> {
    let name = op.strip_prefix("laws:").unwrap_or(op);
    let Some(name) = NAMES.iter().copied().find(|&known| known == name) else {
        return Err(SpeedError::UnknownOp {
            got: op.into(),
            known: names().collect::<Vec<_>>().join(", "),
        });
    };
    settings.check_params(op, distances::params(name))?;
    settings.check_matrix(settings.n)?;
    let rows = data::rows(settings, settings.n, 1)? + OFFSET;
    let found = named(name, settings, Matrix(&rows))??;
    let reference = reference(name, settings, &rows)?;
    let (mut self_distance, mut asymmetry, mut worst) = (0.0f64, 0.0f64, 0.0f64);
    for ((i, j), &got) in found.indexed_iter() {
        let (got, back) = (f64::from(got), f64::from(found[[j, i]]));
        if i == j {
            self_distance = worse(self_distance, got);
        } else {
            let want = reference[[i, j]];
            asymmetry = worse(asymmetry, (got - back).abs());
            worst = worse(worst, (got - want).abs() / want);
        }
    }
    Ok(Laws {
        op: format!("laws:{name}"),
        n: settings.n,
        dim: settings.dim,
        self_distance,
        asymmetry,
        worst_relative_error: worst,
    })
}

struct Matrix<'r>(&'r Array2<f32>);

impl Use for Matrix<'_> {
    type Output = Result<Array2<f32>, SpeedError>;
    fn with<D: Distance<f32> + 'static>(self, distance: D) -> Self::Output {
        pairwise(&distance, self.0.view(), self.0.view()).map_err(SpeedError::refused("pairwise"))
    }
}

/// The larger, and NaN if there is one.
fn worse(worst: f64, found: f64) -> f64 {
    if found <= worst { worst } else { found }
}

/// The definition, pair by pair in `f64`, each in a form that does not cancel.
fn reference(
    name: &str,
    settings: &Settings,
    rows: &Array2<f32>,
) -> Result<Array2<f64>, SpeedError> {
    let rows = rows.mapv(f64::from);
    let p = settings.number("p", 3.0)?;
    let precision = if name == "mahalanobis" {
        data::precision(settings.dim).mapv(f64::from)
    } else {
        Array2::zeros((0, 0))
    };
    let norms = rows.map_axis(Axis(1), |row| row.dot(&row).sqrt());
    let pair = |i: usize, j: usize| {
        let difference = &rows.row(i) - &rows.row(j);
        // Of unit vectors: 1 − cos is half its square, and the angle twice the arc sine of its half.
        let chord = || {
            let difference = &rows.row(i) / norms[i] - &rows.row(j) / norms[j];
            difference.dot(&difference).sqrt()
        };
        let sum = |p: f64| difference.iter().map(|d| d.abs().powf(p)).sum::<f64>();
        match name {
            "squared_euclidean" => difference.dot(&difference),
            "manhattan" => sum(1.0),
            "chebyshev" => difference.iter().fold(0.0, |most, d| d.abs().max(most)),
            "minkowski" => sum(p).powf(1.0 / p),
            "cosine" => chord().powi(2) / 2.0,
            "angular" => 2.0 * (chord() / 2.0).asin(),
            "mahalanobis" => difference.dot(&precision.dot(&difference)).sqrt(),
            "euclidean" => difference.dot(&difference).sqrt(),
            _ => f64::NAN,
        }
    };
    let n = rows.nrows();
    Ok(Array2::from_shape_fn((n, n), |(i, j)| pair(i, j)))
}
