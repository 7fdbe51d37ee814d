use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::error::RunError;
use super::miner::{MinerName, Negatives};
use super::objective::LossName;
use crate::encoder::Architecture;

/// Everything that decides a run, as given; stored with it, so that it can be repeated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunConfig {
    /// What to learn from.
    pub data: DataConfig,
    /// The loss.
    pub loss: LossName,
    /// How triplets are chosen; `None` takes all of a batch.
    pub miner: Option<MinerName>,
    /// What density-aware negatives are drawn by.
    #[serde(default)]
    pub negatives: Negatives,
    /// Length of an embedding.
    pub embedding_dim: usize,
    /// The network for images; `None` chooses by the data. That of `init`, where there is one.
    #[serde(default)]
    pub encoder: Option<Architecture>,
    /// File of weights that training begins with; fresh ones if none.
    #[serde(default)]
    pub weights: Option<PathBuf>,
    /// Folder of a finished run without labels, whose encoder training begins with; a fresh one if none.
    #[serde(default)]
    pub init: Option<PathBuf>,
    /// How long to train.
    pub budget: Budget,
    /// Whether a softmax classifier is trained beside the metric, for as many steps.
    pub baseline: bool,
    /// Classes in a batch; `None` chooses by the data.
    pub classes_per_batch: Option<usize>,
    /// Examples of each class in a batch; `None` chooses by the data.
    pub examples_per_class: Option<usize>,
    /// Peak learning rate of AdamW.
    pub learning_rate: f64,
    /// Weight decay of AdamW.
    pub weight_decay: f64,
    /// The first seed.
    pub seed: u64,
    /// How many seeds, counted up from the first.
    pub seeds: u64,
}

/// What to learn from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DataConfig {
    /// A known set, or a path to a folder, a table or an `.npy` file.
    pub name: String,
    /// The table of labels that goes with an `.npy` file.
    pub labels: Option<PathBuf>,
    /// The label column.
    pub label: Option<String>,
    /// Classes held out whole.
    pub unseen_classes: Option<String>,
    /// Share of each class's images held out.
    pub holdout: f64,
    /// Side length to which images of a folder or table are resized.
    pub size: Option<usize>,
    /// How many times as many training examples the first class has as the last; as many as there are if none.
    #[serde(default)]
    pub imbalance: Option<f64>,
    /// How many of the training examples are learned from, the first in their set's order; all if none.
    #[serde(default)]
    pub limit: Option<usize>,
    /// Where the public sets lie.
    pub data_dir: Option<PathBuf>,
}

/// How long to train.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Budget {
    /// So many times every example.
    Epochs(u64),
    /// So many minutes for all models of a seed together, turned into steps once.
    Minutes(f64),
    /// So many optimizer steps a model.
    Steps(u64),
    /// As many epochs as make about 25,000 examples.
    Auto,
}

/// Examples seen by each model under [`Budget::Auto`].
const AUTO_EXAMPLES: f64 = 25_000.0;

impl Budget {
    /// Whether there is any time to train.
    pub(super) fn is_some(self) -> bool {
        match self {
            Self::Epochs(n) | Self::Steps(n) => n > 0,
            Self::Minutes(minutes) => minutes.is_finite() && minutes > 0.0,
            Self::Auto => true,
        }
    }

    /// Epochs over `examples` examples, unless the budget is in minutes or steps.
    pub(super) fn epochs(self, examples: usize) -> Option<u64> {
        match self {
            Self::Epochs(epochs) => Some(epochs),
            Self::Auto => Some(((AUTO_EXAMPLES / examples as f64).round() as u64).max(1)),
            Self::Minutes(_) | Self::Steps(_) => None,
        }
    }
}

impl RunConfig {
    /// Checks what can be checked without the data.
    ///
    /// # Errors
    /// [`RunError::Invalid`] naming the option.
    pub fn validate(&self) -> Result<(), RunError> {
        let require = |holds: bool, what: &str| match holds {
            true => Ok(()),
            false => Err(RunError::Invalid(what.into())),
        };
        let positive = |x: f64| x.is_finite() && x > 0.0;
        require(
            self.data
                .imbalance
                .is_none_or(|factor| factor.is_finite() && factor >= 1.0),
            "--imbalance must be at least 1",
        )?;
        require(self.data.limit != Some(0), "--limit must be at least 1")?;
        require(self.embedding_dim > 0, "--embedding-dim must be at least 1")?;
        require(
            self.init.is_none() || self.weights.is_none(),
            "--weights and --init both say what training begins with",
        )?;
        require(self.seeds > 0, "--seeds must be at least 1")?;
        require(
            positive(self.learning_rate),
            "--learning-rate must be above 0",
        )?;
        require(
            self.weight_decay.is_finite() && self.weight_decay >= 0.0,
            "--weight-decay must be at least 0",
        )?;
        require(
            self.budget.is_some(),
            "--epochs, --steps and --minutes must be above 0",
        )?;
        require(
            self.miner.is_none() || self.loss.takes_triplets(),
            "--miner chooses triplets, so it goes with --loss triplet or margin",
        )?;
        require(
            self.classes_per_batch != Some(1) || !self.loss.compares_pairs(),
            "--classes-per-batch must be at least 2 for a loss that compares classes",
        )
    }

    /// Classes and examples of each in a batch: as asked, else 32 x 4 where there are many
    /// classes, and about 128 examples of up to 10 examples a class where there are few.
    pub fn batch_shape(&self, classes: usize) -> (usize, usize) {
        let p = self.classes_per_batch.unwrap_or(classes.min(32)).max(1);
        let k = self
            .examples_per_class
            .unwrap_or_else(|| (128 / p).clamp(4, 12));
        (p, k)
    }
}
