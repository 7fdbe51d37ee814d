//! Powers and exponentials of vectors.

use super::simd::Simd;

/// Taylor's series of `eˣ` for `|x| ≤ ½ ln 2` to the seventh power: off by `5e-9`.
const EXP: [f32; 8] = [
    1.0 / 5040.0,
    1.0 / 720.0,
    1.0 / 120.0,
    1.0 / 24.0,
    1.0 / 6.0,
    0.5,
    1.0,
    1.0,
];

/// `xᵖ` for `x ≥ 0` and `p > 0`, to about `(1 + p) 2⁻²²` relative.
///
/// Numbers below `2⁻¹²⁶`, zero among them, count as that; results below `2⁻¹²⁶` become about that, results above `2¹²⁶`
/// become about that: the caller looks at sums near these ends again.
#[inline(always)]
pub(super) fn power_f32<S: Simd<f32>>(simd: S, x: S::V, p: f32) -> S::V {
    const ROOT: f32 = std::f32::consts::SQRT_2;
    /// `2/ln 2 (1, 1/3, 1/5, …)`: with `z = (m − √2)/(m + √2)`, `log₂ m = ½ + z times the series in z²`.
    const LOG: [f32; 5] = {
        let scale = 2.0 * std::f32::consts::LOG2_E;
        [scale / 9.0, scale / 7.0, scale / 5.0, scale / 3.0, scale]
    };
    let x = simd.max(x, simd.splat(f32::MIN_POSITIVE));
    let (exponent, fraction) = simd.split_exponent(x);
    let z = simd.div(
        simd.sub(fraction, simd.splat(ROOT)),
        simd.add(fraction, simd.splat(ROOT)),
    );
    // √2 in `f32` is off by 2.4e-8 relative; its logarithm is ½ within 2⁻²⁴.
    let log = simd.mul_add(polynomial(simd, LOG, simd.mul(z, z)), z, simd.splat(0.5));
    // exponent · p in two parts: the first is exact, since 8 and 12 bits make 20.
    let high = f32::from_bits(p.to_bits() & !0xfff);
    let product = simd.mul(exponent, simd.splat(high));
    let whole = simd.round(product);
    let small = simd.mul_add(exponent, simd.splat(p - high), simd.mul(log, simd.splat(p)));
    let rest = simd.add(simd.sub(product, whole), small);
    let more = simd.round(rest);
    let rest = simd.mul(simd.sub(rest, more), simd.splat(std::f32::consts::LN_2));
    let n = simd.max(simd.add(whole, more), simd.splat(-126.0));
    let n = simd.min(n, simd.splat(126.0));
    simd.mul(polynomial(simd, EXP, rest), simd.exp2_whole(n))
}

/// `eˣ` to about `2⁻²²` relative; 0 below `ln 2⁻¹²⁶`, and what is above `ln 2¹²⁶` counts as that. NaN gives NaN.
#[inline(always)]
pub(super) fn exp_f32<S: Simd<f32>>(simd: S, x: S::V) -> S::V {
    const LEAST: f32 = -126.0 * std::f32::consts::LN_2;
    /// `ln 2` in two parts, the first of 12 bits, so that its products with whole numbers are exact.
    const HIGH: f32 = f32::from_bits(std::f32::consts::LN_2.to_bits() & !0xfff);
    const LOW: f32 = (std::f64::consts::LN_2 - HIGH as f64) as f32;
    // The bound is the second operand, so that NaN comes through.
    let bounded = simd.pick(x, simd.splat(-LEAST), simd.splat(-LEAST), x);
    let n = simd.round(simd.mul(bounded, simd.splat(std::f32::consts::LOG2_E)));
    let rest = simd.neg_mul_add(n, simd.splat(HIGH), bounded);
    let rest = simd.neg_mul_add(n, simd.splat(LOW), rest);
    let n = simd.max(n, simd.splat(-126.0));
    let value = simd.mul(polynomial(simd, EXP, rest), simd.exp2_whole(n));
    simd.pick(simd.splat(LEAST), x, simd.zero(), value)
}

/// `eˣ`, lane by lane through the standard library.
#[inline(always)]
pub(super) fn exp_f64<S: Simd<f64>>(simd: S, x: S::V) -> S::V {
    let mut lanes = [0.0f64; 8];
    simd.store(x, &mut lanes);
    for lane in &mut lanes {
        *lane = lane.exp();
    }
    simd.load(&lanes)
}

/// `Σ coefficient xⁱ`, highest power first.
#[inline(always)]
fn polynomial<S: Simd<f32>, const N: usize>(simd: S, coefficients: [f32; N], x: S::V) -> S::V {
    let mut sum = simd.splat(coefficients[0]);
    for &coefficient in &coefficients[1..] {
        sum = simd.mul_add(sum, x, simd.splat(coefficient));
    }
    sum
}

/// `xᵖ` for `x ≥ 0`, lane by lane through the standard library.
#[inline(always)]
pub(super) fn power_f64<S: Simd<f64>>(simd: S, x: S::V, p: f64) -> S::V {
    let mut lanes = [0.0f64; 8];
    simd.store(x, &mut lanes);
    for lane in &mut lanes {
        *lane = lane.powf(p);
    }
    simd.load(&lanes)
}
