//! Blocks of distances.

use std::ops::Range;

use super::side::{Side, frame_of};
use crate::Scalar;
use crate::distance::form::{Form, Kind, Terms, Value};
use crate::kernel::term::{Cube, Difference, LargestDifference, Power, Product, Ratio};
use crate::kernel::tile::{At, Packed, Sink, sweep_on, widths};
use crate::kernel::{Isa, Simd, scan};
use crate::rows::Rows;

/// Bytes of packed rows that stay in the cache of a core while the columns pass by.
const CACHED: usize = 256 << 10;

/// Both sides of a walk, ready to give any block of the values of all pairs.
///
/// Values of pairs in a block agree with the definition up to the rounding error of a longer sum; where rounding
/// could show (differences that cancelled, results near the ends of the range) the definition itself is asked.
pub(crate) struct Blocks<'a, T: Scalar, V: ?Sized> {
    isa: Isa,
    /// The definition: the value of one pair.
    pair: &'a V,
    x: &'a Rows<'a, T>,
    y: &'a Rows<'a, T>,
    way: Way<'a, T>,
}

enum Way<'a, T: Scalar> {
    Pairs,
    Terms {
        terms: Terms<T>,
        scale: T,
        rows: std::borrow::Cow<'a, [T]>,
        panels: Packed<T>,
    },
    Chords {
        value: Value,
        scale: T,
        left: Option<Side<T>>,
        right: Side<T>,
        panels: Packed<T>,
    },
    Products {
        panels: Packed<T>,
    },
}

/// What a task reuses from block to block.
pub(crate) struct Scratch<T> {
    strips: Packed<T>,
    doubtful: Vec<(usize, usize)>,
}

impl<'a, T, V> Blocks<'a, T, V>
where
    T: Scalar,
    V: Fn(&[T], &[T]) -> T + Sync + ?Sized,
{
    /// `y` is the same as `x` if `None`.
    pub(crate) fn new(
        form: Form<'_, T>,
        pair: &'a V,
        x: &'a Rows<'a, T>,
        y: Option<&'a Rows<'a, T>>,
    ) -> Self {
        let isa = Isa::best();
        let (_, width) = widths::<T>(isa);
        let sides: Vec<&Rows<'_, T>> = std::iter::once(x).chain(y).collect();
        let columns = y.unwrap_or(x);
        let frame = frame_of(form.0, &sides);
        let packed = |rows: &[T], dim: usize| {
            let mut panels = Packed::new(width, dim);
            panels.fill(rows);
            panels
        };
        let way = match form.0 {
            Kind::Pairs => Way::Pairs,
            Kind::Products => Way::Products {
                panels: packed(columns.data(), columns.dim()),
            },
            Kind::Terms(Terms::Canberra) if sides.iter().any(|side| !has_room(side)) => Way::Pairs,
            Kind::Terms(terms) => Way::Terms {
                terms,
                scale: frame.scale,
                rows: frame.apply(x.data(), x.dim()),
                panels: packed(&frame.apply(columns.data(), columns.dim()), columns.dim()),
            },
            Kind::Chords(map, value) => {
                let right = Side::new(map, columns, &frame);
                Way::Chords {
                    value,
                    scale: frame.scale,
                    panels: packed(right.data(columns), right.dim),
                    left: y.map(|_| Side::new(map, x, &frame)),
                    right,
                }
            }
        };
        Self {
            isa,
            pair,
            x,
            y: columns,
            way,
        }
    }

    /// Rows that one task should take at a time.
    pub(crate) fn rows_at_a_time(&self) -> usize {
        let dim = match &self.way {
            Way::Chords { right, .. } => right.dim,
            _ => self.x.dim(),
        };
        let (height, _) = widths::<T>(self.isa);
        let rows = CACHED / size_of::<T>() / dim.max(1);
        // Not so many that two threads share few blocks.
        let fair = self.x.len().div_ceil(16);
        (rows.min(fair).clamp(2 * height, 384) / height).max(1) * height
    }

    pub(crate) fn scratch(&self) -> Scratch<T> {
        let (height, _) = widths::<T>(self.isa);
        let dim = match &self.way {
            Way::Chords { right, .. } => right.dim,
            _ => self.x.dim(),
        };
        Scratch {
            strips: Packed::new(height, dim),
            doubtful: Vec::new(),
        }
    }

    /// Takes rows of the left side into the scratch, for blocks of them.
    pub(crate) fn pack(&self, scratch: &mut Scratch<T>, rows: Range<usize>) {
        let (all, dim) = match &self.way {
            Way::Pairs => return,
            Way::Terms { rows, .. } => (&**rows, self.x.dim()),
            Way::Products { .. } => (self.x.data(), self.x.dim()),
            Way::Chords { left, right, .. } => {
                let left = left.as_ref().unwrap_or(right);
                (left.data(self.x), left.dim)
            }
        };
        scratch.strips.fill(&all[rows.start * dim..rows.end * dim]);
    }

    /// Writes the values of the packed rows against columns: row `i` at `out[i * stride..]`.
    ///
    /// `columns` starts at a multiple of 64, which every panel's width divides.
    pub(crate) fn block(
        &self,
        scratch: &mut Scratch<T>,
        rows: Range<usize>,
        columns: Range<usize>,
        out: &mut [T],
        stride: usize,
    ) {
        let doubtful = &mut scratch.doubtful;
        doubtful.clear();
        let strips = &scratch.strips;
        match &self.way {
            Way::Pairs => {
                for (out, row) in out.chunks_mut(stride).zip(rows) {
                    for (out, column) in out.iter_mut().zip(columns.clone()) {
                        *out = (self.pair)(self.x.row(row), self.y.row(column));
                    }
                }
                return;
            }
            Way::Products { panels } => {
                let finish = Finite;
                let mut sink = Store {
                    finish,
                    out,
                    stride,
                    origin: columns.start,
                    doubtful,
                };
                sweep_on(
                    self.isa,
                    Product,
                    strips,
                    panels,
                    columns.clone(),
                    &mut sink,
                );
            }
            Way::Terms {
                terms,
                scale,
                panels,
                ..
            } => {
                let mut sink = Store {
                    finish: AsIs,
                    out,
                    stride,
                    origin: columns.start,
                    doubtful,
                };
                let (isa, columns) = (self.isa, columns.clone());
                match *terms {
                    Terms::Manhattan => {
                        sweep_on(isa, Difference, strips, panels, columns, &mut sink);
                    }
                    Terms::Chebyshev => {
                        sweep_on(isa, LargestDifference, strips, panels, columns, &mut sink);
                    }
                    Terms::Canberra => sweep_on(
                        isa,
                        Ratio(T::from_f64(T::LEAST)),
                        strips,
                        panels,
                        columns,
                        &mut sink,
                    ),
                    Terms::Minkowski(p) => {
                        let finish = Root {
                            inverse: T::ONE / p,
                            back: T::ONE / *scale,
                        };
                        let mut sink = sink.with(finish);
                        if p.total_cmp(&T::from_f64(3.0)).is_eq() {
                            sweep_on(isa, Cube, strips, panels, columns, &mut sink);
                        } else {
                            sweep_on(isa, Power(p), strips, panels, columns, &mut sink);
                        }
                    }
                }
            }
            Way::Chords {
                value,
                scale,
                left,
                right,
                panels,
            } => {
                let left = left.as_ref().unwrap_or(right);
                let ends = Ends {
                    row_norms: &left.norms[rows.clone()],
                    row_limits: &left.limits[rows.clone()],
                    column_norms: &right.norms,
                    column_limits: &right.limits,
                };
                let finish = Chords {
                    ends,
                    value: *value,
                    back: T::ONE / *scale,
                };
                let mut sink = Store {
                    finish,
                    out,
                    stride,
                    origin: columns.start,
                    doubtful,
                };
                sweep_on(
                    self.isa,
                    Product,
                    strips,
                    panels,
                    columns.clone(),
                    &mut sink,
                );
                if *value == Value::Angle {
                    for row in out.chunks_mut(stride).take(rows.len()) {
                        for chord in &mut row[..columns.len()] {
                            *chord = (*chord / T::from_f64(2.0)).asin() * T::from_f64(2.0);
                        }
                    }
                }
            }
        }
        for &(row, column) in &*doubtful {
            out[row * stride + column] = (self.pair)(
                self.x.row(rows.start + row),
                self.y.row(columns.start + column),
            );
        }
    }
}

