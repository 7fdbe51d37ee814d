//! The nearest of a stream of rows that come in any order.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::Scalar;

/// A row of the base set and its rank; ordered by rank, equal ranks by index.
struct Entry<T> {
    rank: T,
    index: usize,
}

impl<T: Scalar> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank
            .total_cmp(&other.rank)
            .then(self.index.cmp(&other.index))
    }
}

impl<T: Scalar> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: Scalar> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T: Scalar> Eq for Entry<T> {}

/// The `k` least entries seen so far, the greatest of them on top.
pub(super) struct KLeast<T> {
    k: usize,
    kept: BinaryHeap<Entry<T>>,
}

impl<T: Scalar> KLeast<T> {
    /// `k` must be at least 1.
    pub(super) fn new(k: usize) -> Self {
        Self {
            k,
            kept: BinaryHeap::new(),
        }
    }

    pub(super) fn offer(&mut self, rank: T, index: usize) {
        let entry = Entry { rank, index };
        if self.kept.len() < self.k {
            self.kept.push(entry);
        } else if let Some(mut worst) = self.kept.peek_mut()
            && entry < *worst
        {
            *worst = entry;
        }
    }

    /// The k-th least rank once `k` entries were seen.
    pub(super) fn kth(&self) -> Option<T> {
        let worst = self.kept.peek()?;
        (self.kept.len() == self.k).then_some(worst.rank)
    }

    /// Indices and ranks, least first.
    pub(super) fn into_sorted(self) -> impl ExactSizeIterator<Item = (usize, T)> {
        self.kept
            .into_sorted_vec()
            .into_iter()
            .map(|entry| (entry.index, entry.rank))
    }
}
