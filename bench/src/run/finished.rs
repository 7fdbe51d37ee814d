use std::path::Path;

use burn::tensor::Device;
use ndarray::Array2;

use super::config::DataConfig;
use super::dataset::Dataset;
use super::error::RunError;
use super::evaluate::{embed, embed_features};
use super::examples::Examples;
use super::execute::Run;
use super::pretrain::Pretraining;
use crate::encoder::Encoder;

/// A finished run that learned from labels or without them.
#[derive(Debug, Clone)]
pub enum FinishedRun {
    /// From labels.
    Labelled(Run),
    /// Without them.
    Unlabelled(Pretraining),
}

impl FinishedRun {
    /// The run in a folder.
    ///
    /// # Errors
    /// [`RunError::NotARun`] if `dir` holds none, [`RunError::Json`] if its configuration is damaged.
    pub fn open(dir: &Path) -> Result<Self, RunError> {
        if Pretraining::is_at(dir) {
            return Ok(Self::Unlabelled(Pretraining::open(dir)?));
        }
        Ok(Self::Labelled(Run::open(dir)?))
    }

    /// What it learned from.
    pub fn data(&self) -> &DataConfig {
        match self {
            Self::Labelled(run) => &run.config().data,
            Self::Unlabelled(run) => &run.config().data,
        }
    }

    /// Its first seed.
    pub fn seed(&self) -> u64 {
        match self {
            Self::Labelled(run) => run.config().seed,
            Self::Unlabelled(run) => run.config().seed,
        }
    }

    /// What it made is called.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Labelled(_) => "learned metric",
            Self::Unlabelled(_) => "features",
        }
    }

    /// Unit rows of examples: embeddings, or the features that were learned without labels.
    ///
    /// # Errors
    /// [`RunError::Unfinished`] if there is no model yet, or if its file is damaged or made for other data than `data`.
    pub fn embed(&self, data: &Dataset, examples: &Examples) -> Result<Array2<f32>, RunError> {
        let encoder = self.encoder(data)?;
        Ok(match self {
            Self::Labelled(_) => embed(&encoder, examples),
            Self::Unlabelled(_) => embed_features(&encoder, examples),
        })
    }

    /// The finished encoder, of the first seed where there are several, for data shaped as `data`.
    ///
    /// # Errors
    /// [`RunError::Unfinished`] if there is none yet, or if its file is damaged or made for other data.
    pub fn encoder(&self, data: &Dataset) -> Result<Encoder, RunError> {
        match self {
            Self::Labelled(run) => run.encoder(data),
            Self::Unlabelled(run) => run.encoder(data.test.input_shape(), &Device::flex()),
        }
    }
}
