use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Int, Tensor, TensorData};
use metric_core::Relevance;
use metric_losses::{TripletIndices, l2_normalize};
use metric_sampling::{Batch, BatchStream, StreamState, TripletMiner};
use metric_ssl::warm_up_cosine;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::checkpoint::{self, load_module, load_optimizer, save_module, save_optimizer};
use super::curve::Curve;
use super::error::RunError;
use super::examples::{Examples, download};
use super::files::{read_json, write_json};
use super::fresh::fresh_encoder;
use super::miner::MeanMining;
use super::objective::{LossName, Objective, Task};
use super::pretrain::Pretraining;
use super::train_with::Step;
use crate::encoder::{Architecture, Encoder, EncoderConfig, Loaded};
use crate::optimizer::AdamW;

/// Share of the steps over which the learning rate rises to its peak.
const WARM_UP: f64 = 0.05;

/// Share of the peak learning rate in a step: a linear rise over the first, then half a cosine down to zero.
pub(super) fn rate_share(step: u64, steps: u64) -> f64 {
    let rise = (steps as f64 * WARM_UP).ceil() as u64;
    warm_up_cosine(step, rise.max(1), steps)
}

/// An encoder and the loss that trains it.
#[derive(Module, Debug)]
struct Learner {
    encoder: Encoder,
    objective: Objective,
}

/// What a [`Trainer`] needs to be made again.
pub(crate) struct TrainerConfig {
    pub(crate) loss: LossName,
    pub(crate) embedding_dim: usize,
    /// The network for images.
    pub(crate) encoder: Option<Architecture>,
    /// File of weights that it begins with.
    pub(crate) weights: Option<PathBuf>,
    /// Folder of the run without labels whose encoder it begins with.
    pub(crate) init: Option<PathBuf>,
    pub(crate) learning_rate: f64,
    pub(crate) weight_decay: f64,
    pub(crate) steps: u64,
    pub(crate) seed: u64,
    /// Keeps the random numbers of two models of one seed apart.
    pub(crate) phase: u64,
}

/// Trains one encoder, step by step; all its state can be saved and restored to the bit.
pub(crate) struct Trainer {
    config: TrainerConfig,
    /// What came of loading weights.
    loaded: Option<Loaded>,
    /// Present between steps.
    learner: Option<Learner>,
    optimizer: ModuleOptimizer,
    stream: Box<dyn BatchStream>,
    miner: Option<Box<dyn TripletMiner>>,
    device: Device,
    progress: Progress,
}

/// The part of the state that is neither model nor optimizer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Progress {
    pub(crate) step: u64,
    pub(crate) images: u64,
    pub(crate) seconds: f64,
    /// Of the losses.
    #[serde(default)]
    pub(crate) curve: Curve,
    /// What the miner gave in the last tenth of the training.
    #[serde(default)]
    pub(crate) mining: MeanMining,
    generator: ChaCha8Rng,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    progress: Progress,
    stream: StreamState,
}

impl Trainer {
    pub(crate) fn new(
        config: TrainerConfig,
        train: &Examples,
        stream: Box<dyn BatchStream>,
        miner: Option<Box<dyn TripletMiner>>,
    ) -> Result<Self, RunError> {
        let device = Device::flex().autodiff();
        device.seed(config.seed.wrapping_mul(2).wrapping_add(config.phase));
        let mut generator = ChaCha8Rng::seed_from_u64(config.seed);
        generator.set_stream(config.phase);
        let (encoder, loaded) = match &config.init {
            Some(dir) => {
                let encoder = Pretraining::open(dir)?.encoder(train.input_shape(), &device)?;
                (encoder.with_fresh_head(config.embedding_dim), None)
            }
            None => {
                let fresh = EncoderConfig::new(train.input_shape())
                    .with_embedding_size(config.embedding_dim)
                    .with_architecture(config.encoder);
                fresh_encoder(&fresh, config.weights.as_deref(), train, &device)?
            }
        };
        let task = Task {
            class_counts: &class_counts(train),
            dim: config.embedding_dim,
            device: &device,
        };
        let objective = Objective::new(config.loss, &task);
        let optimizer = AdamW {
            weight_decay: config.weight_decay as f32,
        };
        Ok(Self {
            loaded,
            learner: Some(Learner { encoder, objective }.materialize()),
            optimizer: optimizer.into(),
            stream,
            miner,
            device,
            progress: Progress {
                step: 0,
                images: 0,
                seconds: 0.0,
                curve: Curve::default(),
                mining: MeanMining::default(),
                generator,
            },
            config,
        })
    }

    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// What came of loading weights, if there were any.
    pub(crate) fn loaded(&self) -> Option<Loaded> {
        self.loaded
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.progress.step >= self.config.steps
    }

