//! Suite `views`: operations on images.

use metric_ssl::views::{
    Image, ImageShape, Rect, ViewError, adjust_brightness, adjust_contrast, adjust_hue,
    adjust_saturation, gaussian_blur, grayscale, horizontal_flip, resized_crop, solarize,
};
use ndarray::{ArrayD, IxDyn};

use super::{Case, CaseError, Op, Outputs};

const SUITE: &str = "views";

pub(super) const OPS: &[Op] = &[
    Op::single(SUITE, "resized_crop_bilinear_antialias", |case| {
        let rect = Rect {
            top: case.usize_param("top")?,
            left: case.usize_param("left")?,
            height: case.usize_param("height")?,
            width: case.usize_param("width")?,
        };
        let (height, width) = (
            case.usize_param("out_height")?,
            case.usize_param("out_width")?,
        );
        changed(case, |image| {
            *image = resized_crop(image.view(), rect, height, width)?;
            Ok(())
        })
    }),
    Op::single(SUITE, "horizontal_flip", |case| {
        changed(case, |image| {
            horizontal_flip(image);
            Ok(())
        })
    }),
    Op::single(SUITE, "gaussian_blur", |case| {
        let (size, sigma) = (case.usize_param("kernel_size")?, case.f64_param("sigma")?);
        changed(case, |image| gaussian_blur(image, size, sigma))
    }),
    Op::single(SUITE, "solarize", |case| by(case, "threshold", solarize)),
    Op::single(SUITE, "adjust_brightness", |case| {
        by(case, "factor", adjust_brightness)
    }),
    Op::single(SUITE, "adjust_contrast", |case| {
        by(case, "factor", adjust_contrast)
    }),
    Op::single(SUITE, "adjust_saturation", |case| {
        by(case, "factor", adjust_saturation)
    }),
    Op::single(SUITE, "adjust_hue", |case| by(case, "factor", adjust_hue)),
    Op::single(SUITE, "grayscale", |case| {
        changed(case, |image| {
            grayscale(image);
            Ok(())
        })
    }),
];

/// An operation with one number.
fn by(
    case: &Case,
    key: &str,
    change: fn(&mut Image, f32) -> Result<(), ViewError>,
) -> Result<Outputs, CaseError> {
    let number = case.f64_param(key)? as f32;
    changed(case, |image| change(image, number))
}

fn changed(
    case: &Case,
    change: impl FnOnce(&mut Image) -> Result<(), ViewError>,
) -> Result<Outputs, CaseError> {
    let mut image = image(case)?;
    change(&mut image).map_err(|error| case.refused(error))?;
    let ImageShape {
        channels,
        height,
        width,
    } = image.shape();
    let values = ArrayD::from_shape_vec(IxDyn(&[channels, height, width]), image.into_values())
        .map_err(|error| case.refused(error))?;
    Ok(Outputs::new().with("image_out", &values))
}

/// The input `[channels, height, width]`.
fn image(case: &Case) -> Result<Image, CaseError> {
    let values = case.array::<f32>("image")?;
    let &[channels, height, width] = values.shape() else {
        return Err(case.wrong_kind("image", "an image of channels, rows and columns"));
    };
    ImageShape::new(channels, height, width)
        .and_then(|shape| Image::new(shape, values.iter().copied().collect()))
        .map_err(|error| case.refused(error))
}
