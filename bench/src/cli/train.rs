use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use metric_bench::encoder::Architecture;
use metric_bench::report::{ScoreRow, scores_table};
use metric_bench::run::{
    Budget, LossName, MinerName, Negatives, Outcome, Run, RunConfig, SeedReport,
};
use serde_json::json;

use super::data_args::DataArgs;
use super::progress::Progress;

/// Learn a metric space from labelled examples and judge it on examples training never saw.
///
/// Without arguments: the 1,797 handwritten digits that come with the program, 30 % of them held
/// out, a contrastive loss, and a softmax classifier trained as long for comparison.
#[derive(Debug, Args)]
pub(crate) struct TrainArgs {
    #[command(flatten)]
    data: DataArgs,
    /// What to minimise
    #[arg(long, value_enum, default_value = "contrastive")]
    loss: LossName,
    /// Which triplets a step learns from [default: all of the batch]
    #[arg(long, value_enum)]
    miner: Option<MinerName>,
    /// How much hard-tilted and density-aware mining prefer near negatives
    #[arg(long, default_value_t = Negatives::default().beta, value_name = "B")]
    beta: f64,
    /// How much density-aware mining prefers negatives in sparse neighbourhoods
    #[arg(long, default_value_t = Negatives::default().gamma, value_name = "G")]
    gamma: f64,
    /// Quantiles of similarity between which density-aware mining draws negatives
    #[arg(long, num_args = 2, default_values_t = [0.0, 1.0], value_names = ["LOWER", "UPPER"])]
    ring: Vec<f64>,
    /// Length of an embedding
    #[arg(long, default_value_t = 128, value_name = "D")]
    embedding_dim: usize,
    /// The network for images [default: conv-net]
    #[arg(long, value_enum, value_name = "NAME")]
    encoder: Option<Architecture>,
    /// Begin with the weights in FILE: .safetensors or .pth, named as in torchvision (resnet) or timm (vit-s)
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// Begin with the encoder that `metric pretrain` left in DIR
    #[arg(long, value_name = "DIR", conflicts_with_all = ["weights", "encoder"])]
    init: Option<PathBuf>,
    /// Train so many epochs [default: as many as make about 25,000 examples]
    #[arg(long, group = "budget", value_name = "E")]
    epochs: Option<u64>,
    /// Train so many minutes, all models of a seed together
    #[arg(long, group = "budget", value_name = "M")]
    minutes: Option<f64>,
    /// Train so many optimizer steps a model
    #[arg(long, group = "budget", value_name = "N")]
    steps: Option<u64>,
    /// Seed of the split, the models and the batches
    #[arg(long, default_value_t = 1, value_name = "S")]
    seed: u64,
    /// Repeat with so many seeds, counted up from --seed
    #[arg(long, default_value_t = 1, value_name = "N")]
    seeds: u64,
    /// Do not train the softmax classifier for comparison
    #[arg(long)]
    no_baseline: bool,
    /// Classes in a batch [default: up to 32]
    #[arg(long, value_name = "P")]
    classes_per_batch: Option<usize>,
    /// Examples of each class in a batch [default: so that a batch has about 128]
    #[arg(long, value_name = "K")]
    examples_per_class: Option<usize>,
    /// Peak learning rate of AdamW
    #[arg(long, default_value_t = 1e-3, value_name = "RATE")]
    learning_rate: f64,
    /// Weight decay of AdamW
    #[arg(long, default_value_t = 1e-4, value_name = "RATE")]
    weight_decay: f64,
    /// Folder for models, scores and pictures [default: a new one in runs/]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Go on with the run in DIR, with the options it began with
    #[arg(long, value_name = "DIR", conflicts_with_all = ["out", "budget", "seeds"])]
    resume: Option<PathBuf>,
    /// Seconds between checkpoints; 0 saves after every step
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    checkpoint_seconds: u64,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

impl TrainArgs {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let (run, dir) = match &self.resume {
            Some(dir) => (Run::open(dir)?, dir.clone()),
            None => {
                let config = self.config();
                let dir = self.out.clone().unwrap_or_else(|| free_dir(&config));
                (Run::create(&dir, config)?, dir)
            }
        };
        let run = run.with_checkpoint_every(Duration::from_secs(self.checkpoint_seconds));
        match run.execute(&mut Progress::new()?)? {
            Outcome::Interrupted => {
                eprintln!(
                    "stopped; go on with: metric train --resume {}",
                    dir.display()
                );
                Ok(ExitCode::from(130))
            }
            Outcome::Finished(reports) => {
                if self.json {
                    println!("{}", to_json(&run, &dir, &reports));
                } else {
                    print_reports(&dir, &reports);
                }
                Ok(ExitCode::SUCCESS)
            }
        }
    }

