//! What a miner sees of one anchor.

use metric_core::{Distance, each_row};
use rayon::prelude::*;

use super::sides::Sides;
use crate::{Batch, MiningError};

/// An item that an anchor can be paired with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Partner {
    /// Its index among the items of the reference set.
    pub index: u32,
    /// How far it is from the anchor.
    pub distance: f32,
}

/// An anchor with its distances to all positives and negatives: what [`Batch::each_anchor`] shows.
#[derive(Debug, Clone, Copy)]
pub struct Anchor<'a> {
    index: u32,
    positives: &'a [Partner],
    negatives: &'a [f32],
}

impl<'a> Anchor<'a> {
    /// Its index among the rows.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Its positives in order of index.
    pub fn positives(&self) -> &'a [Partner] {
        self.positives
    }

    /// Distances to all items of the reference set, NaN in the place of each that is no negative: so no comparison holds
    /// for these, and loops over many negatives need no branch.
    pub fn negative_distances(&self) -> &'a [f32] {
        self.negatives
    }

    /// Its negatives in order of index.
    pub fn negatives(&self) -> impl Iterator<Item = Partner> + Clone + use<'a> {
        (0..)
            .zip(self.negatives)
            .filter(|(_, distance)| !distance.is_nan())
            .map(|(index, &distance)| Partner { index, distance })
    }

    /// Does it have a negative?
    pub fn has_negative(&self) -> bool {
        self.negatives.iter().any(|distance| !distance.is_nan())
    }

    /// The nearest positive whose distance is as wanted; of equal ones the first.
    pub fn nearest_positive(&self, wanted: impl Fn(f32) -> bool) -> Option<Partner> {
        let wanted = self.positives.iter().filter(|p| wanted(p.distance));
        wanted
            .min_by(|p, q| p.distance.total_cmp(&q.distance))
            .copied()
    }

    /// The farthest positive whose distance is as wanted; of equal ones the first.
    pub fn farthest_positive(&self, wanted: impl Fn(f32) -> bool) -> Option<Partner> {
        let wanted = self.positives.iter().filter(|p| wanted(p.distance));
        // Of equal elements `max_by` gives the last.
        wanted
            .rev()
            .max_by(|p, q| p.distance.total_cmp(&q.distance))
            .copied()
    }

    /// The nearest negative whose distance is as wanted; of equal ones the first. `wanted` must refuse NaN, as comparisons
    /// do, or accept everything.
    pub fn nearest_negative(&self, wanted: impl Fn(f32) -> bool) -> Option<Partner> {
        let least = fold(self.negatives, f32::INFINITY, |least, d| {
            if d < least && wanted(d) { d } else { least }
        });
        first(self.negatives, |d| d <= least && wanted(d))
    }

    /// The farthest negative whose distance is as wanted; otherwise as [`nearest_negative`](Self::nearest_negative).
    pub fn farthest_negative(&self, wanted: impl Fn(f32) -> bool) -> Option<Partner> {
        let most = fold(self.negatives, f32::NEG_INFINITY, |most, d| {
            if d > most && wanted(d) { d } else { most }
        });
        first(self.negatives, |d| d >= most && wanted(d))
    }

    /// Indices of the negatives whose distance is as wanted, ascending. `wanted` must refuse NaN, as comparisons do.
    pub fn negatives_where(&self, wanted: impl Fn(f32) -> bool) -> Vec<u32> {
        indices_where(self.negatives, wanted)
    }
}

/// Numbers that are looked at together, such that the compiler makes vectors of them.
const LANES: usize = 16;

/// Runs an operation that chooses one of two numbers over all of them, in lanes.
fn fold(values: &[f32], start: f32, of: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [start; LANES];
    let mut each = values.chunks_exact(LANES);
    for values in &mut each {
        for (lane, &value) in lanes.iter_mut().zip(values) {
            *lane = of(*lane, value);
        }
    }
    let rest = each.remainder().iter().copied();
    lanes.into_iter().chain(rest).fold(start, of)
}

