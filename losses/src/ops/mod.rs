//! Losses over all pairs whose matrix is never held: values and exact gradients in memory that is linear in the batch.

mod among_others;
mod both_ways;
mod bounds;
mod log_sum_exp_loss;
mod operation;
mod pair_lists;
mod row_loss;
mod row_pairs;
mod rows;
mod select_rows;
mod side;
mod soft_max;
mod stream;
mod sums_of_pairs;
#[cfg(test)]
mod tests;
mod two_parts;
mod within_groups;

pub(crate) use among_others::{
    AmongOthers, stream_against_negatives, stream_each_way, stream_pairs,
};
pub(crate) use both_ways::stream_both_ways;
pub(crate) use bounds::{Bounds, Tally};
pub(crate) use log_sum_exp_loss::{LogSumExpLoss, SeenRow};
pub(crate) use operation::Found;
pub(crate) use pair_lists::{PairLists, places_of_labels};
pub use row_loss::{RowLoss, row_loss};
pub use row_pairs::{RowPairs, Terms};
pub(crate) use row_pairs::{closest, farthest};
pub(crate) use rows::Rows;
pub(crate) use select_rows::select_rows;
pub use soft_max::{LogSumExp, exp_in_range};
pub(crate) use soft_max::{log_one_plus, sigmoid, softplus};
pub(crate) use stream::{Labelled, Stream, stream, stream_with};
pub(crate) use sums_of_pairs::SumsOfPairs;
pub(crate) use two_parts::{Parts, Shares};
pub(crate) use within_groups::distances_within_groups;
