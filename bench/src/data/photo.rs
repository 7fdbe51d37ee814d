//! Image files of any size and kind, brought to one shape.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use image::imageops::FilterType;
use image::{DynamicImage, ImageDecoder, ImageReader};
use rayon::prelude::*;

use super::{DataError, ImageSet, ImageShape, split};

/// An image file, its id and its class by name.
pub(super) struct Labelled {
    pub(super) path: PathBuf,
    pub(super) id: String,
    pub(super) class: String,
}

/// Whether a file is named like an image.
pub(super) fn is_image(path: &Path) -> bool {
    let extension = path
        .extension()
        .and_then(|e| e.to_str())
        .unwrap_or_default();
    ["png", "jpg", "jpeg"]
        .iter()
        .any(|known| extension.eq_ignore_ascii_case(known))
}

/// Reads all images and stretches them to squares of `side` pixels: grey if all files are, else RGB.
pub(super) fn read_all(
    what: &Path,
    files: Vec<Labelled>,
    side: usize,
) -> Result<ImageSet, DataError> {
    if side == 0 {
        let what = "side of the images (zero is none)";
        return Err(DataError::Length {
            what,
            expected: 1,
            got: side,
        });
    }
    if files.is_empty() {
        return Err(DataError::Empty {
            what: what.display().to_string(),
        });
    }
    // Collected as results first, so that the first faulty file is named on every run.
    let images: Vec<_> = files
        .par_iter()
        .map(|file| read(&file.path, side as u32))
        .collect();
    let images: Vec<DynamicImage> = images.into_iter().collect::<Result<_, _>>()?;
    let grey = images.iter().all(|image| !image.color().has_color());
    let channels = if grey { 1 } else { 3 };
    let mut pixels = Vec::with_capacity(images.len() * channels * side * side);
    for image in images {
        match grey {
            true => pixels.extend(image.into_luma8().into_raw()),
            false => {
                let rgb = image.into_rgb8().into_raw();
                let plane = |c| rgb.iter().skip(c).step_by(3).copied();
                (0..3).for_each(|c| pixels.extend(plane(c)));
            }
        }
    }
    let classes: Vec<String> = files.iter().map(|file| file.class.clone()).collect();
    let (labels, names) = split::number_classes(&classes);
    let ids = files.into_iter().map(|file| file.id).collect();
    ImageSet::new(
        ImageShape {
            channels,
            height: side,
            width: side,
        },
        pixels,
        labels,
        names,
        ids,
    )
}

/// An image, upright and of the wanted size. The content decides the kind, not the file's name.
fn read(path: &Path, side: u32) -> Result<DynamicImage, DataError> {
    let fault = |source| DataError::Image {
        path: path.into(),
        source,
    };
    let file = BufReader::new(File::open(path).map_err(DataError::io(path))?);
    let reader = ImageReader::new(file)
        .with_guessed_format()
        .map_err(DataError::io(path))?;
    let mut decoder = reader.into_decoder().map_err(fault)?;
    let turned = decoder.orientation().map_err(fault)?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(fault)?;
    image.apply_orientation(turned);
    Ok(match (image.width(), image.height()) == (side, side) {
        true => image,
        false => image.resize_exact(side, side, FilterType::Triangle),
    })
}
