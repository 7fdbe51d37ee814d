//! Miners of one kind of tuple as miners of the other.

use rand::Rng;

use super::{PairMiner, TripletMiner};
use crate::{Batch, MiningError, Pairs, Triplets};

/// A triplet miner as a pair miner, by [`Triplets::to_pairs`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AsPairs<M>(pub M);

impl<M: TripletMiner> PairMiner for AsPairs<M> {
    fn mine(&self, batch: &Batch<'_>, rng: &mut dyn Rng) -> Result<Pairs, MiningError> {
        Ok(self.0.mine(batch, rng)?.to_pairs())
    }
}

/// A pair miner as a triplet miner, by [`Pairs::to_triplets`]; so for one that chooses many pairs there are very many triplets.
///
/// ```
/// use metric_core::Relevance;
/// use metric_sampling::{AsTriplets, Batch, HardestNegatives, TripletMiner};
/// use ndarray::array;
/// # use rand::SeedableRng;
/// # let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
/// let rows = array![[0.0f32], [1.0], [3.0], [4.5]];
/// let batch = Batch::new(rows.view(), Relevance::labels(&[4, 4, 5, 6]))?;
/// let second_hardest = AsTriplets(HardestNegatives::new(1)?.skipping(1));
/// assert!(second_hardest.mine(&batch, &mut rng)?.iter().eq([(0, 1, 3), (1, 0, 3)]));
/// # Ok::<(), metric_sampling::MiningError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AsTriplets<M>(pub M);

impl<M: PairMiner> TripletMiner for AsTriplets<M> {
    fn mine(&self, batch: &Batch<'_>, rng: &mut dyn Rng) -> Result<Triplets, MiningError> {
        Ok(self.0.mine(batch, rng)?.to_triplets())
    }
}
