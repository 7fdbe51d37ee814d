//! Quadruplets of a batch, which are counted and not listed.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use metric_core::Scalar;

use super::quadruplet::QuadrupletLoss;
use crate::ops::{Found, Rows, Stream, Terms};
use crate::reducer::Reducer;

impl Stream for QuadrupletLoss {
    /// The `v` of a batch of classes. A negative pair meets the bounds `d(xᵢ, xⱼ) + α₂` above it, those of all classes less those
    /// of its own two; a bound is met by as many pairs.
    fn stream<T: Scalar>(&self, rows: &Rows<'_, T>, reducer: Reducer) -> Option<Found<T>> {
        let by_size = matches!(reducer, Reducer::Threshold { .. });
        if rows.is_against() || !rows.are_classes() || by_size {
            return None;
        }
        let (pairs, margin) = (rows.pairs(), T::from_f64(self.other_margin));
        let class: Vec<usize> = pairs.classes_of_rows().collect();
        let numbers = numbers(&rows.counts());
        let weights: Vec<f64> = (numbers.iter().enumerate())
            .map(|(row, &number)| pairs.weight(row) * reducer.share_in_row(number))
            .collect();
        let bounds = rows.see_parts(Vec::new, |bounds: &mut Vec<T>, parts| {
            bounds.extend(parts.positives.iter().map(|&d| d + margin));
        })?;
        let mut classes = vec![Vec::new(); class.iter().max().map_or(0, |most| most + 1)];
        for (row, bounds) in bounds.into_iter().enumerate() {
            let weighed = bounds.into_iter().map(|bound| (bound, weights[row]));
            classes[class[row]].extend(weighed);
        }
        let all = Bounds::new(classes.concat());
        let classes: Vec<Bounds<T>> = classes.into_iter().map(Bounds::new).collect();

        let infinity = T::from_f64(f64::INFINITY);
        let seen = rows.see_parts(
            || 0.0,
            |sum: &mut f64, parts| {
                let own = &classes[class[parts.row]];
                for (column, &mut d) in (parts.first..).zip(parts.negatives) {
                    if d < infinity {
                        // Of a pair's two ends one meets the bounds of all.
                        let others = match column > parts.row {
                            true => all.meet(d),
                            false => 0.0,
                        };
                        *sum += (own.meet(d) - others) * d.to_f64();
                    }
                }
            },
        )?;
        let met = all.met();
        let (mut count, mut value, mut slopes) = (0, 2.0 * seen.iter().sum::<f64>(), Vec::new());
        for class in &classes {
            let of_class = class.sorted.iter().zip(class.met()).enumerate();
            let of_class = of_class.map(|(i, (&bound, own))| {
                let pairs = 2 * (met[all.from(bound)] - own);
                count += pairs;
                value += pairs as f64 * class.weight(i) * bound.to_f64();
                pairs as f64
            });
            slopes.push(of_class.collect::<Vec<f64>>());
        }
        let share = match reducer {
            Reducer::AvgNonZero => reducer.share(std::iter::once(count)),
            _ => reducer.share(numbers.into_iter()),
        };
        if !rows.is_followed() {
            return Some(Found::without_gradients(value * share));
        }
        let mut found = rows.loss_shared(Reducer::Sum, |mut pairs| {
            let (of_own, weight) = (class[pairs.row], weights[pairs.row]);
            let (own, slopes) = (&classes[of_own], &slopes[of_own]);
            let positives = pairs.take_positives();
            // What a pair does not owe to the class of either end is taken off at that end, for both ways to see the pair.
            for d in pairs.distances.iter_mut() {
                *d = T::from_f64(2.0 * own.above(*d) - all.above(*d));
            }
            let slopes = positives
                .into_iter()
                .map(|d| slopes[own.nearest(d + margin)]);
            pairs.put_positives(slopes.map(|slope| T::from_f64(weight * slope)));
            (Terms { sum: 0.0, count: 1 }, share)
        })?;
        found.value = value * share;
        Some(found)
    }
}

