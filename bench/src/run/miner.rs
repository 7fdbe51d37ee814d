use clap::ValueEnum;
use metric_core::Euclidean;
use metric_sampling::{
    Batch, BatchHard, DensityAware, DistanceWeighted, MiningError, MiningReport, RandomTriplets,
    SemiHard, SoftHard, TripletMiner, Triplets,
};
use serde::{Deserialize, Serialize};

/// Margin of the triplet loss, within which semi-hard negatives are looked for.
const MARGIN: f64 = 0.2;

/// Neighbours that tell the dimension for distance weighting.
const NEIGHBORS: usize = 10;

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
    /// A random positive beyond the nearest negative, a random negative before the farthest positive.
    SoftHard,
    /// Negatives of all distances alike, by the density of distances on a sphere.
    DistanceWeighted,
    /// The same in the dimension that the embeddings of the batch lie in.
    DistanceWeightedIntrinsic,
    /// Negatives drawn by exp(beta similarity).
    HardTilted,
    /// Negatives drawn by exp(beta similarity) / density^gamma within a ring of similarities.
    DensityAware,
}

/// What density-aware negatives are drawn by.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Negatives {
    /// How much near ones are preferred.
    pub beta: f64,
    /// How much those in sparse neighbourhoods are preferred.
    pub gamma: f64,
    /// Quantile of similarity from which on they are drawn.
    pub lower: f64,
    /// Quantile of similarity up to which they are drawn.
    pub upper: f64,
}

impl Default for Negatives {
    fn default() -> Self {
        Self {
            beta: 10.0,
            gamma: 0.5,
            lower: 0.0,
            upper: 1.0,
        }
    }
}

impl MinerName {
    /// The miner, for batches with `per_class` examples of a class.
    ///
    /// # Errors
    /// [`MiningError`] if `per_class` is 0, or for negatives out of range.
    pub fn build(
        self,
        per_class: usize,
        negatives: Negatives,
    ) -> Result<Box<dyn TripletMiner>, MiningError> {
        let Negatives {
            beta,
            gamma,
            lower,
            upper,
        } = negatives;
        Ok(match self {
            Self::Random => Box::new(RandomTriplets::new(per_class)?),
            Self::BatchHard => Box::new(BatchHard::new()),
            Self::SemiHard => Box::new(SemiHard::new(MARGIN)?),
            Self::SoftHard => Box::new(SoftHard::new()),
            Self::DistanceWeighted => Box::new(DistanceWeighted::new()),
            Self::DistanceWeightedIntrinsic => {
                Box::new(DistanceWeighted::new().with_estimated_dimension(NEIGHBORS)?)
            }
            Self::HardTilted => Box::new(DensityAware::new().with_gamma(0.0)?.with_beta(beta)?),
            Self::DensityAware => {
                let miner = DensityAware::new().with_beta(beta)?.with_gamma(gamma)?;
                Box::new(miner.with_ring(lower, upper)?)
            }
        })
    }
}

/// What a miner gave over several batches, on average.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct MeanMining {
    /// Batches.
    pub batches: u64,
    /// Triplets a batch.
    pub triplets: f64,
    /// Anchors of a batch with a triplet.
    pub anchors: f64,
    /// Median over a batch's triplets of the share of negatives that are nearer than the chosen one.
    pub hardness: f64,
    /// Share of triplets that keep the margin.
    pub zero_loss: f64,
    /// Items that would make as varied negatives.
    pub effective_negatives: f64,
    /// Effective sample size of the weights of an anchor's negatives; 0 for a miner without weights.
    pub effective_sample_size: f64,
}

impl MeanMining {
    /// Takes the triplets of another batch.
    pub(super) fn add(
        &mut self,
        batch: &Batch<'_>,
        triplets: &Triplets,
        miner: &dyn TripletMiner,
    ) -> Result<(), MiningError> {
        let report = MiningReport::of(batch, triplets, &Euclidean, MARGIN)?;
        let report = report.with_miner(batch, miner)?;
        self.batches += 1;
        let part = 1.0 / self.batches as f64;
        for (mean, new) in [
            (&mut self.triplets, report.triplets as f64),
            (&mut self.anchors, report.anchors as f64),
            (&mut self.hardness, report.hardness[1]),
            (&mut self.zero_loss, report.zero_loss),
            (&mut self.effective_negatives, report.effective_negatives),
            (
                &mut self.effective_sample_size,
                report.effective_sample_size.unwrap_or(0.0),
            ),
        ] {
            *mean += (new - *mean) * part;
        }
        Ok(())
    }
}
