//! Embeddings as files for other programs.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use ndarray::ArrayView2;
use safetensors::tensor::{Dtype, TensorView, serialize};

use crate::data::write_npy;
use crate::run::files::write_atomic;
use crate::run::{Examples, RunError};

/// Writes `rows` (`[n, dim]`) with the ids and labels of `examples`: `.npy` with a table
/// `NAME.labels.csv` beside it, or one `.safetensors`. Returns the files written.
///
/// # Errors
/// [`RunError::Invalid`] for another extension, or the error of writing, naming the file.
pub fn write_embeddings(
    path: &Path,
    rows: ArrayView2<'_, f32>,
    examples: &Examples,
) -> Result<Vec<PathBuf>, RunError> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("npy") => {
            let labels = path.with_extension("labels.csv");
            write_npy(path, rows)?;
            write_atomic(&labels, &label_table(examples)?)?;
            Ok(vec![path.into(), labels])
        }
        Some("safetensors") => {
            write_atomic(path, &safetensors(rows, examples)?)?;
            Ok(vec![path.into()])
        }
        _ => Err(RunError::Invalid(format!(
            "{}: embeddings are written as .npy or .safetensors",
            path.display()
        ))),
    }
}

fn label_table(examples: &Examples) -> Result<Vec<u8>, RunError> {
    let failed = |e: &dyn std::fmt::Display| RunError::Invalid(format!("table of labels: {e}"));
    let mut table = csv::Writer::from_writer(Vec::new());
    table
        .write_record(["id", "label"])
        .map_err(|e| failed(&e))?;
    for (id, &label) in examples.ids().iter().zip(examples.labels()) {
        let name = &examples.class_names()[label as usize];
        table.write_record([id, name]).map_err(|e| failed(&e))?;
    }
    table.into_inner().map_err(|e| failed(&e))
}

fn safetensors(rows: ArrayView2<'_, f32>, examples: &Examples) -> Result<Vec<u8>, RunError> {
    let failed = |e: &dyn std::fmt::Display| RunError::Invalid(format!("safetensors: {e}"));
    let values: Vec<u8> = rows.iter().flat_map(|value| value.to_le_bytes()).collect();
    let labels: Vec<u8> = examples
        .labels()
        .iter()
        .flat_map(|&label| i64::from(label).to_le_bytes())
        .collect();
    let tensors = [
        (
            "embeddings",
            TensorView::new(Dtype::F32, rows.shape().to_vec(), &values).map_err(|e| failed(&e))?,
        ),
        (
            "labels",
            TensorView::new(Dtype::I64, vec![rows.nrows()], &labels).map_err(|e| failed(&e))?,
        ),
    ];
    let names = |names: &[String]| serde_json::to_string(names).map_err(|e| failed(&e));
    let metadata = HashMap::from([
        ("ids".to_owned(), names(examples.ids())?),
        ("class_names".to_owned(), names(examples.class_names())?),
    ]);
    serialize(tensors, Some(metadata)).map_err(|e| failed(&e))
}
