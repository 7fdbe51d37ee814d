//! Triplets of a row, which are counted and not listed.

use std::mem::replace;

use metric_core::Scalar;
use metric_core::simd::{sum_of, zip_in_place};

use super::triplet_margin::{TripletChoice, TripletMarginLoss};
use crate::ops::{Found, RowPairs, Rows, Stream, Terms, closest, farthest, sigmoid, softplus};
use crate::reducer::Reducer;

/// Up to so many positives are compared with all negatives; more are sorted.
const FEW: usize = 16;

impl Stream for TripletMarginLoss {
    /// With `swap` only where a triplet counts as much with its positive as the anchor, so that each row can take the
    /// derivatives by its own distances.
    fn stream<T: Scalar>(&self, rows: &Rows<'_, T>, reducer: Reducer) -> Option<Found<T>> {
        let exchanges = !rows.is_against() && rows.are_classes() && rows.is_symmetric(reducer);
        if self.swap && !exchanges {
            return None;
        }
        rows.loss(reducer, |pairs| {
            if pairs.positives.is_empty() || pairs.negatives == 0 {
                return Terms::default();
            }
            match (self.choice, self.soft_margin, self.swap) {
                (TripletChoice::BatchHard, ..) => self.hardest(pairs),
                (_, false, false) => self.hinges(pairs),
                (_, true, false) => self.of_each(pairs, |_| None),
                (.., true) => self.of_each(pairs, |positive| rows.distances_of(positive)),
            }
        })
    }
}

/// Triplets whose gap, the distance of the positive less that of the negative, is above `low` and below `high`.
#[derive(Clone, Copy)]
struct Between<T> {
    low: T,
    high: T,
}

/// What they add up to.
struct Sums {
    /// Of their gaps.
    terms: Terms,
    /// How many there are of each positive.
    of_positives: Vec<f64>,
}

impl TripletMarginLoss {
    fn hinges<T: Scalar>(&self, mut pairs: RowPairs<'_, T>) -> Terms {
        let ends = pairs.take_positives();
        let [low, high] = self.reducer.bounds();
        // A gap of 0 is told from others exactly, whatever the margin.
        let high = match self.choice {
            TripletChoice::SemiHard => (high - self.margin).min(0.0),
            _ => high - self.margin,
        };
        let between = Between {
            low: T::from_f64(low.max(0.0) - self.margin),
            high: T::from_f64(high),
        };
        let all = self.choice == TripletChoice::All && self.reducer.selects_all();
        let zeros = match self.reducer.selects(0.0) {
            true if !all => self.zeros(&ends, pairs.distances),
            _ => 0,
        };
        let mut sums = if ends.len() <= FEW {
            between.of_few(&ends, pairs.distances)
        } else {
            between.of_many(&ends, pairs.distances)
        };
        pairs.put_positives(sums.of_positives.into_iter().map(T::from_f64));
        sums.terms.sum += self.margin * sums.terms.count as f64;
        sums.terms.count = match all {
            true => ends.len() * pairs.negatives,
            false => sums.terms.count + zeros,
        };
        sums.terms
    }

    /// How many triplets that could count are not above 0.
    fn zeros<T: Scalar>(&self, ends: &[T], distances: &[T]) -> usize {
        let mut sorted = ends.to_vec();
        sorted.sort_by(T::total_cmp);
        let least = T::from_f64(-self.margin);
        let finite = |&&d: &&T| d < T::from_f64(f64::INFINITY);
        let of = |&d: &T| {
            let not_above = sorted.partition_point(|&end| end - d <= least);
            let below = sorted.partition_point(|&end| end - d < least);
            match self.choice {
                TripletChoice::SemiHard => not_above - below,
                _ => not_above,
            }
        };
        distances.iter().filter(finite).map(of).sum()
    }

    /// The farthest positive with the closest negative.
    fn hardest<T: Scalar>(&self, mut pairs: RowPairs<'_, T>) -> Terms {
        let to_positives = pairs.take_positives();
        let farthest = farthest(&to_positives).expect("there is a positive");
        let closest = closest(pairs.distances).expect("there is a negative");
        let gap = (to_positives[farthest] - pairs.distances[closest]).to_f64() + self.margin;
        let (term, slope) = self.term_and_slope(gap);
        let places = [(pairs.positives[farthest], slope), (closest, -slope)];
        pairs.distances.fill(T::ZERO);
        for (place, slope) in places {
            pairs.distances[place] = T::from_f64(slope);
        }
        self.reducer.terms_of(term)
    }

