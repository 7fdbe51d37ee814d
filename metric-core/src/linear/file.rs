//! Saving and loading a map.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use ndarray::{ArrayView1, ArrayView2};
use serde::{Deserialize, Serialize};

use super::LinearMap;
use crate::{Error, Scalar};

const FORMAT: &str = "metric-core linear map";
const VERSION: u32 = 1;

static CALLS: AtomicU64 = AtomicU64::new(0);

/// A file of a [`LinearMap`] could not be written or read.
#[derive(Debug, thiserror::Error)]
#[error("linear map {}: {fault}", path.display())]
pub struct MapFileError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    #[source]
    pub fault: MapFault,
}

/// What is wrong with a file of a [`LinearMap`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MapFault {
    /// The file cannot be opened, read or written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Not the expected JSON: cut short, damaged, a field missing or unknown, or a number out of range.
    #[error("must be a complete JSON object of a linear map: {0}")]
    Json(#[from] serde_json::Error),
    /// JSON of something else.
    #[error("format must be {FORMAT:?}, got {got:?}")]
    Format {
        /// What it says it is.
        got: String,
    },
    /// Another version of the format.
    #[error("version must be {VERSION}, got {got}")]
    Version {
        /// The version it says.
        got: u32,
    },
    /// Lengths do not go together.
    #[error("{what} must have {expected} entries for a map of shape {out} x {dim}, got {got}")]
    Shape {
        /// Mean or matrix.
        what: &'static str,
        /// Rows of the map, as the file says.
        out: usize,
        /// Columns of the map, as the file says.
        dim: usize,
        /// Entries that follow from these.
        expected: usize,
        /// Entries there are.
        got: usize,
    },
    /// The numbers are not those that were written.
    #[error("checksum must be {expected} for these numbers, got {got}")]
    Checksum {
        /// The sum of the numbers read.
        expected: String,
        /// The sum in the file.
        got: String,
    },
    /// The numbers make no map.
    #[error(transparent)]
    Map(#[from] Error),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    format: String,
    version: u32,
    out: usize,
    dim: usize,
    mean: Vec<f64>,
    matrix: Vec<f64>,
    checksum: String,
}

impl<T: Scalar> LinearMap<T> {
    /// Writes the map as JSON: format, version, shape, mean, matrix by rows, and a checksum of the numbers.
    ///
    /// Every `f64` is written so that it reads back to the same bits. The file appears whole or not at all: it is
    /// written beside its place, brought to the disk and renamed; a failure leaves what was there before.
    ///
    /// # Errors
    ///
    /// [`MapFault::Io`].
    ///
    /// # Examples
    ///
    /// ```
    /// use metric_core::linear::{LinearMap, Pca};
    /// use ndarray::array;
    /// let map = Pca::components(1).fit(array![[0.1f32, 0.0], [0.7, 0.3]].view())?;
    /// let path = std::env::temp_dir().join(format!("map-{}.json", std::process::id()));
    /// map.save(&path)?;
    /// assert_eq!(LinearMap::load(&path)?, map);
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), MapFileError> {
        let path = path.as_ref();
        let mut content = Content {
            format: FORMAT.to_owned(),
            version: VERSION,
            out: self.out(),
            dim: self.dim(),
            mean: self.mean().to_vec(),
            matrix: self.matrix().iter().copied().collect(),
            checksum: String::new(),
        };
        content.checksum = content.sum();
        let written = serde_json::to_vec(&content)
            .map_err(MapFault::from)
            .and_then(|bytes| Ok(write_whole(path, &bytes)?));
        written.map_err(|fault| at(path, fault))
    }

    /// Reads what [`save`](Self::save) wrote, to the same bits. A map may be loaded for rows of either type.
    ///
    /// # Errors
    ///
    /// [`MapFileError`] with the file and what is wrong: it cannot be read, is cut short or damaged, is something else,
    /// or holds numbers that do not fit together.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, MapFileError> {
        let path = path.as_ref();
        read(path).map_err(|fault| at(path, fault))
    }
}

fn at(path: &Path, fault: MapFault) -> MapFileError {
    let path = path.to_owned();
    MapFileError { path, fault }
}

fn read<T: Scalar>(path: &Path) -> Result<LinearMap<T>, MapFault> {
    let content: Content = serde_json::from_slice(&fs::read(path)?)?;
    if content.format != FORMAT {
        let got = content.format;
        return Err(MapFault::Format { got });
    }
    if content.version != VERSION {
        let got = content.version;
        return Err(MapFault::Version { got });
    }
    let (out, dim) = (content.out, content.dim);
    let lengths = [
        ("mean", dim, content.mean.len()),
        ("matrix", out.saturating_mul(dim), content.matrix.len()),
    ];
    if let Some(&(what, expected, got)) = lengths.iter().find(|(_, want, got)| want != got) {
        return Err(MapFault::Shape {
            what,
            out,
            dim,
            expected,
            got,
        });
    }
    let expected = content.sum();
    if content.checksum != expected {
        let got = content.checksum;
        return Err(MapFault::Checksum { expected, got });
    }
    let matrix = ArrayView2::from_shape((out, dim), &content.matrix)
        .map_err(|_| Error::Empty { what: "matrix" })?;
    Ok(LinearMap::new(matrix, ArrayView1::from(&content.mean))?)
}

impl Content {
    /// FNV-1a, 64 bits, of the shape and the bits of all numbers.
    fn sum(&self) -> String {
        let shape = [self.out as u64, self.dim as u64];
        let numbers = self.mean.iter().chain(&self.matrix).map(|x| x.to_bits());
        let mut sum = 0xcbf2_9ce4_8422_2325_u64;
        for byte in shape.into_iter().chain(numbers).flat_map(u64::to_le_bytes) {
            sum = (sum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        format!("{sum:016x}")
    }
}

/// Writes a hidden file beside `path`, brings it to the disk and renames it.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not a file name"))?;
    let mut beside = OsString::from(".");
    beside.push(name);
    // Its own for every call, also from several threads.
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    beside.push(format!(".{}.{call}.part", std::process::id()));
    let beside = path.with_file_name(beside);
    let written = File::create(&beside)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // The first error is the one to report; the leftover may not even exist.
        let _ = fs::remove_file(&beside);
    } else if let Some(Ok(folder)) = path.parent().map(File::open) {
        // The new name as well; not every system lets a folder be opened.
        let _ = folder.sync_all();
    }
    written
}
