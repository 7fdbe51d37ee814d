use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use metric_bench::encoder::Architecture;
use metric_bench::report::{ScoreRow, scores_table};
use metric_bench::run::{
    Budget, OptimizerName, PretrainConfig, PretrainOutcome, PretrainReport, Pretraining, ViewsName,
};
use metric_ssl::{MethodName, Settings};
use serde_json::json;

use super::data_args::DataArgs;
use super::progress::Progress;

/// Learn features from images without looking at their labels.
///
/// Views of one image are alike, whatever a crop, a flip or other light do to it. Labels, where there are any, only judge:
/// by the nearest training images of each test image.
#[derive(Debug, Args)]
pub(crate) struct PretrainArgs {
    #[command(flatten)]
    data: DataArgs,
    /// How to learn
    #[arg(long, default_value = "simclr", value_name = "NAME", value_parser = method_names())]
    method: MethodName,
    /// Of each class so many examples whose class a method that is told classes (sup-con, mean-teacher, distilled) is told [default: all]
    #[arg(long, value_name = "N")]
    labelled: Option<usize>,
    /// The run in DIR, learned without labels, whose features and labelled examples teach the student of `--method distilled`
    #[arg(long, value_name = "DIR")]
    teacher: Option<PathBuf>,
    /// How views are made [default: characters or small-grey for grey images, else simclr]
    #[arg(long, value_enum, default_value = "auto")]
    views: ViewsName,
    /// The network [default: conv-net]
    #[arg(long, value_enum, value_name = "NAME")]
    encoder: Option<Architecture>,
    /// Begin with the weights in FILE: .safetensors or .pth, named as in torchvision (resnet) or timm (vit-s)
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// Temperature of the loss [default: the method's]
    #[arg(long, value_name = "T")]
    temperature: Option<f64>,
    /// Keys in the queue of methods that have one
    #[arg(long, default_value_t = 4096, value_name = "K")]
    queue: usize,
    /// Momentum of the teacher; that of the first step, if it rises [default: 0.99]
    #[arg(long, default_value_t = 0.99, value_name = "M")]
    momentum: f64,
    /// Parts into which a shuffled batch is split for the teacher [default: the method's]
    #[arg(long, value_name = "N")]
    splits: Option<usize>,
    /// Layers of the projection head [default: the method's]
    #[arg(long, value_name = "N")]
    head_layers: Option<usize>,
    /// Width of the hidden layers of the heads
    #[arg(long, default_value_t = 512, value_name = "N")]
    head_hidden: usize,
    /// Length of a projection
    #[arg(long, default_value_t = 128, value_name = "N")]
    head_output: usize,
    /// Prototypes of SwAV, outputs of DINO, clusters of PCL at its coarsest
    #[arg(long, default_value_t = 256, value_name = "N")]
    prototypes: usize,
    /// Further views of an image by which fnc looks for false negatives
    #[arg(long, default_value_t = 2, value_name = "N")]
    support_views: usize,
    /// Examples in a batch, each with all its views
    #[arg(long, default_value_t = 256, value_name = "N")]
    batch: usize,
    /// Examples that the network is given at once, for batches whose activations do not fit in memory [default: all]
    #[arg(long, value_name = "N")]
    chunk: Option<usize>,
    /// How weights follow gradients
    #[arg(long, value_enum, default_value = "adam-w")]
    optimizer: OptimizerName,
    /// Peak learning rate
    #[arg(long, default_value_t = 1e-3, value_name = "RATE")]
    learning_rate: f64,
    /// Weight decay
    #[arg(long, default_value_t = 1e-4, value_name = "RATE")]
    weight_decay: f64,
    /// Largest norm of all gradients together [default: not clipped]
    #[arg(long, value_name = "NORM")]
    clip: Option<f64>,
    /// Learn for so many epochs [default: as many as make about 25,000 examples]
    #[arg(long, group = "budget", value_name = "E")]
    epochs: Option<u64>,
    /// Learn for so many minutes
    #[arg(long, group = "budget", value_name = "M")]
    minutes: Option<f64>,
    /// Learn for so many optimizer steps
    #[arg(long, group = "budget", value_name = "N")]
    steps: Option<u64>,
    /// Seed of the split, the model, the batches and the views
    #[arg(long, default_value_t = 1, value_name = "S")]
    seed: u64,
    /// Folder for the encoder and its report [default: a new one in runs/]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Go on with the run in DIR, with the options it began with
    #[arg(long, value_name = "DIR", conflicts_with_all = ["out", "budget"])]
    resume: Option<PathBuf>,
    /// Seconds between checkpoints; 0 saves after every step
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    checkpoint_seconds: u64,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

fn method_names() -> impl TypedValueParser<Value = MethodName> {
    PossibleValuesParser::new(MethodName::NAMES).try_map(|name| name.parse::<MethodName>())
}

impl PretrainArgs {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let (run, dir) = match &self.resume {
            Some(dir) => (Pretraining::open(dir)?, dir.clone()),
            None => {
                let config = self.config();
                let dir = self.out.clone().unwrap_or_else(|| free_dir(&config));
                (Pretraining::create(&dir, config)?, dir)
            }
        };
        let run = run.with_checkpoint_every(Duration::from_secs(self.checkpoint_seconds));
        match run.execute(&mut Progress::new()?)? {
            PretrainOutcome::Interrupted => {
                eprintln!(
                    "stopped; go on with: metric pretrain --resume {}",
                    dir.display()
                );
                Ok(ExitCode::from(130))
            }
            PretrainOutcome::Finished(report) => {
                if self.json {
                    let config = run.config();
                    println!(
                        "{}",
                        json!({"dir": dir, "config": config, "report": report})
                    );
                } else {
                    print_report(&dir, &report);
                }
                Ok(ExitCode::SUCCESS)
            }
        }
    }

