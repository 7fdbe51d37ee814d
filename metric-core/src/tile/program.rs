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
/// Rows and columns of a tile that is seen from both, at most: it and what it is turned into stay in the cache of a core.
const SQUARE: usize = 256;
/// Panels of all kernels are parts of it.
const PANEL: usize = 64;

/// What to do with the distances of each row, which come tile by tile; run it with [`walk`], [`walk_self`] or [`walk_both`].
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

/// Shows one program the distances `d(xᵢ, yⱼ)` of every row of `x` `[n, dim]` to every row of `y` `[m, dim]`, and another those of
/// every row of `y` to every row of `x`, at half the cost of two [`walk`]s.
///
/// Each tile serves both its rows and its columns, in a fixed order of their own that need not ascend. The states of all rows
/// of both sides are held. The same results for any number of threads.
///
/// # Errors
///
/// [`Error::Empty`], [`Error::DimMismatch`], [`Error::NonFinite`], or what [`Distance::check`] refuses.
///
/// # Examples
///
/// The farthest row of the other side, for both sides:
///
/// ```
/// use metric_core::{Manhattan, RowProgram, walk_both};
/// use ndarray::array;
///
/// struct Farthest;
/// impl RowProgram<f32> for Farthest {
///     type State = f32;
///     type Output = f32;
///     fn start(&self, _row: usize) -> f32 {
///         0.0
///     }
///     fn see(&self, farthest: &mut f32, _row: usize, _first: usize, distances: &[f32]) {
///         *farthest = distances.iter().fold(*farthest, |far, &d| far.max(d));
///     }
///     fn finish(&self, _row: usize, farthest: f32) -> f32 {
///         farthest
///     }
/// }
/// let (x, y) = (array![[0.0f32], [2.0]], array![[1.0], [5.0], [2.0]]);
/// let [of_x, of_y] = walk_both(&Manhattan, (x.view(), &Farthest), (y.view(), &Farthest))?;
/// assert_eq!(of_x, [5.0, 3.0]);
/// assert_eq!(of_y, [1.0, 5.0, 2.0]);
/// # Ok::<(), metric_core::Error>(())
/// ```
pub fn walk_both<E, D, P, Q>(
    distance: &D,
    (x, of_x): (ArrayView2<'_, E>, &P),
    (y, of_y): (ArrayView2<'_, E>, &Q),
) -> Result<[Vec<P::Output>; 2], Error>
where
    E: Element,
    D: Distance<E::Acc> + ?Sized,
    P: RowProgram<E::Acc>,
    Q: RowProgram<E::Acc, Output = P::Output>,
{
    let (x, y) = Rows::checked_pair_for(distance, ("x", x), ("y", y))?;
    let pair = |a: &[E::Acc], b: &[E::Acc]| distance.distance(a, b);
    let blocks = Blocks::new(distance.form(), &pair, &x, Some(&y));
    let (mut rows, mut columns) = (states(of_x, x.len()), states(of_y, y.len()));
    let side = tile_side(x.len().max(y.len()));
    let rows_seen = Parts::new(&mut rows, side);
    let columns_seen = Parts::new(&mut columns, side);
    let ranges = [&rows_seen.ranges[..], &columns_seen.ranges];
    meet_tiles(&blocks, side, ranges, false, |[i, j], tile, turned| {
        let (rows, columns) = (&ranges[0][i], &ranges[1][j]);
        rows_seen.show(i, columns, tile, |s, r, f, d| of_x.see(s, r, f, d));
        turn(tile, [rows, columns], side, turned);
        columns_seen.show(j, rows, turned, |s, r, f, d| of_y.see(s, r, f, d));
    });
    Ok([finished(of_x, rows), finished(of_y, columns)])
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
    let states = meet(&blocks, states(program, x.len()), |state, row, first, d| {
        program.see(state, row, first, d);
    });
    finished(program, states)
}

fn states<T, P: RowProgram<T>>(program: &P, rows: usize) -> Vec<P::State> {
    (0..rows).map(|row| program.start(row)).collect()
}

fn finished<T, P: RowProgram<T>>(program: &P, states: Vec<P::State>) -> Vec<P::Output> {
    let states = states.into_iter().enumerate();
    states
        .map(|(row, state)| program.finish(row, state))
        .collect()
}

/// Every unordered pair of blocks once, seen from both sides, with a state for each row.
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
    let side = tile_side(states.len());
    let parts = Parts::new(&mut states, side);
    let ranges = [&parts.ranges[..]; 2];
    meet_tiles(blocks, side, ranges, true, |[i, j], tile, turned| {
        let [rows, columns] = [i, j].map(|part| &parts.ranges[part]);
        parts.show(i, columns, tile, &see);
        if i < j {
            turn(tile, [rows, columns], side, turned);
            parts.show(j, rows, turned, &see);
        }
    });
    drop(parts);
    states
}

/// Puts a tile of some rows and columns in order of its columns.
pub(super) fn turn<T: Scalar>(
    tile: &[T],
    [rows, columns]: [&Range<usize>; 2],
    side: usize,
    turned: &mut [T],
) {
    let shape = (rows.len(), columns.len());
    transpose(Isa::best(), (tile, side), shape, (turned, side));
}

/// Rows and columns of a tile; few rows make smaller tiles, so that threads have something to share.
pub(super) fn tile_side(rows: usize) -> usize {
    (rows / 8 / PANEL * PANEL).clamp(PANEL, SQUARE)
}

/// The states of one side's rows, in parts that are seen by one thread at a time.
struct Parts<'a, S> {
    side: usize,
    ranges: Vec<Range<usize>>,
    states: Vec<Mutex<&'a mut [S]>>,
}

