//! Batches whose distances are distributed as those of the whole set.

use ndarray::ArrayView2;
use rand::{Rng, RngExt};

use super::BatchSampler;
use super::distance_histogram::{DistanceHistogram, transport};
use super::embedded::Embedded;
use super::pools::Pools;
use crate::SamplerError;

/// `n` rows of a pool `[m, dim]` whose pairwise distances are distributed as those of a memory, greedily (the choice of
/// batches by distance histograms of Roth et al., *Revisiting Training Strategies and Generalization Performance in Deep
/// Metric Learning*, 2020, <https://arxiv.org/abs/2002.08473>).
///
/// The first row is drawn from `rng`. Each further one is that with which the histogram of the chosen rows' distances comes
/// nearest to the target:
/// ```text
/// next = argminᵢ W₁( target, histogram{ d(a, b) : a, b ∈ chosen ∪ {i} } )        equal ones by the lowest index
/// ```
/// with [`DistanceHistogram::wasserstein`] as `W₁`. Greedy: not the best batch, but near the target within a few dozen rows.
///
/// Cost: `O(n m (dim + bins))` time; a copy of the pool and `O(m bins)` counts.
///
/// Deviates from the paper's code, which draws some batches at random and keeps the best of them.
///
/// # Errors
///
/// [`SamplerError::Data`] if the pool is empty or not finite, [`SamplerError::SmallPool`] if it has fewer than `n` rows.
///
/// # Examples
///
/// ```
/// use metric_sampling::{DistanceHistogram, match_distances};
/// use ndarray::array;
/// use rand::SeedableRng;
/// // All distances are 1 in the memory: only one row of the pool is that far from any other.
/// let target = DistanceHistogram::new(array![[5.0], [6.0]].view(), 10)?;
/// let pool = array![[0.0], [0.2], [1.1], [1.2]];
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
/// let chosen = match_distances(pool.view(), &target, 2, &mut rng)?;
/// assert_ne!(chosen[0] < 2, chosen[1] < 2);
/// # Ok::<(), metric_sampling::SamplerError>(())
/// ```
pub fn match_distances<R: Rng + ?Sized>(
    pool: ArrayView2<'_, f32>,
    target: &DistanceHistogram,
    n: usize,
    rng: &mut R,
) -> Result<Vec<usize>, SamplerError> {
    let pool = Embedded::new("pool", pool)?;
    let rows = pool.len();
    if n > rows {
        let needed = n;
        return Err(SamplerError::SmallPool { pool: rows, needed });
    }
    if n == 0 {
        return Ok(Vec::new());
    }
    let items: Vec<[usize; 1]> = (0..rows).map(|row| [row]).collect();
    let items: Vec<&[usize]> = items.iter().map(<[usize; 1]>::as_slice).collect();
    let first = rng.random_range(0..rows);
    Ok(matched(&pool, &items, first, n, target))
}

/// `n` of some sets of rows, the first of them given.
fn matched(
    rows: &Embedded,
    items: &[&[usize]],
    first: usize,
    n: usize,
    target: &DistanceHistogram,
) -> Vec<usize> {
    let bins = target.counts().len();
    let shares = target.shares();
    // Of each item the distances within it and to the chosen ones: what it would add.
    let mut adds = vec![0u32; items.len() * bins];
    for (item, adds) in items.iter().zip(adds.chunks_exact_mut(bins)) {
        for (at, &a) in item.iter().enumerate() {
            for &b in &item[..at] {
                adds[target.bin_of(rows.row(a), rows.row(b))] += 1;
            }
        }
    }
    let mut counts = vec![0u64; bins];
    let mut chosen = vec![first];
    let mut waits = vec![true; items.len()];
    let mut last = first;
    while chosen.len() < n {
        waits[last] = false;
        let added = &adds[last * bins..][..bins];
        counts
            .iter_mut()
            .zip(added)
            .for_each(|(sum, &n)| *sum += u64::from(n));
        let mut best = (f64::INFINITY, None);
        for (at, item) in items.iter().enumerate().filter(|&(at, _)| waits[at]) {
            let adds = &mut adds[at * bins..][..bins];
            for &a in items[last] {
                for &b in *item {
                    adds[target.bin_of(rows.row(a), rows.row(b))] += 1;
                }
            }
            let both = counts.iter().zip(&*adds);
            let cost = transport(&shares, both.map(|(&sum, &n)| sum + u64::from(n)));
            if cost < best.0 || best.1.is_none() {
                best = (cost, Some(at));
            }
        }
        let Some(next) = best.1 else { break };
        chosen.push(next);
        last = next;
    }
    chosen
}

