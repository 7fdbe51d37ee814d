//! Batches of classes that are hard to tell apart.

use metric_core::{Distance, Euclidean};
use ndarray::ArrayView2;
use rand::Rng;
use rand::seq::SliceRandom;

use super::BatchSampler;
use super::classes::{Classes, company, fresh_group, groups, none_zero};
use super::embedded::Embedded;
use crate::SamplerError;

/// Batches of a class and the `P − 1` classes with the nearest prototypes, `K` examples each (hard negative class mining:
/// Sohn, *Improved Deep Metric Learning with Multi-class N-pair Loss Objective*, 2016,
/// <https://papers.nips.cc/paper/6200>).
///
/// An epoch goes in rounds, in each of which every class with examples left gives `K`:
/// 1. A class is drawn from those that wait, and takes the `P − 1` waiting ones with the nearest prototypes (Euclidean; on unit
///    vectors the order of the cosine). Equal distances go to the one drawn first.
/// 2. Those left over at the end of a round meet in one batch, filled up with random other classes.
///
/// So every example comes at least once an epoch, and every batch has exactly `P` different classes and `K` examples of
/// each. The price is that company gets less hard towards the end of a round; seeds are drawn anew each round, so that it
/// hits other classes each time. With `C_r` classes of more than `r · K` examples,
/// ```text
/// batches = Σ_r ⌈C_r / P⌉
/// ```
/// Prototypes are those last given: the caller refreshes them, as a rule once an epoch, through
/// [`EpochStream::sampler_mut`](super::EpochStream::sampler_mut). A stream's state holds the batches of its epoch but no
/// prototypes; store [`prototypes`](Self::prototypes) beside it.
///
/// Deviates from the paper, which adds the class that violates the margin most to a greedily grown set: here all company is
/// near one class.
///
/// Cost of an epoch: `O(n + R C² dim / P)` time for `R` rounds and `C` classes, `O(n + C dim)` memory.
///
/// # Examples
///
/// ```
/// use metric_sampling::{BatchSampler, HardClassSampler};
/// use ndarray::array;
/// use rand::SeedableRng;
/// let prototypes = array![[0.0], [9.0], [1.0], [8.0]];
/// let sampler = HardClassSampler::with_prototypes(&[0, 1, 2, 3], 2, 1, prototypes.view())?;
/// for batch in sampler.epoch(&mut rand_chacha::ChaCha8Rng::seed_from_u64(1)) {
///     assert_eq!(batch[0] % 2, batch[1] % 2); // the even classes are near each other
/// }
/// # Ok::<(), metric_sampling::SamplerError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct HardClassSampler {
    classes: Classes,
    p: usize,
    k: usize,
    prototypes: Embedded,
}

impl HardClassSampler {
    /// A sampler for examples with these labels and embeddings `[n, dim]`, whose class means are the prototypes.
    ///
    /// # Errors
    ///
    /// Those of [`PkSampler::new`](super::PkSampler::new), [`SamplerError::Count`] if there is not one row an example, and
    /// [`SamplerError::Data`] if the rows have no columns or are not finite.
    pub fn new(
        labels: &[u32],
        p: usize,
        k: usize,
        embeddings: ArrayView2<'_, f32>,
    ) -> Result<Self, SamplerError> {
        let classes = checked(labels, p, k)?;
        let embeddings = Embedded::of("embeddings", embeddings, labels.len())?;
        let prototypes = embeddings.class_means(&classes);
        Ok(Self {
            classes,
            p,
            k,
            prototypes,
        })
    }

    /// A sampler with a prototype `[classes, dim]` for each class, in order of the labels.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), with one row a class.
    pub fn with_prototypes(
        labels: &[u32],
        p: usize,
        k: usize,
        prototypes: ArrayView2<'_, f32>,
    ) -> Result<Self, SamplerError> {
        let classes = checked(labels, p, k)?;
        let prototypes = Embedded::of("prototypes", prototypes, classes.len())?;
        Ok(Self {
            classes,
            p,
            k,
            prototypes,
        })
    }

