//! A folder with a folder of images for each class.

use std::path::Path;

use walkdir::{DirEntry, WalkDir};

use super::photo::{self, Labelled};
use super::{DataError, Source};

/// Loads every PNG and JPEG file below `root`; its class is the folder directly below `root`. Hidden
/// files and folders are passed over. Images beside the class folders have no label and are left out.
pub(super) fn load(root: &Path, side: usize) -> Result<Source, DataError> {
    let (mut files, mut left_out) = (Vec::new(), 0);
    let walk = WalkDir::new(root).follow_links(true).sort_by_file_name();
    for entry in walk
        .into_iter()
        .filter_entry(|entry| entry.depth() == 0 || !is_hidden(entry))
    {
        let entry = entry.map_err(|error| DataError::Io {
            path: error.path().unwrap_or(root).into(),
            source: error.into(),
        })?;
        if !entry.file_type().is_file() || !photo::is_image(entry.path()) {
            continue;
        }
        let inside = entry.path().strip_prefix(root).unwrap_or(entry.path());
        let parts: Vec<_> = inside.iter().map(|part| part.to_string_lossy()).collect();
        match &parts[..] {
            [class, _, ..] => files.push(Labelled {
                class: class.to_string(),
                id: parts.join("/"),
                path: entry.into_path(),
            }),
            _ => left_out += 1,
        }
    }
    let train = photo::read_all(root, files, side)?;
    Ok(Source {
        train,
        test: None,
        left_out,
    })
}

fn is_hidden(entry: &DirEntry) -> bool {
    entry.file_name().as_encoded_bytes().starts_with(b".")
}
