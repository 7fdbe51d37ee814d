//! What one coordinate adds to a pair: the same definition for single pairs and for register tiles.

use super::Lanes;
use super::simd::Simd;
use crate::Scalar;

/// A step over one coordinate of many pairs, and how two running results become one.
///
/// A step must give the same bits with its sides exchanged; then so does every distance built on it.
pub trait Term<T>: Copy + Send + Sync {
    /// The running result with one more coordinate.
    fn step<S: Simd<T>>(self, simd: S, sum: S::V, a: S::V, b: S::V) -> S::V;

    /// Two running results in one.
    #[inline(always)]
    fn join<S: Simd<T>>(self, simd: S, a: S::V, b: S::V) -> S::V {
        simd.add(a, b)
    }
}

/// `a b`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Product;

/// `(a − b)²`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SquaredDifference;

/// `|a − b|`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Difference<T>(pub(crate) T);

/// The larger of `a` and `b`: `Σ |a − b| = 2 Σ max(a, b) − Σ a − Σ b`, with one operation less.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Larger<T>(pub(crate) T);

/// `|a − b|`, of which the largest is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LargestDifference<T>(pub(crate) T);

/// `|a − b|³`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cube;

/// `|a − b|ᵖ`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Power<T>(pub(crate) T);

/// `|a − b| / (|a| + |b|)`, zero for two zeros.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ratio<T>(pub(crate) T);

/// A one that the compiler does not know: for terms without products, whose sums the idle units that multiply can take.
#[inline]
pub(crate) fn one<T: Scalar>() -> T {
    std::hint::black_box(T::ONE)
}

impl<T> Term<T> for Product {
    #[inline(always)]
    fn step<S: Simd<T>>(self, simd: S, sum: S::V, a: S::V, b: S::V) -> S::V {
        simd.mul_add(a, b, sum)
    }
}

impl<T> Term<T> for SquaredDifference {
    #[inline(always)]
    fn step<S: Simd<T>>(self, simd: S, sum: S::V, a: S::V, b: S::V) -> S::V {
        let difference = simd.sub(a, b);
        simd.mul_add(difference, difference, sum)
    }
}

impl<T: Copy + Send + Sync> Term<T> for Difference<T> {
    #[inline(always)]
    fn step<S: Simd<T>>(self, simd: S, sum: S::V, a: S::V, b: S::V) -> S::V {
        let difference = simd.abs(simd.sub(a, b));
        simd.add_beside(sum, simd.splat(self.0), difference)
    }
}

impl<T: Copy + Send + Sync> Term<T> for Larger<T> {
    #[inline(always)]
    fn step<S: Simd<T>>(self, simd: S, sum: S::V, a: S::V, b: S::V) -> S::V {
        simd.add_beside(sum, simd.splat(self.0), simd.max(a, b))
    }
}

impl<T: Copy + Send + Sync> Term<T> for LargestDifference<T> {
    #[inline(always)]
    fn step<S: Simd<T>>(self, simd: S, largest: S::V, a: S::V, b: S::V) -> S::V {
        simd.max_abs(largest, simd.sub_beside(a, simd.splat(self.0), b))
    }

    #[inline(always)]
    fn join<S: Simd<T>>(self, simd: S, a: S::V, b: S::V) -> S::V {
        simd.max(a, b)
    }
}

impl<T> Term<T> for Cube {
    #[inline(always)]
    fn step<S: Simd<T>>(self, simd: S, sum: S::V, a: S::V, b: S::V) -> S::V {
        let difference = simd.sub(a, b);
        let square = simd.mul(difference, difference);
        simd.mul_add(square, simd.abs(difference), sum)
    }
}

impl<T: Lanes + Copy + Send + Sync> Term<T> for Power<T> {
    #[inline(always)]
    fn step<S: Simd<T>>(self, simd: S, sum: S::V, a: S::V, b: S::V) -> S::V {
        let difference = simd.abs(simd.sub(a, b));
        simd.add(sum, T::power(simd, difference, self.0))
    }
}

impl<T: Lanes + Copy + Send + Sync> Term<T> for Ratio<T> {
    #[inline(always)]
    fn step<S: Simd<T>>(self, simd: S, sum: S::V, a: S::V, b: S::V) -> S::V {
        let total = simd.add(simd.abs(a), simd.abs(b));
        // The least positive number keeps 0/0 at 0 and changes no other quotient.
        let total = simd.max(total, simd.splat(self.0));
        simd.add(sum, simd.div(simd.abs(simd.sub(a, b)), total))
    }
}
