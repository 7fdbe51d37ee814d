//! Tables in CSV: of image files and their labels, and of labels alone.

use std::collections::HashSet;
use std::fs::File;
use std::path::Path;

use csv::{Reader, StringRecord};

use super::photo::{self, Labelled};
use super::{DataError, Source};

/// Names of the column that says which example a row is about.
const ID_COLUMNS: [&str; 4] = ["file", "path", "image", "id"];

/// A row of a table: its line, its id if the table has a column of them, and its label.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) line: u64,
    pub(super) id: Option<String>,
    /// Empty for a row without one.
    pub(super) label: String,
}

/// Loads the images that a table names, relative to the table's own folder.
pub(super) fn load(path: &Path, label: Option<&str>, side: usize) -> Result<Source, DataError> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let (mut files, mut left_out) = (Vec::new(), 0);
    for Row { line, id, label } in read(path, label, true)? {
        let id = id.unwrap_or_default();
        if label.is_empty() {
            left_out += 1;
            continue;
        }
        let file = folder.join(&id);
        if !file.is_file() {
            return Err(DataError::MissingFile {
                table: path.into(),
                line,
                file,
            });
        }
        files.push(Labelled {
            path: file,
            id,
            class: label,
        });
    }
    let train = photo::read_all(path, files, side)?;
    Ok(Source {
        train,
        test: None,
        left_out,
    })
}

/// The rows of a table. With `files`, its first column holds the ids if none is named so; without, it
/// may have labels only.
pub(super) fn read(path: &Path, label: Option<&str>, files: bool) -> Result<Vec<Row>, DataError> {
    let fault = |source| DataError::Table {
        path: path.into(),
        source,
    };
    let file = File::open(path).map_err(DataError::io(path))?;
    let mut reader = Reader::from_reader(file);
    let columns = reader.headers().map_err(fault)?.clone();
    let (id, label) = choose(path, &columns, label, files)?;
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(fault)?;
        let text = |column| record.get(column).unwrap_or_default().trim().to_owned();
        let line = record.position().map_or(0, csv::Position::line);
        rows.push(Row {
            line,
            id: id.map(text),
            label: text(label),
        });
    }
    Ok(rows)
}

/// Indices of the id column and of the label column.
fn choose(
    path: &Path,
    columns: &StringRecord,
    label: Option<&str>,
    files: bool,
) -> Result<(Option<usize>, usize), DataError> {
    let columns: Vec<&str> = columns.iter().map(str::trim).collect();
    let is_id = |name: &&str| {
        ID_COLUMNS
            .iter()
            .any(|known| name.eq_ignore_ascii_case(known))
    };
    let id = columns
        .iter()
        .position(is_id)
        .or((files && !columns.is_empty()).then_some(0));
    let labels: Vec<usize> = (0..columns.len())
        .filter(|&column| Some(column) != id)
        .collect();
    let available = || {
        let mut seen = HashSet::new();
        let names = labels.iter().map(|&column| columns[column]);
        names
            .filter(|name| seen.insert(*name))
            .map(String::from)
            .collect::<Vec<_>>()
    };
    let path = path.to_path_buf();
    match (label, &labels[..]) {
        (Some(wanted), _) => match labels.iter().find(|&&column| columns[column] == wanted) {
            Some(&column) => Ok((id, column)),
            None => {
                let column = wanted.to_owned();
                Err(DataError::UnknownColumn {
                    path,
                    column,
                    available: available(),
                })
            }
        },
        (None, [only]) => Ok((id, *only)),
        (None, []) => Err(DataError::NoLabels { path }),
        (None, _) => Err(DataError::AmbiguousColumn {
            path,
            available: available(),
        }),
    }
}
