//! Convolutions as products that read the padded images where they lie: a window is the left side's row, never copied
//! together, and named by where it starts.

mod back;
mod products;

use metric_core::simd::{run, transpose, widths};

use back::Back;
use products::{Correlate, Multiply, Panels};

use super::buffers::Lent;
use super::convolution::{Begun, Convolution, Scratch, Sizes, Wanted, pad, spread};

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
        let padded = (&mut *scratch.padded, self.windows.row, self.windows.len);
        pad(&self.sizes, x, padded);
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
        let padded = (&mut *scratch.padded, self.windows.row, self.windows.len);
        pad(&self.sizes, x, padded);
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
