//! Losses of two parts, terms of positive pairs and terms of negative pairs, each reduced on its own.

use metric_core::Scalar;

use super::operation::Found;
use super::row_pairs::{RowPairs, Terms};
use super::rows::{Ends, Rows};
use crate::reducer::Reducer;

/// Some distances of a row.
pub(crate) struct Parts<'a, T> {
    /// Which row it is.
    pub(crate) row: usize,
    /// To positives.
    pub(crate) positives: &'a mut [T],
    /// To rows `first..`; those that are not negatives are infinitely far.
    pub(crate) negatives: &'a mut [T],
    /// The number of the first of these.
    pub(crate) first: usize,
    /// Of how many ends of each pair together the derivatives are wanted; shares are given so often.
    pub(crate) ends: f64,
}

/// What the terms of positives and of negatives are multiplied with in the loss.
pub(crate) enum Shares {
    /// The same for all rows.
    Even([f64; 2]),
    OfRows(Vec<[f64; 2]>),
}

impl Shares {
    /// By how many terms of positives and of negatives each row has.
    pub(crate) fn new<T: Scalar>(
        rows: &Rows<'_, T>,
        reducer: Reducer,
        counts: impl Iterator<Item = [usize; 2]> + Clone,
    ) -> Self {
        let total = [0, 1].map(|part| reducer.share(counts.clone().map(|count| count[part])));
        if rows.is_symmetric(reducer) {
            return Self::Even(total);
        }
        let of_row = |(row, counts): (usize, [usize; 2])| {
            let weight = rows.pairs().weight(row);
            [0, 1].map(|part| total[part] * reducer.share_in_row(counts[part]) * weight)
        };
        Self::OfRows(counts.enumerate().map(of_row).collect())
    }

    /// Those of a row.
    pub(crate) fn of(&self, row: usize) -> [f64; 2] {
        match self {
            Self::Even(shares) => *shares,
            Self::OfRows(shares) => shares[row],
        }
    }

    /// The loss of the terms of all rows.
    pub(crate) fn total(&self, terms: impl Iterator<Item = [Terms; 2]>) -> f64 {
        let of_rows = terms.enumerate().map(|(row, [positive, negative])| {
            let shares = self.of(row);
            positive.sum * shares[0] + negative.sum * shares[1]
        });
        of_rows.sum()
    }
}

impl<T: Scalar> Rows<'_, T> {
    /// What each row keeps of its distances, of which it sees some at a time; at half the cost of [`each`](Self::each) in a
    /// large batch of classes. `None` where the engine refuses the numbers.
    pub(crate) fn see_parts<S: Send>(
        &self,
        start: impl Fn() -> S + Sync,
        see: impl Fn(&mut S, Parts<'_, T>) + Sync,
    ) -> Option<Vec<S>> {
        if self.have_both_ends() {
            return self.see_both_ends(
                |_| start(),
                |state, row, first, distances| {
                    self.with_parts(row, first, distances, 1.0, |parts| see(state, parts));
                },
            );
        }
        self.each(|mut pairs| {
            let (mut state, mut positives) = (start(), pairs.take_positives());
            see(&mut state, parts(&mut pairs, &mut positives));
            state
        })
    }

    /// A loss whose terms, and in the place of the distances their derivatives times the given shares, `of` finds in parts of
    /// rows; `None` where the engine refuses the numbers.
    pub(crate) fn loss_of_parts(
        &self,
        reducer: Reducer,
        of: impl Fn(Parts<'_, T>, [f64; 2]) -> [Terms; 2] + Sync,
    ) -> Option<Found<T>> {
        let terms = self.see_parts(
            || [Terms::default(); 2],
            |sums, parts| {
                let more = of(parts, [1.0; 2]);
                sums.iter_mut()
                    .zip(more)
                    .for_each(|(sum, more)| *sum += more);
            },
        )?;
        let counts = terms.iter().map(|terms| terms.map(|terms| terms.count));
        let shares = Shares::new(self, reducer, counts);
        let mut found = self.gradient_of_parts(&shares, |parts, shares| {
            of(parts, shares);
        })?;
        found.value = shares.total(terms.into_iter());
        Some(found)
    }

    /// The gradient of a loss whose derivatives `of` puts in the place of the distances, times the given shares.
    pub(crate) fn gradient_of_parts(
        &self,
        shares: &Shares,
        of: impl Fn(Parts<'_, T>, [f64; 2]) + Sync,
    ) -> Option<Found<T>> {
        if !self.is_followed() {
            return Some(Found::without_gradients(0.0));
        }
        if self.have_both_ends() {
            let (ends, asked) = match shares {
                Shares::Even(_) => (2.0, Ends::Any),
                Shares::OfRows(_) => (1.0, Ends::Each),
            };
            let slopes = self.gradient_of_pairs(asked, |row, first, distances| {
                let shares = shares.of(row).map(|share| ends * share);
                self.with_parts(row, first, distances, ends, |parts| of(parts, shares));
            })?;
            let mut found = Found::without_gradients(0.0);
            found.x = slopes.into_raw_vec_and_offset().0;
            return Some(found);
        }
        self.loss_shared(Reducer::Sum, |mut pairs| {
            let mut positives = pairs.take_positives();
            let shares = shares.of(pairs.row);
            of(parts(&mut pairs, &mut positives), shares);
            pairs.put_positives(positives);
            (Terms { sum: 0.0, count: 1 }, 1.0)
        })
    }

    /// Shows some distances of a row of a batch of classes in parts, and puts what has become of these in their place, 0 in
    /// that of the row itself.
    fn with_parts(
        &self,
        row: usize,
        first: usize,
        distances: &mut [T],
        ends: f64,
        show: impl FnOnce(Parts<'_, T>),
    ) {
        let columns = first..first + distances.len();
        let infinity = T::from_f64(f64::INFINITY);
        let (mut places, mut positives) = (Vec::new(), Vec::new());
        let mut own = None;
        for (positive, column) in self.pairs().alike_among(row, columns) {
            let distance = std::mem::replace(&mut distances[column - first], infinity);
            if positive.is_some() {
                places.push(column - first);
                positives.push(distance);
            } else {
                own = Some(column - first);
            }
        }
        show(Parts {
            row,
            positives: &mut positives,
            negatives: &mut *distances,
            first,
            ends,
        });
        places
            .iter()
            .zip(positives)
            .for_each(|(&place, slope)| distances[place] = slope);
        if let Some(own) = own {
            distances[own] = T::ZERO;
        }
    }
}

/// All distances of a row.
fn parts<'a, T: Scalar>(pairs: &'a mut RowPairs<'_, T>, positives: &'a mut [T]) -> Parts<'a, T> {
    Parts {
        row: pairs.row,
        positives,
        negatives: &mut *pairs.distances,
        first: 0,
        ends: 1.0,
    }
}
