//! Checks the exchange between processes: `mpirun -n 3 ranks` ends with an error if one rank gets something else than the
//! same calls give to threads. `mpirun -n 3 ranks panic` ends with an error because the last rank panics.

use std::process::ExitCode;
use std::thread;

use metric_core::collective::{
    Collective, CollectiveError, InProcess, Mpi, all_gather, all_reduce_sum, broadcast,
};

/// Everything a rank gets: gathered bits, sums' bits, what the last rank spread, and two refusals.
type Seen = (Vec<Vec<u32>>, Vec<u64>, Vec<i64>, [CollectiveError; 2]);

fn run(ranks: &dyn Collective) -> Result<Seen, CollectiveError> {
    let (rank, size) = (ranks.rank(), ranks.size());
    let numbers = (0..1000 * rank).map(|i| (i as f32 + 0.1) / (rank as f32 + 3.0));
    let all = all_gather(ranks, &numbers.collect::<Vec<_>>())?;
    let bits = |row: &Vec<f32>| row.iter().map(|v| v.to_bits()).collect();
    let all = all.iter().map(bits).collect();

    let mut sums: Vec<f64> = (0..1_000_003)
        .map(|i| 1.0 / f64::from(i + 7 * rank as i32 + 1))
        .collect();
    all_reduce_sum(ranks, &mut sums)?;
    let sums = sums.iter().map(|v| v.to_bits()).collect();

    let spread = broadcast(ranks, size - 1, &[rank as i64, -5])?;

    let refused = |result: Result<Vec<i64>, _>| result.expect_err("there is no such rank");
    let beyond = [
        refused(broadcast(ranks, size, &[1])),
        refused(broadcast(ranks, size + 1, &[1])),
    ];
    Ok((all, sums, spread, beyond))
}

fn main() -> ExitCode {
    let ranks = match Mpi::start() {
        Ok(ranks) => ranks,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    if std::env::args().any(|argument| argument == "panic") {
        assert!(ranks.rank() + 1 < ranks.size(), "as asked for");
    }
    let threads = InProcess::group(ranks.size()).into_iter();
    let threads: Vec<_> = threads.map(|r| thread::spawn(move || run(&r))).collect();
    let expected = threads.into_iter().map(thread::JoinHandle::join);
    let expected: Vec<_> = expected.map(|seen| seen.expect("threads agree")).collect();
    if run(&ranks) != expected[ranks.rank()] {
        eprintln!(
            "rank {} of {} got something else",
            ranks.rank(),
            ranks.size()
        );
        ranks.abort(1);
    }
    eprintln!(
        "rank {} of {}: as between threads",
        ranks.rank(),
        ranks.size()
    );
    ExitCode::SUCCESS
}
