//! Convolutions of one image as products that read the image where it lies.
//!
//! Images are channels last: a window's row is then one run of numbers, and a convolution is a product whose left side
//! is never copied together. A *window* is named by where it starts in the padded image.

use metric_core::simd::{Kernel, Simd, run, transpose, widths};

/// Sizes of a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sizes {
    pub(super) channels: usize,
    pub(super) filters: usize,
    /// Of the image: rows and columns.
    pub(super) image: [usize; 2],
    pub(super) kernel: [usize; 2],
    pub(super) stride: [usize; 2],
    pub(super) padding: [usize; 2],
}

impl Sizes {
    /// Rows and columns of the result.
    pub(super) fn out(&self) -> [usize; 2] {
        let along =
            |i: usize| (self.image[i] + 2 * self.padding[i] - self.kernel[i]) / self.stride[i] + 1;
        [along(0), along(1)]
    }

    /// Numbers of an image.
    pub(super) fn image_len(&self) -> usize {
        self.image[0] * self.image[1] * self.channels
    }

    /// Numbers of a result.
    pub(super) fn out_len(&self) -> usize {
        self.pixels() * self.filters
    }

    pub(super) fn weights_len(&self) -> usize {
        self.kernel[0] * self.run() * self.filters
    }

    /// Pixels of a result.
    pub(super) fn pixels(&self) -> usize {
        let [height, width] = self.out();
        height * width
    }

    /// Numbers of a row of a window.
    fn run(&self) -> usize {
        self.kernel[1] * self.channels
    }

    /// The windows of so many padded images, one after another.
    pub(super) fn windows(&self, images: usize) -> Windows {
        let padded = [0, 1].map(|i| self.image[i] + 2 * self.padding[i]);
        let [height, width] = self.out();
        let row = padded[1] * self.channels;
        let steps = [self.stride[0] * row, self.stride[1] * self.channels];
        let starts = (0..images)
            .flat_map(|image| (0..height).map(move |y| image * padded[0] * row + y * steps[0]))
            .flat_map(|line| (0..width).map(move |x| line + x * steps[1]))
            .collect();
        Windows {
            starts,
            row,
            rows: self.kernel[0],
            run: self.run(),
            len: padded[0] * row,
            columns: width,
        }
    }

    /// The convolution that takes gradients of results, spread out, to gradients of images.
    pub(super) fn reversed(&self) -> Self {
        Self {
            channels: self.filters,
            filters: self.channels,
            image: [0, 1].map(|i| self.image[i] + self.kernel[i] - 1),
            kernel: self.kernel,
            stride: [1, 1],
            padding: [0, 0],
        }
    }
}

/// Copies `pixels` `[rows, columns, depth]` into the zeros of a padded image: pixel `(y, x)` to `from + step · (y, x)`.
pub(super) fn spread(
    pixels: &[f32],
    [columns, depth]: [usize; 2],
    (padded, row): (&mut [f32], usize),
    from: [usize; 2],
    step: [usize; 2],
) {
    for (y, line) in pixels.chunks_exact(columns * depth).enumerate() {
        let start = (from[0] + step[0] * y) * row + from[1] * depth;
        if step[1] == 1 {
            padded[start..start + line.len()].copy_from_slice(line);
            continue;
        }
        for (x, pixel) in line.chunks_exact(depth).enumerate() {
            let start = start + x * step[1] * depth;
            padded[start..start + depth].copy_from_slice(pixel);
        }
    }
}

/// The windows of padded images.
#[derive(Debug)]
pub(super) struct Windows {
    /// Where each window starts.
    starts: Vec<usize>,
    /// Numbers of a row of the padded image.
    pub(super) row: usize,
    /// Rows of a window and numbers of each.
    rows: usize,
    run: usize,
    /// Numbers of the padded image.
    pub(super) len: usize,
    /// Windows side by side.
    columns: usize,
}

/// Weights in panels of two vectors' width: `[panels, rows · run, width]`, filled up with zeros.
#[derive(Debug)]
pub(super) struct Weights {
    panels: Vec<f32>,
    filters: usize,
}

impl Weights {
    /// From `[filters, channels, rows, columns]`.
    pub(super) fn forward(weights: &[f32], sizes: &Sizes) -> Self {
        let places = sizes.kernel[0] * sizes.kernel[1];
        let mut rows = vec![0.0; weights.len()];
        inner_transposes(weights, (sizes.channels, places), &mut rows);
        Self::packed(&rows, sizes.filters)
    }

