mod conformance;
mod data_args;
mod embed;
mod evaluate;
mod pretrain;
mod progress;
mod speed;
mod train;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Learn an embedding in which likeness is distance, judge it, and use it.
#[derive(Debug, Parser)]
#[command(name = "metric", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Train(Box<train::TrainArgs>),
    Pretrain(Box<pretrain::PretrainArgs>),
    Evaluate(evaluate::EvaluateArgs),
    Embed(embed::EmbedArgs),
    Conformance(conformance::ConformanceArgs),
    Speed(speed::SpeedArgs),
}

impl Cli {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Train(args) => args.run(),
            Command::Pretrain(args) => args.run(),
            Command::Evaluate(args) => args.run(),
            Command::Embed(args) => args.run(),
            Command::Conformance(args) => args.run(),
            Command::Speed(args) => args.run(),
        }
    }
}

/// The first of `runs/DATA-WHAT`, `runs/DATA-WHAT-2`, ... that does not exist.
fn free_dir(data: &str, what: &str) -> PathBuf {
    let stem = Path::new(data).file_stem().unwrap_or_default();
    let name = format!("{}-{what}", stem.to_string_lossy());
    let first = Path::new("runs").join(&name);
    let others = (2..).map(|n| Path::new("runs").join(format!("{name}-{n}")));
    std::iter::once(first)
        .chain(others)
        .find(|dir| !dir.exists())
        .unwrap_or_default()
}
