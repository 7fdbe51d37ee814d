//! Rows to columns.

use super::simd::{Kernel, Simd};
use super::{Isa, Lanes};

/// `to[c * width + r] = from[r * stride + c]` for so many rows and columns.
struct Transpose<'a, T> {
    from: &'a [T],
    stride: usize,
    rows: usize,
    columns: usize,
    to: &'a mut [T],
    width: usize,
}

impl<T: Lanes + Copy> Kernel<T> for Transpose<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        match S::LANES {
            16 => blocks::<T, S, 16>(simd, self),
            8 => blocks::<T, S, 8>(simd, self),
            4 => blocks::<T, S, 4>(simd, self),
            _ => blocks::<T, S, 2>(simd, self),
        }
    }
}

#[inline(always)]
fn blocks<T: Lanes + Copy, S: Simd<T>, const N: usize>(
    simd: S,
    Transpose {
        from,
        stride,
        rows,
        columns,
        to,
        width,
    }: Transpose<'_, T>,
) {
    for row in (0..rows).step_by(N) {
        let high = N.min(rows - row);
        for column in (0..columns).step_by(N) {
            let wide = N.min(columns - column);
            let mut block = [simd.zero(); N];
            for (r, vector) in block.iter_mut().enumerate() {
                // Beyond the last row anything will do.
                let first = (row + r.min(high - 1)) * stride + column;
                *vector = if wide == N {
                    simd.load(&from[first..])
                } else {
                    simd.load_part(&from[first..first + wide])
                };
            }
            let block = square::<T, S, N>(simd, block);
            for (c, &vector) in block.iter().enumerate().take(wide) {
                let first = (column + c) * width + row;
                if high == N {
                    simd.store(vector, &mut to[first..]);
                } else {
                    simd.store_part(vector, &mut to[first..first + high]);
                }
            }
        }
    }
}

/// Each round zips the first half of the rows with the second, as a deck of cards is shuffled.
#[inline(always)]
fn square<T, S: Simd<T>, const N: usize>(simd: S, rows: [S::V; N]) -> [S::V; N] {
    let mut rows = rows;
    let mut round = 1;
    while round < N {
        let mut zipped = rows;
        let mut i = 0;
        while i < N / 2 {
            [zipped[2 * i], zipped[2 * i + 1]] = simd.zip(rows[i], rows[i + N / 2]);
            i += 1;
        }
        rows = zipped;
        round *= 2;
    }
    rows
}

/// Writes `rows` rows of `columns` numbers, `stride` apart, as columns into rows that are `width` apart.
#[inline]
pub(crate) fn transpose<T: Lanes + Copy>(
    isa: Isa,
    (from, stride): (&[T], usize),
    (rows, columns): (usize, usize),
    (to, width): (&mut [T], usize),
) {
    T::run_on(
        isa,
        Transpose {
            from,
            stride,
            rows,
            columns,
            to,
            width,
        },
    );
}
