//! The tile engine: all pairs of two sets of rows, block by block.
//!
//! A [`Form`](crate::Form) says how a distance may be computed over a block; [`side`] prepares each set of rows for it
//! once; [`blocks`] computes blocks with the kernels, [`finish`] turns their sums into values and notes where rounding
//! could show, so that the distance itself is asked there; the
//! walks hand blocks to programs in a fixed order.

mod blocks;
mod finish;
mod gather;
mod program;
mod scatter;
pub(crate) mod side;

use std::ops::Range;

pub(crate) use blocks::{Blocks, products};
pub use gather::{Gathered, gather, gather_ends, gather_self};
pub use program::{RowProgram, walk, walk_both, walk_self};
pub(crate) use program::{meet, walk_half, walk_rows};
pub use scatter::{Scattered, each_row, scatter, scatter_groups};

/// Consecutive ranges of at most `size` that cover `range`.
pub(crate) fn chunks(range: Range<usize>, size: usize) -> impl Iterator<Item = Range<usize>> {
    range
        .clone()
        .step_by(size)
        .map(move |first| first..range.end.min(first + size))
}
