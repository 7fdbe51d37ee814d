//! FaceNet's choice of negatives.

use metric_core::{Distance, Euclidean};
use rand::Rng;

use super::{Anchor, OfAnchor, Partner, TripletMiner, checked_margin, gap, join_triplets, with_distance};
use crate::{Batch, MiningError, Triplets};

/// For every anchor and positive, the hardest of the semi-hard negatives (Schroff et al., *FaceNet*, 2015,
/// <https://arxiv.org/abs/1503.03832>, section 3.2, eq. 4).
///
/// ```text
/// n = argmin d(a, n)   over negatives with   0 < d(a, n) − d(a, p) ≤ m
/// ```
/// Equal distances go to the lowest index; pairs without such a negative drop out. Deviates from the paper: `d` is not
/// squared unless [`SquaredEuclidean`](metric_core::SquaredEuclidean) is given, and of the negatives inside the margin the
/// nearest is taken, where the paper leaves the choice open.
/// Cost: `O(n m dim)` for distances, `O(n m log P)` for the search with `P` positives an anchor; `O(m)` memory a thread.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SemiHard<D = Euclidean> {
    margin: f64,
    distance: D,
}

impl SemiHard {
    /// With [`Euclidean`] distance.
    ///
    /// # Errors
    ///
    /// [`MiningError::InvalidParam`] if `margin` is negative or not finite.
    pub fn new(margin: f64) -> Result<Self, MiningError> {
        Ok(Self {
            margin: checked_margin("margin", margin)?,
            distance: Euclidean,
        })
    }
}

with_distance!(SemiHard { margin });

impl<D: Distance<f32>> TripletMiner for SemiHard<D> {
    fn mine(&self, batch: &Batch<'_>, _: &mut dyn Rng) -> Result<Triplets, MiningError> {
        let found = batch.each_anchor(&self.distance, |anchor| {
            let mut triplets = nearest_behind_each_positive(anchor);
            triplets.retain(|(p, n)| gap(p.distance, n.distance) <= self.margin);
            triplets.sort_unstable_by_key(|(p, _)| p.index);
            triplets.iter().map(|(p, n)| (p.index, n.index)).collect::<OfAnchor>()
        })?;
        Ok(join_triplets(found))
    }
}

/// Each positive with the nearest negative that is farther: negatives are sorted into the gaps between the positives, and
/// of each gap only the nearest can be an answer.
fn nearest_behind_each_positive(anchor: Anchor<'_>) -> Vec<(Partner, Partner)> {
    let mut positives = anchor.positives().to_vec();
    positives.sort_unstable_by(|x, y| x.distance.total_cmp(&y.distance));
    let steps = (positives.len() + 1).next_power_of_two();
    let mut bounds = vec![f32::INFINITY; steps - 1];
    for (bound, positive) in bounds.iter_mut().zip(&positives) {
        *bound = positive.distance;
    }
    let none = Partner {
        index: u32::MAX,
        distance: f32::INFINITY,
    };
    // nearest[k]: behind k positives and no more.
    let mut nearest = vec![none; positives.len() + 1];
    let distances = anchor.negative_distances();
    for (first, some) in (0u32..).step_by(LANES).zip(distances.chunks(LANES)) {
        let behind = ranks(&bounds, some);
        for ((index, &distance), &behind) in (first..).zip(some).zip(&behind) {
            if distance < nearest[behind].distance {
                nearest[behind] = Partner { index, distance };
            }
        }
    }
    let mut found = Vec::with_capacity(positives.len());
    let mut best = none;
    for (positive, &in_gap) in positives.iter().zip(&nearest[1..]).rev() {
        // Gaps are disjoint: what is nearer lies in the nearer gap.
        if in_gap.index != none.index {
            best = in_gap;
        }
        if best.index != none.index {
            found.push((*positive, best));
        }
    }
    found
}

/// Searches that run side by side.
const LANES: usize = 16;

/// How many bounds are below each value: binary searches in lockstep over `2ᵏ − 1` ascending bounds.
fn ranks(bounds: &[f32], values: &[f32]) -> [usize; LANES] {
    let mut ranks = [0; LANES];
    let mut step = (bounds.len() + 1) / 2;
    while step > 0 {
        for (rank, &value) in ranks.iter_mut().zip(values) {
            *rank += step * usize::from(bounds[*rank + step - 1] < value);
        }
        step /= 2;
    }
    ranks
}
