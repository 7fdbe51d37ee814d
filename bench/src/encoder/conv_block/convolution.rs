//! What a convolution of a group of images is asked for, whichever way it is computed.
//!
//! Images are channels last: a window's row is then one run of numbers.

use super::buffers::Lent;
use super::direct::Direct;
use super::winograd::Winograd;

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

    /// Numbers of a window: those that one number of the result comes from.
    pub(super) fn terms(&self) -> usize {
        self.kernel[0] * self.kernel[1] * self.channels
    }

    /// Pixels of a result.
    pub(super) fn pixels(&self) -> usize {
        let [height, width] = self.out();
        height * width
    }
}

/// What of a convolution will be wanted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// Results.
    pub(super) forward: bool,
    /// Gradients of images.
    pub(super) back: bool,
}

/// Whether sums hold something already; if not, what lies there is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Begun(pub(super) bool);

/// Room for what becomes of a group of images.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// The images with zeros around them.
    pub(super) padded: Lent,
    /// The same for gradients.
    pub(super) around: Lent,
    /// Two sides of products.
    pub(super) left: Lent,
    pub(super) right: Lent,
}

/// A convolution of groups of images, at most as many at a time as it was made for.
pub(super) trait Convolution: Sync {
    fn scratch(&self) -> Scratch;

    /// Results of images.
    fn forward(&self, x: &[f32], scratch: &mut Scratch, out: &mut [f32]);

    /// Adds what the weights' gradient is made of to `sums`, or begins them, and gives the gradient of the images.
    fn backward(
        &self,
        x: &[f32],
        gradient: &[f32],
        scratch: &mut Scratch,
        sums: (&mut [f32], Begun),
        input: Option<&mut [f32]>,
    );

    /// Numbers of `sums`.
    fn sums_len(&self) -> usize;

    /// The weights' gradient `[filters, channels, rows, columns]`.
    fn weights(&self, sums: &[f32]) -> Vec<f32>;
}

/// The faster way, for weights `[filters, channels, rows, columns]`.
pub(super) fn convolution(
    sizes: Sizes,
    images: usize,
    weights: &[f32],
    wanted: Wanted,
) -> Box<dyn Convolution> {
    if Winograd::fits(&sizes) {
        Box::new(Winograd::new(sizes, images, weights, wanted))
    } else {
        Box::new(Direct::new(sizes, images, weights, wanted))
    }
}

/// Copies images into the zeros of padded ones: numbers of their rows and of each.
pub(super) fn pad(sizes: &Sizes, images: &[f32], (room, row, len): (&mut [f32], usize, usize)) {
    let shape = [sizes.image[1], sizes.channels];
    let each = images.chunks_exact(sizes.image_len());
    for (image, padded) in each.zip(room.chunks_exact_mut(len)) {
        spread(image, shape, (padded, row), sizes.padding);
    }
}

/// Copies an image `[rows, columns, depth]` into the zeros of a padded one.
pub(super) fn spread(
    pixels: &[f32],
    [columns, depth]: [usize; 2],
    (padded, row): (&mut [f32], usize),
    from: [usize; 2],
) {
    let len = columns * depth;
    let rows = padded[from[0] * row..].chunks_mut(row);
    for (line, padded) in pixels.chunks_exact(len).zip(rows) {
        padded[from[1] * depth..][..len].copy_from_slice(line);
    }
}

/// Copies it out again.
pub(super) fn crop(
    (padded, row): (&[f32], usize),
    from: [usize; 2],
    pixels: &mut [f32],
    [columns, depth]: [usize; 2],
) {
    let len = columns * depth;
    let rows = padded[from[0] * row..].chunks(row);
    for (line, padded) in pixels.chunks_exact_mut(len).zip(rows) {
        line.copy_from_slice(&padded[from[1] * depth..][..len]);
    }
}
