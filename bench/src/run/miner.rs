use clap::ValueEnum;
use metric_sampling::{BatchHard, MiningError, RandomTriplets, SemiHard, TripletMiner};
use serde::{Deserialize, Serialize};

/// Margin of the triplet loss, within which semi-hard negatives are looked for.
const MARGIN: f64 = 0.2;

/// A triplet miner by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum MinerName {
    /// Random triplets, as many an anchor as there are examples of a class in a batch.
    Random,
    /// The farthest positive and the nearest negative of every anchor.
    BatchHard,
    /// For every pair of a class, the nearest negative beyond the positive.
    SemiHard,
}

impl MinerName {
    /// The miner, for batches with `per_class` examples of a class.
    ///
    /// # Errors
    /// [`MiningError`] if `per_class` is 0.
    pub fn build(self, per_class: usize) -> Result<Box<dyn TripletMiner>, MiningError> {
        Ok(match self {
            Self::Random => Box::new(RandomTriplets::new(per_class)?),
            Self::BatchHard => Box::new(BatchHard::new()),
            Self::SemiHard => Box::new(SemiHard::new(MARGIN)?),
        })
    }
}
