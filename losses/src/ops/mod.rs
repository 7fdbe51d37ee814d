//! Losses over all pairs whose matrix is never held: values and exact gradients in memory that is linear in the batch.

mod attach;
mod log_sum_exp;
mod row_loss;

pub(crate) use attach::attach;
pub use log_sum_exp::LogSumExp;
pub(crate) use row_loss::stream;
pub use row_loss::{RowLoss, Terms, row_loss};
