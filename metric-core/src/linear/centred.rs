//! Rows in the form that every learner reads: in `f64`, around their mean, of size about 1.

use std::collections::BTreeMap;

use ndarray::{Array1, Array2, ArrayView2};

use super::factor::power_of_two_of;
use crate::rows::Rows;
use crate::{Error, Scalar};

/// `rows = (x − mean) / scale`, entries below 2 in size; a constant column is zero exactly.
pub(super) struct Centred {
    pub(super) rows: Array2<f64>,
    pub(super) mean: Array1<f64>,
    /// A power of two.
    pub(super) scale: f64,
}

impl Centred {
    pub(super) fn new<T: Scalar>(view: ArrayView2<'_, T>) -> Result<Self, Error> {
        let checked = Rows::checked("rows", view)?;
        let mut rows = Array2::from_shape_fn(view.dim(), |(i, j)| checked.row(i)[j].to_f64());
        // Room above, so that neither differences nor the product of both scales overflow.
        let before = shrink(&mut rows, 2.0f64.powi(1000));
        let all = vec![0; rows.nrows()];
        let mean = move_to_means(&mut rows, &all, 1)
            .row(0)
            .mapv(|m| m * before);
        let scale = before * shrink(&mut rows, f64::INFINITY);
        Ok(Self { rows, mean, scale })
    }
}

/// Divides by the power of two at the largest entry, but at most by `limit`, and returns it.
pub(super) fn shrink(rows: &mut Array2<f64>, limit: f64) -> f64 {
    let largest = rows.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
    let scale = power_of_two_of(largest).min(limit);
    rows.mapv_inplace(|x| x / scale);
    scale
}

/// Subtracts from each row the mean of its group, and returns the means `[groups, dim]`.
///
/// Sums run over differences to the group's first row: a column that is constant in a group becomes zero exactly.
pub(super) fn move_to_means(
    rows: &mut Array2<f64>,
    group_of: &[usize],
    groups: usize,
) -> Array2<f64> {
    let mut first = vec![None; groups];
    let mut means = Array2::<f64>::zeros((groups, rows.ncols()));
    let mut counts = vec![0.0; groups];
    for (i, &group) in group_of.iter().enumerate() {
        let first = *first[group].get_or_insert(i);
        counts[group] += 1.0;
        let mut sum = means.row_mut(group);
        sum += &rows.row(i);
        sum -= &rows.row(first);
    }
    for (group, first) in first.iter().enumerate() {
        if let Some(first) = *first {
            let mut mean = means.row_mut(group);
            mean /= counts[group];
            mean += &rows.row(first);
        }
    }
    for (i, &group) in group_of.iter().enumerate() {
        let mut row = rows.row_mut(i);
        row -= &means.row(group);
    }
    means
}

/// Labels as numbers from 0, in order of the labels, and how many there are.
///
/// # Errors
///
/// [`Error::LabelCount`] or [`Error::OneClass`].
pub(super) fn classes(labels: &[u32], rows: usize) -> Result<(Vec<usize>, usize), Error> {
    if labels.len() != rows {
        return Err(Error::LabelCount {
            rows,
            labels: labels.len(),
        });
    }
    let mut number: BTreeMap<u32, usize> = labels.iter().map(|&label| (label, 0)).collect();
    for (at, number) in number.values_mut().enumerate() {
        *number = at;
    }
    if number.len() < 2 {
        return Err(Error::OneClass);
    }
    let classes = labels.iter().map(|label| number[label]).collect();
    Ok((classes, number.len()))
}
