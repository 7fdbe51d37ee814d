//! A folder of tests that is one program.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Holds `main`, the text of `tests/main.rs` of the crate in `root`, against its folder: a file that `main` does not
/// declare would never run.
///
/// # Panics
/// If a file is not declared, or the folder cannot be read.
pub fn assert_lists_its_folder(root: &str, main: &str) {
    let folder = Path::new(root).join("tests");
    let entries = fs::read_dir(&folder).expect("the folder of tests is there");
    let files: BTreeSet<String> = entries
        .map(|entry| entry.expect("an entry of the folder").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .filter(|name| name != "main")
        .collect();
    let declared: BTreeSet<String> = main
        .lines()
        .filter_map(|line| Some(line.strip_prefix("mod ")?.strip_suffix(';')?.to_owned()))
        .collect();
    let missing: Vec<_> = files.difference(&declared).collect();
    assert!(missing.is_empty(), "tests/main.rs lacks mod {missing:?}");
}
