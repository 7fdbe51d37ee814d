//! Who is positive and who is negative to an anchor.

use metric_core::Relevance;

use super::Partner;
use crate::Batch;
use crate::candidates::Candidates;

/// The positives of every anchor, found once for a batch so that negatives need no look at their labels.
pub(crate) struct Sides<'b> {
    batch: &'b Batch<'b>,
    way: Way<'b>,
}

enum Way<'b> {
    Candidates(&'b Candidates),
    Labels {
        rows: &'b [u32],
        reference: &'b [u32],
        /// Items by label, then index.
        order: Vec<u32>,
    },
    Graded,
}

impl<'b> Sides<'b> {
    pub(crate) fn of(batch: &'b Batch<'b>) -> Self {
        let way = match (batch.candidates(), batch.relevance()) {
            (Some(candidates), _) => Way::Candidates(candidates),
            (None, Relevance::Labels { rows, reference }) => {
                let mut order: Vec<u32> = (0..).take(reference.len()).collect();
                order.sort_by_key(|&item| reference[item as usize]);
                Way::Labels {
                    rows,
                    reference,
                    order,
                }
            }
            _ => Way::Graded,
        };
        Self { batch, way }
    }

    /// Takes the positives out of an anchor's row of distances, in order of index, and puts NaN in the place of every item
    /// that is no negative.
    pub(crate) fn split(&self, anchor: usize, distances: &mut [f32], positives: &mut Vec<Partner>) {
        positives.clear();
        let partner = |index: u32| Partner {
            index,
            distance: distances[index as usize],
        };
        match &self.way {
            Way::Candidates(candidates) => {
                positives.extend(candidates.positives(anchor).iter().map(|&i| partner(i)));
                let negatives = candidates.negatives(anchor);
                let kept: Vec<f32> = negatives.iter().map(|&i| distances[i as usize]).collect();
                distances.fill(f32::NAN);
                for (&index, distance) in negatives.iter().zip(kept) {
                    distances[index as usize] = distance;
                }
            }
            Way::Labels {
                rows,
                reference,
                order,
            } => {
                let label = rows[anchor];
                let first = order.partition_point(|&item| reference[item as usize] < label);
                let of_class = order[first..].iter().copied();
                let of_class = of_class.take_while(|&item| reference[item as usize] == label);
                positives.extend(of_class.map(partner));
            }
            Way::Graded => {
                let relevance = self.batch.relevance();
                let relevant = (0..distances.len() as u32)
                    .filter(|&item| relevance.is_relevant(anchor, item as usize));
                positives.extend(relevant.map(partner));
            }
        }
        for positive in &*positives {
            distances[positive.index as usize] = f32::NAN;
        }
        if !self.batch.has_reference() {
            distances[anchor] = f32::NAN;
            positives.retain(|positive| positive.index as usize != anchor);
        }
        if let Some(attracted) = self.batch.attracted() {
            let before = positives.len();
            for &index in attracted.positives(anchor) {
                let distance = std::mem::replace(&mut distances[index as usize], f32::NAN);
                if !distance.is_nan() {
                    positives.push(Partner { index, distance });
                }
            }
            if before < positives.len() {
                positives.sort_unstable_by_key(|positive| positive.index);
            }
        }
        if let Some(excepted) = self.batch.excepted() {
            let of_anchor = excepted.positives(anchor);
            positives.retain(|positive| of_anchor.binary_search(&positive.index).is_err());
            for &index in excepted.negatives(anchor) {
                distances[index as usize] = f32::NAN;
            }
        }
    }
}
