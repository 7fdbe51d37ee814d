//! Powers of vectors.

use super::simd::Simd;

/// `xᵖ` for `x ≥ 0` and `p ≥ 1`, to about `p 2⁻²²` relative.
///
/// Zero and results below `2⁻¹²⁶` become about that, results above `2¹²⁷` become about that: the caller looks at sums
/// near these ends again.
#[inline(always)]
pub(super) fn power_f32<S: Simd<f32>>(simd: S, x: S::V, p: f32) -> S::V {
    let splat = |value: f32| simd.splat(value);
    let x = simd.max(x, splat(f32::MIN_POSITIVE));
    let (exponent, fraction) = simd.split_exponent(x);
    // log₂ of the fraction m in [1, 2) as 2/ln 2 (z + z³/3 + …), z = (m − √2)/(m + √2), plus ½.
    let root = std::f32::consts::SQRT_2;
    let z = simd.div(
        simd.sub(fraction, splat(root)),
        simd.add(fraction, splat(root)),
    );
    let z2 = simd.mul(z, z);
    let scale = 2.0 * std::f32::consts::LOG2_E;
    let series = [scale / 9.0, scale / 7.0, scale / 5.0, scale / 3.0, scale];
    let series = series[1..].iter().fold(splat(series[0]), |sum, &term| {
        simd.mul_add(sum, z2, splat(term))
    });
    // √2 in f32 is off by 2.4e-8 relative; its logarithm is ½ within 2⁻²⁵.
    let log = simd.mul_add(series, z, splat(0.5));
    // exponent · p in two parts: the first is exact, since 8 and 12 bits make 20.
    let high = f32::from_bits(p.to_bits() & !0xfff);
    let product = simd.mul(exponent, splat(high));
    let whole = simd.round(product);
    let rest = simd.sub(product, whole);
    let rest = simd.add(
        rest,
        simd.mul_add(exponent, splat(p - high), simd.mul(log, splat(p))),
    );
    let more = simd.round(rest);
    let rest = simd.mul(simd.sub(rest, more), splat(std::f32::consts::LN_2));
    // e^rest for |rest| ≤ ½ ln 2, by Taylor's series to the seventh power: off by 5e-9.
    let taylor = [
        1.0 / 5040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ];
    let exp = taylor[1..].iter().fold(splat(taylor[0]), |sum, &term| {
        simd.mul_add(sum, rest, splat(term))
    });
    let n = simd.max(simd.add(whole, more), splat(-126.0));
    // min(n, 126) by the maximum of the negative.
    let n = simd.sub(splat(0.0), simd.max(simd.sub(splat(0.0), n), splat(-126.0)));
    simd.mul(exp, simd.exp2_whole(n))
}

/// `xᵖ` for `x ≥ 0`, lane by lane through the standard library.
#[inline(always)]
pub(super) fn power_f64<S: Simd<f64>>(simd: S, x: S::V, p: f64) -> S::V {
    let mut lanes = [0.0; 8];
    simd.store(x, &mut lanes);
    simd.load(&lanes.map(|x: f64| x.powf(p)))
}
