//! Pushing a class apart now and then.

use rand::{Rng, RngExt};

use super::{TripletMiner, checked};
use crate::{Batch, MiningError, Triplets};

/// Another miner's triplets, of which some are switched to push the anchor's own class apart, so that embeddings keep more
/// directions (ρ-regularization, Roth et al., *Revisiting Training Strategies and Generalization Performance in Deep Metric
/// Learning*, 2020, <https://arxiv.org/abs/2002.08473>).
///
/// ```text
/// (a, p, n)   becomes, with probability p_switch,   (a, a, q)        q uniform over the positives of a
/// ```
/// So the positive is the anchor itself, at distance 0, and the "negative" an example of its class.
/// Cost: that of the other miner, and two random numbers a triplet.
///
/// # Examples
///
/// ```
/// use metric_core::Relevance;
/// use metric_sampling::{Batch, BatchHard, RhoSwitch, TripletMiner};
/// use ndarray::array;
/// # use rand::SeedableRng;
/// # let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
/// let rows = array![[0.0f32], [1.0], [3.0]];
/// let batch = Batch::new(rows.view(), Relevance::labels(&[4, 4, 5]))?;
/// let always = RhoSwitch::new(BatchHard::new(), 1.0)?.mine(&batch, &mut rng)?;
/// assert!(always.iter().eq([(0, 0, 1), (1, 1, 0)]));
/// # Ok::<(), metric_sampling::MiningError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RhoSwitch<M> {
    miner: M,
    probability: f64,
}

impl<M> RhoSwitch<M> {
    /// # Errors
    ///
    /// [`MiningError::InvalidParam`] unless the probability is from 0 to 1.
    pub fn new(miner: M, probability: f64) -> Result<Self, MiningError> {
        let holds = (0.0..=1.0).contains(&probability);
        let probability = checked("probability", "from 0 to 1", probability, holds)?;
        Ok(Self { miner, probability })
    }
}

impl<M: TripletMiner> TripletMiner for RhoSwitch<M> {
    /// # Errors
    ///
    /// [`MiningError::NeedsOwnReference`] if the batch has a separate reference set, in which no item is the anchor, and what
    /// the other miner refuses.
    fn mine(&self, batch: &Batch<'_>, rng: &mut dyn Rng) -> Result<Triplets, MiningError> {
        if batch.has_reference() {
            let miner = "rho switch";
            return Err(MiningError::NeedsOwnReference { miner });
        }
        let positives = batch.each_anchor_unmeasured(|anchor| {
            let positives = anchor.positives().iter().map(|p| p.index);
            positives.collect::<Vec<u32>>()
        });
        let mined = self.miner.mine(batch, rng)?;
        let mut switched: Vec<_> = mined
            .iter()
            .map(|(a, p, n)| {
                let of_class = &positives[a as usize];
                if !of_class.is_empty() && rng.random_bool(self.probability) {
                    (a, a, of_class[rng.random_range(0..of_class.len())])
                } else {
                    (a, p, n)
                }
            })
            .collect();
        switched.sort_unstable();
        Ok(switched.into_iter().collect())
    }
}
