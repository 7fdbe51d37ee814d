//! Is each row nearer to its own cluster than to the next?

use ndarray::ArrayView2;

use super::contingency::places;
use crate::rows::Rows;
use crate::tile::{RowProgram, walk_rows};
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
    let rows = Rows::checked_for(distance, "rows", rows)?;
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
    let program = Sums {
        labels: &labels,
        counts: &counts,
    };
    let at_most = (SUMS_KEPT / counts.len()).max(1);
    let values = walk_rows(distance, (&rows, &rows), at_most, &program);
    Ok(Silhouette {
        mean: values.iter().sum::<f64>() / n as f64,
        rows: values,
    })
}

/// A row's sums of distances to each cluster.
struct Sums<'a> {
    labels: &'a [usize],
    counts: &'a [u64],
}

impl<T: Scalar> RowProgram<T> for Sums<'_> {
    type State = Vec<f64>;
    type Output = f64;

    fn start(&self, _row: usize) -> Vec<f64> {
        vec![0.0; self.counts.len()]
    }

    fn see(&self, sums: &mut Vec<f64>, row: usize, first: usize, distances: &[T]) {
        for (other, distance) in (first..).zip(distances) {
            if other != row {
                sums[self.labels[other]] += distance.to_f64();
            }
        }
    }

    fn finish(&self, row: usize, sums: Vec<f64>) -> f64 {
        of_row(self.labels[row], &sums, self.counts)
    }
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
