//! k-means on small random batches.

use ndarray::ArrayView2;
use rand::seq::index;
use rand::{Rng, RngExt};

use super::assign::{Centres, Nearest, Points, check_count};
use super::kmeans::{Clusters, finish, positive};
use super::start::Start;
use crate::{Error, Scalar};

/// Batches without a better one after which it is taken to have converged.
const PATIENCE: usize = 10;
/// A centre with less than this share of the rows of the largest is moved elsewhere.
const LOW_COUNT: f64 = 0.01;
/// Rows seen for each centre between two looks at their counts.
const ROWS_BETWEEN_LOOKS: usize = 10;

/// Mini-batch k-means (Sculley, *Web-scale k-means clustering*, WWW 2010, algorithm 1).
///
/// A batch of rows is drawn uniformly, with replacement; each goes to its nearest centre, and then, row after row, with
/// `vⱼ` rows seen by centre `j` so far:
/// ```text
/// vⱼ ← vⱼ + 1,   cⱼ ← (1 − 1/vⱼ) cⱼ + x/vⱼ
/// ```
/// Beyond the paper:
/// - Each time `10 k` rows have been seen, but not after the last batch, centres with fewer than 0.01 of the rows of
///   the centre with most are put on different rows of the batch, drawn uniformly; at most on half of its rows, the
///   smallest counts first. Their count becomes the least of the others'.
/// - It ends early once a running average of the mean squared distance inside a batch has not fallen for 10 batches in
///   a row. The newest of batches of `b` among `n` rows has weight `min(1, 2b/(n+1))` in it.
/// - k-means++ and random starts look at `3 max(b, k)` rows drawn uniformly, if there are more.
///
/// In the end all rows are assigned once. A batch costs `O(b k dim)`, the end `O(n k dim)`. Centres are updated in
/// `f64`; the same bits for any number of threads.
///
/// # Examples
///
/// ```
/// use metric_core::clusters::MiniBatchKMeans;
/// use ndarray::Array2;
/// use rand::SeedableRng;
/// let rows = Array2::from_shape_fn((1000, 1), |(i, _)| (i % 2) as f64);
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
/// let found = MiniBatchKMeans::new(2).batch_size(50).fit(rows.view(), &mut rng)?;
/// assert_eq!(found.inertia, 0.0);
/// # Ok::<(), metric_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct MiniBatchKMeans<T> {
    k: usize,
    start: Start<T>,
    batch_size: usize,
    max_batches: usize,
}

impl<T: Scalar> MiniBatchKMeans<T> {
    /// `k` clusters from a [k-means++ start](Start::PlusPlus), in at most 1000 batches of 1024 rows.
    pub fn new(k: usize) -> Self {
        Self {
            k,
            start: Start::default(),
            batch_size: 1024,
            max_batches: 1000,
        }
    }

    /// How the first centres are chosen.
    #[must_use]
    pub fn start(mut self, start: Start<T>) -> Self {
        self.start = start;
        self
    }

    /// Rows in a batch.
    #[must_use]
    pub fn batch_size(mut self, batch_size: usize) -> Self {
        self.batch_size = batch_size;
        self
    }

    /// Batches after which it ends in any case.
    #[must_use]
    pub fn max_batches(mut self, max_batches: usize) -> Self {
        self.max_batches = max_batches;
        self
    }

    /// Clusters of the rows of `x` `[n, dim]`; [`Clusters::iterations`] counts batches.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`], [`Error::NonFinite`], [`Error::ClusterCount`] if `k` is 0 or above `n`;
    /// [`Error::InvalidParam`] for no batches, batches without rows, or no trials; [`Error::DimMismatch`] or
    /// [`Error::CentreCount`] for a start of another shape.
    pub fn fit<R: Rng + ?Sized>(
        &self,
        x: ArrayView2<'_, T>,
        rng: &mut R,
    ) -> Result<Clusters<T>, Error> {
        positive("batch_size", self.batch_size)?;
        positive("max_batches", self.max_batches)?;
        let points = Points::checked("rows", x)?;
        check_count(self.k, points.len())?;
        let mut state = Running::new(self.start_centres(&points, x, rng)?, points.dim());
        let mut progress = Progress::new(self.batch_size, points.len());
        let (mut batches, mut unseen, mut converged) = (0, 0, false);
        while !converged && batches < self.max_batches {
            let draw = |_| rng.random_range(0..points.len());
            let batch: Vec<usize> = (0..self.batch_size).map(draw).collect();
            let found = points.nearest_two(&state.rounded, &batch);
            state.absorb(&points, &batch, &found);
            batches += 1;
            unseen += batch.len();
            converged = progress.stalled(&found);
            let last = converged || batches == self.max_batches;
            if unseen >= ROWS_BETWEEN_LOOKS * self.k && !last {
                unseen = 0;
                state.reassign(&points, &batch, rng);
            }
        }
        let all: Vec<usize> = (0..points.len()).collect();
        let found = points.nearest_two(&state.rounded, &all);
        let labels = found.iter().map(|nearest| nearest.index).collect();
        Ok(finish(&points, state.rounded, labels, batches, converged))
    }

