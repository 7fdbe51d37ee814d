//! Placeholder.

pub mod conformance;
pub mod report;
