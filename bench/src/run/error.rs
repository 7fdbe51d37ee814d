use std::io;
use std::path::PathBuf;

use crate::data::DataError;
use crate::encoder::EncoderError;
use crate::report::ReportError;

/// What can go wrong in a run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The data could not be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// There is no such encoder, or its weights could not be read or written.
    #[error(transparent)]
    Encoder(#[from] EncoderError),
    /// A picture could not be written.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// Batches could not be formed.
    #[error("batches of {classes} classes x {per_class}: {source}")]
    Sampler {
        /// Classes in a batch.
        classes: usize,
        /// Examples of each.
        per_class: usize,
        /// The sampler's reason.
        source: metric_sampling::SamplerError,
    },
    /// A batch could not be mined.
    #[error("mining triplets at step {step}: {source}")]
    Mining {
        /// The optimizer step.
        step: u64,
        /// The miner's reason.
        source: metric_sampling::MiningError,
    },
    /// Views of images could not be made.
    #[error("making views: {source}")]
    Views {
        /// The reason.
        source: metric_ssl::views::ViewError,
    },
    /// A batch of views could not be learned from.
    #[error("learning from views at step {step}: {source}")]
    Learning {
        /// The optimizer step.
        step: u64,
        /// The learner's reason.
        source: metric_ssl::LearnError,
    },
    /// Embeddings could not be judged.
    #[error("evaluating {what}: {source}")]
    Evaluation {
        /// Which embeddings.
        what: String,
        /// The reason.
        source: metric_core::Error,
    },
    /// A file or folder could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{}: not a file of this program: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// The parser's reason.
        source: serde_json::Error,
    },
    /// A model or optimizer file does not hold what it should.
    #[error("{}: {reason}", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// The reader's reason.
        reason: String,
    },
    /// There is nothing to resume or to load.
    #[error("{}: not the folder of a run: it has no config.json", path.display())]
    NotARun {
        /// The folder.
        path: PathBuf,
    },
    /// The run has not come to an end.
    #[error("{}: the run is not finished; finish it with `metric train --resume {}`", path.display(), path.display())]
    Unfinished {
        /// The folder.
        path: PathBuf,
    },
    /// The folder is taken.
    #[error("{}: already holds a run; resume it with --resume or choose another --out", path.display())]
    Occupied {
        /// The folder.
        path: PathBuf,
    },
    /// The data are not those the run began with.
    #[error("{what} changed since the run began: it had {expected}, now {got}")]
    DataChanged {
        /// What differs.
        what: &'static str,
        /// The number stored.
        expected: usize,
        /// The number found.
        got: usize,
    },
    /// The loss left the range of numbers.
    #[error("the loss is {loss} at step {step}: try a lower --learning-rate")]
    Diverged {
        /// The optimizer step.
        step: u64,
        /// The value.
        loss: f32,
    },
    /// An option that does not fit the data or the other options.
    #[error("{0}")]
    Invalid(String),
}
