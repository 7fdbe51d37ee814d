//! AVX-512 and AVX2 with FMA.

use std::arch::x86_64::*;

use super::simd::{Kernel, Simd, wrap};
use super::term::Term;

/// AVX-512 F, BW, DQ and VL are present.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx512(());

/// AVX2 and FMA are present.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx2(());

impl Avx512 {
    pub(crate) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma"))
        .then_some(Self(()))
    }

    #[inline]
    pub(crate) fn run<T, K: Kernel<T>>(self, kernel: K) -> K::Output
    where
        Self: Simd<T>,
    {
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
        fn compiled<T, S: Simd<T>, K: Kernel<T>>(simd: S, kernel: K) -> K::Output {
            kernel.run(simd)
        }
        // SAFETY: a value of `Self` exists only if `detect` saw these features.
        unsafe { compiled(self, kernel) }
    }
}

impl Avx2 {
    pub(crate) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Self(()))
    }

    #[inline]
    pub(crate) fn run<T, K: Kernel<T>>(self, kernel: K) -> K::Output
    where
        Self: Simd<T>,
    {
        #[target_feature(enable = "avx2,fma")]
        fn compiled<T, S: Simd<T>, K: Kernel<T>>(simd: S, kernel: K) -> K::Output {
            kernel.run(simd)
        }
        // SAFETY: a value of `Self` exists only if `detect` saw these features.
        unsafe { compiled(self, kernel) }
    }
}

/// Halves by shuffles, which cost less than going through memory.
macro_rules! fold {
    (f32, 16, $simd:ident, $v:ident, $term:ident) => {
        fold!($simd, $v, $term, _mm512_cvtss_f32, [
            |v| _mm512_shuffle_f32x4::<0b01_00_11_10>(v, v),
            |v| _mm512_shuffle_f32x4::<0b10_11_00_01>(v, v),
            |v| _mm512_permute_ps::<0b01_00_11_10>(v),
            |v| _mm512_permute_ps::<0b10_11_00_01>(v),
        ])
    };
    (f64, 8, $simd:ident, $v:ident, $term:ident) => {
        fold!($simd, $v, $term, _mm512_cvtsd_f64, [
            |v| _mm512_shuffle_f64x2::<0b01_00_11_10>(v, v),
            |v| _mm512_shuffle_f64x2::<0b10_11_00_01>(v, v),
            |v| _mm512_permute_pd::<0b0101_0101>(v),
        ])
    };
    (f32, 8, $simd:ident, $v:ident, $term:ident) => {
        fold!($simd, $v, $term, _mm256_cvtss_f32, [
            |v| _mm256_permute2f128_ps::<1>(v, v),
            |v| _mm256_permute_ps::<0b01_00_11_10>(v),
            |v| _mm256_permute_ps::<0b10_11_00_01>(v),
        ])
    };
    (f64, 4, $simd:ident, $v:ident, $term:ident) => {
        fold!($simd, $v, $term, _mm256_cvtsd_f64, [
            |v| _mm256_permute2f128_pd::<1>(v, v),
            |v| _mm256_permute_pd::<0b0101>(v),
        ])
    };
    ($simd:ident, $vector:ident, $term:ident, $first:ident, [$(|$v:ident| $swap:expr),* $(,)?]) => {{
        let joined = $vector;
        $(
            let $v = joined;
            // SAFETY: `self` proves that the machine has the instructions; they touch registers only.
            let swapped = unsafe { $swap };
            let joined = $term.join($simd, joined, swapped);
        )*
        // SAFETY: as above.
        unsafe { $first(joined) }
    }};
}

macro_rules! zip_16 {
    ($a:ident, $b:ident) => {{
        let low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
        let high = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
        [
            _mm512_permutex2var_ps($a, low, $b),
            _mm512_permutex2var_ps($a, high, $b),
        ]
    }};
}

macro_rules! zip_8 {
    ($a:ident, $b:ident) => {{
        let low = _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11);
        let high = _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15);
        [
            _mm512_permutex2var_pd($a, low, $b),
            _mm512_permutex2var_pd($a, high, $b),
        ]
    }};
}

