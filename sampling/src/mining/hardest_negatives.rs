//! The hardest negatives but the very hardest.

use metric_core::{Distance, Euclidean};
use rand::Rng;

use super::{PairMiner, Partner, checked_count, join_pairs, with_distance};
use crate::{Batch, MiningError, Pairs};

/// The `k` nearest negatives of every anchor after the nearest `skip`, with all its positives: negatives that are nearer than
/// all others are often wrong labels or duplicates.
///
/// ```text
/// negatives:   ranks skip + 1 … skip + k of d(a, n), ascending         positives: all
/// ```
/// Equal distances rank by index. Anchors with no more than `skip` negatives, or without a positive, drop out; with fewer
/// than `skip + k` negatives the rest is taken.
/// Cost: `O(n m dim)` time, `O(m)` memory a thread.
///
/// # Examples
///
/// ```
/// use metric_core::Relevance;
/// use metric_sampling::{Batch, HardestNegatives, PairMiner};
/// use ndarray::array;
/// # use rand::SeedableRng;
/// # let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
/// let rows = array![[0.0f32], [5.0], [0.1], [1.0], [2.0]];
/// let batch = Batch::new(rows.view(), Relevance::labels(&[0, 0, 1, 2, 3]))?;
/// let pairs = HardestNegatives::new(1)?.skipping(1).mine(&batch, &mut rng)?;
/// assert!(pairs.negative.iter().eq([(0, 3), (1, 3)])); // of 2, 3, 4 and of 4, 3, 2
/// # Ok::<(), metric_sampling::MiningError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HardestNegatives<D = Euclidean> {
    k: usize,
    skip: usize,
    distance: D,
}

impl HardestNegatives {
    /// With [`Euclidean`] distance, skipping none.
    ///
    /// # Errors
    ///
    /// [`MiningError::InvalidParam`] if `k` is 0.
    pub fn new(k: usize) -> Result<Self, MiningError> {
        Ok(Self {
            k: checked_count("k", k)?,
            skip: 0,
            distance: Euclidean,
        })
    }
}

with_distance!(HardestNegatives { k, skip });

impl<D> HardestNegatives<D> {
    /// The same without the nearest so many.
    pub fn skipping(mut self, skip: usize) -> Self {
        self.skip = skip;
        self
    }
}

impl<D: Distance<f32>> PairMiner for HardestNegatives<D> {
    fn mine(&self, batch: &Batch<'_>, _: &mut dyn Rng) -> Result<Pairs, MiningError> {
        let by_rank = |x: &Partner, y: &Partner| {
            let by_distance = x.distance.total_cmp(&y.distance);
            by_distance.then(x.index.cmp(&y.index))
        };
        let chosen = batch.each_anchor(&self.distance, |anchor| {
            let mut negatives: Vec<Partner> = anchor.negatives().collect();
            if anchor.positives().is_empty() || negatives.len() <= self.skip {
                return Default::default();
            }
            let last = self.skip.saturating_add(self.k);
            if last < negatives.len() {
                negatives.select_nth_unstable_by(last, by_rank);
                negatives.truncate(last);
            }
            if self.skip > 0 {
                negatives.select_nth_unstable_by(self.skip, by_rank);
            }
            let mut negatives: Vec<u32> = negatives[self.skip..].iter().map(|n| n.index).collect();
            negatives.sort_unstable();
            let positives = anchor.positives().iter().map(|p| p.index).collect();
            (positives, negatives)
        })?;
        Ok(join_pairs(&chosen))
    }
}
