//! Loops over two slices that the compiler turns into vector instructions.
//!
//! Sixteen running results break the chain of dependent additions; they also bound the rounding error, since
//! each adds up a sixteenth of the terms.

use crate::Scalar;
use crate::kernel::{Kernel, Simd};

pub(crate) const LANES: usize = 16;

/// Folds `term(a[i], b[i])` with `join`, which must have `T::ZERO` as its neutral element.
///
/// The order of operations depends on the length alone. Swapping `a` and `b` gives the same bits if `term` does.
struct Fold<'a, T, F, J> {
    a: &'a [T],
    b: &'a [T],
    term: F,
    join: J,
}

/// Compiled for each instruction set by [`Kernel`]; the compiler finds the vectors.
impl<T: Scalar, F: Fn(T, T) -> T, J: Fn(T, T) -> T> Kernel<T> for Fold<'_, T, F, J> {
    type Output = T;

    #[inline(always)]
    fn run<S: Simd<T>>(self, _: S) -> T {
        let (a_chunks, a_tail) = self.a.as_chunks::<LANES>();
        let (b_chunks, b_tail) = self.b.as_chunks::<LANES>();
        let mut lanes = [T::ZERO; LANES];
        for (x, y) in a_chunks.iter().zip(b_chunks) {
            for lane in 0..LANES {
                lanes[lane] = (self.join)(lanes[lane], (self.term)(x[lane], y[lane]));
            }
        }
        let mut rest = T::ZERO;
        for (&x, &y) in a_tail.iter().zip(b_tail) {
            rest = (self.join)(rest, (self.term)(x, y));
        }
        lanes.into_iter().fold(rest, &self.join)
    }
}

/// `Σ term(aᵢ, bᵢ)`.
#[inline]
pub(crate) fn sum<T: Scalar>(a: &[T], b: &[T], term: impl Fn(T, T) -> T) -> T {
    T::run(Fold {
        a,
        b,
        term,
        join: |x, y| x + y,
    })
}

/// `Σ term(aᵢ)`, added up in `f64`.
#[inline]
pub(crate) fn total<T: Scalar>(a: &[T], term: impl Fn(f64) -> f64) -> f64 {
    struct Total<'a, T, F>(&'a [T], F);
    impl<T: Scalar, F: Fn(f64) -> f64> Kernel<T> for Total<'_, T, F> {
        type Output = f64;

        #[inline(always)]
        fn run<S: Simd<T>>(self, _: S) -> f64 {
            let (chunks, tail) = self.0.as_chunks::<LANES>();
            let mut lanes = [0.0f64; LANES];
            for x in chunks {
                for lane in 0..LANES {
                    lanes[lane] += (self.1)(x[lane].to_f64());
                }
            }
            let rest: f64 = tail.iter().map(|x| (self.1)(x.to_f64())).sum();
            lanes.iter().sum::<f64>() + rest
        }
    }
    T::run(Total(a, term))
}

/// `Σ aᵢ²`, added up in `f64`.
#[inline]
pub(crate) fn squared_norm<T: Scalar>(a: &[T]) -> f64 {
    total(a, |x| x * x)
}

/// Adds a row to sums in `f64`.
#[inline]
pub(crate) fn add_row<T: Scalar>(sums: &mut [f64], row: &[T]) {
    struct Add<'a, T>(&'a mut [f64], &'a [T]);
    impl<T: Scalar> Kernel<T> for Add<'_, T> {
        type Output = ();

        #[inline(always)]
        fn run<S: Simd<T>>(self, _: S) {
            for (sum, x) in self.0.iter_mut().zip(self.1) {
                *sum += x.to_f64();
            }
        }
    }
    T::run(Add(sums, row));
}

/// Sums of the columns of rows, `[dim]`, in `f64`.
pub(crate) fn column_sums<T: Scalar>(rows: &[T], dim: usize) -> Vec<f64> {
    let mut sums = vec![0.0; dim];
    for row in rows.chunks_exact(dim) {
        add_row(&mut sums, row);
    }
    sums
}
