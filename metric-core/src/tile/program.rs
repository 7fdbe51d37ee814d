//! Programs that see every pair and keep a little of each row.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use ndarray::ArrayView2;
use rayon::prelude::*;

use super::{Blocks, chunks};
use crate::kernel::Isa;
use crate::kernel::transpose::transpose;
use crate::rows::Rows;
use crate::{Distance, Element, Error, Law, Scalar};

/// Columns of a tile.
const TILE: usize = 512;
/// Rows and columns of a tile where both are the same set, at most: whole strips and panels of all kernels.
const SQUARE: usize = 192;
/// Panels of all kernels are parts of it.
const PANEL: usize = 64;

/// What to do with the distances of each row, which come tile by tile; run it with [`walk`] or [`walk_self`].
///
/// This is how to compute anything over all pairs without holding their matrix: a k-th distance, a histogram, a
/// log-sum-exp, a hardest example. The engine computes tiles of distances as fast as the distance allows, in
/// parallel over rows; the program keeps a state for each row. It need not think of threads: what a row sees, and in
/// which order, does not depend on them.
///
/// # Examples
///
/// The mean distance of each row to all others:
///
/// ```
/// use metric_core::{Euclidean, RowProgram, walk_self};
/// use ndarray::array;
///
/// struct MeanDistance {
///     others: f64,
/// }
/// impl RowProgram<f32> for MeanDistance {
///     type State = f64;
///     type Output = f64;
///     fn start(&self, _row: usize) -> f64 {
///         0.0
///     }
///     fn see(&self, sum: &mut f64, _row: usize, _first: usize, distances: &[f32]) {
///         *sum += distances.iter().map(|&d| f64::from(d)).sum::<f64>(); // itself adds 0
///     }
///     fn finish(&self, _row: usize, sum: f64) -> f64 {
///         sum / self.others
///     }
/// }
/// let rows = array![[0.0f32, 0.0], [3.0, 4.0], [6.0, 8.0]];
/// let means = walk_self(&Euclidean, rows.view(), &MeanDistance { others: 2.0 })?;
/// assert_eq!(means, [7.5, 5.0, 7.5]);
/// # Ok::<(), metric_core::Error>(())
/// ```
pub trait RowProgram<T>: Sync {
    /// What is kept of a row while its columns pass by.
    type State: Send;
    /// What is left of a row in the end.
    type Output: Send;

    /// The state of a row that has seen no column.
    fn start(&self, row: usize) -> Self::State;

    /// Takes the distances of `row` to columns `first..first + distances.len()`.
    fn see(&self, state: &mut Self::State, row: usize, first: usize, distances: &[T]);

    /// Makes the result of a row that has seen all columns.
    fn finish(&self, row: usize, state: Self::State) -> Self::Output;
}

/// Shows a program the distances of every row of `x` `[n, dim]` to every row of `y` `[m, dim]`, columns in ascending
/// order, and gives its results row by row.
///
/// Cost: the distances once; memory `O((n + m) dim)` and the states of the rows at hand. The same results for any
/// number of threads.
///
/// # Errors
///
/// [`Error::Empty`], [`Error::DimMismatch`], [`Error::NonFinite`], or what [`Distance::check`] refuses.
pub fn walk<E, D, P>(
    distance: &D,
    x: ArrayView2<'_, E>,
    y: ArrayView2<'_, E>,
    program: &P,
) -> Result<Vec<P::Output>, Error>
where
    E: Element,
    D: Distance<E::Acc> + ?Sized,
    P: RowProgram<E::Acc>,
{
    let (x, y) = Rows::checked_pair_for(distance, ("x", x), ("y", y))?;
    Ok(walk_rows(distance, (&x, &y), usize::MAX, program))
}

/// Shows a program the distances of every row of `x` `[n, dim]` to every row of `x`, itself included, at half the cost
/// of [`walk`] where the distance is symmetric.
///
/// Each tile serves both its rows and its columns, so that a row sees its tiles in an order of their own: fixed, but not
/// ascending. The states of all rows are held. The same results for any number of threads.
///
/// # Errors
///
/// [`Error::Empty`], [`Error::NonFinite`], or what [`Distance::check`] refuses.
pub fn walk_self<E, D, P>(
    distance: &D,
    x: ArrayView2<'_, E>,
    program: &P,
) -> Result<Vec<P::Output>, Error>
where
    E: Element,
    D: Distance<E::Acc> + ?Sized,
    P: RowProgram<E::Acc>,
{
    let x = Rows::checked_for(distance, "x", x)?;
    Ok(if distance.law() == Law::Asymmetric {
        walk_rows(distance, (&x, &x), usize::MAX, program)
    } else {
        walk_half(distance, &x, program)
    })
}

