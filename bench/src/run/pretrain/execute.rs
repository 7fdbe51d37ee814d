use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use burn::tensor::Device;
use metric_ssl::views::Prefetch;
use metric_ssl::{AnyMethod, Learner, Network};
use serde::{Deserialize, Serialize};

use super::batches::{Batches, ViewBatch, told};
use super::config::PretrainConfig;
use super::judge::{PretrainReport, judge};
use super::pretrainer::Pretrainer;
use super::teacher::teacher;
use crate::encoder::{Encoder, EncoderConfig, InputShape};
use crate::run::checkpoint::{load_module, remove_dir, save_module};
use crate::run::config::Budget;
use crate::run::dataset::Dataset;
use crate::run::error::RunError;
use crate::run::examples::Examples;
use crate::run::execute::Watch;
use crate::run::files::{create_dir, read_json, write_json};
use crate::run::fresh::check_encoder;

const CONFIG: &str = "pretrain.json";
const METRICS: &str = "metrics.json";
const MODEL: &str = "model.bpk";
/// Steps run before the clock starts.
const WARM_UP_STEPS: u64 = 2;
/// How long steps are timed, at least.
const TIMED: Duration = Duration::from_secs(3);
/// Steps timed, at least.
const TIMED_STEPS: u64 = 4;

/// How a run without labels ended.
#[derive(Debug, Clone)]
pub enum PretrainOutcome {
    /// It is done.
    Finished(Box<PretrainReport>),
    /// Stopped by [`Watch::is_interrupted`]; the folder can be resumed.
    Interrupted,
}

/// A run without labels in its folder.
#[derive(Debug, Clone)]
pub struct Pretraining {
    dir: PathBuf,
    config: PretrainConfig,
    checkpoint_every: Duration,
}

/// All that a run learns from, for another system to learn from the same.
#[derive(Debug)]
pub struct PretrainInputs {
    /// The learner before its first step.
    pub start: Learner<Encoder, AnyMethod>,
    /// The batches of all steps, in order.
    pub batches: Prefetch<Result<ViewBatch, RunError>>,
}

/// What is fixed once, before the first step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Plan {
    steps: u64,
    train_examples: usize,
}

impl Pretraining {
    /// A new run. Nothing is written before the data have been read.
    ///
    /// # Errors
    /// [`RunError::Occupied`] if `dir` already holds a run, [`RunError::Invalid`] for a configuration that cannot work.
    pub fn create(dir: &Path, config: PretrainConfig) -> Result<Self, RunError> {
        if Self::is_at(dir) || dir.join("config.json").exists() {
            return Err(RunError::Occupied { path: dir.into() });
        }
        config.validate()?;
        Ok(Self::at(dir, config))
    }

    /// An earlier run.
    ///
    /// # Errors
    /// [`RunError::NotARun`] if `dir` holds none, [`RunError::Json`] if its configuration is damaged.
    pub fn open(dir: &Path) -> Result<Self, RunError> {
        if !Self::is_at(dir) {
            return Err(RunError::NotARun { path: dir.into() });
        }
        Ok(Self::at(dir, read_json(&dir.join(CONFIG))?))
    }

    /// Whether `dir` holds a run without labels.
    pub fn is_at(dir: &Path) -> bool {
        dir.join(CONFIG).exists()
    }

    fn at(dir: &Path, config: PretrainConfig) -> Self {
        Self {
            dir: dir.into(),
            config,
            checkpoint_every: Duration::from_secs(30),
        }
    }

    /// The same run with checkpoints at this interval; zero saves after every step. Default: 30 s.
    pub fn with_checkpoint_every(mut self, interval: Duration) -> Self {
        self.checkpoint_every = interval;
        self
    }

    /// Its configuration.
    pub fn config(&self) -> &PretrainConfig {
        &self.config
    }

    /// The finished encoder on a device, for examples of this shape. Its [features](Encoder::features) are what was learned.
    ///
    /// # Errors
    /// [`RunError::Unfinished`] if there is none yet, or if the file is damaged or made for other data.
    pub fn encoder(&self, input: InputShape, device: &Device) -> Result<Encoder, RunError> {
        let path = self.dir.join(MODEL);
        if !path.exists() {
            return Err(RunError::Unfinished {
                path: self.dir.clone(),
            });
        }
        let config = EncoderConfig::new(input).with_architecture(self.config.encoder);
        config.validate()?;
        load_module(config.init(device), &path)
    }

