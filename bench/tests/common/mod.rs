//! What tests of several programs share.

use std::path::{Path, PathBuf};

/// The folder of public sets that has this file or folder, if this machine has it.
pub(crate) fn public(part: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let places = ["../../shared/data", "../shared/data"].map(|place| root.join(place));
    let chosen = std::env::var_os("METRIC_DATA_DIR").map(PathBuf::from);
    let mut places = chosen.into_iter().chain(places);
    let found = places.find(|place| place.join(part).exists());
    if found.is_none() {
        eprintln!("skipped: no {part} in METRIC_DATA_DIR or beside the project");
    }
    found
}
