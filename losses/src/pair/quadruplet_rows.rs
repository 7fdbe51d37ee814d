//! Triplets and quadruplets of a batch, which are counted and not listed.

use metric_core::Scalar;

use super::quadruplet::QuadrupletLoss;
use crate::ops::{Bounds, Found, PairLists, Parts, Rows, Shares, Stream, Tally};
use crate::reducer::Reducer;

impl Stream for QuadrupletLoss {
    /// A batch of classes.
    fn stream<T: Scalar>(&self, rows: &Rows<'_, T>, reducer: Reducer) -> Option<Found<T>> {
        let by_size = matches!(reducer, Reducer::Threshold { .. });
        if rows.is_against() || !rows.are_classes() || by_size {
            return None;
        }
        let counts = rows.counts();
        let (mut triplets, mut quadruplets) = numbers(&counts);
        let weights = |numbers: &[usize]| -> Vec<f64> {
            let weight =
                |(row, &n): (usize, &usize)| rows.pairs().weight(row) * reducer.share_in_row(n);
            numbers.iter().enumerate().map(weight).collect()
        };
        let weights = [weights(&triplets), weights(&quadruplets)];
        let bounds = RowBounds::new(self, rows, &weights[1]);
        let met = bounds.meet(rows)?;

        if reducer == Reducer::AvgNonZero {
            triplets = vec![met.by_rows.iter().flatten().sum()];
            // Each with its pairs in both orders.
            quadruplets = vec![4 * met.by_classes.iter().flatten().sum::<usize>()];
        }
        let share = |numbers: Vec<usize>| match numbers.iter().all(|&number| number == 0) {
            true => 0.0,
            false => reducer.share(numbers.into_iter()),
        };
        let [of_triplets, of_quadruplets] = [share(triplets), 2.0 * share(quadruplets)];
        let shares = weights[0]
            .iter()
            .map(|weight| [weight * of_triplets, of_quadruplets]);
        let shares: Vec<[f64; 2]> = shares.collect();
        let costs = shares.iter().zip(&met.costs);
        let value = costs.map(|(shares, costs)| shares[0] * costs[0] + shares[1] * costs[1]);
        let value = value.sum();

        let shares = Shares::OfRows(shares);
        let mut found = rows.gradient_of_parts(&shares, |parts, shares| {
            bounds.put_slopes(parts, &met, shares);
        })?;
        found.value = value;
        Some(found)
    }
}

/// How many triplets each row is the anchor of, and how many quadruplets, by its number of positives and of negatives.
fn numbers(counts: &[[usize; 2]]) -> (Vec<usize>, Vec<usize>) {
    let squares: usize = counts.iter().map(|[positives, _]| positives + 1).sum();
    let of_row = |&[positives, negatives]: &[usize; 2]| {
        let own = positives + 1;
        let pairs_of_others = negatives * negatives + own * own - squares;
        (positives * negatives, positives * pairs_of_others)
    };
    counts.iter().map(of_row).unzip()
}

/// What negative pairs of rows should be above. A pair meets the bounds of both its rows, and those of all classes less those of
/// its own two; a bound is met by as many pairs.
struct RowBounds<'a, T> {
    pairs: &'a PairLists,
    class: Vec<usize>,
    /// `d(xᵢ, xⱼ) + α₁` for the positives of each row.
    of_rows: Vec<Bounds<T>>,
    /// `d(xᵢ, xⱼ) + α₂` for the pairs of each class, each once, with what it weighs from both its ends.
    of_classes: Vec<Bounds<T>>,
    of_all: Bounds<T>,
    /// Which of those of all is the first of each class.
    firsts: Vec<usize>,
    /// What the quadruplets of each row weigh.
    weights: &'a [f64],
}

/// By how many pairs bounds are met.
struct Met {
    /// Those of each row.
    by_rows: Vec<Vec<usize>>,
    /// Those of each class.
    by_classes: Vec<Vec<usize>>,
    /// What each row adds to the sums of triplets and of quadruplets.
    costs: Vec<[f64; 2]>,
}