    fn start_centres<R: Rng + ?Sized>(
        &self,
        points: &Points<'_, T>,
        x: ArrayView2<'_, T>,
        rng: &mut R,
    ) -> Result<Centres<T>, Error> {
        let looked_at = self.batch_size.max(self.k).saturating_mul(3);
        if looked_at >= points.len() || matches!(self.start, Start::Given(_)) {
            return self.start.centres(points, self.k, rng);
        }
        let some = index::sample(rng, points.len(), looked_at).into_vec();
        let some = x.select(ndarray::Axis(0), &some);
        let some = Points::checked("rows", some.view())?;
        self.start.centres(&some, self.k, rng)
    }
}

/// Centres as running means.
struct Running<T> {
    exact: Vec<f64>,
    rounded: Centres<T>,
    counts: Vec<u64>,
    dim: usize,
}

impl<T: Scalar> Running<T> {
    fn new(rounded: Centres<T>, dim: usize) -> Self {
        let values = (0..rounded.len()).flat_map(|j| rounded.row(j));
        Self {
            exact: values.map(|x| x.to_f64()).collect(),
            counts: vec![0; rounded.len()],
            rounded,
            dim,
        }
    }

    fn absorb(&mut self, points: &Points<'_, T>, batch: &[usize], found: &[Nearest<T>]) {
        for (&row, nearest) in batch.iter().zip(found) {
            let j = nearest.index as usize;
            self.counts[j] += 1;
            let rate = 1.0 / self.counts[j] as f64;
            let centre = &mut self.exact[j * self.dim..][..self.dim];
            for (c, x) in centre.iter_mut().zip(points.row(row)) {
                // Halves, whose difference stays inside the range.
                let half = x.to_f64() / 2.0 - *c / 2.0;
                *c = if self.counts[j] == 1 {
                    x.to_f64()
                } else {
                    *c + 2.0 * (rate * half)
                };
            }
        }
        for j in 0..self.counts.len() {
            self.round(j);
        }
    }

    fn round(&mut self, j: usize) {
        let exact = &self.exact[j * self.dim..][..self.dim];
        let rounded = self.rounded.row_mut(j).iter_mut();
        rounded.zip(exact).for_each(|(r, &e)| *r = T::from_f64(e));
    }

    /// Puts the centres that see too few rows on rows of the batch.
    fn reassign<R: Rng + ?Sized>(&mut self, points: &Points<'_, T>, batch: &[usize], rng: &mut R) {
        let most = self.counts.iter().copied().max().unwrap_or(0);
        let is_low = |count: u64| (count as f64) < LOW_COUNT * most as f64;
        let mut low: Vec<usize> = (0..self.counts.len())
            .filter(|&j| is_low(self.counts[j]))
            .collect();
        let others = self.counts.iter().copied().filter(|&count| !is_low(count));
        let count = others.min().unwrap_or(0);
        // A stable sort leaves equal counts in order of their index.
        low.sort_by_key(|&j| self.counts[j]);
        low.truncate(batch.len() / 2);
        for (j, at) in low.iter().zip(index::sample(rng, batch.len(), low.len())) {
            let values = points.row(batch[at]).iter().map(|x| x.to_f64());
            let centre = &mut self.exact[j * self.dim..][..self.dim];
            centre.iter_mut().zip(values).for_each(|(c, x)| *c = x);
            self.counts[*j] = count;
            self.round(*j);
        }
    }
}

/// A running average of what batches cost, and how long it has not fallen.
struct Progress {
    newest: f64,
    average: Option<f64>,
    least: f64,
    in_vain: usize,
}

impl Progress {
    fn new(batch_size: usize, rows: usize) -> Self {
        Self {
            newest: (2.0 * batch_size as f64 / (rows as f64 + 1.0)).min(1.0),
            average: None,
            least: f64::INFINITY,
            in_vain: 0,
        }
    }

    fn stalled<T: Scalar>(&mut self, found: &[Nearest<T>]) -> bool {
        let squares = found.iter().map(|n| n.distance.to_f64().powi(2));
        let cost = squares.sum::<f64>() / found.len() as f64;
        let average = match self.average {
            Some(average) => average + self.newest * (cost - average),
            None => cost,
        };
        self.average = Some(average);
        if average < self.least {
            (self.least, self.in_vain) = (average, 0);
        } else {
            self.in_vain += 1;
        }
        self.in_vain >= PATIENCE
    }
}