    /// For the reversed convolution: turned by half a circle, filters and channels exchanged.
    pub(super) fn backward(weights: &[f32], sizes: &Sizes) -> Self {
        let terms = weights.len() / sizes.filters;
        let mut rows = vec![0.0; weights.len()];
        transpose(
            (weights, terms),
            (sizes.filters, terms),
            (&mut rows, sizes.filters),
        );
        for row in rows.chunks_exact_mut(weights.len() / sizes.channels) {
            // The places backwards, each place's filters forwards.
            row.reverse();
            for place in row.chunks_exact_mut(sizes.filters) {
                place.reverse();
            }
        }
        Self::packed(&rows, sizes.channels)
    }

    /// From the terms of each filter, filter by filter.
    fn packed(rows: &[f32], filters: usize) -> Self {
        let (_, width) = widths::<f32>();
        let terms = rows.len() / filters;
        let mut panels = vec![0.0; filters.div_ceil(width) * terms * width];
        let groups = rows.chunks(width * terms);
        for (panel, rows) in panels.chunks_exact_mut(terms * width).zip(groups) {
            transpose((rows, terms), (rows.len() / terms, terms), (panel, width));
        }
        Self { panels, filters }
    }
}

/// Transposes each `rows x columns` block of many.
fn inner_transposes(from: &[f32], (rows, columns): (usize, usize), to: &mut [f32]) {
    let len = rows * columns;
    for (from, to) in from.chunks_exact(len).zip(to.chunks_exact_mut(len)) {
        transpose((from, columns), (rows, columns), (to, rows));
    }
}

/// `out[window, filter] = Σ image[window + term] weights[term, filter]`.
pub(super) fn convolve(image: &[f32], windows: &Windows, weights: &Weights, out: &mut [f32]) {
    run(Convolve {
        image,
        windows,
        weights,
        out,
    });
}

struct Convolve<'a> {
    image: &'a [f32],
    windows: &'a Windows,
    weights: &'a Weights,
    out: &'a mut [f32],
}

impl Kernel<f32> for Convolve<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<f32>>(self, simd: S) {
        match S::ROWS {
            12 => convolve_on::<S, 12>(simd, self),
            6 => convolve_on::<S, 6>(simd, self),
            _ => convolve_on::<S, 4>(simd, self),
        }
    }
}

#[inline(always)]
fn convolve_on<S: Simd<f32>, const ROWS: usize>(
    simd: S,
    Convolve {
        image,
        windows,
        weights,
        out,
    }: Convolve<'_>,
) {
    let width = 2 * S::LANES;
    let (terms, filters) = (windows.run, weights.filters);
    let panel_len = windows.rows * terms * width;
    for (index, panel) in weights.panels.chunks_exact(panel_len).enumerate() {
        let first = index * width;
        let columns = width.min(filters - first);
        let tiles = windows.starts[..out.len() / filters].chunks(ROWS);
        for (starts, out) in tiles.zip(out.chunks_mut(ROWS * filters)) {
            let mut at = [starts[0]; ROWS];
            at[..starts.len()].copy_from_slice(starts);
            let mut sums = [[simd.zero(); 2]; ROWS];
            for (row, panel) in panel.chunks_exact(terms * width).enumerate() {
                let mut lines = [image; ROWS];
                for (line, &start) in lines.iter_mut().zip(&at) {
                    *line = &image[start + row * windows.row..][..terms];
                }
                for (term, b) in panel.chunks_exact(width).enumerate().take(terms) {
                    let b = [simd.load(b), simd.load(&b[S::LANES..])];
                    for (sums, line) in sums.iter_mut().zip(&lines) {
                        let a = simd.splat(line[term]);
                        sums[0] = simd.mul_add(a, b[0], sums[0]);
                        sums[1] = simd.mul_add(a, b[1], sums[1]);
                    }
                }
            }
            for (sums, out) in sums.iter().zip(out.chunks_exact_mut(filters)) {
                let out = &mut out[first..first + columns];
                if columns == width {
                    simd.store(sums[0], out);
                    simd.store(sums[1], &mut out[S::LANES..]);
                } else {
                    let (low, high) = out.split_at_mut(S::LANES.min(columns));
                    simd.store_part(sums[0], low);
                    simd.store_part(sums[1], high);
                }
            }
        }
    }
}

