//! Operations on the colours of single pixels, and contrast, which needs the mean of all.

use super::image::Canvas;
use super::kernel::kernel;
use super::{Image, ViewError};

/// Grey of a colour: what torchvision weighs red, green and blue with (ITU-R BT.601).
const GREY: [f32; 3] = [0.2989, 0.587, 0.114];
/// Pixels that go through all operations while they are in the nearest cache.
const BLOCK: usize = 1024;

/// A change of colours with its number drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ColorStep {
    /// See [`adjust_brightness`].
    Brightness(f32),
    /// See [`adjust_contrast`].
    Contrast(f32),
    /// See [`adjust_saturation`].
    Saturation(f32),
    /// See [`adjust_hue`].
    Hue(f32),
    /// See [`grayscale`].
    Grayscale,
    /// See [`solarize`].
    Solarize(f32),
}

impl ColorStep {
    /// Does it leave every image as it is?
    fn is_identity(self) -> bool {
        match self {
            Self::Brightness(factor) | Self::Contrast(factor) | Self::Saturation(factor) => {
                factor.to_bits() == 1.0f32.to_bits()
            }
            // A whole turn of the hue is none.
            Self::Hue(factor) => factor.abs() < f32::MIN_POSITIVE,
            Self::Solarize(threshold) => threshold > 1.0,
            Self::Grayscale => false,
        }
    }

    fn check(self) -> Result<(), ViewError> {
        let factor = |name, factor: f32| {
            if factor >= 0.0 && factor.is_finite() {
                return Ok(());
            }
            let expected = "finite and not negative";
            Err(ViewError::param(name, expected, f64::from(factor)))
        };
        match self {
            Self::Brightness(by) => factor("brightness factor", by),
            Self::Contrast(by) => factor("contrast factor", by),
            Self::Saturation(by) => factor("saturation factor", by),
            Self::Hue(by) if !(-0.5..=0.5).contains(&by) => {
                let (name, expected) = ("hue factor", "from -0.5 to 0.5");
                Err(ViewError::param(name, expected, f64::from(by)))
            }
            Self::Solarize(threshold) if threshold.is_nan() => {
                let (name, expected) = ("solarize threshold", "a number");
                Err(ViewError::param(name, expected, f64::from(threshold)))
            }
            Self::Hue(_) | Self::Grayscale | Self::Solarize(_) => Ok(()),
        }
    }
}

/// Brightness times `factor`:
/// ```text
/// x ← clamp(f · x, 0, 1)
/// ```
///
/// # Errors
/// [`ViewError::InvalidParam`] if the factor is negative or not finite.
pub fn adjust_brightness(image: &mut Image, factor: f32) -> Result<(), ViewError> {
    apply(image, ColorStep::Brightness(factor))
}

/// Contrast times `factor`: a blend with the mean grey of the image,
/// ```text
/// x ← clamp(f · x + (1 − f) · m, 0, 1),   m = mean over pixels of 0.2989 R + 0.587 G + 0.114 B
/// ```
///
/// # Errors
/// [`ViewError::InvalidParam`] if the factor is negative or not finite.
pub fn adjust_contrast(image: &mut Image, factor: f32) -> Result<(), ViewError> {
    apply(image, ColorStep::Contrast(factor))
}

/// Saturation times `factor`: a blend of each pixel with its own grey `g` (see [`adjust_contrast`]),
/// ```text
/// x ← clamp(f · x + (1 − f) · g, 0, 1)
/// ```
/// A grey image stays as it is.
///
/// # Errors
/// [`ViewError::InvalidParam`] if the factor is negative or not finite.
pub fn adjust_saturation(image: &mut Image, factor: f32) -> Result<(), ViewError> {
    apply(image, ColorStep::Saturation(factor))
}

/// Hue turned by `factor` of the circle, in HSV:
/// ```text
/// h ← (h + f) mod 1
/// ```
/// A grey image stays as it is.
///
/// # Errors
/// [`ViewError::InvalidParam`] if the factor is not from −0.5 to 0.5.
pub fn adjust_hue(image: &mut Image, factor: f32) -> Result<(), ViewError> {
    apply(image, ColorStep::Hue(factor))
}

