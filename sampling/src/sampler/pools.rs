//! Random pools of groups of `K` examples, and a rule that says which `P` of a pool make a batch.

use rand::Rng;
use rand::seq::index;

use super::classes::{Classes, fresh_group, none_zero};
use crate::SamplerError;

/// What samplers that choose batches out of pools share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pools {
    classes: Classes,
    pub(super) p: usize,
    k: usize,
    pool: usize,
}

impl Pools {
    pub(super) fn new(
        labels: &[u32],
        p: usize,
        k: usize,
        pool: usize,
    ) -> Result<Self, SamplerError> {
        none_zero(&[("p", p), ("k", k), ("pool", pool)])?;
        let classes = Classes::new(labels, p.max(2))?;
        if pool < p {
            return Err(SamplerError::SmallPool { pool, needed: p });
        }
        Ok(Self {
            pool: pool.min(classes.len()),
            classes,
            p,
            k,
        })
    }

    pub(super) fn examples(&self) -> usize {
        self.classes.examples()
    }

    pub(super) fn batch_size(&self) -> usize {
        self.p * self.k
    }

    pub(super) fn batches_per_epoch(&self) -> usize {
        self.examples().div_ceil(self.batch_size())
    }

    /// As many batches as the set fills. `choose` gets groups of different classes in random order and names `P` of them
    /// by their positions.
    pub(super) fn epoch<R: Rng + ?Sized>(
        &self,
        rng: &mut R,
        mut choose: impl FnMut(&[Vec<usize>]) -> Vec<usize>,
    ) -> Vec<Vec<usize>> {
        let batches = (0..self.batches_per_epoch()).map(|_| {
            let classes = index::sample(rng, self.classes.len(), self.pool);
            let pool: Vec<Vec<usize>> = classes
                .into_iter()
                .map(|class| fresh_group(self.classes.members(class), self.k, rng))
                .collect();
            let chosen = choose(&pool).into_iter();
            chosen.flat_map(|at| pool[at].iter().copied()).collect()
        });
        batches.collect()
    }
}
