use std::process::ExitCode;

use clap::Args;
use metric_bench::speed::{Report, Request, Settings, laws, measure};

/// Time one operation on seeded data, and how much memory it takes.
///
/// OP is pairwise:DISTANCE, pair:DISTANCE (a single pair), knn:DISTANCE, kmeans, kmeans++ (the start),
/// loss:NAME (forward and backward), miner:NAME, evaluate, product (a bare matrix product, N x D x N) or
/// `train_step:NET` (conv4, resnet18 or mlp: forward, backward and optimizer on a batch of N) or views:RECIPE
/// (of N images, D x D pixels); laws:DISTANCE shows instead how well the laws hold for
/// rows near 1e4. An unknown name lists them all. A first repetition is not counted.
#[derive(Debug, Args)]
pub(crate) struct SpeedArgs {
    /// The operation
    #[arg(long, value_name = "OP")]
    op: String,
    /// Rows [default: 1024, or classes x examples of a class]
    #[arg(long, value_name = "N")]
    n: Option<usize>,
    /// Numbers in a row [default: 128]
    #[arg(long, value_name = "D")]
    dim: Option<usize>,
    /// Classes [default: as many as fit]
    #[arg(long, value_name = "C")]
    classes: Option<usize>,
    /// Examples of a class [default: 4]
    #[arg(long, value_name = "P")]
    per_class: Option<usize>,
    /// Neighbours, or clusters [default: 10]
    #[arg(long, value_name = "K")]
    k: Option<usize>,
    /// Query rows; 0 asks for the neighbours of the rows among themselves [default: 0]
    #[arg(long, value_name = "Q")]
    queries: Option<usize>,
    /// Threads [default: all]
    #[arg(long, value_name = "T")]
    threads: Option<usize>,
    /// Repetitions that count [default: 5]
    #[arg(long, value_name = "R")]
    repeat: Option<usize>,
    /// data=normal, uniform or clusters; p=P of minkowski; margin=M of a miner; iterations=I and
    /// variant=lloyd or hamerly of kmeans; trials=T of kmeans++; `num_classes=C` of a loss against
    /// classes; mining=none or `semi_hard` of the triplet loss; engine=tiles, burn or ndarray of product;
    /// channels=1 or 3 of views
    #[arg(long = "param", value_name = "KEY=VALUE", value_parser = key_value)]
    params: Vec<(String, String)>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

impl SpeedArgs {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let settings = Settings::new(&Request {
            n: self.n,
            dim: self.dim,
            classes: self.classes,
            per_class: self.per_class,
            k: self.k,
            queries: self.queries,
            threads: self.threads,
            repeat: self.repeat,
            params: self.params.into_iter().collect(),
        })?;
        if self.op.starts_with("laws:") {
            println!("{}", serde_json::to_string(&laws(&self.op, &settings)?)?);
            return Ok(ExitCode::SUCCESS);
        }
        let report = measure(&self.op, &settings)?;
        if self.json {
            println!("{}", serde_json::to_string(&report)?);
        } else {
            println!("{}", text(&report));
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.into(), value.into()))
}

fn text(report: &Report) -> String {
    let or_unknown = |value: Option<f64>, unit: &str| match value {
        Some(value) => format!("{} {unit}", readable(value)),
        None => "unknown".into(),
    };
    format!(
        "{}, {} x {}, {} threads: median {} ms, least {} ms, processors {}, peak memory {}, of which beyond its inputs {}",
        report.op,
        report.n,
        report.dim,
        report.threads,
        readable(report.median_ms),
        readable(report.min_ms),
        or_unknown(report.cpu_ms, "ms"),
        or_unknown(report.peak_rss_mb, "MB"),
        or_unknown(report.extra_rss_mb, "MB"),
    )
}

/// Three digits that count: a single pair takes nanoseconds, an evaluation minutes.
fn readable(value: f64) -> String {
    let digits = if value > 0.0 {
        (2.0 - value.log10().floor()).clamp(0.0, 9.0)
    } else {
        0.0
    };
    format!("{value:.*}", digits as usize)
}
