use std::path::Path;
use std::time::Instant;

use burn::module::Module;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{ModuleOptimizer, SgdConfig};
use burn::tensor::{Device, Tensor};
use metric_ssl::{
    AnyMethod, Collapse, CollapseLimits, Guessing, Lars, Learner, Memory, Method, Network, Now,
    Settings, Spread, clip_global_norm,
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::batches::ViewBatch;
use super::config::{OptimizerName, PretrainConfig};
use crate::encoder::{Encoder, EncoderConfig, Loaded};
use crate::optimizer::AdamW;
use crate::run::checkpoint::{self, load_module, load_optimizer, save_module, save_optimizer};
use crate::run::curve::Curve;
use crate::run::error::RunError;
use crate::run::examples::{Examples, download};
use crate::run::files::{read, read_json, write_atomic, write_json};
use crate::run::fresh::fresh_encoder;
use crate::run::trainer::rate_share;

/// Length of an embedding of the encoder's last layer, which learning without labels leaves alone.
const EMBEDDING: usize = 128;
/// Part of the steps after which a loss should be below that of guessing.
const LEARNED_SOMETHING: u64 = 5;
/// Steps between two looks at whether the outputs have collapsed.
const LOOK_EVERY: u64 = 20;
/// Keeps the generator of a learner apart from those of its batches.
const STREAM: u64 = 1 << 32;

/// Learns from one batch of views after the other; all its state can be saved and restored to the bit.
pub(crate) struct Pretrainer<'a> {
    config: &'a PretrainConfig,
    steps: u64,
    steps_an_epoch: u64,
    /// What came of loading weights, if there were any.
    pub(crate) loaded: Option<Loaded>,
    /// Present between steps.
    learner: Option<Learner<Encoder, AnyMethod>>,
    optimizer: ModuleOptimizer,
    memory: Memory,
    device: Device,
    progress: Progress,
}

/// The part of the state that is neither tensors nor memory.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Progress {
    pub(crate) step: u64,
    pub(crate) images: u64,
    pub(crate) seconds: f64,
    /// How long steps waited for their views.
    pub(crate) waited: f64,
    /// Of the losses.
    pub(crate) curve: Curve,
    /// Of the student's outputs at first.
    first_spread: Option<Spread>,
    /// Of the student's outputs, when last looked at.
    pub(crate) spread: Option<Spread>,
    /// Whether they have collapsed, when last looked at.
    pub(crate) collapse: Option<Collapse>,
    /// Whether the loss was not as it should be beside that of guessing, at first or when last looked at.
    pub(crate) guessing: Option<Guessing>,
    generator: ChaCha8Rng,
}

impl<'a> Pretrainer<'a> {
    pub(crate) fn new(
        config: &'a PretrainConfig,
        train: &Examples,
        steps: u64,
    ) -> Result<Self, RunError> {
        let device = Device::flex().autodiff();
        device.seed(config.seed);
        let mut generator = ChaCha8Rng::seed_from_u64(config.seed);
        generator.set_stream(STREAM);
        let fresh = EncoderConfig::new(train.input_shape())
            .with_embedding_size(EMBEDDING)
            .with_architecture(config.encoder);
        let (encoder, loaded) = fresh_encoder(&fresh, config.weights.as_deref(), train, &device)?;
        let settings = Settings {
            classes: Some(train.class_names().len()),
            ..config.settings
        };
        let method = AnyMethod::new(config.method, &settings, &device);
        let parts = settings.apply(method.parts(encoder.feature_size()));
        let learner = Learner::with_parts(encoder, method, &parts, &device);
        let memory = learner
            .memory(train.len(), &mut generator)
            .map_err(|source| RunError::Learning {
                step: 0,
                source: source.into(),
            })?;
        Ok(Self {
            loaded,
            optimizer: optimizer(config),
            learner: Some(learner),
            memory,
            device,
            steps,
            steps_an_epoch: (train.len() / config.batch).max(1) as u64,
            config,
            progress: Progress {
                step: 0,
                images: 0,
                seconds: 0.0,
                waited: 0.0,
                curve: Curve::default(),
                first_spread: None,
                spread: None,
                collapse: None,
                guessing: None,
                generator,
            },
        })
    }

    /// The same with the network that a student is distilled from, if there is one.
    pub(crate) fn with_teacher(mut self, teacher: Option<Network<Encoder>>) -> Self {
        if let Some(teacher) = teacher {
            self.learner = self.learner.map(|learner| learner.with_teacher(teacher));
        }
        self
    }

    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// The next step waited so many seconds for its batch.
    pub(crate) fn waited(&mut self, seconds: f64) {
        self.progress.waited += seconds;
    }

