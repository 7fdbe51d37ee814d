//! The vector kernels' vocabulary for the other crates of this workspace. No part of the stable interface.

pub use crate::kernel::{Kernel, Simd, Term};

use crate::Scalar;
use crate::kernel::{self, Isa, pages};

/// Runs a kernel on the best instruction set of this machine.
#[inline]
pub fn run<T: Scalar, K: Kernel<T>>(kernel: K) -> K::Output {
    T::run(kernel)
}

/// Rows of a register tile, and columns: two vectors.
pub fn widths<T: Scalar>() -> (usize, usize) {
    kernel::tile::widths::<T>(Isa::best())
}

/// `to[c · width + r] = from[r · stride + c]` for so many rows and columns.
pub fn transpose<T: Scalar>(from: (&[T], usize), shape: (usize, usize), to: (&mut [T], usize)) {
    kernel::transpose::transpose(Isa::best(), from, shape, to);
}

/// Zeros, in large pages where the system offers them.
pub fn zeros<T: Scalar>(count: usize) -> Vec<T> {
    pages::zeros(count)
}

/// Has the allocator keep freed memory for what comes next; to be called once, at the start of a program that makes and
/// drops the same large results again and again.
pub fn keep_pages() {
    pages::keep_pages();
}

/// The largest `scale x` of some numbers, minus infinity of none.
pub fn largest<T: Scalar>(values: &[T], scale: T) -> T {
    struct Largest<'a, T>(&'a [T], T);
    impl<T: Scalar> Kernel<T> for Largest<'_, T> {
        type Output = T;

        #[inline(always)]
        fn run<S: Simd<T>>(self, simd: S) -> T {
            let least = T::from_f64(f64::NEG_INFINITY);
            let (mut found, scale) = (simd.splat(least), simd.splat(self.1));
            let (whole, rest) = self.0.split_at(self.0.len() / S::LANES * S::LANES);
            for values in whole.chunks_exact(S::LANES) {
                found = simd.max(found, simd.mul(simd.load(values), scale));
            }
            let mut lanes = [least; MOST_LANES];
            simd.store(found, &mut lanes);
            let rest = rest.iter().map(|&x| x * self.1);
            let all = lanes.into_iter().chain(rest);
            all.fold(least, |a, b| if b > a { b } else { a })
        }
    }
    T::run(Largest(values, scale))
}

/// Lanes of the widest vector.
const MOST_LANES: usize = 16;

/// `exp(scale x − shift)` in the place of every `x`, and their sum.
pub fn exp_in_place<T: Scalar>(values: &mut [T], scale: T, shift: T) -> T {
    struct Exp<'a, T>(&'a mut [T], T, T);
    impl<T: Scalar> Kernel<T> for Exp<'_, T> {
        type Output = T;

        #[inline(always)]
        fn run<S: Simd<T>>(self, simd: S) -> T {
            let Self(values, scale, shift) = self;
            let (scale, minus) = (simd.splat(scale), simd.splat(T::ZERO - shift));
            let mut sum = simd.zero();
            let middle = values.len() / S::LANES * S::LANES;
            let (whole, rest) = values.split_at_mut(middle);
            for values in whole.chunks_exact_mut(S::LANES) {
                let exp = T::exp(simd, simd.mul_add(simd.load(values), scale, minus));
                simd.store(exp, values);
                sum = simd.add(sum, exp);
            }
            let exp = T::exp(simd, simd.mul_add(simd.load_part(rest), scale, minus));
            simd.store_part(exp, rest);
            let mut lanes = [T::ZERO; MOST_LANES];
            simd.store(sum, &mut lanes);
            lanes.iter().chain(&*rest).fold(T::ZERO, |a, &b| a + b)
        }
    }
    T::run(Exp(values, scale, shift))
}