/// Do sums of two entries stay in the range?
fn has_room<T: Scalar>(side: &Rows<'_, T>) -> bool {
    scan::largest(side.data()) < T::LARGEST / T::from_f64(4.0)
}

/// Turns a joined sum into a value.
///
/// No closures here or in other kernels: what is not inlined is compiled without the instruction set.
trait Finish<T>: Copy {
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
struct Store<'a, T, F> {
    finish: F,
    out: &'a mut [T],
    stride: usize,
    origin: usize,
    doubtful: &'a mut Vec<(usize, usize)>,
}

impl<'a, T, F> Store<'a, T, F> {
    fn with<G>(self, finish: G) -> Store<'a, T, G> {
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
struct AsIs;

impl<T: Scalar> Finish<T> for AsIs {
    #[inline(always)]
    fn finish<S: Simd<T>>(&self, _: S, sum: S::V, _: [S::V; 2], _: [S::V; 2]) -> (S::V, u32) {
        (sum, 0)
    }
}

/// The sum itself, unless a term has left the range.
#[derive(Clone, Copy)]
struct Finite;

impl<T: Scalar> Finish<T> for Finite {
    #[inline(always)]
    fn finish<S: Simd<T>>(&self, simd: S, sum: S::V, _: [S::V; 2], _: [S::V; 2]) -> (S::V, u32) {
        // Infinity and NaN; the largest number itself is asked for once more, for nothing.
        (sum, simd.not_greater(simd.splat(T::LARGEST), simd.abs(sum)))
    }
}

/// `sum^(1/p) / scale`.
#[derive(Clone, Copy)]
struct Root<T> {
    inverse: T,
    back: T,
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
struct Ends<'a, T> {
    row_norms: &'a [T],
    row_limits: &'a [T],
    column_norms: &'a [T],
    column_limits: &'a [T],
}

/// A function of the chord, from `c² = ‖x‖² + ‖y‖² − 2 x·y`.
#[derive(Clone, Copy)]
struct Chords<'a, T> {
    ends: Ends<'a, T>,
    value: Value,
    back: T,
}

impl<T: Scalar> Finish<T> for Chords<'_, T> {
    #[inline(always)]
    fn row<S: Simd<T>>(&self, simd: S, row: usize) -> [S::V; 2] {
        [
            simd.splat(self.ends.row_norms[row]),
            simd.splat(self.ends.row_limits[row]),
        ]
    }

    #[inline(always)]
    fn columns<S: Simd<T>>(&self, simd: S, column: usize) -> [S::V; 2] {
        let column = column.min(self.ends.column_norms.len());
        [
            simd.load_part(&self.ends.column_norms[column..]),
            simd.load_part(&self.ends.column_limits[column..]),
        ]
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
