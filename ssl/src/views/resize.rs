//! Crops brought to another size.

use super::image::{Canvas, Pixels};
use super::kernel::kernel;
use super::{Image, ImageRef, ImageShape, Rect, ViewError};

/// The part `rect` of `image`, brought to `height` x `width` pixels: bilinear, and without aliasing where it shrinks.
///
/// With scale `s` = pixels of the crop / pixels of the result along an axis, output `i` lies at `c = s · (i + 1/2)`, and
/// input `j` has the weight
/// ```text
/// w(i, j) = max(0, 1 − |j + 1/2 − c| / max(s, 1)) / sum over j of the same
/// ```
/// in either direction: a triangle that widens with the scale, cut off and normalised again at the border of the crop.
/// Pixels beyond the crop play no part. This is `resized_crop` of torchvision with `antialias`, and Pillow's.
///
/// Cost: `O(pixels · (1 + s))` for each direction.
///
/// # Errors
/// [`ViewError::Rect`] if the crop leaves the image, [`ViewError::Shape`] if the result would have no pixel.
///
/// # Examples
/// ```
/// use metric_ssl::views::{Image, ImageShape, Rect, resized_crop};
///
/// let image = Image::new(ImageShape::new(1, 1, 2)?, vec![0.0, 1.0])?;
/// let wide = resized_crop(image.view(), Rect::whole(image.shape()), 1, 4)?;
/// // Centres at 1/4, 3/4, 5/4 and 7/4 of an image whose pixels lie at 1/2 and 3/2.
/// assert_eq!(wide.values(), [0.0, 0.25, 0.75, 1.0]);
/// # Ok::<(), metric_ssl::views::ViewError>(())
/// ```
pub fn resized_crop(
    image: ImageRef<'_>,
    rect: Rect,
    height: usize,
    width: usize,
) -> Result<Image, ViewError> {
    rect.check(image.shape)?;
    let mut out = Image::black(ImageShape::new(image.shape.channels, height, width)?);
    Resizer::default().resize(image, rect, false, &mut out.canvas());
    Ok(out)
}

/// Left becomes right.
pub fn horizontal_flip(image: &mut Image) {
    flip(&mut image.canvas());
}

pub(super) fn flip(canvas: &mut Canvas<'_>) {
    let width = canvas.shape.width;
    canvas
        .values
        .chunks_exact_mut(width)
        .for_each(<[f32]>::reverse);
}

/// Which inputs make an output, and their weights: as many for each output, some of which may be 0.
#[derive(Debug, Default)]
struct Taps {
    each: usize,
    first: Vec<usize>,
    weights: Vec<f32>,
}

impl Taps {
    /// For `from` inputs and `to` outputs, which come in reverse if `flip`.
    fn fill(&mut self, from: usize, to: usize, flip: bool) {
        let scale = from as f64 / to as f64;
        let support = scale.max(1.0);
        // A window of length 2 s holds no more centres than that, rounded up, and one in case of rounding.
        self.each = if from <= to {
            2
        } else {
            (2.0 * support).ceil() as usize + 1
        }
        .min(from);
        self.first.clear();
        self.weights.clear();
        self.weights.resize(to * self.each, 0.0);
        for (place, weights) in self.weights.chunks_exact_mut(self.each).enumerate() {
            let output = if flip { to - 1 - place } else { place };
            let centre = scale * (output as f64 + 0.5);
            // The first input whose centre is within the triangle; the last ones fit into the image.
            let first = ((centre - support - 0.5).floor() + 1.0).max(0.0) as usize;
            let first = first.min(from - self.each);
            let weight = |tap: usize| {
                let at = (first + tap) as f64 + 0.5;
                (1.0 - (at - centre).abs() / support).max(0.0)
            };
            let sum: f64 = (0..self.each).map(weight).sum();
            for (tap, kept) in weights.iter_mut().enumerate() {
                *kept = (weight(tap) / sum) as f32;
            }
            self.first.push(first);
        }
    }
}

