//! Convolutions as products that read the padded images where they lie: a window is the left side's row, never copied
//! together, and named by where it starts.

use metric_core::simd::{Kernel, Simd, run, transpose, widths};

use super::buffers::Lent;
use super::convolution::{Begun, Convolution, Scratch, Sizes, Wanted, spread};

#[derive(Debug)]
pub(super) struct Direct {
    sizes: Sizes,
    images: usize,
    windows: Windows,
    forward: Option<Panels>,
    back: Option<Back>,
}

/// The windows of padded images.
#[derive(Debug)]
struct Windows {
    /// Where each starts.
    starts: Vec<usize>,
    /// Windows side by side.
    columns: usize,
    /// Numbers of a padded image and of its row.
    len: usize,
    row: usize,
    /// Rows of a window and numbers of each.
    rows: usize,
    run: usize,
}

impl Windows {
    /// Of so many images of `[height, width]` padded pixels: `[rows, columns]` windows an image, from a pixel on.
    fn new(
        images: usize,
        ([height, width], depth): ([usize; 2], usize),
        kernel: [usize; 2],
        ([rows, columns], from, stride): ([usize; 2], [usize; 2], [usize; 2]),
    ) -> Self {
        let row = width * depth;
        let starts = (0..images)
            .flat_map(|image| (0..rows).map(move |y| image * height + from[0] + y * stride[0]))
            .flat_map(|line| {
                (0..columns).map(move |x| line * row + (from[1] + x * stride[1]) * depth)
            })
            .collect();
        Self {
            starts,
            columns,
            len: height * row,
            row,
            rows: kernel[0],
            run: kernel[1] * depth,
        }
    }
}

/// Images' gradients. Pixels that are equal modulo the stride lie below the same places of the kernel: each such phase is
/// a convolution of the results' gradients with the kernel of those places turned by half a circle.
#[derive(Debug)]
struct Back {
    /// Rows and columns around the results' gradients: before, and padded in all.
    margin: [usize; 2],
    padded: [usize; 2],
    phases: Vec<Phase>,
}

#[derive(Debug)]
struct Phase {
    /// Its first pixel, and how many rows and columns it has.
    first: [usize; 2],
    pixels: [usize; 2],
    /// None where no place of the kernel gets to.
    convolution: Option<(Windows, Panels)>,
}

/// Along one axis, for one phase.
struct Taps {
    /// The kernel's places, last first.
    places: Vec<usize>,
    /// Pixels of the image.
    pixels: usize,
    /// The result that the first pixel's first place belongs to.
    first: isize,
}

impl Taps {
    fn new(sizes: &Sizes, axis: usize, phase: usize) -> Self {
        let (stride, kernel) = (sizes.stride[axis], sizes.kernel[axis]);
        let least = (phase + sizes.padding[axis]) % stride;
        let mut places: Vec<usize> = (least..kernel).step_by(stride).collect();
        places.reverse();
        let shift = (phase + sizes.padding[axis] - least) / stride;
        Self {
            first: shift as isize + 1 - places.len() as isize,
            places,
            pixels: sizes.image[axis].saturating_sub(phase).div_ceil(stride),
        }
    }
}

impl Back {
    fn new(sizes: &Sizes, images: usize, weights: &[f32]) -> Self {
        let (terms, filters, channels) = (sizes.terms(), sizes.filters, sizes.channels);
        // [channels, places, filters]
        let mut rows = vec![0.0; weights.len()];
        transpose((weights, terms), (filters, terms), (&mut rows, filters));
        let taps = [0, 1].map(|axis| -> Vec<Taps> {
            let phases = 0..sizes.stride[axis];
            phases.map(|phase| Taps::new(sizes, axis, phase)).collect()
        });
        let out = sizes.out();
        let margin = [0, 1].map(|axis| {
            let before = taps[axis].iter().map(|taps| -taps.first).max();
            before.unwrap_or(0).max(0) as usize
        });
        let padded = [0, 1].map(|axis| {
            let end = |taps: &Taps| taps.first + (taps.pixels + taps.places.len()) as isize - 1;
            let after = taps[axis].iter().map(end).max().unwrap_or(0);
            margin[axis] + out[axis].max(after.max(0) as usize)
        });
        let mut phases = Vec::new();
        for (top, above) in taps[0].iter().enumerate() {
            for (left, beside) in taps[1].iter().enumerate() {
                let pixels = [above.pixels, beside.pixels];
                let kernel = [above.places.len(), beside.places.len()];
                let convolution = (kernel[0] * kernel[1] > 0).then(|| {
                    let from = [above.first, beside.first];
                    let from = [0, 1].map(|axis| (from[axis] + margin[axis] as isize) as usize);
                    let windows = (pixels, from, [1, 1]);
                    let windows = Windows::new(images, (padded, filters), kernel, windows);
                    let mut turned = Vec::with_capacity(kernel[0] * kernel[1] * filters * channels);
                    for channel in rows.chunks_exact(weights.len() / channels) {
                        for y in &above.places {
                            for x in &beside.places {
                                let place = y * sizes.kernel[1] + x;
                                turned.extend_from_slice(&channel[place * filters..][..filters]);
                            }
                        }
                    }
                    (windows, Panels::new(&turned, channels))
                });
                phases.push(Phase {
                    first: [top, left],
                    pixels,
                    convolution,
                });
            }
        }
        Self {
            margin,
            padded,
            phases,
        }
    }
}

