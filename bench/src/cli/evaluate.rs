use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use metric_bench::report::{ScoreRow, scores_table};
use metric_bench::run::{Run, embed, score};

use super::data_args::{DataArgs, Part};

/// Judge the model of a run on its own test examples or on other data.
#[derive(Debug, Args)]
pub(crate) struct EvaluateArgs {
    /// Folder of a finished run
    run: PathBuf,
    #[command(flatten)]
    data: DataArgs,
    /// Which examples to judge on
    #[arg(long, value_enum, default_value = "test")]
    part: Part,
    /// Print the scores as JSON
    #[arg(long)]
    json: bool,
}

impl EvaluateArgs {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let run = Run::open(&self.run)?;
        let data = self.data.load_for(&run)?;
        let encoder = run.encoder(&data)?;
        let examples = self.part.of(&data);
        let raw = score(
            examples.raw_name(),
            examples.all_rows().view(),
            examples.labels(),
        )?;
        let rows = embed(&encoder, examples);
        let learned = score("learned metric", rows.view(), examples.labels())?;
        let scores = [raw, learned];
        if self.json {
            println!("{}", serde_json::to_string_pretty(&scores)?);
            return Ok(ExitCode::SUCCESS);
        }
        let rows = scores.map(|scores| ScoreRow {
            name: scores.name,
            precision_at_1: vec![scores.precision_at_1],
            r_precision: vec![scores.r_precision],
            map_at_r: vec![scores.map_at_r],
            within_between: vec![scores.within_between],
        });
        println!("{}", scores_table(&rows));
        Ok(ExitCode::SUCCESS)
    }
}
