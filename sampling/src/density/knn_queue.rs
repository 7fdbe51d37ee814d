//! k-nearest-neighbour densities of rows that come and go.

use std::collections::VecDeque;

use metric_core::{Euclidean, Neighbors, knn};
use ndarray::{ArrayView2, Axis};

use super::KnnDensity;
use super::checks::{enough, finite};
use super::queue::{followed, is_room};
use crate::{DensityError, RingBuffer};

/// A [`RingBuffer`] whose rows know their leave-one-out [`KnnDensity`].
///
/// Every row keeps the list of its `k` nearest. A push searches the neighbours of the rows that come, merges these into the lists of the
/// rows that stay, and searches anew for those rows of which a neighbour has left, about `k` for each row that leaves. Nothing is
/// approximate: the densities are, to the bit, those of
/// [`LogDensity::log_density_self`](super::LogDensity::log_density_self) over the rows held.
///
/// Cost: a push of `b` rows in `n` takes `O(k b n dim)` time; memory for the rows and about `16 k` bytes a row, and
/// while pushing two copies of the rows. Results are the same bits for any number of threads.
///
/// # Examples
///
/// ```
/// use metric_sampling::density::{KnnDensity, KnnDensityQueue, LogDensity};
/// use ndarray::array;
/// let knn = KnnDensity::new(1)?;
/// let mut queue = KnnDensityQueue::new(2, 1, knn)?;
/// queue.push(array![[0.0f32], [1.0]].view(), &[0, 0])?;
/// queue.push(array![[3.0f32]].view(), &[1])?;
/// assert_eq!(queue.log_densities()?, knn.log_density_self(array![[1.0f32], [3.0]].view())?);
/// # Ok::<(), metric_sampling::DensityError>(())
/// ```
#[derive(Debug, Clone)]
pub struct KnnDensityQueue {
    density: KnnDensity,
    buffer: RingBuffer<f32>,
    lists: VecDeque<List>,
    /// Rows that have left: the number of the oldest row held.
    first: u64,
}

/// The nearest rows, nearest first, equal ones by number: the distance, and the number among all rows ever pushed.
type List = Vec<(f32, u64)>;

impl KnnDensityQueue {
    /// An empty queue for `capacity` rows of `dim` numbers.
    ///
    /// # Errors
    ///
    /// [`DensityError::Buffer`] if either is 0.
    pub fn new(capacity: usize, dim: usize, density: KnnDensity) -> Result<Self, DensityError> {
        Ok(Self {
            density,
            buffer: RingBuffer::new(capacity, dim)?,
            lists: VecDeque::new(),
            first: 0,
        })
    }

    /// Adds rows `[n, dim]` with a label each, in place of the oldest where there is no room.
    ///
    /// # Errors
    ///
    /// As [`RingBuffer::push`], and [`DensityError::Data`] if a row is not finite. Nothing changes on an error.
    pub fn push(&mut self, rows: ArrayView2<'_, f32>, labels: &[i64]) -> Result<(), DensityError> {
        if !is_room(&self.buffer, rows, labels) {
            // It says why, or that there is nothing to do.
            return Ok(self.buffer.push(rows, labels)?);
        }
        finite("rows", rows)?;
        let held = self.buffer.len();
        let all = followed(&self.buffer, rows);
        let leaves = all.nrows().saturating_sub(self.buffer.capacity());
        let (_, all) = all.view().split_at(Axis(0), leaves);
        let (first, kept) = (self.first + leaves as u64, held - leaves);
        let k = self.density.k();
        let mut lists: VecDeque<List> = self.lists.iter().skip(leaves).cloned().collect();
        let has_lost = |list: &List| list.iter().any(|&(_, number)| number < first);
        let (lost, whole): (Vec<usize>, Vec<usize>) =
            (0..kept).partition(|&row| has_lost(&lists[row]));
        if !whole.is_empty() {
            let found = knn(&Euclidean, all.select(Axis(0), &whole).view(), rows, k)?;
            for (&row, near) in whole.iter().zip(numbered(&found, first + kept as u64)) {
                let list = &mut lists[row];
                list.extend(near);
                list.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
                list.truncate(k);
            }
        }
        lists.resize(all.nrows(), List::new());
        let sought: Vec<usize> = lost.into_iter().chain(kept..all.nrows()).collect();
        let found = knn(&Euclidean, all.select(Axis(0), &sought).view(), all, k + 1)?;
        for (&row, near) in sought.iter().zip(numbered(&found, first)) {
            // Among more than k rows that coincide with it, it may not be itself that was found.
            let own = first + row as u64;
            lists[row] = near.filter(|&(_, number)| number != own).take(k).collect();
        }
        self.buffer.push(rows, labels)?;
        (self.lists, self.first) = (lists, first);
        Ok(())
    }

    /// The rows held.
    pub fn buffer(&self) -> &RingBuffer<f32> {
        &self.buffer
    }

    /// Log density of each row by the others, oldest first.
    ///
    /// Where `k` others coincide with a row, it is looked at once more.
    ///
    /// # Errors
    ///
    /// [`DensityError::TooFewRows`] for no more than `k`; [`DensityError::NoSpread`] if all coincide.
    pub fn log_densities(&self) -> Result<Vec<f64>, DensityError> {
        let k = self.density.k();
        enough(k + 1, self.buffer.len())?;
        let radii: Vec<f32> = self.lists.iter().map(|list| list[k - 1].0).collect();
        let (others, dim) = (self.buffer.len() - 1, self.buffer.dim());
        let mut log_densities = self.density.of_radii(&radii, others, dim);
        if radii.iter().any(|&radius| radius <= 0.0) {
            let rows = self.buffer.rows();
            self.density
                .grow(&mut log_densities, rows.view(), rows.view(), true)?;
        }
        Ok(log_densities)
    }
}

/// The lists that were found, in rows whose first has this number.
fn numbered(
    found: &Neighbors<f32>,
    first: u64,
) -> impl Iterator<Item = impl Iterator<Item = (f32, u64)>> {
    let lists = found.distances.outer_iter().zip(found.indices.outer_iter());
    lists.map(move |(distances, indices)| {
        let list: Vec<_> = distances
            .iter()
            .zip(indices)
            .map(|(&d, &i)| (d, first + i as u64))
            .collect();
        list.into_iter()
    })
}