/// Numbers that a core's nearest cache holds beside others.
const NEAR: usize = 9 << 10;

/// Adds `Σ image[window + term] gradient[window, filter]` over all windows to `sums[term, filter]`.
pub(super) fn weight_gradient(
    image: &[f32],
    windows: &Windows,
    gradient: &[f32],
    sums: &mut [f32],
) {
    run(WeightGradient {
        image,
        windows,
        gradient,
        sums,
    });
}

struct WeightGradient<'a> {
    image: &'a [f32],
    windows: &'a Windows,
    gradient: &'a [f32],
    sums: &'a mut [f32],
}

impl Kernel<f32> for WeightGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<f32>>(self, simd: S) {
        match S::ROWS {
            12 => weight_gradient_on::<S, 12>(simd, self),
            6 => weight_gradient_on::<S, 6>(simd, self),
            _ => weight_gradient_on::<S, 4>(simd, self),
        }
    }
}

#[inline(always)]
fn weight_gradient_on<S: Simd<f32>, const ROWS: usize>(
    simd: S,
    WeightGradient {
        image,
        windows,
        gradient,
        sums,
    }: WeightGradient<'_>,
) {
    let width = 2 * S::LANES;
    let (run, rows) = (windows.run, windows.rows);
    let filters = sums.len() / (rows * run);
    // Whole rows of windows whose image and gradient stay in cache while all weights pass by.
    let line = windows.row + windows.columns * filters;
    let lines = (NEAR.saturating_sub(rows * windows.row) / line).max(1);
    let some = lines * windows.columns;
    let parts = windows.starts[..gradient.len() / filters].chunks(some);
    for (starts, gradient) in parts.zip(gradient.chunks(some * filters)) {
        for (row, sums) in sums.chunks_exact_mut(run * filters).enumerate() {
            let offset = row * windows.row;
            for (term, sums) in (0..run).step_by(ROWS).zip(sums.chunks_mut(ROWS * filters)) {
                let terms = ROWS.min(run - term);
                for first in (0..filters).step_by(width) {
                    let columns = width.min(filters - first);
                    let mut tile = [[simd.zero(); 2]; ROWS];
                    for (start, gradient) in starts.iter().zip(gradient.chunks_exact(filters)) {
                        let from = start + offset + term;
                        // The image is followed by zeros enough for a whole tile.
                        let a = &image[from..from + ROWS];
                        let gradient = &gradient[first..first + columns];
                        let b = if columns == width {
                            [simd.load(gradient), simd.load(&gradient[S::LANES..])]
                        } else {
                            let middle = S::LANES.min(columns);
                            [
                                simd.load_part(&gradient[..middle]),
                                simd.load_part(&gradient[middle..]),
                            ]
                        };
                        for (tile, &a) in tile.iter_mut().zip(a) {
                            let a = simd.splat(a);
                            tile[0] = simd.mul_add(a, b[0], tile[0]);
                            tile[1] = simd.mul_add(a, b[1], tile[1]);
                        }
                    }
                    let sums = sums.chunks_exact_mut(filters).take(terms);
                    for (tile, sums) in tile.iter().zip(sums) {
                        let sums = &mut sums[first..first + columns];
                        let (low, high) = sums.split_at_mut(S::LANES.min(columns));
                        let low_sum = simd.add(simd.load_part(low), tile[0]);
                        simd.store_part(low_sum, low);
                        let high_sum = simd.add(simd.load_part(high), tile[1]);
                        simd.store_part(high_sum, high);
                    }
                }
            }
        }
    }
}

/// Numbers behind an image that [`weight_gradient`] may read.
pub(super) const BEHIND: usize = 16;

/// Gradients `[rows · columns · channels, filters]` as weights `[filters, channels, rows, columns]`.
pub(super) fn as_weights(sums: &[f32], sizes: &Sizes) -> Vec<f32> {
    let (terms, filters) = (sizes.weights_len() / sizes.filters, sizes.filters);
    let mut by_filter = vec![0.0; sums.len()];
    transpose((sums, filters), (terms, filters), (&mut by_filter, terms));
    let mut weights = vec![0.0; sums.len()];
    inner_transposes(
        &by_filter,
        (terms / sizes.channels, sizes.channels),
        &mut weights,
    );
    weights
}
