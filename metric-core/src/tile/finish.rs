//! From joined sums in registers to values in rows of a matrix.

use crate::Scalar;
use crate::distance::form::Value;
use crate::kernel::Simd;
use crate::kernel::tile::{At, Sink};

/// Turns a joined sum into a value.
///
/// No closures here or in other kernels: what is not inlined is compiled without the instruction set.
pub(super) trait Finish<T>: Copy {
    /// What is needed of a row: its norm and limit.
    #[inline(always)]
    fn row<S: Simd<T>>(&self, simd: S, _row: usize) -> [S::V; 2] {
        [simd.zero(); 2]
    }

    /// The same of a vector of columns.
    #[inline(always)]
    fn columns<S: Simd<T>>(&self, simd: S, _column: usize) -> [S::V; 2] {
        [simd.zero(); 2]
    }

    /// The values, and a bit for each lane whose pair must be asked for by its definition.
    fn finish<S: Simd<T>>(
        &self,
        simd: S,
        sum: S::V,
        row: [S::V; 2],
        columns: [S::V; 2],
    ) -> (S::V, u32);
}

/// Writes values into rows of a slice.
pub(super) struct Store<'a, T, F> {
    pub(super) finish: F,
    pub(super) out: &'a mut [T],
    pub(super) stride: usize,
    pub(super) origin: usize,
    pub(super) doubtful: &'a mut Vec<(usize, usize)>,
}

impl<'a, T, F> Store<'a, T, F> {
    pub(super) fn with<G>(self, finish: G) -> Store<'a, T, G> {
        Store {
            finish,
            out: self.out,
            stride: self.stride,
            origin: self.origin,
            doubtful: self.doubtful,
        }
    }
}

impl<T: Scalar, F: Finish<T>> Sink<T> for Store<'_, T, F> {
    #[inline(always)]
    fn take<S: Simd<T>, const ROWS: usize>(&mut self, simd: S, tile: [[S::V; 2]; ROWS], at: At) {
        let low_columns = self.finish.columns(simd, at.column);
        let high_columns = self.finish.columns(simd, at.column + S::LANES);
        let first = at.column - self.origin;
        for (r, &sums) in tile.iter().enumerate().take(at.rows) {
            let row = at.row + r;
            let ends = self.finish.row(simd, row);
            let (low, low_doubt) = self.finish.finish(simd, sums[0], ends, low_columns);
            let (high, high_doubt) = self.finish.finish(simd, sums[1], ends, high_columns);
            let out = &mut self.out[row * self.stride + first..];
            if at.columns == 2 * S::LANES {
                simd.store(low, out);
                simd.store(high, &mut out[S::LANES..]);
            } else {
                let mut whole = [T::ZERO; 32];
                simd.store(low, &mut whole);
                simd.store(high, &mut whole[S::LANES..]);
                out[..at.columns].copy_from_slice(&whole[..at.columns]);
            }
            let doubt = u64::from(low_doubt) | u64::from(high_doubt) << S::LANES;
            if doubt != 0 {
                note(self.doubtful, doubt, row, first, at.columns);
            }
        }
    }
}

#[cold]
#[inline(never)]
fn note(
    doubtful: &mut Vec<(usize, usize)>,
    mut doubt: u64,
    row: usize,
    first: usize,
    columns: usize,
) {
    while doubt != 0 {
        let lane = doubt.trailing_zeros() as usize;
        doubt &= doubt - 1;
        if lane < columns {
            doubtful.push((row, first + lane));
        }
    }
}

/// The sum itself.
#[derive(Clone, Copy)]
pub(super) struct AsIs;

impl<T: Scalar> Finish<T> for AsIs {
    #[inline(always)]
    fn finish<S: Simd<T>>(&self, _: S, sum: S::V, _: [S::V; 2], _: [S::V; 2]) -> (S::V, u32) {
        (sum, 0)
    }
}

/// The sum itself, unless a term has left the range.
#[derive(Clone, Copy)]
pub(super) struct Finite;

impl<T: Scalar> Finish<T> for Finite {
    #[inline(always)]
    fn finish<S: Simd<T>>(&self, simd: S, sum: S::V, _: [S::V; 2], _: [S::V; 2]) -> (S::V, u32) {
        // Infinity and NaN; the largest number itself is asked for once more, for nothing.
        (sum, simd.not_greater(simd.splat(T::LARGEST), simd.abs(sum)))
    }
}

/// `sum^(1/p) / scale`.
#[derive(Clone, Copy)]
pub(super) struct Root<T> {
    pub(super) inverse: T,
    pub(super) back: T,
}

