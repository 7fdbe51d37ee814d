//! Better positives: what else is of the same kind as a row.
//!
//! | to get | use | because |
//! |---|---|---|
//! | another example in the place of a view, without labels | [`NearestPositives`] | the nearest in a queue differs in more than an augmentation can change |
//! | a positive for every row of a class, with labels | [`ClassPrototypes`] | the mean of a class is there even if the batch holds one example of it |
//! | the same without labels | [`PrototypeClustering`], [`ClusterPrototypes`] | clusters, coarse and fine, stand in for classes |
//! | prototypes beside the examples of a batch or a memory | [`SupportedReference`] | one reference set for any miner or loss that takes one |
//! | negatives that should not be pushed apart | [`FalseNegatives`] | what is like other views of the anchor is left out, or attracted |
//!
//! Prototypes are steadier than examples and cost one row a class; they blur a class of several kinds, for which clusters are the
//! better choice. Neighbours and false negatives are right as far as the embedding is: start them once it has learned something.
//!
//! Nothing here holds a matrix of all pairs. Results are the same bits for any number of threads. Prototypes can be stored, so
//! that a run goes on as if it had not stopped.

mod class_prototypes;
mod cluster_prototypes;
mod clustering;
mod false_negatives;
mod nearest;
mod supported;

pub use class_prototypes::ClassPrototypes;
pub use cluster_prototypes::{ClusterPrototypes, Granularity, SelectedPrototypes};
pub use clustering::PrototypeClustering;
pub use false_negatives::{FalseNegatives, SupportScore};
pub use nearest::{BankPositives, NearestPositives};
pub use supported::SupportedReference;

use metric_core::Error;
use ndarray::{ArrayView1, ArrayView2};

use crate::PrototypeError;

/// Means of directions that are shorter have none: rows are rounded to `f32`, which moves each direction, and so their mean, by up
/// to half of this.
const SHORTEST: f64 = f32::EPSILON as f64;

/// Rows that lie one after another.
fn as_rows(data: &[f32], dim: usize) -> ArrayView2<'_, f32> {
    ArrayView2::from_shape((data.len() / dim, dim), data).expect("whole rows, as was checked")
}

fn finite(what: &'static str, rows: ArrayView2<'_, f32>) -> Result<(), Error> {
    match rows.indexed_iter().find(|(_, value)| !value.is_finite()) {
        Some(((row, column), _)) => Err(Error::NonFinite { what, row, column }),
        None => Ok(()),
    }
}

/// Rows that exist and are finite.
fn checked_rows(what: &'static str, rows: ArrayView2<'_, f32>) -> Result<(), Error> {
    if rows.is_empty() {
        return Err(Error::Empty { what });
    }
    finite(what, rows)
}

/// Two dimensions that must be one.
fn matches(left: usize, right: usize) -> Result<(), Error> {
    if left == right {
        Ok(())
    } else {
        Err(Error::DimMismatch { left, right })
    }
}

/// The length of a row; its square fits in `f64`, whatever the row.
fn length(row: ArrayView1<'_, f32>) -> f64 {
    let squares = row.iter().map(|&x| f64::from(x) * f64::from(x));
    squares.sum::<f64>().sqrt()
}

/// A part of stored prototypes must have the right number.
fn parts(
    prototypes: usize,
    part: &'static str,
    needed: usize,
    got: usize,
) -> Result<(), PrototypeError> {
    if needed == got {
        return Ok(());
    }
    Err(PrototypeError::Parts {
        prototypes,
        part,
        needed,
        got,
    })
}

/// Stored prototypes must have length 1, up to the rounding of their numbers.
fn on_sphere(rows: ArrayView2<'_, f32>) -> Result<(), PrototypeError> {
    for (place, row) in rows.outer_iter().enumerate() {
        let length = length(row);
        if (length - 1.0).abs() > 1e-6 {
            return Err(PrototypeError::NotUnit { place, length });
        }
    }
    Ok(())
}

fn at_least_one(name: &'static str, count: usize) -> Result<usize, PrototypeError> {
    if count > 0 {
        return Ok(count);
    }
    Err(PrototypeError::InvalidParam {
        name,
        expected: "at least 1",
        got: 0.0,
    })
}
