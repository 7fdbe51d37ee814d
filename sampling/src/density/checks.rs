//! What parameters and rows must be.

use std::ops::RangeInclusive;

use metric_core::Error;
use ndarray::{ArrayView1, ArrayView2};

use crate::DensityError;

/// A parameter that must lie in a range.
pub(super) fn within(
    name: &'static str,
    got: f64,
    range: RangeInclusive<f64>,
    expected: &'static str,
) -> Result<f64, DensityError> {
    if range.contains(&got) {
        Ok(got)
    } else {
        Err(DensityError::InvalidParam {
            name,
            expected,
            got,
        })
    }
}

/// A dimension to take the place of the ambient one.
pub(super) fn dimension(got: f64) -> Result<f64, DensityError> {
    within(
        "dimension",
        got,
        f64::MIN_POSITIVE..=f64::from(u32::MAX),
        "above 0 and below 2^32",
    )
}

/// A number of neighbours.
pub(super) fn neighbors(k: usize) -> Result<usize, DensityError> {
    if k == 0 {
        return Err(Error::ZeroNeighbors.into());
    }
    Ok(k)
}

/// At least so many rows?
pub(super) fn enough(needed: usize, rows: usize) -> Result<(), DensityError> {
    if rows < needed {
        return Err(DensityError::TooFewRows { needed, rows });
    }
    Ok(())
}

/// Rows that exist and are finite.
pub(super) fn finite(what: &'static str, rows: ArrayView2<'_, f32>) -> Result<(), DensityError> {
    if rows.is_empty() {
        return Err(Error::Empty { what }.into());
    }
    match rows.indexed_iter().find(|(_, value)| !value.is_finite()) {
        Some(((row, column), _)) => Err(Error::NonFinite { what, row, column }.into()),
        None => Ok(()),
    }
}

/// Rows that have a direction, in at least two dimensions.
pub(super) fn directed(what: &'static str, rows: ArrayView2<'_, f32>) -> Result<(), DensityError> {
    finite(what, rows)?;
    let is_zero = |row: ArrayView1<'_, f32>| row.iter().all(|&value| value.abs() <= 0.0);
    if let Some(row) = rows.outer_iter().position(is_zero) {
        return Err(Error::ZeroRow { what, row }.into());
    }
    within(
        "dim",
        rows.ncols() as f64,
        2.0..=f64::INFINITY,
        "at least 2 for unit rows",
    )?;
    Ok(())
}

/// The lengths of rows with a direction, whatever their size.
pub(super) fn norm(row: ArrayView1<'_, f32>) -> f64 {
    let squares = row.iter().map(|&value| f64::from(value).powi(2));
    squares.sum::<f64>().sqrt()
}
