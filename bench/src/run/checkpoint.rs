//! State of a training on disk: folders `PHASE-STEP` that are never half-written, and records of modules and optimizers.

use std::fs;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::Bytes;

use super::error::RunError;
use super::files::{create_dir, read, write_atomic};

/// Lets `write` fill a folder, which gets the name `dir/PHASE-STEP` when it is complete; then removes what was there before.
/// Nothing is done if there is one of that name.
pub(super) fn save(
    dir: &Path,
    phase: u64,
    step: u64,
    write: impl FnOnce(&Path) -> Result<(), RunError>,
) -> Result<(), RunError> {
    let (partial, complete) = (dir.join("partial"), dir.join(format!("{phase}-{step}")));
    if complete.exists() {
        return Ok(());
    }
    remove_dir(&partial)?;
    create_dir(&partial)?;
    write(&partial)?;
    fs::rename(&partial, &complete).map_err(|source| RunError::Io {
        path: complete.clone(),
        source,
    })?;
    for (_, _, old) in all(dir)? {
        if old != complete {
            remove_dir(&old)?;
        }
    }
    Ok(())
}

/// The checkpoint of a phase with the most steps.
pub(super) fn newest(dir: &Path, phase: u64) -> Result<Option<PathBuf>, RunError> {
    let of_phase = all(dir)?.into_iter().filter(|&(of, _, _)| of == phase);
    let newest = of_phase.max_by_key(|&(_, step, _)| step);
    Ok(newest.map(|(_, _, path)| path))
}

/// Complete checkpoints: phase, step, folder.
fn all(dir: &Path) -> Result<Vec<(u64, u64, PathBuf)>, RunError> {
    if !dir.exists() {
        return Ok(Vec::new());
    }
    let failed = |source| RunError::Io {
        path: dir.into(),
        source,
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let numbers = name.to_str().and_then(|name| name.split_once('-'));
        if let Some((Ok(phase), Ok(step))) = numbers.map(|(p, s)| (p.parse(), s.parse())) {
            found.push((phase, step, entry.path()));
        }
    }
    Ok(found)
}

/// Removes a folder that may not be there.
pub(super) fn remove_dir(path: &Path) -> Result<(), RunError> {
    match fs::remove_dir_all(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(RunError::Io {
            path: path.into(),
            source,
        }),
        _ => Ok(()),
    }
}

/// Saves a module's record.
pub(super) fn save_module<M: Module>(module: M, path: &Path) -> Result<(), RunError> {
    let record = module.into_record().into_bytes();
    write_record(path, record.map_err(|e| e.to_string()))
}

/// Loads a module's record into it.
pub(super) fn load_module<M: Module>(module: M, path: &Path) -> Result<M, RunError> {
    let bytes = Bytes::from_bytes_vec(read(path)?);
    burn::store::ModuleRecord::from_bytes(bytes)
        .and_then(|record| module.try_load_record(record))
        .map_err(|e| refused(path, e.to_string()))
}

/// Saves what an optimizer remembers.
pub(super) fn save_optimizer(optimizer: &ModuleOptimizer, path: &Path) -> Result<(), RunError> {
    let record = optimizer.to_record().into_bytes();
    write_record(path, record.map_err(|e| e.to_string()))
}

/// Gives an optimizer back what it remembered.
pub(super) fn load_optimizer(
    optimizer: ModuleOptimizer,
    path: &Path,
) -> Result<ModuleOptimizer, RunError> {
    let bytes = Bytes::from_bytes_vec(read(path)?);
    let loaded = optimizer.from_bytes(bytes);
    loaded.map_err(|e| refused(path, e.to_string()))
}

fn write_record(path: &Path, bytes: Result<Bytes, String>) -> Result<(), RunError> {
    write_atomic(path, &bytes.map_err(|reason| refused(path, reason))?)
}

fn refused(path: &Path, reason: String) -> RunError {
    RunError::Record {
        path: path.into(),
        reason,
    }
}
