//! The pairs that a miner may choose from, where these are not all.

use crate::{Batch, MiningError, Pairs};

/// Pairs by their anchor.
#[derive(Debug, Clone)]
pub(crate) struct Candidates {
    positive: ByAnchor,
    negative: ByAnchor,
}

impl Candidates {
    pub(crate) fn new(pairs: &Pairs, batch: &Batch<'_>) -> Result<Self, MiningError> {
        let candidates = Self {
            positive: ByAnchor::new(pairs.positive.iter().collect(), batch)?,
            negative: ByAnchor::new(pairs.negative.iter().collect(), batch)?,
        };
        for anchor in 0..batch.len() {
            let negatives = candidates.negatives(anchor);
            let is_negative = |other: &&u32| negatives.binary_search(other).is_ok();
            if let Some(&other) = candidates.positives(anchor).iter().find(is_negative) {
                return Err(MiningError::TwoKinds {
                    anchor: anchor as u32,
                    other,
                });
            }
        }
        Ok(candidates)
    }

    /// Positives of an anchor, ascending.
    pub(crate) fn positives(&self, anchor: usize) -> &[u32] {
        self.positive.of(anchor)
    }

    /// Negatives of an anchor, ascending.
    pub(crate) fn negatives(&self, anchor: usize) -> &[u32] {
        self.negative.of(anchor)
    }

    pub(crate) fn contain(&self, anchor: usize, other: usize) -> bool {
        let is_in = |others: &[u32]| others.binary_search_by_key(&other, |&o| o as usize).is_ok();
        is_in(self.positives(anchor)) || is_in(self.negatives(anchor))
    }
}

/// The others of each anchor, ascending and without repetition, one after another.
#[derive(Debug, Clone)]
struct ByAnchor {
    starts: Vec<usize>,
    others: Vec<u32>,
}

impl ByAnchor {
    fn new(mut pairs: Vec<(u32, u32)>, batch: &Batch<'_>) -> Result<Self, MiningError> {
        let known = |side, index: u32, count: usize| {
            if (index as usize) < count {
                Ok(())
            } else {
                Err(MiningError::UnknownItem { side, index, count })
            }
        };
        for &(anchor, other) in &pairs {
            known("anchors", anchor, batch.len())?;
            known("others", other, batch.references())?;
        }
        if !batch.has_reference() {
            pairs.retain(|(anchor, other)| anchor != other);
        }
        pairs.sort_unstable();
        pairs.dedup();
        let start = |anchor: usize| pairs.partition_point(|pair| (pair.0 as usize) < anchor);
        Ok(Self {
            starts: (0..=batch.len()).map(start).collect(),
            others: pairs.iter().map(|pair| pair.1).collect(),
        })
    }

    fn of(&self, anchor: usize) -> &[u32] {
        &self.others[self.starts[anchor]..self.starts[anchor + 1]]
    }
}
