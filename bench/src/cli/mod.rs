mod conformance;
mod data_args;
mod embed;
mod evaluate;
mod progress;
mod speed;
mod train;

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
    Evaluate(evaluate::EvaluateArgs),
    Embed(embed::EmbedArgs),
    Conformance(conformance::ConformanceArgs),
    Speed(speed::SpeedArgs),
}

impl Cli {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Train(args) => args.run(),
            Command::Evaluate(args) => args.run(),
            Command::Embed(args) => args.run(),
            Command::Conformance(args) => args.run(),
            Command::Speed(args) => args.run(),
        }
    }
}