    /// Makes the class means of these embeddings `[n, dim]` the prototypes of the epochs to come.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new); nothing is changed then.
    pub fn refresh(&mut self, embeddings: ArrayView2<'_, f32>) -> Result<(), SamplerError> {
        let embeddings = Embedded::of("embeddings", embeddings, self.examples())?;
        self.prototypes = embeddings.class_means(&self.classes);
        Ok(())
    }

    /// Sets the prototypes `[classes, dim]` of the epochs to come, in order of the labels.
    ///
    /// # Errors
    ///
    /// As [`with_prototypes`](Self::with_prototypes); nothing is changed then.
    pub fn set_prototypes(&mut self, prototypes: ArrayView2<'_, f32>) -> Result<(), SamplerError> {
        self.prototypes = Embedded::of("prototypes", prototypes, self.classes.len())?;
        Ok(())
    }

    /// The prototypes `[classes, dim]`, in order of the labels.
    pub fn prototypes(&self) -> ArrayView2<'_, f32> {
        self.prototypes.view()
    }

    /// The positions of the `P − 1` groups whose classes are nearest to that of the first, nearest first.
    fn company(&self, waiting: &[(usize, Vec<usize>)]) -> Vec<usize> {
        let prototype = |at: usize| self.prototypes.row(waiting[at].0);
        let mut others: Vec<(f32, usize)> = (1..waiting.len())
            .map(|at| (Euclidean.rank(prototype(0), prototype(at)), at))
            .collect();
        let order = |a: &(f32, usize), b: &(f32, usize)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
        let company = self.p - 1;
        if company < others.len() {
            others.select_nth_unstable_by(company, order);
            others.truncate(company);
        }
        others.sort_unstable_by(order);
        others.into_iter().map(|(_, at)| at).collect()
    }
}

fn checked(labels: &[u32], p: usize, k: usize) -> Result<Classes, SamplerError> {
    none_zero(&[("p", p), ("k", k)])?;
    Classes::new(labels, p.max(2))
}

impl BatchSampler for HardClassSampler {
    fn epoch(&self, rng: &mut dyn Rng) -> Vec<Vec<usize>> {
        let mut left: Vec<Vec<Vec<usize>>> = self
            .classes
            .iter()
            .map(|class| groups(class, self.k, rng))
            .collect();
        let mut batches = Vec::with_capacity(self.batches_per_epoch());
        loop {
            // A class and `K` of its examples, waiting for company.
            let mut waiting: Vec<(usize, Vec<usize>)> = left
                .iter_mut()
                .enumerate()
                .filter_map(|(class, groups)| groups.pop().map(|group| (class, group)))
                .collect();
            if waiting.is_empty() {
                break;
            }
            waiting.shuffle(rng);
            while waiting.len() > self.p {
                let mut meet = vec![0];
                meet.extend(self.company(&waiting));
                let batch = meet.iter().flat_map(|&at| &waiting[at].1);
                batches.push(batch.copied().collect());
                // From the back, so that the positions of the others stand.
                meet.sort_unstable_by(|a, b| b.cmp(a));
                for at in meet {
                    waiting.swap_remove(at);
                }
            }
            let (present, rest): (Vec<usize>, Vec<Vec<usize>>) = waiting.into_iter().unzip();
            let mut batch = rest.concat();
            for class in company(&present, self.p, self.classes.len(), rng) {
                batch.extend(fresh_group(self.classes.members(class), self.k, rng));
            }
            batches.push(batch);
        }
        batches.shuffle(rng);
        batches
    }

    fn batches_per_epoch(&self) -> usize {
        let groups = self.classes.iter().map(|c| c.len().div_ceil(self.k));
        let mut groups: Vec<usize> = groups.collect();
        groups.sort_unstable();
        let (mut before, mut batches) = (0, 0);
        for (at, &rounds) in groups.iter().enumerate() {
            batches += (rounds - before) * (groups.len() - at).div_ceil(self.p);
            before = rounds;
        }
        batches
    }

    fn examples(&self) -> usize {
        self.classes.examples()
    }

    fn smallest_batch(&self) -> usize {
        self.p * self.k
    }
}
