//! What can be wrong with a data set. Every message names the file and the fault.

use std::io;
use std::path::{Path, PathBuf};

/// Why a data set could not be read, fetched or split.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// Neither a public set nor a path.
    #[error("unknown data set `{name}`: neither a file or folder, nor one of {}", known.join(", "))]
    UnknownSet {
        /// What was asked for.
        name: String,
        /// The sets that have a name.
        known: Vec<&'static str>,
    },
    /// A path that leads nowhere.
    #[error("{}: no such file or folder", path.display())]
    Missing {
        /// The path.
        path: PathBuf,
    },
    /// A public set that is not on this machine.
    #[error(
        "{}: no {file} of {set} here: allow the download, or put the file there by hand (from {page})",
        path.display()
    )]
    NotHere {
        /// Name of the set.
        set: &'static str,
        /// The file looked for.
        file: &'static str,
        /// The folder it should be in.
        path: PathBuf,
        /// Where the set is published.
        page: &'static str,
    },
    /// No folder for downloads can be told from the environment.
    #[error("no home folder to keep data sets in: set METRIC_DATA_DIR")]
    NoCache,
    /// Reading or writing failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The fault.
        source: io::Error,
    },
    /// A file that ends too early.
    #[error("{}: truncated: expected {expected} bytes, got {got}", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Bytes it should have.
        expected: u64,
        /// Bytes it has.
        got: u64,
    },
    /// A file that goes on after its end.
    #[error("{}: more data than the {expected} bytes it announces", path.display())]
    Excess {
        /// The file.
        path: PathBuf,
        /// Bytes it should have.
        expected: u64,
    },
    /// A file that starts with the wrong bytes, or announces what it cannot hold.
    #[error("{}: not {expected}: got {got}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What it should be.
        expected: &'static str,
        /// What was found.
        got: String,
    },
    /// Two files that should describe the same rows do not.
    #[error("{} has {count} rows, but {} has {labels}", path.display(), labels_path.display())]
    CountMismatch {
        /// The file of images or features.
        path: PathBuf,
        /// Its rows.
        count: usize,
        /// The file of labels.
        labels_path: PathBuf,
        /// Its rows.
        labels: usize,
    },
    /// Two training files of one set hold images of different sizes.
    #[error("{}: images of {got}, but {} has {expected}", path.display(), other.display())]
    ShapeMismatch {
        /// The file at fault.
        path: PathBuf,
        /// Its images' size.
        got: String,
        /// The file it was compared with.
        other: PathBuf,
        /// That file's size.
        expected: String,
    },
    /// A label that names no class.
    #[error("{}: label {label} of record {record} is not below the {classes} classes", path.display())]
    Label {
        /// The file.
        path: PathBuf,
        /// Index of the record.
        record: usize,
        /// The label.
        label: u32,
        /// Number of classes.
        classes: usize,
    },
    /// An image that cannot be decoded.
    #[error("{}: not a readable image: {source}", path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// The decoder's word.
        source: image::ImageError,
    },
    /// A zip archive that cannot be read.
    #[error("{}: not a readable zip archive: {source}", path.display())]
    Zip {
        /// The archive.
        path: PathBuf,
        /// The fault.
        source: zip::result::ZipError,
    },
    /// A table that cannot be read.
    #[error("{}: not a readable table: {source}", path.display())]
    Table {
        /// The table.
        path: PathBuf,
        /// The fault.
        source: csv::Error,
    },
    /// A column that the table does not have.
    #[error("{}: no label column `{column}`; it has {}", path.display(), available.join(", "))]
    UnknownColumn {
        /// The table.
        path: PathBuf,
        /// The column asked for.
        column: String,
        /// The label columns it has.
        available: Vec<String>,
    },
    /// Several label columns and none chosen.
    #[error("{}: choose one of its label columns: {}", path.display(), available.join(", "))]
    AmbiguousColumn {
        /// The table.
        path: PathBuf,
        /// The label columns it has.
        available: Vec<String>,
    },
    /// A table without a single label column.
    #[error("{}: no column of labels beside the one of files", path.display())]
    NoLabels {
        /// The table.
        path: PathBuf,
    },
    /// A table row that names a file that is not there.
    #[error("{}, line {line}: no such file: {}", table.display(), file.display())]
    MissingFile {
        /// The table.
        table: PathBuf,
        /// The line.
        line: u64,
        /// The file it names.
        file: PathBuf,
    },
    /// Nothing to learn from: every example is of one class.
    #[error("{what} has one class only (`{class}`): at least two are needed")]
    OneClass {
        /// The set, or the part of it.
        what: String,
        /// The class.
        class: String,
    },
    /// A source without a single labelled example.
    #[error("{what}: no labelled example in it")]
    Empty {
        /// The set, file or folder.
        what: String,
    },
    /// A class that the set does not have.
    #[error("no class `{class}` in {what}; it has {available}")]
    UnknownClass {
        /// The class or range asked for.
        class: String,
        /// The set.
        what: String,
        /// The classes it has, shortened.
        available: String,
    },
    /// A share that leaves nothing on one side.
    #[error("{name} must be above 0 and below 1, got {got}")]
    Fraction {
        /// The option.
        name: &'static str,
        /// Its value.
        got: f64,
    },
    /// Parts of a set whose sizes contradict each other.
    #[error("{what}: expected {expected}, got {got}")]
    Length {
        /// What was counted.
        what: &'static str,
        /// Its size.
        expected: usize,
        /// What came.
        got: usize,
    },
    /// A feature that is NaN or infinite.
    #[error("{}: row {row}, column {column} is not finite", path.display())]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The row.
        row: usize,
        /// The column.
        column: usize,
    },
    /// A file whose content is not the published one.
    #[error("{}: wrong SHA-256: expected {expected}, got {got}", path.display())]
    Checksum {
        /// The file or address.
        path: PathBuf,
        /// The published checksum.
        expected: String,
        /// The one computed.
        got: String,
    },
    /// A download that failed.
    #[error("{url}: download failed: {source}")]
    Download {
        /// The address.
        url: String,
        /// The fault.
        source: Box<ureq::Error>,
    },
}

impl DataError {
    /// Attaches the file to an input or output fault.
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| match source.kind() {
            io::ErrorKind::NotFound => Self::Missing { path: path.into() },
            _ => Self::Io {
                path: path.into(),
                source,
            },
        }
    }
}
