//! One vocabulary for the vector instructions of all machines.

use super::term::Term;

/// Vectors of `T` on one instruction set. A value of an implementing type proves that this machine has it.
///
/// Kernels are written once against this trait, in safe code, and compiled for each instruction set by
/// `run`. Every method must be inlined to become the instruction it names.
pub trait Simd<T>: Copy + Send + Sync + 'static {
    /// A vector.
    type V: Copy;
    /// Numbers in a vector.
    const LANES: usize;
    /// Rows of a register tile, of two vectors each: 12, 6 or 4.
    const ROWS: usize;

    /// Zeros.
    fn zero(self) -> Self::V;
    /// A number in every lane.
    fn splat(self, value: T) -> Self::V;
    /// Joins the lanes of a vector pairwise, in a fixed order.
    fn fold<F: Term<T>>(self, vector: Self::V, term: F) -> T;
    /// Brings a number and what stands on its line of the cache closer, if the machine has a way to ask for that.
    #[inline(always)]
    fn prefetch(self, _at: &T) {}
    /// The first `LANES` numbers of a slice, which must have as many.
    fn load(self, from: &[T]) -> Self::V;
    /// As many numbers as the slice has, at most `LANES`, then zeros.
    fn load_part(self, from: &[T]) -> Self::V;
    /// Into the first `LANES` places of a slice, which must have as many.
    fn store(self, vector: Self::V, to: &mut [T]);
    /// Into all places of a slice, at most `LANES`.
    fn store_part(self, vector: Self::V, to: &mut [T]);
    /// `a₀ b₀ a₁ b₁ …`, in two vectors.
    fn zip(self, a: Self::V, b: Self::V) -> [Self::V; 2];
    /// `a + b`.
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a + b` by the units that multiply, where others are busy: `one` must be 1, unknown to the compiler.
    #[inline(always)]
    fn add_beside(self, a: Self::V, _one: Self::V, b: Self::V) -> Self::V {
        self.add(a, b)
    }
    /// `a − b` in the same way.
    #[inline(always)]
    fn sub_beside(self, a: Self::V, _one: Self::V, b: Self::V) -> Self::V {
        self.sub(a, b)
    }
    /// The larger of `a ≥ 0` and `|b|`.
    #[inline(always)]
    fn max_abs(self, a: Self::V, b: Self::V) -> Self::V {
        self.max(a, self.abs(b))
    }
    /// `a − b`.
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a b`.
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a / b`.
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a b + c`, rounded once where the machine can.
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `c − a b`, rounded once where the machine can.
    fn neg_mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `|a|`.
    fn abs(self, a: Self::V) -> Self::V;
    /// `√a`.
    fn sqrt(self, a: Self::V) -> Self::V;
    /// `a` where `a > b`, else `b`.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a` where `a < b`, else `b`.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    /// A bit for each lane where `a > b` does not hold, NaN included.
    fn not_greater(self, a: Self::V, b: Self::V) -> u32;
    /// `x` where `a > b`, else `y`.
    fn pick(self, a: Self::V, b: Self::V, x: Self::V, y: Self::V) -> Self::V;
    /// `(log₂ of the power of two at or below a, a divided by it)` for positive normal numbers.
    fn split_exponent(self, a: Self::V) -> (Self::V, Self::V);
    /// `2ⁿ` for whole `n` whose power is a normal number.
    fn exp2_whole(self, n: Self::V) -> Self::V;
    /// The nearest whole numbers, even ones for halves.
    fn round(self, a: Self::V) -> Self::V;
}

/// Work that is compiled once for each instruction set. `run` must be `#[inline(always)]`.
pub trait Kernel<T> {
    /// What it gives.
    type Output;
    /// Does it with the vectors of an instruction set.
    fn run<S: Simd<T>>(self, simd: S) -> Self::Output;
}

/// Wraps intrinsics that only need the instruction set; one `SAFETY` for all of them.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! wrap {
    ($($name:ident($($arg:ident: $of:ty),*) -> $out:ty = $body:expr;)*) => {$(
        #[inline(always)]
        fn $name(self, $($arg: $of),*) -> $out {
            // SAFETY: `self` proves that the machine has the instructions; they touch registers only.
            unsafe { $body }
        }
    )*};
}
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(super) use wrap;

/// Plain Rust for machines without a module of their own, and the reference in the kernels' tests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Portable;