macro_rules! avx512 {
    ($t:tt, $v:ty, $lanes:tt, $mask:ty,
     $splat:ident, $loadu:ident, $maskz_loadu:ident, $storeu:ident,
     $mask_storeu:ident, $add:ident, $sub:ident, $mul:ident,
     $div:ident, $fmadd:ident, $fmsub:ident, $fnmadd:ident, $abs:ident, $sqrt:ident, $max:ident, $min:ident,
     $range:ident, $cmp:ident, $mask_mov:ident,
     $getexp:ident, $getmant:ident, $scalef:ident, $round:ident, $zip:ident) => {
        impl Simd<$t> for Avx512 {
            type V = $v;
            const LANES: usize = $lanes;
            const ROWS: usize = 12;

            #[inline(always)]
            fn fold<F: Term<$t>>(self, vector: $v, term: F) -> $t {
                fold!($t, $lanes, self, vector, term)
            }
            #[inline(always)]
            fn prefetch(self, at: &$t) {
                // SAFETY: a hint without effect on memory, for an address that is valid.
                unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(at).cast()) }
            }
            #[inline(always)]
            fn load(self, from: &[$t]) -> $v {
                assert!(from.len() >= $lanes);
                // SAFETY: the slice holds a whole vector, and `self` proves the instruction set.
                unsafe { $loadu(from.as_ptr()) }
            }
            #[inline(always)]
            fn load_part(self, from: &[$t]) -> $v {
                let count = from.len().min($lanes);
                // SAFETY: the mask leaves out what lies beyond the slice, and `self` proves the instruction set.
                unsafe { $maskz_loadu(((1u32 << count) - 1) as $mask, from.as_ptr()) }
            }
            #[inline(always)]
            fn store(self, vector: $v, to: &mut [$t]) {
                assert!(to.len() >= $lanes);
                // SAFETY: the slice has room for a whole vector, and `self` proves the instruction set.
                unsafe { $storeu(to.as_mut_ptr(), vector) }
            }
            #[inline(always)]
            fn store_part(self, vector: $v, to: &mut [$t]) {
                let count = to.len().min($lanes);
                // SAFETY: the mask leaves out what lies beyond the slice, and `self` proves the instruction set.
                unsafe { $mask_storeu(to.as_mut_ptr(), ((1u32 << count) - 1) as $mask, vector) }
            }
            wrap! {
                zero() -> $v = $splat(0.0);
                splat(value: $t) -> $v = $splat(value);
                add(a: $v, b: $v) -> $v = $add(a, b);
                add_beside(a: $v, one: $v, b: $v) -> $v = $fmadd(a, one, b);
                sub_beside(a: $v, one: $v, b: $v) -> $v = $fmsub(a, one, b);
                // The larger absolute value, without its sign.
                max_abs(a: $v, b: $v) -> $v = $range::<0b10_11>(a, b);
                sub(a: $v, b: $v) -> $v = $sub(a, b);
                mul(a: $v, b: $v) -> $v = $mul(a, b);
                div(a: $v, b: $v) -> $v = $div(a, b);
                mul_add(a: $v, b: $v, c: $v) -> $v = $fmadd(a, b, c);
                neg_mul_add(a: $v, b: $v, c: $v) -> $v = $fnmadd(a, b, c);
                abs(a: $v) -> $v = $abs(a);
                sqrt(a: $v) -> $v = $sqrt(a);
                max(a: $v, b: $v) -> $v = $max(a, b);
                min(a: $v, b: $v) -> $v = $min(a, b);
                not_greater(a: $v, b: $v) -> u32 = u32::from($cmp::<_CMP_NGT_UQ>(a, b));
                pick(a: $v, b: $v, x: $v, y: $v) -> $v = $mask_mov(y, $cmp::<_CMP_GT_OQ>(a, b), x);
                split_exponent(a: $v) -> ($v, $v) =
                    ($getexp(a), $getmant::<_MM_MANT_NORM_1_2, _MM_MANT_SIGN_SRC>(a));
                exp2_whole(n: $v) -> $v = $scalef($splat(1.0), n);
                round(a: $v) -> $v = $round::<0>(a);
                zip(a: $v, b: $v) -> [$v; 2] = $zip!(a, b);
            }
        }
    };
}