    fn config(&self) -> RunConfig {
        RunConfig {
            data: self.data.config(),
            loss: self.loss,
            miner: self.miner,
            negatives: Negatives {
                beta: self.beta,
                gamma: self.gamma,
                lower: self.ring[0],
                upper: self.ring[1],
            },
            embedding_dim: self.embedding_dim,
            encoder: self.encoder,
            weights: self.weights.clone(),
            init: self.init.clone(),
            budget: match (self.epochs, self.minutes, self.steps) {
                (Some(epochs), _, _) => Budget::Epochs(epochs),
                (_, Some(minutes), _) => Budget::Minutes(minutes),
                (_, _, Some(steps)) => Budget::Steps(steps),
                _ => Budget::Auto,
            },
            baseline: !self.no_baseline,
            classes_per_batch: self.classes_per_batch,
            examples_per_class: self.examples_per_class,
            learning_rate: self.learning_rate,
            weight_decay: self.weight_decay,
            seed: self.seed,
            seeds: self.seeds,
        }
    }
}

/// The first of `runs/DATA-LOSS`, `runs/DATA-LOSS-2`, ... that does not exist.
fn free_dir(config: &RunConfig) -> PathBuf {
    let loss = serde_json::to_value(config.loss).unwrap_or_default();
    super::free_dir(&config.data.name, loss.as_str().unwrap_or("run"))
}

fn print_reports(dir: &Path, reports: &[SeedReport]) {
    println!("{}", table(reports));
    let images: u64 = reports.iter().map(|report| report.timing.images).sum();
    let seconds: f64 = reports.iter().map(|report| report.timing.seconds).sum();
    let memory = peak_memory_mb().map_or(String::new(), |mb| format!(", peak memory {mb:.0} MB"));
    println!(
        "trained on {images} examples in {seconds:.1} s ({:.0} images/s){memory}",
        images as f64 / seconds
    );
    for mining in reports.iter().filter_map(|report| report.mining) {
        println!(
            "mined in the last tenth, a batch: {:.0} triplets, median hardness {:.2}, {:.0} % without loss, {:.0} effective negatives",
            mining.triplets,
            mining.hardness,
            100.0 * mining.zero_loss,
            mining.effective_negatives
        );
    }
    println!("models, scores and pictures: {}", dir.display());
}

/// The scores of all seeds, a line for each representation.
fn table(reports: &[SeedReport]) -> String {
    let Some(first) = reports.first() else {
        return String::new();
    };
    let rows: Vec<ScoreRow> = (0..first.scores.len())
        .map(|at| {
            let mut row = ScoreRow {
                name: first.scores[at].name.clone(),
                ..ScoreRow::default()
            };
            for scores in reports.iter().map(|report| &report.scores[at]) {
                row.precision_at_1.push(scores.precision_at_1);
                row.r_precision.push(scores.r_precision);
                row.map_at_r.push(scores.map_at_r);
                row.within_between.push(scores.within_between);
            }
            row
        })
        .collect();
    scores_table(&rows)
}

fn to_json(run: &Run, dir: &Path, reports: &[SeedReport]) -> serde_json::Value {
    json!({
        "dir": dir,
        "config": run.config(),
        "seeds": reports,
        "peak_rss_mb": peak_memory_mb(),
    })
}

/// The most memory this process has held, where the system tells (Linux).
fn peak_memory_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes / 1024.0)
}
