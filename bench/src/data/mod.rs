//! Data sets: [`load`] by name or path for images, [`load_features`] for vectors someone already has.
//!
//! Public sets are looked for in a folder of data sets (see [`LoadOptions::data_dir`]), each in a
//! folder of its own name or directly in that folder, and downloaded with a checksum when missing.

mod cifar;
mod digits;
mod download;
mod error;
mod features;
mod folder;
mod idx;
mod image_set;
mod locate;
mod npy;
mod omniglot;
mod photo;
mod split;
mod table;

use std::path::{Path, PathBuf};

pub use download::Mirror;
pub use error::DataError;
pub use features::{FeatureSet, FeatureSplits, load_features};
pub use image_set::{ImageSet, ImageShape};
pub use npy::{read_npy, write_npy};
pub use omniglot::OneShotTasks;
pub use split::UnseenClasses;

/// The sets that [`load`] knows by name.
pub const KNOWN_SETS: [&str; 5] = ["digits", "mnist", "fashion-mnist", "cifar-10", "omniglot"];

/// How training and test examples were told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SplitKind {
    /// A share of every class's examples is held out for the test.
    HeldOutImages,
    /// The test has classes that training never sees.
    UnseenClasses,
    /// The publisher of the set chose.
    Given,
}

/// A set, split for training and test.
#[derive(Clone, Debug)]
pub struct Splits {
    /// What is learned from.
    pub train: ImageSet,
    /// What is judged on. With [`SplitKind::UnseenClasses`] it numbers its own classes from 0.
    pub test: ImageSet,
    /// How they were told apart.
    pub kind: SplitKind,
    /// Images left out because they have no label.
    pub left_out: usize,
}

/// Choices of [`load`] and of [`FeatureSet::split`].
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// The folder of data sets. Default: the environment's `METRIC_DATA_DIR`, else `metric` in the
    /// user's cache folder.
    pub data_dir: Option<PathBuf>,
    /// The label column of a table. Default: its only one.
    pub label: Option<String>,
    /// Whole classes kept for the test. Default: none but where the publisher kept some.
    pub unseen_classes: Option<UnseenClasses>,
    /// Share of each class's examples held out where the set has no split of its own. Default: 0.3.
    pub holdout: f64,
    /// Seed of the choice which ones. Default: 0.
    pub seed: u64,
    /// Side in pixels of the square to which images of a folder or table are stretched. Default: 32.
    pub size: Option<usize>,
    /// Whether a missing public set may be downloaded. Default: yes.
    pub download: bool,
    /// Whether downloads show their progress on standard error. Default: no.
    pub progress: bool,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            data_dir: None,
            label: None,
            unseen_classes: None,
            holdout: 0.3,
            seed: 0,
            size: None,
            download: true,
            progress: false,
        }
    }
}

/// What a loader found, before the options decide the split.
struct Source {
    train: ImageSet,
    /// The test images, if the publisher chose them, and whether they are of other classes.
    test: Option<(ImageSet, SplitKind)>,
    left_out: usize,
}

/// Loads a set of [`KNOWN_SETS`], a folder with a folder of images for each class, or a CSV table
/// whose column `file`, `path` or `image` (else the first) names images and whose others label them.
///
/// # Errors
/// If the set is missing, cannot be downloaded or read, or cannot be split as asked.
pub fn load(name: &str, options: &LoadOptions) -> Result<Splits, DataError> {
    load_from(name, options, &Mirror::Official)
}

/// [`load`], with missing sets downloaded from `mirror`.
///
/// # Errors
/// As [`load`].
pub fn load_from(name: &str, options: &LoadOptions, mirror: &Mirror) -> Result<Splits, DataError> {
    let shelf = || locate::Shelf::new(options, mirror);
    let source = match name {
        "digits" => Source {
            train: digits::load()?,
            test: None,
            left_out: 0,
        },
        "mnist" => idx::load(&idx::MNIST, &shelf()?)?,
        "fashion-mnist" => idx::load(&idx::FASHION, &shelf()?)?,
        "cifar-10" => cifar::load(&shelf()?)?,
        "omniglot" => omniglot::load(&shelf()?)?,
        path => load_path(Path::new(path), options)?,
    };
    divide(name, source, options)
}

fn load_path(path: &Path, options: &LoadOptions) -> Result<Source, DataError> {
    let side = options.size.unwrap_or(32);
    if path.is_dir() {
        folder::load(path, side)
    } else if path.is_file() {
        table::load(path, options.label.as_deref(), side)
    } else if path.components().count() > 1 || path.extension().is_some() {
        Err(DataError::Missing { path: path.into() })
    } else {
        let name = path.display().to_string();
        Err(DataError::UnknownSet {
            name,
            known: KNOWN_SETS.to_vec(),
        })
    }
}

fn divide(name: &str, source: Source, options: &LoadOptions) -> Result<Splits, DataError> {
    let Source {
        train,
        test,
        left_out,
    } = source;
    if let Some(unseen) = &options.unseen_classes {
        let all = match test {
            Some((test, _)) => train.join(test)?,
            None => train,
        };
        let (seen, unseen) = unseen.resolve(name, all.class_names())?;
        let (train, test) = (all.only(&seen), all.only(&unseen));
        return Ok(Splits {
            train,
            test,
            kind: SplitKind::UnseenClasses,
            left_out,
        });
    }
    if let Some((test, kind)) = test {
        return Ok(Splits {
            train,
            test,
            kind,
            left_out,
        });
    }
    let (labels, names) = (train.labels(), train.class_names());
    let (seen, held) = split::held_out(name, labels, names, options.holdout, options.seed)?;
    let (train, test) = (train.subset(&seen), train.subset(&held));
    Ok(Splits {
        train,
        test,
        kind: SplitKind::HeldOutImages,
        left_out,
    })
}
