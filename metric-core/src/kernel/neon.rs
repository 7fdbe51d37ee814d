//! NEON, which every 64-bit ARM processor has.
#![allow(
    clippy::multiple_unsafe_ops_per_block,
    reason = "the proof that the machine has an instruction set covers all its instructions"
)]

use std::arch::aarch64::*;

use super::simd::{Kernel, Simd, wrap};
use super::term::Term;

/// NEON is present.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Neon(());

impl Neon {
    /// The target itself demands it.
    pub(crate) fn detect() -> Self {
        Self(())
    }

    #[inline]
    pub(crate) fn run<T, K: Kernel<T>>(self, kernel: K) -> K::Output
    where
        Self: Simd<T>,
    {
        kernel.run(self)
    }
}

macro_rules! neon {
    ($t:tt, $bits:tt, $v:ty, $lanes:literal, $mantissa:literal, turns: [$($turn:literal),*], places: $places:expr,
     $dup:ident, $dup_bits:ident, $ld1:ident, $ld1_bits:ident, $st1:ident, $add:ident, $sub:ident, $mul:ident,
     $div:ident, $fma:ident, $fms:ident, $abs:ident, $sqrt:ident, $cgt:ident, $clt:ident, $bsl:ident, $bic:ident,
     $addv:ident, $to_bits:ident, $from_bits:ident, $shr:ident, $shl:ident, $and:ident, $or:ident, $to_float:ident,
     $to_whole:ident, $round:ident, $ext:ident, $first:ident, $zip1:ident, $zip2:ident) => {
        impl Simd<$t> for Neon {
            type V = $v;
            const LANES: usize = $lanes;
            // 24 of 32 registers hold sums.
            const ROWS: usize = 12;

            #[inline(always)]
            fn fold<F: Term<$t>>(self, vector: $v, term: F) -> $t {
                let joined = vector;
                $(
                    // SAFETY: `self` proves that the machine has the instructions; they touch registers only.
                    let turned = unsafe { $ext::<$turn>(joined, joined) };
                    let joined = term.join(self, joined, turned);
                )*
                // SAFETY: as above.
                unsafe { $first::<0>(joined) }
            }
            #[inline(always)]
            fn load(self, from: &[$t]) -> $v {
                assert!(from.len() >= $lanes);
                // SAFETY: the slice holds a whole vector, and `self` proves the instruction set.
                unsafe { $ld1(from.as_ptr()) }
            }
            #[inline(always)]
            fn load_part(self, from: &[$t]) -> $v {
                let mut whole: [$t; $lanes] = [0.0; $lanes];
                let count = from.len().min($lanes);
                whole[..count].copy_from_slice(&from[..count]);
                self.load(&whole)
            }
            #[inline(always)]
            fn store(self, vector: $v, to: &mut [$t]) {
                assert!(to.len() >= $lanes);
                // SAFETY: the slice has room for a whole vector, and `self` proves the instruction set.
                unsafe { $st1(to.as_mut_ptr(), vector) }
            }
            #[inline(always)]
            fn not_greater(self, a: $v, b: $v) -> u32 {
                const PLACES: [$bits; $lanes] = $places;
                // SAFETY: the array holds a whole vector, and `self` proves the instruction set.
                let mask = unsafe { $addv($bic($ld1_bits(PLACES.as_ptr()), $cgt(a, b))) };
                mask as u32
            }
            #[inline(always)]
            fn store_part(self, vector: $v, to: &mut [$t]) {
                let mut whole: [$t; $lanes] = [0.0; $lanes];
                self.store(vector, &mut whole);
                let count = to.len().min($lanes);
                to[..count].copy_from_slice(&whole[..count]);
            }
            wrap! {
                zero() -> $v = $dup(0.0);
                splat(value: $t) -> $v = $dup(value);
                add(a: $v, b: $v) -> $v = $add(a, b);
                sub(a: $v, b: $v) -> $v = $sub(a, b);
                mul(a: $v, b: $v) -> $v = $mul(a, b);
                div(a: $v, b: $v) -> $v = $div(a, b);
                mul_add(a: $v, b: $v, c: $v) -> $v = $fma(c, a, b);
                neg_mul_add(a: $v, b: $v, c: $v) -> $v = $fms(c, a, b);
                abs(a: $v) -> $v = $abs(a);
                sqrt(a: $v) -> $v = $sqrt(a);
                // The machine's own maximum has other rules for NaN and for zeros of two signs.
                max(a: $v, b: $v) -> $v = $bsl($cgt(a, b), a, b);
                min(a: $v, b: $v) -> $v = $bsl($clt(a, b), a, b);
                pick(a: $v, b: $v, x: $v, y: $v) -> $v = $bsl($cgt(a, b), x, y);
                split_exponent(a: $v) -> ($v, $v) = {
                    let one: $t = 1.0;
                    let bias = (one.to_bits() >> $mantissa) as $t;
                    let fraction = $dup_bits((1 << $mantissa) - 1);
                    let bits = $to_bits(a);
                    (
                        $sub($to_float($shr::<$mantissa>(bits)), $dup(bias)),
                        $from_bits($or($and(bits, fraction), $dup_bits(one.to_bits()))),
                    )
                };
                exp2_whole(n: $v) -> $v = {
                    let one: $t = 1.0;
                    let bias = (one.to_bits() >> $mantissa) as $t;
                    $from_bits($shl::<$mantissa>($to_whole($add(n, $dup(bias)))))
                };
                round(a: $v) -> $v = $round(a);
                zip(a: $v, b: $v) -> [$v; 2] = [$zip1(a, b), $zip2(a, b)];
            }
        }
    };
}

neon!(
    f32,
    u32,
    float32x4_t,
    4,
    23,
    turns: [2, 1],
    places: [1, 2, 4, 8],
    vdupq_n_f32,
    vdupq_n_u32,
    vld1q_f32,
    vld1q_u32,
    vst1q_f32,
    vaddq_f32,
    vsubq_f32,
    vmulq_f32,
    vdivq_f32,
    vfmaq_f32,
    vfmsq_f32,
    vabsq_f32,
    vsqrtq_f32,
    vcgtq_f32,
    vcltq_f32,
    vbslq_f32,
    vbicq_u32,
    vaddvq_u32,
    vreinterpretq_u32_f32,
    vreinterpretq_f32_u32,
    vshrq_n_u32,
    vshlq_n_u32,
    vandq_u32,
    vorrq_u32,
    vcvtq_f32_u32,
    vcvtq_u32_f32,
    vrndnq_f32,
    vextq_f32,
    vgetq_lane_f32,
    vzip1q_f32,
    vzip2q_f32
);
neon!(
    f64,
    u64,
    float64x2_t,
    2,
    52,
    turns: [1],
    places: [1, 2],
    vdupq_n_f64,
    vdupq_n_u64,
    vld1q_f64,
    vld1q_u64,
    vst1q_f64,
    vaddq_f64,
    vsubq_f64,
    vmulq_f64,
    vdivq_f64,
    vfmaq_f64,
    vfmsq_f64,
    vabsq_f64,
    vsqrtq_f64,
    vcgtq_f64,
    vcltq_f64,
    vbslq_f64,
    vbicq_u64,
    vaddvq_u64,
    vreinterpretq_u64_f64,
    vreinterpretq_f64_u64,
    vshrq_n_u64,
    vshlq_n_u64,
    vandq_u64,
    vorrq_u64,
    vcvtq_f64_u64,
    vcvtq_u64_f64,
    vrndnq_f64,
    vextq_f64,
    vgetq_lane_f64,
    vzip1q_f64,
    vzip2q_f64
);
