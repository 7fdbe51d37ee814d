//! Piles dealt out so that those of a batch come from different piles.

use std::collections::BinaryHeap;

use rand::{Rng, RngExt};

use super::classes::company;

/// Deals piles until all are empty: each batch takes the last of each of the `p` fullest piles, ties at random. Where fewer
/// than `p` have anything left, others are drawn at random and give what `fresh` makes for them.
///
/// Taking from the fullest first gives the fewest possible batches, [`deals`].
pub(super) fn deal<T, R: Rng + ?Sized>(
    mut piles: Vec<Vec<T>>,
    p: usize,
    rng: &mut R,
    mut fresh: impl FnMut(usize, &mut R) -> T,
) -> Vec<Vec<T>> {
    // The random number breaks ties; it is drawn anew with each deal.
    let mut waiting: BinaryHeap<(usize, u32, usize)> = (0..piles.len())
        .map(|pile| (piles[pile].len(), rng.random(), pile))
        .collect();
    let mut batches = Vec::new();
    let mut taken = Vec::with_capacity(p);
    while !waiting.is_empty() {
        taken.clear();
        taken.extend((0..p).map_while(|_| waiting.pop()).map(|(_, _, pile)| pile));
        let mut batch: Vec<T> = taken.iter().filter_map(|&pile| piles[pile].pop()).collect();
        waiting.extend(
            taken
                .iter()
                .filter(|&&pile| !piles[pile].is_empty())
                .map(|&pile| (piles[pile].len(), rng.random(), pile)),
        );
        for pile in company(&taken, p, piles.len(), rng) {
            batch.push(fresh(pile, rng));
        }
        batches.push(batch);
    }
    batches
}

/// How many batches of `p` piles of these sizes make: `max( maxᵢ cᵢ, ⌈Σ cᵢ / p⌉ )`.
pub(super) fn deals(sizes: impl Iterator<Item = usize>, p: usize) -> usize {
    let (most, sum) = sizes.fold((0, 0), |(most, sum), size| (size.max(most), sum + size));
    most.max(sum.div_ceil(p))
}
