//! CIFAR-10 in its binary layout: one label byte and 3 x 32 x 32 bytes a record.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use super::download::{PublicSet, Remote};
use super::locate::Shelf;
use super::{DataError, ImageSet, ImageShape, Source, SplitKind};

const SET: PublicSet = PublicSet {
    name: "cifar-10",
    page: "https://www.cs.toronto.edu/~kriz/cifar.html",
    base: "https://www.cs.toronto.edu/~kriz/",
};

const ARCHIVE: Remote = Remote {
    name: "cifar-10-binary.tar.gz",
    sha256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    of_content: false,
};

const SHAPE: ImageShape = ImageShape {
    channels: 3,
    height: 32,
    width: 32,
};
const RECORD: usize = 1 + 3 * 32 * 32;
const TEST: &str = "test_batch.bin";
const NAMES: &str = "batches.meta.txt";

/// A file of the set: its name and path, and what it holds.
struct Member {
    name: String,
    path: PathBuf,
    bytes: Vec<u8>,
}

/// Loads the set from a folder of its files, or else from its archive.
pub(super) fn load(shelf: &Shelf<'_>) -> Result<Source, DataError> {
    let inner = ["cifar-10-batches-bin", "."];
    let folders = shelf.folders(&SET);
    let mut folders = folders
        .iter()
        .flat_map(|folder| inner.map(|name| folder.join(name)));
    let (source, mut members) = match folders.find(|folder| folder.join(TEST).is_file()) {
        Some(folder) => (folder.clone(), from_folder(&folder)?),
        None => {
            let mut usual = vec![ARCHIVE.name.to_owned()];
            usual.extend(
                shelf
                    .folders(&SET)
                    .iter()
                    .flat_map(|folder| other_archives(folder)),
            );
            let path = shelf.file(&SET, &ARCHIVE, &usual)?;
            (path.clone(), from_archive(&path)?)
        }
    };
    members.sort_by(|a, b| a.name.cmp(&b.name));
    assemble(&source, &members)
}

/// Subsets of the archive go by longer names.
fn other_archives(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = names.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<_> = names
        .filter(|name| name.starts_with("cifar-10-") && name.ends_with("-binary.tar.gz"))
        .collect();
    names.sort();
    names
}

fn is_member(name: &str) -> bool {
    name == NAMES || is_images(name)
}

fn is_images(name: &str) -> bool {
    name == TEST || name.starts_with("data_batch_") && name.ends_with(".bin")
}

fn from_folder(folder: &Path) -> Result<Vec<Member>, DataError> {
    let mut members = Vec::new();
    for entry in fs::read_dir(folder).map_err(DataError::io(folder))? {
        let path = entry.map_err(DataError::io(folder))?.path();
        if let Some(name) = path
            .file_name()
            .and_then(|name| name.to_str())
            .filter(|n| is_member(n))
        {
            let (name, bytes) = (
                name.to_owned(),
                fs::read(&path).map_err(DataError::io(&path))?,
            );
            members.push(Member { name, path, bytes });
        }
    }
    Ok(members)
}

fn from_archive(archive: &Path) -> Result<Vec<Member>, DataError> {
    let file = File::open(archive).map_err(DataError::io(archive))?;
    let mut tar = tar::Archive::new(MultiGzDecoder::new(std::io::BufReader::new(file)));
    let mut members = Vec::new();
    for entry in tar.entries().map_err(DataError::io(archive))? {
        let mut entry = entry.map_err(DataError::io(archive))?;
        let inside = entry.path().map_err(DataError::io(archive))?.into_owned();
        let Some(name) = inside
            .file_name()
            .and_then(|name| name.to_str())
            .filter(|name| is_member(name))
        else {
            continue;
        };
        let (name, path) = (name.to_owned(), archive.join(&inside));
        let (expected, mut bytes) = (entry.size(), Vec::new());
        let end = entry.read_to_end(&mut bytes);
        let got = bytes.len() as u64;
        if got < expected {
            return Err(DataError::Truncated {
                path,
                expected,
                got,
            });
        }
        end.map_err(DataError::io(archive))?;
        members.push(Member { name, path, bytes });
    }
    Ok(members)
}

fn assemble(source: &Path, members: &[Member]) -> Result<Source, DataError> {
    let names = members.iter().find(|member| member.name == NAMES);
    let names: Vec<String> = match names.map(|member| String::from_utf8_lossy(&member.bytes)) {
        Some(text) => text
            .lines()
            .map(str::trim)
            .filter(|l| !l.is_empty())
            .map(Into::into)
            .collect(),
        None => (0..10).map(|class| class.to_string()).collect(),
    };
    let part = |part: &str, test: bool| {
        let (mut labels, mut pixels) = (Vec::new(), Vec::new());
        for member in members
            .iter()
            .filter(|m| is_images(&m.name) && (m.name == TEST) == test)
        {
            records(
                &member.path,
                &member.bytes,
                names.len(),
                &mut labels,
                &mut pixels,
            )?;
        }
        if labels.is_empty() {
            return Err(DataError::Empty {
                what: format!("the {part} part of {}", source.display()),
            });
        }
        let ids = (0..labels.len())
            .map(|i| format!("{part}/{i:05}"))
            .collect();
        ImageSet::new(SHAPE, pixels, labels, names.clone(), ids)
    };
    let (train, test) = (part("train", false)?, part("test", true)?);
    Ok(Source {
        train,
        test: Some((test, SplitKind::Given)),
        left_out: 0,
    })
}

fn records(
    path: &Path,
    bytes: &[u8],
    classes: usize,
    labels: &mut Vec<u32>,
    pixels: &mut Vec<u8>,
) -> Result<(), DataError> {
    let records = bytes.chunks_exact(RECORD);
    if !records.remainder().is_empty() {
        let expected = bytes.len().next_multiple_of(RECORD) as u64;
        return Err(DataError::Truncated {
            path: path.into(),
            expected,
            got: bytes.len() as u64,
        });
    }
    for (record, bytes) in records.enumerate() {
        let (label, image) = (u32::from(bytes[0]), &bytes[1..]);
        if label as usize >= classes {
            return Err(DataError::Label {
                path: path.into(),
                record,
                label,
                classes,
            });
        }
        labels.push(label);
        pixels.extend_from_slice(image);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn records_are_labels_and_planes() {
        let bytes = [[3].as_slice(), &[7; 3072], &[0], &[9; 3072]].concat();
        let (mut labels, mut pixels) = (Vec::new(), Vec::new());
        records(Path::new("b"), &bytes, 10, &mut labels, &mut pixels).unwrap();
        assert_eq!((labels, pixels.len(), pixels[3072]), (vec![3, 0], 6144, 9));
        let fault = |bytes: &[u8], classes| {
            records(
                Path::new("b"),
                bytes,
                classes,
                &mut Vec::new(),
                &mut Vec::new(),
            )
            .unwrap_err()
        };
        assert_eq!(
            fault(&bytes[..6000], 10).to_string(),
            "b: truncated: expected 6146 bytes, got 6000"
        );
        assert_eq!(
            fault(&bytes, 3).to_string(),
            "b: label 3 of record 0 is not below the 3 classes"
        );
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..7000)) {
            let _ = records(Path::new("x"), &bytes, 10, &mut Vec::new(), &mut Vec::new());
        }
    }
}
