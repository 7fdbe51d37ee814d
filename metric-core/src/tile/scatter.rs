//! Whole rows of distances, and weights of pairs multiplied back into rows and columns.

use std::ops::Range;

use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

use super::{Blocks, chunks};
use crate::kernel::product::{
    Matrix, add_column_sums, add_product, add_row_sums, add_turned_product,
};
use crate::kernel::{Isa, pages};
use crate::rows::Rows;
use crate::{Distance, Element, Error, Scalar as _};

/// Rows that one task takes: a whole number of the kernels' strips.
const ROWS: usize = 48;
/// The most it takes of many: each task passes over all columns, which are then far from the cache.
const MOST_ROWS: usize = 6 * ROWS;
/// Columns that one task takes of the weights of a wave.
const COLUMNS: usize = 512;
/// Bytes of the distances that are held at a time; if rows are long, those of two tasks.
const WAVE: usize = 16 << 20;

/// Sums of the rows and columns of a matrix of pair weights `W` `[n, m]`, which is never held.
#[derive(Debug, Clone, PartialEq)]
pub struct Scattered<T, R> {
    /// `W Y`, `[n, dim]`.
    pub rows: Array2<T>,
    /// `Wᵀ X`, `[m, dim]`.
    pub columns: Array2<T>,
    /// `Σⱼ Wᵢⱼ`, `[n]`.
    pub row_sums: Vec<T>,
    /// `Σᵢ Wᵢⱼ`, `[m]`.
    pub column_sums: Vec<T>,
    /// What was made of each row, `[n]`.
    pub results: Vec<R>,
}

/// Walks over all pairs of `x` `[n, dim]` and `y` `[m, dim]`, turns the distances of each row into weights and multiplies
/// these back into the rows.
///
/// `weigh(row, distances)` replaces the distances of `row` to all rows of `y` by weights, and may return what it found. With
/// the derivative of a loss by each squared distance as weights, its gradient is `2 (row_sums x − rows)` for `x`, and
/// likewise for `y`: this is how a loss over all pairs gets exact gradients in `O((n + m) dim)` memory.
///
/// Cost: the distances once and two products of the same size; beside the result, memory for a copy of `y` and at a time
/// 16 MB of distances, or 96 rows of them, 576 of many. The same bits for any number of threads.
///
/// # Errors
///
/// [`Error::Empty`], [`Error::DimMismatch`], [`Error::NonFinite`], or what [`Distance::check`] refuses.
///
/// # Examples
///
/// ```
/// use metric_core::{SquaredEuclidean, scatter};
/// use ndarray::array;
/// let (x, y) = (array![[1.0f64, 2.0]], array![[0.0, 0.0], [3.0, 2.0]]);
/// // The sum of all squared distances: its derivative by each of them is 1.
/// let sums = scatter(&SquaredEuclidean, x.view(), y.view(), |_, distances| {
///     let sum: f64 = distances.iter().sum();
///     distances.fill(1.0);
///     sum
/// })?;
/// assert_eq!(sums.results, [9.0]);
/// assert_eq!(sums.rows, array![[3.0, 2.0]]);
/// assert_eq!(sums.columns, array![[1.0, 2.0], [1.0, 2.0]]);
/// let gradient = 2.0 * (&x * sums.row_sums[0] - &sums.rows);
/// assert_eq!(gradient, array![[-2.0, 4.0]]); // 2 (x - y₀) + 2 (x - y₁)
/// # Ok::<(), metric_core::Error>(())
/// ```
pub fn scatter<E, D, R: Send>(
    distance: &D,
    x: ArrayView2<'_, E>,
    y: ArrayView2<'_, E>,
    weigh: impl Fn(usize, &mut [E::Acc]) -> R + Sync,
) -> Result<Scattered<E::Acc, R>, Error>
where
    E: Element,
    D: Distance<E::Acc> + ?Sized,
{
    let (x, y) = Rows::checked_pair_for(distance, ("x", x), ("y", y))?;
    let (n, m, dim) = (x.len(), y.len(), x.dim());
    let pair = |a: &[E::Acc], b: &[E::Acc]| distance.distance(a, b);
    let blocks = Blocks::new(distance.form(), &pair, &x, Some(&y));
    let isa = Isa::best();
    let stride = stride_of(m);
    let task = rows_a_task(n);
    let wave = (WAVE / size_of::<E::Acc>() / stride / task).max(2) * task;
    let zeros = |n: usize| pages::zeros::<E::Acc>(n);
    let mut held = zeros(wave.min(n) * stride);
    let (mut rows, mut columns) = (zeros(n * dim), zeros(m * dim));
    let (mut row_sums, mut column_sums) = (zeros(n), zeros(m));
    let mut results = Vec::with_capacity(n);
    let to_waves = rows.chunks_mut(wave * dim).zip(row_sums.chunks_mut(wave));
    for (wave, (to_rows, row_sums)) in chunks(0..n, wave).zip(to_waves) {
        let tasks: Vec<Range<usize>> = chunks(wave.clone(), task).collect();
        let found = held
            .par_chunks_mut(task * stride)
            .zip(to_rows.par_chunks_mut(task * dim))
            .zip(row_sums.par_chunks_mut(task))
            .zip(tasks)
            .map_init(
                || blocks.scratch(),
                |scratch, (((values, to_rows), sums), rows)| {
                    blocks.pack(scratch, rows.clone());
                    blocks.block(scratch, rows.clone(), 0..m, values, stride);
                    let shape = [rows.len(), m, dim];
                    let each = rows.zip(values.chunks_mut(stride)).zip(sums);
                    let found: Vec<R> = each
                        .map(|((row, values), sum)| {
                            let found = weigh(row, &mut values[..m]);
                            // While the row is in the cache.
                            let weights = Matrix::new(&*values, stride);
                            add_row_sums(isa, weights, m, std::slice::from_mut(sum));
                            found
                        })
                        .collect();
                    let weights = Matrix::new(&*values, stride);
                    add_product(
                        isa,
                        (weights, Matrix::new(y.data(), dim)),
                        shape,
                        (to_rows, dim),
                    );
                    found
                },
            )
            .collect::<Vec<_>>();
        results.extend(found.into_iter().flatten());
        let x = Matrix::new(&x.data()[wave.start * dim..wave.end * dim], dim);
        columns
            .par_chunks_mut(COLUMNS * dim)
            .zip(column_sums.par_chunks_mut(COLUMNS))
            .enumerate()
            .for_each(|(i, (to_columns, sums))| {
                let weights = Matrix::new(&held[i * COLUMNS..], stride);
                let shape = [sums.len(), wave.len(), dim];
                add_turned_product(isa, (weights, x), shape, (to_columns, dim));
                add_column_sums(isa, weights, wave.len(), sums);
            });
    }
    Ok(Scattered {
        rows: array((n, dim), rows),
        columns: array((m, dim), columns),
        row_sums,
        column_sums,
        results,
    })
}

