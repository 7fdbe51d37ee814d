//! Rectangles painted over.

use super::image::Canvas;
use super::{Image, Rect, ViewError};

/// Sets the part `rect` of `image` to black.
///
/// # Errors
/// [`ViewError::Rect`] if it leaves the image.
pub fn erase(image: &mut Image, rect: Rect) -> Result<(), ViewError> {
    rect.check(image.shape())?;
    run(&mut image.canvas(), rect);
    Ok(())
}

pub(super) fn run(canvas: &mut Canvas<'_>, rect: Rect) {
    let (height, width) = (canvas.shape.height, canvas.shape.width);
    for plane in canvas.values.chunks_exact_mut(height * width) {
        let rows = plane.chunks_exact_mut(width);
        for row in rows.skip(rect.top).take(rect.height) {
            row[rect.left..rect.left + rect.width].fill(0.0);
        }
    }
}

/// Paints a square of `side` pixels around `centre` (row and column) black, as much of it as is within the image (DeVries,
/// Taylor, *Improved Regularization of Convolutional Neural Networks with Cutout*, 2017,
/// <https://arxiv.org/abs/1708.04552>): rows `y − side / 2` up to, not including, `y + side − side / 2`, halves rounded down.
///
/// # Errors
/// [`ViewError::Rect`] if the centre is not in the image.
pub fn cutout(image: &mut Image, centre: [usize; 2], side: usize) -> Result<(), ViewError> {
    let [top, left] = centre;
    let pixel = Rect {
        top,
        left,
        height: 1,
        width: 1,
    };
    pixel.check(image.shape())?;
    let shape = image.shape();
    run(
        &mut image.canvas(),
        square(centre, side, shape.height, shape.width),
    );
    Ok(())
}

/// The part of a square that lies within the image.
pub(super) fn square(centre: [usize; 2], side: usize, height: usize, width: usize) -> Rect {
    let span = |at: usize, pixels: usize| {
        let start = at.saturating_sub(side / 2);
        let end = pixels.min(at.saturating_add(side - side / 2));
        (start, end - start)
    };
    let ((top, height), (left, width)) = (span(centre[0], height), span(centre[1], width));
    Rect {
        top,
        left,
        height,
        width,
    }
}
