//! Whole rows of distances, and weights of pairs multiplied back into rows and columns.

use std::ops::Range;

use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis, Slice};
use rayon::prelude::*;

use super::{Blocks, chunks};
use crate::kernel::product::{
    Matrix, add_column_sums, add_product, add_row_sums, add_turned_product,
};
use crate::kernel::{Isa, pages};
use crate::rows::Rows;
use crate::{Distance, Element, Error, Scalar};

/// Rows that one task takes: a whole number of the kernels' strips.
const ROWS: usize = 48;
/// The most it takes of many: each task passes over all columns, which are then far from the cache.
const MOST_ROWS: usize = 6 * ROWS;
/// Columns that one task takes of the weights of a wave.
const COLUMNS: usize = 512;
/// Bytes of the distances that are held at a time; if rows are long, those of two tasks.
const WAVE: usize = 8 << 20;

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
/// 8 MB of distances, or 96 rows of them, 576 of many. The same bits for any number of threads.
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
    let tasks = chunks(0..x.len(), rows_a_task(x.len())).collect();
    Ok(scatter_tasks(distance, (&x, &y), tasks, |task| {
        let all = 0..task.rows.len();
        let weigh_row = |row: usize| {
            let found = weigh(task.rows.start + row, task.weights(row));
            // While the row is in the cache.
            task.sum(row..row + 1);
            found
        };
        all.map(weigh_row).collect()
    }))
}

/// As [`scatter`], showing the distances of a group of rows at once: of `groups[0]` rows first, of the next `groups[1]` then,
/// and so on.
///
/// `weigh(group, distances)` replaces the distances `[rows of the group, m]` by weights: for losses in which what one row knows of
/// a column has to do with what the next knows of it, as with the rows of a class. Results are those of the groups.
///
/// Cost: as of [`scatter`]; at least the distances of the largest two groups are held at a time.
///
/// # Errors
///
/// Those of [`scatter`]; [`Error::InvalidParam`] if the groups have not `n` rows together.
///
/// # Examples
///
/// ```
/// use metric_core::{Manhattan, scatter_groups};
/// use ndarray::array;
/// let (x, y) = (array![[0.0f64], [2.0], [5.0]], array![[1.0], [4.0]]);
/// // Of each column the nearer row of a group weighs 1.
/// let sums = scatter_groups(&Manhattan, x.view(), y.view(), &[2, 1], |_, mut distances| {
///     for mut column in distances.columns_mut() {
///         let least = column.fold(f64::INFINITY, |least, &d| least.min(d));
///         column.mapv_inplace(|d| if d == least { 1.0 } else { 0.0 });
///     }
/// })?;
/// // Both are as near to 1; 2 is the nearer to 4.
/// assert_eq!(sums.row_sums, [1.0, 2.0, 2.0]);
/// assert_eq!(sums.rows, array![[1.0], [5.0], [5.0]]);
/// # Ok::<(), metric_core::Error>(())
/// ```
pub fn scatter_groups<E, D, R: Send>(
    distance: &D,
    x: ArrayView2<'_, E>,
    y: ArrayView2<'_, E>,
    groups: &[usize],
    weigh: impl Fn(usize, ArrayViewMut2<'_, E::Acc>) -> R + Sync,
) -> Result<Scattered<E::Acc, R>, Error>
where
    E: Element,
    D: Distance<E::Acc> + ?Sized,
{
    let (x, y) = Rows::checked_pair_for(distance, ("x", x), ("y", y))?;
    let together = groups.iter().sum::<usize>();
    if together != x.len() {
        return Err(Error::InvalidParam {
            name: "groups",
            expected: "sizes that add up to the number of rows",
            got: together as f64,
        });
    }
    let sizes = groups.iter().copied();
    let (parts, tasks) = joined(sizes, rows_a_task(x.len()), 1);
    Ok(scatter_tasks(distance, (&x, &y), tasks, |task| {
        let (all, mut end) = (parts[task.number].clone(), 0);
        let weigh_group = |group: usize| {
            let rows = end..end + groups[group];
            end = rows.end;
            let found = weigh(group, task.block(rows.clone()));
            task.sum(rows);
            found
        };
        all.map(weigh_group).collect()
    }))
}

/// Rows that are weighed by one thread.
struct Task<'a, T> {
    number: usize,
    rows: Range<usize>,
    /// Distances of each row to so many columns, and how far a row is from the next.
    values: &'a mut [T],
    columns: usize,
    stride: usize,
    row_sums: &'a mut [T],
}

