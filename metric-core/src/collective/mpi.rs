//! Ranks that are processes started by `mpirun`, on one machine or on several.

use std::fmt;

use mpi::Threading;
use mpi::datatype::{Partition, PartitionMut};
use mpi::environment::Universe;
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator, CommunicatorCollectives};

use super::{Collective, CollectiveError};

/// Most bytes of a message that go in one call, which MPI counts in 31 bits and which are copied: as many calls for
/// every rank as the longest message of all needs.
const PART: usize = 1 << 20;

/// A rank among the processes of an MPI job.
///
/// MPI is shut down when it is dropped, which waits for all ranks. If that happens in a panic the whole job is aborted,
/// so that no rank waits for ever for one that is gone; errors of MPI itself abort it too. A rank that gives up without
/// a panic must call [`abort`](Self::abort).
pub struct Mpi {
    world: SimpleCommunicator,
    _universe: Universe,
}

impl fmt::Debug for Mpi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mpi")
            .field("rank", &self.rank())
            .field("size", &self.size())
            .finish_non_exhaustive()
    }
}

impl Mpi {
    /// Starts MPI; a process not started by `mpirun` is a group of one.
    ///
    /// # Errors
    ///
    /// [`CollectiveError::NoMpi`] if it was started in this process before.
    pub fn start() -> Result<Self, CollectiveError> {
        // Other threads may run, but only this one talks to MPI.
        let (universe, _) =
            mpi::initialize_with_threading(Threading::Funneled).ok_or(CollectiveError::NoMpi)?;
        Ok(Self {
            world: universe.world(),
            _universe: universe,
        })
    }

    /// Ends the processes of all ranks at once.
    pub fn abort(&self, exit_code: i32) -> ! {
        self.world.abort(exit_code)
    }
}

impl Drop for Mpi {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.abort(101);
        }
    }
}

impl Collective for Mpi {
    fn rank(&self) -> usize {
        // MPI's ranks are not negative.
        self.world.rank() as usize
    }

    fn size(&self) -> usize {
        self.world.size() as usize
    }

    fn exchange(&self, messages: &[&[u8]]) -> Result<Vec<Vec<u8>>, CollectiveError> {
        let (rank, size) = (self.rank(), self.size());
        if messages.len() != size {
            let messages = messages.len();
            return Err(CollectiveError::MessageCount { size, messages });
        }
        let own: Vec<u64> = messages.iter().map(|m| m.len() as u64).collect();
        let mut lengths = vec![0u64; size * size]; // [from, to]
        self.world.all_gather_into(&own, &mut lengths);
        let limit = PART.min(i32::MAX as usize / size);
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let rounds = longest.div_ceil(limit as u64) as usize;
        let from: Vec<usize> = (0..size)
            .map(|from| lengths[from * size + rank] as usize)
            .collect();
        let mut received: Vec<Vec<u8>> = from.iter().map(|&n| Vec::with_capacity(n)).collect();
        for round in 0..rounds {
            let part =
                |length: usize| (round * limit).min(length)..((round + 1) * limit).min(length);
            let parts: Vec<&[u8]> = messages.iter().map(|m| &m[part(m.len())]).collect();
            let (counts, starts) = layout(parts.iter().map(|part| part.len()));
            let sent = parts.concat();
            let (counts_in, starts_in) = layout(from.iter().map(|&length| part(length).len()));
            let mut arrived = vec![0u8; counts_in.iter().map(|&n| n as usize).sum()];
            self.world.all_to_all_varcount_into(
                &Partition::new(&sent[..], counts, starts),
                &mut PartitionMut::new(&mut arrived[..], &counts_in[..], starts_in),
            );
            let mut rest = &arrived[..];
            for (message, &count) in received.iter_mut().zip(&counts_in) {
                let (part, others) = rest.split_at(count as usize);
                message.extend_from_slice(part);
                rest = others;
            }
        }
        Ok(received)
    }
}

/// Lengths and where each begins, as MPI counts; all fit by the choice of the limit.
fn layout(lengths: impl Iterator<Item = usize>) -> (Vec<i32>, Vec<i32>) {
    let counts: Vec<i32> = lengths.map(|n| n as i32).collect();
    let starts = counts.iter().scan(0, |next, &count| {
        let start = *next;
        *next += count;
        Some(start)
    });
    let starts = starts.collect();
    (counts, starts)
}
