//! k-nearest-neighbour densities of rows that come and go.

use std::collections::VecDeque;

use metric_core::{Euclidean, Neighbors, knn};
use ndarray::{ArrayView2, Axis};

use super::{KnnDensity, enough};
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
    /// As [`RingBuffer::push`]. Nothing changes on an error.
    pub fn push(&mut self, rows: ArrayView2<'_, f32>, labels: &[i64]) -> Result<(), DensityError> {
        let before = self.buffer.len();
        let mut buffer = self.buffer.clone();
        buffer.push(rows, labels)?;
        if rows.nrows() == 0 {
            return Ok(());
        }
        let leaves = before + rows.nrows() - buffer.len();
        let (first, kept) = (self.first + leaves as u64, before - leaves);
        let k = self.density.k();
        let all = buffer.rows();
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
        let found = knn(
            &Euclidean,
            all.select(Axis(0), &sought).view(),
            all.view(),
            k + 1,
        )?;
        for (&row, near) in sought.iter().zip(numbered(&found, first)) {
            // Among more than k rows that coincide with it, it may not be itself that was found.
            let own = first + row as u64;
            lists[row] = near.filter(|&(_, number)| number != own).take(k).collect();
        }
        (self.buffer, self.lists, self.first) = (buffer, lists, first);
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
        let rows = self.buffer.rows();
        self.density
            .of_radii(&radii, rows.view(), rows.view(), true)
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
