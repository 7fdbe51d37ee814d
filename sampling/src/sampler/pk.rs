//! Batches of P classes with K examples each.

use rand::Rng;
use rand::seq::SliceRandom;

use super::BatchSampler;
use super::classes::{Classes, fresh_group, groups, none_zero};
use super::deal::{deal, deals};
use crate::SamplerError;

/// Batches of exactly `P` classes with `K` examples each (Hermans et al., *In Defense of the Triplet Loss*, 2017,
/// <https://arxiv.org/abs/1703.07737>, section 2), in which every example comes at least once an epoch.
///
/// 1. Each class is shuffled and cut into groups of `K`. The last group is topped up with other examples of the class, or,
///    in a class smaller than `K`, with repeats; otherwise the examples of a group are distinct.
/// 2. Each batch takes one group from each of the `P` classes with most groups left, ties at random. Where fewer than
///    `P` classes have any left, others are drawn at random and give a fresh group of random examples.
/// 3. The batches are shuffled.
///
/// Taking from the fullest classes first gives the least possible number of batches. With `cᵢ = ⌈nᵢ / K⌉` groups in
/// class `i`:
/// ```text
/// batches = max( maxᵢ cᵢ, ⌈Σ cᵢ / P⌉ ),    extra draws = batches · P · K − n
/// ```
/// In balanced sets the second term decides and extras only fill up groups and the last batch. One class with more groups than
/// all others have batches for makes the first term decide: small classes are then drawn again to keep it company.
///
/// Cost of an epoch: `O(n + g log C)` for `C` classes and `g` groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PkSampler {
    classes: Classes,
    p: usize,
    k: usize,
}

impl PkSampler {
    /// A sampler for examples `0..labels.len()`.
    ///
    /// # Errors
    ///
    /// [`SamplerError::Zero`] if `p` or `k` is zero, [`SamplerError::Empty`] without labels, and
    /// [`SamplerError::TooFewClasses`] if there are fewer than `p` classes, or only one.
    pub fn new(labels: &[u32], p: usize, k: usize) -> Result<Self, SamplerError> {
        none_zero(&[("p", p), ("k", k)])?;
        let classes = Classes::new(labels, p.max(2))?;
        Ok(Self { classes, p, k })
    }

    /// Classes in a batch.
    pub fn p(&self) -> usize {
        self.p
    }

    /// Examples of each class in a batch.
    pub fn k(&self) -> usize {
        self.k
    }

    /// Number of batches in every epoch.
    pub fn batches_per_epoch(&self) -> usize {
        let groups = self
            .classes
            .iter()
            .map(|class| class.len().div_ceil(self.k));
        deals(groups, self.p)
    }

    /// The batches of one epoch; in each, the examples of a class stand together.
    pub fn epoch<R: Rng + ?Sized>(&self, rng: &mut R) -> Vec<Vec<usize>> {
        let piles = self.classes.iter();
        let piles = piles.map(|class| groups(class, self.k, rng)).collect();
        let dealt = deal(piles, self.p, rng, |class, rng| {
            fresh_group(self.classes.members(class), self.k, rng)
        });
        let mut batches: Vec<Vec<usize>> = dealt.into_iter().map(|batch| batch.concat()).collect();
        batches.shuffle(rng);
        batches
    }
}

impl BatchSampler for PkSampler {
    fn epoch(&self, rng: &mut dyn Rng) -> Vec<Vec<usize>> {
        self.epoch(rng)
    }

    fn batches_per_epoch(&self) -> usize {
        self.batches_per_epoch()
    }

    fn examples(&self) -> usize {
        self.classes.examples()
    }

    fn smallest_batch(&self) -> usize {
        self.p * self.k
    }
}
