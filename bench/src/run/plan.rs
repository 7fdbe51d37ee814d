use std::time::{Duration, Instant};

use metric_sampling::{BatchStream, PkSampler, PkStream, RandomBatches, UniformSampler};
use serde::{Deserialize, Serialize};

use super::config::{Budget, RunConfig};
use super::dataset::Dataset;
use super::error::RunError;
use super::examples::Examples;
use super::fresh::check_encoder;
use super::objective::LossName;
use super::trainer::{Trainer, TrainerConfig};

/// Steps run before the clock starts.
const WARM_UP_STEPS: u64 = 3;
/// How long steps are timed, at least.
const TIMED: Duration = Duration::from_secs(2);
/// Steps timed, at least.
const TIMED_STEPS: u32 = 8;

/// What is fixed once, before the first step of a seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    /// Optimizer steps of every model.
    pub(crate) steps: u64,
    pub(crate) train_examples: usize,
    pub(crate) test_examples: usize,
    pub(crate) classes: usize,
}

/// A model to be trained: the softmax baseline or the metric itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Phase {
    pub(crate) number: u64,
    pub(crate) loss: LossName,
    /// Name of its finished encoder in the run's folder.
    pub(crate) file: &'static str,
    /// Name of its line in the table.
    pub(crate) row: &'static str,
}

/// The models of a seed, in the order they are trained.
pub(crate) fn phases(config: &RunConfig) -> Vec<Phase> {
    let is_softmax = config.loss == LossName::Softmax;
    let baseline = Phase {
        number: 0,
        loss: LossName::Softmax,
        file: "baseline.bpk",
        row: "softmax features",
    };
    let row = if is_softmax {
        baseline.row
    } else {
        "learned metric"
    };
    let metric = Phase {
        number: 1,
        loss: config.loss,
        file: "model.bpk",
        row,
    };
    if config.baseline && !is_softmax {
        vec![baseline, metric]
    } else {
        vec![metric]
    }
}

impl Plan {
    /// Fixes the number of steps; a budget in minutes is measured on trainers thrown away after.
    pub(crate) fn new(config: &RunConfig, data: &Dataset, seed: u64) -> Result<Self, RunError> {
        let mut plan = Self {
            seed,
            steps: 1,
            train_examples: data.train.len(),
            test_examples: data.test.len(),
            classes: data.train.class_names().len(),
        };
        // What cannot be embedded, batched or judged is refused before anything is trained or written.
        check_encoder(config.encoder, config.weights.as_deref(), &data.train)?;
        data.check_judged()?;
        let (classes, per_class) = config.batch_shape(plan.classes);
        for phase in phases(config) {
            stream(phase.loss, &data.train, classes, per_class)?;
        }
        plan.steps = match config.budget {
            Budget::Steps(steps) => steps,
            Budget::Minutes(minutes) => {
                let mut seconds_a_step = 0.0;
                for phase in phases(config) {
                    seconds_a_step += time_steps(&mut plan.trainer(config, data, phase)?, data)?;
                }
                (minutes * 60.0 / seconds_a_step) as u64
            }
            budget => {
                let epochs = budget.epochs(plan.train_examples).unwrap_or(1);
                epochs * plan.train_examples.div_ceil(classes * per_class) as u64
            }
        }
        .max(1);
        Ok(plan)
    }

    /// Whether `data` are those the plan was made for.
    pub(crate) fn check(&self, data: &Dataset) -> Result<(), RunError> {
        let compare = |what, expected, got| {
            if expected == got {
                Ok(())
            } else {
                Err(RunError::DataChanged {
                    what,
                    expected,
                    got,
                })
            }
        };
        compare(
            "the number of training examples",
            self.train_examples,
            data.train.len(),
        )?;
        compare(
            "the number of test examples",
            self.test_examples,
            data.test.len(),
        )?;
        compare(
            "the number of classes",
            self.classes,
            data.train.class_names().len(),
        )
    }

    /// A fresh trainer for one model.
    pub(crate) fn trainer(
        &self,
        config: &RunConfig,
        data: &Dataset,
        phase: Phase,
    ) -> Result<Trainer, RunError> {
        let (classes, per_class) = config.batch_shape(self.classes);
        let stream = stream(phase.loss, &data.train, classes, per_class)?;
        let miner = config
            .miner
            .filter(|_| phase.loss.takes_triplets())
            .map(|miner| miner.build(per_class, config.negatives))
            .transpose()
            .map_err(|source| RunError::Mining { step: 0, source })?;
        let trainer = TrainerConfig {
            loss: phase.loss,
            embedding_dim: config.embedding_dim,
            encoder: config.encoder,
            weights: config.weights.clone(),
            init: config.init.clone(),
            learning_rate: config.learning_rate,
            weight_decay: config.weight_decay,
            steps: self.steps,
            seed: self.seed,
            phase: phase.number,
        };
        Trainer::new(trainer, &data.train, stream, miner)
    }
}

/// P x K batches where a loss compares examples, shuffled batches where it classifies them.
fn stream(
    loss: LossName,
    train: &Examples,
    classes: usize,
    per_class: usize,
) -> Result<Box<dyn BatchStream>, RunError> {
    let failed = |source| RunError::Sampler {
        classes,
        per_class,
        source,
    };
    Ok(if loss.compares_pairs() {
        let sampler = PkSampler::new(train.labels(), classes, per_class).map_err(failed)?;
        Box::new(PkStream::new(sampler))
    } else {
        let size = (classes * per_class).min(train.len());
        Box::new(RandomBatches::new(
            UniformSampler::new(train.len(), size).map_err(failed)?,
        ))
    })
}

/// Seconds a step takes.
fn time_steps(trainer: &mut Trainer, data: &Dataset) -> Result<f64, RunError> {
    for _ in 0..WARM_UP_STEPS {
        trainer.step(&data.train)?;
    }
    let started = Instant::now();
    let mut steps = 0;
    while steps < TIMED_STEPS || started.elapsed() < TIMED {
        trainer.step(&data.train)?;
        steps += 1;
    }
    Ok(started.elapsed().as_secs_f64() / f64::from(steps))
}