impl Direct {
    pub(super) fn new(sizes: Sizes, images: usize, weights: &[f32], wanted: Wanted) -> Self {
        let padded = [0, 1].map(|i| sizes.image[i] + 2 * sizes.padding[i]);
        let windows = (sizes.out(), [0, 0], sizes.stride);
        let forward = wanted.forward.then(|| {
            let places = sizes.kernel[0] * sizes.kernel[1];
            let mut rows = vec![0.0; weights.len()];
            inner_transposes(weights, (sizes.channels, places), &mut rows);
            Panels::new(&rows, sizes.filters)
        });
        Self {
            windows: Windows::new(images, (padded, sizes.channels), sizes.kernel, windows),
            forward,
            back: wanted.back.then(|| Back::new(&sizes, images, weights)),
            images,
            sizes,
        }
    }

    fn pad(&self, x: &[f32], room: &mut [f32]) {
        let shape = [self.sizes.image[1], self.sizes.channels];
        let each = x.chunks_exact(self.sizes.image_len());
        for (image, padded) in each.zip(room.chunks_exact_mut(self.windows.len)) {
            spread(image, shape, (padded, self.windows.row), self.sizes.padding);
        }
    }
}

impl Convolution for Direct {
    fn scratch(&self) -> Scratch {
        let mut scratch = Scratch {
            padded: Lent::zeros(self.images * self.windows.len),
            right: Lent::zeros({
                let filters = self.sizes.filters.next_multiple_of(widths::<f32>().1);
                filters * self.windows.some(self.sizes.filters)
            }),
            ..Scratch::default()
        };
        if let Some(back) = &self.back {
            let around = back.padded[0] * back.padded[1] * self.sizes.filters;
            scratch.around = Lent::zeros(self.images * around);
            let pixels = back
                .phases
                .iter()
                .map(|phase| phase.pixels[0] * phase.pixels[1]);
            let most = pixels.max().unwrap_or(0) * self.sizes.channels;
            scratch.left = Lent::new(self.images * most);
        }
        scratch
    }

    fn forward(&self, x: &[f32], scratch: &mut Scratch, out: &mut [f32]) {
        self.pad(x, &mut scratch.padded);
        run(Multiply {
            image: &scratch.padded,
            windows: &self.windows,
            panels: self.forward.as_ref().expect("wanted"),
            out,
        });
    }

