//! The bandwidth under which the rows are likeliest from each other.

use metric_core::{Distance, walk_self};
use ndarray::ArrayView2;

use super::checks::enough;
use super::kernel::{LeftOut, Sums};
use crate::DensityError;

/// Bandwidths that one walk looks at, evenly spaced in the logarithm.
const LOOKS: usize = 9;
/// Between the first and the last of the first walk.
const SPAN: f64 = 1024.0;
/// Walks that may move on instead of narrowing.
const MOVES: usize = 6;
/// Log spacing at which a parabola through three looks is good enough: it is off by less than a thousandth of the bandwidth.
const CLOSE: f64 = 0.02;

/// Bandwidths of kernels: their inverses and squares of small multiples are in the range of `f32`.
pub(super) const RANGE: std::ops::RangeInclusive<f64> = 1e-37..=1e37;
pub(super) const RANGE_IN_WORDS: &str = "from 1e-37 to 1e37";

/// The bandwidth with the largest leave-one-out likelihood
///
/// ```text
/// L(h) = mean_i log Σ_j exp(−d_ij²/2h²) + log_peak(h),   d_ij > 0
/// ```
/// within limits, by walks that each look at nine bandwidths and narrow to the two beside the best.
///
/// Rows that coincide do not count for each other: with them the likelihood has no largest value.
pub(super) fn likeliest<D: Distance<f32>>(
    distance: &D,
    rows: ArrayView2<'_, f32>,
    start: f64,
    (least, most): (f64, f64),
    log_peak: impl Fn(f64) -> f64,
) -> Result<f64, DensityError> {
    enough(2, rows.nrows())?;
    let (least, most) = (least.ln(), most.ln());
    let mut step = SPAN.ln() / (LOOKS - 1) as f64;
    // Bandwidths of densities in many dimensions are below that of a rule for few.
    let mut middle = (start.ln() - step).clamp(least, most);
    let mut moves = 0;
    loop {
        let at: [f64; LOOKS] = std::array::from_fn(|i| {
            (middle + (i as f64 - (LOOKS / 2) as f64) * step).clamp(least, most)
        });
        let program = Sums {
            inverses: at.map(|log| (-log).exp() as f32),
            left_out: LeftOut::Copies,
        };
        let sums = walk_self(distance, rows, &program)?;
        let likelihood: [f64; LOOKS] = std::array::from_fn(|i| {
            let total: f64 = sums.iter().map(|sums| sums[i].log()).sum();
            total / sums.len() as f64 + log_peak(at[i].exp())
        });
        let best = (0..LOOKS).fold(0, |best, i| {
            if likelihood[i] > likelihood[best] {
                i
            } else {
                best
            }
        });
        let is_at_end = best == 0 || best == LOOKS - 1;
        middle = at[best];
        let at_limit = middle <= least || middle >= most;
        if is_at_end && !at_limit && moves < MOVES {
            moves += 1;
        } else if step > CLOSE {
            step *= 2.0 / (LOOKS - 1) as f64;
        } else {
            let bend = match (best.checked_sub(1), likelihood.get(best + 1)) {
                (Some(below), Some(above)) if !at_limit => {
                    let (below, here) = (likelihood[below], likelihood[best]);
                    let curvature = 2.0 * here - below - above;
                    if curvature > 0.0 {
                        0.5 * (above - below) / curvature
                    } else {
                        0.0
                    }
                }
                _ => 0.0,
            };
            return Ok((middle + bend.clamp(-0.5, 0.5) * step)
                .clamp(least, most)
                .exp());
        }
    }
}