    /// One optimizer step on the next batch; returns the loss.
    pub(crate) fn step(&mut self, train: &Examples) -> Result<f32, RunError> {
        let started = std::time::Instant::now();
        let indices = self.stream.next_batch(&mut self.progress.generator);
        let labels: Vec<u32> = indices.iter().map(|&i| train.labels()[i]).collect();
        let learner = self
            .learner
            .take()
            .expect("the learner is put back after every step");
        let embeddings = learner
            .encoder
            .forward(train.batch(indices.iter().copied(), &self.device));
        let triplets = self.mine(&embeddings, &labels)?;
        let targets = upload_labels(&labels, &self.device);
        let mut now = Step {
            number: self.progress.step,
            triplets: triplets.as_ref(),
            random: &mut self.progress.generator,
        };
        let loss = learner
            .objective
            .forward(embeddings.clone(), targets.clone(), &mut now);
        let value = loss.clone().into_scalar::<f32>();
        if !value.is_finite() {
            return Err(RunError::Diverged {
                step: self.progress.step,
                loss: value,
            });
        }
        let gradients = GradientsParams::from_grads(loss.backward(), &learner);
        let mut learner = self
            .optimizer
            .step(self.learning_rate(), learner, gradients);
        learner.objective = learner.objective.after_step(embeddings, targets);
        self.learner = Some(learner);
        let progress = &mut self.progress;
        progress.curve.add(progress.step, self.config.steps, value);
        self.progress.step += 1;
        self.progress.images += indices.len() as u64;
        self.progress.seconds += started.elapsed().as_secs_f64();
        Ok(value)
    }

    fn mine(
        &mut self,
        embeddings: &Tensor<2>,
        labels: &[u32],
    ) -> Result<Option<TripletIndices>, RunError> {
        let Some(miner) = &self.miner else {
            return Ok(None);
        };
        let step = self.progress.step;
        let failed = |source| RunError::Mining { step, source };
        let rows = download(l2_normalize(embeddings.clone().detach()).inner());
        let batch = Batch::new(rows.view(), Relevance::labels(labels)).map_err(failed)?;
        let triplets = miner
            .mine(&batch, &mut self.progress.generator)
            .map_err(failed)?;
        if step >= self.config.steps - self.config.steps.div_ceil(10) {
            let seen = self.progress.mining.add(&batch, &triplets, &**miner);
            seen.map_err(failed)?;
        }
        Ok(Some(TripletIndices::upload(&triplets, &self.device)))
    }

    fn learning_rate(&self) -> f64 {
        self.config.learning_rate * rate_share(self.progress.step, self.config.steps)
    }

    /// The encoder in evaluation mode.
    pub(crate) fn encoder(&self) -> Encoder {
        // `valid` also brings batch norm's running statistics up to date.
        self.learner
            .as_ref()
            .expect("the learner is put back after every step")
            .encoder
            .valid()
    }

    /// Writes all state to `dir/PHASE-STEP`, and removes what was there before.
    pub(crate) fn save(&self, dir: &Path) -> Result<(), RunError> {
        let learner = self
            .learner
            .as_ref()
            .expect("the learner is put back after every step");
        checkpoint::save(dir, self.config.phase, self.progress.step, |dir| {
            let saved = Saved {
                progress: self.progress.clone(),
                stream: self.stream.state(),
            };
            write_json(&dir.join("state.json"), &saved)?;
            save_module(learner.valid(), &dir.join("learner.bpk"))?;
            save_optimizer(&self.optimizer, &dir.join("optimizer.bpk"))
        })
    }

    /// Continues from the newest checkpoint of this phase in `dir`, if there is one.
    pub(crate) fn restore(mut self, dir: &Path) -> Result<Self, RunError> {
        let Some(path) = checkpoint::newest(dir, self.config.phase)? else {
            return Ok(self);
        };
        let state = path.join("state.json");
        let saved: Saved = read_json(&state)?;
        self.stream
            .resume(saved.stream)
            .map_err(|e| RunError::Record {
                path: state,
                reason: e.to_string(),
            })?;
        self.progress = saved.progress;
        let learner = self
            .learner
            .take()
            .expect("the learner is put back after every step");
        self.learner = Some(load_module(learner, &path.join("learner.bpk"))?);
        self.optimizer = load_optimizer(self.optimizer, &path.join("optimizer.bpk"))?;
        Ok(self)
    }
}

/// Examples of each class, and one where there is none.
fn class_counts(train: &Examples) -> Vec<usize> {
    let mut counts = vec![0; train.class_names().len()];
    for &label in train.labels() {
        counts[label as usize] += 1;
    }
    counts.into_iter().map(|count| count.max(1)).collect()
}

fn upload_labels(labels: &[u32], device: &Device) -> Tensor<1, Int> {
    let labels: Vec<i64> = labels.iter().map(|&label| i64::from(label)).collect();
    let count = labels.len();
    Tensor::from_data(TensorData::new(labels, [count]), device)
}
