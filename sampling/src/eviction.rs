//! Which rows of a full buffer make room for new ones.

use metric_core::{Distance, Error, Euclidean, Scalar, knn_self};
use ndarray::{Array2, ArrayView2, Axis, concatenate, s};
use serde::{Deserialize, Serialize};

/// Which rows a full [`RingBuffer`](crate::RingBuffer) forgets for new ones. New rows always enter.
///
/// All but the first look at distances (Euclidean), and so keep rows of sparse regions longer than those of crowded ones: the
/// memory covers more of the space than the stream of rows does, whose old rows are then a larger share. Rows leave one
/// after another, each chosen among those still there, so that a crowded region thins out and is not emptied at once.
///
/// Cost of a push of `n` rows to a full buffer of `m`: `O(n dim)` for the oldest; otherwise all distances, `O((m + n)² dim)`
/// time, `O(n (m + n) k)` for the lists of neighbours, and `O((m + n) dim)` more for each row that loses over 16 of its
/// nearest; `O((m + n) (dim + k))` memory. That is for memories of some thousand rows: a fraction of a second for 4096 of 128
/// numbers on two cores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Eviction {
    /// First in, first out.
    #[default]
    Oldest,
    /// The older row of the closest pair, new rows included as partners: the most redundant row. What stays is spread out, as
    /// by the farthest-point rule run backwards.
    ClosestPair,
    /// The row in the densest region: that with the smallest distance to its `k`-th nearest neighbour, the oldest of
    /// equals. `k = 1` is the closest pair; larger `k` takes no notice of a chance neighbour, nor of groups of up to `k` copies.
    Densest {
        /// Neighbours that make a region, at least 1.
        k: usize,
    },
}

/// Neighbours of a row that are held beyond the `k`-th, so that few rows are compared with all others again.
const SPARE: usize = 16;

/// Which of the `old` rows stay if `surplus` of them make room for the `new` ones.
pub(crate) fn densest<T: Scalar>(
    old: ArrayView2<'_, T>,
    new: ArrayView2<'_, T>,
    k: usize,
    surplus: usize,
) -> Result<Vec<bool>, Error> {
    // The newest first: of neighbours at one distance that one is named which leaves last, so that among many copies
    // few lose a neighbour with each eviction.
    let newest_first = |rows: ArrayView2<'_, T>| rows.slice(s![..;-1, ..]).to_owned();
    let all: Array2<T> = concatenate![Axis(0), newest_first(new), newest_first(old)];
    let (rows, new) = (all.nrows(), new.nrows());
    let held = k.saturating_add(SPARE).min(rows);
    let found = knn_self(&Euclidean, all.view(), held)?;
    let each = found.distances.outer_iter().zip(found.indices.outer_iter());
    let mut nearest: Vec<Vec<(T, usize)>> = each
        .map(|(distances, indices)| {
            distances
                .into_iter()
                .copied()
                .zip(indices.iter().copied())
                .collect()
        })
        .collect();
    let mut stays = vec![true; rows];
    for left in (rows - surplus..rows).rev() {
        let radius = |row: usize| {
            let list: &[(T, usize)] = &nearest[row];
            let kth = list.get(k - 1).or(list.last());
            kth.map_or(T::ZERO, |&(radius, _)| radius)
        };
        let candidates = (new..rows).rev().filter(|&row| stays[row]);
        let Some(gone) = candidates.min_by(|&a, &b| radius(a).total_cmp(&radius(b))) else {
            break;
        };
        stays[gone] = false;
        for row in (0..rows).filter(|&row| stays[row]) {
            let list = &mut nearest[row];
            list.retain(|&(_, other)| other != gone);
            // A list without its spare ones is still that of the nearest, down to `k` of them.
            if list.len() < k.min(left - 1) {
                let others = (0..rows).filter(|&other| stays[other] && other != row);
                *list = others
                    .map(|other| (distance(&all, row, other), other))
                    .collect();
                list.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
                list.truncate(held);
            }
        }
    }
    Ok(stays[new..].iter().rev().copied().collect())
}

fn distance<T: Scalar>(rows: &Array2<T>, a: usize, b: usize) -> T {
    let row = |index| {
        let row = rows.row(index);
        row.to_slice()
            .expect("rows of an owned matrix are contiguous")
    };
    Euclidean.distance(row(a), row(b))
}
