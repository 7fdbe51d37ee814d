//! All tests of what the crate promises, in one program: linking is most of what building a test costs.
#![allow(clippy::unwrap_used, reason = "tests: panics are failures")]

mod adaptive_margins;
mod cached_gradients;
mod center;
mod class_weights;
mod classifiers;
mod clip;
mod common;
mod contrast;
mod contrast_negatives;
mod contrastive;
mod corrections;
mod corrections_classes;
mod cross_batch_memory;
mod empty_batch;
mod gathered;
mod groups;
mod half_precision;
mod hard_triplets;
mod labels;
mod margins;
mod memory_banks;
mod mined_pairs;
mod pair_definitions;
mod proxies;
mod rankings;
mod ranks;
mod regularizers;
mod soft_targets;
mod teachers;
mod triplet_margin;
mod tuples;
mod vic_reg;
mod views;

#[test]
fn every_file_is_here() {
    metric_testkit::assert_lists_its_folder(env!("CARGO_MANIFEST_DIR"), include_str!("main.rs"));
}
