//! Batch samplers: which examples of the training set meet in a batch.

mod classes;
mod deal;
mod pk;
mod stream;
mod uniform;

pub use pk::PkSampler;
pub use stream::{BatchStream, EpochStream, PkStream, RandomBatches, StreamState};
pub use uniform::UniformSampler;

use rand::Rng;

/// Cuts a training set into the batches of an epoch.
pub trait BatchSampler {
    /// The batches of one epoch, as indices of examples. Every example comes at least once.
    fn epoch(&self, rng: &mut dyn Rng) -> Vec<Vec<usize>>;

    /// Number of batches in every epoch.
    fn batches_per_epoch(&self) -> usize;

    /// Number of examples it draws from.
    fn examples(&self) -> usize;
}
