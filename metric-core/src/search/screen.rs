//! Intervals for the chords of all pairs, from codes or from `f32`.

use std::ops::Range;

use rayon::prelude::*;

#[cfg(target_arch = "x86_64")]
use crate::kernel::codes::Vnni;
use crate::kernel::codes::{Coded, Codes, WIDTH};
use crate::kernel::term::Product;
use crate::kernel::tile::{At, Packed, Sink, sweep_on, widths};
use crate::kernel::{Isa, Simd};
use crate::tile::side::Side;
use crate::{Scalar, lanes};

/// Mapped rows of the base, moved to their mean and stored for fast approximate inner products.
#[derive(Debug)]
pub(crate) struct Screen {
    store: Store,
    center: Vec<f32>,
    dim: usize,
    ends: Ends,
    /// Relative rounding error of `norms − 2 product`, as a share of the norms.
    rounding: f32,
}

#[derive(Debug)]
enum Store {
    #[cfg(target_arch = "x86_64")]
    Codes(Vnni, Codes),
    Floats(Isa, Packed<f32>),
}

/// What is known of each approximate row.
#[derive(Debug)]
pub(super) struct Ends {
    /// Squared norm; NaN where only the definition will do.
    pub(super) norms: Vec<f32>,
    /// Bound of the distance to the row it stands for.
    pub(super) errors: Vec<f32>,
    /// Squared norm of the row it stands for.
    pub(super) squares: Vec<f32>,
}

/// Queries in the form that the screen's base wants.
#[derive(Debug)]
pub(crate) struct Strips {
    store: StripStore,
    ends: Ends,
}

#[derive(Debug)]
enum StripStore {
    Codes(Codes),
    Floats(Packed<f32>),
}

impl Strips {
    pub(super) fn ends(&self) -> &Ends {
        &self.ends
    }

    /// Is this a query that only the definition will do for?
    pub(crate) fn is_lost(&self, row: usize) -> bool {
        self.ends.norms[row].is_nan()
    }
}

/// Longest rows whose sums of squared codes are exact, a sixteenth of them in an `f32`.
const LONGEST: usize = 1 << 14;

/// Rows that a task codes at a time: a multiple of the width of a panel.
const ROWS: usize = 8 * WIDTH;

impl Screen {
    /// From codes where the machine is fast at them, unless they are not wanted.
    pub(crate) fn new<T: Scalar>(side: &Side<T>, data: &[T], codes: bool) -> Self {
        Self::around(mean(data, side.dim), side, data, codes)
    }

    /// A screen of other rows around the same centre, so that it takes the same strips.
    pub(crate) fn of_others<T: Scalar>(&self, side: &Side<T>, data: &[T]) -> Self {
        let codes = !matches!(self.store, Store::Floats(..));
        Self::around(self.center.clone(), side, data, codes)
    }

    fn around<T: Scalar>(center: Vec<f32>, side: &Side<T>, data: &[T], codes: bool) -> Self {
        let (dim, n) = (side.dim, side.norms.len());
        #[cfg(target_arch = "x86_64")]
        if let Some(vnni) = Vnni::detect().filter(|_| codes && dim < LONGEST) {
            let mut stored = Codes::panels(dim);
            let ends = code(side, data, 0..n, &center, &mut stored);
            return Self {
                store: Store::Codes(vnni, stored),
                center,
                dim,
                ends,
                // Whole numbers are exact; what is left are a handful of roundings of a product and a sum.
                rounding: 8.0 * f32::EPSILON,
            };
        }
        let _ = codes;
        let isa = Isa::best();
        let mut panels = Packed::new(widths::<f32>(isa).1, dim);
        let (rows, ends) = floats(side, data, 0..n, &center);
        panels.fill(&rows);
        Self {
            store: Store::Floats(isa, panels),
            center,
            dim,
            ends,
            rounding: (dim as f32 + 8.0) * f32::EPSILON,
        }
    }

    /// Queries ready for this screen.
    pub(crate) fn strips<T: Scalar>(
        &self,
        side: &Side<T>,
        data: &[T],
        rows: Range<usize>,
    ) -> Strips {
        match &self.store {
            #[cfg(target_arch = "x86_64")]
            Store::Codes(..) => {
                let mut stored = Codes::strips(self.dim);
                let ends = code(side, data, rows, &self.center, &mut stored);
                Strips {
                    store: StripStore::Codes(stored),
                    ends,
                }
            }
            Store::Floats(isa, _) => {
                let mut strips = Packed::new(widths::<f32>(*isa).0, self.dim);
                let (rows, ends) = floats(side, data, rows, &self.center);
                strips.fill(&rows);
                Strips {
                    store: StripStore::Floats(strips),
                    ends,
                }
            }
        }
    }

