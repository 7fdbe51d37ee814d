//! Loops over two slices that the compiler turns into vector instructions.
//!
//! Sixteen running results break the chain of dependent additions; they also bound the rounding error, since
//! each adds up a sixteenth of the terms.

use crate::Scalar;
use crate::scalar::Sealed;

pub(crate) const LANES: usize = 16;

/// Folds `term(a[i], b[i])` with `join`, which must have `T::ZERO` as its neutral element.
///
/// The order of operations depends on the length alone. Swapping `a` and `b` gives the same bits if `term` does.
#[inline]
fn fold<T: Scalar>(a: &[T], b: &[T], term: impl Fn(T, T) -> T, join: impl Fn(T, T) -> T) -> T {
    let (a_chunks, a_tail) = a.as_chunks::<LANES>();
    let (b_chunks, b_tail) = b.as_chunks::<LANES>();
    let mut lanes = [T::ZERO; LANES];
    for (x, y) in a_chunks.iter().zip(b_chunks) {
        for lane in 0..LANES {
            lanes[lane] = join(lanes[lane], term(x[lane], y[lane]));
        }
    }
    let mut rest = T::ZERO;
    for (&x, &y) in a_tail.iter().zip(b_tail) {
        rest = join(rest, term(x, y));
    }
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] = join(lanes[lane], lanes[lane + width]);
        }
        width /= 2;
    }
    join(lanes[0], rest)
}

/// `Σ term(aᵢ, bᵢ)`.
#[inline]
pub(crate) fn sum<T: Scalar>(a: &[T], b: &[T], term: impl Fn(T, T) -> T) -> T {
    fold(a, b, term, |x, y| x + y)
}

/// `max |aᵢ − bᵢ|`, zero for empty slices.
#[inline]
pub(crate) fn max_abs_diff<T: Scalar>(a: &[T], b: &[T]) -> T {
    fold(a, b, |x, y| (x - y).abs(), Sealed::max)
}

/// `Σ aᵢ²`, added up in `f64`.
#[inline]
pub(crate) fn squared_norm<T: Scalar>(a: &[T]) -> f64 {
    let (chunks, tail) = a.as_chunks::<LANES>();
    let mut lanes = [0.0f64; LANES];
    for x in chunks {
        for lane in 0..LANES {
            let value = x[lane].to_f64();
            lanes[lane] += value * value;
        }
    }
    let rest: f64 = tail.iter().map(|x| x.to_f64() * x.to_f64()).sum();
    lanes.iter().sum::<f64>() + rest
}