/// What becomes of every row of `x` `[n, dim]` by its distances to all rows of `y` `[m, dim]`, as by [`scatter`] but without
/// its products.
///
/// Cost: the distances once; beside the result, memory for a copy of `y` and 48 rows of distances a thread. The same
/// results for any number of threads.
///
/// # Errors
///
/// [`Error::Empty`], [`Error::DimMismatch`], [`Error::NonFinite`], or what [`Distance::check`] refuses.
///
/// # Examples
///
/// ```
/// use metric_core::{Euclidean, each_row};
/// use ndarray::array;
/// let (x, y) = (array![[0.0f32, 0.0]], array![[3.0, 4.0], [0.0, 1.0]]);
/// let farthest = each_row(&Euclidean, x.view(), y.view(), |_, distances| {
///     distances.iter().copied().fold(0.0, f32::max)
/// })?;
/// assert_eq!(farthest, [5.0]);
/// # Ok::<(), metric_core::Error>(())
/// ```
pub fn each_row<E, D, R: Send>(
    distance: &D,
    x: ArrayView2<'_, E>,
    y: ArrayView2<'_, E>,
    of: impl Fn(usize, &mut [E::Acc]) -> R + Sync,
) -> Result<Vec<R>, Error>
where
    E: Element,
    D: Distance<E::Acc> + ?Sized,
{
    let (x, y) = Rows::checked_pair_for(distance, ("x", x), ("y", y))?;
    let (n, m) = (x.len(), y.len());
    let pair = |a: &[E::Acc], b: &[E::Acc]| distance.distance(a, b);
    let blocks = Blocks::new(distance.form(), &pair, &x, Some(&y));
    let stride = stride_of(m);
    let tasks: Vec<Range<usize>> = chunks(0..n, ROWS).collect();
    let found = tasks
        .into_par_iter()
        .map_init(
            || (blocks.scratch(), vec![E::Acc::ZERO; ROWS.min(n) * stride]),
            |(scratch, values), rows| {
                blocks.pack(scratch, rows.clone());
                blocks.block(scratch, rows.clone(), 0..m, values, stride);
                let each = rows.zip(values.chunks_mut(stride));
                each.map(|(row, values)| of(row, &mut values[..m]))
                    .collect::<Vec<R>>()
            },
        )
        .collect::<Vec<_>>();
    Ok(found.into_iter().flatten().collect())
}

/// Rows that one task takes of so many.
fn rows_a_task(rows: usize) -> usize {
    (rows / 64 / ROWS * ROWS).clamp(ROWS, MOST_ROWS)
}

/// Numbers from a row to the next: not a power of two, lest they all fall on the same lines of the cache.
fn stride_of(columns: usize) -> usize {
    columns.next_multiple_of(16) + 16
}

pub(super) fn array<T>(shape: (usize, usize), values: Vec<T>) -> Array2<T> {
    Array2::from_shape_vec(shape, values).expect("made in this shape")
}