    fn config(&self) -> PretrainConfig {
        PretrainConfig {
            data: self.data.config(),
            method: self.method,
            settings: Settings {
                temperature: self.temperature,
                queue: Some(self.queue),
                momentum: Some(self.momentum),
                splits: self.splits,
                layers: self.head_layers,
                hidden: Some(self.head_hidden),
                output: Some(self.head_output),
                prototypes: Some(self.prototypes),
                support: Some(self.support_views),
                classes: None,
            },
            labelled: self.labelled,
            teacher: self.teacher.clone(),
            views: self.views,
            encoder: self.encoder,
            weights: self.weights.clone(),
            budget: match (self.epochs, self.minutes, self.steps) {
                (Some(epochs), _, _) => Budget::Epochs(epochs),
                (_, Some(minutes), _) => Budget::Minutes(minutes),
                (_, _, Some(steps)) => Budget::Steps(steps),
                _ => Budget::Auto,
            },
            batch: self.batch,
            chunk: self.chunk,
            optimizer: self.optimizer,
            learning_rate: self.learning_rate,
            weight_decay: self.weight_decay,
            clip: self.clip,
            seed: self.seed,
        }
    }
}

/// The first of `runs/DATA-METHOD`, `runs/DATA-METHOD-2`, ... that does not exist.
fn free_dir(config: &PretrainConfig) -> PathBuf {
    super::free_dir(&config.data.name, &config.method.to_string())
}

fn print_report(dir: &Path, report: &PretrainReport) {
    for knn in &report.knn {
        let shares = knn
            .accuracy
            .iter()
            .map(|(k, share)| format!("{:5.1} % (k = {k})", 100.0 * share));
        println!("{:16} {}", knn.name, shares.collect::<Vec<_>>().join("  "));
    }
    if !report.retrieval.is_empty() {
        let rows = report.retrieval.iter().map(|scores| ScoreRow {
            name: scores.name.clone(),
            precision_at_1: vec![scores.precision_at_1],
            r_precision: vec![scores.r_precision],
            map_at_r: vec![scores.map_at_r],
            within_between: vec![scores.within_between],
        });
        println!("{}", scores_table(&rows.collect::<Vec<_>>()));
    }
    println!(
        "features use {:.0} of {} directions, uniformity {:.2}",
        report.features.effective_rank, report.features.dim, report.uniformity
    );
    if let Some(collapse) = &report.collapse {
        println!("warning: {collapse}");
    }
    if let Some(guessing) = &report.guessing {
        println!("warning: {guessing}");
    }
    println!(
        "learned from {} images in {:.1} s ({:.0} images/s), waited {:.1} s for views",
        report.timing.images,
        report.timing.seconds,
        report.timing.images_per_second(),
        report.waited
    );
    println!("encoder and report: {}", dir.display());
}
