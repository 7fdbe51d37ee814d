//! The other half of an iteration: no cluster stays empty, and every centre becomes the mean of its rows.

use std::ops::Range;

use rayon::prelude::*;

use super::assign::{CHUNK, Centres, Points};
use super::sphere::to_unit;
use crate::Scalar;
use crate::tile::chunks;

/// A power of two above any number of rows: sums of numbers this much smaller stay inside the range.
const ROOM: f64 = (1u128 << 64) as f64;

/// Rows grouped by label, in ascending order inside each group.
struct Groups {
    order: Vec<usize>,
    /// Group `j` is `order[starts[j]..starts[j + 1]]`.
    starts: Vec<usize>,
}

impl Groups {
    fn new(labels: &[u32], k: usize) -> Self {
        let mut starts = vec![0; k + 1];
        for &label in labels {
            starts[label as usize + 1] += 1;
        }
        for group in 0..k {
            starts[group + 1] += starts[group];
        }
        let (mut next, mut order) = (starts.clone(), vec![0; labels.len()]);
        for (row, &label) in labels.iter().enumerate() {
            let at = &mut next[label as usize];
            order[*at] = row;
            *at += 1;
        }
        Self { order, starts }
    }

    fn of(&self, group: usize) -> &[usize] {
        &self.order[self.starts[group]..self.starts[group + 1]]
    }
}

/// Means of the rows with each label, rescaled to length one for the sphere; a centre without rows, or on the sphere
/// without a direction, stays where it is.
///
/// Sums are in `f64`, over chunks of a cluster's rows that are added up in order.
pub(super) fn means<T: Scalar>(
    points: &Points<'_, T>,
    labels: &[u32],
    centres: &Centres<T>,
    spherical: bool,
) -> Centres<T> {
    let groups = Groups::new(labels, centres.len());
    let parts: Vec<(usize, Range<usize>)> = (0..centres.len())
        .flat_map(|group| chunks(0..groups.of(group).len(), CHUNK).map(move |range| (group, range)))
        .collect();
    let sums: Vec<Vec<f64>> = parts
        .par_iter()
        .map(|(group, range)| sum_of_rows(points, &groups.of(*group)[range.clone()]))
        .collect();
    let mut totals: Vec<Option<Vec<f64>>> = vec![None; centres.len()];
    for ((group, _), sum) in parts.iter().zip(sums) {
        match &mut totals[*group] {
            Some(total) => total.iter_mut().zip(sum).for_each(|(t, s)| *t += s),
            empty => *empty = Some(sum),
        }
    }
    let mut moved = centres.clone();
    for (group, total) in totals.into_iter().enumerate() {
        let Some(mut mean) = total else { continue };
        let rows = groups.of(group);
        for (column, value) in mean.iter_mut().enumerate() {
            let count = rows.len() as f64;
            *value = if value.is_finite() {
                *value / count
            } else {
                let small = rows
                    .iter()
                    .map(|&row| points.row(row)[column].to_f64() / ROOM);
                small.sum::<f64>() / count * ROOM
            };
        }
        if !spherical || to_unit(&mut mean) {
            let centre = moved.row_mut(group).iter_mut();
            centre.zip(mean).for_each(|(c, m)| *c = T::from_f64(m));
        }
    }
    moved
}

fn sum_of_rows<T: Scalar>(points: &Points<'_, T>, rows: &[usize]) -> Vec<f64> {
    let mut sum = vec![0.0; points.dim()];
    for &row in rows {
        for (sum, value) in sum.iter_mut().zip(points.row(row)) {
            *sum += value.to_f64();
        }
    }
    sum
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