macro_rules! portable {
    ($t:ident, $bits:ident, $lanes:literal, $mantissa:literal, $bias:literal) => {
        impl Simd<$t> for Portable {
            type V = [$t; $lanes];
            const LANES: usize = $lanes;
            const ROWS: usize = 4;

            #[inline(always)]
            fn zero(self) -> Self::V {
                [0.0; $lanes]
            }
            #[inline(always)]
            fn fold<F: Term<$t>>(self, vector: Self::V, term: F) -> $t {
                let mut folded = vector;
                let mut half = $lanes / 2;
                while half > 0 {
                    let upper = std::array::from_fn(|i| folded[(i + half) % $lanes]);
                    folded = term.join(self, folded, upper);
                    half /= 2;
                }
                folded[0]
            }
            #[inline(always)]
            fn splat(self, value: $t) -> Self::V {
                [value; $lanes]
            }
            #[inline(always)]
            fn load(self, from: &[$t]) -> Self::V {
                std::array::from_fn(|i| from[i])
            }
            #[inline(always)]
            fn load_part(self, from: &[$t]) -> Self::V {
                std::array::from_fn(|i| from.get(i).copied().unwrap_or(0.0))
            }
            #[inline(always)]
            fn store(self, vector: Self::V, to: &mut [$t]) {
                to[..$lanes].copy_from_slice(&vector);
            }
            #[inline(always)]
            fn store_part(self, vector: Self::V, to: &mut [$t]) {
                let count = to.len().min($lanes);
                to[..count].copy_from_slice(&vector[..count]);
            }
            #[inline(always)]
            fn zip(self, a: Self::V, b: Self::V) -> [Self::V; 2] {
                let at = |i: usize| if i % 2 == 0 { a[i / 2] } else { b[i / 2] };
                [
                    std::array::from_fn(at),
                    std::array::from_fn(|i| at($lanes + i)),
                ]
            }
            #[inline(always)]
            fn add(self, a: Self::V, b: Self::V) -> Self::V {
                std::array::from_fn(|i| a[i] + b[i])
            }
            #[inline(always)]
            fn sub(self, a: Self::V, b: Self::V) -> Self::V {
                std::array::from_fn(|i| a[i] - b[i])
            }
            #[inline(always)]
            fn mul(self, a: Self::V, b: Self::V) -> Self::V {
                std::array::from_fn(|i| a[i] * b[i])
            }
            #[inline(always)]
            fn div(self, a: Self::V, b: Self::V) -> Self::V {
                std::array::from_fn(|i| a[i] / b[i])
            }
            #[inline(always)]
            fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
                std::array::from_fn(|i| a[i] * b[i] + c[i])
            }
            #[inline(always)]
            fn neg_mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
                std::array::from_fn(|i| c[i] - a[i] * b[i])
            }
            #[inline(always)]
            fn abs(self, a: Self::V) -> Self::V {
                a.map($t::abs)
            }
            #[inline(always)]
            fn sqrt(self, a: Self::V) -> Self::V {
                a.map($t::sqrt)
            }
            #[inline(always)]
            fn max(self, a: Self::V, b: Self::V) -> Self::V {
                std::array::from_fn(|i| if a[i] > b[i] { a[i] } else { b[i] })
            }
            #[inline(always)]
            fn min(self, a: Self::V, b: Self::V) -> Self::V {
                std::array::from_fn(|i| if a[i] < b[i] { a[i] } else { b[i] })
            }
            #[inline(always)]
            fn not_greater(self, a: Self::V, b: Self::V) -> u32 {
                (0..$lanes).fold(0, |mask, i| {
                    mask | u32::from(!matches!(
                        a[i].partial_cmp(&b[i]),
                        Some(std::cmp::Ordering::Greater)
                    )) << i
                })
            }
            #[inline(always)]
            fn pick(self, a: Self::V, b: Self::V, x: Self::V, y: Self::V) -> Self::V {
                std::array::from_fn(|i| if a[i] > b[i] { x[i] } else { y[i] })
            }
            #[inline(always)]
            fn split_exponent(self, a: Self::V) -> (Self::V, Self::V) {
                (
                    a.map(|x| (x.to_bits() >> $mantissa) as $t - $bias as $t),
                    a.map(|x| {
                        let one: $t = 1.0;
                        $t::from_bits(x.to_bits() & ((1 << $mantissa) - 1) | one.to_bits())
                    }),
                )
            }
            #[inline(always)]
            fn exp2_whole(self, n: Self::V) -> Self::V {
                n.map(|n| $t::from_bits(((n + $bias as $t) as $bits) << $mantissa))
            }
            #[inline(always)]
            fn round(self, a: Self::V) -> Self::V {
                a.map($t::round_ties_even)
            }
        }
    };
}

portable!(f32, u32, 8, 23, 127);
portable!(f64, u64, 4, 52, 1023);
