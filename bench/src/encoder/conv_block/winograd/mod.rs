//! 3 x 3 convolutions with stride 1 by fewer multiplications: F(2 x 2, 3 x 3) of Lavin and Gray, *Fast Algorithms for
//! Convolutional Neural Networks*, CVPR 2016, section 4.1.
//!
//! ```text
//! Y = Aᵀ [ (G g Gᵀ) ⊙ (Bᵀ d B) ] A
//! ```
//!
//! for tiles `Y` of 2 x 2 pixels, each from a patch `d` of 4 x 4, and filters `g`. Sums over channels turn the products of
//! one place of all patches into a product of matrices: 16 of them take the place of 36. Gradients go the same way
//! backwards, through the transposes of the three maps and the same 16 products.
//!
//! Numbers of one place lie in blocks of 16 channels, `[blocks, tiles, 16]`.

mod filters;
mod lines;
mod products;
mod tiles;

use metric_core::simd::{run, transpose};
use rayon::prelude::*;

use filters::{FilterGradients, Filters};
use products::{Correlate, Multiply};
use tiles::{AddPatches, Gradients, Patches, Results};

use super::buffers::Lent;
use super::convolution::{Begun, Convolution, Scratch, Sizes, Wanted, crop, pad};

/// Places of a patch.
const PLACES: usize = 16;
/// Channels side by side.
const BLOCK: usize = 16;
/// Tiles at a time, about: what becomes of them stays in a core's own cache.
const TILES: usize = 96;
/// Multiplications below which one thread makes all products of a gradient.
const SMALL: usize = 1 << 22;

#[derive(Debug)]
pub(super) struct Winograd {
    sizes: Sizes,
    /// Of a padded image: numbers of a row, and of all.
    row: usize,
    len: usize,
    tiles: Vec<Tile>,
    /// At a time.
    most: usize,
    forward: Option<Filters>,
    back: Option<Filters>,
}

/// A tile of a group of images.
#[derive(Debug, Clone, Copy)]
struct Tile {
    /// Where its patch starts in the padded images.
    patch: usize,
    /// Where it starts in the results.
    out: usize,
    /// Rows and columns that the result has of it.
    rows: usize,
    columns: usize,
}

impl Winograd {
    /// Whether it pays: enough channels in whole blocks, and few tiles that reach beyond the image.
    pub(super) fn fits(sizes: &Sizes) -> bool {
        let whole = |channels: usize| channels.is_multiple_of(BLOCK);
        let [rows, columns] = sizes.out().map(|side| side.div_ceil(2));
        sizes.kernel == [3, 3]
            && sizes.stride == [1, 1]
            && whole(sizes.channels)
            && whole(sizes.filters)
            && PLACES * rows * columns * 10 <= 9 * sizes.pixels() * 9
    }

    pub(super) fn new(sizes: Sizes, images: usize, weights: &[f32], wanted: Wanted) -> Self {
        let [height, width] = sizes.out();
        let [rows, columns] = [height.div_ceil(2), width.div_ceil(2)];
        let row = (2 * columns + 2) * sizes.channels;
        let len = (2 * rows + 2) * row;
        let tiles: Vec<Tile> = (0..images * rows * columns)
            .map(|i| {
                let (image, y, x) = (i / (rows * columns), i / columns % rows, i % columns);
                Tile {
                    patch: image * len + 2 * y * row + 2 * x * sizes.channels,
                    out: ((image * height + 2 * y) * width + 2 * x) * sizes.filters,
                    rows: (height - 2 * y).min(2),
                    columns: (width - 2 * x).min(2),
                }
            })
            .collect();
        let times = ((tiles.len() + TILES / 2) / TILES).max(1);
        let (c, k) = (sizes.channels, sizes.filters);
        let forward = wanted
            .forward
            .then(|| Filters::new(weights, (c, 9), (k, 9 * c)));
        let back = wanted
            .back
            .then(|| Filters::new(weights, (k, 9 * c), (c, 9)));
        Self {
            most: tiles.len().div_ceil(times).next_multiple_of(12),
            sizes,
            row,
            len,
            tiles,
            forward,
            back,
        }
    }

    /// Numbers of one place of so many channels; one line more, lest all places fall on the same lines of the cache.
    fn place(&self, channels: usize) -> usize {
        channels * self.most + BLOCK
    }

    fn images(&self, x: &[f32]) -> usize {
        x.len() / self.sizes.image_len()
    }

    /// Those of so many images, some at a time.
    fn rounds(&self, images: usize) -> impl Iterator<Item = &[Tile]> {
        let [rows, columns] = self.sizes.out().map(|side| side.div_ceil(2));
        self.tiles[..images * rows * columns].chunks(self.most)
    }
}

impl Convolution for Winograd {
    fn scratch(&self) -> Scratch {
        let images = self
            .tiles
            .last()
            .map_or(0, |tile| tile.patch / self.len + 1);
        let back = if self.back.is_some() {
            images * self.len
        } else {
            0
        };
        Scratch {
            padded: Lent::zeros(images * self.len),
            around: Lent::new(back),
            left: Lent::new(PLACES * self.place(self.sizes.channels)),
            right: Lent::new(PLACES * self.place(self.sizes.filters)),
        }
    }

