use std::path::PathBuf;

use metric_ssl::{MethodName, Settings};
use serde::{Deserialize, Serialize};

use crate::encoder::Architecture;
use crate::run::config::{Budget, DataConfig};
use crate::run::error::RunError;

/// Everything that decides a run without labels, as given; stored with it, so that it can be repeated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PretrainConfig {
    /// What to learn from.
    pub data: DataConfig,
    /// How.
    pub method: MethodName,
    /// What differs from the method's paper.
    pub settings: Settings,
    /// How many examples of each class a method that is told classes is told; all if none.
    #[serde(default)]
    pub labelled: Option<usize>,
    /// A finished run without labels whose features, with the classes that are told, teach a distilled student.
    #[serde(default)]
    pub teacher: Option<PathBuf>,
    /// How views are made.
    pub views: ViewsName,
    /// The network; `None` takes the small convolutional one.
    #[serde(default)]
    pub encoder: Option<Architecture>,
    /// File of weights that learning begins with; fresh ones if none.
    #[serde(default)]
    pub weights: Option<PathBuf>,
    /// How long to learn.
    pub budget: Budget,
    /// Examples in a batch, each with all its views.
    pub batch: usize,
    /// Examples that the network is given at once; `None` gives it the batch whole.
    pub chunk: Option<usize>,
    /// The optimizer.
    pub optimizer: OptimizerName,
    /// Its peak learning rate.
    pub learning_rate: f64,
    /// Its weight decay.
    pub weight_decay: f64,
    /// Largest norm of all gradients together, if they are clipped.
    pub clip: Option<f64>,
    /// Seed of the split, the model, the batches and the views.
    pub seed: u64,
}

/// How the weights follow the gradients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum OptimizerName {
    /// `AdamW`.
    AdamW,
    /// SGD with momentum 0.9.
    Sgd,
    /// LARS, for very large batches.
    Lars,
}

/// The recipes that make views of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum ViewsName {
    /// The one for characters where a known set has them, the one for other small grey images, and SimCLR's for coloured ones.
    Auto,
    /// Crops, flips, and light changes of brightness and contrast.
    SmallGrey,
    /// The same without flips, which make other characters.
    Characters,
    /// SimCLR's, with jitter of half strength.
    Simclr,
    /// Momentum contrast's first.
    MocoV1,
    /// Momentum contrast's second.
    MocoV2,
    /// BYOL's two, which differ.
    Byol,
    /// `SwAV`'s: two large crops and four small ones, all brought to the size of the images.
    Swav,
    /// DINO's: two large crops and four small ones, all brought to the size of the images.
    Dino,
}

impl PretrainConfig {
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
        let count = |x: Option<usize>| x != Some(0);
        let settings = &self.settings;
        require(self.data.limit != Some(0), "--limit must be at least 1")?;
        require(self.batch >= 2, "--batch must be at least 2")?;
        require(
            self.chunk
                .is_none_or(|chunk| chunk >= 2 && chunk <= self.batch),
            "--chunk must be at least 2 and at most --batch",
        )?;
        require(
            positive(self.learning_rate),
            "--learning-rate must be above 0",
        )?;
        require(
            self.weight_decay.is_finite() && self.weight_decay >= 0.0,
            "--weight-decay must be at least 0",
        )?;
        require(self.clip.is_none_or(positive), "--clip must be above 0")?;
        require(
            settings.temperature.is_none_or(positive),
            "--temperature must be above 0",
        )?;
        require(
            settings.momentum.is_none_or(|m| (0.0..=1.0).contains(&m)),
            "--momentum must be from 0 to 1",
        )?;
        require(count(settings.splits), "--splits must be at least 1")?;
        require(count(self.labelled), "--labelled must be at least 1")?;
        require(
            self.teacher.is_some() == (self.method == MethodName::Distilled),
            "--method distilled needs a --teacher, and no other method takes one",
        )?;
        require(
            [
                settings.queue,
                settings.hidden,
                settings.output,
                settings.prototypes,
                settings.support,
            ]
            .into_iter()
            .all(count),
            "--queue, --head-hidden, --head-output, --prototypes and --support-views must be at least 1",
        )?;
        require(
            self.budget.is_some(),
            "--epochs, --steps and --minutes must be above 0",
        )
    }
}
