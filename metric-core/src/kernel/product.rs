//! Products of matrices that are read where they lie and added to what is there: `C += A B` and `C += Aᵀ B`.

use std::ops::Range;

use super::simd::{Kernel, Simd};
use super::{Isa, Lanes};

/// A matrix: its numbers row by row, and how far a row is from the next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrix<'a, T> {
    pub(crate) data: &'a [T],
    pub(crate) stride: usize,
}

impl<'a, T> Matrix<'a, T> {
    pub(crate) fn new(data: &'a [T], stride: usize) -> Self {
        Self { data, stride }
    }
}

/// Terms at a time: as many rows of `B` stay in the nearest cache while the rows of `A` pass by.
const TERMS: usize = 128;
/// Rows of a tile where too few are left for a whole one: their sums still need not wait for each other.
const FEW: usize = 4;
/// Columns of a turned `A` that are asked for before they are needed.
const AHEAD: usize = 32;
/// Bytes of a line of the cache.
const LINE: usize = 64;

/// `C += A B` for `A` of `rows x terms`, or `C += Aᵀ B` for `A` of `terms x rows`; `B` is `terms x columns`.
struct Product<'a, T, const TURNED: bool> {
    a: Matrix<'a, T>,
    b: Matrix<'a, T>,
    rows: usize,
    terms: usize,
    columns: usize,
    c: &'a mut [T],
    stride: usize,
}

impl<T: Lanes + Copy, const TURNED: bool> Kernel<T> for Product<'_, T, TURNED> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        match S::ROWS {
            12 => product_on::<T, S, TURNED, 12>(simd, self),
            6 => product_on::<T, S, TURNED, 6>(simd, self),
            _ => product_on::<T, S, TURNED, 4>(simd, self),
        }
    }
}

#[inline(always)]
fn product_on<T: Lanes + Copy, S: Simd<T>, const TURNED: bool, const ROWS: usize>(
    simd: S,
    mut product: Product<'_, T, TURNED>,
) {
    for first in (0..product.terms).step_by(TERMS) {
        let terms = first..(first + TERMS).min(product.terms);
        for column in (0..product.columns).step_by(2 * S::LANES) {
            let columns = column..(column + 2 * S::LANES).min(product.columns);
            ask_b_on::<T, S, TURNED>(simd, &product, terms.end, columns.clone());
            let mut row = 0;
            while row + ROWS <= product.rows {
                tile_on::<T, S, TURNED, ROWS>(
                    simd,
                    &mut product,
                    row,
                    terms.clone(),
                    columns.clone(),
                );
                row += ROWS;
            }
            while row + FEW <= product.rows {
                tile_on::<T, S, TURNED, FEW>(
                    simd,
                    &mut product,
                    row,
                    terms.clone(),
                    columns.clone(),
                );
                row += FEW;
            }
            while row < product.rows {
                tile_on::<T, S, TURNED, 1>(simd, &mut product, row, terms.clone(), columns.clone());
                row += 1;
            }
        }
    }
}

#[inline(always)]
fn tile_on<T: Lanes + Copy, S: Simd<T>, const TURNED: bool, const ROWS: usize>(
    simd: S,
    product: &mut Product<'_, T, TURNED>,
    row: usize,
    terms: Range<usize>,
    columns: Range<usize>,
) {
    let Matrix { data, stride } = product.a;
    let b = product.b;
    if columns.start == 0 {
        ask_on::<T, S, TURNED, ROWS>(simd, product, row, terms.clone());
    }
    let whole = columns.len() == 2 * S::LANES;
    let sums = match (TURNED, whole) {
        (false, true) => {
            let mut lines = [data; ROWS];
            for (r, line) in lines.iter_mut().enumerate() {
                *line = &data[(row + r) * stride..][terms.clone()];
            }
            plain_on::<T, S, ROWS>(simd, lines, b, terms, columns.start)
        }
        (true, true) => turned_on::<T, S, ROWS>(simd, product.a, b, row, terms, columns.start),
        _ => {
            let mut sums = [[simd.zero(); 2]; ROWS];
            for term in terms {
                let b = &b.data[term * b.stride..][columns.clone()];
                let (low, high) = b.split_at(S::LANES.min(b.len()));
                let b = [simd.load_part(low), simd.load_part(high)];
                for (r, sums) in sums.iter_mut().enumerate() {
                    let at = if TURNED {
                        term * stride + row + r
                    } else {
                        (row + r) * stride + term
                    };
                    let a = simd.splat(data[at]);
                    sums[0] = simd.mul_add(a, b[0], sums[0]);
                    sums[1] = simd.mul_add(a, b[1], sums[1]);
                }
            }
            sums
        }
    };
    for (r, sums) in sums.iter().enumerate() {
        let c = &mut product.c[(row + r) * product.stride..][columns.clone()];
        let (low, high) = c.split_at_mut(S::LANES.min(c.len()));
        for (c, &sum) in [low, high].into_iter().zip(sums) {
            simd.store_part(simd.add(simd.load_part(c), sum), c);
        }
    }
}

/// Asks for some columns of the terms of `B` that are needed next.
#[inline(always)]
fn ask_b_on<T: Lanes + Copy, S: Simd<T>, const TURNED: bool>(
    simd: S,
    product: &Product<'_, T, TURNED>,
    first: usize,
    columns: Range<usize>,
) {
    let Matrix { data, stride } = product.b;
    for term in first..(first + TERMS).min(product.terms) {
        for column in columns.clone().step_by(LINE / size_of::<T>()) {
            simd.prefetch(&data[term * stride + column]);
        }
    }
}

