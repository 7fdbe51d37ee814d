use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use metric_bench::conformance::{Filter, Precision, json_lines, run, text_lines};

/// Check the operations against reference cases: files SUITE.json and SUITE.safetensors.
///
/// Exit status 0 only if every case passes; operations not built count as failed.
#[derive(Debug, Args)]
pub(crate) struct ConformanceArgs {
    /// Folder of the cases
    dir: PathBuf,
    /// Only this suite
    #[arg(long)]
    suite: Option<String>,
    /// Only this operation
    #[arg(long)]
    op: Option<String>,
    /// f32, or f64 where the code is generic
    #[arg(long, default_value = "f32")]
    precision: Precision,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

impl ConformanceArgs {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let filter = Filter {
            suite: self.suite,
            op: self.op,
        };
        let reports = run(&self.dir, &filter, self.precision)?;
        for reason in reports.iter().flat_map(|report| &report.reasons) {
            eprintln!("{reason}");
        }
        let lines = if self.json {
            json_lines(&reports)
        } else {
            text_lines(&reports)
        };
        print!("{lines}");
        let passed = reports.iter().all(|report| report.is_passed());
        Ok(if passed {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}
