//! The other half of an iteration: no cluster stays empty, and every centre becomes the mean of its rows.

use rayon::prelude::*;

use super::assign::{Centres, Points};
use super::sphere::to_unit;
use crate::tile::chunks;
use crate::{Scalar, lanes};

/// A power of two above any number of rows: sums of numbers this much smaller stay inside the range.
const ROOM: f64 = (1u128 << 64) as f64;

/// Parts of the rows that have sums of their own; fixed, so that the number of threads changes no sum.
const PARTS: usize = 16;

/// Sums of the rows of each cluster.
struct Sums {
    /// `[k, dim]`
    values: Vec<f64>,
    counts: Vec<usize>,
}

impl Sums {
    fn of<T: Scalar>(points: &Points<'_, T>, labels: &[u32], k: usize) -> Self {
        let dim = points.dim();
        // Tables of sums take no more room than an eighth of the rows.
        let parts = (labels.len() / (8 * k)).clamp(1, PARTS);
        let parts: Vec<Self> = chunks(0..labels.len(), labels.len().div_ceil(parts))
            .collect::<Vec<_>>()
            .into_par_iter()
            .map(|rows| {
                let mut sums = Self {
                    values: vec![0.0; k * dim],
                    counts: vec![0; k],
                };
                for row in rows {
                    let cluster = labels[row] as usize;
                    lanes::add_row(&mut sums.values[cluster * dim..][..dim], points.row(row));
                    sums.counts[cluster] += 1;
                }
                sums
            })
            .collect();
        let mut all = Self {
            values: vec![0.0; k * dim],
            counts: vec![0; k],
        };
        for part in parts {
            lanes::add_row(&mut all.values, &part.values);
            all.counts
                .iter_mut()
                .zip(part.counts)
                .for_each(|(sum, count)| *sum += count);
        }
        all
    }
}

/// Means of the rows with each label, rescaled to length one for the sphere; a centre without rows, or on the sphere
/// without a direction, stays where it is.
///
/// Sums are in `f64`, over fixed parts of the rows that are added up in order.
pub(super) fn means<T: Scalar>(
    points: &Points<'_, T>,
    labels: &[u32],
    centres: &Centres<T>,
    spherical: bool,
) -> Centres<T> {
    let sums = Sums::of(points, labels, centres.len());
    let mut moved = centres.clone();
    for (cluster, sum) in sums.values.chunks_exact(points.dim()).enumerate() {
        let count = sums.counts[cluster] as f64;
        if sums.counts[cluster] == 0 {
            continue;
        }
        let mut mean: Vec<f64> = sum.iter().map(|sum| sum / count).collect();
        for (column, value) in mean.iter_mut().enumerate() {
            if !value.is_finite() {
                let rows = (0..labels.len()).filter(|&row| labels[row] as usize == cluster);
                let small = rows.map(|row| points.row(row)[column].to_f64() / ROOM);
                *value = small.sum::<f64>() / count * ROOM;
            }
        }
        if !spherical || to_unit(&mut mean) {
            let centre = moved.row_mut(cluster).iter_mut();
            centre.zip(mean).for_each(|(c, m)| *c = T::from_f64(m));
        }
    }
    moved
}

/// Moves into every empty cluster, in order, the row farthest from its centre (equal ones by index) whose cluster keeps
/// another. A row on its centre is never moved, so clusters stay empty if there are fewer distinct rows than centres.
///
/// Returns the rows that were moved.
pub(super) fn fill_empty<T: Scalar>(
    points: &Points<'_, T>,
    centres: &Centres<T>,
    labels: &mut [u32],
) -> Vec<usize> {
    let mut counts = vec![0usize; centres.len()];
    for &label in labels.iter() {
        counts[label as usize] += 1;
    }
    let empty: Vec<usize> = (0..counts.len()).filter(|&j| counts[j] == 0).collect();
    if empty.is_empty() {
        return Vec::new();
    }
    let mut farthest: Vec<(T, usize)> = labels
        .par_iter()
        .enumerate()
        .map(|(row, &label)| (points.distance(row, centres.row(label as usize)), row))
        .filter(|&(distance, _)| distance > T::ZERO)
        .collect();
    farthest.par_sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut moved = Vec::new();
    let mut empty = empty.into_iter();
    for (_, row) in farthest {
        let from = labels[row] as usize;
        if counts[from] < 2 {
            continue;
        }
        let Some(to) = empty.next() else { break };
        counts[from] -= 1;
        labels[row] = to as u32;
        moved.push(row);
    }
    moved
}
