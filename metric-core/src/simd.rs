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
    T::run(Largest(values, scale))
}

struct Largest<'a, T>(&'a [T], T);

impl<T: Scalar> Kernel<T> for Largest<'_, T> {
    type Output = T;

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) -> T {
        let least = T::from_f64(f64::NEG_INFINITY);
        let (mut found, scale) = ([simd.splat(least); 4], simd.splat(self.1));
        let (whole, rest) = self.0.split_at(self.0.len() / S::LANES * S::LANES);
        // Not one after the other.
        for some in whole.chunks(4 * S::LANES) {
            for (found, values) in found.iter_mut().zip(some.chunks_exact(S::LANES)) {
                *found = simd.max(*found, simd.mul(simd.load(values), scale));
            }
        }
        let mut lanes = [least; MOST_LANES];
        let [a, b, c, d] = found;
        simd.store(simd.max(simd.max(a, b), simd.max(c, d)), &mut lanes);
        let rest = rest.iter().map(|&x| x * self.1);
        let all = lanes.into_iter().chain(rest);
        all.fold(least, |a, b| if b > a { b } else { a })
    }
}

/// Lanes of the widest vector.
const MOST_LANES: usize = 16;

/// `exp(scale x − shift)` in the place of every `x`, and their sum.
pub fn exp_in_place<T: Scalar>(values: &mut [T], scale: T, shift: T) -> T {
    T::run(Exp(values, T::ZERO, scale, shift))
}

/// `exp(scale (x − start) − shift)` in the place of every `x`.
struct Exp<'a, T>(&'a mut [T], T, T, T);

impl<T: Scalar> Kernel<T> for Exp<'_, T> {
    type Output = T;

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) -> T {
        let Self(values, start, scale, shift) = self;
        let (start, scale) = (simd.splat(start), simd.splat(scale));
        let minus = simd.splat(T::ZERO - shift);
        let mut sum = simd.zero();
        let middle = values.len() / S::LANES * S::LANES;
        let (whole, rest) = values.split_at_mut(middle);
        for values in whole.chunks_exact_mut(S::LANES) {
            let x = simd.sub(simd.load(values), start);
            let exp = T::exp(simd, simd.mul_add(x, scale, minus));
            simd.store(exp, values);
            sum = simd.add(sum, exp);
        }
        let x = simd.sub(simd.load_part(rest), start);
        simd.store_part(T::exp(simd, simd.mul_add(x, scale, minus)), rest);
        let mut lanes = [T::ZERO; MOST_LANES];
        simd.store(sum, &mut lanes);
        lanes.iter().chain(&*rest).fold(T::ZERO, |a, &b| a + b)
    }
}

/// The `x` with the largest `scale x`, and the sum of `exp(scale (x − largest))`, which are put in the place of every `x`: a large
/// number that all have in common costs no digits. An infinite one where all `scale x` are minus infinity, and zeros.
pub fn exp_in_range<T: Scalar>(values: &mut [T], scale: T) -> (T, f64) {
    // So few at a time that their sum keeps its digits in single precision.
    const SOME: usize = 512;
    struct InRange<'a, T>(&'a mut [T], T);
    impl<T: Scalar> Kernel<T> for InRange<'_, T> {
        type Output = (T, f64);

        #[inline(always)]
        fn run<S: Simd<T>>(self, simd: S) -> (T, f64) {
            let Self(values, scale) = self;
            let sign = if scale < T::ZERO {
                T::ZERO - T::ONE
            } else {
                T::ONE
            };
            let top = Largest(values, sign).run(simd);
            if top == T::from_f64(f64::NEG_INFINITY) {
                values.fill(T::ZERO);
                return (top * sign, 0.0);
            }
            let top = top * sign;
            let mut sum = 0.0;
            for some in values.chunks_mut(SOME) {
                sum += Exp(some, top, scale, T::ZERO).run(simd).to_f64();
            }
            (top, sum)
        }
    }
    T::run(InRange(values, scale))
}

/// Puts `of(x)` in the place of every `x`. What `of` captures by value stays in registers: give these functions closures
/// that `move`.
pub fn map_in_place<T: Scalar>(values: &mut [T], of: impl Fn(T) -> T) {
    struct Map<'a, T, F>(&'a mut [T], F);
    impl<T: Scalar, F: Fn(T) -> T> Kernel<T> for Map<'_, T, F> {
        type Output = ();

        #[inline(always)]
        fn run<S: Simd<T>>(self, _: S) {
            for value in self.0 {
                *value = self.1(*value);
            }
        }
    }
    T::run(Map(values, of));
}

/// Puts `of(x, y)` in the place of every `x`, for the `y` beside it.
pub fn zip_in_place<T: Scalar>(values: &mut [T], others: &[T], of: impl Fn(T, T) -> T) {
    struct Zip<'a, T, F>(&'a mut [T], &'a [T], F);
    impl<T: Scalar, F: Fn(T, T) -> T> Kernel<T> for Zip<'_, T, F> {
        type Output = ();

        #[inline(always)]
        fn run<S: Simd<T>>(self, _: S) {
            for (value, &other) in self.0.iter_mut().zip(self.1) {
                *value = self.2(*value, other);
            }
        }
    }
    T::run(Zip(values, others, of));
}

/// `Σ of(x)`, where `of` may change `x`: in lanes, and so few at a time that the sum keeps its digits in single precision.
pub fn sum_of<T: Scalar>(values: &mut [T], of: impl Fn(&mut T) -> T) -> f64 {
    let [sum] = sums_of(values, |x| [of(x)]);
    sum
}

/// The same of several numbers for each `x`.
pub fn sums_of<T: Scalar, const N: usize>(
    values: &mut [T],
    of: impl Fn(&mut T) -> [T; N],
) -> [f64; N] {
    const SOME: usize = 512;
    struct Sums<'a, T, F, const N: usize>(&'a mut [T], F);
    impl<T: Scalar, F: Fn(&mut T) -> [T; N], const N: usize> Kernel<T> for Sums<'_, T, F, N> {
        type Output = [f64; N];

        #[inline(always)]
        fn run<S: Simd<T>>(self, _: S) -> [f64; N] {
            let Self(values, of) = self;
            let mut sums = [0.0; N];
            for some in values.chunks_mut(SOME) {
                let mut lanes = [[T::ZERO; 2 * MOST_LANES]; N];
                let mut each = some.chunks_exact_mut(2 * MOST_LANES);
                for values in &mut each {
                    for (lane, value) in values.iter_mut().enumerate() {
                        for (lanes, number) in lanes.iter_mut().zip(of(value)) {
                            lanes[lane] = lanes[lane] + number;
                        }
                    }
                }
                for (lane, value) in each.into_remainder().iter_mut().enumerate() {
                    for (lanes, number) in lanes.iter_mut().zip(of(value)) {
                        lanes[lane] = lanes[lane] + number;
                    }
                }
                for (sum, lanes) in sums.iter_mut().zip(lanes) {
                    for lane in lanes {
                        *sum += lane.to_f64();
                    }
                }
            }
            sums
        }
    }
    T::run(Sums(values, of))
}
