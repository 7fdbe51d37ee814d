use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use metric_bench::export::write_embeddings;
use metric_bench::run::FinishedRun;

use super::data_args::{DataArgs, Part};

/// Write the embeddings of examples, with their ids and labels.
///
/// FILE.npy gets the matrix, and FILE.labels.csv beside it a line `id,label` for every row;
/// FILE.safetensors gets both in one: tensors `embeddings` and `labels`, names in its metadata.
#[derive(Debug, Args)]
pub(crate) struct EmbedArgs {
    /// Folder of a finished run
    run: PathBuf,
    #[command(flatten)]
    data: DataArgs,
    /// Which examples to embed
    #[arg(long, value_enum, default_value = "test")]
    part: Part,
    /// The file to write: .npy or .safetensors
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl EmbedArgs {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let run = FinishedRun::open(&self.run)?;
        let data = self.data.load_for(run.data(), run.seed())?;
        let examples = self.part.of(&data);
        let rows = run.embed(&data, examples)?;
        for path in write_embeddings(&self.out, rows.view(), examples)? {
            println!("{}", path.display());
        }
        Ok(ExitCode::SUCCESS)
    }
}