    fn backward(
        &self,
        x: &[f32],
        gradient: &[f32],
        scratch: &mut Scratch,
        (sums, begun): (&mut [f32], Begun),
        input: Option<&mut [f32]>,
    ) {
        self.pad(x, &mut scratch.padded);
        run(Correlate {
            image: &scratch.padded,
            windows: &self.windows,
            gradient,
            filters: self.sizes.filters,
            sums,
            begun,
            panels: &mut scratch.right,
        });
        let Some(input) = input else { return };
        let back = self.back.as_ref().expect("wanted");
        let Sizes {
            channels,
            filters,
            stride,
            image: [_, width],
            ..
        } = self.sizes;
        let row = back.padded[1] * filters;
        let maps = gradient.chunks_exact(self.sizes.out_len());
        for (map, around) in maps.zip(scratch.around.chunks_exact_mut(back.padded[0] * row)) {
            let shape = [self.sizes.out()[1], filters];
            spread(map, shape, (around, row), back.margin);
        }
        let images = input.len() / self.sizes.image_len();
        for phase in &back.phases {
            let [rows, columns] = phase.pixels;
            let Some((windows, panels)) = &phase.convolution else {
                for image in input.chunks_exact_mut(self.sizes.image_len()) {
                    for y in 0..rows {
                        for x in 0..columns {
                            let y = phase.first[0] + y * stride[0];
                            let x = phase.first[1] + x * stride[1];
                            image[(y * width + x) * channels..][..channels].fill(0.0);
                        }
                    }
                }
                continue;
            };
            let image = &scratch.around;
            if stride == [1, 1] {
                run(Multiply {
                    image,
                    windows,
                    panels,
                    out: input,
                });
                return;
            }
            let found = &mut scratch.left[..images * rows * columns * channels];
            run(Multiply {
                image,
                windows,
                panels,
                out: found,
            });
            let each = found.chunks_exact((rows * columns * channels).max(1));
            for (found, image) in each.zip(input.chunks_exact_mut(self.sizes.image_len())) {
                for (i, pixel) in found.chunks_exact(channels).enumerate() {
                    let y = phase.first[0] + i / columns * stride[0];
                    let x = phase.first[1] + i % columns * stride[1];
                    image[(y * width + x) * channels..][..channels].copy_from_slice(pixel);
                }
            }
        }
    }

    fn sums_len(&self) -> usize {
        self.sizes.terms() * self.sizes.filters
    }

    fn weights(&self, sums: &[f32]) -> Vec<f32> {
        let (terms, filters, channels) =
            (self.sizes.terms(), self.sizes.filters, self.sizes.channels);
        let mut by_filter = vec![0.0; sums.len()];
        transpose((sums, filters), (terms, filters), (&mut by_filter, terms));
        let mut weights = vec![0.0; sums.len()];
        inner_transposes(&by_filter, (terms / channels, channels), &mut weights);
        weights
    }
}

/// Transposes each `rows x columns` block of many.
fn inner_transposes(from: &[f32], (rows, columns): (usize, usize), to: &mut [f32]) {
    let len = rows * columns;
    for (from, to) in from.chunks_exact(len).zip(to.chunks_exact_mut(len)) {
        transpose((from, columns), (rows, columns), (to, rows));
    }
}

/// Weights in panels of two vectors' width: `[panels, terms, width]`, filled up with zeros.
#[derive(Debug)]
struct Panels {
    panels: Vec<f32>,
    filters: usize,
}

