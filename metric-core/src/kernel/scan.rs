//! One pass over many numbers, as terms of a slice paired with itself.

use super::pair::pair;
use super::simd::Simd;
use super::term::Term;
use crate::Scalar;

const BLOCK: usize = 1024;

/// Place of the first NaN or infinity.
pub(crate) fn first_non_finite<T: Scalar>(values: &[T]) -> Option<usize> {
    let is_finite = |chunk: &[T]| pair(Vanishing, chunk, chunk).is_finite();
    let chunk = values.chunks(BLOCK).position(|chunk| !is_finite(chunk))?;
    let first = chunk * BLOCK;
    let at = values[first..]
        .iter()
        .position(|value| !value.is_finite())?;
    Some(first + at)
}

/// The largest absolute value of finite numbers.
#[inline]
pub(crate) fn largest<T: Scalar>(values: &[T]) -> T {
    pair(Size, values, values)
}

/// `0 a`, which is NaN unless `a` is finite, and NaN stays in the sum.
#[derive(Clone, Copy, Debug)]
struct Vanishing;

impl<T> Term<T> for Vanishing {
    #[inline(always)]
    fn step<S: Simd<T>>(self, simd: S, sum: S::V, a: S::V, _: S::V) -> S::V {
        simd.mul_add(a, simd.zero(), sum)
    }
}

/// `|a|`, of which the largest is kept.
#[derive(Clone, Copy, Debug)]
struct Size;

impl<T> Term<T> for Size {
    #[inline(always)]
    fn step<S: Simd<T>>(self, simd: S, largest: S::V, a: S::V, _: S::V) -> S::V {
        simd.max(largest, simd.abs(a))
    }

    #[inline(always)]
    fn join<S: Simd<T>>(self, simd: S, a: S::V, b: S::V) -> S::V {
        simd.max(a, b)
    }
}
