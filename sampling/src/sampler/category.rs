//! Batches of a few categories, told by metadata, with several classes each.

use rand::Rng;

use super::BatchSampler;
use super::classes::none_zero;
use super::hierarchical::{by_group, two_level};
use super::two_level::TwoLevel;
use crate::SamplerError;

/// Batches from `G` categories, with `C` classes in each and `K` examples of each class: negatives that share a category
/// (a kind of product, a camera, a scene) differ in less, and so are hard, without any embedding.
///
/// A category is metadata of an example, so a class may lie in several. What is sampled is a class within a category:
/// the `K` examples that stand together agree in both. Categories are dealt as in
/// [`HierarchicalSampler`](super::HierarchicalSampler), and every example comes at least once an epoch, but they need not be large: one
/// with fewer than `C` classes gives all of them, and the room goes to further classes of the batch's other categories, then of
/// any. A batch is always `G · C · K` examples of `G · C` different pairs of category and class.
///
/// After the `CategoryBalanceSampler` of Open Metric Learning, <https://github.com/OML-Team/open-metric-learning>, in which a
/// class lies in one category, and which draws categories at random.
///
/// Cost of an epoch: `O(n + g log g)` for `g` groups of `K`, and `O(C_all log C_all)` more for each batch with room, for
/// `C_all` classes.
///
/// # Examples
///
/// ```
/// use metric_sampling::{BatchSampler, CategorySampler};
/// use rand::SeedableRng;
/// let (products, kinds) = ([0, 1, 2, 3, 4, 5], [0, 0, 1, 1, 1, 2]);
/// // The third kind has one product: batches with it take a further one.
/// let sampler = CategorySampler::new(&products, &kinds, 1, 2, 1)?;
/// let epoch = sampler.epoch(&mut rand_chacha::ChaCha8Rng::seed_from_u64(1));
/// assert_eq!(epoch.len(), 4);
/// assert!(epoch.iter().all(|batch| batch.len() == 2 && batch[0] != batch[1]));
/// # Ok::<(), metric_sampling::SamplerError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CategorySampler(TwoLevel);

impl CategorySampler {
    /// A sampler for examples with these classes and categories: batches of `g` categories, `c` classes and `k` examples.
    ///
    /// # Errors
    ///
    /// [`SamplerError::Zero`], [`SamplerError::Empty`], [`SamplerError::Count`] if the two lists differ in length,
    /// [`SamplerError::TooFewGroups`] if there are fewer than `g` categories, and [`SamplerError::TooFewClasses`] if they have
    /// fewer than `g · c` classes (a class counts in each of its categories), or one only.
    pub fn new(
        classes: &[u32],
        categories: &[u32],
        g: usize,
        c: usize,
        k: usize,
    ) -> Result<Self, SamplerError> {
        none_zero(&[("g", g), ("c", c), ("k", k)])?;
        let (_, groups) = by_group(classes, categories)?;
        let needed = g.saturating_mul(c).max(2);
        Ok(Self(two_level(groups, g, c, k, needed)?))
    }
}

impl BatchSampler for CategorySampler {
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
