//! Weights of pairs that are known pair by pair, multiplied back into the rows while they are in the cache.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

use super::program::{meet_tiles, tile_side, turn};
use super::scatter::array;
use super::{Blocks, chunks};
use crate::kernel::product::{
    Matrix, add_column_sums, add_product, add_row_sums, add_turned_product,
};
use crate::kernel::{Isa, pages};
use crate::rows::Rows;
use crate::simd::zip_in_place;
use crate::{Distance, Element, Error, Law, Scalar};

/// Columns of a tile. With its rows, and the rows of both sides that belong to it, it stays in the cache of a core.
const COLUMNS: usize = 256;
/// The most rows of a tile: a whole number of the kernels' strips.
const ROWS: usize = 192;
const STRIP: usize = 48;

/// Sums over the rows of a matrix of pair weights `W` `[n, m]`, of which only tiles are held.
#[derive(Debug, Clone, PartialEq)]
pub struct Gathered<T> {
    /// `W Y`, `[n, dim]`.
    pub rows: Array2<T>,
    /// `Σⱼ Wᵢⱼ`, `[n]`.
    pub row_sums: Vec<T>,
}

/// Walks over all pairs of `x` `[n, dim]` and `y` `[m, dim]`, tile by tile, turns the distances into weights and gathers for
/// each row of `x` the rows of `y`, each times its weight.
///
/// `weigh(row, first, distances)` replaces the distances of `row` to rows `first..` of `y` by weights. It sees 256 of them at a
/// time, in ascending order. Where a weight depends on all distances of a row, [`scatter`](crate::scatter) shows them at
/// once; this is faster where numbers of each row, found before, are enough. Within one set see [`gather_self`].
///
/// Cost: the distances once and one product of the same size; beside the result, memory for a copy of `y` and a tile a
/// thread. The same bits for any number of threads.
///
/// # Errors
///
/// [`Error::Empty`], [`Error::DimMismatch`], [`Error::NonFinite`], or what [`Distance::check`] refuses.
///
/// # Examples
///
/// One step of mean shift with a Gaussian kernel, which needs no more than each distance:
///
/// ```
/// use metric_core::{SquaredEuclidean, gather};
/// use ndarray::array;
/// let rows = array![[0.0f64], [1.0], [9.0]];
/// let sums = gather(&SquaredEuclidean, rows.view(), rows.view(), |_, _, distances| {
///     for d in distances {
///         *d = (-*d).exp();
///     }
/// })?;
/// let moved = &sums.rows.column(0) / &ndarray::Array1::from(sums.row_sums);
/// assert!((moved[0] - 0.26894).abs() < 1e-5); // 1 / (1 + e)
/// assert!((moved[2] - 9.0).abs() < 1e-5);
/// # Ok::<(), metric_core::Error>(())
/// ```
pub fn gather<E, D>(
    distance: &D,
    x: ArrayView2<'_, E>,
    y: ArrayView2<'_, E>,
    weigh: impl Fn(usize, usize, &mut [E::Acc]) + Sync,
) -> Result<Gathered<E::Acc>, Error>
where
    E: Element,
    D: Distance<E::Acc> + ?Sized,
{
    let (x, y) = Rows::checked_pair_for(distance, ("x", x), ("y", y))?;
    let (n, m, dim) = (x.len(), y.len(), x.dim());
    let pair = |a: &[E::Acc], b: &[E::Acc]| distance.distance(a, b);
    let blocks = Blocks::new(distance.form(), &pair, &x, Some(&y));
    let isa = Isa::best();
    let task = (n / 16 / STRIP * STRIP).clamp(STRIP, ROWS);
    let (mut rows, mut row_sums) = (pages::zeros(n * dim), pages::zeros(n));
    let tasks: Vec<Range<usize>> = chunks(0..n, task).collect();
    rows.par_chunks_mut(task * dim)
        .zip(row_sums.par_chunks_mut(task))
        .zip(tasks)
        .for_each_init(
            || (blocks.scratch(), vec![E::Acc::ZERO; task * COLUMNS]),
            |(scratch, tile), ((to_rows, sums), rows)| {
                blocks.pack(scratch, rows.clone());
                for columns in chunks(0..m, COLUMNS) {
                    let (first, width) = (columns.start, columns.len());
                    blocks.block(scratch, rows.clone(), columns, tile, COLUMNS);
                    for (row, values) in rows.clone().zip(tile.chunks_mut(COLUMNS)) {
                        weigh(row, first, &mut values[..width]);
                    }
                    let weights = Matrix::new(&*tile, COLUMNS);
                    add_row_sums(isa, weights, width, sums);
                    let y = Matrix::new(&y.data()[first * dim..], dim);
                    let shape = [rows.len(), width, dim];
                    add_product(isa, (weights, y), shape, (to_rows, dim));
                }
            },
        );
    Ok(Gathered {
        rows: array((n, dim), rows),
        row_sums,
    })
}

