//! The products of one place.

use metric_core::simd::{Kernel, Simd};

use super::super::convolution::Begun;
use super::filters::Filters;
use super::{BLOCK, PLACES, spot};

/// One place's product of tiles and filters.
pub(super) struct Multiply<'a> {
    pub(super) left: &'a [f32],
    pub(super) filters: &'a Filters,
    pub(super) place: usize,
    pub(super) tiles: usize,
    pub(super) to: &'a mut [f32],
}

impl Kernel<f32> for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<f32>>(self, simd: S) {
        match S::ROWS {
            // What is left goes by a divisor of both the rows and the room, which is a multiple of 12.
            12 => multiply_on::<S, 12, 4>(simd, self),
            6 => multiply_on::<S, 6, 2>(simd, self),
            _ => multiply_on::<S, 4, 4>(simd, self),
        }
    }
}

#[inline(always)]
fn multiply_on<S: Simd<f32>, const ROWS: usize, const FEW: usize>(simd: S, product: Multiply<'_>) {
    let Multiply {
        left,
        filters,
        place,
        tiles,
        to,
    } = product;
    let width = 2 * S::LANES;
    let panel_len = filters.terms * width;
    let block = left.len() / (filters.terms / BLOCK);
    let panels = filters.panels.chunks_exact(PLACES * panel_len);
    for (index, panels) in panels.enumerate() {
        let panel = &panels[place * panel_len..][..panel_len];
        let first = index * width;
        let columns = width.min(filters.filters - first);
        let mut tile = 0;
        // There is room for whole tiles behind the last.
        while tile + ROWS <= tiles {
            let sums = rows_on::<S, ROWS>(simd, (left, block, tile), panel);
            put(simd, sums, (first, columns, tile), block, to);
            tile += ROWS;
        }
        while tile < tiles {
            let sums = rows_on::<S, FEW>(simd, (left, block, tile), panel);
            put(simd, sums, (first, columns, tile), block, to);
            tile += FEW;
        }
    }
}

#[inline(always)]
fn rows_on<S: Simd<f32>, const ROWS: usize>(
    simd: S,
    (left, block, tile): (&[f32], usize, usize),
    panel: &[f32],
) -> [[S::V; 2]; ROWS] {
    let width = 2 * S::LANES;
    let mut sums = [[simd.zero(); 2]; ROWS];
    let blocks = left.chunks_exact(block);
    for (left, panel) in blocks.zip(panel.chunks_exact(BLOCK * width)) {
        let (pixels, _) = left[tile * BLOCK..].as_chunks::<BLOCK>();
        let pixels: &[[f32; BLOCK]; ROWS] = pixels.first_chunk().expect("room behind the last");
        for term in 0..BLOCK {
            let b = &panel[term * width..][..width];
            let b = [simd.load(b), simd.load(&b[S::LANES..])];
            for r in 0..ROWS {
                let a = simd.splat(pixels[r][term]);
                sums[r][0] = simd.mul_add(a, b[0], sums[r][0]);
                sums[r][1] = simd.mul_add(a, b[1], sums[r][1]);
            }
        }
    }
    sums
}

#[inline(always)]
fn put<S: Simd<f32>, const ROWS: usize>(
    simd: S,
    sums: [[S::V; 2]; ROWS],
    (first, columns, tile): (usize, usize, usize),
    block: usize,
    to: &mut [f32],
) {
    let most = block / BLOCK;
    for (half, start) in [0, S::LANES].into_iter().enumerate() {
        if start < columns {
            let at = spot(first + start, tile, most);
            for (r, sums) in sums.iter().enumerate() {
                simd.store(sums[half], &mut to[at + r * BLOCK..]);
            }
        }
    }
}

/// Adds one place's `Σ left[tile, term] right[tile, filter]` over tiles to `sums[term, filter]`.
pub(super) struct Correlate<'a> {
    pub(super) left: &'a [f32],
    pub(super) right: &'a [f32],
    pub(super) most: usize,
    pub(super) tiles: usize,
    pub(super) filters: usize,
    pub(super) sums: &'a mut [f32],
    pub(super) begun: Begun,
}

impl Kernel<f32> for Correlate<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<f32>>(self, simd: S) {
        // Powers of two, of which a block has a whole number.
        match S::ROWS {
            12 => correlate_on::<S, 8>(simd, self),
            _ => correlate_on::<S, 4>(simd, self),
        }
    }
}

#[inline(always)]
fn correlate_on<S: Simd<f32>, const ROWS: usize>(simd: S, product: Correlate<'_>) {
    let Correlate {
        left,
        right,
        most,
        tiles,
        filters,
        sums,
        begun,
    } = product;
    let width = 2 * S::LANES;
    for (index, sums) in sums.chunks_exact_mut(ROWS * filters).enumerate() {
        let (a, _) = left[spot(index * ROWS, 0, most)..].as_chunks::<BLOCK>();
        for first in (0..filters).step_by(width) {
            let second = first + S::LANES;
            let whole = second < filters;
            let b = [first, if whole { second } else { first }];
            let b =
                b.map(|filter| &right[spot(filter, 0, most)..][..(tiles - 1) * BLOCK + S::LANES]);
            let mut tile = [[simd.zero(); 2]; ROWS];
            for (i, a) in a.iter().enumerate().take(tiles) {
                let b = [simd.load(&b[0][i * BLOCK..]), simd.load(&b[1][i * BLOCK..])];
                for r in 0..ROWS {
                    let a = simd.splat(a[r]);
                    tile[r][0] = simd.mul_add(a, b[0], tile[r][0]);
                    tile[r][1] = simd.mul_add(a, b[1], tile[r][1]);
                }
            }
            for (tile, sums) in tile.iter().zip(sums.chunks_exact_mut(filters)) {
                put_sum(simd, tile[0], &mut sums[first..], begun);
                if whole {
                    put_sum(simd, tile[1], &mut sums[second..], begun);
                }
            }
        }
    }
}

#[inline(always)]
fn put_sum<S: Simd<f32>>(simd: S, sum: S::V, to: &mut [f32], begun: Begun) {
    let sum = if begun.0 {
        simd.add(simd.load(to), sum)
    } else {
        sum
    };
    simd.store(sum, to);
}
