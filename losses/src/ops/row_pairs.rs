use metric_core::Scalar;
use metric_core::simd::largest;

/// A row's pairs with all others.
#[derive(Debug)]
pub struct RowPairs<'a, T> {
    /// Which row of the batch it is.
    pub row: usize,
    /// Its distances to all rows of the batch, or of the reference set. Pairs that do not count, the row with itself among
    /// them, are infinitely far apart.
    pub distances: &'a mut [T],
    /// Those it should be close to, ascending; all others that count are negatives.
    pub positives: Vec<usize>,
    /// The grade of each positive, for labels that have grades.
    pub grades: Option<Vec<f64>>,
    /// How many negatives there are.
    pub negatives: usize,
    /// Its distance to itself, within a batch.
    pub(crate) itself: Option<T>,
    /// The number given with the row, in whose place its derivative is put.
    pub(crate) given: &'a mut T,
}

impl<T: Scalar> RowPairs<'_, T> {
    /// The distances to its positives, which are made infinite where they were.
    pub fn take_positives(&mut self) -> Vec<T> {
        let infinity = T::from_f64(f64::INFINITY);
        let take = |&p: &usize| std::mem::replace(&mut self.distances[p], infinity);
        self.positives.iter().map(take).collect()
    }

    /// Puts a number in the place of every positive.
    pub fn put_positives(&mut self, values: impl IntoIterator<Item = T>) {
        for (&p, value) in self.positives.iter().zip(values) {
            self.distances[p] = value;
        }
    }
}

/// The place of the smallest distance, the first of equal ones; none if all pairs do not count.
pub(crate) fn closest<T: Scalar>(distances: &[T]) -> Option<usize> {
    let least = T::ZERO - largest(distances, T::ZERO - T::ONE);
    let exists = least < T::from_f64(f64::INFINITY);
    exists.then(|| distances.iter().position(|&d| d == least))?
}

/// The place of the largest of some distances that all count.
pub(crate) fn farthest<T: Scalar>(distances: &[T]) -> Option<usize> {
    let most = largest(distances, T::ONE);
    distances.iter().position(|&d| d == most)
}

/// What a row adds to a loss.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Terms {
    /// The sum of its terms.
    pub sum: f64,
    /// How many there are.
    pub count: usize,
}

impl Terms {
    /// A term more.
    pub fn push(&mut self, term: f64) {
        self.sum += term;
        self.count += 1;
    }
}

impl std::ops::AddAssign for Terms {
    fn add_assign(&mut self, more: Self) {
        self.sum += more.sum;
        self.count += more.count;
    }
}
