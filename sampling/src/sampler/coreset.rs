//! Batches spread over the space: greedy k-centres.

use metric_core::{Distance, Euclidean};
use ndarray::ArrayView2;
use rand::{Rng, RngExt};

use super::BatchSampler;
use super::embedded::Embedded;
use super::pools::Pools;
use crate::SamplerError;

/// `n` rows of a pool `[m, dim]` that cover it: always the row farthest from those chosen, after `chosen` (greedy k-centre:
/// Gonzalez, 1985; as a core-set in Sener and Savarese, *Active Learning for Convolutional Neural Networks: A Core-Set
/// Approach*, 2018, <https://arxiv.org/abs/1708.00489>, algorithm 1).
///
/// ```text
/// next = argmaxᵢ min_{j ∈ chosen} d(xᵢ, xⱼ)        Euclidean; equal ones by the lowest index
/// ```
/// With none `chosen`, the first is drawn from `rng`; otherwise nothing is drawn. What comes back does not hold `chosen`. From
/// any start every row of the pool is within twice the least possible radius of a chosen one.
///
/// Cost: `O((n + |chosen|) m dim)` time, a copy of the pool.
///
/// # Errors
///
/// [`SamplerError::Data`] if the pool is empty or not finite, [`SamplerError::UnknownRow`] if `chosen` names a row it does not
/// have, and [`SamplerError::SmallPool`] if it has fewer than `n` others.
///
/// # Examples
///
/// ```
/// use metric_sampling::k_center_greedy;
/// use ndarray::array;
/// use rand::SeedableRng;
/// let pool = array![[0.0], [1.0], [2.0], [7.0], [10.0]];
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
/// assert_eq!(k_center_greedy(pool.view(), &[0], 2, &mut rng)?, [4, 3]);
/// # Ok::<(), metric_sampling::SamplerError>(())
/// ```
pub fn k_center_greedy<R: Rng + ?Sized>(
    pool: ArrayView2<'_, f32>,
    chosen: &[usize],
    n: usize,
    rng: &mut R,
) -> Result<Vec<usize>, SamplerError> {
    let pool = Embedded::new("pool", pool)?;
    let rows = pool.len();
    let mut cover = Cover::new(rows);
    for &row in chosen {
        if row >= rows {
            return Err(SamplerError::UnknownRow { row, rows });
        }
        cover.add(row, |a, b| distance(pool.row(a), pool.row(b)));
    }
    let needed = n.saturating_add(cover.chosen);
    if needed > rows {
        return Err(SamplerError::SmallPool { pool: rows, needed });
    }
    let mut new = Vec::with_capacity(n);
    while new.len() < n {
        let row = if cover.chosen == 0 {
            rng.random_range(0..rows)
        } else {
            cover.farthest()
        };
        cover.add(row, |a, b| distance(pool.row(a), pool.row(b)));
        new.push(row);
    }
    Ok(new)
}

fn distance(a: &[f32], b: &[f32]) -> f32 {
    Euclidean.distance(a, b)
}

/// How far each row is from the chosen ones.
struct Cover {
    /// Below zero for a chosen row.
    least: Vec<f32>,
    chosen: usize,
}

impl Cover {
    fn new(rows: usize) -> Self {
        Self {
            least: vec![f32::INFINITY; rows],
            chosen: 0,
        }
    }

    fn add(&mut self, row: usize, distance: impl Fn(usize, usize) -> f32) {
        self.chosen += usize::from(self.least[row] >= 0.0);
        self.least[row] = -1.0;
        for (other, least) in self.least.iter_mut().enumerate() {
            if *least >= 0.0 {
                *least = least.min(distance(row, other));
            }
        }
    }

    fn farthest(&self) -> usize {
        let mut best = 0;
        for (row, least) in self.least.iter().enumerate() {
            if *least > self.least[best] {
                best = row;
            }
        }
        best
    }
}

/// Batches of `P` classes with `K` examples each that are spread as far as a pool allows: a core-set of the pool (Sinha et al.,
/// *Small-GAN*, 2020, <https://arxiv.org/abs/1910.13540>, for batches).
///
/// For each batch a pool is drawn: `pool` classes, `K` examples of each. The first begins the batch, and [`k_center_greedy`]
/// over the groups' mean embeddings adds `P − 1` of them. An epoch has as many batches as the set fills,
/// ```text
/// batches = ⌈n / (P · K)⌉
/// ```
/// Counts in a batch are exact, but the choice also decides what is seen: classes on the rim come often, some in the
/// middle of others not at all in one epoch. With `K = 1` and a label of its own for each example, batches are spread over the
/// examples themselves.
///
/// Embeddings are those last given; see [`refresh`](Self::refresh). A stream's state does not hold them.
///
/// Cost of an epoch: `O(n pool dim)` time at most, a copy of the embeddings and `O(pool dim)` more memory.
///
/// # Examples
///
/// ```
/// use metric_sampling::{BatchSampler, CoresetSampler};
/// use ndarray::array;
/// use rand::SeedableRng;
/// let embeddings = array![[0.0], [0.1], [5.0], [5.1]];
/// let sampler = CoresetSampler::new(&[0, 1, 2, 3], embeddings.view(), 2, 1, 4)?;
/// for batch in sampler.epoch(&mut rand_chacha::ChaCha8Rng::seed_from_u64(1)) {
///     assert_ne!(batch[0] < 2, batch[1] < 2); // one from each end
/// }
/// # Ok::<(), metric_sampling::SamplerError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct CoresetSampler {
    pools: Pools,
    embeddings: Embedded,
}

impl CoresetSampler {
    /// A sampler for examples with these labels and embeddings `[n, dim]`: batches of `p` classes with `k` examples, out of
    /// pools of `pool` classes (more than there are means all).
    ///
    /// # Errors
    ///
    /// Those of [`PkSampler::new`](super::PkSampler::new), [`SamplerError::SmallPool`] if `pool` is less than `p`,
    /// [`SamplerError::Count`] if there is not one row an example, and [`SamplerError::Data`] if the rows have no columns or
    /// are not finite.
    pub fn new(
        labels: &[u32],
        embeddings: ArrayView2<'_, f32>,
        p: usize,
        k: usize,
        pool: usize,
    ) -> Result<Self, SamplerError> {
        let pools = Pools::new(labels, p, k, pool)?;
        let embeddings = Embedded::of("embeddings", embeddings, labels.len())?;
        Ok(Self { pools, embeddings })
    }

    /// Replaces the embeddings `[n, dim]` for the epochs to come.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new); nothing is changed then.
    pub fn refresh(&mut self, embeddings: ArrayView2<'_, f32>) -> Result<(), SamplerError> {
        self.embeddings = Embedded::of("embeddings", embeddings, self.examples())?;
        Ok(())
    }
}

impl BatchSampler for CoresetSampler {
    fn epoch(&self, rng: &mut dyn Rng) -> Vec<Vec<usize>> {
        self.pools.epoch(rng, |pool| {
            let means = pool.iter().map(|group| self.embeddings.mean(group));
            let means: Vec<Vec<f32>> = means.collect();
            let mut cover = Cover::new(means.len());
            let mut chosen = vec![0];
            loop {
                let last = chosen[chosen.len() - 1];
                cover.add(last, |a, b| distance(&means[a], &means[b]));
                if chosen.len() == self.pools.p {
                    return chosen;
                }
                chosen.push(cover.farthest());
            }
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
