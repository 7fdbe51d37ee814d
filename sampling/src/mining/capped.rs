//! No more than so many an anchor.

use rand::{Rng, RngExt};

use super::{PairMiner, TripletMiner, checked_count};
use crate::{Batch, MiningError, Pairs, Triplets};

/// Another miner's tuples, at most `k` an anchor: of pairs, at most `k` positive and `k` negative ones.
///
/// Where there are more, `k` are drawn uniformly without replacement, in one pass (reservoir sampling; Vitter, *Random Sampling
/// with a Reservoir*, 1985, <https://doi.org/10.1145/3147.3165>, algorithm R). Their order is kept.
/// Cost: that of the other miner, whose list is made in full, and a random number for each tuple beyond `k`.
///
/// # Examples
///
/// ```
/// use metric_core::Relevance;
/// use metric_sampling::{AllTriplets, Batch, Capped, TripletMiner};
/// use ndarray::array;
/// # use rand::SeedableRng;
/// # let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
/// let rows = array![[0.0f32], [1.0], [3.0], [4.0], [5.0]];
/// let batch = Batch::new(rows.view(), Relevance::labels(&[4, 4, 5, 6, 7]))?;
/// let triplets = Capped::new(AllTriplets, 2)?.mine(&batch, &mut rng)?;
/// assert_eq!(triplets.anchors(), [0, 0, 1, 1]); // of 3 each
/// # Ok::<(), metric_sampling::MiningError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capped<M> {
    miner: M,
    k: usize,
}

impl<M> Capped<M> {
    /// # Errors
    ///
    /// [`MiningError::InvalidParam`] if `k` is 0.
    pub fn new(miner: M, k: usize) -> Result<Self, MiningError> {
        let k = checked_count("k", k)?;
        Ok(Self { miner, k })
    }

    /// The places of the tuples to keep, by the anchors of all.
    fn kept(&self, anchors: &[u32], rng: &mut dyn Rng) -> Vec<usize> {
        let mut kept = Vec::new();
        let mut start = 0;
        for of_one in anchors.chunk_by(|a, b| a == b) {
            let mut reservoir: Vec<usize> = (0..of_one.len().min(self.k)).collect();
            for i in self.k..of_one.len() {
                if let Some(place) = reservoir.get_mut(rng.random_range(0..=i)) {
                    *place = i;
                }
            }
            reservoir.sort_unstable();
            kept.extend(reservoir.into_iter().map(|i| start + i));
            start += of_one.len();
        }
        kept
    }
}

impl<M: TripletMiner> TripletMiner for Capped<M> {
    fn mine(&self, batch: &Batch<'_>, rng: &mut dyn Rng) -> Result<Triplets, MiningError> {
        let all = self.miner.mine(batch, rng)?;
        let kept = self.kept(all.anchors(), rng);
        let triplet = |i: usize| (all.anchors()[i], all.positives()[i], all.negatives()[i]);
        Ok(kept.into_iter().map(triplet).collect())
    }
}

impl<M: PairMiner> PairMiner for Capped<M> {
    fn mine(&self, batch: &Batch<'_>, rng: &mut dyn Rng) -> Result<Pairs, MiningError> {
        let Pairs { positive, negative } = self.miner.mine(batch, rng)?;
        let mut kept = |anchors: &[u32], others: &[u32]| {
            let kept = self.kept(anchors, rng);
            let pairs = kept.into_iter().map(|i| (anchors[i], others[i]));
            pairs.collect::<Vec<_>>()
        };
        let positives = kept(positive.anchors(), positive.positives());
        let negatives = kept(negative.anchors(), negative.negatives());
        Ok(Pairs {
            positive: positives.into_iter().collect(),
            negative: negatives.into_iter().collect(),
        })
    }
}