impl<T: Scalar> Task<'_, T> {
    /// Those of one of its rows.
    fn weights(&mut self, row: usize) -> &mut [T] {
        &mut self.values[row * self.stride..][..self.columns]
    }

    /// Those of some of its rows.
    fn block(&mut self, rows: Range<usize>) -> ArrayViewMut2<'_, T> {
        let values = &mut self.values[rows.start * self.stride..rows.end * self.stride];
        let whole = ArrayViewMut2::from_shape((rows.len(), self.stride), values);
        let columns = Slice::from(..self.columns);
        let mut whole = whole.expect("whole rows");
        whole.slice_axis_inplace(Axis(1), columns);
        whole
    }

    /// Adds up the weights of some of its rows.
    fn sum(&mut self, rows: Range<usize>) {
        let weights = Matrix::new(&self.values[rows.start * self.stride..], self.stride);
        add_row_sums(Isa::best(), weights, self.columns, &mut self.row_sums[rows]);
    }
}

fn scatter_tasks<T, D, R>(
    distance: &D,
    (x, y): (&Rows<'_, T>, &Rows<'_, T>),
    tasks: Vec<Range<usize>>,
    weigh: impl Fn(&mut Task<'_, T>) -> Vec<R> + Sync,
) -> Scattered<T, R>
where
    T: Scalar,
    D: Distance<T> + ?Sized,
    R: Send,
{
    let (n, m, dim) = (x.len(), y.len(), x.dim());
    let pair = |a: &[T], b: &[T]| distance.distance(a, b);
    let blocks = Blocks::new(distance.form(), &pair, x, Some(y));
    let isa = Isa::best();
    let stride = stride_of(m);
    let held = WAVE / size_of::<T>() / stride;
    let (waves, of_waves) = joined(tasks.iter().map(Range::len), held, 2);
    let most = of_waves.iter().map(Range::len).max().unwrap_or(0);
    let mut held = pages::zeros::<T>(most * stride);
    let zeros = |n: usize| pages::zeros::<T>(n);
    let (mut rows, mut columns) = (zeros(n * dim), zeros(m * dim));
    let (mut row_sums, mut column_sums) = (zeros(n), zeros(m));
    let mut results = Vec::with_capacity(n);
    let (mut rows_left, mut sums_left) = (&mut *rows, &mut *row_sums);
    for (numbers, wave) in waves.into_iter().zip(of_waves) {
        let mut values_left = &mut *held;
        let parts: Vec<_> = numbers
            .map(|number| {
                let rows = tasks[number].clone();
                let task = Task {
                    number,
                    values: first(&mut values_left, rows.len() * stride),
                    columns: m,
                    stride,
                    row_sums: first(&mut sums_left, rows.len()),
                    rows,
                };
                let to_rows = first(&mut rows_left, task.rows.len() * dim);
                (task, to_rows)
            })
            .collect();
        let found = parts
            .into_par_iter()
            .map_init(
                || blocks.scratch(),
                |scratch, (mut task, to_rows)| {
                    let rows = task.rows.clone();
                    blocks.pack(scratch, rows.clone());
                    blocks.block(scratch, rows.clone(), 0..m, task.values, stride);
                    let found = weigh(&mut task);
                    let weights = Matrix::new(&*task.values, stride);
                    let y = Matrix::new(y.data(), dim);
                    add_product(isa, (weights, y), [rows.len(), m, dim], (to_rows, dim));
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
    Scattered {
        rows: array((n, dim), rows),
        columns: array((m, dim), columns),
        row_sums,
        column_sums,
        results,
    }
}

/// Joins consecutive parts to as many as have at most so many rows together, but at least to so many parts: their numbers, and
/// their rows.
fn joined(
    sizes: impl Iterator<Item = usize>,
    rows: usize,
    parts: usize,
) -> (Vec<Range<usize>>, Vec<Range<usize>>) {
    let (mut numbers, mut ranges): (Vec<Range<usize>>, Vec<Range<usize>>) = (vec![], vec![]);
    let mut end = 0;
    for (number, size) in sizes.enumerate() {
        match (numbers.last_mut(), ranges.last_mut()) {
            (Some(last), Some(range)) if last.len() < parts || range.len() + size <= rows => {
                last.end = number + 1;
                range.end += size;
            }
            _ => {
                numbers.push(number..number + 1);
                ranges.push(end..end + size);
            }
        }
        end += size;
    }
    (numbers, ranges)
}

/// Takes the first numbers off a slice.
fn first<'a, T>(left: &mut &'a mut [T], count: usize) -> &'a mut [T] {
    left.split_off_mut(..count).expect("as many are left")
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
