//! Training runs: from a configuration to models, scores and pictures in a folder.
//!
//! A run folder holds `config.json` and, for each seed (in `seed-N/` when there are several):
//! `plan.json` (the fixed number of steps), `checkpoint/` while a model is in training,
//! `baseline.bpk` and `model.bpk` (finished encoders), `metrics.json`, `map.png`, `gallery.png`.
//! What exists is never half-written, so a killed run resumes from the folder alone.

mod checkpoint;
mod config;
mod curve;
mod dataset;
mod error;
mod evaluate;
mod examples;
mod execute;
pub(crate) mod files;
mod finished;
mod fresh;
mod miner;
mod objective;
mod one_shot;
mod outputs;
mod plan;
mod pretrain;
mod train_with;
mod trainer;

pub use config::{Budget, DataConfig, RunConfig};
pub use dataset::Dataset;
pub use error::RunError;
pub use evaluate::{Scores, embed, embed_features, score};
pub use examples::Examples;
pub use execute::{Outcome, Run, Watch};
pub use finished::FinishedRun;
pub use miner::{MeanMining, MinerName, Negatives};
pub use objective::{LossName, Objective, Task};
pub use one_shot::OneShotScore;
pub use outputs::{SeedReport, Timing, Trained};
pub use pretrain::{
    KnnScores, OptimizerName, PretrainConfig, PretrainInputs, PretrainOutcome, PretrainReport,
    Pretraining, ViewBatch, ViewsName,
};
pub use train_with::{Beside, Step};