    /// One optimizer step on a batch; returns the loss.
    pub(crate) fn step(&mut self, batch: &ViewBatch) -> Result<f32, RunError> {
        let started = Instant::now();
        let step = self.progress.step;
        let failed = |source| RunError::Learning { step, source };
        let learner = self
            .learner
            .take()
            .expect("the learner is put back after every step");
        let chunks = batch.upload(self.config.chunk, &self.device);
        let mut now = Now {
            step,
            steps: self.steps,
            examples: &batch.examples,
            labels: Some(&batch.labels),
            memory: &self.memory,
            random: &mut self.progress.generator,
        };
        let learned = learner.gradients(&chunks, &mut now).map_err(failed)?;
        let value = learned.loss.into_scalar::<f32>();
        if !value.is_finite() {
            return Err(RunError::Diverged { step, loss: value });
        }
        let mut gradients = learned.gradients;
        if let Some(most) = self.config.clip {
            gradients = clip_global_norm(&learner, gradients, most).0;
        }
        let peak = self.config.learning_rate;
        let rate = peak * rate_share(step, self.steps);
        let learner = learner.updated(&mut self.optimizer, rate, peak, gradients);
        let learner = learner
            .after_step(&learned.outputs, &mut now)
            .map_err(failed)?;
        learner
            .remember(&learned.outputs, &batch.examples, &mut self.memory)
            .map_err(failed)?;
        let (views, examples) = (learned.outputs.projected.len(), batch.examples.len());
        let chance = learner.method.chance(views, examples, &self.memory);
        if (step + 1).is_multiple_of(self.steps_an_epoch) {
            learner
                .after_epoch(&mut self.memory, &mut self.progress.generator)
                .map_err(failed)?;
        }
        self.learner = Some(learner);
        self.progress.curve.add(step, self.steps, value);
        if step.is_multiple_of(LOOK_EVERY) || step + 1 == self.steps {
            self.look(&learned.outputs.projected[0], chance)?;
        }
        let progress = &mut self.progress;
        progress.step += 1;
        progress.images += batch.examples.len() as u64;
        progress.seconds += started.elapsed().as_secs_f64();
        Ok(value)
    }

    /// Whether outputs still tell images apart, and the loss is as it should be beside that of guessing.
    fn look(&mut self, outputs: &Tensor<2>, chance: Option<f64>) -> Result<(), RunError> {
        let spread = Spread::of(download(outputs.clone().inner()).view());
        let spread = spread.map_err(|source| RunError::Evaluation {
            what: format!("the outputs of step {}", self.progress.step),
            source,
        })?;
        let first = self.progress.first_spread.get_or_insert(spread);
        self.progress.collapse = Collapse::of(&spread, first, &CollapseLimits::default());
        self.progress.spread = Some(spread);
        let step = self.progress.step;
        if let (Some(chance), Some(loss)) = (chance, self.progress.curve.latest()) {
            if step == 0 {
                self.progress.guessing = Guessing::at_start(loss, chance);
            } else if step >= self.steps / LEARNED_SOMETHING {
                self.progress.guessing = Guessing::later(loss, chance);
            }
        }
        Ok(())
    }

    /// The encoder in evaluation mode.
    pub(crate) fn encoder(&self) -> Encoder {
        self.learner().network.backbone.valid()
    }

    fn learner(&self) -> &Learner<Encoder, AnyMethod> {
        self.learner
            .as_ref()
            .expect("the learner is put back after every step")
    }

    pub(crate) fn into_learner(self) -> Learner<Encoder, AnyMethod> {
        self.learner
            .expect("the learner is put back after every step")
    }

    /// Writes all state to `dir/0-STEP`, and removes what was there before.
    pub(crate) fn save(&self, dir: &Path) -> Result<(), RunError> {
        checkpoint::save(dir, 0, self.progress.step, |dir| {
            write_json(&dir.join("state.json"), &self.progress)?;
            let path = dir.join("memory.bin");
            let memory = postcard::to_stdvec(&self.memory).map_err(|e| RunError::Record {
                path: path.clone(),
                reason: e.to_string(),
            })?;
            write_atomic(&path, &memory)?;
            save_module(self.learner().valid(), &dir.join("learner.bpk"))?;
            save_optimizer(&self.optimizer, &dir.join("optimizer.bpk"))
        })
    }

    /// Continues from the newest checkpoint in `dir`, if there is one.
    pub(crate) fn restore(mut self, dir: &Path) -> Result<Self, RunError> {
        let Some(path) = checkpoint::newest(dir, 0)? else {
            return Ok(self);
        };
        self.progress = read_json(&path.join("state.json"))?;
        let memory = path.join("memory.bin");
        self.memory = postcard::from_bytes(&read(&memory)?).map_err(|e| RunError::Record {
            path: memory,
            reason: e.to_string(),
        })?;
        let learner = self
            .learner
            .take()
            .expect("the learner is put back after every step");
        self.learner = Some(load_module(learner, &path.join("learner.bpk"))?);
        self.optimizer = load_optimizer(self.optimizer, &path.join("optimizer.bpk"))?;
        Ok(self)
    }
}

fn optimizer(config: &PretrainConfig) -> ModuleOptimizer {
    match config.optimizer {
        OptimizerName::AdamW => AdamW {
            weight_decay: config.weight_decay as f32,
        }
        .into(),
        OptimizerName::Sgd => SgdConfig::new()
            .with_weight_decay(Some(WeightDecayConfig::new(config.weight_decay as f32)))
            // As elsewhere, but not in Burn, the whole gradient goes into the momentum.
            .with_momentum(Some(MomentumConfig::new().with_dampening(0.0)))
            .init(),
        OptimizerName::Lars => Lars {
            weight_decay: config.weight_decay,
            ..Lars::default()
        }
        .into(),
    }
}
