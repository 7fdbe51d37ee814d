//! Batches of a few super-classes with several classes each.

use std::collections::BTreeMap;

use rand::Rng;

use super::BatchSampler;
use super::classes::none_zero;
use super::two_level::TwoLevel;
use crate::SamplerError;

/// Batches of exactly `S` super-classes, `C` classes in each, and `K` examples of each class: most negatives of an anchor are
/// of its own super-class, and so hard.
///
/// Two levels of [`PkSampler`](super::PkSampler): the classes of each super-class are dealt into blocks of `C` classes with
/// `K` examples, and the blocks into batches of `S` super-classes, always from where most are left. Every example comes at
/// least once an epoch. With `cᵢ = ⌈nᵢ / K⌉` groups in class `i`:
/// ```text
/// blocks b_s = max( maxᵢ cᵢ, ⌈Σᵢ cᵢ / C⌉ ) over the classes i of s,    batches = max( max_s b_s, ⌈Σ_s b_s / S⌉ )
/// ```
/// After the `HierarchicalSampler` of pytorch-metric-learning, which goes through all combinations of super-classes, for a fixed
/// number of batches each and without the promise that every example comes, and which cuts a class short where its super-class's
/// part of the batch is full.
///
/// Cost of an epoch: `O(n + g log g)` for `g` groups.
///
/// # Examples
///
/// ```
/// use metric_sampling::{BatchSampler, HierarchicalSampler};
/// use rand::SeedableRng;
/// let (classes, super_classes) = ([0, 1, 2, 3, 4, 5], [0, 0, 1, 1, 2, 2]);
/// let sampler = HierarchicalSampler::new(&classes, &super_classes, 1, 2, 1)?;
/// let epoch = sampler.epoch(&mut rand_chacha::ChaCha8Rng::seed_from_u64(1));
/// assert_eq!(epoch.len(), 3);
/// assert!(epoch.iter().all(|batch| super_classes[batch[0]] == super_classes[batch[1]]));
/// # Ok::<(), metric_sampling::SamplerError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HierarchicalSampler(TwoLevel);

impl HierarchicalSampler {
    /// A sampler for examples with these classes and super-classes: batches of `s` super-classes, `c` classes and
    /// `k` examples.
    ///
    /// # Errors
    ///
    /// [`SamplerError::Zero`], [`SamplerError::Empty`], [`SamplerError::Count`] if the two lists differ in length,
    /// [`SamplerError::SplitClass`] if a class lies in two super-classes, [`SamplerError::SmallSuperClass`] if one has fewer
    /// than `c` classes, [`SamplerError::TooFewGroups`] if there are fewer than `s`, and [`SamplerError::TooFewClasses`] if
    /// there is one class only.
    pub fn new(
        classes: &[u32],
        super_classes: &[u32],
        s: usize,
        c: usize,
        k: usize,
    ) -> Result<Self, SamplerError> {
        none_zero(&[("s", s), ("c", c), ("k", k)])?;
        let mut home: BTreeMap<u32, u32> = BTreeMap::new();
        for (&class, &second) in classes.iter().zip(super_classes) {
            let first = *home.entry(class).or_insert(second);
            if first != second {
                return Err(SamplerError::SplitClass {
                    class,
                    first,
                    second,
                });
            }
        }
        let (names, groups) = by_group(classes, super_classes)?;
        if let Some(at) = groups.iter().position(|classes| classes.len() < c) {
            return Err(SamplerError::SmallSuperClass {
                super_class: names[at],
                classes: groups[at].len(),
                needed: c,
            });
        }
        Ok(Self(two_level(groups, s, c, k, 2)?))
    }
}

impl BatchSampler for HierarchicalSampler {
    fn epoch(&self, rng: &mut dyn Rng) -> Vec<Vec<usize>> {
        self.0.epoch(rng)
    }

    fn batches_per_epoch(&self) -> usize {
        self.0.batches_per_epoch()
    }

    fn examples(&self) -> usize {
        self.0.examples()
    }

    fn smallest_batch(&self) -> usize {
        self.0.batch_size()
    }
}

/// The groups' names in order, and the examples of each class of each group.
type Grouped = (Vec<u32>, Vec<Vec<Vec<usize>>>);

/// Examples by group, and by class within it.
pub(super) fn by_group(classes: &[u32], groups: &[u32]) -> Result<Grouped, SamplerError> {
    if classes.is_empty() {
        return Err(SamplerError::Empty);
    }
    if classes.len() != groups.len() {
        return Err(SamplerError::Count {
            what: "groups of examples",
            needed: classes.len(),
            got: groups.len(),
        });
    }
    let mut members: BTreeMap<u32, BTreeMap<u32, Vec<usize>>> = BTreeMap::new();
    for (example, (&class, &group)) in classes.iter().zip(groups).enumerate() {
        let group = members.entry(group).or_default();
        group.entry(class).or_default().push(example);
    }
    let groups = members
        .into_iter()
        .map(|(group, classes)| (group, classes.into_values().collect()));
    Ok(groups.unzip())
}

/// The two levels, if there are as many groups as a batch takes, and at least `needed` classes.
pub(super) fn two_level(
    groups: Vec<Vec<Vec<usize>>>,
    s: usize,
    c: usize,
    k: usize,
    needed: usize,
) -> Result<TwoLevel, SamplerError> {
    if groups.len() < s {
        return Err(SamplerError::TooFewGroups {
            groups: groups.len(),
            needed: s,
        });
    }
    let levels = TwoLevel { groups, s, c, k };
    let classes = levels.classes();
    if classes < needed {
        return Err(SamplerError::TooFewClasses { classes, needed });
    }
    Ok(levels)
}
