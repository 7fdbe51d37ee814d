//! Omniglot: handwritten characters of fifty alphabets, twenty drawings of each.

use std::borrow::Cow;
use std::fs;
use std::io::{Cursor, Read};
use std::path::Path;

use image::ImageFormat;
use image::imageops::{self, FilterType};
use rayon::prelude::*;
use zip::ZipArchive;

use super::download::Remote;
use super::locate::{PublicSet, Shelf};
use super::{DataError, ImageSet, ImageShape, Source, SplitKind, split};

const SET: PublicSet = PublicSet {
    name: "omniglot",
    page: "https://github.com/brendenlake/omniglot",
    base: "https://raw.githubusercontent.com/brendenlake/omniglot/master/python/",
};

const BACKGROUND: Remote = Remote {
    name: "images_background.zip",
    sha256: "0bd52a6c3e9b67c37260b49aa0ef999a781ce200d5971ac765cf7a4dcab78b9f",
    of_content: false,
};

const EVALUATION: Remote = Remote {
    name: "images_evaluation.zip",
    sha256: "9d4a06435df3232e1e797949d03addc4bd9874ee5febcfbe49434c889d6f0a3e",
    of_content: false,
};

/// Side of the images handed out; the drawings have 105.
const SIDE: u32 = 28;

/// Loads the background alphabets to train on and the evaluation alphabets to test on. A class is a
/// character, named `alphabet/character`; ink is bright.
pub(super) fn load(shelf: &Shelf<'_>) -> Result<Source, DataError> {
    let part = |remote: &Remote| {
        let path = shelf.file(&SET, remote, &[remote.name.into()])?;
        read(&path, &fs::read(&path).map_err(DataError::io(&path))?)
    };
    let (train, test) = (part(&BACKGROUND)?, part(&EVALUATION)?);
    Ok(Source {
        train,
        test: Some((test, SplitKind::UnseenClasses)),
        left_out: 0,
    })
}

fn read(path: &Path, bytes: &[u8]) -> Result<ImageSet, DataError> {
    let fault = |source| DataError::Zip {
        path: path.into(),
        source,
    };
    let archive = ZipArchive::new(Cursor::new(bytes)).map_err(fault)?;
    let names: Result<Vec<String>, _> = archive
        .file_names()
        .map(|name| name.map(Cow::into_owned))
        .collect();
    let mut names = names.map_err(fault)?;
    names.retain(|name| class(name).is_some());
    names.sort_unstable();
    if names.is_empty() {
        return Err(DataError::Empty {
            what: path.display().to_string(),
        });
    }
    let images: Vec<_> = names
        .par_iter()
        .map_init(
            || archive.clone(),
            |archive, name| drawing(path, archive, name),
        )
        .collect();
    let mut pixels = Vec::with_capacity(names.len() * (SIDE * SIDE) as usize);
    for image in images {
        pixels.extend(image?);
    }
    let classes: Vec<String> = names.iter().filter_map(|name| class(name)).collect();
    let (labels, class_names) = split::number_classes(&classes);
    let side = SIDE as usize;
    let shape = ImageShape {
        channels: 1,
        height: side,
        width: side,
    };
    ImageSet::new(shape, pixels, labels, class_names, names)
}

/// The class of `part/alphabet/character/drawing.png`; nothing for any other name.
fn class(name: &str) -> Option<String> {
    match name.split('/').collect::<Vec<_>>()[..] {
        [_, alphabet, character, file] if file.ends_with(".png") && !file.starts_with('.') => {
            Some(format!("{alphabet}/{character}"))
        }
        _ => None,
    }
}

fn drawing(
    path: &Path,
    archive: &mut ZipArchive<Cursor<&[u8]>>,
    name: &str,
) -> Result<Vec<u8>, DataError> {
    let fault = |source| DataError::Zip {
        path: path.join(name),
        source,
    };
    let mut png = Vec::new();
    let mut file = archive.by_name(name).map_err(fault)?;
    file.read_to_end(&mut png)
        .map_err(|source| fault(source.into()))?;
    let image = image::load_from_memory_with_format(&png, ImageFormat::Png);
    let image = image.map_err(|source| DataError::Image {
        path: path.join(name),
        source,
    })?;
    let mut grey = image
        .resize_exact(SIDE, SIDE, FilterType::Triangle)
        .into_luma8();
    imageops::invert(&mut grey);
    Ok(grey.into_raw())
}
