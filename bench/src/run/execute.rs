use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use burn::tensor::Device;

use super::checkpoint::{load_module, remove_dir, save_module};
use super::config::RunConfig;
use super::dataset::Dataset;
use super::error::RunError;
use super::files::{create_dir, read_json, write_json};
use super::outputs::{SeedReport, Timing, Trained, judge};
use super::plan::{Phase, Plan, phases};
use super::pretrain::Pretraining;
use super::trainer::Trainer;
use crate::encoder::{Encoder, EncoderConfig};

const CONFIG: &str = "config.json";
const METRICS: &str = "metrics.json";

/// Looks on while a run goes on, and may stop it.
pub trait Watch {
    /// The data of a seed are there.
    fn data(&mut self, _seed: u64, _data: &Dataset) {}
    /// Training of a model begins or goes on at `step` of `steps`.
    fn model(&mut self, _name: &str, _step: u64, _steps: u64) {}
    /// A step was made.
    fn step(&mut self, _step: u64, _loss: f32, _images_per_second: f64) {}
    /// Something worth knowing.
    fn note(&mut self, _what: &str) {}
    /// Something is wrong that training can go on with.
    fn warn(&mut self, _what: &str) {}
    /// Training of a model ended.
    fn model_done(&mut self) {}
    /// Whether to leave a checkpoint and stop.
    fn is_interrupted(&self) -> bool {
        false
    }
}

/// How a run ended.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// All seeds are done; their reports.
    Finished(Vec<SeedReport>),
    /// Stopped by [`Watch::is_interrupted`]; the folder can be resumed.
    Interrupted,
}

/// A run in its folder.
#[derive(Debug, Clone)]
pub struct Run {
    dir: PathBuf,
    config: RunConfig,
    checkpoint_every: Duration,
}

impl Run {
    /// A new run. Nothing is written before the data have been read.
    ///
    /// # Errors
    /// [`RunError::Occupied`] if `dir` already holds a run, [`RunError::Invalid`] for a
    /// configuration that cannot work, [`RunError::NotARun`] if there is no run to begin with.
    pub fn create(dir: &Path, mut config: RunConfig) -> Result<Self, RunError> {
        if dir.join(CONFIG).exists() || Pretraining::is_at(dir) {
            return Err(RunError::Occupied { path: dir.into() });
        }
        config.validate()?;
        if let Some(init) = &config.init {
            let known = Pretraining::open(init)?.config().encoder;
            if config.encoder.is_some() && config.encoder != known {
                return Err(RunError::Invalid(format!(
                    "--encoder differs from that of the run {}",
                    init.display()
                )));
            }
            config.encoder = known;
        }
        Ok(Self::at(dir, config))
    }

    /// An earlier run.
    ///
    /// # Errors
    /// [`RunError::NotARun`] if `dir` holds none, [`RunError::Json`] if its configuration is
    /// damaged.
    pub fn open(dir: &Path) -> Result<Self, RunError> {
        let path = dir.join(CONFIG);
        if !path.exists() {
            return Err(RunError::NotARun { path: dir.into() });
        }
        Ok(Self::at(dir, read_json(&path)?))
    }