    fn term_and_slope(&self, gap: f64) -> (f64, f64) {
        if self.soft_margin {
            (softplus(gap), sigmoid(gap))
        } else {
            (gap.max(0.0), f64::from(gap > 0.0))
        }
    }

    /// Each triplet by itself; `others` are the distances of a positive, which a negative may be closer to.
    fn of_each<T: Scalar>(
        &self,
        mut pairs: RowPairs<'_, T>,
        others: impl Fn(usize) -> Option<Vec<T>>,
    ) -> Terms {
        let to_positives = pairs.take_positives();
        let mut terms = Terms::default();
        let infinity = T::from_f64(f64::INFINITY);
        let mut pushes = vec![0.0; pairs.distances.len()];
        let mut pulls = Vec::with_capacity(to_positives.len());
        for (&place, positive) in pairs.positives.iter().zip(to_positives) {
            let others = others(place);
            let mut pull = 0.0;
            for (i, (push, &d)) in pushes.iter_mut().zip(&*pairs.distances).enumerate() {
                if d >= infinity {
                    continue;
                }
                // The triplet with anchor and positive exchanged has the same value: the row closer to the negative takes
                // the derivatives of both.
                let (closest, share) = match &others {
                    None => (d, 1.0),
                    Some(others) if others[i] < d => (others[i], 0.0),
                    Some(_) => (d, 2.0),
                };
                let gap = (positive - closest).to_f64() + self.margin;
                let counts = match self.choice {
                    TripletChoice::SemiHard => positive < closest && gap >= 0.0,
                    _ => true,
                };
                let (term, slope) = self.term_and_slope(gap);
                if counts && self.reducer.selects(term) {
                    terms.push(term);
                    pull += slope;
                    *push -= share * slope;
                }
            }
            pulls.push(T::from_f64(pull));
        }
        for (d, push) in pairs.distances.iter_mut().zip(pushes) {
            *d = T::from_f64(push);
        }
        pairs.put_positives(pulls);
        terms
    }
}

impl<T: Scalar> Between<T> {
    /// Each positive's end against all negatives, in whose place their slopes are put.
    fn of_few(self, ends: &[T], distances: &mut [T]) -> Sums {
        let Self { low, high } = self;
        let mut slopes = vec![T::ZERO; distances.len()];
        let mut terms = Terms::default();
        let counted = |&end: &T| {
            let kept = move |d: T, value: T| {
                let gap = end - d;
                if (low < gap) & (gap < high) {
                    value
                } else {
                    T::ZERO
                }
            };
            let count = sum_of(distances, move |d| kept(*d, T::ONE));
            if count > 0.0 {
                terms.sum += sum_of(distances, move |d| kept(*d, end - *d));
                terms.count += count as usize;
                zip_in_place(&mut slopes, distances, move |slope, d| {
                    slope - kept(d, T::ONE)
                });
            }
            count
        };
        let of_positives = ends.iter().map(counted).collect();
        distances.copy_from_slice(&slopes);
        Sums {
            terms,
            of_positives,
        }
    }

    /// The same by the places of the negatives among the sorted ends.
    fn of_many(self, ends: &[T], distances: &mut [T]) -> Sums {
        let mut order: Vec<usize> = (0..ends.len()).collect();
        order.sort_by(|&a, &b| ends[a].total_cmp(&ends[b]));
        let sorted: Vec<T> = order.iter().map(|&i| ends[i]).collect();
        // One more from an end on, one less from another on.
        let mut changes = vec![0i64; ends.len() + 1];
        let mut terms = Terms::default();
        for d in distances {
            let distance = replace(d, T::ZERO);
            let first = sorted.partition_point(|&end| end - distance <= self.low);
            let last = sorted.partition_point(|&end| end - distance < self.high);
            if last > first {
                changes[first] += 1;
                changes[last] -= 1;
                let count = (last - first) as f64;
                terms.sum -= count * distance.to_f64();
                terms.count += last - first;
                *d = T::from_f64(-count);
            }
        }
        let mut of_positives = vec![0.0; ends.len()];
        let mut count = 0;
        for ((&place, &end), change) in order.iter().zip(&sorted).zip(changes) {
            count += change;
            of_positives[place] = count as f64;
            terms.sum += count as f64 * end.to_f64();
        }
        Sums {
            terms,
            of_positives,
        }
    }
}