/// Every channel becomes the grey of the pixel, 0.2989 R + 0.587 G + 0.114 B. A grey image stays as it is.
pub fn grayscale(image: &mut Image) {
    run(&mut image.canvas(), &[ColorStep::Grayscale]);
}

/// Inverts what is at least `threshold`:
/// ```text
/// x ← 1 − x  where x ≥ t
/// ```
///
/// # Errors
/// [`ViewError::InvalidParam`] if the threshold is NaN.
pub fn solarize(image: &mut Image, threshold: f32) -> Result<(), ViewError> {
    apply(image, ColorStep::Solarize(threshold))
}

fn apply(image: &mut Image, step: ColorStep) -> Result<(), ViewError> {
    step.check()?;
    run(&mut image.canvas(), &[step]);
    Ok(())
}

/// Does `steps` one after the other, a block of pixels at a time: only the mean that contrast needs makes it walk through
/// the image again.
pub(super) fn run(canvas: &mut Canvas<'_>, steps: &[ColorStep]) {
    let pixels = canvas.shape.pixels();
    let mut rest = steps;
    let mut blend = None;
    while blend.is_some() || !rest.is_empty() {
        let is_contrast =
            |step: &ColorStep| matches!(step, ColorStep::Contrast(_)) && !step.is_identity();
        let end = rest.iter().position(is_contrast).unwrap_or(rest.len());
        let (now, later) = rest.split_at(end);
        let mut sum = 0.0;
        for start in (0..pixels).step_by(BLOCK) {
            let range = start..pixels.min(start + BLOCK);
            let mut block = Block::new(canvas, range);
            if let Some((factor, mean)) = blend {
                block.blend(factor, mean);
            }
            for &step in now.iter().filter(|step| !step.is_identity()) {
                block.apply(step);
            }
            if !later.is_empty() {
                sum += block.grey_sum();
            }
        }
        let Some((&ColorStep::Contrast(factor), after)) = later.split_first() else {
            return;
        };
        blend = Some((factor, (sum / pixels as f64) as f32));
        rest = after;
    }
}

