//! Rotation and other affine maps of the plane.

use super::image::Canvas;
use super::kernel::kernel;
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
    let start = [
        -centre(width) - map.translate[0],
        -centre(height) - map.translate[1],
    ];
    let size = [height, width];
    sample(source, canvas.values, size, [xx, xy, yx, yy], start);
}

kernel! {
    /// Every pixel of `out` from its place in `source`: `matrix` times its own, which is at `start` for the first one.
    fn sample(source: &'k [f32], out: &'k mut [f32], size: [usize; 2], matrix: [f64; 4], start: [f64; 2]) {
        let [height, width] = size;
        let centre = [(width as f64 - 1.0) / 2.0, (height as f64 - 1.0) / 2.0];
        for y in 0..height {
            let v = start[1] + y as f64;
            for x in 0..width {
                let u = start[0] + x as f64;
                let at = [
                    matrix[0] * u + matrix[1] * v + centre[0],
                    matrix[2] * u + matrix[3] * v + centre[1],
                ];
                let corners = Corners::new(at, height, width);
                let planes = source.chunks_exact(height * width);
                for (plane, out) in planes.zip(out.chunks_exact_mut(height * width)) {
                    out[y * width + x] = corners.of(plane);
                }
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
    #[inline(always)]
    fn new([x, y]: [f64; 2], height: usize, width: usize) -> Self {
        let (left, top) = (x.floor(), y.floor());
        let (columns, x_weights) = pair(left, x - left, width);
        let (rows, y_weights) = pair(top, y - top, height);
        let corner = |i: usize| rows[i / 2] * width + columns[i % 2];
        let weight = |i: usize| (y_weights[i / 2] * x_weights[i % 2]) as f32;
        Self {
            at: [corner(0), corner(1), corner(2), corner(3)],
            weights: [weight(0), weight(1), weight(2), weight(3)],
        }
    }

    #[inline(always)]
    fn of(&self, plane: &[f32]) -> f32 {
        let [a, b, c, d] = self.at.map(|at| plane[at]);
        let [wa, wb, wc, wd] = self.weights;
        (wa * a + wb * b) + (wc * c + wd * d)
    }
}

/// A whole place and the one after it, with the weights of what lies `part` of the way; 0, with the weight 0, if not within.
#[inline(always)]
fn pair(place: f64, part: f64, pixels: usize) -> ([usize; 2], [f64; 2]) {
    let one = |place: f64, weight: f64| {
        if place >= 0.0 && place < pixels as f64 {
            (place as usize, weight)
        } else {
            (0, 0.0)
        }
    };
    let (first, second) = (one(place, 1.0 - part), one(place + 1.0, part));
    ([first.0, second.0], [first.1, second.1])
}
