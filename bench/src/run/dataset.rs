use std::collections::BTreeMap;
use std::path::Path;

use super::config::DataConfig;
use super::error::RunError;
use super::examples::Examples;
use crate::data::{self, LoadOptions, SplitKind};

/// Examples to learn from and examples to be judged on.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// What is learned from.
    pub train: Examples,
    /// What is judged on; training never sees it.
    pub test: Examples,
    /// How the two were told apart.
    pub kind: SplitKind,
    /// Rows left out because they have no label.
    pub left_out: usize,
}

impl Dataset {
    /// Loads and splits what `config` names; `seed` chooses the examples held out.
    ///
    /// # Errors
    /// [`RunError::Data`] naming the file and its fault, [`RunError::Invalid`] for options that do
    /// not go together.
    pub fn load(config: &DataConfig, seed: u64, progress: bool) -> Result<Self, RunError> {
        let unseen = config
            .unseen_classes
            .as_deref()
            .map(str::parse)
            .transpose()?;
        let options = LoadOptions {
            data_dir: config.data_dir.clone(),
            label: config.label.clone(),
            unseen_classes: unseen,
            holdout: config.holdout,
            seed,
            size: config.size,
            progress,
            ..LoadOptions::default()
        };
        let mut loaded = Self::whole(config, &options)?;
        if let Some(limit) = config.limit {
            loaded.train = loaded.train.first(limit);
        }
        if let Some(factor) = config.imbalance {
            loaded.train = loaded.train.imbalanced(factor, seed);
        }
        Ok(loaded)
    }

    fn whole(config: &DataConfig, options: &LoadOptions) -> Result<Self, RunError> {
        let path = Path::new(&config.name);
        let is_npy = path.extension().is_some_and(|extension| extension == "npy");
        match (&config.labels, is_npy) {
            (Some(labels), true) => {
                let features = data::load_features(path, labels, config.label.as_deref())?;
                let left_out = features.left_out();
                let splits = features.split(options)?;
                Ok(Self {
                    train: Examples::Features(splits.train),
                    test: Examples::Features(splits.test),
                    kind: splits.kind,
                    left_out,
                })
            }
            (None, true) => Err(RunError::Invalid(format!(
                "{}: features need the table of their labels: --labels FILE.csv",
                path.display()
            ))),
            (Some(_), false) => Err(RunError::Invalid(
                "--labels goes with --data FILE.npy; for a table of images name it in --data"
                    .into(),
            )),
            (None, false) => {
                let splits = data::load(&config.name, options)?;
                Ok(Self {
                    train: Examples::Images(splits.train),
                    test: Examples::Images(splits.test),
                    kind: splits.kind,
                    left_out: splits.left_out,
                })
            }
        }
    }

    /// Whether retrieval on the test examples means anything: two classes, and two of one.
    pub(super) fn check_judged(&self) -> Result<(), RunError> {
        let mut counts = BTreeMap::new();
        for label in self.test.labels() {
            *counts.entry(label).or_insert(0) += 1;
        }
        let fault = if counts.len() < 2 {
            "are of one class"
        } else if counts.values().all(|&count| count < 2) {
            "have no two of one class; hold out more with --holdout"
        } else {
            return Ok(());
        };
        let test = self.test.len();
        Err(RunError::Invalid(format!(
            "the {test} test examples {fault}, so nothing can be retrieved among them"
        )))
    }

    /// What the test examples are, in words.
    pub fn test_is(&self) -> &'static str {
        match self.kind {
            SplitKind::HeldOutImages => "held-out examples of the classes trained on",
            SplitKind::UnseenClasses => "classes never seen in training",
            SplitKind::Given => "the test set its publisher chose",
        }
    }
}
