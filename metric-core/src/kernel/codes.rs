//! Rows as 8-bit codes: `row ≈ scale · code`, and inner products of codes at four times the rate of `f32`.
//!
//! One side keeps its codes in panels, moved up by 128 to be unsigned as the instruction wants; the other side's
//! strips stay signed and start from `−128 Σ code`, which takes the move back. Sums of codes are exact whole numbers; what
//! is lost in rounding rows to codes is known for each row and bounds the error of every distance.

use super::Lanes;
use super::scan;
use super::simd::{Kernel, Simd};
use super::term::Product;

/// Columns of a panel, rows of a strip.
pub(crate) const WIDTH: usize = 32;
pub(crate) const HEIGHT: usize = 12;
/// Coordinates in a word.
const WORD: usize = 4;

/// Groups of rows as codes, four coordinates to a word, word by word; filled up with zero rows.
#[derive(Debug)]
pub(crate) struct Codes {
    words: Vec<u32>,
    /// Value of a unit of code, one for each row, and zeros for filling.
    scales: Vec<f32>,
    /// `Σ code` of each row.
    sums: Vec<i32>,
    width: usize,
    length: usize,
    rows: usize,
    flip: u32,
}

/// Largest entry whose square, and sums of thousands of them, stay in the range.
const LARGEST: f32 = 1e15;

/// What a row's codes stand for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Coded {
    /// Squared norm of `scale · code`.
    pub(crate) norm: f32,
    /// Bound of the distance from the row to `scale · code`.
    pub(crate) error: f32,
    /// Squared norm of the row itself.
    pub(crate) square: f32,
}

impl Codes {
    pub(crate) fn panels(dim: usize) -> Self {
        Self::new(WIDTH, dim, 0x8080_8080)
    }

    pub(crate) fn strips(dim: usize) -> Self {
        Self::new(HEIGHT, dim, 0)
    }

    fn new(width: usize, dim: usize, flip: u32) -> Self {
        let length = dim.div_ceil(WORD);
        Self {
            words: Vec::new(),
            scales: Vec::new(),
            sums: Vec::new(),
            width,
            length,
            rows: 0,
            flip,
        }
    }

    /// Makes room for rows, all of them zero.
    pub(crate) fn clear(&mut self, rows: usize) {
        self.rows = rows;
        let filled = rows.div_ceil(self.width) * self.width;
        self.words.clear();
        self.words.resize(filled * self.length, self.flip);
        self.scales.clear();
        self.scales.resize(filled, 0.0);
        self.sums.clear();
        self.sums.resize(filled, 0);
    }

    /// The groups, each with room for `width` rows, to be filled independently.
    pub(crate) fn groups_mut(&mut self) -> Vec<Group<'_>> {
        let (width, length, flip) = (self.width, self.length, self.flip);
        self.words
            .chunks_mut(width * length)
            .zip(self.scales.chunks_mut(width))
            .zip(self.sums.chunks_mut(width))
            .map(|((words, scales), sums)| Group {
                words,
                scales,
                sums,
                width,
                flip,
            })
            .collect()
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }
}

pub(crate) struct Group<'a> {
    words: &'a mut [u32],
    scales: &'a mut [f32],
    sums: &'a mut [i32],
    width: usize,
    flip: u32,
}

impl Group<'_> {
    /// Codes a row into a place of the group. The row must be finite.
    pub(crate) fn put(&mut self, place: usize, row: &[f32]) -> Coded {
        let (scale, coded, sum) = f32::run(Put {
            group: self,
            place,
            row,
        });
        self.scales[place] = scale;
        self.sums[place] = sum;
        coded
    }
}

struct Put<'a, 'g> {
    group: &'a mut Group<'g>,
    place: usize,
    row: &'a [f32],
}

impl Kernel<f32> for Put<'_, '_> {
    type Output = (f32, Coded, i32);

    #[inline(always)]
    fn run<S: Simd<f32>>(self, simd: S) -> (f32, Coded, i32) {
        let Self { group, place, row } = self;
        let largest = scan::largest(row);
        if largest > LARGEST {
            // Far outside the frame, or beyond the range: nothing is known of this row.
            let unknown = Coded {
                norm: f32::INFINITY,
                error: f32::INFINITY,
                square: f32::INFINITY,
            };
            return (0.0, unknown, 0);
        }
        let scale = largest / 127.0;
        let is_zero = scale < f32::MIN_POSITIVE;
        let (scale, inverse) = if is_zero {
            (0.0, 0.0)
        } else {
            (scale, 1.0 / scale)
        };
        let [mut error, mut length, mut squares, mut sum] = [simd.zero(); 4];
        let mut norm = 0.0;
        let mut bits = [0.0f32; 16];
        let mut codes = [0u32; 16];
        for (block, values) in row.chunks(S::LANES).enumerate() {
            let values = simd.load_part(values);
            // Beside 1.5 · 2²³ the whole part of a float lies in its low bits, rounded to nearest.
            let near = simd.mul_add(values, simd.splat(inverse), simd.splat(MAGIC));
            let code = simd.sub(near, simd.splat(MAGIC));
            let rest = simd.neg_mul_add(simd.splat(scale), code, values);
            error = simd.mul_add(rest, rest, error);
            length = simd.mul_add(values, values, length);
            squares = simd.mul_add(code, code, squares);
            if block % EXACT == EXACT - 1 {
                norm += f64::from(simd.fold(squares, Product));
                squares = simd.zero();
            }
            sum = simd.add(sum, code);
            simd.store(near, &mut bits);
            for (code, near) in codes.iter_mut().zip(&bits) {
                *code = near.to_bits() & 0xff;
            }
            let first = block * S::LANES / WORD;
            let words = codes[..S::LANES].chunks_exact(WORD).enumerate();
            for (word, four) in words.take(row.len().div_ceil(WORD) - first) {
                let word_value = four[0] | four[1] << 8 | four[2] << 16 | four[3] << 24;
                group.words[(first + word) * group.width + place] = word_value ^ group.flip;
            }
        }
        let error = simd.fold(error, Product);
        let length = simd.fold(length, Product);
        let norm = norm + f64::from(simd.fold(squares, Product));
        // Whole numbers below 2²⁴.
        let sum = simd.fold(sum, Product);
        // Each remainder is off by 2⁻²³ of its value at most, the sums by less than 2⁻¹³ of themselves.
        // Squares below the least positive number are lost.
        let slack = length.sqrt() * 3.0e-7 + (row.len() as f32).sqrt() * 1e-19;
        let coded = Coded {
            norm: scale * scale * norm as f32,
            error: error.sqrt() * 1.0002 + slack,
            square: length,
        };
        (scale, coded, sum as i32)
    }
}