    fn at(dir: &Path, config: RunConfig) -> Self {
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
    pub fn config(&self) -> &RunConfig {
        &self.config
    }

    /// The folder of a seed.
    fn seed_dir(&self, seed: u64) -> PathBuf {
        if self.config.seeds == 1 {
            self.dir.clone()
        } else {
            self.dir.join(format!("seed-{seed}"))
        }
    }

    /// The finished encoder of the first seed, for data shaped as `data`.
    ///
    /// # Errors
    /// [`RunError::Unfinished`] if there is none yet, or if the file is damaged or made for
    /// other data.
    pub fn encoder(&self, data: &Dataset) -> Result<Encoder, RunError> {
        let dir = self.seed_dir(self.config.seed);
        let path = dir.join("model.bpk");
        if !path.exists() {
            return Err(RunError::Unfinished {
                path: self.dir.clone(),
            });
        }
        self.load_encoder(&path, data)
    }

    fn load_encoder(&self, path: &Path, data: &Dataset) -> Result<Encoder, RunError> {
        let config = EncoderConfig::new(data.test.input_shape())
            .with_embedding_size(self.config.embedding_dim)
            .with_architecture(self.config.encoder);
        config.validate()?;
        load_module(config.init(&Device::flex()), path)
    }

    /// Trains what is not trained yet, judges it, and writes reports and pictures.
    ///
    /// # Errors
    /// [`RunError`] naming the file, option or step at fault.
    pub fn execute(&self, watch: &mut dyn Watch) -> Result<Outcome, RunError> {
        let mut reports = Vec::new();
        for seed in self.config.seed..self.config.seed + self.config.seeds {
            let dir = self.seed_dir(seed);
            let metrics = dir.join(METRICS);
            if metrics.exists() {
                reports.push(read_json(&metrics)?);
                continue;
            }
            let data = Dataset::load(&self.config.data, seed, true)?;
            watch.data(seed, &data);
            let plan = self.plan(&dir, &data, seed)?;
            let mut all = Trained::default();
            for phase in phases(&self.config) {
                match self.train(&dir, &plan, &data, phase, watch)? {
                    Some(trained) => {
                        all.timing.add(trained.timing);
                        // The metric comes last.
                        (all.loss, all.mining) = (trained.loss, trained.mining);
                    }
                    None => return Ok(Outcome::Interrupted),
                }
            }
            let models = phases(&self.config)
                .into_iter()
                .map(|phase| Ok((phase.row, self.load_encoder(&dir.join(phase.file), &data)?)))
                .collect::<Result<Vec<_>, RunError>>()?;
            let report = judge(&dir, &plan, &data, &models, all)?;
            write_json(&metrics, &report)?;
            reports.push(report);
        }
        Ok(Outcome::Finished(reports))
    }

    /// The plan in `dir`, or a new one, written together with the configuration.
    fn plan(&self, dir: &Path, data: &Dataset, seed: u64) -> Result<Plan, RunError> {
        let path = dir.join("plan.json");
        if path.exists() {
            let plan: Plan = read_json(&path)?;
            plan.check(data)?;
            return Ok(plan);
        }
        let plan = Plan::new(&self.config, data, seed)?;
        create_dir(dir)?;
        write_json(&self.dir.join(CONFIG), &self.config)?;
        write_json(&path, &plan)?;
        Ok(plan)
    }

    /// Trains one model to its end; `None` if interrupted.
    fn train(
        &self,
        dir: &Path,
        plan: &Plan,
        data: &Dataset,
        phase: Phase,
        watch: &mut dyn Watch,
    ) -> Result<Option<Trained>, RunError> {
        let (file, trained) = (
            dir.join(phase.file),
            dir.join(phase.file).with_extension("json"),
        );
        if file.exists() && trained.exists() {
            return Ok(Some(read_json(&trained)?));
        }
        let checkpoints = dir.join("checkpoint");
        let mut trainer = plan
            .trainer(&self.config, data, phase)?
            .restore(&checkpoints)?;
        if let Some(loaded) = trainer.loaded().filter(|_| trainer.progress().step == 0) {
            watch.note(&loaded.to_string());
        }
        watch.model(phase.row, trainer.progress().step, plan.steps);
        let mut saved = Instant::now();
        while !trainer.is_finished() {
            let loss = trainer.step(&data.train)?;
            let progress = trainer.progress();
            watch.step(
                progress.step,
                loss,
                progress.images as f64 / progress.seconds,
            );
            if watch.is_interrupted() {
                trainer.save(&checkpoints)?;
                return Ok(None);
            }
            if saved.elapsed() >= self.checkpoint_every {
                trainer.save(&checkpoints)?;
                saved = Instant::now();
            }
        }
        watch.model_done();
        Ok(Some(finish(&trainer, &file, &trained, &checkpoints)?))
    }
}

fn finish(
    trainer: &Trainer,
    file: &Path,
    trained: &Path,
    checkpoints: &Path,
) -> Result<Trained, RunError> {
    let progress = trainer.progress();
    let done = Trained {
        timing: Timing {
            images: progress.images,
            seconds: progress.seconds,
        },
        loss: progress.curve.means(),
        mining: (progress.mining.batches > 0).then_some(progress.mining),
    };
    save_module(trainer.encoder(), file)?;
    write_json(trained, &done)?;
    remove_dir(checkpoints)?;
    Ok(done)
}
