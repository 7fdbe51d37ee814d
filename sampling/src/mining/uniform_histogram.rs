//! As many pairs at every distance.

use std::collections::BinaryHeap;
use std::sync::{Mutex, PoisonError};

use metric_core::{Distance, Euclidean};
use rand::Rng;

use super::random_rows::RandomRows;
use super::{PairMiner, checked_count, with_distance};
use crate::{Batch, MiningError, Pairs};

/// Random pairs, as many from every bin of the distances, so that rare distances count as much as frequent ones
/// (pytorch-metric-learning's `UniformHistogramMiner`).
///
/// ```text
/// bin b of B:  [low + b w, low + (b + 1) w),   w = (high − low) / B,   the last with its upper end
/// ```
/// where `low` and `high` are the least and greatest distance of all positive pairs; negative pairs have bins of their own. Of
/// each bin `k` pairs are drawn uniformly without replacement, or all if there are fewer; that library draws with replacement.
/// Defaults as there: 100 bins, 10 positives and 10 negatives each.
/// Cost: the distances twice and a random number a pair; `O(m)` memory a thread and the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UniformHistogram<D = Euclidean> {
    bins: usize,
    per_bin: [usize; 2],
    distance: D,
}

impl UniformHistogram {
    /// With [`Euclidean`] distance; so many positives and negatives of each bin, one of which may be 0.
    ///
    /// # Errors
    ///
    /// [`MiningError::InvalidParam`] if there are no bins.
    pub fn new(bins: usize, positives: usize, negatives: usize) -> Result<Self, MiningError> {
        Ok(Self {
            bins: checked_count("bins", bins)?,
            per_bin: [positives, negatives],
            distance: Euclidean,
        })
    }
}

impl Default for UniformHistogram {
    fn default() -> Self {
        Self {
            bins: 100,
            per_bin: [10, 10],
            distance: Euclidean,
        }
    }
}

with_distance!(UniformHistogram { bins, per_bin });

/// A pair with a random rank: of each bin those of the lowest ranks are drawn, in whatever order they come.
type Ranked = (u64, u32, u32);

impl<D: Distance<f32>> PairMiner for UniformHistogram<D> {
    fn mine(&self, batch: &Batch<'_>, rng: &mut dyn Rng) -> Result<Pairs, MiningError> {
        let random = RandomRows::draw(rng);
        let ends = batch.each_anchor(&self.distance, |anchor| {
            let distance = |partner: super::Partner| partner.distance;
            [
                [
                    anchor.nearest_positive(|_| true),
                    anchor.farthest_positive(|_| true),
                ],
                [
                    anchor.nearest_negative(|_| true),
                    anchor.farthest_negative(|_| true),
                ],
            ]
            .map(|ends| ends.map(|end| end.map(distance)))
        })?;
        let ranges = [0, 1].map(|kind| {
            let ends = ends.iter().flat_map(|ends| ends[kind]).flatten();
            ends.fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), d| {
                (low.min(d), high.max(d))
            })
        });
        let drawn = self.per_bin.map(|_| {
            let bins = vec![BinaryHeap::<Ranked>::new(); self.bins];
            Mutex::new(bins)
        });
        batch.each_anchor(&self.distance, |anchor| {
            let mut random = random.of(anchor.index());
            let mut draw = |kind: usize, partners: &mut dyn Iterator<Item = super::Partner>| {
                let most = self.per_bin[kind];
                let mut bins = drawn[kind].lock().unwrap_or_else(PoisonError::into_inner);
                for partner in partners {
                    let bin = &mut bins[bin(partner.distance, ranges[kind], self.bins)];
                    bin.push((random.next_u64(), anchor.index(), partner.index));
                    if bin.len() > most {
                        bin.pop();
                    }
                }
            };
            draw(0, &mut anchor.positives().iter().copied());
            draw(1, &mut anchor.negatives());
        })?;
        let [positive, negative] = drawn.map(|bins| {
            let bins = bins.into_inner().unwrap_or_else(PoisonError::into_inner);
            let mut pairs: Vec<(u32, u32)> =
                bins.into_iter().flatten().map(|r| (r.1, r.2)).collect();
            pairs.sort_unstable();
            pairs
        });
        Ok(Pairs {
            positive: positive.into_iter().collect(),
            negative: negative.into_iter().collect(),
        })
    }
}

/// Which of the bins between two ends a distance lies in; infinite ones in the last.
fn bin(distance: f32, (low, high): (f32, f32), bins: usize) -> usize {
    let (low, high) = (f64::from(low), f64::from(high));
    let share = (f64::from(distance) - low) / (high - low);
    // A cast takes NaN, from equal ends, to 0.
    ((share * bins as f64) as usize).min(bins - 1)
}
