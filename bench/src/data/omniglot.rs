//! Omniglot: handwritten characters of fifty alphabets, twenty drawings of each.

use std::borrow::Cow;
use std::fs;
use std::io::{Cursor, Read};
use std::path::Path;

use image::ImageFormat;
use image::imageops::{self, FilterType};
use rayon::prelude::*;
use zip::ZipArchive;

use super::download::{Mirror, PublicSet, Remote};
use super::locate::Shelf;
use super::{DataError, ImageSet, ImageShape, LoadOptions, Source, SplitKind, split};

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

const ONE_SHOT: Remote = Remote {
    name: "all_runs.zip",
    sha256: "437c1eeab0af8484112e1b4cc0f3d541ec727f7c47b9b202da738af9dfd6c325",
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

/// Tasks of telling characters apart that were seen once: in each, one person's drawing of every character of a few, and
/// another person's drawings of them.
#[derive(Clone, Debug)]
pub struct OneShotTasks {
    /// The drawings seen, one of each class; a class is a character of a task, named by the file.
    pub seen: ImageSet,
    /// The drawings to be told, of the same classes.
    pub asked: ImageSet,
    /// The task of each class, from 0.
    tasks: Vec<usize>,
}

impl OneShotTasks {
    /// The twenty tasks of twenty characters that Lake et al. published with Omniglot (*Human-level concept learning through
    /// probabilistic program induction*, Science 2015): people err in 4.5 %.
    ///
    /// # Errors
    /// If they are missing, cannot be downloaded or read, or contradict themselves.
    pub fn load(options: &LoadOptions) -> Result<Self, DataError> {
        let shelf = Shelf::new(options, &Mirror::Official)?;
        let path = shelf.file(&SET, &ONE_SHOT, &[ONE_SHOT.name.into()])?;
        let bytes = fs::read(&path).map_err(DataError::io(&path))?;
        let drawings = Drawings::open(&path, &bytes)?;
        // `run01/class_labels.txt` has a line "run01/test/item01.png run01/training/class08.png" for each drawing to be told.
        let (mut asked, mut answers) = (Vec::new(), Vec::new());
        let lists = |name: &String| name.ends_with("/class_labels.txt");
        for list in drawings.names.iter().filter(|name| lists(name)) {
            let text = drawings.bytes(&mut drawings.archive.clone(), list)?;
            for line in String::from_utf8_lossy(&text).lines() {
                let [item, answer] = line.split_whitespace().collect::<Vec<_>>()[..] else {
                    return Err(DataError::Format {
                        path: path.join(list),
                        expected: "lines of two file names",
                        got: format!("`{line}`"),
                    });
                };
                asked.push(item.to_owned());
                answers.push(answer.to_owned());
            }
        }
        if asked.is_empty() {
            return Err(DataError::Empty {
                what: path.display().to_string(),
            });
        }
        let (labels, classes) = split::number_classes(&answers);
        let mut tasks = Vec::with_capacity(classes.len());
        let mut last = None;
        for class in &classes {
            let task = class.split('/').next();
            let number = tasks
                .last()
                .map_or(0, |&number: &usize| number + usize::from(task != last));
            tasks.push(number);
            last = task;
        }
        let numbers = (0..classes.len() as u32).collect();
        Ok(Self {
            seen: drawings.set(classes.clone(), numbers, classes.clone())?,
            asked: drawings.set(asked, labels, classes)?,
            tasks,
        })
    }

    /// How many tasks there are.
    pub fn len(&self) -> usize {
        self.tasks.last().map_or(0, |&last| last + 1)
    }

    /// Whether there is no task.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// The task of a class.
    ///
    /// # Panics
    /// If there is no such class.
    pub fn task(&self, class: u32) -> usize {
        self.tasks[class as usize]
    }
}

fn read(path: &Path, bytes: &[u8]) -> Result<ImageSet, DataError> {
    let drawings = Drawings::open(path, bytes)?;
    let mut names = drawings.names.clone();
    names.retain(|name| class(name).is_some());
    if names.is_empty() {
        return Err(DataError::Empty {
            what: path.display().to_string(),
        });
    }
    let classes: Vec<String> = names.iter().filter_map(|name| class(name)).collect();
    let (labels, class_names) = split::number_classes(&classes);
    drawings.set(names, labels, class_names)
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

/// An archive of drawings.
struct Drawings<'a> {
    path: &'a Path,
    archive: ZipArchive<Cursor<&'a [u8]>>,
    /// Of its files, sorted.
    names: Vec<String>,
}

impl<'a> Drawings<'a> {
    fn open(path: &'a Path, bytes: &'a [u8]) -> Result<Self, DataError> {
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
        names.sort_unstable();
        Ok(Self {
            path,
            archive,
            names,
        })
    }

    /// What a file holds.
    fn bytes(
        &self,
        archive: &mut ZipArchive<Cursor<&[u8]>>,
        name: &str,
    ) -> Result<Vec<u8>, DataError> {
        let fault = |source| DataError::Zip {
            path: self.path.join(name),
            source,
        };
        let mut bytes = Vec::new();
        let mut file = archive.by_name(name).map_err(fault)?;
        file.read_to_end(&mut bytes)
            .map_err(|source| fault(source.into()))?;
        Ok(bytes)
    }

    /// A drawing, made small.
    fn pixels(
        &self,
        archive: &mut ZipArchive<Cursor<&[u8]>>,
        name: &str,
    ) -> Result<Vec<u8>, DataError> {
        let png = self.bytes(archive, name)?;
        let image = image::load_from_memory_with_format(&png, ImageFormat::Png);
        let image = image.map_err(|source| DataError::Image {
            path: self.path.join(name),
            source,
        })?;
        let mut grey = image
            .resize_exact(SIDE, SIDE, FilterType::Triangle)
            .into_luma8();
        imageops::invert(&mut grey);
        Ok(grey.into_raw())
    }

    /// Some of the drawings.
    fn set(
        &self,
        names: Vec<String>,
        labels: Vec<u32>,
        class_names: Vec<String>,
    ) -> Result<ImageSet, DataError> {
        let images: Vec<_> = names
            .par_iter()
            .map_init(
                || self.archive.clone(),
                |archive, name| self.pixels(archive, name),
            )
            .collect();
        let mut pixels = Vec::with_capacity(names.len() * (SIDE * SIDE) as usize);
        for image in images {
            pixels.extend(image?);
        }
        let side = SIDE as usize;
        let shape = ImageShape {
            channels: 1,
            height: side,
            width: side,
        };
        ImageSet::new(shape, pixels, labels, class_names, names)
    }
}
