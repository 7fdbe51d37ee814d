//! All tests of what the crate promises, in one program: linking is most of what building a test costs.
#![allow(clippy::unwrap_used, reason = "tests: panics are failures")]

mod class_prototypes;
mod class_samplers;
mod cluster_prototypes;
mod common;
mod corrections;
mod density_aware;
mod density_forms;
mod density_limits;
mod density_oracles;
mod density_queues;
mod eviction;
mod false_negatives;
mod golden;
mod memory_bank;
mod miner_chances;
mod miner_definitions;
mod miner_invariances;
mod miners;
mod nearest_positives;
mod ring_buffer;
mod samplers;
mod supported_reference;

#[test]
fn every_file_is_here() {
    metric_testkit::assert_lists_its_folder(env!("CARGO_MANIFEST_DIR"), include_str!("main.rs"));
}
