//! Several sums over two slices in one pass.

use crate::Scalar;

/// Running results of each sum; with two or three sums, all of them fit the registers.
const LANES: usize = 8;

/// `Σ term(aᵢ, bᵢ)` for `K` terms at once, in the number type that the terms have.
///
/// The order of operations depends on the length alone, and is the same for each of the sums.
#[inline]
pub(super) fn sums<T: Scalar, A: Scalar, const K: usize>(
    a: &[T],
    b: &[T],
    term: impl Fn(T, T) -> [A; K],
) -> [A; K] {
    let (a_chunks, a_tail) = a.as_chunks::<LANES>();
    let (b_chunks, b_tail) = b.as_chunks::<LANES>();
    let mut lanes = [[A::ZERO; LANES]; K];
    for (x, y) in a_chunks.iter().zip(b_chunks) {
        for lane in 0..LANES {
            let terms = term(x[lane], y[lane]);
            for k in 0..K {
                lanes[k][lane] = lanes[k][lane] + terms[k];
            }
        }
    }
    let mut totals = [A::ZERO; K];
    for (&x, &y) in a_tail.iter().zip(b_tail) {
        let terms = term(x, y);
        for k in 0..K {
            totals[k] = totals[k] + terms[k];
        }
    }
    for (total, lanes) in totals.iter_mut().zip(lanes) {
        *total = lanes.into_iter().fold(*total, |sum, lane| sum + lane);
    }
    totals
}

/// Sums of squares in `f64` that have neither overflowed nor lost anything that matters.
pub(super) fn is_safe(squares: f64) -> bool {
    (1e-290..=1e290).contains(&squares)
}
