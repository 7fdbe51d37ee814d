//! Rotation and other affine maps of the plane.

use super::image::Canvas;
use super::{Image, ViewError};

/// An affine map about the centre of the image: scaled, sheared, turned, then moved.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AffineMap {
    /// Turn in degrees. Positive is clockwise, as rows run downwards.
    pub degrees: f64,
    /// Move to the right and down, in pixels.
    pub translate: [f64; 2],
    /// Growth, positive.
    pub scale: f64,
    /// Shear along x and y, in degrees, each within ±90.
    pub shear: [f64; 2],
}

impl AffineMap {
    /// A turn about the centre, clockwise.
    pub fn rotation(degrees: f64) -> Self {
        Self {
            degrees,
            translate: [0.0; 2],
            scale: 1.0,
            shear: [0.0; 2],
        }
    }

    fn check(self) -> Result<(), ViewError> {
        let finite = |name, value: f64| {
            let is_finite = value.is_finite();
            is_finite
                .then_some(())
                .ok_or(ViewError::param(name, "finite", value))
        };
        finite("degrees of an affine map", self.degrees)?;
        finite("translation of an affine map", self.translate[0])?;
        finite("translation of an affine map", self.translate[1])?;
        if !(self.scale > 0.0 && self.scale.is_finite()) {
            let (name, expected) = ("scale of an affine map", "positive and finite");
            return Err(ViewError::param(name, expected, self.scale));
        }
        for shear in self.shear {
            if shear.abs() >= 90.0 || shear.is_nan() {
                let (name, expected) = ("shear of an affine map", "between -90 and 90");
                return Err(ViewError::param(name, expected, shear));
            }
        }
        Ok(())
    }

    /// From a place in the result to the one in the source, both relative to the centre: a matrix, and what is taken off
    /// before it is applied.
    ///
    /// The map is `R(a) Sh(y) Sh(x) s`, as torchvision has it: with `a` the turn and `x`, `y` the shears,
    /// ```text
    /// [ cos(a − y) / cos y    −cos(a − y) tan x / cos y − sin a ]
    /// [ sin(a − y) / cos y    −sin(a − y) tan x / cos y + cos a ] · s
    /// ```
    /// The matrix without `s` has determinant 1.
    fn inverse(self) -> [f64; 4] {
        let (turn, x, y) = (
            self.degrees.to_radians(),
            self.shear[0].to_radians(),
            self.shear[1].to_radians(),
        );
        let (sin, cos) = (turn - y).sin_cos();
        let a = cos / y.cos();
        let b = -cos * x.tan() / y.cos() - turn.sin();
        let c = sin / y.cos();
        let d = -sin * x.tan() / y.cos() + turn.cos();
        [d, -b, -c, a].map(|entry| entry / self.scale)
    }
}

/// Moves every pixel by `map`: bilinear, and black where the image does not reach.
///
/// A result at `p`, relative to the centre, is the source at `M⁻¹ (p − t)`, interpolated between the four nearest pixels;
/// those outside count as 0. This is torchvision's `affine` without `fill` (which, set to 0, darkens the border once
/// more); its `rotate` turns the other way for a positive angle.
///
/// Cost: `O(pixels)`.
///
/// # Errors
/// [`ViewError::InvalidParam`] for a number that is not finite, a scale that is not positive, or a shear of 90° or more.
pub fn affine(image: &mut Image, map: AffineMap) -> Result<(), ViewError> {
    map.check()?;
    run(&mut image.canvas(), map, &mut Vec::new());
    Ok(())
}

pub(super) fn run(canvas: &mut Canvas<'_>, map: AffineMap, source: &mut Vec<f32>) {
    if map == AffineMap::rotation(0.0) {
        return;
    }
    let (height, width) = (canvas.shape.height, canvas.shape.width);
    let [xx, xy, yx, yy] = map.inverse();
    let centre = |pixels: usize| (pixels as f64 - 1.0) / 2.0;
    source.clear();
    source.extend_from_slice(canvas.values);
    for y in 0..height {
        let v = y as f64 - centre(height) - map.translate[1];
        for x in 0..width {
            let u = x as f64 - centre(width) - map.translate[0];
            let at = [
                xx * u + xy * v + centre(width),
                yx * u + yy * v + centre(height),
            ];
            let corners = Corners::new(at, height, width);
            let planes = source.chunks_exact(height * width);
            let outputs = canvas.values.chunks_exact_mut(height * width);
            for (plane, out) in planes.zip(outputs) {
                out[y * width + x] = corners.of(plane);
            }
        }
    }
}

/// The four pixels around a place; those outside the image have weight 0.
struct Corners {
    at: [usize; 4],
    weights: [f32; 4],
}

impl Corners {
    fn new([x, y]: [f64; 2], height: usize, width: usize) -> Self {
        let (left, top) = (x.floor(), y.floor());
        let (right_part, lower_part) = (x - left, y - top);
        let mut corners = Self {
            at: [0; 4],
            weights: [0.0; 4],
        };
        let inside = |place: f64, pixels: usize| place >= 0.0 && place < pixels as f64;
        for corner in 0..4 {
            let (right, lower) = (corner % 2 == 1, corner / 2 == 1);
            let (column, part) = if right {
                (left + 1.0, right_part)
            } else {
                (left, 1.0 - right_part)
            };
            let (row, share) = if lower {
                (top + 1.0, lower_part)
            } else {
                (top, 1.0 - lower_part)
            };
            if inside(column, width) && inside(row, height) {
                corners.at[corner] = row as usize * width + column as usize;
                corners.weights[corner] = (part * share) as f32;
            }
        }
        corners
    }

    fn of(&self, plane: &[f32]) -> f32 {
        let pixel = |(&at, &weight): (&usize, &f32)| weight * plane[at];
        self.at.iter().zip(&self.weights).map(pixel).sum()
    }
}
