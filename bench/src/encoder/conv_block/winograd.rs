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

use metric_core::simd::{Kernel, Simd, run, transpose, widths};
use rayon::prelude::*;

use super::buffers::Lent;
use super::convolution::{Begun, Convolution, Scratch, Sizes, Wanted, crop, spread};

/// Places of a patch.
const PLACES: usize = 16;
/// Channels side by side.
const BLOCK: usize = 16;
/// Tiles at a time, about: what becomes of them stays in a core's own cache.
const TILES: usize = 96;
/// Rows of the smallest register tile.
const FEW: usize = 4;
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

    fn pad(&self, x: &[f32], room: &mut [f32]) {
        let shape = [self.sizes.image[1], self.sizes.channels];
        let each = x.chunks_exact(self.sizes.image_len());
        for (image, padded) in each.zip(room.chunks_exact_mut(self.len)) {
            spread(image, shape, (padded, self.row), self.sizes.padding);
        }
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
        self.pad(x, &mut scratch.padded);
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
        self.pad(x, &mut scratch.padded);
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

/// A linear map of `N` numbers to `M`.
trait Line<const N: usize, const M: usize> {
    fn line<S: Simd<f32>>(simd: S, x: [S::V; N]) -> [S::V; M];

    /// Of all columns, then of all rows.
    #[inline(always)]
    fn square<S: Simd<f32>>(simd: S, x: [[S::V; N]; N]) -> [[S::V; M]; M] {
        let mut half = [[simd.zero(); N]; M];
        for j in 0..N {
            let mut column = [simd.zero(); N];
            for i in 0..N {
                column[i] = x[i][j];
            }
            let column = Self::line(simd, column);
            for i in 0..M {
                half[i][j] = column[i];
            }
        }
        let mut whole = [[simd.zero(); M]; M];
        for i in 0..M {
            whole[i] = Self::line(simd, half[i]);
        }
        whole
    }
}

/// `Bᵀ`, `Aᵀ` and `G` of the paper, and their transposes.
struct Patch;
struct PatchBack;
struct Out;
struct OutBack;
struct Filter;
struct FilterBack;

impl Line<4, 4> for Patch {
    #[inline(always)]
    fn line<S: Simd<f32>>(simd: S, x: [S::V; 4]) -> [S::V; 4] {
        [
            simd.sub(x[0], x[2]),
            simd.add(x[1], x[2]),
            simd.sub(x[2], x[1]),
            simd.sub(x[1], x[3]),
        ]
    }
}

impl Line<4, 4> for PatchBack {
    #[inline(always)]
    fn line<S: Simd<f32>>(simd: S, x: [S::V; 4]) -> [S::V; 4] {
        [
            x[0],
            simd.add(simd.sub(x[1], x[2]), x[3]),
            simd.sub(simd.add(x[1], x[2]), x[0]),
            simd.sub(simd.zero(), x[3]),
        ]
    }
}

impl Line<4, 2> for Out {
    #[inline(always)]
    fn line<S: Simd<f32>>(simd: S, x: [S::V; 4]) -> [S::V; 2] {
        [
            simd.add(simd.add(x[0], x[1]), x[2]),
            simd.sub(simd.sub(x[1], x[2]), x[3]),
        ]
    }
}

impl Line<2, 4> for OutBack {
    #[inline(always)]
    fn line<S: Simd<f32>>(simd: S, x: [S::V; 2]) -> [S::V; 4] {
        [
            x[0],
            simd.add(x[0], x[1]),
            simd.sub(x[0], x[1]),
            simd.sub(simd.zero(), x[1]),
        ]
    }
}

impl Line<3, 4> for Filter {
    #[inline(always)]
    fn line<S: Simd<f32>>(simd: S, x: [S::V; 3]) -> [S::V; 4] {
        let half = simd.splat(0.5);
        let ends = simd.add(x[0], x[2]);
        [
            x[0],
            simd.mul(half, simd.add(ends, x[1])),
            simd.mul(half, simd.sub(ends, x[1])),
            x[2],
        ]
    }
}

impl Line<4, 3> for FilterBack {
    #[inline(always)]
    fn line<S: Simd<f32>>(simd: S, x: [S::V; 4]) -> [S::V; 3] {
        let half = simd.splat(0.5);
        let sum = simd.mul(half, simd.add(x[1], x[2]));
        [
            simd.add(x[0], sum),
            simd.mul(half, simd.sub(x[1], x[2])),
            simd.add(sum, x[3]),
        ]
    }
}

/// `G g Gᵀ` in panels of two vectors' width: `[panels, places, terms, width]`, filled up with zeros.
#[derive(Debug)]
struct Filters {
    panels: Lent,
    terms: usize,
    filters: usize,
}

impl Filters {
    /// From weights: how many terms and filters, and how far each is from the next.
    fn new(weights: &[f32], terms: (usize, usize), filters: (usize, usize)) -> Self {
        let (_, width) = widths::<f32>();
        let panel = PLACES * terms.0 * width;
        let mut panels = Lent::new(filters.0.div_ceil(width) * panel);
        panels
            .par_chunks_exact_mut(panel)
            .enumerate()
            .for_each(|(i, panel)| {
                let first = i * width;
                run(Panel {
                    weights: &weights[first * filters.1..],
                    terms,
                    filters: (width.min(filters.0 - first), filters.1),
                    panel,
                });
            });
        Self {
            panels,
            terms: terms.0,
            filters: filters.0,
        }
    }
}

struct Panel<'a> {
    weights: &'a [f32],
    terms: (usize, usize),
    filters: (usize, usize),
    panel: &'a mut [f32],
}