/// Asks for what will be needed of `A` next: its rows may be far apart, so that nothing else foresees it.
#[inline(always)]
fn ask_on<T: Lanes + Copy, S: Simd<T>, const TURNED: bool, const ROWS: usize>(
    simd: S,
    product: &Product<'_, T, TURNED>,
    row: usize,
    terms: Range<usize>,
) {
    let Matrix { data, stride } = product.a;
    if TURNED {
        let ahead = row + AHEAD;
        if ahead < product.rows {
            for term in terms {
                simd.prefetch(&data[term * stride + ahead]);
            }
        }
    } else {
        let next = terms.end..(terms.end + TERMS).min(product.terms);
        for r in row..row + ROWS {
            for term in next.clone().step_by(LINE / size_of::<T>()) {
                simd.prefetch(&data[r * stride + term]);
            }
        }
    }
}

#[inline(always)]
fn plain_on<T: Lanes + Copy, S: Simd<T>, const ROWS: usize>(
    simd: S,
    lines: [&[T]; ROWS],
    b: Matrix<'_, T>,
    terms: Range<usize>,
    column: usize,
) -> [[S::V; 2]; ROWS] {
    let mut sums = [[simd.zero(); 2]; ROWS];
    let count = terms.len();
    for (i, term) in terms.enumerate().take(count) {
        let b = &b.data[term * b.stride + column..][..2 * S::LANES];
        let b = [simd.load(b), simd.load(&b[S::LANES..])];
        for (sums, line) in sums.iter_mut().zip(&lines) {
            let a = simd.splat(line[i]);
            sums[0] = simd.mul_add(a, b[0], sums[0]);
            sums[1] = simd.mul_add(a, b[1], sums[1]);
        }
    }
    sums
}

#[inline(always)]
fn turned_on<T: Lanes + Copy, S: Simd<T>, const ROWS: usize>(
    simd: S,
    a: Matrix<'_, T>,
    b: Matrix<'_, T>,
    row: usize,
    terms: Range<usize>,
    column: usize,
) -> [[S::V; 2]; ROWS] {
    let mut sums = [[simd.zero(); 2]; ROWS];
    for term in terms {
        let a = &a.data[term * a.stride + row..][..ROWS];
        let b = &b.data[term * b.stride + column..][..2 * S::LANES];
        let b = [simd.load(b), simd.load(&b[S::LANES..])];
        for (sums, &a) in sums.iter_mut().zip(a) {
            let a = simd.splat(a);
            sums[0] = simd.mul_add(a, b[0], sums[0]);
            sums[1] = simd.mul_add(a, b[1], sums[1]);
        }
    }
    sums
}

/// `C += A B`: `A` is `rows x terms`, `B` is `terms x columns`, rows of `C` are `stride` apart.
pub(crate) fn add_product<T: Lanes + Copy>(
    isa: Isa,
    (a, b): (Matrix<'_, T>, Matrix<'_, T>),
    [rows, terms, columns]: [usize; 3],
    (c, stride): (&mut [T], usize),
) {
    T::run_on(
        isa,
        Product::<T, false> {
            a,
            b,
            rows,
            terms,
            columns,
            c,
            stride,
        },
    );
}

/// `C += Aᵀ B`: `A` is `terms x rows`.
pub(crate) fn add_turned_product<T: Lanes + Copy>(
    isa: Isa,
    (a, b): (Matrix<'_, T>, Matrix<'_, T>),
    [rows, terms, columns]: [usize; 3],
    (c, stride): (&mut [T], usize),
) {
    T::run_on(
        isa,
        Product::<T, true> {
            a,
            b,
            rows,
            terms,
            columns,
            c,
            stride,
        },
    );
}

/// Adds the sums of a matrix's rows to what is there.
pub(crate) fn add_row_sums<T: Lanes + Copy + Default + std::ops::Add<Output = T>>(
    isa: Isa,
    matrix: Matrix<'_, T>,
    columns: usize,
    sums: &mut [T],
) {
    T::run_on(
        isa,
        RowSums {
            matrix,
            columns,
            sums,
        },
    );
}

/// Adds the sums of the columns of a matrix of so many rows to what is there.
pub(crate) fn add_column_sums<T: Lanes + Copy>(
    isa: Isa,
    matrix: Matrix<'_, T>,
    rows: usize,
    sums: &mut [T],
) {
    T::run_on(isa, ColumnSums { matrix, rows, sums });
}

struct RowSums<'a, T> {
    matrix: Matrix<'a, T>,
    columns: usize,
    sums: &'a mut [T],
}

impl<T: Lanes + Copy + Default + std::ops::Add<Output = T>> Kernel<T> for RowSums<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        let Matrix { data, stride } = self.matrix;
        for (row, line) in self.sums.iter_mut().zip(data.chunks(stride)) {
            let mut sum = simd.zero();
            for values in line[..self.columns].chunks(S::LANES) {
                sum = simd.add(sum, simd.load_part(values));
            }
            let mut lanes = [T::default(); 16];
            simd.store(sum, &mut lanes);
            *row = lanes.into_iter().fold(*row, |a, b| a + b);
        }
    }
}

struct ColumnSums<'a, T> {
    matrix: Matrix<'a, T>,
    rows: usize,
    sums: &'a mut [T],
}

impl<T: Lanes + Copy> Kernel<T> for ColumnSums<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        let Matrix { data, stride } = self.matrix;
        for line in data.chunks(stride).take(self.rows) {
            for (sums, values) in self.sums.chunks_mut(S::LANES).zip(line.chunks(S::LANES)) {
                let values = &values[..sums.len()];
                simd.store_part(simd.add(simd.load_part(sums), simd.load_part(values)), sums);
            }
        }
    }
}
