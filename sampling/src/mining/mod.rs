//! Miners: which pairs and triplets of a batch are worth a gradient.

mod all;
mod anchor;
mod angular;
mod batch_easy_hard;
mod batch_hard;
mod capped;
mod convert;
mod density_aware;
mod distance_weighted;
mod hard_clusters;
mod hardest_negatives;
mod hdc;
mod local_agreement;
mod multi_similarity;
mod outlying_positives;
mod pair_margin;
mod random;
pub(crate) mod random_rows;
mod report;
mod rho_switch;
mod schedule;
mod semi_hard;
pub(crate) mod sides;
mod soft_hard;
mod triplet_margin;
mod uniform_histogram;
mod weighted_negatives;

pub use all::{AllPairs, AllTriplets};
pub use anchor::{Anchor, Partner};
pub use angular::AngularMiner;
pub use batch_easy_hard::{BatchEasyHard, Choice};
pub use batch_hard::BatchHard;
pub use capped::Capped;
pub use convert::{AsPairs, AsTriplets};
pub use density_aware::DensityAware;
pub use distance_weighted::DistanceWeighted;
pub use hard_clusters::HardClusters;
pub use hardest_negatives::HardestNegatives;
pub use hdc::Hdc;
pub use local_agreement::LocalAgreement;
pub use multi_similarity::MultiSimilarityMiner;
pub use outlying_positives::outlying_positives;
pub use pair_margin::PairMargin;
pub use random::RandomTriplets;
pub use report::MiningReport;
pub use rho_switch::RhoSwitch;
pub use schedule::Schedule;
pub use semi_hard::SemiHard;
pub use soft_hard::SoftHard;
pub use triplet_margin::{TripletKind, TripletMarginMiner};
pub use uniform_histogram::UniformHistogram;
pub use weighted_negatives::{DrawWeights, NegativeWeights, WeightsOf};

use rand::Rng;

use crate::{Batch, MiningError, NegativePairs, Pairs, PositivePairs, Triplets};

/// Chooses triplets from a batch. Object-safe, so that a program can hold any miner as `Box<dyn TripletMiner>`.
///
/// Triplets come in the order of anchor, positive and negative, whatever the number of threads. A batch without a
/// valid triplet gives none; that is no error.
pub trait TripletMiner: Send + Sync {
    /// The triplets of a batch.
    ///
    /// Only random miners draw from `rng`; the others leave it untouched.
    ///
    /// # Errors
    ///
    /// A [`MiningError`] if the miner's distance or parameters do not suit the batch.
    fn mine(&self, batch: &Batch<'_>, rng: &mut dyn Rng) -> Result<Triplets, MiningError>;

    /// The [effective sample size](DrawWeights::effective_sample_size) of the weights that each anchor's negatives are drawn
    /// by, if the miner draws by weights.
    ///
    /// # Errors
    ///
    /// As [`mine`](Self::mine).
    fn effective_sample_sizes(&self, _batch: &Batch<'_>) -> Result<Option<Vec<f64>>, MiningError> {
        Ok(None)
    }
}

/// Chooses pairs from a batch. Object-safe.
///
/// Pairs come in the order of anchor and item, whatever the number of threads; a batch without a pair gives none.
pub trait PairMiner: Send + Sync {
    /// The pairs of a batch.
    ///
    /// Only random miners draw from `rng`; the others leave it untouched.
    ///
    /// # Errors
    ///
    /// A [`MiningError`] if the miner's distance or parameters do not suit the batch.
    fn mine(&self, batch: &Batch<'_>, rng: &mut dyn Rng) -> Result<Pairs, MiningError>;
}

/// Positive and negative of the triplets of one anchor.
type OfAnchor = Vec<(u32, u32)>;

fn join_triplets(
    found: impl IntoIterator<Item = impl IntoIterator<Item = (u32, u32)>>,
) -> Triplets {
    let mut triplets = Triplets::default();
    for (anchor, found) in (0..).zip(found) {
        triplets.extend(found.into_iter().map(|(p, n)| (anchor, p, n)));
    }
    triplets
}

/// Positives and negatives of one anchor.
type Chosen = (Vec<u32>, Vec<u32>);

fn join_pairs(found: &[Chosen]) -> Pairs {
    let (mut positive, mut negative) = (PositivePairs::default(), NegativePairs::default());
    positive.reserve(found.iter().map(|chosen| chosen.0.len()).sum());
    negative.reserve(found.iter().map(|chosen| chosen.1.len()).sum());
    for (anchor, (positives, negatives)) in (0..).zip(found) {
        positive.push_row(anchor, positives);
        negative.push_row(anchor, negatives);
    }
    Pairs { positive, negative }
}

/// Stamps `with_distance` of a miner.
macro_rules! with_distance {
    ($miner:ident { $($field:ident),* }) => {
        impl<D> $miner<D> {
            /// The same with another distance.
            pub fn with_distance<E>(self, distance: E) -> $miner<E> {
                $miner { $($field: self.$field,)* distance }
            }
        }
    };
}
use with_distance;

pub(crate) fn checked(
    name: &'static str,
    expected: &'static str,
    got: f64,
    holds: bool,
) -> Result<f64, MiningError> {
    if holds {
        Ok(got)
    } else {
        Err(MiningError::InvalidParam {
            name,
            expected,
            got,
        })
    }
}

/// A number that is finite and not negative.
fn checked_margin(name: &'static str, got: f64) -> Result<f64, MiningError> {
    let holds = got.is_finite() && got >= 0.0;
    checked(name, "finite and at least 0", got, holds)
}

pub(crate) fn checked_count(name: &'static str, got: usize) -> Result<usize, MiningError> {
    checked(name, "at least 1", got as f64, got > 0).map(|_| got)
}

/// `d(a, n) − d(a, p)`, exact.
fn gap(positive: f32, negative: f32) -> f64 {
    f64::from(negative) - f64::from(positive)
}