/// The same pixels of every channel.
enum Block<'a> {
    Grey(&'a mut [f32]),
    Rgb([&'a mut [f32]; 3]),
}

impl<'a> Block<'a> {
    fn new(canvas: &'a mut Canvas<'_>, range: std::ops::Range<usize>) -> Self {
        let pixels = canvas.shape.pixels();
        if canvas.shape.channels == 1 {
            return Self::Grey(&mut canvas.values[range]);
        }
        let (red, rest) = canvas.values.split_at_mut(pixels);
        let (green, blue) = rest.split_at_mut(pixels);
        Self::Rgb([
            &mut red[range.clone()],
            &mut green[range.clone()],
            &mut blue[range],
        ])
    }

    fn apply(&mut self, step: ColorStep) {
        match (step, self) {
            (ColorStep::Brightness(factor), block) => block.each(|x| blend(x, factor, 0.0)),
            (ColorStep::Solarize(threshold), block) => block.each(|x| invert(x, threshold)),
            (ColorStep::Saturation(factor), Self::Rgb([r, g, b])) => saturate(r, g, b, factor),
            (ColorStep::Hue(factor), Self::Rgb([r, g, b])) => turn_hue(r, g, b, factor),
            (ColorStep::Grayscale, Self::Rgb([r, g, b])) => to_grey(r, g, b),
            // Grey has no colour, and contrast is done by its mean.
            (
                ColorStep::Saturation(_) | ColorStep::Hue(_) | ColorStep::Grayscale,
                Self::Grey(_),
            )
            | (ColorStep::Contrast(_), _) => {}
        }
    }

    fn blend(&mut self, factor: f32, with: f32) {
        self.each(|x| blend(x, factor, with));
    }

    fn each(&mut self, change: impl Fn(&mut [f32])) {
        match self {
            Self::Grey(values) => change(values),
            Self::Rgb(channels) => channels.iter_mut().for_each(|values| change(values)),
        }
    }

    fn grey_sum(&self) -> f64 {
        match self {
            Self::Grey(values) => sum(values),
            Self::Rgb([r, g, b]) => {
                f64::from(GREY[0]) * sum(r)
                    + f64::from(GREY[1]) * sum(g)
                    + f64::from(GREY[2]) * sum(b)
            }
        }
    }
}

kernel! {
    /// `f · x + (1 − f) · with`, clamped.
    fn blend(values: &'k mut [f32], factor: f32, with: f32) {
        let other = (1.0 - factor) * with;
        for x in values {
            *x = (*x * factor + other).clamp(0.0, 1.0);
        }
    }
}

kernel! {
    fn invert(values: &'k mut [f32], threshold: f32) {
        for x in values {
            *x = if *x >= threshold { 1.0 - *x } else { *x };
        }
    }
}

kernel! {
    /// In 16 partial sums of at most `BLOCK / 16` values, whatever the instruction set.
    fn sum(values: &'k [f32]) -> f64 {
        let (chunks, tail) = values.as_chunks::<16>();
        let mut lanes = [0.0f32; 16];
        for chunk in chunks {
            for (lane, x) in lanes.iter_mut().zip(chunk) {
                *lane += x;
            }
        }
        lanes.iter().chain(tail).map(|&x| f64::from(x)).sum()
    }
}

#[inline(always)]
fn grey(r: f32, g: f32, b: f32) -> f32 {
    GREY[0] * r + GREY[1] * g + GREY[2] * b
}

kernel! {
    fn saturate(r: &'k mut [f32], g: &'k mut [f32], b: &'k mut [f32], factor: f32) {
        for ((r, g), b) in r.iter_mut().zip(g).zip(b) {
            let other = (1.0 - factor) * grey(*r, *g, *b);
            *r = (*r * factor + other).clamp(0.0, 1.0);
            *g = (*g * factor + other).clamp(0.0, 1.0);
            *b = (*b * factor + other).clamp(0.0, 1.0);
        }
    }
}

kernel! {
    fn to_grey(r: &'k mut [f32], g: &'k mut [f32], b: &'k mut [f32]) {
        for ((r, g), b) in r.iter_mut().zip(g).zip(b) {
            let grey = grey(*r, *g, *b);
            (*r, *g, *b) = (grey, grey, grey);
        }
    }
}

kernel! {
    /// The hue in sixths of the circle is `h`, and a channel then `max − (max − min) · ramp(offset + h)`: neither value nor
    /// saturation need be written out, and there is no branch.
    fn turn_hue(r: &'k mut [f32], g: &'k mut [f32], b: &'k mut [f32], factor: f32) {
        let turn = if factor < 0.0 { factor + 1.0 } else { factor } * 6.0;
        for ((r, g), b) in r.iter_mut().zip(g).zip(b) {
            let (red, green, blue) = (*r, *g, *b);
            let max = red.max(green).max(blue);
            let range = max - red.min(green).min(blue);
            let scale = 1.0 / if range > 0.0 { range } else { 1.0 };
            let from_green = 2.0 + (blue - red) * scale;
            let from_blue = 4.0 + (red - green) * scale;
            let from_red = (green - blue) * scale;
            let h = if max > green { from_blue } else { from_green };
            let h = if max > red { h } else { from_red };
            // From -1 to 11.
            let h = h + turn;
            let h = if h < 0.0 { h + 6.0 } else { h };
            let h = if h >= 6.0 { h - 6.0 } else { h };
            *r = max - range * ramp(h + 5.0);
            *g = max - range * ramp(h + 3.0);
            *b = max - range * ramp(h + 1.0);
        }
    }
}

/// 0 below 0 and from 4 to 6, 1 from 1 to 3, linear between, of period 6; for 0 to 12.
#[inline(always)]
fn ramp(at: f32) -> f32 {
    let at = if at >= 6.0 { at - 6.0 } else { at };
    at.min(4.0 - at).clamp(0.0, 1.0)
}
