use serde::Serialize;

use super::clock::Clock;
use super::{Op, Settings, SpeedError, find, memory};

/// What an operation took.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Its name.
    pub op: String,
    /// Rows.
    pub n: usize,
    /// Numbers in a row.
    pub dim: usize,
    /// Threads.
    pub threads: usize,
    /// Median over the repetitions.
    pub median_ms: f64,
    /// Least over the repetitions.
    pub min_ms: f64,
    /// User and system time of all threads, median over the repetitions.
    pub cpu_ms: Option<f64>,
    /// The most that was resident while it ran, in MB (2^20 bytes).
    pub peak_rss_mb: Option<f64>,
    /// The same, less what was resident once its inputs existed.
    pub extra_rss_mb: Option<f64>,
}

/// Times the operation called `name`, on threads of its own.
///
/// A first repetition that does not count comes before those that do; memory is watched through all of them.
///
/// # Errors
/// [`SpeedError`] for an unknown name or parameter, or if the operation refuses its input.
pub fn measure(name: &str, settings: &Settings) -> Result<Report, SpeedError> {
    let op = find(name)?;
    settings.check_params(name, op.params)?;
    let threads = settings.threads;
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|source| SpeedError::Threads { threads, source })?
        .install(|| repeat(&op, settings))
}

fn repeat(op: &Op, settings: &Settings) -> Result<Report, SpeedError> {
    let mut work = (op.prepare)(settings)?;
    let calls = f64::from(work.calls);
    let before = memory::resident_mb();
    let is_reset = memory::reset_peak();
    (work.run)()?;
    let (mut wall, mut cpu) = (Vec::new(), Vec::new());
    for _ in 0..settings.repeat {
        let start = Clock::now();
        (work.run)()?;
        wall.push(start.wall_ms() / calls);
        cpu.extend(start.cpu_ms().map(|ms| ms / calls));
    }
    let peak = memory::peak_mb();
    let extra = match (peak, before) {
        (Some(peak), Some(before)) if is_reset => Some((peak - before).max(0.0)),
        _ => None,
    };
    Ok(Report {
        op: op.name.clone(),
        n: settings.n,
        dim: settings.dim,
        threads: settings.threads,
        min_ms: wall.iter().copied().fold(f64::INFINITY, f64::min),
        median_ms: median(wall).unwrap_or(f64::NAN),
        cpu_ms: median(cpu),
        peak_rss_mb: peak,
        extra_rss_mb: extra,
    })
}

/// The middle value, or the mean of the two.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = values.len() / 2;
    let &high = values.get(upper)?;
    Some(if values.len() % 2 == 1 {
        high
    } else {
        f64::midpoint(values[upper - 1], high)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_the_mean_of_two() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 10.0]), Some(3.0));
        assert_eq!(median(vec![]), None);
    }
}
