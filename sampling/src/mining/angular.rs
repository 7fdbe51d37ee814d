//! Triplets with a wide angle at the negative.

use metric_core::{Distance, Euclidean, each_row};
use ndarray::Array2;
use rand::Rng;

use super::anchor::indices_where;
use super::sides::Sides;
use super::{OfAnchor, TripletMiner, checked, join_triplets};
use crate::{Batch, MiningError, Triplets};

/// Triplets whose negative sees anchor and positive under a wide angle (after Wang et al., *Deep Metric Learning with Angular
/// Loss*, 2017, <https://arxiv.org/abs/1708.01682>, whose loss bounds this angle).
///
/// ```text
/// kept if   arctan( ‖a − p‖ / (2 ‖n − c‖) ) > α         c = (a + p) / 2
/// ```
/// In degrees; default `α = 20` as in pytorch-metric-learning. Computed as `‖a − p‖ > 2 tan(α) ‖n − c‖`, so that a negative
/// at the centre sees an angle of 90, and none where anchor and positive coincide. Rows are taken as given and distances are
/// Euclidean: a centre is needed. Deviates from pytorch-metric-learning, which takes any distance between `a` and `p`.
/// Cost: `O(n P m dim)` time by the tile engine for `P` positives an anchor, `O(m dim)` memory and the result.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AngularMiner {
    degrees: f64,
}

impl AngularMiner {
    /// # Errors
    ///
    /// [`MiningError::InvalidParam`] unless the angle is above 0 and below 90.
    pub fn new(degrees: f64) -> Result<Self, MiningError> {
        let holds = degrees > 0.0 && degrees < 90.0;
        let degrees = checked("angle", "above 0 and below 90 degrees", degrees, holds)?;
        Ok(Self { degrees })
    }
}

impl Default for AngularMiner {
    fn default() -> Self {
        Self { degrees: 20.0 }
    }
}

/// Fewest centres at a time: each time the reference set is packed anew.
const CENTRES: usize = 1024;

impl TripletMiner for AngularMiner {
    fn mine(&self, batch: &Batch<'_>, _: &mut dyn Rng) -> Result<Triplets, MiningError> {
        let limit = 2.0 * self.degrees.to_radians().tan();
        let sides = Sides::of(batch);
        let positives = batch.each_anchor_unmeasured(|anchor| {
            let positives = anchor.positives().iter().map(|p| p.index);
            positives.collect::<Vec<u32>>()
        });
        let pairs: Vec<(usize, u32)> = (0..)
            .zip(positives)
            .flat_map(|(a, positives)| positives.into_iter().map(move |p| (a, p)))
            .collect();
        let mut found = vec![OfAnchor::new(); batch.len()];
        let dim = batch.rows().ncols();
        for pairs in pairs.chunks(CENTRES.max(batch.references())) {
            let ends = |(a, p): (usize, u32)| (batch.row(a), batch.reference_row(p as usize));
            let centres = Array2::from_shape_fn((pairs.len(), dim), |(i, j)| {
                let (a, p) = ends(pairs[i]);
                a[j] / 2.0 + p[j] / 2.0
            });
            let (centres, items) = (centres.view(), batch.reference());
            let negatives = each_row(&Euclidean, centres, items, |i, from_centre| {
                let (a, p) = ends(pairs[i]);
                let apart = f64::from(Euclidean.distance(a, p));
                sides.split(pairs[i].0, from_centre, &mut Vec::new());
                indices_where(from_centre, |d| apart > limit * f64::from(d))
            })?;
            for (&(a, p), negatives) in pairs.iter().zip(negatives) {
                found[a].extend(negatives.into_iter().map(|n| (p, n)));
            }
        }
        Ok(join_triplets(found))
    }
}
