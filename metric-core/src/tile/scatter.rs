//! The second walk: weights of pairs, multiplied back into rows and columns.

use std::ops::Range;

use ndarray::{Array2, ArrayView2, ArrayViewMut2};
use rayon::prelude::*;

use super::{Blocks, chunks};
use crate::kernel::Isa;
use crate::kernel::product::{Matrix, add_product, add_sums, add_turned_product};
use crate::rows::Rows;
use crate::{Distance, Element, Error, Scalar};

/// Rows that share a buffer for the columns; their number is fixed, so that the bits do not depend on the threads.
const STRIPS: usize = 8;
const ROWS: usize = 128;
const COLUMNS: usize = 512;
/// Numbers from a row of a tile to the next: not a power of two, lest they all fall on the same lines of the cache.
const STRIDE: usize = COLUMNS + 16;

/// Sums of the rows and columns of a matrix of pair weights `W` `[n, m]`, which is never held.
#[derive(Debug, Clone, PartialEq)]
pub struct Scattered<T> {
    /// `W Y`, `[n, dim]`.
    pub rows: Array2<T>,
    /// `Wᵀ X`, `[m, dim]`.
    pub columns: Array2<T>,
    /// `Σⱼ Wᵢⱼ`, `[n]`.
    pub row_sums: Vec<T>,
    /// `Σᵢ Wᵢⱼ`, `[m]`.
    pub column_sums: Vec<T>,
}

/// Walks over all pairs of `x` `[n, dim]` and `y` `[m, dim]`, turns their distances into weights and multiplies these back
/// into the rows.
///
/// `weigh(row, first, values)` replaces the distances of `row` to columns `first..first + values.len()` by weights. With
/// the derivative of a loss by each squared distance as weights, its gradient is `2 (row_sums x − rows)` for `x`, and
/// likewise for `y`: this is how a loss over all pairs gets exact gradients in `O((n + m) dim)` memory.
///
/// Cost: the distances once and two products of the same size. The same bits for any number of threads.
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
/// let sums = scatter(&SquaredEuclidean, x.view(), y.view(), |_, _, values| values.fill(1.0))?;
/// assert_eq!(sums.rows, array![[3.0, 2.0]]);
/// assert_eq!(sums.columns, array![[1.0, 2.0], [1.0, 2.0]]);
/// let gradient = 2.0 * (&x * sums.row_sums[0] - &sums.rows);
/// assert_eq!(gradient, array![[-2.0, 4.0]]); // 2 (x - y₀) + 2 (x - y₁)
/// # Ok::<(), metric_core::Error>(())
/// ```
pub fn scatter<E, D>(
    distance: &D,
    x: ArrayView2<'_, E>,
    y: ArrayView2<'_, E>,
    weigh: impl Fn(usize, usize, &mut [E::Acc]) + Sync,
) -> Result<Scattered<E::Acc>, Error>
where
    E: Element,
    D: Distance<E::Acc> + ?Sized,
{
    let (x, y) = Rows::checked_pair_for(distance, ("x", x), ("y", y))?;
    let (n, m, dim) = (x.len(), y.len(), x.dim());
    let pair = |a: &[E::Acc], b: &[E::Acc]| distance.distance(a, b);
    let blocks = Blocks::new(distance.form(), &pair, &x, Some(&y));
    let zeros = |n: usize| Array2::from_elem((n, dim), E::Acc::ZERO);
    let strips: Vec<Range<usize>> = chunks(0..n, n.div_ceil(STRIPS)).collect();
    let parts: Vec<Scattered<E::Acc>> = strips
        .into_par_iter()
        .map(|strip| {
            let mut part = Scattered {
                rows: zeros(strip.len()),
                columns: zeros(m),
                row_sums: vec![E::Acc::ZERO; strip.len()],
                column_sums: vec![E::Acc::ZERO; m],
            };
            let mut scratch = blocks.scratch();
            let mut tile = vec![E::Acc::ZERO; ROWS * STRIDE];
            for rows in chunks(strip.clone(), ROWS) {
                blocks.pack(&mut scratch, rows.clone());
                for columns in chunks(0..m, COLUMNS) {
                    blocks.block(
                        &mut scratch,
                        rows.clone(),
                        columns.clone(),
                        &mut tile,
                        STRIDE,
                    );
                    for (row, values) in rows.clone().zip(tile.chunks_mut(STRIDE)) {
                        weigh(row, columns.start, &mut values[..columns.len()]);
                    }
                    let local = rows.start - strip.start..rows.end - strip.start;
                    part.add(&tile, (&x, rows.clone(), local), (&y, columns));
                }
            }
            part
        })
        .collect();
    Ok(Scattered::join(parts, (n, m, dim)))
}

impl<T: Scalar> Scattered<T> {
    fn add(
        &mut self,
        tile: &[T],
        (x, rows, local): (&Rows<'_, T>, Range<usize>, Range<usize>),
        (y, columns): (&Rows<'_, T>, Range<usize>),
    ) {
        let isa = Isa::best();
        let dim = x.dim();
        let weights = Matrix {
            data: tile,
            stride: STRIDE,
        };
        let of = |rows: &Rows<'_, T>, range: &Range<usize>| -> Range<usize> {
            range.start * rows.dim()..range.end * rows.dim()
        };
        let matrix = |data| Matrix { data, stride: dim };
        let y_rows = matrix(&y.data()[of(y, &columns)]);
        let x_rows = matrix(&x.data()[of(x, &rows)]);
        let to_rows = self.rows.as_slice_mut().expect("made in one piece");
        let to_rows = &mut to_rows[of(x, &local)];
        let shape = [rows.len(), columns.len(), dim];
        add_product(isa, (weights, y_rows), shape, (to_rows, dim));
        let to_columns = self.columns.as_slice_mut().expect("made in one piece");
        let to_columns = &mut to_columns[of(y, &columns)];
        let shape = [columns.len(), rows.len(), dim];
        add_turned_product(isa, (weights, x_rows), shape, (to_columns, dim));
        let row_sums = &mut self.row_sums[local];
        add_sums(isa, weights, row_sums, &mut self.column_sums[columns]);
    }

    fn join(parts: Vec<Self>, (n, m, dim): (usize, usize, usize)) -> Self {
        let zeros = |n: usize| Array2::from_elem((n, dim), T::ZERO);
        let mut all = Self {
            rows: zeros(n),
            columns: zeros(m),
            row_sums: Vec::with_capacity(n),
            column_sums: vec![T::ZERO; m],
        };
        for part in parts {
            let first = all.row_sums.len();
            let mut rows: ArrayViewMut2<'_, T> = all
                .rows
                .slice_mut(ndarray::s![first..first + part.row_sums.len(), ..]);
            rows.assign(&part.rows);
            all.columns
                .zip_mut_with(&part.columns, |sum, &x| *sum = *sum + x);
            all.row_sums.extend(part.row_sums);
            for (sum, x) in all.column_sums.iter_mut().zip(part.column_sums) {
                *sum = *sum + x;
            }
        }
        all
    }
}
