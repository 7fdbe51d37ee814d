//! The way back, to gradients of images.

use metric_core::simd::transpose;

use super::super::convolution::Sizes;
use super::Windows;
use super::products::Panels;

/// Images' gradients. Pixels that are equal modulo the stride lie below the same places of the kernel: each such phase is
/// a convolution of the results' gradients with the kernel of those places turned by half a circle.
#[derive(Debug)]
pub(super) struct Back {
    /// Rows and columns around the results' gradients: before, and padded in all.
    pub(super) margin: [usize; 2],
    pub(super) padded: [usize; 2],
    pub(super) phases: Vec<Phase>,
}

#[derive(Debug)]
pub(super) struct Phase {
    /// Its first pixel, and how many rows and columns it has.
    pub(super) first: [usize; 2],
    pub(super) pixels: [usize; 2],
    /// None where no place of the kernel gets to.
    pub(super) convolution: Option<(Windows, Panels)>,
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
    pub(super) fn new(sizes: &Sizes, images: usize, weights: &[f32]) -> Self {
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