    pub(super) fn ends(&self) -> &Ends {
        &self.ends
    }

    pub(super) fn rounding(&self) -> f32 {
        self.rounding
    }

    /// Rows of a panel.
    pub(super) fn width(&self) -> usize {
        match &self.store {
            #[cfg(target_arch = "x86_64")]
            Store::Codes(..) => WIDTH,
            Store::Floats(isa, _) => widths::<f32>(*isa).1,
        }
    }

    /// The pairs of the strips with some columns whose chord may be at or below the row's bound, as `(row, column, low,
    /// high)` with the chord between `low` and `high`, both widened by `slack` of themselves.
    pub(crate) fn hits(
        &self,
        strips: &Strips,
        columns: Range<usize>,
        bounds: &[f32],
        slack: f32,
        hits: &mut Vec<Hit>,
    ) {
        hits.clear();
        let largest = |values: &[f32]| {
            values
                .iter()
                .fold(0.0f32, |m, &x| if x > m { x } else { m })
        };
        let error = largest(&self.ends.errors[columns.clone()]);
        let norm = largest(&self.ends.norms[columns.clone()]);
        // ‖y‖² − 2 x·y at or below this may be a chord at or below the bound.
        let thresholds: Vec<f32> = bounds
            .iter()
            .zip(strips.ends.norms.iter().zip(&strips.ends.errors))
            .map(|(&bound, (&own_norm, &own_error))| {
                if own_norm.is_nan() {
                    return f32::NEG_INFINITY;
                }
                let reach = bound * (1.0 + 2.0 * slack) + own_error + error;
                reach * reach * 1.000_001 - own_norm + self.rounding * (own_norm + norm)
            })
            .collect();
        let mut sink = Sieve {
            norms: &self.ends.norms,
            thresholds: &thresholds,
            hits,
        };
        self.sweep(strips, columns, &mut sink);
        hits.retain_mut(|hit| {
            let (row, column) = (hit.row as usize, hit.column as usize);
            let (low, high) = self.interval(hit.low, (&strips.ends, row), column);
            (hit.low, hit.high) = (low * (1.0 - slack), high * (1.0 + slack));
            hit.low <= bounds[row]
        });
    }

    fn interval(&self, partial: f32, (ends, row): (&Ends, usize), column: usize) -> (f32, f32) {
        let norms = ends.norms[row] + self.ends.norms[column];
        if norms.is_nan() {
            return (0.0, f32::INFINITY);
        }
        let errors = ends.errors[row] + self.ends.errors[column];
        let square = partial + ends.norms[row];
        let rounding = self.rounding * norms;
        let low = (square - rounding).max(0.0).sqrt() * (1.0 - 4.0 * f32::EPSILON) - errors;
        let high = (square + rounding).max(0.0).sqrt() * (1.0 + 4.0 * f32::EPSILON) + errors;
        (low.max(0.0), high)
    }

    pub(super) fn sweep<K: Sink<f32>>(&self, strips: &Strips, columns: Range<usize>, sink: &mut K) {
        match (&self.store, &strips.store) {
            #[cfg(target_arch = "x86_64")]
            (Store::Codes(vnni, panels), StripStore::Codes(strips)) => {
                vnni.sweep(strips, panels, columns, sink);
            }
            (Store::Floats(isa, panels), StripStore::Floats(strips)) => {
                sweep_on(*isa, Product, strips, panels, columns, sink);
            }
            _ => unreachable!("strips are made by the screen that they are used with"),
        }
    }
}

/// A pair that may matter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hit {
    pub(crate) row: u32,
    pub(crate) column: u32,
    pub(crate) low: f32,
    pub(crate) high: f32,
}

struct Sieve<'a> {
    norms: &'a [f32],
    thresholds: &'a [f32],
    hits: &'a mut Vec<Hit>,
}

