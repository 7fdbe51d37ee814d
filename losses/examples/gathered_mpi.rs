//! Losses over the rows of several processes: `mpirun -n 3 gathered_mpi` ends with an error unless every rank has the
//! losses and gradients of one process over the whole batch, and all have the same bits.

use metric_core::collective::{Collective, CollectiveError, Mpi, all_gather};

#[path = "../tests/ranks/mod.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
mod ranks;

fn main() -> Result<(), CollectiveError> {
    // Dropped in a panic it ends all processes.
    let ranks = Mpi::start()?;
    let bits = ranks::assert_is_one_process(&ranks);
    let bits: Vec<i64> = bits.into_iter().map(u64::cast_signed).collect();
    let all = all_gather(&ranks, &bits)?;
    let same = all.iter().all(|other| *other == bits);
    assert!(same, "all ranks have the same bits");
    let (rank, size) = (ranks.rank(), ranks.size());
    eprintln!(
        "rank {rank} of {size}: {} numbers as in one process",
        bits.len()
    );
    Ok(())
}
