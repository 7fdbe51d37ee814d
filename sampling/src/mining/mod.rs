//! Miners: which triplets of a batch are worth a gradient.

mod batch_hard;
mod random;
mod semi_hard;
mod triplet_margin;

pub use batch_hard::BatchHard;
pub use random::RandomTriplets;
pub use semi_hard::SemiHard;
pub use triplet_margin::{TripletKind, TripletMarginMiner};

use metric_core::Distance;
use rand::Rng;
use rayon::prelude::*;

use crate::{Batch, MiningError, Triplets};

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
}

/// An item that a row can be paired with, and its distance.
type Partner = (f32, u32);

/// Runs `choose(positives, negatives, triplets)` for every anchor in parallel and joins the results in order.
///
/// Partners come in order of their index. Memory: one row of distances a thread.
fn by_anchor<D, F>(batch: &Batch<'_>, distance: &D, choose: F) -> Triplets
where
    D: Distance<f32>,
    F: Fn(&[Partner], &[Partner], &mut Vec<(u32, u32)>) + Sync,
{
    let found: Vec<Vec<(u32, u32)>> = (0..batch.len())
        .into_par_iter()
        .map_init(
            || (Vec::new(), Vec::new()),
            |(positives, negatives), anchor| {
                positives.clear();
                negatives.clear();
                for (other, is_positive) in batch.partners(anchor) {
                    let d = distance.distance(batch.row(anchor), batch.reference_row(other));
                    let side = if is_positive {
                        &mut *positives
                    } else {
                        &mut *negatives
                    };
                    side.push((d, other as u32));
                }
                let mut triplets = Vec::new();
                choose(positives, negatives, &mut triplets);
                triplets
            },
        )
        .collect();
    (0..)
        .zip(found)
        .flat_map(|(a, found)| found.into_iter().map(move |(p, n)| (a, p, n)))
        .collect()
}

/// A margin that is finite and not negative.
fn checked_margin(margin: f64) -> Result<f64, MiningError> {
    if margin.is_finite() && margin >= 0.0 {
        Ok(margin)
    } else {
        let expected = "finite and at least 0";
        Err(MiningError::InvalidParam {
            name: "margin",
            expected,
            got: margin,
        })
    }
}

/// `d(a, n) − d(a, p)`, exact.
fn gap(positive: &Partner, negative: &Partner) -> f64 {
    f64::from(negative.0) - f64::from(positive.0)
}
