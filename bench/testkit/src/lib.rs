//! Proptest strategies and naive oracles shared by the workspace's tests.
//!
//! Everything is `Vec`s and slices of `f64`: a crate under test is not a dependency, or its unit tests would see two
//! copies of each type. Values are representable in `f32`, so that both precisions see the same numbers.

pub mod chance;
mod folder;
pub mod oracle;
pub mod strategy;

pub use folder::assert_lists_its_folder;
