//! The workbench of deep metric learning: data sets, encoders, training runs, retrieval
//! evaluation, reports, and the cases that check it all against other implementations.
//!
//! The program `metric` is a thin layer over this library.

pub mod conformance;
pub mod data;
pub mod encoder;
pub mod export;
pub mod optimizer;
pub mod report;
pub mod run;
pub mod speed;
mod whole_file;

/// The programs of the README compile and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
