//! Losses over all pairs whose matrix is never held: values and exact gradients in memory that is linear in the batch.

mod operation;
mod pair_lists;
mod row_loss;
mod rows;
mod soft_max;
#[cfg(test)]
mod tests;

pub(crate) use operation::Found;
pub use row_loss::{RowLoss, row_loss};
pub(crate) use rows::{Labelled, Rows, Stream, stream, stream_with};
pub use rows::{RowPairs, Terms};
pub use soft_max::{LogSumExp, exp_in_range};
pub(crate) use soft_max::{log_one_plus, sigmoid, softplus};