avx512!(
    f32,
    __m512,
    16,
    __mmask16,
    _mm512_set1_ps,
    _mm512_loadu_ps,
    _mm512_maskz_loadu_ps,
    _mm512_storeu_ps,
    _mm512_mask_storeu_ps,
    _mm512_add_ps,
    _mm512_sub_ps,
    _mm512_mul_ps,
    _mm512_div_ps,
    _mm512_fmadd_ps,
    _mm512_fmsub_ps,
    _mm512_fnmadd_ps,
    _mm512_abs_ps,
    _mm512_sqrt_ps,
    _mm512_max_ps,
    _mm512_min_ps,
    _mm512_range_ps,
    _mm512_cmp_ps_mask,
    _mm512_mask_mov_ps,
    _mm512_getexp_ps,
    _mm512_getmant_ps,
    _mm512_scalef_ps,
    _mm512_roundscale_ps,
    zip_16
);
avx512!(
    f64,
    __m512d,
    8,
    __mmask8,
    _mm512_set1_pd,
    _mm512_loadu_pd,
    _mm512_maskz_loadu_pd,
    _mm512_storeu_pd,
    _mm512_mask_storeu_pd,
    _mm512_add_pd,
    _mm512_sub_pd,
    _mm512_mul_pd,
    _mm512_div_pd,
    _mm512_fmadd_pd,
    _mm512_fmsub_pd,
    _mm512_fnmadd_pd,
    _mm512_abs_pd,
    _mm512_sqrt_pd,
    _mm512_max_pd,
    _mm512_min_pd,
    _mm512_range_pd,
    _mm512_cmp_pd_mask,
    _mm512_mask_mov_pd,
    _mm512_getexp_pd,
    _mm512_getmant_pd,
    _mm512_scalef_pd,
    _mm512_roundscale_pd,
    zip_8
);

