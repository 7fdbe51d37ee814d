//! Plain shuffled batches.

use rand::Rng;
use rand::seq::SliceRandom;

use super::BatchSampler;
use crate::SamplerError;

/// Shuffles all examples and cuts them into batches; every example comes exactly once an epoch.
///
/// The last batch holds what is left and may be smaller. For losses against class weights, which need no partners in the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UniformSampler {
    examples: usize,
    batch_size: usize,
}

impl UniformSampler {
    /// A sampler for examples `0..examples`.
    ///
    /// # Errors
    ///
    /// [`SamplerError::Empty`] without examples, [`SamplerError::Zero`] if `batch_size` is zero.
    pub fn new(examples: usize, batch_size: usize) -> Result<Self, SamplerError> {
        if examples == 0 {
            return Err(SamplerError::Empty);
        }
        if batch_size == 0 {
            return Err(SamplerError::Zero { name: "batch_size" });
        }
        Ok(Self {
            examples,
            batch_size,
        })
    }
}

impl BatchSampler for UniformSampler {
    fn epoch(&self, rng: &mut dyn Rng) -> Vec<Vec<usize>> {
        let mut order: Vec<usize> = (0..self.examples).collect();
        order.shuffle(rng);
        order
            .chunks(self.batch_size)
            .map(<[usize]>::to_vec)
            .collect()
    }

    fn batches_per_epoch(&self) -> usize {
        self.examples.div_ceil(self.batch_size)
    }

    fn examples(&self) -> usize {
        self.examples
    }

    fn smallest_batch(&self) -> usize {
        match self.examples % self.batch_size {
            0 => self.batch_size,
            rest => rest,
        }
    }
}
