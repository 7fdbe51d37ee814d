//! FaceNet's choice of negatives.

use metric_core::{Distance, Euclidean};
use rand::Rng;

use super::{
    Anchor, OfAnchor, Partner, TripletMiner, checked_margin, gap, join_triplets, with_distance,
};
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
            triplets
                .iter()
                .map(|(p, n)| (p.index, n.index))
                .collect::<OfAnchor>()
        })?;
        Ok(join_triplets(found))
    }
}

/// Each positive with the nearest negative that is farther: negatives are sorted into the gaps between the positives, and
/// of each gap only the nearest can be an answer.
fn nearest_behind_each_positive(anchor: Anchor<'_>) -> Vec<(Partner, Partner)> {
    let mut positives = anchor.positives().to_vec();
    positives.sort_unstable_by(|x, y| x.distance.total_cmp(&y.distance));
    let ladder = Ladder::new(positives.iter().map(|p| p.distance).collect());
    let none = Partner {
        index: u32::MAX,
        distance: f32::INFINITY,
    };
    // nearest[k]: behind k positives and no more.
    let mut nearest = vec![none; positives.len() + 1];
    let distances = anchor.negative_distances();
    for (first, some) in (0u32..).step_by(LANES).zip(distances.chunks(LANES)) {
        let cells = ladder.cells(some);
        for ((index, &distance), &cell) in (first..).zip(some).zip(&cells) {
            let in_gap = &mut nearest[ladder.rank(distance, cell)];
            if distance < in_gap.distance {
                *in_gap = Partner { index, distance };
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

/// Ascending bounds, among which numbers find their rank at once: by equal cells, and a search in the few that hold a bound.
struct Ladder {
    bounds: Vec<f32>,
    /// Bounds in the cells before each, and in all.
    before: Vec<u32>,
    low: f32,
    scale: f32,
}

/// Cells a bound, and in all at most.
const CELLS: usize = 16;
const MOST_CELLS: usize = 1 << 20;

/// Numbers that are looked at together, such that the compiler makes vectors of them.
const LANES: usize = 16;

impl Ladder {
    fn new(bounds: Vec<f32>) -> Self {
        let low = bounds.first().copied().unwrap_or(0.0);
        let high = bounds.last().copied().unwrap_or(0.0);
        let cells = (CELLS * bounds.len()).clamp(1, MOST_CELLS);
        let mut ladder = Self {
            bounds,
            before: vec![0; cells + 1],
            low,
            scale: cells as f32 / (high - low),
        };
        for i in 0..ladder.bounds.len() {
            let [cell, ..] = ladder.cells(&ladder.bounds[i..=i]);
            ladder.before[cell as usize + 1] += 1;
        }
        for cell in 0..cells {
            ladder.before[cell + 1] += ladder.before[cell];
        }
        ladder
    }

    /// The cell of each value. They ascend with the values, whatever the ends are.
    fn cells(&self, values: &[f32]) -> [u32; LANES] {
        /// Added to a small number, leaves it rounded in the last bits.
        const WHOLE: f32 = 8_388_608.0;
        let last = (self.before.len() - 2) as f32;
        let mut cells = [0; LANES];
        for (cell, &value) in cells.iter_mut().zip(values) {
            let at = (value - self.low) * self.scale;
            let at = if at > 0.0 { at } else { 0.0 }; // NaN too
            let at = if at < last { at } else { last };
            *cell = (at + WHOLE).to_bits() - WHOLE.to_bits();
        }
        cells
    }

    /// How many bounds are below a value of this cell; 0 for NaN, whose cell is the first.
    fn rank(&self, value: f32, cell: u32) -> usize {
        let cell = cell as usize;
        let (first, last) = (self.before[cell] as usize, self.before[cell + 1] as usize);
        if first == last {
            return first;
        }
        first + self.bounds[first..last].partition_point(|&bound| bound < value)
    }
}
