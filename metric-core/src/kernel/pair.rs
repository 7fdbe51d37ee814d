//! One pair of rows.

use super::Lanes;
use super::simd::{Kernel, Simd};
use super::term::Term;

/// Joins the terms of all coordinates in four running vectors, which hide the latency of a step.
struct Pair<'a, T, F> {
    a: &'a [T],
    b: &'a [T],
    term: F,
}

impl<T: Lanes + Copy, F: Term<T>> Kernel<T> for Pair<'_, T, F> {
    type Output = T;

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) -> T {
        let term = self.term;
        let mut sums = [simd.zero(); 4];
        let block = 4 * S::LANES;
        let mut a_blocks = self.a.chunks_exact(block);
        let mut b_blocks = self.b.chunks_exact(block);
        for (a, b) in a_blocks.by_ref().zip(b_blocks.by_ref()) {
            for (i, sum) in sums.iter_mut().enumerate() {
                let (a, b) = (&a[i * S::LANES..], &b[i * S::LANES..]);
                *sum = term.step(simd, *sum, simd.load(a), simd.load(b));
            }
        }
        let mut a_rest = a_blocks.remainder().chunks_exact(S::LANES);
        let mut b_rest = b_blocks.remainder().chunks_exact(S::LANES);
        for (sum, (a, b)) in sums.iter_mut().zip(a_rest.by_ref().zip(b_rest.by_ref())) {
            *sum = term.step(simd, *sum, simd.load(a), simd.load(b));
        }
        let (a, b) = (a_rest.remainder(), b_rest.remainder());
        if !a.is_empty() {
            sums[3] = term.step(simd, sums[3], simd.load_part(a), simd.load_part(b));
        }
        let low = term.join(simd, sums[0], sums[1]);
        let high = term.join(simd, sums[2], sums[3]);
        simd.fold(term.join(simd, low, high), term)
    }
}

/// The terms of all coordinates, joined. The order of operations depends on the length and the machine alone.
///
/// Slices of different lengths are compared over the shorter one's length.
#[inline]
pub(crate) fn pair<T: Lanes + Copy, F: Term<T>>(term: F, a: &[T], b: &[T]) -> T {
    let n = a.len().min(b.len());
    T::run(Pair {
        a: &a[..n],
        b: &b[..n],
        term,
    })
}