#[cfg(test)]
mod tests;

/// Squares of codes whose sum is below 2²⁴, and so exact in `f32`.
const EXACT: usize = 1024;

/// `1.5 · 2²³`.
const MAGIC: f32 = 12_582_912.0;

#[cfg(target_arch = "x86_64")]
pub(crate) use vnni::Vnni;

#[cfg(target_arch = "x86_64")]
mod vnni {
    #![expect(
        clippy::multiple_unsafe_ops_per_block,
        reason = "the proof that the machine has an instruction set covers all its instructions"
    )]
    use std::arch::x86_64::*;
    use std::ops::Range;

    use super::*;
    use crate::kernel::tile::{At, Sink};
    use crate::kernel::x86::Avx512;

    /// AVX-512 with VNNI is present.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Vnni(Avx512);

    impl Vnni {
        pub(crate) fn detect() -> Option<Self> {
            is_x86_feature_detected!("avx512vnni")
                .then(Avx512::detect)
                .flatten()
                .map(Self)
        }

        /// Hands approximate inner products of all strips and some columns to a sink, as tiles of `f32`.
        ///
        /// `columns` starts at a multiple of [`WIDTH`].
        pub(crate) fn sweep<K: Sink<f32>>(
            self,
            strips: &Codes,
            panels: &Codes,
            columns: Range<usize>,
            sink: &mut K,
        ) {
            assert!(
                strips.length == panels.length && strips.width == HEIGHT && panels.width == WIDTH
            );
            // SAFETY: a value of `Self` exists only if `detect` saw these features.
            unsafe { sweep(self.0, strips, panels, columns, sink) }
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,avx512vnni")]
    fn sweep<K: Sink<f32>>(
        simd: Avx512,
        strips: &Codes,
        panels: &Codes,
        columns: Range<usize>,
        sink: &mut K,
    ) {
        let length = panels.length;
        let end = columns.end.min(panels.rows);
        for column in (columns.start..end).step_by(WIDTH) {
            let panel = &panels.words[column * length..][..WIDTH * length];
            let scales = &panels.scales[column..column + WIDTH];
            let scales: [__m512; 2] = [simd.load(scales), simd.load(&scales[16..])];
            for row in (0..strips.rows).step_by(HEIGHT) {
                let strip = &strips.words[row * length..][..HEIGHT * length];
                let sums: &[i32; HEIGHT] =
                    strips.sums[row..row + HEIGHT].try_into().expect("as long");
                let dots = tile(strip, panel, sums);
                let row_scales: &[f32; HEIGHT] = strips.scales[row..row + HEIGHT]
                    .try_into()
                    .expect("as long");
                let mut values = [[_mm512_setzero_ps(); 2]; HEIGHT];
                for ((values, dots), &scale) in values.iter_mut().zip(dots).zip(row_scales) {
                    let scale = _mm512_set1_ps(scale);
                    for ((value, dot), column) in values.iter_mut().zip(dots).zip(scales) {
                        *value =
                            _mm512_mul_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(dot), column), scale);
                    }
                }
                let at = At {
                    row,
                    rows: HEIGHT.min(strips.rows - row),
                    column,
                    columns: WIDTH.min(end - column),
                };
                sink.take(simd, values, at);
            }
            sink.end_panel(simd, column, WIDTH.min(end - column));
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,avx512vnni")]
    fn tile(strip: &[u32], panel: &[u32], sums: &[i32; HEIGHT]) -> [[__m512i; 2]; HEIGHT] {
        let mut dots = [[_mm512_setzero_si512(); 2]; HEIGHT];
        for (dots, &sum) in dots.iter_mut().zip(sums) {
            *dots = [_mm512_set1_epi32(-128 * sum); 2];
        }
        let (strip, _) = strip.as_chunks::<HEIGHT>();
        let (panel, _) = panel.as_chunks::<WIDTH>();
        for (a, b) in strip.iter().zip(panel) {
            let b = b.as_ptr().cast::<__m512i>();
            // SAFETY: a group of 32 words holds two vectors.
            let b = unsafe { [_mm512_loadu_si512(b), _mm512_loadu_si512(b.add(1))] };
            for (dots, &a) in dots.iter_mut().zip(a) {
                let a = _mm512_set1_epi32(a.cast_signed());
                for (dot, &b) in dots.iter_mut().zip(&b) {
                    *dot = _mm512_dpbusd_epi32(*dot, b, a);
                }
            }
        }
        dots
    }
}
