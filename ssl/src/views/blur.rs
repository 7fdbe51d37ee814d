//! Gaussian blur.

use super::image::Canvas;
use super::kernel::kernel;
use super::{Image, ViewError};

/// Columns whose sums are held in registers.
const LANES: usize = 32;

/// Blur by a Gaussian cut off after `kernel_size` pixels, across and then down; beyond its border the image is mirrored at
/// the centres of the last pixels, which are not repeated.
/// ```text
/// w(k) ∝ exp(−k² / 2σ²),  k = −r … r,  sum 1,  r = (kernel_size − 1) / 2
/// ```
///
/// Cost: `O(pixels · kernel_size)`.
///
/// # Errors
/// [`ViewError::InvalidParam`] unless the kernel is odd and its radius less than either side of the image, and `sigma`
/// positive and finite.
///
/// # Examples
/// ```
/// use metric_ssl::views::{Image, ImageShape, gaussian_blur};
///
/// let mut image = Image::new(ImageShape::new(1, 1, 3)?, vec![0.0, 1.0, 0.0])?;
/// gaussian_blur(&mut image, 1, 1.0)?;
/// assert_eq!(image.values(), [0.0, 1.0, 0.0]);
/// // A radius of 1 would need two rows to mirror.
/// assert!(gaussian_blur(&mut image, 3, 1.0).is_err());
/// # Ok::<(), metric_ssl::views::ViewError>(())
/// ```
pub fn gaussian_blur(image: &mut Image, kernel_size: usize, sigma: f64) -> Result<(), ViewError> {
    let least = image.shape().height.min(image.shape().width);
    if kernel_size.is_multiple_of(2) || kernel_size / 2 >= least {
        return Err(ViewError::param(
            "kernel size of a blur",
            "odd, and its half less than the image",
            kernel_size as f64,
        ));
    }
    check_sigma(sigma)?;
    Blur::default().run(&mut image.canvas(), kernel_size, sigma);
    Ok(())
}

pub(super) fn check_sigma(sigma: f64) -> Result<(), ViewError> {
    if sigma > 0.0 && sigma.is_finite() {
        return Ok(());
    }
    let (name, expected) = ("sigma of a blur", "positive and finite");
    Err(ViewError::param(name, expected, sigma))
}

/// Blurs, and keeps its buffers for the next image.
#[derive(Debug, Default)]
pub(super) struct Blur {
    weights: Vec<f32>,
    line: Vec<f32>,
    across: Vec<f32>,
}

impl Blur {
    /// `kernel_size` is odd and its radius less than either side.
    pub(super) fn run(&mut self, canvas: &mut Canvas<'_>, kernel_size: usize, sigma: f64) {
        let (height, width) = (canvas.shape.height, canvas.shape.width);
        let radius = kernel_size / 2;
        if radius == 0 {
            return;
        }
        self.fill(kernel_size, sigma);
        self.line.resize(width + 2 * radius, 0.0);
        self.across.resize(height * width, 0.0);
        for plane in canvas.values.chunks_exact_mut(height * width) {
            let rows = plane.chunks_exact(width);
            for (row, to) in rows.zip(self.across.chunks_exact_mut(width)) {
                for k in 0..radius {
                    self.line[k] = row[radius - k];
                    self.line[radius + width + k] = row[width - 2 - k];
                }
                self.line[radius..radius + width].copy_from_slice(row);
                slide(&self.line, &self.weights, to);
            }
            for (y, to) in plane.chunks_exact_mut(width).enumerate() {
                down(&self.across, &self.weights, y, to);
            }
        }
    }

    fn fill(&mut self, kernel_size: usize, sigma: f64) {
        let radius = (kernel_size / 2) as f64;
        let weight = |k: usize| (-0.5 * ((k as f64 - radius) / sigma).powi(2)).exp();
        let sum: f64 = (0..kernel_size).map(weight).sum();
        self.weights.clear();
        let weights = (0..kernel_size).map(|k| (weight(k) / sum) as f32);
        self.weights.extend(weights);
    }
}

kernel! {
    /// `to[x]` is the sum of `weights[k] · line[x + k]`.
    fn slide(line: &'k [f32], weights: &'k [f32], to: &'k mut [f32]) {
        let (blocks, tail) = to.as_chunks_mut::<LANES>();
        for (block, to) in blocks.iter_mut().enumerate() {
            let mut sums = [0.0f32; LANES];
            for (k, w) in weights.iter().enumerate() {
                add(&mut sums, *w, &line[block * LANES + k..]);
            }
            *to = sums;
        }
        let done = blocks.len() * LANES;
        for (x, to) in tail.iter_mut().enumerate() {
            let mut sum = 0.0f32;
            for (w, x) in weights.iter().zip(&line[done + x..]) {
                sum += w * x;
            }
            *to = sum;
        }
    }
}

kernel! {
    /// Row `y` of the result: rows around it, mirrored at the border, weighed and added.
    fn down(rows: &'k [f32], weights: &'k [f32], y: usize, to: &'k mut [f32]) {
        let width = to.len();
        let last = rows.len() / width - 1;
        let radius = weights.len() / 2;
        // Row `y + k - radius`; a radius less than the height is mirrored once at most.
        let start = |k: usize| {
            let row = (y + k).abs_diff(radius);
            width * if row > last { 2 * last - row } else { row }
        };
        let (blocks, tail) = to.as_chunks_mut::<LANES>();
        for (block, to) in blocks.iter_mut().enumerate() {
            let mut sums = [0.0f32; LANES];
            for (k, w) in weights.iter().enumerate() {
                add(&mut sums, *w, &rows[start(k) + block * LANES..]);
            }
            *to = sums;
        }
        let done = blocks.len() * LANES;
        for (x, to) in tail.iter_mut().enumerate() {
            let mut sum = 0.0f32;
            for (k, w) in weights.iter().enumerate() {
                sum += w * rows[start(k) + done + x];
            }
            *to = sum;
        }
    }
}

/// Adds `weight` times the first of `values`, of which there are enough.
#[inline(always)]
fn add(sums: &mut [f32; LANES], weight: f32, values: &[f32]) {
    if let Some(values) = values.first_chunk::<LANES>() {
        for (sum, x) in sums.iter_mut().zip(values) {
            *sum += weight * x;
        }
    }
}
