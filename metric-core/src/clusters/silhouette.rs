//! Is each row nearer to its own cluster than to the next?

use std::ops::Range;

use ndarray::ArrayView2;
use rayon::prelude::*;

use super::contingency::places;
use crate::rows::Rows;
use crate::walk::{BLOCK, TILE, chunks};
use crate::{Distance, Error, Scalar};

/// Sums that a thread keeps at a time, so that many clusters make for small blocks of rows.
const SUMS_KEPT: usize = 1 << 20;

/// Silhouettes, from [`silhouette`].
#[derive(Debug, Clone, PartialEq)]
pub struct Silhouette {
    /// The mean over all rows.
    pub mean: f64,
    /// The silhouette of each row.
    pub rows: Vec<f64>,
}

/// Silhouettes of rows `[n, dim]` with their clusters as labels (Rousseeuw, *Silhouettes*, 1987, section 2).
///
/// With `a` the mean distance of a row to the others of its cluster, and `b` the least mean distance to the rows of
/// another cluster:
/// ```text
/// s = (b − a) / max(a, b)
/// ```
/// In `[−1, 1]`: near 1 well inside, below 0 nearer to another cluster. 0 for a row that is alone in its cluster, as in
/// the paper, and if `a` and `b` are both zero or both beyond the range of `T`. The distance need not be a metric.
///
/// `O(n² dim)` time; `O(n)` memory beside the rows; the same bits for any number of threads.
///
/// # Errors
///
/// [`Error::Empty`], [`Error::NonFinite`], [`Error::LabelCount`], or [`Error::OneClass`] if all rows are in one
/// cluster.
///
/// # Examples
///
/// ```
/// use metric_core::{Euclidean, clusters::silhouette};
/// use ndarray::array;
/// let rows = array![[0.0f32], [1.0], [4.0]];
/// let found = silhouette(&Euclidean, rows.view(), &[0, 0, 1])?;
/// assert_eq!(found.rows[0], 0.75); // a = 1, b = 4
/// assert_eq!(found.rows[2], 0.0); // alone
/// # Ok::<(), metric_core::Error>(())
/// ```
pub fn silhouette<T, D>(
    distance: &D,
    rows: ArrayView2<'_, T>,
    labels: &[u32],
) -> Result<Silhouette, Error>
where
    T: Scalar,
    D: Distance<T> + ?Sized,
{
    let rows = Rows::checked("rows", rows)?;
    let n = rows.len();
    if labels.len() != n {
        return Err(Error::LabelCount {
            rows: n,
            labels: labels.len(),
        });
    }
    let (labels, counts) = places(labels);
    if counts.len() == 1 {
        return Err(Error::OneClass);
    }
    let block = (SUMS_KEPT / counts.len()).clamp(1, BLOCK);
    let blocks: Vec<Range<usize>> = chunks(0..n, block).collect();
    let values: Vec<f64> = blocks
        .into_par_iter()
        .flat_map_iter(|block| {
            // [rows of the block, clusters]
            let mut sums = vec![0.0; block.len() * counts.len()];
            for tile in chunks(0..n, TILE) {
                for (row, sums) in block.clone().zip(sums.chunks_exact_mut(counts.len())) {
                    for other in tile.clone().filter(|&other| other != row) {
                        let d = distance.distance(rows.row(row), rows.row(other));
                        sums[labels[other]] += d.to_f64();
                    }
                }
            }
            let sums = sums.chunks_exact(counts.len());
            block
                .zip(sums)
                .map(|(row, sums)| of_row(labels[row], sums, &counts))
                .collect::<Vec<f64>>()
        })
        .collect();
    Ok(Silhouette {
        mean: values.iter().sum::<f64>() / n as f64,
        rows: values,
    })
}

/// The silhouette of a row in cluster `own`, from its sums of distances to each cluster.
fn of_row(own: usize, sums: &[f64], counts: &[u64]) -> f64 {
    if counts[own] == 1 {
        return 0.0;
    }
    let a = sums[own] / (counts[own] - 1) as f64;
    let b = (0..counts.len())
        .filter(|&cluster| cluster != own)
        .map(|cluster| sums[cluster] / counts[cluster] as f64)
        .fold(f64::INFINITY, f64::min);
    match a.total_cmp(&b) {
        // Not (b − a) / b, which is no number if b is infinite.
        std::cmp::Ordering::Less => 1.0 - a / b,
        std::cmp::Ordering::Equal => 0.0,
        std::cmp::Ordering::Greater => b / a - 1.0,
    }
}
