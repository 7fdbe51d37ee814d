//! The examples of each class, and groups of `K` of them.

use std::collections::BTreeMap;

use rand::seq::{SliceRandom, index};
use rand::{Rng, RngExt};

use crate::SamplerError;

/// Examples by class, in order of the labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Classes {
    members: Vec<Vec<usize>>,
}

impl Classes {
    /// Those of examples `0..labels.len()`, of which there must be at least `needed`.
    pub(super) fn new(labels: &[u32], needed: usize) -> Result<Self, SamplerError> {
        if labels.is_empty() {
            return Err(SamplerError::Empty);
        }
        let mut classes: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for (example, &label) in labels.iter().enumerate() {
            classes.entry(label).or_default().push(example);
        }
        if classes.len() < needed {
            return Err(SamplerError::TooFewClasses {
                classes: classes.len(),
                needed,
            });
        }
        Ok(Self {
            members: classes.into_values().collect(),
        })
    }

    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[usize]> {
        self.members.iter().map(Vec::as_slice)
    }

    pub(super) fn members(&self, class: usize) -> &[usize] {
        &self.members[class]
    }

    pub(super) fn examples(&self) -> usize {
        self.iter().map(<[usize]>::len).sum()
    }
}

/// Refuses the first number that is zero.
pub(super) fn none_zero(numbers: &[(&'static str, usize)]) -> Result<(), SamplerError> {
    match numbers.iter().find(|(_, number)| *number == 0) {
        Some(&(name, _)) => Err(SamplerError::Zero { name }),
        None => Ok(()),
    }
}

/// The whole class in groups of `k`, in random order; the last is topped up with other examples of the class, or, in a
/// class smaller than `k`, with repeats.
pub(super) fn groups<R: Rng + ?Sized>(class: &[usize], k: usize, rng: &mut R) -> Vec<Vec<usize>> {
    let mut order = class.to_vec();
    order.shuffle(rng);
    let mut groups: Vec<Vec<usize>> = order.chunks(k).map(<[usize]>::to_vec).collect();
    if let Some(last) = groups.last_mut() {
        let missing = k - last.len();
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

/// `k` random examples of a class, distinct if it has as many.
pub(super) fn fresh_group<R: Rng + ?Sized>(class: &[usize], k: usize, rng: &mut R) -> Vec<usize> {
    if class.len() >= k {
        index::sample(rng, class.len(), k)
            .into_iter()
            .map(|i| class[i])
            .collect()
    } else {
        groups(class, k, rng).remove(0)
    }
}

/// As many of `0..of` as `taken` lacks of `p`, at random; none of `taken`.
pub(super) fn company<R: Rng + ?Sized>(
    taken: &[usize],
    p: usize,
    of: usize,
    rng: &mut R,
) -> Vec<usize> {
    if taken.len() >= p {
        return Vec::new();
    }
    // P distinct ones hold at least as many new ones as are lacking.
    let company = index::sample(rng, of, p);
    let company = company.into_iter().filter(|one| !taken.contains(one));
    company.take(p - taken.len()).collect()
}
