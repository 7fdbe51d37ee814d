//! What can go wrong between ranks.

use std::time::Duration;

/// Why an exchange failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CollectiveError {
    /// A rank is gone: it has dropped its end, or panicked.
    #[error("all ranks must take part, but rank {rank} has left")]
    Left {
        /// The first such rank.
        rank: usize,
    },
    /// A rank has not sent its message in time.
    #[error("rank {rank} must send its message within {timeout:?}, but did not")]
    TimedOut {
        /// The first such rank.
        rank: usize,
        /// How long this one waited.
        timeout: Duration,
    },
    /// A rank is in another call.
    #[error("all ranks must make the same call, here {expected}, but rank {rank} is in {got}")]
    OtherCall {
        /// The first such rank.
        rank: usize,
        /// The call of this rank.
        expected: &'static str,
        /// Its call.
        got: &'static str,
    },
    /// A rank gave another argument to the same call.
    #[error("{name} must be the same for all ranks, here {expected}, but rank {rank} gave {got}")]
    OtherArgument {
        /// The first such rank.
        rank: usize,
        /// Name of the argument.
        name: &'static str,
        /// The argument of this rank.
        expected: u64,
        /// Its argument.
        got: u64,
    },
    /// A number that names no rank.
    #[error("rank must be below the number of ranks ({size}), got {rank}")]
    UnknownRank {
        /// The number.
        rank: usize,
        /// Number of ranks.
        size: usize,
    },
    /// Not one message a rank.
    #[error("{size} ranks need as many messages, got {messages}")]
    MessageCount {
        /// Number of ranks.
        size: usize,
        /// Messages given.
        messages: usize,
    },
    /// A message that none of the calls sends.
    #[error("a message of {bytes} bytes from rank {rank} is none of these calls'")]
    Garbled {
        /// The sender.
        rank: usize,
        /// Length of the message.
        bytes: usize,
    },
    /// MPI was not started, or was before.
    #[error("MPI must be started once by this crate, but is not to be had")]
    NoMpi,
}