/// Resizes crops; keeps its buffers for the next one.
#[derive(Debug, Default)]
pub(super) struct Resizer {
    rows: Taps,
    columns: Taps,
    line: Vec<f32>,
    /// The crop with its final width, `[rect.height, width]`.
    squeezed: Vec<f32>,
}

impl Resizer {
    /// Fills `out` with the part `rect` of `image`, mirrored if `flip`. Both have as many channels, and the part is within.
    pub(super) fn resize(
        &mut self,
        image: ImageRef<'_>,
        rect: Rect,
        flip: bool,
        out: &mut Canvas<'_>,
    ) {
        let ImageShape { height, width, .. } = out.shape;
        self.rows.fill(rect.height, height, false);
        self.columns.fill(rect.width, width, flip);
        self.line.resize(rect.width, 0.0);
        let is_same_height = rect.height == height;
        let is_same_width = rect.width == width && !flip;
        self.squeezed.resize(rect.height * width, 0.0);
        let planes = out.values.chunks_exact_mut(height * width);
        for (channel, plane) in planes.enumerate() {
            let squeezed = if is_same_height {
                &mut *plane
            } else {
                &mut self.squeezed
            };
            for (y, to) in squeezed.chunks_exact_mut(width).enumerate() {
                let row = channel * image.shape.height + rect.top + y;
                let start = row * image.shape.width + rect.left;
                let line = match image.pixels {
                    Pixels::Bytes(bytes) => {
                        to_floats(&bytes[start..start + rect.width], &mut self.line);
                        &self.line[..]
                    }
                    Pixels::Floats(values) => &values[start..start + rect.width],
                };
                if is_same_width {
                    to.copy_from_slice(line);
                } else {
                    squeeze(line, &self.columns, to);
                }
            }
            if !is_same_height {
                stack(&self.squeezed, &self.rows, width, plane);
            }
        }
    }
}

kernel! {
    fn to_floats(bytes: &'k [u8], floats: &'k mut [f32]) {
        for (float, &byte) in floats.iter_mut().zip(bytes) {
            *float = f32::from(byte) / 255.0;
        }
    }
}

/// A row through its taps.
fn squeeze(line: &[f32], taps: &Taps, to: &mut [f32]) {
    if taps.each == 2 {
        let (weights, _) = taps.weights.as_chunks::<2>();
        for ((to, &first), weights) in to.iter_mut().zip(&taps.first).zip(weights) {
            let pair = &line[first..first + 2];
            *to = weights[0] * pair[0] + weights[1] * pair[1];
        }
        return;
    }
    let weights = taps.weights.chunks_exact(taps.each);
    for ((to, &first), weights) in to.iter_mut().zip(&taps.first).zip(weights) {
        let values = &line[first..first + taps.each];
        *to = weights.iter().zip(values).map(|(w, x)| w * x).sum();
    }
}

kernel! {
    /// Rows of `rows` weighed and added up to rows of `plane`.
    fn stack(rows: &'k [f32], taps: &'k Taps, width: usize, plane: &'k mut [f32]) {
        let weights = taps.weights.chunks_exact(taps.each);
        let outputs = plane.chunks_exact_mut(width);
        for ((to, &first), weights) in outputs.zip(&taps.first).zip(weights) {
            let mut from = rows[first * width..].chunks_exact(width);
            let mut is_first = true;
            for pair in weights.chunks(2) {
                let (Some(a), &[wa, ..]) = (from.next(), pair) else { break };
                let (b, wb) = match (from.next(), pair) {
                    (Some(b), &[_, wb]) => (b, wb),
                    _ => (a, 0.0),
                };
                if is_first {
                    for ((to, a), b) in to.iter_mut().zip(a).zip(b) {
                        *to = wa * a + wb * b;
                    }
                } else {
                    for ((to, a), b) in to.iter_mut().zip(a).zip(b) {
                        *to += wa * a + wb * b;
                    }
                }
                is_first = false;
            }
        }
    }
}
