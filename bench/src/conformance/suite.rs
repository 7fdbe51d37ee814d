//! Reading suites from a folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use ndarray::{ArrayD, IxDyn};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

use super::case::{Head, Tensor};
use super::{Case, ConformanceError};

/// The suites in `dir`, by name, with their cases in the order of the list.
pub(super) fn load(
    dir: &Path,
    only: Option<&str>,
) -> Result<Vec<(String, Vec<Case>)>, ConformanceError> {
    let unreadable = |source| ConformanceError::Read {
        path: dir.to_owned(),
        source,
    };
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(dir).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let is_suite = path
            .extension()
            .is_some_and(|end| end == "json" || end == "safetensors");
        if let Some(name) = path.file_stem().and_then(|stem| stem.to_str())
            && is_suite
            && only.is_none_or(|only| only == name)
        {
            names.insert(name.to_owned());
        }
    }
    let suites = names.into_iter().map(|name| {
        let cases = load_suite(&dir.join(format!("{name}.json")))?;
        Ok((name, cases))
    });
    suites.collect()
}

fn load_suite(list: &Path) -> Result<Vec<Case>, ConformanceError> {
    let heads: Vec<Head> =
        serde_json::from_slice(&read(list)?).map_err(|source| ConformanceError::Cases {
            path: list.to_owned(),
            source,
        })?;
    let path = list.with_extension("safetensors");
    let bytes = read(&path)?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(|source| ConformanceError::Tensors {
        path: path.clone(),
        source,
    })?;
    let mut seen = BTreeSet::new();
    let mut cases = Vec::with_capacity(heads.len());
    for head in heads {
        if !seen.insert(head.id.clone()) {
            let path = list.to_owned();
            return Err(ConformanceError::DuplicateCase { path, id: head.id });
        }
        let mut own = BTreeMap::new();
        for name in head.inputs.iter().chain(&head.expect) {
            let full = format!("{}/{name}", head.id);
            let Ok(view) = tensors.tensor(&full) else {
                return Err(ConformanceError::MissingTensor { path, name: full });
            };
            let tensor = decode(&view).ok_or_else(|| ConformanceError::ElementType {
                path: path.clone(),
                name: full,
                dtype: format!("{:?}", view.dtype()),
            })?;
            own.insert(name.clone(), tensor);
        }
        cases.push(Case { head, tensors: own });
    }
    Ok(cases)
}

fn read(path: &Path) -> Result<Vec<u8>, ConformanceError> {
    std::fs::read(path).map_err(|source| ConformanceError::Read {
        path: path.to_owned(),
        source,
    })
}

fn decode(view: &TensorView<'_>) -> Option<Tensor> {
    let (shape, bytes) = (view.shape(), view.data());
    Some(match view.dtype() {
        Dtype::F32 => Tensor::Float(shaped(shape, bytes, |b| f64::from(f32::from_le_bytes(b)))),
        Dtype::F64 => Tensor::Float(shaped(shape, bytes, f64::from_le_bytes)),
        Dtype::I32 => Tensor::Int(shaped(shape, bytes, |b| i64::from(i32::from_le_bytes(b)))),
        Dtype::I64 => Tensor::Int(shaped(shape, bytes, i64::from_le_bytes)),
        _ => return None,
    })
}

fn shaped<const N: usize, V>(shape: &[usize], bytes: &[u8], read: fn([u8; N]) -> V) -> ArrayD<V> {
    let (words, _) = bytes.as_chunks::<N>();
    ArrayD::from_shape_vec(IxDyn(shape), words.iter().map(|&word| read(word)).collect())
        .expect("the parser of the file has checked shape against length")
}