macro_rules! avx2 {
    ($t:tt, $v:ty, $lanes:tt, $mantissa:literal, $magic:expr,
     $splat:ident, $loadu:ident, $storeu:ident, $add:ident, $sub:ident, $mul:ident, $div:ident, $fmadd:ident,
     $fnmadd:ident, $andnot:ident, $and:ident, $or:ident, $sqrt:ident, $max:ident, $min:ident, $cmp:ident, $movemask:ident, $round:ident,
     $to_int:ident, $from_int:ident, $shr:ident, $shl:ident, $unpacklo:ident, $unpackhi:ident, $halves:ident) => {
        impl Simd<$t> for Avx2 {
            type V = $v;
            const LANES: usize = $lanes;
            const ROWS: usize = 6;

            #[inline(always)]
            fn fold<F: Term<$t>>(self, vector: $v, term: F) -> $t {
                fold!($t, $lanes, self, vector, term)
            }
            #[inline(always)]
            fn prefetch(self, at: &$t) {
                // SAFETY: a hint without effect on memory, for an address that is valid.
                unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(at).cast()) }
            }
            #[inline(always)]
            fn load(self, from: &[$t]) -> $v {
                assert!(from.len() >= $lanes);
                // SAFETY: the slice holds a whole vector, and `self` proves the instruction set.
                unsafe { $loadu(from.as_ptr()) }
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
                unsafe { $storeu(to.as_mut_ptr(), vector) }
            }
            #[inline(always)]
            fn store_part(self, vector: $v, to: &mut [$t]) {
                let mut whole: [$t; $lanes] = [0.0; $lanes];
                self.store(vector, &mut whole);
                let count = to.len().min($lanes);
                to[..count].copy_from_slice(&whole[..count]);
            }
            wrap! {
                zero() -> $v = $splat(0.0);
                splat(value: $t) -> $v = $splat(value);
                add(a: $v, b: $v) -> $v = $add(a, b);
                sub(a: $v, b: $v) -> $v = $sub(a, b);
                mul(a: $v, b: $v) -> $v = $mul(a, b);
                div(a: $v, b: $v) -> $v = $div(a, b);
                mul_add(a: $v, b: $v, c: $v) -> $v = $fmadd(a, b, c);
                neg_mul_add(a: $v, b: $v, c: $v) -> $v = $fnmadd(a, b, c);
                abs(a: $v) -> $v = $andnot($splat(-0.0), a);
                sqrt(a: $v) -> $v = $sqrt(a);
                max(a: $v, b: $v) -> $v = $max(a, b);
                min(a: $v, b: $v) -> $v = $min(a, b);
                not_greater(a: $v, b: $v) -> u32 = $movemask($cmp::<_CMP_NGT_UQ>(a, b)).cast_unsigned();
                pick(a: $v, b: $v, x: $v, y: $v) -> $v = {
                    let greater = $cmp::<_CMP_GT_OQ>(a, b);
                    $or($and(greater, x), $andnot(greater, y))
                };
                // A float beside `magic` has its whole part in the low bits: that is how whole numbers and bits meet.
                split_exponent(a: $v) -> ($v, $v) = {
                    let one: $t = 1.0;
                    let bias = (one.to_bits() >> $mantissa) as $t;
                    let fraction = $t::from_bits((1 << $mantissa) - 1);
                    let field = $from_int($shr::<$mantissa>($to_int(a)));
                    (
                        $sub($or(field, $splat($magic)), $splat($magic + bias)),
                        $or($and(a, $splat(fraction)), $splat(one)),
                    )
                };
                exp2_whole(n: $v) -> $v = {
                    let one: $t = 1.0;
                    let bias = (one.to_bits() >> $mantissa) as $t;
                    $from_int($shl::<$mantissa>($to_int($add(n, $splat($magic + bias)))))
                };
                zip(a: $v, b: $v) -> [$v; 2] = {
                    let (low, high) = ($unpacklo(a, b), $unpackhi(a, b));
                    [$halves::<0x20>(low, high), $halves::<0x31>(low, high)]
                };
                round(a: $v) -> $v = $round::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a);
            }
        }
    };
}

avx2!(
    f32,
    __m256,
    8,
    23,
    8_388_608.0,
    _mm256_set1_ps,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_add_ps,
    _mm256_sub_ps,
    _mm256_mul_ps,
    _mm256_div_ps,
    _mm256_fmadd_ps,
    _mm256_fnmadd_ps,
    _mm256_andnot_ps,
    _mm256_and_ps,
    _mm256_or_ps,
    _mm256_sqrt_ps,
    _mm256_max_ps,
    _mm256_min_ps,
    _mm256_cmp_ps,
    _mm256_movemask_ps,
    _mm256_round_ps,
    _mm256_castps_si256,
    _mm256_castsi256_ps,
    _mm256_srli_epi32,
    _mm256_slli_epi32,
    _mm256_unpacklo_ps,
    _mm256_unpackhi_ps,
    _mm256_permute2f128_ps
);
avx2!(
    f64,
    __m256d,
    4,
    52,
    4_503_599_627_370_496.0,
    _mm256_set1_pd,
    _mm256_loadu_pd,
    _mm256_storeu_pd,
    _mm256_add_pd,
    _mm256_sub_pd,
    _mm256_mul_pd,
    _mm256_div_pd,
    _mm256_fmadd_pd,
    _mm256_fnmadd_pd,
    _mm256_andnot_pd,
    _mm256_and_pd,
    _mm256_or_pd,
    _mm256_sqrt_pd,
    _mm256_max_pd,
    _mm256_min_pd,
    _mm256_cmp_pd,
    _mm256_movemask_pd,
    _mm256_round_pd,
    _mm256_castpd_si256,
    _mm256_castsi256_pd,
    _mm256_srli_epi64,
    _mm256_slli_epi64,
    _mm256_unpacklo_pd,
    _mm256_unpackhi_pd,
    _mm256_permute2f128_pd
);
