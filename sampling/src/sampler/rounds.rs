//! Rounds in which every class with examples left gives `K` of them, and a rule that says which `P` of the waiting meet.

use rand::Rng;
use rand::seq::SliceRandom;

use super::classes::{Classes, company, fresh_group, groups, none_zero};
use crate::SamplerError;

/// `K` examples of a class, waiting for company.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) class: usize,
    pub(super) examples: Vec<usize>,
}

/// What samplers that choose company by embeddings share.
///
/// Each class is cut into groups of `K` as by [`PkSampler`](super::PkSampler). In round `r` every class with more than `r`
/// groups gives one; while more than `P` wait, the rule takes `P` of a pool of them, and the rest meet in the last batch of the
/// round, which is filled up with fresh groups of other classes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rounds {
    pub(super) classes: Classes,
    pub(super) p: usize,
    pub(super) k: usize,
}

impl Rounds {
    pub(super) fn new(labels: &[u32], p: usize, k: usize) -> Result<Self, SamplerError> {
        none_zero(&[("p", p), ("k", k)])?;
        let classes = Classes::new(labels, p.max(2))?;
        Ok(Self { classes, p, k })
    }

    /// `Σ_r ⌈C_r / P⌉` for `C_r` classes with more than `r` groups.
    pub(super) fn batches_per_epoch(&self) -> usize {
        let mut sizes: Vec<usize> = self
            .classes
            .iter()
            .map(|c| c.len().div_ceil(self.k))
            .collect();
        sizes.sort_unstable();
        let (mut before, mut batches) = (0, 0);
        for (at, &size) in sizes.iter().enumerate() {
            batches += (size - before) * (sizes.len() - at).div_ceil(self.p);
            before = size;
        }
        batches
    }

    /// The batches of an epoch. `choose` gets a pool of more than `P` groups of different classes, in random order, and names
    /// `P` of them by their positions, the first of them 0.
    pub(super) fn epoch<R: Rng + ?Sized>(
        &self,
        pool: usize,
        rng: &mut R,
        mut choose: impl FnMut(&[Waiting]) -> Vec<usize>,
    ) -> Vec<Vec<usize>> {
        let mut left: Vec<Vec<Vec<usize>>> = self
            .classes
            .iter()
            .map(|class| groups(class, self.k, rng))
            .collect();
        let mut batches = Vec::with_capacity(self.batches_per_epoch());
        loop {
            let mut waiting: Vec<Waiting> = left
                .iter_mut()
                .enumerate()
                .filter_map(|(class, groups)| {
                    groups.pop().map(|examples| Waiting { class, examples })
                })
                .collect();
            if waiting.is_empty() {
                break;
            }
            waiting.shuffle(rng);
            while waiting.len() > self.p {
                let pool = &waiting[..pool.clamp(self.p, waiting.len())];
                let mut chosen = choose(pool);
                let batch = chosen.iter().flat_map(|&at| &pool[at].examples);
                batches.push(batch.copied().collect());
                // From the back, so that the positions of the others stand.
                chosen.sort_unstable_by(|a, b| b.cmp(a));
                for at in chosen {
                    waiting.swap_remove(at);
                }
            }
            let present: Vec<usize> = waiting.iter().map(|one| one.class).collect();
            let mut batch: Vec<usize> = waiting.into_iter().flat_map(|one| one.examples).collect();
            for class in company(&present, self.p, self.classes.len(), rng) {
                batch.extend(fresh_group(self.classes.members(class), self.k, rng));
            }
            batches.push(batch);
        }
        batches.shuffle(rng);
        batches
    }
}
