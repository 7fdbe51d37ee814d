//! Learning without labels, from a configuration to a judged encoder.
#![allow(clippy::unwrap_used, reason = "tests: panics are failures")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use burn::tensor::{Device, Tensor, TensorData};
use metric_bench::run::{
    Budget, DataConfig, Dataset, FinishedRun, OptimizerName, PretrainConfig, PretrainInputs,
    PretrainOutcome, PretrainReport, Pretraining, Run, RunError, ViewBatch, ViewsName, Watch,
    embed_features,
};
use metric_ssl::{MethodName, Now, Settings};
use ndarray::Array2;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;

fn config(method: &str, steps: u64) -> PretrainConfig {
    PretrainConfig {
        data: DataConfig {
            name: "digits".into(),
            labels: None,
            label: None,
            unseen_classes: None,
            holdout: 0.3,
            size: None,
            limit: None,
            imbalance: None,
            data_dir: None,
        },
        method: method.parse::<MethodName>().unwrap(),
        settings: Settings {
            queue: Some(64),
            momentum: Some(0.9),
            hidden: Some(32),
            output: Some(16),
            prototypes: Some(16),
            ..Settings::default()
        },
        labelled: None,
        teacher: None,
        views: ViewsName::Auto,
        encoder: None,
        weights: None,
        budget: Budget::Steps(steps),
        batch: 32,
        chunk: None,
        optimizer: OptimizerName::Sgd,
        learning_rate: 0.05,
        weight_decay: 1e-4,
        clip: None,
        seed: 1,
    }
}

/// Keeps what was said, and a copy of the folder as a kill after `at` steps would leave it.
#[derive(Default)]
struct Observer {
    copy: Option<(u64, PathBuf, PathBuf)>,
    stop_at: Option<u64>,
    step: u64,
    losses: Vec<f32>,
    warnings: Vec<(u64, String)>,
}

impl Watch for Observer {
    fn step(&mut self, step: u64, loss: f32, _images_per_second: f64) {
        self.step = step;
        self.losses.push(loss);
        if let Some((at, from, to)) = &self.copy
            && *at == step
        {
            copy(from, to);
        }
    }

    fn warn(&mut self, what: &str) {
        self.warnings.push((self.step, what.to_owned()));
    }

