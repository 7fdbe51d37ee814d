use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use metric_bench::export::write_embeddings;
use metric_bench::run::FinishedRun;

use super::data_args::{DataArgs, Part};

/// Write the embeddings of examples, with their ids and labels, or the encoder's weights.
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
    #[arg(long, value_name = "FILE", required_unless_present = "weights_out")]
    out: Option<PathBuf>,
    /// Write the encoder's weights, named as other programs name them: FILE.safetensors
    #[arg(long, value_name = "FILE")]
    weights_out: Option<PathBuf>,
}

impl EmbedArgs {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let run = FinishedRun::open(&self.run)?;
        let data = self.data.load_for(run.data(), run.seed())?;
        if let Some(path) = &self.weights_out {
            run.encoder(&data)?.save_weights(path)?;
            println!("{}", path.display());
        }
        if let Some(out) = &self.out {
            let examples = self.part.of(&data);
            let rows = run.embed(&data, examples)?;
            for path in write_embeddings(out, rows.view(), examples)? {
                println!("{}", path.display());
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