impl<'a, S> Parts<'a, S> {
    fn new(states: &'a mut [S], side: usize) -> Self {
        Self {
            side,
            ranges: chunks(0..states.len(), side).collect(),
            states: states.chunks_mut(side).map(Mutex::new).collect(),
        }
    }

    /// Shows each row of a part its values of some columns.
    fn show<T>(
        &self,
        part: usize,
        columns: &Range<usize>,
        tile: &[T],
        see: impl Fn(&mut S, usize, usize, &[T]),
    ) {
        let mut states = self.states[part]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let rows = self.ranges[part].clone();
        for ((row, state), values) in rows.zip(states.iter_mut()).zip(tile.chunks(self.side)) {
            see(state, row, columns.start, &values[..columns.len()]);
        }
    }
}

/// Computes the tiles of blocks of rows and blocks of columns, each once, as the numbers of its blocks and its distances, `side`
/// from row to row, with room for as many numbers; of a square, whose tiles are each other's turned, only `half`.
///
/// In step `t` of `b`, blocks `i` and `j` with `i + j ≡ t (mod b)` meet: each block is in one pair of a step, so that the
/// pairs of a step run in parallel and a block meets the others in a fixed order.
pub(super) fn meet_tiles<T, V>(
    blocks: &Blocks<'_, T, V>,
    side: usize,
    [rows, columns]: [&[Range<usize>]; 2],
    half: bool,
    see: impl Fn([usize; 2], &mut [T], &mut [T]) + Sync,
) where
    T: Scalar,
    V: Fn(&[T], &[T]) -> T + Sync + ?Sized,
{
    let tile = || vec![T::ZERO; side * side];
    let new = || (blocks.scratch(), tile(), tile());
    // A task leaves its tiles to the next.
    let left = Mutex::new(Vec::new());
    let left = || left.lock().unwrap_or_else(PoisonError::into_inner);
    let count = rows.len().max(columns.len());
    for step in 0..count {
        (0..rows.len())
            .map(|i| (i, (step + count - i) % count))
            .filter(|&(i, j)| j < columns.len() && (!half || i <= j))
            .collect::<Vec<_>>()
            .into_par_iter()
            .for_each(|(i, j)| {
                let found = left().pop();
                let (mut scratch, mut tile, mut room) = found.unwrap_or_else(new);
                blocks.pack(&mut scratch, rows[i].clone());
                blocks.block(
                    &mut scratch,
                    rows[i].clone(),
                    columns[j].clone(),
                    &mut tile,
                    side,
                );
                see([i, j], &mut tile, &mut room);
                left().push((scratch, tile, room));
            });
    }
}
