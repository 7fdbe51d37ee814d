//! All tests of what the crate promises, in one program: linking is most of what building a test costs.
#![allow(clippy::unwrap_used, reason = "tests: panics are failures")]

mod approximate;
mod axioms;
mod bits;
mod clustering_scores;
mod clusters;
mod collective;
mod common;
mod distances;
mod domains;
mod entry_points;
mod errors;
mod fast_path;
mod fuzz;
mod invariances;
mod knn;
mod laws;
mod linear;
mod linear_file;
mod linear_golden;
mod mahalanobis;
mod neighbor_lists;
mod neighbors;
mod relevance;
mod retrieval;
mod searches;
mod storage;
mod threads;
mod walks;

#[test]
fn every_file_is_here() {
    metric_testkit::assert_lists_its_folder(env!("CARGO_MANIFEST_DIR"), include_str!("main.rs"));
}
