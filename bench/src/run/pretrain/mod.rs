//! Learning without labels: from a configuration to an encoder and what its features are worth, in a folder.
//!
//! A run's folder holds `pretrain.json`, `plan.json` (the fixed number of steps), `checkpoint/` while it goes on, and at the
//! end `model.bpk` (the encoder) and `metrics.json`. What exists is never half-written, so that a killed run resumes from
//! the folder alone.

mod batches;
mod config;
mod execute;
mod judge;
mod pretrainer;
mod teacher;

pub use batches::ViewBatch;
pub use config::{OptimizerName, PretrainConfig, ViewsName};
pub use execute::{PretrainInputs, PretrainOutcome, Pretraining};
pub use judge::{KnnScores, PretrainReport};
