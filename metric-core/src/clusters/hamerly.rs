//! Bounds that spare most rows most distances, without changing a bit of the result.

use rayon::prelude::*;

use super::assign::{Centres, Points};
use crate::{Distance, Euclidean, Scalar};

/// For every row a bound above the distance to its centre and one below the distance to any other (Hamerly, *Making
/// k-means even faster*, SDM 2010, algorithm 1). The bounds are on true distances.
///
/// A computed distance is within `dim + 8` roundings of the true one, and within the least positive number where that
/// is more. A row is passed over only if its centre stays strictly nearest with both distances off by that much; the
/// others are compared as without bounds.
pub(super) struct Bounds {
    upper: Vec<f64>,
    lower: Vec<f64>,
    error: Rounding,
}

/// How far computed distances may be from true ones.
#[derive(Clone, Copy)]
struct Rounding {
    relative: f64,
    absolute: f64,
}

/// More than the relative error of the few `f64` operations on a bound.
const SLACK: f64 = 8.0 * f64::EPSILON;

impl Rounding {
    fn above(self, value: f64) -> f64 {
        value * (1.0 + self.relative) + self.absolute
    }

    fn below(self, value: f64) -> f64 {
        value * (1.0 - self.relative) - self.absolute
    }
}

impl Bounds {
    /// Bounds that exclude nothing yet.
    pub(super) fn new<T: Scalar>(points: &Points<'_, T>) -> Self {
        Self {
            upper: vec![f64::INFINITY; points.len()],
            lower: vec![f64::NEG_INFINITY; points.len()],
            error: Rounding {
                relative: (points.dim() + 8) as f64 * T::EPSILON.to_f64() + SLACK,
                absolute: 16.0 * T::LEAST,
            },
        }
    }

    /// Sets the label of every row to its nearest centre, given the labels that the bounds are about.
    pub(super) fn assign<T: Scalar>(
        &mut self,
        points: &Points<'_, T>,
        centres: &Centres<T>,
        labels: &mut [u32],
    ) {
        let error = self.error;
        let half_gaps = half_gaps(centres, error);
        let stays = |upper: f64, lower: f64| error.above(upper) < error.below(lower);
        let doubtful: Vec<usize> = self
            .upper
            .par_iter_mut()
            .zip(&self.lower)
            .zip(&*labels)
            .enumerate()
            .filter_map(|(row, ((upper, &lower), &label))| {
                let lower = half_gaps[label as usize].max(lower);
                if stays(*upper, lower) {
                    return None;
                }
                if upper.is_finite() {
                    let distance = points.distance(row, centres.row(label as usize));
                    *upper = error.above(distance.to_f64());
                }
                (!stays(*upper, lower)).then_some(row)
            })
            .collect();
        let found = points.nearest_two(centres, &doubtful);
        for (row, nearest) in doubtful.into_iter().zip(found) {
            labels[row] = nearest.index;
            self.upper[row] = error.above(nearest.distance.to_f64());
            self.lower[row] = error.below(at_most_max(nearest.second));
        }
    }

    /// Widens the bounds by what the centres have moved.
    pub(super) fn moved<T: Scalar>(&mut self, old: &Centres<T>, new: &Centres<T>, labels: &[u32]) {
        let moves: Vec<f64> = (0..old.len())
            .map(|j| match Euclidean.distance(old.row(j), new.row(j)) {
                still if still == T::ZERO => 0.0,
                far => self.error.above(far.to_f64()),
            })
            .collect();
        let largest_but = |left_out: Option<usize>| {
            (0..moves.len())
                .filter(|&j| Some(j) != left_out)
                .max_by(|&a, &b| moves[a].total_cmp(&moves[b]))
        };
        let farthest = largest_but(None);
        let size = |index: Option<usize>| index.map_or(0.0, |j| moves[j]);
        let (largest, second) = (size(farthest), size(largest_but(farthest)));
        self.upper
            .par_iter_mut()
            .zip(&mut self.lower)
            .zip(labels)
            .for_each(|((upper, lower), &label)| {
                let label = label as usize;
                let others = if Some(label) == farthest {
                    second
                } else {
                    largest
                };
                *upper = (*upper + moves[label]) * (1.0 + SLACK);
                *lower -= others + SLACK * (lower.abs() + others);
            });
    }

    /// Forgets what is known about a row whose label was changed from outside.
    pub(super) fn forget(&mut self, row: usize) {
        self.upper[row] = f64::INFINITY;
        self.lower[row] = f64::NEG_INFINITY;
    }
}

/// A distance beyond the range is computed as infinite; all that is known is that it exceeds the largest number.
fn at_most_max<T: Scalar>(distance: T) -> f64 {
    distance.to_f64().min(T::SAFE_SQUARES.1.to_f64())
}

/// Below half the distance of each centre to the nearest other: a row nearer than that to its centre is farther from
/// all others.
fn half_gaps<T: Scalar>(centres: &Centres<T>, error: Rounding) -> Vec<f64> {
    (0..centres.len())
        .into_par_iter()
        .map(|j| {
            let nearest = (0..centres.len())
                .filter(|&other| other != j)
                .map(|other| Euclidean.distance(centres.row(j), centres.row(other)))
                .fold(f64::INFINITY, |least, d| least.min(at_most_max(d)));
            error.below(nearest) / 2.0
        })
        .collect()
}
