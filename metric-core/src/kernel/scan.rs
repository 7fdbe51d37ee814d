//! One pass over many numbers.

use super::simd::{Kernel, Simd};
use super::term::{Difference, LargestDifference};
use crate::Scalar;

const BLOCK: usize = 1024;

/// Place of the first NaN or infinity.
pub(crate) fn first_non_finite<T: Scalar>(values: &[T]) -> Option<usize> {
    let chunk = values.chunks(BLOCK).position(|chunk| !all_finite(chunk))?;
    let first = chunk * BLOCK;
    let at = values[first..]
        .iter()
        .position(|value| !value.is_finite())?;
    Some(first + at)
}

/// `0 x` is 0 for finite `x` and NaN for others, and NaN stays in the sum.
fn all_finite<T: Scalar>(values: &[T]) -> bool {
    struct Sum<'a, T>(&'a [T]);
    impl<T: Scalar> Kernel<T> for Sum<'_, T> {
        type Output = T;
        #[inline(always)]
        fn run<S: Simd<T>>(self, simd: S) -> T {
            let zero = simd.zero();
            let mut sums = [zero; 4];
            for block in self.0.chunks(4 * S::LANES) {
                for (sum, part) in sums.iter_mut().zip(block.chunks(S::LANES)) {
                    let part = if part.len() == S::LANES {
                        simd.load(part)
                    } else {
                        simd.load_part(part)
                    };
                    *sum = simd.mul_add(part, zero, *sum);
                }
            }
            let sum = simd.add(simd.add(sums[0], sums[1]), simd.add(sums[2], sums[3]));
            simd.fold(sum, Difference)
        }
    }
    T::run(Sum(values)).is_finite()
}

/// The largest absolute value.
pub(crate) fn largest<T: Scalar>(values: &[T]) -> T {
    struct Largest<'a, T>(&'a [T]);
    impl<T: Scalar> Kernel<T> for Largest<'_, T> {
        type Output = T;
        #[inline(always)]
        fn run<S: Simd<T>>(self, simd: S) -> T {
            let mut largest = [simd.zero(); 4];
            for block in self.0.chunks(4 * S::LANES) {
                for (largest, part) in largest.iter_mut().zip(block.chunks(S::LANES)) {
                    *largest = simd.max(*largest, simd.abs(simd.load_part(part)));
                }
            }
            let low = simd.max(largest[0], largest[1]);
            let high = simd.max(largest[2], largest[3]);
            simd.fold(simd.max(low, high), LargestDifference)
        }
    }
    T::run(Largest(values))
}
