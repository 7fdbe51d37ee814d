//! Sums in `f64` over two slices, vectorised as those of [`lanes`](crate::lanes) are.

use crate::Scalar;
use crate::kernel::{Kernel, Simd};

/// Sixteen were no faster: eight sums in `f64` fill as many registers.
const LANES: usize = 8;

/// `Σ term(aᵢ, bᵢ)`, terms and sum in `f64`.
///
/// The order of operations depends on the length alone. Swapping `a` and `b` gives the same bits if `term` does.
#[inline]
pub(crate) fn sum<T: Scalar>(a: &[T], b: &[T], term: impl Fn(f64, f64) -> f64) -> f64 {
    struct Sum<'a, T, F>(&'a [T], &'a [T], F);
    impl<T: Scalar, F: Fn(f64, f64) -> f64> Kernel<T> for Sum<'_, T, F> {
        type Output = f64;

        #[inline(always)]
        fn run<S: Simd<T>>(self, _: S) -> f64 {
            let Self(a, b, term) = self;
            let (a_chunks, a_tail) = a.as_chunks::<LANES>();
            let (b_chunks, b_tail) = b.as_chunks::<LANES>();
            let mut lanes = [0.0; LANES];
            for (x, y) in a_chunks.iter().zip(b_chunks) {
                for lane in 0..LANES {
                    lanes[lane] += term(x[lane].to_f64(), y[lane].to_f64());
                }
            }
            let tail = a_tail.iter().zip(b_tail);
            let rest: f64 = tail.map(|(x, y)| term(x.to_f64(), y.to_f64())).sum();
            lanes.iter().sum::<f64>() + rest
        }
    }
    T::run(Sum(a, b, term))
}

/// Sums of squares in `f64` that have neither overflowed nor lost anything that matters.
pub(super) fn is_safe(squares: f64) -> bool {
    (1e-290..=1e290).contains(&squares)
}