impl<'a, T: Scalar> RowBounds<'a, T> {
    fn new(loss: &QuadrupletLoss, rows: &'a Rows<'_, T>, weights: &'a [f64]) -> Self {
        let (pairs, to_positives) = (rows.pairs(), rows.to_positives());
        let [margin, other_margin] = [loss.triplets.margin, loss.other_margin].map(T::from_f64);
        let of_row = |distances: &Vec<T>| {
            let bounds = distances.iter().map(|&d| (d + margin, 1.0));
            Bounds::new(&bounds.collect::<Vec<_>>())
        };
        let of_class = |members: &Vec<usize>| {
            let mut bounds = Vec::new();
            for (i, &row) in members.iter().enumerate() {
                let later = members[i + 1..].iter().zip(&to_positives[row][i..]);
                bounds.extend(
                    later.map(|(&other, &d)| (d + other_margin, weights[row] + weights[other])),
                );
            }
            bounds
        };
        let classes: Vec<Vec<(T, f64)>> = pairs.members().iter().map(of_class).collect();
        let mut next = 0;
        let first = |bounds: &Vec<(T, f64)>| {
            next += bounds.len();
            next - bounds.len()
        };
        Self {
            pairs,
            class: pairs.classes_of_rows().collect(),
            of_rows: to_positives.iter().map(of_row).collect(),
            of_classes: classes.iter().map(|own| Bounds::new(own)).collect(),
            of_all: Bounds::new(&classes.concat()),
            firsts: classes.iter().map(first).collect(),
            weights,
        }
    }

    fn meet(&self, rows: &Rows<'_, T>) -> Option<Met> {
        let [by_all, by_own] = [(); 2].map(|()| Tally::new(self.of_all.len()));
        let start = || (Vec::new(), [0.0; 2]);
        let seen = rows.see_parts(start, |(by_row, costs), parts| {
            let (row, class, negatives) = (parts.row, self.class[parts.row], &*parts.negatives);
            let (bounds, first) = (&self.of_rows[row], self.firsts[class]);
            by_row.resize(bounds.len(), 0);
            costs[0] += bounds.meet(negatives, |place, number| by_row[place] += number);
            let by_own = by_own.here();
            let by_own = |place: usize, number: usize| by_own(first + place, number);
            costs[1] -= self.of_classes[class].meet(negatives, by_own);
            costs[1] += self.of_all.meet(&negatives[later(&parts)..], by_all.here());
        })?;
        let (by_all, by_own) = (self.of_all.below(&by_all.numbers()), by_own.numbers());
        let of_class = |(bounds, &first): (&Bounds<T>, &usize)| {
            let own = bounds.below(&by_own[first..first + bounds.len()]);
            let others = by_all[first..].iter().zip(own);
            others.map(|(all, own)| all - own).collect()
        };
        let of_row = |(bounds, (by_row, _)): (&Bounds<T>, &(Vec<usize>, _))| bounds.below(by_row);
        Some(Met {
            by_rows: self.of_rows.iter().zip(&seen).map(of_row).collect(),
            by_classes: self
                .of_classes
                .iter()
                .zip(&self.firsts)
                .map(of_class)
                .collect(),
            costs: seen.into_iter().map(|(_, costs)| costs).collect(),
        })
    }

    /// Puts a row's part of the derivatives in the place of the distances.
    fn put_slopes(&self, parts: Parts<'_, T>, met: &Met, shares: [f64; 2]) {
        let (row, later) = (parts.row, later(&parts));
        let class = self.class[row];
        let distances = parts.negatives.to_vec();
        let slopes = parts.negatives;
        slopes.fill(T::ZERO);
        self.of_rows[row].add_above(&distances, -shares[0], slopes);
        self.of_classes[class].add_above(&distances, shares[1], slopes);
        let of_all = &mut slopes[later..];
        self.of_all
            .add_above(&distances[later..], -shares[1], of_all);

        let columns = parts.first..parts.first + distances.len();
        let positives = self.pairs.alike_among(row, columns);
        let positives = positives.filter_map(|(positive, _)| positive);
        let (itself, members) = (self.pairs.positive(row, row), self.of_rows[row].len() + 1);
        for (slope, positive) in parts.positives.iter_mut().zip(positives) {
            let by_row = met.by_rows[row][positive] as f64;
            let by_class = met.by_classes[class][pair(itself, positive, members)] as f64;
            *slope = T::from_f64(shares[0] * by_row + shares[1] * self.weights[row] * by_class);
        }
    }
}

/// The first of a row's columns that come after it: of a pair's two ends one meets the bounds of all.
fn later<T>(parts: &Parts<'_, T>) -> usize {
    let after = (parts.row + 1).saturating_sub(parts.first);
    after.min(parts.negatives.len())
}

/// Which of the pairs of so many members is that of one with one of its positives.
fn pair(member: usize, positive: usize, members: usize) -> usize {
    let other = positive + usize::from(positive >= member);
    let (a, b) = (member.min(other), member.max(other));
    a * (2 * members - a - 1) / 2 + b - a - 1
}
