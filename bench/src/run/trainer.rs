use std::fs;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Bytes, Device, Int, Tensor, TensorData};
use metric_core::Relevance;
use metric_losses::{TripletIndices, l2_normalize};
use metric_sampling::{Batch, BatchStream, StreamState, TripletMiner};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::curve::Curve;
use super::error::RunError;
use super::examples::{Examples, download};
use super::files::{create_dir, read, read_json, write_atomic, write_json};
use super::miner::MeanMining;
use super::objective::{LossName, Objective, Task};
use super::train_with::Step;
use crate::encoder::{Encoder, EncoderConfig};
use crate::optimizer::AdamW;

/// Share of the steps over which the learning rate rises to its peak.
const WARM_UP: f64 = 0.05;

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
    ) -> Self {
        let device = Device::flex().autodiff();
        device.seed(config.seed.wrapping_mul(2).wrapping_add(config.phase));
        let mut generator = ChaCha8Rng::seed_from_u64(config.seed);
        generator.set_stream(config.phase);
        let (mean, deviation) = train.moments();
        let encoder = EncoderConfig::new(train.input_shape())
            .with_embedding_size(config.embedding_dim)
            .init(&device)
            .standardized_by(&mean, &deviation);
        let task = Task {
            class_counts: &class_counts(train),
            dim: config.embedding_dim,
            device: &device,
        };
        let objective = Objective::new(config.loss, &task);
        let optimizer = AdamW {
            weight_decay: config.weight_decay as f32,
        };
        Self {
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
        }
    }

    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
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

    /// Linear rise over the first steps, then half a cosine down to zero.
    fn learning_rate(&self) -> f64 {
        let (step, steps) = (self.progress.step as f64, self.config.steps as f64);
        let rise = (steps * WARM_UP).ceil().max(1.0);
        let factor = if step < rise {
            (step + 1.0) / rise
        } else {
            let done = (step - rise) / (steps - rise).max(1.0);
            0.5 * (1.0 + (std::f64::consts::PI * done).cos())
        };
        self.config.learning_rate * factor
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

    /// Writes all state to `dir/PHASE-STEP`, under another name until it is complete, and removes
    /// what was there before.
    pub(crate) fn save(&self, dir: &Path) -> Result<(), RunError> {
        let learner = self
            .learner
            .as_ref()
            .expect("the learner is put back after every step");
        let name = format!("{}-{}", self.config.phase, self.progress.step);
        let (partial, complete) = (dir.join("partial"), dir.join(&name));
        if complete.exists() {
            return Ok(());
        }
        remove_dir(&partial)?;
        create_dir(&partial)?;
        let saved = Saved {
            progress: self.progress.clone(),
            stream: self.stream.state(),
        };
        write_json(&partial.join("state.json"), &saved)?;
        let record = learner.valid().into_record().into_bytes();
        write_record(
            &partial.join("learner.bpk"),
            record.map_err(|e| e.to_string()),
        )?;
        let record = self.optimizer.to_record().into_bytes();
        write_record(
            &partial.join("optimizer.bpk"),
            record.map_err(|e| e.to_string()),
        )?;
        fs::rename(&partial, &complete).map_err(|source| RunError::Io {
            path: complete.clone(),
            source,
        })?;
        for (_, _, old) in checkpoints(dir)? {
            if old != complete {
                remove_dir(&old)?;
            }
        }
        Ok(())
    }

    /// Continues from the newest checkpoint of this phase in `dir`, if there is one.
    pub(crate) fn restore(mut self, dir: &Path) -> Result<Self, RunError> {
        let newest = checkpoints(dir)?
            .into_iter()
            .filter(|&(phase, _, _)| phase == self.config.phase)
            .max_by_key(|&(_, step, _)| step);
        let Some((_, _, path)) = newest else {
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
        let optimizer = path.join("optimizer.bpk");
        let bytes = Bytes::from_bytes_vec(read(&optimizer)?);
        self.optimizer = self
            .optimizer
            .from_bytes(bytes)
            .map_err(|e| RunError::Record {
                path: optimizer,
                reason: e.to_string(),
            })?;
        Ok(self)
    }
}

/// Saves an encoder alone.
pub(crate) fn save_encoder(encoder: Encoder, path: &Path) -> Result<(), RunError> {
    write_record(
        path,
        encoder
            .into_record()
            .into_bytes()
            .map_err(|e| e.to_string()),
    )
}

/// Loads a module's record into it.
pub(crate) fn load_module<M: Module>(module: M, path: &Path) -> Result<M, RunError> {
    let bytes = Bytes::from_bytes_vec(read(path)?);
    burn::store::ModuleRecord::from_bytes(bytes)
        .and_then(|record| module.try_load_record(record))
        .map_err(|e| RunError::Record {
            path: path.into(),
            reason: e.to_string(),
        })
}

fn write_record(path: &Path, bytes: Result<Bytes, String>) -> Result<(), RunError> {
    let bytes = bytes.map_err(|reason| RunError::Record {
        path: path.into(),
        reason,
    })?;
    write_atomic(path, &bytes)
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

/// Complete checkpoints: phase, step, folder.
fn checkpoints(dir: &Path) -> Result<Vec<(u64, u64, PathBuf)>, RunError> {
    if !dir.exists() {
        return Ok(Vec::new());
    }
    let failed = |source| RunError::Io {
        path: dir.into(),
        source,
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let numbers = name.to_str().and_then(|name| name.split_once('-'));
        if let Some((Ok(phase), Ok(step))) = numbers.map(|(p, s)| (p.parse(), s.parse())) {
            found.push((phase, step, entry.path()));
        }
    }
    Ok(found)
}

/// Removes a folder that may not be there.
pub(crate) fn remove_dir(path: &Path) -> Result<(), RunError> {
    match fs::remove_dir_all(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(RunError::Io {
            path: path.into(),
            source,
        }),
        _ => Ok(()),
    }
}