    fn is_interrupted(&self) -> bool {
        self.stop_at == Some(self.step)
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The seed is the whole process's: whoever draws from it is alone.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The features of test examples by a finished run.
fn features(dir: &Path) -> Array2<f32> {
    let run = FinishedRun::open(dir).unwrap();
    let data = Dataset::load(run.data(), run.seed(), false).unwrap();
    run.embed(&data, &data.test).unwrap()
}

fn finish(run: &Pretraining, watch: &mut Observer) -> PretrainReport {
    match run.execute(watch).unwrap() {
        PretrainOutcome::Finished(report) => *report,
        PretrainOutcome::Interrupted => panic!("nobody interrupts"),
    }
}

/// All of a report but how long it took.
fn untimed(mut report: PretrainReport) -> PretrainReport {
    report.timing.seconds = 0.0;
    report.waited = 0.0;
    report
}

#[test]
fn a_killed_run_and_a_stopped_one_go_on_to_the_same_bits() {
    let _alone = alone();
    // A queue and a teacher; a centre; a bank and a generator; clusters. 1,258 examples make 39 batches an epoch.
    for method in ["moco-v2", "dino", "instance", "pcl"] {
        let dir = TempDir::new().unwrap();
        let [whole, killed, stopped] =
            ["whole", "killed", "stopped"].map(|name| dir.path().join(name));
        let every_step = |run: Pretraining| run.with_checkpoint_every(Duration::ZERO);
        let run = every_step(Pretraining::create(&whole, config(method, 45)).unwrap());
        let mut watch = Observer {
            copy: Some((41, whole.clone(), killed.clone())),
            ..Observer::default()
        };
        let report = untimed(finish(&run, &mut watch));
        let learned = features(&whole);

        assert!(killed.join("checkpoint").join("0-40").exists(), "{method}");
        let again = finish(
            &Pretraining::open(&killed).unwrap(),
            &mut Observer::default(),
        );
        assert_eq!(untimed(again), report, "{method}, killed");
        assert!(features(&killed) == learned, "{method}, killed");

        let run = Pretraining::create(&stopped, config(method, 45)).unwrap();
        let mut watch = Observer {
            stop_at: Some(7),
            ..Observer::default()
        };
        assert!(matches!(
            run.execute(&mut watch).unwrap(),
            PretrainOutcome::Interrupted
        ));
        let again = finish(
            &Pretraining::open(&stopped).unwrap(),
            &mut Observer::default(),
        );
        assert_eq!(untimed(again), report, "{method}, stopped");
        assert!(features(&stopped) == learned, "{method}, stopped");
        assert!(!stopped.join("checkpoint").exists());
    }
}

#[test]
fn another_learner_is_given_what_a_run_begins_with_and_sees() {
    let _alone = alone();
    let dir = TempDir::new().unwrap();
    // Steps so small that nothing moves, so that every loss is the first learner's.
    let still = PretrainConfig {
        learning_rate: 1e-30,
        ..config("simclr", 4)
    };
    let run = Pretraining::create(&dir.path().join("run"), still).unwrap();
    let PretrainInputs { start, batches } = run.inputs().unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let memory = start.memory(1258, &mut random).unwrap();
    let device = Device::flex().autodiff();
    let losses = batches.zip(0..).map(|(batch, step)| {
        let ViewBatch {
            examples, views, ..
        } = batch.unwrap();
        let views = views.into_iter().map(|view| {
            let shape = [0, 1, 2, 3].map(|axis| view.shape()[axis]);
            Tensor::<4>::from_data(
                TensorData::new(view.into_raw_vec_and_offset().0, shape),
                &device,
            )
        });
        let mut now = Now {
            step,
            steps: 4,
            examples: &examples,
            labels: None,
            memory: &memory,
            random: &mut random,
        };
        let learned = start.gradients(&[views.collect()], &mut now).unwrap();
        learned.loss.into_scalar::<f32>()
    });
    let losses: Vec<f32> = losses.collect();
    let mut watch = Observer::default();
    finish(&run, &mut watch);
    assert_eq!(losses.len(), 4);
    assert_eq!(watch.losses, losses);
    let of_another_batch = |pair: &[f32]| pair[0].to_bits() != pair[1].to_bits();
    assert!(losses.windows(2).all(of_another_batch));
}

#[test]
fn a_run_set_up_to_collapse_says_so_within_two_epochs() {
    let _alone = alone();
    let dir = TempDir::new().unwrap();
    // 39 batches an epoch.
    let run = |config: PretrainConfig| {
        let mut watch = Observer::default();
        let path = dir.path().join(config.method.to_string());
        let report = finish(&Pretraining::create(&path, config).unwrap(), &mut watch);
        (report, watch.warnings)
    };
    let collapsing = PretrainConfig {
        learning_rate: 0.2,
        ..config("simsiam-without-stop", 78)
    };
    let (report, warnings) = run(collapsing);
    assert!(warnings[0].1.contains("collapsing: "), "{warnings:?}");
    assert_eq!(warnings.len(), 1, "once is enough");
    assert!(report.collapse.is_some(), "{report:?}");
    // At a low temperature and a high rate SimCLR begins with a collapse too, from which it recovers.
    let mut healthy = PretrainConfig {
        learning_rate: 0.01,
        ..config("simclr", 78)
    };
    healthy.settings.temperature = Some(0.5);
    let (report, warnings) = run(healthy);
    assert_eq!(warnings, []);
    assert!(report.collapse.is_none());
}

#[test]
fn every_method_runs_by_its_name() {
    let _alone = alone();
    let dir = TempDir::new().unwrap();
    for &name in MethodName::NAMES {
        let mut config = config(name, 3);
        config.data.limit = Some(80);
        config.labelled = Some(2);
        config.settings.support = Some(2);
        // The first run teaches.
        config.teacher = (name == "distilled").then(|| dir.path().join(MethodName::NAMES[0]));
        let run = Pretraining::create(&dir.path().join(name), config).unwrap();
        let report = finish(&run, &mut Observer::default());
        assert_eq!(report.loss.len(), 3, "{name}");
        assert!(
            report.waited >= 0.0 && report.features.deviation > 0.0,
            "{name}"
        );
    }
}

#[test]
fn a_loss_that_starts_far_above_guessing_is_warned_of() {
    let _alone = alone();
    let dir = TempDir::new().unwrap();
    let mut config = config("simclr", 1);
    config.settings.temperature = Some(0.002);
    let run = Pretraining::create(&dir.path().join("run"), config).unwrap();
    let mut watch = Observer::default();
    let report = finish(&run, &mut watch);
    assert!(
        watch.warnings[0].1.contains("guessing has 4.14"),
        "{:?}",
        watch.warnings
    ); // ln(2 · 32 − 1)
    assert!(report.guessing.is_some());
}

#[test]
fn a_report_judges_raw_pixels_and_features() {
    let _alone = alone();
    let dir = TempDir::new().unwrap();
    let chunked = PretrainConfig {
        chunk: Some(20),
        clip: Some(1.0),
        optimizer: OptimizerName::Lars,
        learning_rate: 0.3,
        ..config("simclr", 3)
    };
    let run = Pretraining::create(&dir.path().join("seen"), chunked).unwrap();
    let report = finish(&run, &mut Observer::default());
    assert_eq!((report.steps, report.timing.images), (3, 96));
    let names: Vec<&str> = report.knn.iter().map(|knn| knn.name.as_str()).collect();
    assert_eq!(names, ["raw pixels", "features"]);
    assert!(report.retrieval.is_empty());
    for knn in &report.knn {
        // Digits are easy: even an untrained network tells most of them apart.
        assert!(
            knn.accuracy
                .iter()
                .all(|&(_, share)| share > 0.7 && share <= 1.0),
            "{knn:?}"
        );
    }
    let mut unseen = config("byol", 2);
    unseen.data.unseen_classes = Some("half".into());
    let run = Pretraining::create(&dir.path().join("unseen"), unseen).unwrap();
    let report = finish(&run, &mut Observer::default());
    assert!(
        report.knn.is_empty(),
        "the classes of the test are not in the gallery"
    );
    assert_eq!(report.retrieval.len(), 2);
}

#[test]
fn training_can_begin_with_an_encoder_learned_without_labels() {
    let _alone = alone();
    let dir = TempDir::new().unwrap();
    let (learned, tuned) = (dir.path().join("learned"), dir.path().join("tuned"));
    let metric = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_metric"));
        let output = command.args(arguments).output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{arguments:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    };
    let [learned, tuned] = [&learned, &tuned].map(|path| path.to_str().unwrap());
    metric(&[
        "pretrain",
        "--method",
        "simclr",
        "--steps",
        "4",
        "--batch",
        "32",
        "--head-hidden",
        "16",
        "--out",
        learned,
    ]);
    let text = metric(&["evaluate", learned, "--probe", "knn"]);
    assert!(
        text.contains("raw pixels") && text.contains("features"),
        "{text}"
    );
    let text = metric(&["evaluate", learned, "--probe", "linear", "--json"]);
    let rows: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(
        rows[1]["accuracy"]["linear"].as_f64().unwrap() > 0.8,
        "{text}"
    );
    metric(&["evaluate", learned]);
    // No step moves anything: what comes out is what was learned before, behind a fresh last layer.
    let options = [
        "--steps",
        "1",
        "--learning-rate",
        "1e-30",
        "--weight-decay",
        "0",
        "--no-baseline",
        "--out",
        tuned,
    ];
    metric(&[&["train", "--init", learned], &options[..]].concat());
    let probe = |run: &str| metric(&["evaluate", run, "--probe", "knn", "--json"]);
    assert_ne!(probe(tuned), probe(learned));
    let run = Run::open(tuned.as_ref()).unwrap();
    let data = Dataset::load(&run.config().data, 1, false).unwrap();
    let before = Pretraining::open(learned.as_ref()).unwrap();
    let before = before
        .encoder(data.test.input_shape(), &Device::flex())
        .unwrap();
    let after = run.encoder(&data).unwrap();
    let features = embed_features(&before, &data.test);
    assert!(
        // Running statistics of batch norm have moved by one batch.
        (&features - &embed_features(&after, &data.test))
            .iter()
            .all(|x| x.abs() < 0.2)
    );
}

#[test]
fn what_cannot_work_is_refused_before_anything_is_written() {
    let _alone = alone();
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("run");
    let refuse = |config: PretrainConfig| {
        let error = match Pretraining::create(&path, config) {
            Ok(run) => run.execute(&mut Observer::default()).unwrap_err(),
            Err(error) => error,
        };
        assert!(!path.exists(), "{error}");
        error.to_string()
    };
    let with_batch = |batch| PretrainConfig {
        batch,
        settings: Settings::default(),
        ..config("simclr", 3)
    };
    assert_eq!(refuse(with_batch(1)), "--batch must be at least 2");
    assert_eq!(
        refuse(with_batch(5000)),
        "--batch 5000 is more than the 1258 training images"
    );
    let error = refuse(PretrainConfig {
        batch: 128,
        ..config("moco-v1", 3)
    });
    assert_eq!(error, "--queue must hold a batch");
    for (method, teacher) in [("distilled", None), ("simclr", Some("run".into()))] {
        let error = refuse(PretrainConfig {
            teacher,
            ..config(method, 3)
        });
        assert_eq!(
            error,
            "--method distilled needs a --teacher, and no other method takes one"
        );
    }
    let error = refuse(PretrainConfig {
        teacher: Some(dir.path().join("nowhere")),
        ..config("distilled", 3)
    });
    assert!(error.contains("nowhere"), "{error}");
    let error = refuse(PretrainConfig {
        learning_rate: f64::NAN,
        ..config("simclr", 3)
    });
    assert_eq!(error, "--learning-rate must be above 0");

    fs::create_dir_all(&path).unwrap();
    assert!(matches!(
        Pretraining::open(&path),
        Err(RunError::NotARun { .. })
    ));
    fs::write(path.join("pretrain.json"), "{").unwrap();
    assert!(matches!(
        Pretraining::open(&path),
        Err(RunError::Json { .. })
    ));
    let error = Pretraining::create(&path, config("simclr", 3)).unwrap_err();
    assert!(matches!(error, RunError::Occupied { .. }));
}
