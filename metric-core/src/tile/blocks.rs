//! Blocks of distances.

use std::ops::Range;

use ndarray::{ArrayView2, ArrayViewMut2, Axis};

use super::finish::{AsIs, Chords, Ends, Excess, Finite, Root, Store};
use super::side::{CANCELLED_SUMS, Side, frame_of};
use crate::Scalar;
use crate::distance::form::{Form, Kind, Terms, Value};
use crate::kernel::term::{Cube, Larger, LargestDifference, Power, Product, Ratio, one};
use crate::kernel::tile::{Packed, sweep_on, widths};
use crate::kernel::{Isa, scan};
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
    Sides {
        value: Sum<T>,
        scale: T,
        left: Option<Side<T>>,
        right: Side<T>,
        panels: Packed<T>,
    },
    Products {
        panels: Packed<T>,
    },
}

/// What the sums of two sides become.
#[derive(Clone, Copy)]
enum Sum<T> {
    /// Products become a value of the chord, whose square is at most the number.
    Chord(Value, T),
    /// Sums of the larger entries become Manhattan distances.
    Manhattan,
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
                Way::Sides {
                    value: Sum::Chord(value, map.largest_square()),
                    scale: frame.scale,
                    panels: packed(right.data(columns), right.dim),
                    left: y.map(|_| Side::new(map, x, &frame)),
                    right,
                }
            }
            Kind::Manhattan => {
                let right = Side::sums(columns, &frame);
                Way::Sides {
                    value: Sum::Manhattan,
                    scale: frame.scale,
                    panels: packed(right.data(columns), right.dim),
                    left: y.map(|_| Side::sums(x, &frame)),
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

    /// Bound of the values' difference from the definition's, relative to them, unless a form has its own.
    ///
    /// A sum of `n` terms, one after another, and the definition's are each off by less than half of it.
    pub(crate) fn slack(&self) -> f64 {
        let sums = (2.0 * self.x.dim() as f64 + 64.0) * T::EPSILON.to_f64();
        match self.way {
            Way::Sides {
                value: Sum::Manhattan,
                ..
            } => sums / CANCELLED_SUMS,
            _ => sums,
        }
    }

    /// Rows that one task should take at a time.
    pub(crate) fn rows_at_a_time(&self) -> usize {
        let dim = match &self.way {
            Way::Sides { right, .. } => right.dim,
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
            Way::Sides { right, .. } => right.dim,
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
            Way::Sides { left, right, .. } => {
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
                    Terms::Chebyshev => {
                        let term = LargestDifference(one());
                        sweep_on(isa, term, strips, panels, columns, &mut sink);
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
            Way::Sides {
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
                let back = T::ONE / *scale;
                let sink = Store {
                    finish: AsIs,
                    out,
                    stride,
                    origin: columns.start,
                    doubtful,
                };
                let (isa, range) = (self.isa, columns.clone());
                match *value {
                    Sum::Chord(value, most) => {
                        let mut sink = sink.with(Chords {
                            ends,
                            value,
                            back,
                            most,
                        });
                        sweep_on(isa, Product, strips, panels, range, &mut sink);
                        if value == Value::Angle {
                            for row in out.chunks_mut(stride).take(rows.len()) {
                                for chord in &mut row[..columns.len()] {
                                    *chord = (*chord / T::from_f64(2.0)).asin() * T::from_f64(2.0);
                                }
                            }
                        }
                    }
                    Sum::Manhattan => {
                        let mut sink = sink.with(Excess { ends, back });
                        sweep_on(isa, Larger(one()), strips, panels, range, &mut sink);
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

/// The inner products of rows `[n, dim]` and rows `[m, dim]`, `[n, m]`, on one thread; no range is watched.
pub(crate) fn products<T: Scalar>(
    x: ArrayView2<'_, T>,
    y: ArrayView2<'_, T>,
    mut out: ArrayViewMut2<'_, T>,
) {
    let isa = Isa::best();
    let (height, width) = widths::<T>(isa);
    let (dim, columns) = (x.ncols(), y.nrows());
    let fill = |packed: &mut Packed<T>, rows: ArrayView2<'_, T>| {
        let rows = rows.as_standard_layout();
        packed.fill(rows.as_slice().expect("standard layout"));
    };
    let (mut strips, mut panels) = (Packed::new(height, dim), Packed::new(width, dim));
    fill(&mut panels, y);
    let some = (CACHED / size_of::<T>() / dim / height).max(1) * height;
    let mut block = vec![T::ZERO; some * columns];
    for (x, mut out) in x
        .axis_chunks_iter(Axis(0), some)
        .zip(out.axis_chunks_iter_mut(Axis(0), some))
    {
        fill(&mut strips, x);
        let mut sink = Store {
            finish: AsIs,
            out: &mut block,
            stride: columns,
            origin: 0,
            doubtful: &mut Vec::new(),
        };
        sweep_on(isa, Product, &strips, &panels, 0..columns, &mut sink);
        let shape = out.dim();
        let values = &block[..shape.0 * columns];
        out.assign(&ArrayView2::from_shape(shape, values).expect("whole rows"));
    }
}