impl Kernel<f32> for Panel<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<f32>>(self, simd: S) {
        let width = 2 * S::LANES;
        let place = self.panel.len() / PLACES;
        let (count, apart) = self.filters;
        // Filters side by side.
        let mut beside = vec![0.0; 9 * width];
        for term in 0..self.terms.0 {
            let from = &self.weights[term * self.terms.1..];
            transpose((from, apart), (count, 9), (&mut beside, width));
            for half in [0, S::LANES] {
                let mut g = [[simd.zero(); 3]; 3];
                for i in 0..9 {
                    g[i / 3][i % 3] = simd.load(&beside[i * width + half..]);
                }
                let u = Filter::square(simd, g);
                for i in 0..PLACES {
                    let at = i * place + term * width + half;
                    simd.store(u[i / 4][i % 4], &mut self.panel[at..]);
                }
            }
        }
    }
}

/// `Gᵀ U G` of some terms' sums `[places, terms, filters]`, as `[terms, 9, filters]`.
struct FilterGradients<'a> {
    sums: &'a [f32],
    /// From a place to the next.
    place: usize,
    filters: usize,
    rows: &'a mut [f32],
}

impl Kernel<f32> for FilterGradients<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<f32>>(self, simd: S) {
        let place = self.place;
        for (term, rows) in self.rows.chunks_exact_mut(9 * self.filters).enumerate() {
            for first in (0..self.filters).step_by(S::LANES) {
                let mut u = [[simd.zero(); 4]; 4];
                for i in 0..PLACES {
                    let at = i * place + term * self.filters + first;
                    u[i / 4][i % 4] = simd.load(&self.sums[at..]);
                }
                let g = FilterBack::square(simd, u);
                for i in 0..9 {
                    simd.store(g[i / 3][i % 3], &mut rows[i * self.filters + first..]);
                }
            }
        }
    }
}

/// `Bᵀ d B` of the patches of padded images: their numbers, those of a row, and of a pixel.
struct Patches<'a> {
    image: (&'a [f32], usize, usize),
    tiles: &'a [Tile],
    most: usize,
    to: (&'a mut [f32], usize),
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

/// Where a tile's numbers from a channel on lie in a place.
#[inline(always)]
fn spot(channel: usize, tile: usize, most: usize) -> usize {
    (channel / BLOCK * most + tile) * BLOCK + channel % BLOCK
}

/// Adds `B V Bᵀ` to the patches of padded images.
struct AddPatches<'a> {
    from: (&'a [f32], usize),
    tiles: &'a [Tile],
    most: usize,
    image: (&'a mut [f32], usize, usize),
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
struct Results<'a> {
    from: (&'a [f32], usize),
    tiles: &'a [Tile],
    most: usize,
    to: (&'a mut [f32], usize, usize),
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
struct Gradients<'a> {
    from: (&'a [f32], usize, usize),
    tiles: &'a [Tile],
    most: usize,
    to: (&'a mut [f32], usize),
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

/// One place's product of tiles and filters.
struct Multiply<'a> {
    left: &'a [f32],
    filters: &'a Filters,
    place: usize,
    tiles: usize,
    to: &'a mut [f32],
}

impl Kernel<f32> for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<f32>>(self, simd: S) {
        match S::ROWS {
            12 => multiply_on::<S, 12>(simd, self),
            6 => multiply_on::<S, 6>(simd, self),
            _ => multiply_on::<S, 4>(simd, self),
        }
    }
}

#[inline(always)]
fn multiply_on<S: Simd<f32>, const ROWS: usize>(simd: S, product: Multiply<'_>) {
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
    for half in 0..2 {
        if half * S::LANES < columns {
            let at = spot(first + half * S::LANES, tile, most);
            for r in 0..ROWS {
                simd.store(sums[r][half], &mut to[at + r * BLOCK..]);
            }
        }
    }
}

/// Adds one place's `Σ left[tile, term] right[tile, filter]` over tiles to `sums[term, filter]`.
struct Correlate<'a> {
    left: &'a [f32],
    right: &'a [f32],
    most: usize,
    tiles: usize,
    filters: usize,
    sums: &'a mut [f32],
    begun: Begun,
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
