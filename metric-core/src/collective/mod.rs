//! Exchange between ranks: processes, machines or threads that run the same program on parts of the data.
//!
//! A [`Collective`] moves bytes; the functions here gather, add and spread numbers over any of them. All ranks make the
//! same calls in the same order. What they get is in the order of the ranks, and sums are added in that order, so every
//! rank has the same bits.
//!
//! [`InProcess`] is a group of threads. With the feature `mpi`, `Mpi` is the processes started by `mpirun`.
//!
//! ```
//! use metric_core::collective::{Collective, InProcess, all_gather, all_reduce_sum};
//!
//! let ranks = InProcess::group(3).into_iter().map(|rank| {
//!     std::thread::spawn(move || {
//!         let mine = vec![rank.rank() as f32; rank.rank()];
//!         let all = all_gather(&rank, &mine)?;
//!         assert_eq!(all, [vec![], vec![1.0], vec![2.0, 2.0]]);
//!         let mut sum = [1.0, rank.rank() as f64];
//!         all_reduce_sum(&rank, &mut sum)?;
//!         assert_eq!(sum, [3.0, 0.0 + 1.0 + 2.0]);
//!         Ok::<(), metric_core::collective::CollectiveError>(())
//!     })
//! });
//! for rank in ranks.collect::<Vec<_>>() {
//!     rank.join().expect("no rank panics")?;
//! }
//! # Ok::<(), metric_core::collective::CollectiveError>(())
//! ```

mod call;
mod error;
mod in_process;
#[cfg(feature = "mpi")]
mod mpi;
mod operations;

pub use call::Number;
pub use error::CollectiveError;
pub use in_process::InProcess;
#[cfg(feature = "mpi")]
pub use mpi::Mpi;
pub use operations::{all_gather, all_reduce_sum, broadcast};

/// One rank's end of a group that exchanges messages. Object-safe.
pub trait Collective {
    /// Number of this rank, from 0.
    fn rank(&self) -> usize;

    /// Number of ranks.
    fn size(&self) -> usize;

    /// Sends `messages[r]` to rank `r`, itself included, and returns what every rank sent to this one, in the order of
    /// the ranks. Messages may differ in length.
    ///
    /// # Errors
    ///
    /// [`CollectiveError`] if there is not one message a rank, or if the exchange fails.
    fn exchange(&self, messages: &[&[u8]]) -> Result<Vec<Vec<u8>>, CollectiveError>;
}