/// As [`walk`], with the states of at most so many rows a thread.
pub(crate) fn walk_rows<T, D, P>(
    distance: &D,
    (x, y): (&Rows<'_, T>, &Rows<'_, T>),
    at_most: usize,
    program: &P,
) -> Vec<P::Output>
where
    T: Scalar,
    D: Distance<T> + ?Sized,
    P: RowProgram<T>,
{
    let pair = |a: &[T], b: &[T]| distance.distance(a, b);
    let blocks = Blocks::new(distance.form(), &pair, x, Some(y));
    let rows: Vec<Range<usize>> =
        chunks(0..x.len(), blocks.rows_at_a_time().min(at_most)).collect();
    rows.into_par_iter()
        .flat_map_iter(|rows| {
            let mut states: Vec<P::State> = rows.clone().map(|row| program.start(row)).collect();
            let mut scratch = blocks.scratch();
            blocks.pack(&mut scratch, rows.clone());
            let mut tile = vec![T::ZERO; rows.len() * TILE];
            for columns in chunks(0..y.len(), TILE) {
                blocks.block(&mut scratch, rows.clone(), columns.clone(), &mut tile, TILE);
                for ((row, state), values) in rows.clone().zip(&mut states).zip(tile.chunks(TILE)) {
                    program.see(state, row, columns.start, &values[..columns.len()]);
                }
            }
            rows.zip(states)
                .map(|(row, state)| program.finish(row, state))
                .collect::<Vec<_>>()
        })
        .collect()
}

/// As [`walk_self`].
pub(crate) fn walk_half<T, D, P>(distance: &D, x: &Rows<'_, T>, program: &P) -> Vec<P::Output>
where
    T: Scalar,
    D: Distance<T> + ?Sized,
    P: RowProgram<T>,
{
    let pair = |a: &[T], b: &[T]| distance.distance(a, b);
    let blocks = Blocks::new(distance.form(), &pair, x, None);
    let states = (0..x.len()).map(|row| program.start(row)).collect();
    meet(&blocks, states, |state, row, first, distances| {
        program.see(state, row, first, distances);
    })
    .into_iter()
    .enumerate()
    .map(|(row, state)| program.finish(row, state))
    .collect()
}

/// Every unordered pair of blocks once, seen from both sides, with a state for each row.
///
/// In step `t` of `b`, blocks `i` and `j` with `i + j ≡ t (mod b)` meet: each block is in one pair of a step, so that the
/// pairs of a step run in parallel and a block meets the others in a fixed order.
pub(crate) fn meet<T, V, S>(
    blocks: &Blocks<'_, T, V>,
    mut states: Vec<S>,
    see: impl Fn(&mut S, usize, usize, &[T]) + Sync,
) -> Vec<S>
where
    T: Scalar,
    V: Fn(&[T], &[T]) -> T + Sync + ?Sized,
    S: Send,
{
    // Few rows make smaller tiles, so that threads have something to share.
    let side = (states.len() / 8 / PANEL * PANEL).clamp(PANEL, SQUARE);
    let ranges: Vec<Range<usize>> = chunks(0..states.len(), side).collect();
    let parts: Vec<Mutex<&mut [S]>> = states.chunks_mut(side).map(Mutex::new).collect();
    let show = |block: usize, columns: &Range<usize>, values: &[T]| {
        let mut states = parts[block].lock().unwrap_or_else(PoisonError::into_inner);
        let rows = ranges[block].clone();
        for ((row, state), values) in rows.zip(states.iter_mut()).zip(values.chunks(side)) {
            see(state, row, columns.start, &values[..columns.len()]);
        }
    };
    let tile = || vec![T::ZERO; side * side];
    let isa = Isa::best();
    let count = ranges.len();
    for step in 0..count {
        (0..count)
            .map(|i| (i, (step + count - i) % count))
            .filter(|(i, j)| i <= j)
            .collect::<Vec<_>>()
            .into_par_iter()
            .for_each_init(
                || (blocks.scratch(), tile(), tile()),
                |(scratch, tile, transposed), (i, j)| {
                    let (rows, columns) = (ranges[i].clone(), ranges[j].clone());
                    blocks.pack(scratch, rows.clone());
                    blocks.block(scratch, rows.clone(), columns.clone(), tile, side);
                    show(i, &columns, tile);
                    if i != j {
                        let square = (rows.len(), columns.len());
                        transpose(isa, (tile, side), square, (transposed, side));
                        show(j, &rows, transposed);
                    }
                },
            );
    }
    drop(parts);
    states
}