/// Indices of the numbers that are as wanted.
pub(super) fn indices_where(values: &[f32], wanted: impl Fn(f32) -> bool) -> Vec<u32> {
    let mut found = Vec::new();
    for (start, some) in (0u32..).step_by(LANES).zip(values.chunks(LANES)) {
        if some.iter().fold(false, |any, &d| any | wanted(d)) {
            let (mut kept, mut count) = ([0; LANES], 0);
            for (index, &d) in (start..).zip(some) {
                kept[count] = index;
                count += usize::from(wanted(d));
            }
            found.extend_from_slice(&kept[..count]);
        }
    }
    found
}

/// The first that is as wanted.
fn first(values: &[f32], wanted: impl Fn(f32) -> bool) -> Option<Partner> {
    let some = |values: &&[f32]| values.iter().fold(false, |any, &d| any | wanted(d));
    let at = values.chunks(LANES).position(|values| some(&values))? * LANES;
    let (index, &distance) = (at..)
        .zip(&values[at..])
        .find(|&(_, &distance)| wanted(distance))?;
    let index = index as u32;
    Some(Partner { index, distance })
}

impl Batch<'_> {
    /// What becomes of every anchor by its distances to positives and negatives; results in order of the rows. Every miner
    /// that measures is written with it, and so can be one of yours.
    ///
    /// Cost: the distances once, by the tile engine of [`each_row`]; the same results for any number of threads. Memory: a
    /// copy of the reference set and 48 rows of distances a thread, never all of them. Labels cost nothing a pair, label sets
    /// and functions are asked for each.
    ///
    /// # Errors
    ///
    /// [`MiningError::Data`] if the rows are not in the domain of the distance.
    ///
    /// # Examples
    ///
    /// The gap between each anchor's farthest positive and nearest negative:
    ///
    /// ```
    /// use metric_core::{Euclidean, Relevance};
    /// use metric_sampling::Batch;
    /// use ndarray::array;
    /// let rows = array![[0.0f32], [1.0], [3.0]];
    /// let batch = Batch::new(rows.view(), Relevance::labels(&[4, 4, 5]))?;
    /// let gaps = batch.each_anchor(&Euclidean, |anchor| {
    ///     let farthest = anchor.farthest_positive(|_| true)?;
    ///     let nearest = anchor.nearest_negative(|_| true)?;
    ///     Some(nearest.distance - farthest.distance)
    /// })?;
    /// assert_eq!(gaps, [Some(2.0), Some(1.0), None]);
    /// # Ok::<(), metric_sampling::MiningError>(())
    /// ```
    pub fn each_anchor<D, R>(
        &self,
        distance: &D,
        of: impl Fn(Anchor<'_>) -> R + Sync,
    ) -> Result<Vec<R>, MiningError>
    where
        D: Distance<f32> + ?Sized,
        R: Send,
    {
        let sides = Sides::of(self);
        let found = each_row(distance, self.rows(), self.reference(), |row, distances| {
            show(&sides, row, distances, &mut Vec::new(), &of)
        });
        Ok(found?)
    }

    /// The same without measuring: all distances are 0.
    pub(crate) fn each_anchor_unmeasured<R: Send>(
        &self,
        of: impl Fn(Anchor<'_>) -> R + Sync,
    ) -> Vec<R> {
        let sides = Sides::of(self);
        let scratch = || (vec![0.0; self.references()], Vec::new());
        let rows = (0..self.len()).into_par_iter();
        rows.map_init(scratch, |(distances, positives), row| {
            distances.fill(0.0);
            show(&sides, row, distances, positives, &of)
        })
        .collect()
    }
}

fn show<R>(
    sides: &Sides<'_>,
    row: usize,
    distances: &mut [f32],
    positives: &mut Vec<Partner>,
    of: impl Fn(Anchor<'_>) -> R,
) -> R {
    sides.split(row, distances, positives);
    of(Anchor {
        index: row as u32,
        positives,
        negatives: distances,
    })
}