impl<T: Scalar> Finish<T> for Root<T> {
    #[inline(always)]
    fn finish<S: Simd<T>>(&self, simd: S, sum: S::V, _: [S::V; 2], _: [S::V; 2]) -> (S::V, u32) {
        let small = simd.not_greater(sum, simd.splat(T::SAFE_SQUARES.0));
        let large = simd.not_greater(simd.splat(T::SAFE_POWERS), sum);
        let root = T::power(simd, sum, self.inverse);
        (simd.mul(root, simd.splat(self.back)), small | large)
    }
}

#[derive(Clone, Copy)]
pub(super) struct Ends<'a, T> {
    pub(super) row_norms: &'a [T],
    pub(super) row_limits: &'a [T],
    pub(super) column_norms: &'a [T],
    pub(super) column_limits: &'a [T],
}

impl<T: Scalar> Ends<'_, T> {
    #[inline(always)]
    fn row<S: Simd<T>>(&self, simd: S, row: usize) -> [S::V; 2] {
        [
            simd.splat(self.row_norms[row]),
            simd.splat(self.row_limits[row]),
        ]
    }

    #[inline(always)]
    fn columns<S: Simd<T>>(&self, simd: S, column: usize) -> [S::V; 2] {
        let column = column.min(self.column_norms.len());
        [
            simd.load_part(&self.column_norms[column..]),
            simd.load_part(&self.column_limits[column..]),
        ]
    }
}

/// `2 Σ max(a, b) − Σ a − Σ b`.
#[derive(Clone, Copy)]
pub(super) struct Excess<'a, T> {
    pub(super) ends: Ends<'a, T>,
    pub(super) back: T,
}

impl<T: Scalar> Finish<T> for Excess<'_, T> {
    #[inline(always)]
    fn row<S: Simd<T>>(&self, simd: S, row: usize) -> [S::V; 2] {
        self.ends.row(simd, row)
    }

    #[inline(always)]
    fn columns<S: Simd<T>>(&self, simd: S, column: usize) -> [S::V; 2] {
        self.ends.columns(simd, column)
    }

    #[inline(always)]
    fn finish<S: Simd<T>>(
        &self,
        simd: S,
        sum: S::V,
        row: [S::V; 2],
        columns: [S::V; 2],
    ) -> (S::V, u32) {
        let excess = simd.sub(simd.add(sum, sum), simd.add(row[0], columns[0]));
        let doubt = simd.not_greater(excess, simd.add(row[1], columns[1]));
        (simd.mul(excess, simd.splat(self.back)), doubt)
    }
}

/// A function of the chord, from `c² = ‖x‖² + ‖y‖² − 2 x·y`.
#[derive(Clone, Copy)]
pub(super) struct Chords<'a, T> {
    pub(super) ends: Ends<'a, T>,
    pub(super) value: Value,
    pub(super) back: T,
    /// Squares end here.
    pub(super) most: T,
}

impl<T: Scalar> Finish<T> for Chords<'_, T> {
    #[inline(always)]
    fn row<S: Simd<T>>(&self, simd: S, row: usize) -> [S::V; 2] {
        self.ends.row(simd, row)
    }

    #[inline(always)]
    fn columns<S: Simd<T>>(&self, simd: S, column: usize) -> [S::V; 2] {
        self.ends.columns(simd, column)
    }

    #[inline(always)]
    fn finish<S: Simd<T>>(
        &self,
        simd: S,
        sum: S::V,
        row: [S::V; 2],
        columns: [S::V; 2],
    ) -> (S::V, u32) {
        let two = simd.splat(T::ONE + T::ONE);
        let square = simd.neg_mul_add(two, sum, simd.add(row[0], columns[0]));
        let limit = simd.add(row[1], columns[1]);
        let doubt = simd.not_greater(square, limit);
        let square = simd.min(square, simd.splat(self.most));
        let back = simd.splat(self.back);
        let half = simd.splat(T::from_f64(0.5));
        match self.value {
            Value::Square => (simd.mul(simd.mul(square, back), back), doubt),
            Value::Chord => (simd.mul(simd.sqrt(square), back), doubt),
            Value::HalfSquare => (simd.mul(square, half), doubt),
            Value::Cosine => (simd.neg_mul_add(square, half, simd.splat(T::ONE)), doubt),
            Value::Angle => {
                // Near a straight angle the chord says little.
                let rest = simd.sub(simd.splat(T::from_f64(4.0)), square);
                (simd.sqrt(square), doubt | simd.not_greater(rest, limit))
            }
        }
    }
}
