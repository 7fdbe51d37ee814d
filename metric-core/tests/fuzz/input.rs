//! Matrices of odd shapes, layouts and values out of bytes.

use metric_core::Scalar;
use ndarray::{Array2, ArrayView2, Axis, ShapeBuilder, s};

/// A matrix inside a larger one, and how to look at it.
pub(crate) struct Matrix<T> {
    held: Array2<T>,
    layout: Layout,
}

#[derive(Debug, Clone, Copy)]
struct Layout {
    /// Columns lie one after another, not rows.
    by_columns: bool,
    /// Every so manyeth row of the larger matrix.
    row_step: usize,
    /// Rows, or columns, from the last to the first.
    reversed: [bool; 2],
    /// Columns left of the view, and as many right of it.
    margin: usize,
}

impl<T: Scalar> Matrix<T> {
    pub(crate) fn read(bytes: &mut Bytes<'_>, dim: usize) -> Self {
        let n = bytes.size();
        let flags = bytes.byte();
        let layout = Layout {
            by_columns: flags & 1 != 0,
            row_step: 1 + usize::from(flags >> 1 & 3) % 3,
            reversed: [flags & 8 != 0, flags & 16 != 0],
            margin: usize::from(flags >> 5) % 3,
        };
        let values = Values::read(bytes);
        let shape = (n * layout.row_step, dim + 2 * layout.margin);
        // What is outside of the view must not matter, not even NaN.
        let nan = T::from_f64(f64::NAN);
        let mut held = Array2::from_elem(shape.set_f(layout.by_columns), nan);
        let mut previous = vec![T::ZERO; dim];
        for row in 0..n {
            // Zero rows have no direction; equal and nearly equal rows are where differences cancel.
            let kind = bytes.below(8);
            for (column, before) in previous.iter_mut().enumerate() {
                let fresh = bytes.value(values);
                *before = match kind {
                    0 => T::ZERO,
                    1 => *before,
                    2 if column > 0 => *before,
                    _ => fresh,
                };
                held[[row * layout.row_step, layout.margin + column]] = *before;
            }
        }
        Self { held, layout }
    }

    pub(crate) fn view(&self) -> ArrayView2<'_, T> {
        let (margin, columns) = (self.layout.margin, self.held.ncols());
        let mut view = self
            .held
            .slice(s![..; self.layout.row_step, margin..columns - margin]);
        for (axis, reversed) in self.layout.reversed.into_iter().enumerate() {
            if reversed {
                view.invert_axis(Axis(axis));
            }
        }
        view
    }
}

/// Which numbers a matrix holds.
#[derive(Debug, Clone, Copy)]
enum Values {
    /// Multiples of 1/16 up to 8: ties, zeros, equal rows.
    Grid,
    /// The same, near 1e4.
    Offset,
    /// The same, times a power of two.
    Scaled(i32),
    /// Of any size in one row.
    Mixed,
    /// Any bits: NaN, infinities, the least and the largest.
    Bits,
}

impl Values {
    fn read(bytes: &mut Bytes<'_>) -> Self {
        match bytes.below(8) {
            0..=2 => Self::Grid,
            3 => Self::Offset,
            4 | 5 => Self::Scaled(bytes.byte() as i8 as i32),
            6 => Self::Mixed,
            _ => Self::Bits,
        }
    }
}

/// Numbers out of bytes, without end.
pub(crate) struct Bytes<'b> {
    rest: &'b [u8],
    state: u64,
}

impl<'b> Bytes<'b> {
    pub(crate) fn new(bytes: &'b [u8]) -> Self {
        // FNV-1a.
        let state = bytes
            .iter()
            .fold(0xcbf2_9ce4_8422_2325, |hash: u64, &byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
            });
        Self { rest: bytes, state }
    }

    fn byte(&mut self) -> u8 {
        match self.rest.split_first() {
            Some((&first, rest)) => {
                self.rest = rest;
                first
            }
            None => splitmix(&mut self.state) as u8,
        }
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::from(self.byte()) % bound
    }

    /// Mostly small, rarely 0, sometimes beyond the blocks that kernels work in.
    pub(crate) fn size(&mut self) -> usize {
        match self.byte() {
            0 => 0,
            byte @ 1..=239 => 1 + usize::from(byte) % 19,
            byte => 60 + usize::from(byte) % 16,
        }
    }

    fn value<T: Scalar>(&mut self, values: Values) -> T {
        let grid = f64::from(self.byte() as i8) / 16.0;
        // The range of `f32` in eighths of a byte's, that of `f64` in whole ones.
        let (step, huge) = if size_of::<T>() == 4 { (1, 1) } else { (8, 8) };
        T::from_f64(match values {
            Values::Grid => grid,
            Values::Offset => 1e4 + grid,
            Values::Scaled(exponent) => grid * 2f64.powi(exponent.clamp(-120, 120) * step),
            Values::Mixed => {
                let exponent = i32::from(self.byte() as i8).clamp(-120, 120);
                grid * 2f64.powi(exponent * huge)
            }
            Values::Bits if size_of::<T>() == 4 => f64::from(f32::from_bits(u32::from_le_bytes(
                [(); 4].map(|()| self.byte()),
            ))),
            Values::Bits => f64::from_bits(u64::from_le_bytes([(); 8].map(|()| self.byte()))),
        })
    }
}

/// Steele, Lea and Flood, *Fast Splittable Pseudorandom Number Generators*, 2014.
pub(crate) fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
