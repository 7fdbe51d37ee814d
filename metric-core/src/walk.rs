//! The walk over all pairs of two sets of rows, tile by tile.

use std::ops::Range;

use rayon::prelude::*;

use crate::rows::Rows;
use crate::{Distance, Scalar};

/// Rows of the left set that share each tile of the right set while it is in cache.
pub(crate) const BLOCK: usize = 32;
/// Rows of the right set in a tile.
pub(crate) const TILE: usize = 64;

/// Consecutive ranges of at most `size` that cover `range`.
pub(crate) fn chunks(range: Range<usize>, size: usize) -> impl Iterator<Item = Range<usize>> {
    range
        .clone()
        .step_by(size)
        .map(move |first| first..range.end.min(first + size))
}

/// Gives each row of `x` a state, shows it the row's ranks against `y` in order of the columns, and finishes it.
///
/// `see(state, row, first, ranks)` gets the ranks of columns `first..first + ranks.len()`. Blocks of rows run in
/// parallel; what a row sees, and the order of the results, does not depend on that. Memory: `block` states a thread.
pub(crate) fn gather<T, D, S, R>(
    distance: &D,
    (x, y): (&Rows<'_, T>, &Rows<'_, T>),
    block: usize,
    start: impl Fn(usize) -> S + Sync,
    see: impl Fn(&mut S, usize, usize, &[T]) + Sync,
    finish: impl Fn(usize, S) -> R + Sync,
) -> Vec<R>
where
    T: Scalar,
    D: Distance<T> + ?Sized,
    R: Send,
{
    let blocks: Vec<Range<usize>> = chunks(0..x.len(), block).collect();
    blocks
        .into_par_iter()
        .flat_map_iter(|rows| {
            let mut states: Vec<S> = rows.clone().map(&start).collect();
            let mut ranks = [T::ZERO; TILE];
            for tile in chunks(0..y.len(), TILE) {
                for (row, state) in rows.clone().zip(&mut states) {
                    let left = x.row(row);
                    let ranks = &mut ranks[..tile.len()];
                    for (rank, column) in ranks.iter_mut().zip(tile.clone()) {
                        *rank = distance.rank(left, y.row(column));
                    }
                    see(state, row, tile.start, ranks);
                }
            }
            rows.zip(states)
                .map(|(row, state)| finish(row, state))
                .collect::<Vec<R>>()
        })
        .collect()
}
