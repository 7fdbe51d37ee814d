//! Patches of images and tiles of results among the products' places, and back.

use metric_core::simd::{Kernel, Simd};

use super::lines::{Line, Out, OutBack, Patch, PatchBack};
use super::{PLACES, Tile, spot};

/// `Bᵀ d B` of the patches of padded images: their numbers, those of a row, and of a pixel.
pub(super) struct Patches<'a> {
    pub(super) image: (&'a [f32], usize, usize),
    pub(super) tiles: &'a [Tile],
    pub(super) most: usize,
    pub(super) to: (&'a mut [f32], usize),
}

impl Kernel<f32> for Patches<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<f32>>(self, simd: S) {
        let (image, row, channels) = self.image;
        let (to, place) = self.to;
        for (i, tile) in self.tiles.iter().enumerate() {
            for first in (0..channels).step_by(S::LANES) {
                let mut d = [[simd.zero(); 4]; 4];
                for (y, d) in d.iter_mut().enumerate() {
                    let line = &image[tile.patch + y * row + first..];
                    for (x, d) in d.iter_mut().enumerate() {
                        *d = simd.load(&line[x * channels..]);
                    }
                }
                let v = Patch::square(simd, d);
                let at = spot(first, i, self.most);
                for j in 0..PLACES {
                    simd.store(v[j / 4][j % 4], &mut to[j * place + at..]);
                }
            }
        }
    }
}

/// Adds `B V Bᵀ` to the patches of padded images.
pub(super) struct AddPatches<'a> {
    pub(super) from: (&'a [f32], usize),
    pub(super) tiles: &'a [Tile],
    pub(super) most: usize,
    pub(super) image: (&'a mut [f32], usize, usize),
}

impl Kernel<f32> for AddPatches<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<f32>>(self, simd: S) {
        let (image, row, channels) = self.image;
        let (from, place) = self.from;
        for (i, tile) in self.tiles.iter().enumerate() {
            for first in (0..channels).step_by(S::LANES) {
                let mut v = [[simd.zero(); 4]; 4];
                let at = spot(first, i, self.most);
                for j in 0..PLACES {
                    v[j / 4][j % 4] = simd.load(&from[j * place + at..]);
                }
                let d = PatchBack::square(simd, v);
                for (y, d) in d.iter().enumerate() {
                    let line = &mut image[tile.patch + y * row + first..];
                    for (x, &d) in d.iter().enumerate() {
                        let pixel = &mut line[x * channels..];
                        simd.store(simd.add(simd.load(pixel), d), pixel);
                    }
                }
            }
        }
    }
}

/// `Aᵀ M A`, the tiles of results: their numbers, those of a row, and of a pixel.
pub(super) struct Results<'a> {
    pub(super) from: (&'a [f32], usize),
    pub(super) tiles: &'a [Tile],
    pub(super) most: usize,
    pub(super) to: (&'a mut [f32], usize, usize),
}

impl Kernel<f32> for Results<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<f32>>(self, simd: S) {
        let (from, place) = self.from;
        let (to, row, filters) = self.to;
        for (i, tile) in self.tiles.iter().enumerate() {
            for first in (0..filters).step_by(S::LANES) {
                let mut m = [[simd.zero(); 4]; 4];
                let at = spot(first, i, self.most);
                for j in 0..PLACES {
                    m[j / 4][j % 4] = simd.load(&from[j * place + at..]);
                }
                let y = Out::square(simd, m);
                for (r, line) in y.iter().enumerate().take(tile.rows) {
                    for (c, &y) in line.iter().enumerate().take(tile.columns) {
                        simd.store(y, &mut to[tile.out + r * row + c * filters + first..]);
                    }
                }
            }
        }
    }
}

/// `A g Aᵀ` of the tiles of results' gradients; what lies beyond the image is 0.
pub(super) struct Gradients<'a> {
    pub(super) from: (&'a [f32], usize, usize),
    pub(super) tiles: &'a [Tile],
    pub(super) most: usize,
    pub(super) to: (&'a mut [f32], usize),
}

impl Kernel<f32> for Gradients<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<f32>>(self, simd: S) {
        let (from, row, filters) = self.from;
        let (to, place) = self.to;
        for (i, tile) in self.tiles.iter().enumerate() {
            for first in (0..filters).step_by(S::LANES) {
                let mut y = [[simd.zero(); 2]; 2];
                for (r, line) in y.iter_mut().enumerate().take(tile.rows) {
                    for (c, y) in line.iter_mut().enumerate().take(tile.columns) {
                        *y = simd.load(&from[tile.out + r * row + c * filters + first..]);
                    }
                }
                let m = OutBack::square(simd, y);
                let at = spot(first, i, self.most);
                for j in 0..PLACES {
                    simd.store(m[j / 4][j % 4], &mut to[j * place + at..]);
                }
            }
        }
    }
}
