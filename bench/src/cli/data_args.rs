use std::path::PathBuf;

use clap::{Args, ValueEnum};
use metric_bench::run::{DataConfig, Dataset, Examples};

/// What to read.
#[derive(Debug, Args)]
#[command(next_help_heading = "Data")]
pub(crate) struct DataArgs {
    /// A known set (digits, mnist, fashion-mnist, cifar-10, omniglot), a folder with one folder of
    /// images a class, a table (FILE.csv: image files and label columns), or features (FILE.npy)
    #[arg(long, value_name = "NAME|PATH")]
    data: Option<String>,
    /// Table with a line of labels for every row of a FILE.npy
    #[arg(long, value_name = "FILE.csv")]
    labels: Option<PathBuf>,
    /// Label column of the table; not needed if it has only one
    #[arg(long, value_name = "COLUMN")]
    label: Option<String>,
    /// Hold out whole classes: a share (0.5), "half", or names, numbers and ranges (5-9)
    #[arg(long, value_name = "CLASSES")]
    unseen_classes: Option<String>,
    /// Share of every class's images held out
    #[arg(long, default_value_t = 0.3, value_name = "SHARE")]
    holdout: f64,
    /// Side in pixels to which images of a folder or table are resized [default: 32]
    #[arg(long, value_name = "PIXELS")]
    size: Option<usize>,
    /// Learn from the first so many training examples [default: all]
    #[arg(long, value_name = "EXAMPLES")]
    limit: Option<usize>,
    /// Keep of the training examples so many that class sizes fall by this factor from the first class to the last
    #[arg(long, value_name = "FACTOR")]
    imbalance: Option<f64>,
    /// Folder of the public sets [default: the user's cache]
    #[arg(long, env = "METRIC_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

impl DataArgs {
    pub(crate) fn config(&self) -> DataConfig {
        DataConfig {
            name: self.data.clone().unwrap_or_else(|| "digits".into()),
            labels: self.labels.clone(),
            label: self.label.clone(),
            unseen_classes: self.unseen_classes.clone(),
            holdout: self.holdout,
            size: self.size,
            limit: self.limit,
            imbalance: self.imbalance,
            data_dir: self.data_dir.clone(),
        }
    }

    /// The data named here, in the size and with the label column of a run unless others are given; else those of the run,
    /// which was on `trained_on` with this seed.
    pub(crate) fn load_for(&self, trained_on: &DataConfig, seed: u64) -> anyhow::Result<Dataset> {
        Ok(Dataset::load(&self.config_for(trained_on), seed, true)?)
    }

    /// The same, not loaded.
    pub(crate) fn config_for(&self, trained_on: &DataConfig) -> DataConfig {
        let mut config = trained_on.clone();
        if self.data.is_some() {
            config = self.config();
            config.size = config.size.or(trained_on.size);
            config.label = config.label.or(trained_on.label.clone());
        } else if self.data_dir.is_some() {
            config.data_dir.clone_from(&self.data_dir);
        }
        config
    }
}

/// Which side of the split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// The examples training never saw.
    Test,
    /// The examples trained on.
    Train,
}

impl Part {
    pub(crate) fn of(self, data: &Dataset) -> &Examples {
        match self {
            Self::Test => &data.test,
            Self::Train => &data.train,
        }
    }
}
