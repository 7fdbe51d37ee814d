//! `metric`: learn a metric space from labelled examples, judge it, use it.
#![expect(
    clippy::print_stdout,
    reason = "a program's results go to standard output"
)]

mod cli;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    metric_core::simd::keep_pages();
    match cli::Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            // One line, whatever the causes say.
            let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
            let mut message = causes[0].clone();
            for cause in &causes[1..] {
                if !message.contains(cause.as_str()) {
                    message = format!("{message}: {cause}");
                }
            }
            eprintln!("error: {}", message.replace('\n', " "));
            ExitCode::from(2)
        }
    }
}
