//! Batches without end, from epoch to epoch, that can be stopped and resumed.

use rand::Rng;
use serde::{Deserialize, Serialize};

use super::{BatchSampler, PkSampler, UniformSampler};
use crate::SamplerError;

/// An endless supply of batches. Object-safe.
pub trait BatchStream {
    /// The next batch, as indices of examples. Draws from `rng` only where an epoch begins.
    fn next_batch(&mut self, rng: &mut dyn Rng) -> Vec<usize>;

    /// Where the stream stands; see [`resume`](Self::resume).
    fn state(&self) -> StreamState;

    /// Goes on where another stream with the same sampler stood.
    ///
    /// # Errors
    ///
    /// [`SamplerError::UnknownExample`] or [`SamplerError::EmptyBatch`] if the state is not one of this sampler; the
    /// stream is then left as it was.
    fn resume(&mut self, state: StreamState) -> Result<(), SamplerError>;

    /// Number of batches in every epoch.
    fn batches_per_epoch(&self) -> usize;
}

/// What a stream needs to go on, besides its sampler and the generator.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StreamState {
    /// Epochs begun.
    pub epoch: u64,
    /// Batches of the current epoch not yet given, last first.
    pub remaining: Vec<Vec<usize>>,
}

/// The epochs of a sampler, one after another.
///
/// A run that is stopped in mid-epoch resumes to the same batches from a [`StreamState`] and the state of the generator,
/// both stored at the same moment.
///
/// # Examples
///
/// ```
/// use metric_sampling::{BatchStream, PkSampler, PkStream};
/// use rand::SeedableRng;
/// let sampler = PkSampler::new(&[0, 0, 0, 1, 1, 1], 2, 2)?;
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(7);
/// let mut stream = PkStream::new(sampler.clone());
/// stream.next_batch(&mut rng);
/// let (mut resumed, mut same_rng) = (PkStream::restore(sampler, stream.state())?, rng.clone());
/// assert_eq!(stream.next_batch(&mut rng), resumed.next_batch(&mut same_rng));
/// # Ok::<(), metric_sampling::SamplerError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EpochStream<S> {
    sampler: S,
    state: StreamState,
}

/// Batches of P classes with K examples each.
pub type PkStream = EpochStream<PkSampler>;

/// Shuffled batches.
pub type RandomBatches = EpochStream<UniformSampler>;

impl<S: BatchSampler> EpochStream<S> {
    /// A stream that begins its first epoch with the first batch.
    pub fn new(sampler: S) -> Self {
        Self {
            sampler,
            state: StreamState::default(),
        }
    }

    /// A stream that goes on where another with the same sampler stood.
    ///
    /// # Errors
    ///
    /// As [`resume`](BatchStream::resume).
    pub fn restore(sampler: S, state: StreamState) -> Result<Self, SamplerError> {
        let mut stream = Self::new(sampler);
        stream.resume(state)?;
        Ok(stream)
    }

    /// Epochs begun.
    pub fn epoch(&self) -> u64 {
        self.state.epoch
    }

    /// The sampler it draws from.
    pub fn sampler(&self) -> &S {
        &self.sampler
    }

    /// The same, to refresh what it chooses by; the epoch that has begun stays as it was drawn.
    pub fn sampler_mut(&mut self) -> &mut S {
        &mut self.sampler
    }
}

impl<S: BatchSampler> BatchStream for EpochStream<S> {
    fn next_batch(&mut self, rng: &mut dyn Rng) -> Vec<usize> {
        loop {
            if let Some(batch) = self.state.remaining.pop() {
                return batch;
            }
            self.state.remaining = self.sampler.epoch(rng);
            self.state.remaining.reverse();
            self.state.epoch += 1;
        }
    }

    fn state(&self) -> StreamState {
        self.state.clone()
    }

    fn resume(&mut self, state: StreamState) -> Result<(), SamplerError> {
        let examples = self.sampler.examples();
        let mut given = state.remaining.iter().flatten();
        if let Some(&index) = given.find(|&&index| index >= examples) {
            return Err(SamplerError::UnknownExample { index, examples });
        }
        if let Some(batch) = state.remaining.iter().position(Vec::is_empty) {
            return Err(SamplerError::EmptyBatch { batch });
        }
        self.state = state;
        Ok(())
    }

    fn batches_per_epoch(&self) -> usize {
        self.sampler.batches_per_epoch()
    }
}