    /// Learns what is not learned yet, judges it, and writes the report.
    ///
    /// # Errors
    /// [`RunError`] naming the file, option or step at fault.
    pub fn execute(&self, watch: &mut dyn Watch) -> Result<PretrainOutcome, RunError> {
        let metrics = self.dir.join(METRICS);
        if metrics.exists() {
            return Ok(PretrainOutcome::Finished(read_json(&metrics)?));
        }
        let data = Dataset::load(&self.config.data, self.config.seed, true)?;
        watch.data(self.config.seed, &data);
        let batches = Batches::new(&self.config, &data.train)?;
        let fresh = self.fresh(&data.train)?;
        let plan = self.plan(&batches, &fresh)?;
        let checkpoints = self.dir.join("checkpoint");
        let mut learner = fresh.learner(plan.steps)?.restore(&checkpoints)?;
        let first = learner.progress().step;
        if let Some(loaded) = learner.loaded.filter(|_| first == 0) {
            watch.note(&loaded.to_string());
        }
        watch.model(&self.config.method.to_string(), first, plan.steps);
        let mut saved = Instant::now();
        let (mut warned, mut doubted) = (false, false);
        let mut batches = batches.from(first, plan.steps)?;
        loop {
            let asked = Instant::now();
            let Some(batch) = batches.next() else {
                break;
            };
            learner.waited(asked.elapsed().as_secs_f64());
            let loss = learner.step(&batch?)?;
            let progress = learner.progress();
            let rate = progress.images as f64 / progress.seconds;
            watch.step(progress.step, loss, rate);
            if let Some(collapse) = progress.collapse.filter(|_| !warned) {
                watch.warn(&format!("step {}: {collapse}", progress.step));
                warned = true;
            }
            if let Some(guessing) = progress.guessing.filter(|_| !doubted) {
                watch.warn(&format!("step {}: {guessing}", progress.step));
                doubted = true;
            }
            if watch.is_interrupted() {
                learner.save(&checkpoints)?;
                return Ok(PretrainOutcome::Interrupted);
            }
            if saved.elapsed() >= self.checkpoint_every {
                learner.save(&checkpoints)?;
                saved = Instant::now();
            }
        }
        watch.model_done();
        let report = judge(&data, &learner.encoder(), learner.progress(), plan.steps)?;
        save_module(learner.encoder(), &self.dir.join(MODEL))?;
        write_json(&metrics, &report)?;
        remove_dir(&checkpoints)?;
        Ok(PretrainOutcome::Finished(Box::new(report)))
    }

    /// What the run begins with and sees, to the bit, whether it has been run or not; the plan is written if there is none.
    ///
    /// # Errors
    /// As [`execute`](Self::execute).
    pub fn inputs(&self) -> Result<PretrainInputs, RunError> {
        let data = Dataset::load(&self.config.data, self.config.seed, true)?;
        let batches = Batches::new(&self.config, &data.train)?;
        let fresh = self.fresh(&data.train)?;
        let steps = self.plan(&batches, &fresh)?.steps;
        Ok(PretrainInputs {
            start: fresh.learner(steps)?.into_learner(),
            batches: batches.from(0, steps)?,
        })
    }

    /// The plan in the folder, or a new one, written together with the configuration.
    fn plan(&self, batches: &Batches, fresh: &Fresh<'_>) -> Result<Plan, RunError> {
        let path = self.dir.join("plan.json");
        if path.exists() {
            let plan: Plan = read_json(&path)?;
            let (expected, got) = (plan.train_examples, fresh.train.len());
            if expected != got {
                return Err(RunError::DataChanged {
                    what: "the number of training examples",
                    expected,
                    got,
                });
            }
            return Ok(plan);
        }
        let config = &self.config;
        check_encoder(config.encoder, config.weights.as_deref(), fresh.train)?;
        let steps = match self.config.budget {
            Budget::Steps(steps) => steps,
            Budget::Minutes(minutes) => (minutes * 60.0 / fresh.seconds_a_step(batches)?) as u64,
            budget => budget.epochs(fresh.train.len()).unwrap_or(1) * batches.per_epoch(),
        };
        let plan = Plan {
            steps: steps.max(1),
            train_examples: fresh.train.len(),
        };
        create_dir(&self.dir)?;
        write_json(&self.dir.join(CONFIG), &self.config)?;
        write_json(&path, &plan)?;
        Ok(plan)
    }

    fn fresh<'a>(&'a self, train: &'a Examples) -> Result<Fresh<'a>, RunError> {
        Ok(Fresh {
            config: &self.config,
            train,
            teacher: self.teacher(train)?,
        })
    }

    /// The network of another run, with a classifier on it, that a student is distilled from.
    fn teacher(&self, train: &Examples) -> Result<Option<Network<Encoder>>, RunError> {
        let Some(dir) = &self.config.teacher else {
            return Ok(None);
        };
        let device = Device::flex().autodiff();
        let encoder = Self::open(dir)?.encoder(train.input_shape(), &device)?;
        let told = told(train.labels(), self.config.labelled);
        Ok(Some(teacher(encoder, train, &told, &device)))
    }
}

/// What a learner is made of before its first step.
struct Fresh<'a> {
    config: &'a PretrainConfig,
    train: &'a Examples,
    teacher: Option<Network<Encoder>>,
}

impl<'a> Fresh<'a> {
    fn learner(&self, steps: u64) -> Result<Pretrainer<'a>, RunError> {
        let learner = Pretrainer::new(self.config, self.train, steps)?;
        Ok(learner.with_teacher(self.teacher.clone()))
    }

    /// Seconds a step takes, measured on a learner thrown away after.
    fn seconds_a_step(&self, batches: &Batches) -> Result<f64, RunError> {
        let mut learner = self.learner(u64::MAX)?;
        let mut started = Instant::now();
        for batch in batches.from(0, u64::MAX)? {
            learner.step(&batch?)?;
            let step = learner.progress().step;
            if step == WARM_UP_STEPS {
                started = Instant::now();
            }
            let timed = step.saturating_sub(WARM_UP_STEPS);
            if timed >= TIMED_STEPS && started.elapsed() >= TIMED {
                return Ok(started.elapsed().as_secs_f64() / timed as f64);
            }
        }
        Ok(1.0)
    }
}
