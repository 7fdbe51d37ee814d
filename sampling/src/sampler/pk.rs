//! Batches of P classes with K examples each.

use std::collections::{BTreeMap, BinaryHeap};

use rand::seq::{SliceRandom, index};
use rand::{Rng, RngExt};

use super::BatchSampler;
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
    /// Examples of each class, in order of the labels.
    classes: Vec<Vec<usize>>,
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
        for (name, value) in [("p", p), ("k", k)] {
            if value == 0 {
                return Err(SamplerError::Zero { name });
            }
        }
        if labels.is_empty() {
            return Err(SamplerError::Empty);
        }
        let mut classes: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for (example, &label) in labels.iter().enumerate() {
            classes.entry(label).or_default().push(example);
        }
        let needed = p.max(2);
        if classes.len() < needed {
            return Err(SamplerError::TooFewClasses {
                classes: classes.len(),
                needed,
            });
        }
        Ok(Self {
            classes: classes.into_values().collect(),
            p,
            k,
        })
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
        let groups = || {
            self.classes
                .iter()
                .map(|class| class.len().div_ceil(self.k))
        };
        let most = groups().max().unwrap_or(0);
        most.max(groups().sum::<usize>().div_ceil(self.p))
    }

    /// The batches of one epoch; in each, the examples of a class stand together.
    pub fn epoch<R: Rng + ?Sized>(&self, rng: &mut R) -> Vec<Vec<usize>> {
        let mut groups: Vec<Vec<Vec<usize>>> = self
            .classes
            .iter()
            .map(|class| self.groups(class, rng))
            .collect();
        // The random number breaks ties; it is drawn anew with each group.
        let mut waiting: BinaryHeap<(usize, u32, usize)> = (0..groups.len())
            .map(|class| (groups[class].len(), rng.random(), class))
            .collect();
        let mut batches = Vec::with_capacity(self.batches_per_epoch());
        let mut taken = Vec::with_capacity(self.p);
        while !waiting.is_empty() {
            taken.clear();
            taken.extend(
                (0..self.p)
                    .map_while(|_| waiting.pop())
                    .map(|(_, _, class)| class),
            );
            let mut batch: Vec<usize> = taken
                .iter()
                .filter_map(|&class| groups[class].pop())
                .flatten()
                .collect();
            waiting.extend(
                taken
                    .iter()
                    .filter(|&&class| !groups[class].is_empty())
                    .map(|&class| (groups[class].len(), rng.random(), class)),
            );
            if taken.len() < self.p {
                // P distinct classes hold at least as many new ones as the batch lacks.
                let company = index::sample(rng, self.classes.len(), self.p);
                let company = company.into_iter().filter(|class| !taken.contains(class));
                for class in company.take(self.p - taken.len()) {
                    batch.extend(self.fresh_group(&self.classes[class], rng));
                }
            }
            batches.push(batch);
        }
        batches.shuffle(rng);
        batches
    }

    /// The whole class in groups of K, in random order.
    fn groups<R: Rng + ?Sized>(&self, class: &[usize], rng: &mut R) -> Vec<Vec<usize>> {
        let mut order = class.to_vec();
        order.shuffle(rng);
        let mut groups: Vec<Vec<usize>> = order.chunks(self.k).map(<[usize]>::to_vec).collect();
        if let Some(last) = groups.last_mut() {
            let missing = self.k - last.len();
            // Members of the last group end the order, so those before it are not in it.
            let others = &order[..order.len() - last.len()];
            if others.is_empty() {
                last.extend((0..missing).map(|_| class[rng.random_range(0..class.len())]));
            } else {
                last.extend(
                    index::sample(rng, others.len(), missing)
                        .into_iter()
                        .map(|i| others[i]),
                );
            }
        }
        groups
    }

    /// K random examples of a class, distinct if it has as many.
    fn fresh_group<R: Rng + ?Sized>(&self, class: &[usize], rng: &mut R) -> Vec<usize> {
        if class.len() >= self.k {
            index::sample(rng, class.len(), self.k)
                .into_iter()
                .map(|i| class[i])
                .collect()
        } else {
            self.groups(class, rng).remove(0)
        }
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
        self.classes.iter().map(Vec::len).sum()
    }
}
