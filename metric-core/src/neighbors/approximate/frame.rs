//! Where the graph sees the rows: in `f32` and of moderate size.

use super::ApproximateMetric;
use crate::Scalar;
use crate::rows::Rows;

/// Greatest entry of a query far outside the rows: its direction is all that still tells neighbours apart, and
/// its square has room in `f32`.
const FAR: f64 = 1e15;

/// A map of rows and queries into `f32` that keeps the order of their distances, up to rounding.
pub(super) struct Frame {
    metric: ApproximateMetric,
    /// Halves of what is subtracted: half the mean for Euclidean distance, which sees differences only, else zero. Halves
    /// of large values have differences that do not overflow.
    centre: Vec<f64>,
    /// The largest entry of the halved rows, less the centre.
    size: f64,
}

impl Frame {
    pub(super) fn new<T: Scalar>(
        rows: &Rows<'_, T>,
        dim: usize,
        metric: ApproximateMetric,
    ) -> Self {
        let mut centre = vec![0.0; dim];
        if metric == ApproximateMetric::Euclidean {
            let share = 0.5 / rows.len() as f64;
            for row in 0..rows.len() {
                for (centre, x) in centre.iter_mut().zip(rows.row(row)) {
                    *centre += x.to_f64() * share;
                }
            }
        }
        let mut frame = Self {
            metric,
            centre,
            size: 1.0,
        };
        let size = (0..rows.len())
            .map(|row| largest(frame.moved(rows.row(row))))
            .fold(0.0, f64::max);
        frame.size = if size > 0.0 { size } else { 1.0 };
        frame
    }

    /// Writes a row or a query as the graph sees it.
    pub(super) fn place<T: Scalar>(&self, row: &[T], placed: &mut Vec<f32>) {
        let own = largest(self.moved(row));
        placed.clear();
        if self.metric == ApproximateMetric::Cosine {
            // Of unit length, as only the direction counts. The zero vector stays.
            let own = if own > 0.0 { own } else { 1.0 };
            let squares: f64 = self.moved(row).map(|x| (x / own) * (x / own)).sum();
            let length = if squares > 0.0 { squares.sqrt() } else { 1.0 };
            placed.extend(self.moved(row).map(|x| (x / own / length) as f32));
        } else if own / self.size <= FAR {
            placed.extend(self.moved(row).map(|x| (x / self.size) as f32));
        } else {
            placed.extend(self.moved(row).map(|x| (x / own * FAR) as f32));
        }
    }

    fn moved<T: Scalar>(&self, row: &[T]) -> impl Iterator<Item = f64> {
        row.iter()
            .zip(&self.centre)
            .map(|(x, centre)| x.to_f64() * 0.5 - centre)
    }
}

fn largest(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, |largest, x| f64::max(largest, x.abs()))
}