/// Walks over all pairs of rows of `x` `[n, dim]`, each pair once, turns the distances into symmetric weights `W` and gathers for
/// each row the others, each times its weight.
///
/// `weigh(row, first, distances)` replaces the distances of `row` to rows `first..` by weights, at most 256 of them; those of a row
/// come in a fixed order, not ascending, and of the two ends of a pair one is asked, both where they are near each other. Weights
/// that each end adds to are for [`gather_ends`].
///
/// Cost: half of [`gather`] of `x` with itself, where the distance is symmetric; beside the result, memory for a copy of `x` and
/// two tiles a thread. The same bits for any number of threads.
///
/// # Errors
///
/// [`Error::Empty`], [`Error::NonFinite`], or what [`Distance::check`] refuses; [`Error::AsymmetricDistance`].
///
/// # Examples
///
/// The gradient of the sum of all squared distances, of which each pair counts twice:
///
/// ```
/// use metric_core::{SquaredEuclidean, gather_self};
/// use ndarray::array;
/// let rows = array![[0.0f64], [1.0], [5.0]];
/// let sums = gather_self(&SquaredEuclidean, rows.view(), |_, _, distances| distances.fill(2.0))?;
/// let gradient = |row: usize| 2.0 * (sums.row_sums[row] * rows[[row, 0]] - sums.rows[[row, 0]]);
/// assert_eq!([0, 1, 2].map(gradient), [-24.0, -12.0, 36.0]); // 4 (x - y₀) + 4 (x - y₁)
/// # Ok::<(), metric_core::Error>(())
/// ```
pub fn gather_self<E, D>(
    distance: &D,
    x: ArrayView2<'_, E>,
    weigh: impl Fn(usize, usize, &mut [E::Acc]) + Sync,
) -> Result<Gathered<E::Acc>, Error>
where
    E: Element,
    D: Distance<E::Acc> + ?Sized,
{
    gather_half::<E, D, false>(distance, x, weigh)
}

/// As [`gather_self`], of weights that are sums of two parts, one for each end of the pair: `weigh` is asked of both ends, and `W` is
/// what it gives and that turned.
///
/// # Errors
///
/// Those of [`gather_self`].
///
/// # Examples
///
/// Rows that pull at all others, each with its own force:
///
/// ```
/// use metric_core::{SquaredEuclidean, gather_ends};
/// use ndarray::array;
/// let (rows, force) = (array![[0.0f64], [1.0], [5.0]], [1.0, 2.0, 4.0]);
/// let sums = gather_ends(&SquaredEuclidean, rows.view(), |row, _, distances| {
///     distances.fill(force[row]);
/// })?;
/// assert_eq!(sums.rows[[0, 0]], (1.0 + 2.0) * 1.0 + (1.0 + 4.0) * 5.0);
/// # Ok::<(), metric_core::Error>(())
/// ```
pub fn gather_ends<E, D>(
    distance: &D,
    x: ArrayView2<'_, E>,
    weigh: impl Fn(usize, usize, &mut [E::Acc]) + Sync,
) -> Result<Gathered<E::Acc>, Error>
where
    E: Element,
    D: Distance<E::Acc> + ?Sized,
{
    gather_half::<E, D, true>(distance, x, weigh)
}

