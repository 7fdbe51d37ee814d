//! The columns that may still be among the nearest of a row.

use std::cmp::Ordering;

use crate::Scalar;

/// Smaller rank first, then lower index.
pub(crate) fn by_rank<T: Scalar>(a: &(T, usize), b: &(T, usize)) -> Ordering {
    a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))
}

/// Columns with an interval `[low, high]` for each, of which the `k` nearest are sought, or all within a bound.
#[derive(Debug, Clone)]
pub(crate) struct Candidates<T> {
    k: usize,
    kept: Vec<(T, T, u32)>,
    /// The answer lies at or below.
    bound: T,
    seen: usize,
}

impl<T: Scalar> Candidates<T> {
    /// For the `k` nearest.
    pub(crate) fn nearest(k: usize) -> Self {
        Self::within(k, T::from_f64(f64::INFINITY))
    }

    /// For all at or below a bound.
    pub(crate) fn below(bound: T) -> Self {
        Self::within(usize::MAX, bound)
    }

    fn within(k: usize, bound: T) -> Self {
        Self {
            k,
            kept: Vec::new(),
            bound,
            seen: 0,
        }
    }

    /// A column whose interval begins above this cannot matter.
    #[inline]
    pub(crate) fn bound(&self) -> T {
        self.bound
    }

    #[inline]
    pub(crate) fn offer(&mut self, low: T, high: T, column: usize) {
        if low <= self.bound {
            self.kept.push((low, high, column as u32));
        }
    }

    /// Lowers the bound to the `k`-th least upper end, where new columns may have changed it.
    pub(crate) fn tighten(&mut self, ends: &mut Vec<T>) {
        if self.kept.len() < self.k || self.kept.len() == self.seen {
            return;
        }
        ends.clear();
        ends.extend(self.kept.iter().map(|&(_, high, _)| high));
        let (_, &mut kth, _) = ends.select_nth_unstable_by(self.k - 1, T::total_cmp);
        if kth < self.bound {
            self.bound = kth;
            let bound = self.bound;
            self.kept.retain(|&(low, ..)| low <= bound);
        }
        self.seen = self.kept.len();
    }

    /// Takes in the columns of another part of the same row.
    pub(crate) fn merge(&mut self, other: Self) {
        if other.bound < self.bound {
            self.bound = other.bound;
        }
        self.kept.extend(other.kept);
        self.seen = 0;
    }

    /// The columns that are left.
    pub(crate) fn columns(&self) -> impl Iterator<Item = usize> {
        let bound = self.bound;
        self.kept
            .iter()
            .filter(move |&&(low, ..)| low <= bound)
            .map(|&(.., column)| column as usize)
    }
}