impl Sink<f32> for Sieve<'_> {
    #[inline(always)]
    fn take<S: Simd<f32>, const ROWS: usize>(&mut self, simd: S, tile: [[S::V; 2]; ROWS], at: At) {
        let norms = &self.norms[at.column..at.column + at.columns];
        let norms = [
            simd.load_part(norms),
            simd.load_part(norms.get(S::LANES..).unwrap_or(&[])),
        ];
        let two = simd.splat(2.0);
        for (r, products) in tile.iter().enumerate().take(at.rows) {
            let threshold = simd.splat(self.thresholds[at.row + r]);
            let low = simd.neg_mul_add(two, products[0], norms[0]);
            let high = simd.neg_mul_add(two, products[1], norms[1]);
            let mask = u64::from(simd.not_greater(low, threshold))
                | u64::from(simd.not_greater(high, threshold)) << S::LANES;
            if mask != 0 {
                let mut partial = [0.0; 32];
                simd.store(low, &mut partial);
                simd.store(high, &mut partial[S::LANES..]);
                note(self.hits, mask, &partial, at.row + r, at);
            }
        }
    }
}

#[inline(never)]
fn note(hits: &mut Vec<Hit>, mut mask: u64, partial: &[f32; 32], row: usize, at: At) {
    while mask != 0 {
        let lane = mask.trailing_zeros() as usize;
        mask &= mask - 1;
        if lane < at.columns {
            hits.push(Hit {
                row: row as u32,
                column: (at.column + lane) as u32,
                low: partial[lane],
                high: 0.0,
            });
        }
    }
}

/// The mean of the mapped rows, the same for any number of threads.
fn mean<T: Scalar>(data: &[T], dim: usize) -> Vec<f32> {
    let parts: Vec<Vec<f64>> = data
        .par_chunks(1024 * dim)
        .map(|rows| lanes::column_sums(rows, dim))
        .collect();
    let mut sums = vec![0.0; dim];
    for part in parts {
        sums.iter_mut().zip(part).for_each(|(sum, x)| *sum += x);
    }
    let n = (data.len() / dim) as f64;
    sums.into_iter().map(|sum| (sum / n) as f32).collect()
}

/// A row moved to the centre, in `f32`. The subtraction is off by at most 2⁻²⁴ of the result for `f32`; for `f64` so is its
/// conversion.
#[inline]
fn moved<T: Scalar>(row: &[T], center: &[f32], out: &mut [f32]) {
    for ((out, x), &c) in out.iter_mut().zip(row).zip(center) {
        *out = (*x - T::from_f64(f64::from(c))).to_f64() as f32;
    }
}

fn code<T: Scalar>(
    side: &Side<T>,
    data: &[T],
    rows: Range<usize>,
    center: &[f32],
    codes: &mut Codes,
) -> Ends {
    codes.clear(rows.len());
    let (dim, width) = (side.dim, codes.width());
    let mut coded = vec![Coded::default(); rows.len()];
    codes
        .groups_mut()
        .into_par_iter()
        .zip(coded.par_chunks_mut(width))
        .enumerate()
        .with_min_len(ROWS / width)
        .for_each_init(
            || vec![0.0; dim],
            |buffer, (index, (mut group, coded))| {
                let first = rows.start + index * width;
                for (place, coded) in coded.iter_mut().enumerate() {
                    moved(&data[(first + place) * dim..][..dim], center, buffer);
                    *coded = group.put(place, buffer);
                }
            },
        );
    Ends::new(coded, side, rows)
}

fn floats<T: Scalar>(
    side: &Side<T>,
    data: &[T],
    rows: Range<usize>,
    center: &[f32],
) -> (Vec<f32>, Ends) {
    let dim = side.dim;
    let mut out = vec![0.0; rows.len() * dim];
    let coded = out
        .par_chunks_mut(dim)
        .zip(rows.clone())
        .with_min_len(ROWS)
        .map(|(out, row)| {
            moved(&data[row * dim..][..dim], center, out);
            let square = lanes::squared_norm(out);
            Coded {
                norm: square as f32,
                error: (square.sqrt() * 2.4e-7 + (dim as f64).sqrt() * 1e-19) as f32,
                square: square as f32,
            }
        })
        .collect();
    (out, Ends::new(coded, side, rows))
}

/// A query may lie far outside the frame of the base.
const LARGEST_NORM: f32 = 1e30;

impl Ends {
    fn new<T: Scalar>(coded: Vec<Coded>, side: &Side<T>, rows: Range<usize>) -> Self {
        let norm = |(coded, row): (&Coded, usize)| {
            if side.norms[row].to_f64().is_nan() || coded.norm > LARGEST_NORM {
                f32::NAN
            } else {
                coded.norm
            }
        };
        let error = |(coded, row): (&Coded, usize)| coded.error + side.slacks[row];
        Self {
            norms: coded.iter().zip(rows.clone()).map(norm).collect(),
            errors: coded.iter().zip(rows).map(error).collect(),
            squares: coded.iter().map(|coded| coded.square).collect(),
        }
    }
}