fn gather_half<E, D, const ENDS: bool>(
    distance: &D,
    x: ArrayView2<'_, E>,
    weigh: impl Fn(usize, usize, &mut [E::Acc]) + Sync,
) -> Result<Gathered<E::Acc>, Error>
where
    E: Element,
    D: Distance<E::Acc> + ?Sized,
{
    if distance.law() == Law::Asymmetric {
        return Err(Error::AsymmetricDistance);
    }
    let x = Rows::checked_for(distance, "x", x)?;
    let (n, dim) = (x.len(), x.dim());
    let pair = |a: &[E::Acc], b: &[E::Acc]| distance.distance(a, b);
    let blocks = Blocks::new(distance.form(), &pair, &x, None);
    let (isa, side) = (Isa::best(), tile_side(n));
    let (mut rows, mut row_sums) = (pages::zeros(n * dim), pages::zeros(n));
    let ranges: Vec<Range<usize>> = chunks(0..n, side).collect();
    let sums = rows.chunks_mut(side * dim).zip(row_sums.chunks_mut(side));
    let sums: Vec<_> = sums.map(Mutex::new).collect();
    let weigh_rows = |rows: &Range<usize>, columns: &Range<usize>, tile: &mut [E::Acc]| {
        for (row, values) in rows.clone().zip(tile.chunks_mut(side)) {
            weigh(row, columns.start, &mut values[..columns.len()]);
        }
    };
    meet_tiles(&blocks, side, [&ranges; 2], true, |[i, j], tile, turned| {
        let [of_i, of_j] = [i, j].map(|block| &ranges[block]);
        if ENDS {
            turn(tile, [of_i, of_j], side, turned);
            weigh_rows(of_j, of_i, turned);
        }
        weigh_rows(of_i, of_j, tile);
        if ENDS {
            add_turned(tile, [of_i, of_j], side, turned);
        }
        let weights = Matrix::new(&*tile, side);
        let of_block = |range: &Range<usize>| Matrix::new(&x.data()[range.start * dim..], dim);
        let lock = |block: usize| sums[block].lock().unwrap_or_else(PoisonError::into_inner);
        {
            let (to_rows, to_sums) = &mut *lock(i);
            add_row_sums(isa, weights, of_j.len(), to_sums);
            let shape = [of_i.len(), of_j.len(), dim];
            add_product(isa, (weights, of_block(of_j)), shape, (to_rows, dim));
        }
        if i < j {
            let (to_rows, to_sums) = &mut *lock(j);
            add_column_sums(isa, weights, of_i.len(), to_sums);
            let shape = [of_j.len(), of_i.len(), dim];
            add_turned_product(isa, (weights, of_block(of_i)), shape, (to_rows, dim));
        }
    });
    drop(sums);
    Ok(Gathered {
        rows: array((n, dim), rows),
        row_sums,
    })
}

/// Adds to each number of a tile of some rows and columns that of another in order of its columns.
fn add_turned<T: Scalar>(
    tile: &mut [T],
    [rows, columns]: [&Range<usize>; 2],
    side: usize,
    turned: &[T],
) {
    const LINES: usize = 16;
    let mut lines = vec![T::ZERO; LINES * side];
    for first in (0..rows.len()).step_by(LINES) {
        let some = first..(first + LINES).min(rows.len());
        turn(&turned[first..], [columns, &some], side, &mut lines);
        for (tile, more) in tile[first * side..]
            .chunks_mut(side)
            .zip(lines.chunks(side))
            .take(some.len())
        {
            zip_in_place(
                &mut tile[..columns.len()],
                &more[..columns.len()],
                |a, b| a + b,
            );
        }
    }
}