    fn forward(&self, x: &[f32], scratch: &mut Scratch, out: &mut [f32]) {
        let filters = self.forward.as_ref().expect("wanted");
        let (c, k) = (self.sizes.channels, self.sizes.filters);
        let padded = (&mut *scratch.padded, self.row, self.len);
        pad(&self.sizes, x, padded);
        for tiles in self.rounds(self.images(x)) {
            let image = (&*scratch.padded, self.row, c);
            let left = (&mut *scratch.left, self.place(c));
            run(Patches {
                image,
                tiles,
                most: self.most,
                to: left,
            });
            for place in 0..PLACES {
                run(Multiply {
                    left: &scratch.left[place * self.place(c)..][..c * self.most],
                    filters,
                    place,
                    tiles: tiles.len(),
                    to: &mut scratch.right[place * self.place(k)..][..k * self.most],
                });
            }
            let from = (&*scratch.right, self.place(k));
            let to = (&mut *out, self.sizes.out()[1] * k, k);
            run(Results {
                from,
                tiles,
                most: self.most,
                to,
            });
        }
    }

    fn backward(
        &self,
        x: &[f32],
        gradient: &[f32],
        scratch: &mut Scratch,
        (sums, begun): (&mut [f32], Begun),
        input: Option<&mut [f32]>,
    ) {
        let (c, k) = (self.sizes.channels, self.sizes.filters);
        let padded = (&mut *scratch.padded, self.row, self.len);
        pad(&self.sizes, x, padded);
        if input.is_some() {
            scratch.around.fill(0.0);
        }
        for (round, tiles) in self.rounds(self.images(x)).enumerate() {
            let image = (&*scratch.padded, self.row, c);
            let left = (&mut *scratch.left, self.place(c));
            run(Patches {
                image,
                tiles,
                most: self.most,
                to: left,
            });
            let begun = Begun(begun.0 || round > 0);
            let from = (gradient, self.sizes.out()[1] * k, k);
            let right = (&mut *scratch.right, self.place(k));
            run(Gradients {
                from,
                tiles,
                most: self.most,
                to: right,
            });
            let small = c * k * tiles.len() * PLACES < SMALL;
            sums.par_chunks_exact_mut(c * k)
                .with_min_len(if small { PLACES } else { 1 })
                .zip(scratch.left.par_chunks_exact(self.place(c)))
                .zip(scratch.right.par_chunks_exact(self.place(k)))
                .for_each(|((sums, left), right)| {
                    let most = self.most;
                    run(Correlate {
                        left,
                        right,
                        most,
                        tiles: tiles.len(),
                        filters: k,
                        sums,
                        begun,
                    });
                });
            if input.is_some() {
                let filters = self.back.as_ref().expect("wanted");
                for place in 0..PLACES {
                    run(Multiply {
                        left: &scratch.right[place * self.place(k)..][..k * self.most],
                        filters,
                        place,
                        tiles: tiles.len(),
                        to: &mut scratch.left[place * self.place(c)..][..c * self.most],
                    });
                }
                let from = (&*scratch.left, self.place(c));
                let image = (&mut *scratch.around, self.row, c);
                run(AddPatches {
                    from,
                    tiles,
                    most: self.most,
                    image,
                });
            }
        }
        if let Some(input) = input {
            let shape = [self.sizes.image[1], c];
            let each = input.chunks_exact_mut(self.sizes.image_len());
            for (image, padded) in each.zip(scratch.around.chunks_exact(self.len)) {
                crop((padded, self.row), self.sizes.padding, image, shape);
            }
        }
    }

    fn sums_len(&self) -> usize {
        PLACES * self.sizes.channels * self.sizes.filters
    }

    fn weights(&self, sums: &[f32]) -> Vec<f32> {
        let (c, k) = (self.sizes.channels, self.sizes.filters);
        // Terms by filters: the transpose of what weights are.
        let mut rows = Lent::new(9 * c * k);
        rows.par_chunks_exact_mut(BLOCK * 9 * k)
            .enumerate()
            .for_each(|(i, rows)| {
                let sums = &sums[i * BLOCK * k..];
                run(FilterGradients {
                    sums,
                    place: c * k,
                    filters: k,
                    rows,
                });
            });
        let mut weights = vec![0.0; rows.len()];
        weights
            .par_chunks_exact_mut(BLOCK * 9 * c)
            .enumerate()
            .for_each(|(i, weights)| {
                transpose((&rows[i * BLOCK..], k), (9 * c, BLOCK), (weights, 9 * c));
            });
        weights
    }
}

/// Where a tile's numbers from a channel on lie in a place.
#[inline(always)]
fn spot(channel: usize, tile: usize, most: usize) -> usize {
    (channel / BLOCK * most + tile) * BLOCK + channel % BLOCK
}
