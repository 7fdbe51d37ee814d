//! Weights of pairs that are known pair by pair, multiplied back into the rows while they are in the cache.

use std::ops::Range;

use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

use super::scatter::array;
use super::{Blocks, chunks};
use crate::kernel::product::{Matrix, add_product, add_row_sums};
use crate::kernel::{Isa, pages};
use crate::rows::Rows;
use crate::{Distance, Element, Error, Scalar as _};

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
/// once; this is faster where numbers of each row, found before, are enough, and for symmetric weights within one set, whose
/// sums by columns are those by rows.
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