/// How many quadruplets each row is the first of, by its number of positives and of negatives.
fn numbers(counts: &[[usize; 2]]) -> Vec<usize> {
    let squares: usize = counts.iter().map(|[positives, _]| positives + 1).sum();
    let of_row = |&[positives, negatives]: &[usize; 2]| {
        let own = positives + 1;
        positives * (negatives * negatives + own * own - squares)
    };
    counts.iter().map(of_row).collect()
}

/// Distances of positive pairs and the margin, which negative pairs should be above.
struct Bounds<T> {
    sorted: Vec<T>,
    /// What those from each on weigh together.
    weights: Vec<f64>,
    /// Of how many pairs each is the first that is above them.
    first_of: Vec<AtomicUsize>,
    /// How many are in buckets before each of equal width, from the lowest to the last.
    starts: Vec<u32>,
    /// Buckets in a unit of distance.
    density: T,
}

/// Buckets for each bound: most hold one at most.
const BUCKETS: usize = 8;

impl<T: Scalar> Bounds<T> {
    fn new(mut bounds: Vec<(T, f64)>) -> Self {
        bounds.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut weights = vec![0.0; bounds.len() + 1];
        for (i, (_, weight)) in bounds.iter().enumerate().rev() {
            weights[i] = weights[i + 1] + weight;
        }
        let span = match (bounds.first(), bounds.last()) {
            (Some(lowest), Some(last)) => (last.0 - lowest.0).to_f64(),
            _ => 0.0,
        };
        let buckets = BUCKETS * bounds.len();
        let density = buckets as f64 / span;
        let mut found = Self {
            sorted: bounds.iter().map(|&(bound, _)| bound).collect(),
            weights,
            first_of: bounds.iter().map(|_| AtomicUsize::new(0)).collect(),
            starts: vec![0; buckets + 2],
            density: T::from_f64(if density.is_finite() { density } else { 0.0 }),
        };
        for &(bound, _) in &bounds {
            let bucket = found.bucket(bound);
            found.starts[bucket + 1] += 1;
        }
        found.starts.iter_mut().fold(0, |sum, start| {
            *start += sum;
            *start
        });
        found
    }

    /// Which bucket a distance falls into that is not below the lowest bound: what is farther is never in an earlier one.
    fn bucket(&self, distance: T) -> usize {
        let place = ((distance - self.sorted[0]) * self.density).to_f64() as usize;
        place.min(self.starts.len() - 2)
    }

    /// The place of the first that is above a distance.
    fn first_above(&self, distance: T) -> usize {
        match (self.sorted.first(), self.sorted.last()) {
            (Some(&lowest), Some(&last)) if distance >= lowest && distance < last => {
                let bucket = self.bucket(distance);
                let [start, end] = [0, 1].map(|i| self.starts[bucket + i] as usize);
                let within = &self.sorted[start..end];
                start + within.partition_point(|&bound| bound <= distance)
            }
            (Some(&lowest), _) if distance < lowest => 0,
            _ => self.sorted.len(),
        }
    }

    /// What those above a distance weigh.
    fn above(&self, distance: T) -> f64 {
        self.weights[self.first_above(distance)]
    }

    /// The same, and a pair of this distance is counted.
    fn meet(&self, distance: T) -> f64 {
        let first = self.first_above(distance);
        if let Some(number) = self.first_of.get(first) {
            number.fetch_add(1, Relaxed);
        }
        self.weights[first]
    }

    /// How many counted pairs are below each.
    fn met(&self) -> Vec<usize> {
        let mut sum = 0;
        let numbers = self.first_of.iter().map(|number| {
            sum += number.load(Relaxed);
            sum
        });
        numbers.collect()
    }

    /// The weight of one.
    fn weight(&self, place: usize) -> f64 {
        self.weights[place] - self.weights[place + 1]
    }

    /// The place of the first that is not below a bound.
    fn from(&self, bound: T) -> usize {
        self.sorted.partition_point(|&other| other < bound)
    }

    /// The place of the one nearest to a bound that may be rounded otherwise.
    fn nearest(&self, bound: T) -> usize {
        let (after, last) = (self.from(bound), self.sorted.len() - 1);
        let before = after.saturating_sub(1);
        let is_before = after > last || bound - self.sorted[before] < self.sorted[after] - bound;
        if is_before { before } else { after }
    }
}
