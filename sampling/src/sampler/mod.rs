//! Batch samplers: which examples of the training set meet in a batch.

mod balanced;
mod category;
mod classes;
mod coreset;
mod deal;
mod distance_histogram;
mod distance_matching;
mod embedded;
mod hard_class;
mod hierarchical;
mod pk;
mod pools;
mod sharded;
mod stream;
mod two_level;
mod uniform;

pub use balanced::{ClassBalancedSampler, ClassShares};
pub use category::CategorySampler;
pub use coreset::{CoresetSampler, k_center_greedy};
pub use distance_histogram::DistanceHistogram;
pub use distance_matching::{DistanceMatchingSampler, match_distances};
pub use hard_class::HardClassSampler;
pub use hierarchical::HierarchicalSampler;
pub use pk::PkSampler;
pub use sharded::{Sharded, Share};
pub use stream::{BatchStream, EpochStream, PkStream, RandomBatches, StreamState};
pub use uniform::UniformSampler;

use rand::Rng;

/// Cuts a training set into the batches of an epoch.
pub trait BatchSampler {
    /// The batches of one epoch, as indices of examples, none empty. Every example comes at least once, unless a sampler
    /// says otherwise.
    fn epoch(&self, rng: &mut dyn Rng) -> Vec<Vec<usize>>;

    /// Number of batches in every epoch.
    fn batches_per_epoch(&self) -> usize;

    /// Number of examples it draws from.
    fn examples(&self) -> usize;

    /// Fewest examples that a batch can have; 1 where a sampler does not say.
    fn smallest_batch(&self) -> usize {
        1
    }
}
