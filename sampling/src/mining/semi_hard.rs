//! FaceNet's choice of negatives.

use metric_core::{Distance, Euclidean};
use rand::Rng;

use super::{TripletMiner, by_anchor, checked_margin, gap};
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
/// Cost: `O(n m dim)` for distances, `O(n m log m)` for the search.
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
            margin: checked_margin(margin)?,
            distance: Euclidean,
        })
    }
}

impl<D> SemiHard<D> {
    /// The same with another distance.
    pub fn with_distance<E>(self, distance: E) -> SemiHard<E> {
        SemiHard {
            margin: self.margin,
            distance,
        }
    }
}

impl<D: Distance<f32>> TripletMiner for SemiHard<D> {
    fn mine(&self, batch: &Batch<'_>, _: &mut dyn Rng) -> Result<Triplets, MiningError> {
        Ok(by_anchor(
            batch,
            &self.distance,
            |positives, negatives, triplets| {
                let mut sorted = negatives.to_vec();
                sorted.sort_unstable_by(|x, y| x.0.total_cmp(&y.0).then(x.1.cmp(&y.1)));
                for positive in positives {
                    let farther = sorted.partition_point(|negative| negative.0 <= positive.0);
                    let nearest = sorted
                        .get(farther)
                        .filter(|n| gap(positive, n) <= self.margin);
                    triplets.extend(nearest.map(|negative| (positive.1, negative.1)));
                }
            },
        ))
    }
}
