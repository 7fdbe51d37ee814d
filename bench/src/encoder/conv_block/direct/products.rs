//! Products that read windows where they lie.

use metric_core::simd::{Kernel, Simd, transpose, widths};

use super::super::convolution::Begun;
use super::Windows;

/// Weights in panels of two vectors' width: `[panels, terms, width]`, filled up with zeros.
#[derive(Debug)]
pub(super) struct Panels {
    pub(super) panels: Vec<f32>,
    pub(super) filters: usize,
}

impl Panels {
    /// From the terms of each filter, filter by filter.
    pub(super) fn new(rows: &[f32], filters: usize) -> Self {
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
pub(super) struct Multiply<'a> {
    pub(super) image: &'a [f32],
    pub(super) windows: &'a Windows,
    pub(super) panels: &'a Panels,
    pub(super) out: &'a mut [f32],
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
    pub(super) fn some(&self, filters: usize) -> usize {
        let line = self.row + self.columns * filters;
        let lines = NEAR.saturating_sub(self.rows * self.row) / line;
        lines.max(MANY.div_ceil(self.columns)) * self.columns
    }
}

/// Adds `Σ image[window + term] gradient[window, filter]` over all windows to `sums[term, filter]`, or begins it.
pub(super) struct Correlate<'a> {
    pub(super) image: &'a [f32],
    pub(super) windows: &'a Windows,
    pub(super) gradient: &'a [f32],
    pub(super) filters: usize,
    pub(super) sums: &'a mut [f32],
    pub(super) begun: Begun,
    /// Room for the gradients of some windows, `[panels, windows, width]`.
    pub(super) panels: &'a mut [f32],
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
            for (r, line) in lines.iter_mut().enumerate() {
                let term = (first_term + r).min(terms - 1);
                let offset = term / windows.run * windows.row + term % windows.run;
                *line = &image[offset..][..last + 1];
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
