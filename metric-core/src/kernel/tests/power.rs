//! Powers and exponentials of vectors.

use proptest::prelude::*;

use super::{cases, on_every_isa};
use crate::kernel::{Kernel, Simd};

const ROOM: usize = 16;

/// The powers of the numbers of a slice, on the instruction set in force.
fn powers<T: crate::Scalar>(values: &[T], p: T) -> Vec<T> {
    struct Powers<'a, T>(&'a [T], T);
    impl<T: crate::Scalar> Kernel<T> for Powers<'_, T> {
        type Output = Vec<T>;
        #[inline(always)]
        fn run<S: Simd<T>>(self, simd: S) -> Vec<T> {
            let mut out = Vec::with_capacity(self.0.len());
            for part in self.0.chunks(S::LANES) {
                let mut lanes = [T::ZERO; ROOM];
                simd.store(T::power(simd, simd.load_part(part), self.1), &mut lanes);
                out.extend_from_slice(&lanes[..part.len()]);
            }
            out
        }
    }
    T::run(Powers(values, p))
}

/// The promise of [`power_f32`](crate::kernel::math::power_f32) for one number.
fn check(x: f32, p: f32, got: f32) -> Result<(), String> {
    let (least, most) = (2.0f64.powi(-126), 2.0f64.powi(126));
    let got = f64::from(got);
    // Below the least normal number all count as that.
    let wanted = f64::from(x.max(f32::MIN_POSITIVE)).powf(f64::from(p));
    let kept = if wanted < least {
        // The fraction of a power that was cut off stays: within a root of two.
        (least / 1.5..=least * 1.5).contains(&got)
    } else if wanted > most {
        (most / 1.5..=most * 1.5).contains(&got)
    } else {
        (got - wanted).abs() <= (1.0 + f64::from(p)) * 2.0f64.powi(-22) * wanted
            // The last power before a cut may be rounded to beyond it.
            || wanted < least * 1.5 && got < least * 1.5
            || wanted > most / 1.5 && got > most / 1.5
    };
    if kept {
        Ok(())
    } else {
        Err(format!("{x} to the power {p} is {got}, expected {wanted}"))
    }
}

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn powers_keep_their_error_over_the_whole_range(
        bits in prop::collection::vec(0u32..0x7f80_0000, ROOM),
        p in prop_oneof![0.01f32..1.0, 1.0f32..40.0, Just(0.5), Just(2.0), Just(3.0)],
    ) {
        let values: Vec<f32> = bits.into_iter().map(f32::from_bits).collect();
        on_every_isa(|isa| {
            for (&x, got) in values.iter().zip(powers(&values, p)) {
                check(x, p, got).unwrap_or_else(|e| panic!("{isa:?}: {e}"));
            }
        });
    }

    #[test]
    fn powers_of_common_numbers_keep_their_error(
        values in prop::collection::vec(1e-4f32..1e4, ROOM),
        p in 0.05f32..9.0,
    ) {
        on_every_isa(|isa| {
            for (&x, got) in values.iter().zip(powers(&values, p)) {
                check(x, p, got).unwrap_or_else(|e| panic!("{isa:?}: {e}"));
            }
        });
    }

    #[test]
    fn powers_of_doubles_are_those_of_the_standard_library(
        values in prop::collection::vec(0.0f64..1e6, ROOM),
        p in 0.05f64..9.0,
    ) {
        on_every_isa(|isa| {
            for (&x, got) in values.iter().zip(powers(&values, p)) {
                assert_eq!(got.to_bits(), x.powf(p).to_bits(), "{isa:?}: {x} to the power {p}");
            }
        });
    }
}

#[test]
fn powers_of_evenly_spread_fractions_keep_their_error() {
    let steps = if cfg!(miri) { 16 } else { 1 << 16 };
    let values: Vec<f32> = (0..=steps).map(|i| 1.0 + i as f32 / steps as f32).collect();
    on_every_isa(|isa| {
        for p in [0.1, 1.0 / 3.0, 0.5, 1.0, 1.5, 2.5, 7.0] {
            for (&x, got) in values.iter().zip(powers(&values, p)) {
                check(x, p, got).unwrap_or_else(|e| panic!("{isa:?}: {e}"));
            }
        }
    });
}

/// The exponentials of the numbers of a slice, on the instruction set in force.
fn exponentials<T: crate::Scalar>(values: &[T]) -> Vec<T> {
    struct Exponentials<'a, T>(&'a [T]);
    impl<T: crate::Scalar> Kernel<T> for Exponentials<'_, T> {
        type Output = Vec<T>;
        #[inline(always)]
        fn run<S: Simd<T>>(self, simd: S) -> Vec<T> {
            let mut out = Vec::with_capacity(self.0.len());
            for part in self.0.chunks(S::LANES) {
                let mut lanes = [T::ZERO; ROOM];
                simd.store(T::exp(simd, simd.load_part(part)), &mut lanes);
                out.extend_from_slice(&lanes[..part.len()]);
            }
            out
        }
    }
    T::run(Exponentials(values))
}

#[test]
fn exponentials_keep_their_error_and_their_ends() {
    let steps = if cfg!(miri) { 50 } else { 100_000 };
    // From just above the least to just below the largest power of two there is a vector for.
    let values: Vec<f32> = (0..=steps)
        .map(|i| -87.3 + 174.6 * i as f32 / steps as f32)
        .collect();
    on_every_isa(|isa| {
        for (&x, got) in values.iter().zip(exponentials(&values)) {
            let wanted = f64::from(x).exp();
            let off = (f64::from(got) - wanted).abs() / wanted;
            assert!(
                off <= 2.0f64.powi(-22),
                "{isa:?}: e to {x} is {got}, off by {off}"
            );
        }
        let ends = [
            f32::NEG_INFINITY,
            -1e30,
            -88.0,
            0.0,
            f32::NAN,
            1e30,
            f32::INFINITY,
        ];
        let got = exponentials(&ends);
        assert_eq!(got[..4], [0.0, 0.0, 0.0, 1.0], "{isa:?}");
        assert!(got[4].is_nan(), "{isa:?}");
        assert!(got[5] > 8e37 && got[6] > 8e37, "{isa:?}: {got:?}");
        let doubles = [-1.5f64, 0.0, 700.0, f64::NEG_INFINITY];
        assert_eq!(exponentials(&doubles), doubles.map(f64::exp), "{isa:?}");
    });
}