/// Batches of `P` classes with `K` examples each whose pairwise distances are distributed as a memory's, as well as a pool allows.
///
/// Pools and the number of batches are those of [`CoresetSampler`](super::CoresetSampler). The first group of a pool begins a batch,
/// and each further one is that which brings the distances between all examples of the batch nearest to the target, as in
/// [`match_distances`]. Counts in a batch are exact, but not every example need come in an epoch.
///
/// Embeddings and target are those last given; see [`refresh`](Self::refresh). A stream's state does not hold them.
///
/// Cost of an epoch: `O(n pool (K dim + bins / K))` time at most; a copy of the embeddings and `O(pool bins)` counts.
///
/// # Examples
///
/// ```
/// use metric_sampling::{BatchSampler, DistanceHistogram, DistanceMatchingSampler};
/// use ndarray::array;
/// use rand::SeedableRng;
/// let embeddings = array![[0.0], [0.1], [5.0], [5.1]];
/// let target = DistanceHistogram::new(embeddings.view(), 16)?;
/// let sampler = DistanceMatchingSampler::new(&[0, 1, 2, 3], embeddings.view(), target, 2, 1, 4)?;
/// assert_eq!(sampler.epoch(&mut rand_chacha::ChaCha8Rng::seed_from_u64(1)).len(), 2);
/// # Ok::<(), metric_sampling::SamplerError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct DistanceMatchingSampler {
    pools: Pools,
    embeddings: Embedded,
    target: DistanceHistogram,
}

impl DistanceMatchingSampler {
    /// A sampler for examples with these labels and embeddings `[n, dim]`: batches of `p` classes with `k` examples, out of
    /// pools of `pool` classes.
    ///
    /// # Errors
    ///
    /// As [`CoresetSampler::new`](super::CoresetSampler::new).
    pub fn new(
        labels: &[u32],
        embeddings: ArrayView2<'_, f32>,
        target: DistanceHistogram,
        p: usize,
        k: usize,
        pool: usize,
    ) -> Result<Self, SamplerError> {
        let pools = Pools::new(labels, p, k, pool)?;
        let embeddings = Embedded::of("embeddings", embeddings, labels.len())?;
        Ok(Self {
            pools,
            embeddings,
            target,
        })
    }

    /// Replaces embeddings `[n, dim]` and target for the epochs to come.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new); nothing is changed then.
    pub fn refresh(
        &mut self,
        embeddings: ArrayView2<'_, f32>,
        target: DistanceHistogram,
    ) -> Result<(), SamplerError> {
        self.embeddings = Embedded::of("embeddings", embeddings, self.examples())?;
        self.target = target;
        Ok(())
    }
}

impl BatchSampler for DistanceMatchingSampler {
    fn epoch(&self, rng: &mut dyn Rng) -> Vec<Vec<usize>> {
        self.pools.epoch(rng, |pool| {
            let items: Vec<&[usize]> = pool.iter().map(Vec::as_slice).collect();
            matched(&self.embeddings, &items, 0, self.pools.p, &self.target)
        })
    }

    fn batches_per_epoch(&self) -> usize {
        self.pools.batches_per_epoch()
    }

    fn examples(&self) -> usize {
        self.pools.examples()
    }

    fn smallest_batch(&self) -> usize {
        self.pools.batch_size()
    }
}
