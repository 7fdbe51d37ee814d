//! Distances inside classes against distances between them.

use ndarray::ArrayView2;

use crate::rows::Rows;
use crate::tile::{RowProgram, walk_half};
use crate::{Distance, Error, Scalar};

/// Mean distance of pairs inside classes and between classes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassSpread {
    /// Mean over unordered pairs of rows with the same label.
    pub within: f64,
    /// Mean over unordered pairs of rows with different labels.
    pub between: f64,
}

impl ClassSpread {
    /// `within / between`: small where classes are tight and far apart. NaN if both are zero.
    pub fn ratio(&self) -> f64 {
        self.within / self.between
    }
}

/// Sums of one row's distances to the others, in the order that the walk shows them.
#[derive(Default, Clone, Copy)]
struct Sums {
    within: (f64, u64),
    between: (f64, u64),
}

struct Spread<'a> {
    labels: &'a [u32],
}

impl<T: Scalar> RowProgram<T> for Spread<'_> {
    type State = Sums;
    type Output = Sums;

    fn start(&self, _row: usize) -> Sums {
        Sums::default()
    }

    fn see(&self, sums: &mut Sums, row: usize, first: usize, distances: &[T]) {
        for (other, distance) in (first..).zip(distances) {
            if other != row {
                let (sum, count) = if self.labels[row] == self.labels[other] {
                    &mut sums.within
                } else {
                    &mut sums.between
                };
                *sum += distance.to_f64();
                *count += 1;
            }
        }
    }

    fn finish(&self, _row: usize, sums: Sums) -> Sums {
        sums
    }
}

/// Mean distances inside and between classes of rows `[n, dim]`.
///
/// Every unordered pair counts once. `O(n² dim)` time, `O(n)` memory; the same bits for any number of threads.
///
/// # Errors
///
/// [`Error::Empty`], [`Error::NonFinite`], [`Error::LabelCount`], [`Error::OneClass`] if no pair lies between classes,
/// [`Error::AllLone`] if none lies inside one.
///
/// # Examples
///
/// ```
/// use metric_core::{Euclidean, retrieval::class_spread};
/// use ndarray::array;
/// let rows = array![[0.0f32], [1.0], [5.0]];
/// let spread = class_spread(&Euclidean, rows.view(), &[0, 0, 1])?;
/// assert_eq!((spread.within, spread.between), (1.0, 4.5)); // 1 alone; (5 + 4) / 2
/// # Ok::<(), metric_core::Error>(())
/// ```
pub fn class_spread<T, D>(
    distance: &D,
    rows: ArrayView2<'_, T>,
    labels: &[u32],
) -> Result<ClassSpread, Error>
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
    // Every pair is seen from both sides, which does not change a mean.
    let per_row = walk_half(distance, &rows, &Spread { labels });
    let mean = |part: fn(&Sums) -> (f64, u64)| {
        let (sum, count) = per_row
            .iter()
            .map(part)
            .fold((0.0, 0), |total, row| (total.0 + row.0, total.1 + row.1));
        (count > 0).then_some(sum / count as f64)
    };
    let between = mean(|sums| sums.between).ok_or(Error::OneClass)?;
    let within = mean(|sums| sums.within).ok_or(Error::AllLone)?;
    Ok(ClassSpread { within, between })
}