impl Panels {
    /// From the terms of each filter, filter by filter.
    fn new(rows: &[f32], filters: usize) -> Self {
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

/// `out[window, filter] = Σ image[window + term] weights[term, filter]`.
struct Multiply<'a> {
    image: &'a [f32],
    windows: &'a Windows,
    panels: &'a Panels,
    out: &'a mut [f32],
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
        image,
        windows,
        panels,
        out,
    } = product;
    let width = 2 * S::LANES;
    let filters = panels.filters;
    let panel_len = windows.rows * windows.run * width;
    for (index, panel) in panels.panels.chunks_exact(panel_len).enumerate() {
        let first = index * width;
        let columns = width.min(filters - first);
        let tiles = windows.starts[..out.len() / filters].chunks(ROWS);
        for (starts, out) in tiles.zip(out.chunks_mut(ROWS * filters)) {
            let mut at = [starts[0]; ROWS];
            at[..starts.len()].copy_from_slice(starts);
            let mut sums = [[simd.zero(); 2]; ROWS];
            for (row, panel) in panel.chunks_exact(windows.run * width).enumerate() {
                let mut lines = [image; ROWS];
                for r in 0..ROWS {
                    lines[r] = &image[at[r] + row * windows.row..][..windows.run];
                }
                sums = line_on(simd, lines, panel, windows.run, sums);
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

/// Adds the products of one row of the windows.
#[inline(always)]
fn line_on<S: Simd<f32>, const ROWS: usize>(
    simd: S,
    lines: [&[f32]; ROWS],
    panel: &[f32],
    terms: usize,
    mut sums: [[S::V; 2]; ROWS],
) -> [[S::V; 2]; ROWS] {
    let panel = panel.chunks_exact(2 * S::LANES);
    for (term, b) in (0..terms).zip(panel) {
        let b = [simd.load(b), simd.load(&b[S::LANES..])];
        for r in 0..ROWS {
            let a = simd.splat(lines[r][term]);
            sums[r][0] = simd.mul_add(a, b[0], sums[r][0]);
            sums[r][1] = simd.mul_add(a, b[1], sums[r][1]);
        }
    }
    sums
}

/// Numbers that a core's nearest cache holds beside others.
const NEAR: usize = 9 << 10;
/// Windows at a time at least: sums are read and written once for all of them.
const MANY: usize = 128;

impl Windows {
    /// Windows at a time: whole rows of them, whose image and gradient stay in cache while all weights pass by.
    fn some(&self, filters: usize) -> usize {
        let line = self.row + self.columns * filters;
        let lines = NEAR.saturating_sub(self.rows * self.row) / line;
        lines.max(MANY.div_ceil(self.columns)) * self.columns
    }
}

/// Adds `Σ image[window + term] gradient[window, filter]` over all windows to `sums[term, filter]`, or begins it.
struct Correlate<'a> {
    image: &'a [f32],
    windows: &'a Windows,
    gradient: &'a [f32],
    filters: usize,
    sums: &'a mut [f32],
    begun: Begun,
    /// Room for the gradients of some windows, `[panels, windows, width]`.
    panels: &'a mut [f32],
}

impl Kernel<f32> for Correlate<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<f32>>(self, simd: S) {
        match S::ROWS {
            12 => correlate_on::<S, 12>(simd, self),
            6 => correlate_on::<S, 6>(simd, self),
            _ => correlate_on::<S, 4>(simd, self),
        }
    }
}

#[inline(always)]
fn correlate_on<S: Simd<f32>, const ROWS: usize>(simd: S, product: Correlate<'_>) {
    let Correlate {
        image,
        windows,
        gradient,
        filters,
        sums,
        mut begun,
        panels,
    } = product;
    let width = 2 * S::LANES;
    let terms = windows.rows * windows.run;
    let some = windows.some(filters);
    let parts = windows.starts[..gradient.len() / filters].chunks(some);
    for (starts, gradient) in parts.zip(gradient.chunks(some * filters)) {
        for (panel, first) in panels
            .chunks_mut(some * width)
            .zip((0..filters).step_by(width))
        {
            let columns = width.min(filters - first);
            for (to, from) in panel
                .chunks_exact_mut(width)
                .zip(gradient.chunks_exact(filters))
            {
                to[..columns].copy_from_slice(&from[first..first + columns]);
            }
        }
        let last = *starts.iter().max().expect("no chunk is empty");
        for (first_term, sums) in (0..terms)
            .step_by(ROWS)
            .zip(sums.chunks_mut(ROWS * filters))
        {
            // Terms past the last repeat it.
            let mut lines = [image; ROWS];
            for r in 0..ROWS {
                let term = (first_term + r).min(terms - 1);
                let offset = term / windows.run * windows.row + term % windows.run;
                lines[r] = &image[offset..][..last + 1];
            }
            for (panel, first) in panels.chunks(some * width).zip((0..filters).step_by(width)) {
                let columns = first..(first + width).min(filters);
                let tile = tile_on::<S, ROWS>(simd, lines, starts, panel);
                for (tile, sums) in tile.iter().zip(sums.chunks_exact_mut(filters)) {
                    let sums = &mut sums[columns.clone()];
                    let (low, high) = sums.split_at_mut(S::LANES.min(sums.len()));
                    for (sums, &tile) in [low, high].into_iter().zip(tile) {
                        let old = if begun.0 {
                            simd.load_part(sums)
                        } else {
                            simd.zero()
                        };
                        simd.store_part(simd.add(old, tile), sums);
                    }
                }
            }
        }
        begun = Begun(true);
    }
}

#[inline(always)]
fn tile_on<S: Simd<f32>, const ROWS: usize>(
    simd: S,
    lines: [&[f32]; ROWS],
    starts: &[usize],
    panel: &[f32],
) -> [[S::V; 2]; ROWS] {
    let mut tile = [[simd.zero(); 2]; ROWS];
    for (&start, b) in starts.iter().zip(panel.chunks_exact(2 * S::LANES)) {
        let b = [simd.load(b), simd.load(&b[S::LANES..])];
        for r in 0..ROWS {
            let a = simd.splat(lines[r][start]);
            tile[r][0] = simd.mul_add(a, b[0], tile[r][0]);
            tile[r][1] = simd.mul_add(a, b[1], tile[r][1]);
        }
    }
    tile
}
