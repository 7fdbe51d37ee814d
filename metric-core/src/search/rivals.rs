//! Many rows against few centres: which centres can be a row's nearest?
//!
//! Here rows lie in panels, a lane each, and centres in strips. What is compared is `‖c‖² − 2 x·c`, the squared distance
//! without `‖x‖²`, which all centres of a row share; so the error is that of the inner product alone. With `x̂` and `ĉ`
//! what the screen has in place of `x` and `c`,
//! ```text
//! |2 x·c − 2 x̂·ĉ| ≤ 2 ‖x − x̂‖ ‖c‖ + 2 ‖x̂‖ ‖c − ĉ‖
//! ```

use std::ops::Range;

use super::screen::{Screen, Strips};
use crate::kernel::Simd;
use crate::kernel::tile::{At, Sink};

/// Which centres of a row are rivals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seek {
    /// Those that may be the nearest.
    Nearest,
    /// Those that may be among the two nearest.
    NearestTwo,
    /// Those that may be nearer than a given distance.
    Below,
}

impl Screen {
    /// Pairs `(row, centre)` of rows of this screen and centres that may be what is sought, rows in groups, centres of a row
    /// ascending.
    ///
    /// `rows` starts at a multiple of the [width](Self::width) of a panel. `slack` bounds the relative error of a computed distance. `limits`
    /// are the squared chords of the rows for [`Seek::Below`].
    pub(crate) fn rivals(
        &self,
        centres: &Strips,
        rows: Range<usize>,
        seek: Seek,
        slack: f32,
        limits: Option<&[f32]>,
    ) -> Vec<(u32, u32)> {
        // A computed distance off by `slack` is a square off by twice that, on both sides of a comparison; and a square is at most
        // twice the sum of the squared norms.
        let share = 8.0 * slack + self.rounding();
        let of_centre = |j: usize| {
            let (ends, square) = (centres.ends(), centres.ends().squares[j]);
            Centre {
                norm: square,
                length: 2.0 * square.sqrt() * 1.000_01,
                error: 2.0 * ends.errors[j],
                rounding: share * square + f32::MIN_POSITIVE,
            }
        };
        let list: Vec<Centre> = (0..centres.ends().squares.len()).map(of_centre).collect();
        let mut sink = Race {
            screen: self,
            lower: vec![0.0; list.len() * self.width()],
            centres: &list,
            seek,
            share,
            limits,
            bounds: Bounds::default(),
            found: Vec::new(),
        };
        self.sweep(centres, rows, &mut sink);
        sink.found
    }
}

struct Centre {
    norm: f32,
    length: f32,
    error: f32,
    rounding: f32,
}

/// The least and second least upper bound of every row in a panel.
#[derive(Clone, Copy)]
struct Bounds {
    least: [f32; 32],
    second: [f32; 32],
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            least: [f32::INFINITY; 32],
            second: [f32::INFINITY; 32],
        }
    }
}

struct Race<'a> {
    screen: &'a Screen,
    centres: &'a [Centre],
    seek: Seek,
    share: f32,
    limits: Option<&'a [f32]>,
    /// Lower bounds of the panel at hand, centre by centre.
    lower: Vec<f32>,
    bounds: Bounds,
    found: Vec<(u32, u32)>,
}

impl Sink<f32> for Race<'_> {
    #[inline(always)]
    fn take<S: Simd<f32>, const ROWS: usize>(&mut self, simd: S, tile: [[S::V; 2]; ROWS], at: At) {
        let ends = self.screen.ends();
        let last = at.column + at.columns;
        let two = simd.splat(2.0);
        for half in 0..2 {
            let rows = (at.column + half * S::LANES).min(last)..last;
            let error = simd.load_part(&ends.errors[rows.clone()]);
            let length = simd.sqrt(simd.load_part(&ends.norms[rows.clone()]));
            let square = simd.load_part(&ends.squares[rows]);
            let rounding = simd.mul(square, simd.splat(self.share));
            let place = half * S::LANES;
            let mut least = simd.load(&self.bounds.least[place..]);
            let mut second = simd.load(&self.bounds.second[place..]);
            for (r, products) in tile.iter().enumerate().take(at.rows) {
                let centre = &self.centres[at.row + r];
                let value = simd.neg_mul_add(two, products[half], simd.splat(centre.norm));
                let margin = simd.add(rounding, simd.splat(centre.rounding));
                let margin = simd.mul_add(error, simd.splat(centre.length), margin);
                let margin = simd.mul_add(length, simd.splat(centre.error), margin);
                let upper = simd.add(value, margin);
                second = simd.min(second, simd.max(least, upper));
                least = simd.min(least, upper);
                let lower = simd.sub(value, margin);
                simd.store(
                    lower,
                    &mut self.lower[(at.row + r) * 2 * S::LANES + place..],
                );
            }
            simd.store(least, &mut self.bounds.least[place..]);
            simd.store(second, &mut self.bounds.second[place..]);
        }
    }

    #[inline(always)]
    fn end_panel<S: Simd<f32>>(&mut self, simd: S, column: usize, columns: usize) {
        for half in 0..2 {
            let place = half * S::LANES;
            let bound = match self.seek {
                Seek::Nearest => simd.load(&self.bounds.least[place..]),
                Seek::NearestTwo => simd.load(&self.bounds.second[place..]),
                Seek::Below => {
                    let last = column + columns;
                    let rows = (column + place).min(last)..last;
                    let limits = self.limits.unwrap_or(&[]);
                    let limit = simd.load_part(&limits[rows.clone()]);
                    simd.sub(limit, simd.load_part(&self.screen.ends().squares[rows]))
                }
            };
            for (j, lower) in self.lower.chunks_exact(2 * S::LANES).enumerate() {
                let mask = simd.not_greater(simd.load(&lower[place..]), bound);
                if mask != 0 {
                    note(&mut self.found, mask, column + place, column + columns, j);
                }
            }
        }
        self.bounds = Bounds::default();
    }
}

#[inline(never)]
fn note(found: &mut Vec<(u32, u32)>, mut mask: u32, first: usize, end: usize, centre: usize) {
    while mask != 0 {
        let row = first + mask.trailing_zeros() as usize;
        mask &= mask - 1;
        if row < end {
            found.push((row as u32, centre as u32));
        }
    }
}
