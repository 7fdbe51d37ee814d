//! Batches shared out to several processes.

use rand::Rng;

use super::BatchSampler;
use super::classes::none_zero;
use crate::SamplerError;

/// What each process gets of an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// A part of every batch: the processes take a step on one batch together. A batch of `b` is cut, in its order, into parts
    /// of `⌊b / ranks⌋` or `⌈b / ranks⌉` examples, so that classes that stand together stay so.
    PartOfEach,
    /// Every `ranks`-th batch. Where the last `m` of them are fewer than the processes, they are joined and cut into a part
    /// for each: smaller batches, but none left out or given twice.
    WholeBatches,
}

/// One process's share of the batches of a sampler.
///
/// Every process builds the same sampler, with its own rank, and draws from a generator with the same seed. Then in every epoch
/// - the shares of two ranks have no place in a batch in common,
/// - together they are all batches that the sampler gives, and
/// - all ranks get the same number of batches, none of them empty.
///
/// An [`EpochStream`](super::EpochStream) of it saves and restores as any other; the state is that of one rank.
///
/// Cost: every process draws the whole epoch.
///
/// # Examples
///
/// ```
/// use metric_sampling::{BatchSampler, Share, Sharded, UniformSampler};
/// use rand::SeedableRng;
/// let sampler = UniformSampler::new(8, 4)?;
/// let mut all = Vec::new();
/// for rank in 0..2 {
///     let shard = Sharded::new(sampler, rank, 2, Share::PartOfEach)?;
///     let epoch = shard.epoch(&mut rand_chacha::ChaCha8Rng::seed_from_u64(1));
///     assert!(epoch.iter().all(|batch| batch.len() == 2));
///     all.extend(epoch.concat());
/// }
/// all.sort();
/// assert_eq!(all, [0, 1, 2, 3, 4, 5, 6, 7]);
/// # Ok::<(), metric_sampling::SamplerError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sharded<S> {
    sampler: S,
    rank: usize,
    ranks: usize,
    share: Share,
}

impl<S: BatchSampler> Sharded<S> {
    /// The share of process `rank` of `ranks`.
    ///
    /// # Errors
    ///
    /// [`SamplerError::Zero`] without ranks, [`SamplerError::UnknownRank`] if `rank` is not below `ranks`, and
    /// [`SamplerError::SmallShard`] if [`smallest_batch`](BatchSampler::smallest_batch) leaves a process without an example.
    pub fn new(sampler: S, rank: usize, ranks: usize, share: Share) -> Result<Self, SamplerError> {
        none_zero(&[("ranks", ranks)])?;
        if rank >= ranks {
            return Err(SamplerError::UnknownRank { rank, ranks });
        }
        let shard = Self {
            sampler,
            rank,
            ranks,
            share,
        };
        let smallest = shard.least_shared();
        if smallest < ranks {
            let needed = ranks;
            return Err(SamplerError::SmallShard { smallest, needed });
        }
        Ok(shard)
    }

    /// The sampler whose batches are shared out.
    pub fn sampler(&self) -> &S {
        &self.sampler
    }

    /// The same, to refresh it: alike on all ranks.
    pub fn sampler_mut(&mut self) -> &mut S {
        &mut self.sampler
    }

    /// Fewest examples that are cut into parts.
    fn least_shared(&self) -> usize {
        let smallest = self.sampler.smallest_batch();
        match self.share {
            Share::PartOfEach => smallest,
            Share::WholeBatches => match self.sampler.batches_per_epoch() % self.ranks {
                0 => self.ranks,
                joined => joined.saturating_mul(smallest),
            },
        }
    }

    /// This rank's part of some examples.
    fn part(&self, batch: &[usize]) -> Vec<usize> {
        let cut = |rank| batch.len() * rank / self.ranks;
        batch[cut(self.rank)..cut(self.rank + 1)].to_vec()
    }
}

impl<S: BatchSampler> BatchSampler for Sharded<S> {
    fn epoch(&self, rng: &mut dyn Rng) -> Vec<Vec<usize>> {
        let mut all = self.sampler.epoch(rng);
        match self.share {
            Share::PartOfEach => all.iter().map(|batch| self.part(batch)).collect(),
            Share::WholeBatches => {
                let joined = all.split_off(all.len() - all.len() % self.ranks).concat();
                let own = all.into_iter().skip(self.rank).step_by(self.ranks);
                let rest = (!joined.is_empty()).then(|| self.part(&joined));
                own.chain(rest).collect()
            }
        }
    }

    fn batches_per_epoch(&self) -> usize {
        let batches = self.sampler.batches_per_epoch();
        match self.share {
            Share::PartOfEach => batches,
            Share::WholeBatches => batches.div_ceil(self.ranks),
        }
    }

    fn examples(&self) -> usize {
        self.sampler.examples()
    }

    fn smallest_batch(&self) -> usize {
        let cut = self.least_shared() / self.ranks;
        match self.share {
            Share::PartOfEach => cut,
            Share::WholeBatches if self.sampler.batches_per_epoch().is_multiple_of(self.ranks) => {
                self.sampler.smallest_batch()
            }
            Share::WholeBatches => cut.min(self.sampler.smallest_batch()),
        }
    }
}
