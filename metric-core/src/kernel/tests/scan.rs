//! Passes over many numbers.

use proptest::prelude::*;

use super::{cases, on_every_isa, small_whole};
use crate::Scalar;
use crate::kernel::Isa;
use crate::kernel::scan::{first_non_finite, largest};
use crate::simd::{exp_in_range, sums_of};

/// Lengths around those of vectors, of unrolled loops and of blocks.
fn lengths() -> Vec<usize> {
    if cfg!(miri) {
        vec![1, 7, 33, 70, 1025]
    } else {
        (1..=140).chain([1023, 1024, 1025, 2047, 2100]).collect()
    }
}

fn a_bad_number_is_found_wherever_it_is<T: Scalar>(isa: Isa) {
    for length in lengths() {
        // The ends of the range are no bad numbers.
        let ends = [f64::MAX, -0.0, 1.0].map(T::from_f64);
        let ends = ends.map(|x| if x.is_finite() { x } else { T::LARGEST });
        let good: Vec<T> = ends.into_iter().cycle().take(length).collect();
        assert_eq!(first_non_finite(&good), None, "{isa:?}: {length}");
        for at in (0..length).step_by(if length > 200 { 41 } else { 1 }) {
            for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                let mut values = good.clone();
                values[at] = T::from_f64(bad);
                assert_eq!(first_non_finite(&values), Some(at), "{isa:?}: {length}");
                values[length - 1] = T::from_f64(f64::NEG_INFINITY);
                assert_eq!(first_non_finite(&values), Some(at), "{isa:?}: {length}");
            }
        }
    }
    assert_eq!(first_non_finite::<T>(&[]), None);
}

fn the_largest_is_found_wherever_it_is<T: Scalar>(isa: Isa) {
    for length in lengths() {
        for at in (0..length).step_by(if length > 200 { 41 } else { 1 }) {
            for size in [2.5, -2.5] {
                let mut values = vec![T::from_f64(-1.5); length];
                values[at] = T::from_f64(size);
                let found = largest(&values).to_f64();
                assert_eq!(
                    found.to_bits(),
                    2.5f64.to_bits(),
                    "{isa:?}: {at} of {length}"
                );
            }
        }
    }
    assert!(largest::<T>(&[]).to_f64() == 0.0);
}

#[test]
fn numbers_that_are_not_finite_are_found_wherever_they_are() {
    on_every_isa(|isa| {
        a_bad_number_is_found_wherever_it_is::<f32>(isa);
        a_bad_number_is_found_wherever_it_is::<f64>(isa);
    });
}

#[test]
fn the_largest_size_is_found_wherever_it_is() {
    on_every_isa(|isa| {
        the_largest_is_found_wherever_it_is::<f32>(isa);
        the_largest_is_found_wherever_it_is::<f64>(isa);
    });
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn scans_agree_with_loops_for_any_bits(
        values in prop::collection::vec(prop::num::f32::ANY, 0..300),
    ) {
        let first = values.iter().position(|x| !x.is_finite());
        on_every_isa(|isa| {
            assert_eq!(first_non_finite(&values), first, "{isa:?}");
            let finite: Vec<f32> = values.iter().copied().filter(|x| x.is_finite()).collect();
            let wanted = finite.iter().fold(0.0f32, |m, x| m.max(x.abs()));
            assert_eq!(largest(&finite).to_bits(), wanted.to_bits(), "{isa:?}");
        });
    }
}

fn exponentials_are_those_of_the_gaps_to_the_largest<T: Scalar>(isa: Isa) {
    let least = T::EPSILON.to_f64() * 8.0;
    for length in lengths() {
        for (scale, offset) in [(0.5, 0.0), (-3.0, 1e4), (-0.01, -2.0)] {
            let numbers = (0..length).map(|i| T::from_f64(offset + f64::from(small_whole(i, 3))));
            let mut values: Vec<T> = numbers.collect();
            let away = T::from_f64(f64::INFINITY * -scale);
            if length > 2 {
                values[length / 2] = away; // of which there is nothing
            }
            let before = values.clone();
            let (top, sum) = exp_in_range(&mut values, T::from_f64(scale));
            let most = before.iter().map(|x| x.to_f64() * scale);
            let most = most.fold(f64::NEG_INFINITY, f64::max);
            assert!(top.to_f64() * scale - most == 0.0, "{isa:?}: {length}");
            let mut total = 0.0;
            for (x, got) in before.iter().zip(&values) {
                let want = (scale * (x.to_f64() - top.to_f64())).exp();
                let off = (got.to_f64() - want).abs();
                assert!(off <= least * want, "{isa:?}: {got:?}, not {want}");
                total += want;
            }
            // As many roundings as numbers, of 512 at a time in this type, of all in `f64`; and those of `total`.
            let roundings = length.min(512) as f64 * T::EPSILON.to_f64() / 2.0;
            let off = least + roundings + length as f64 * f64::EPSILON;
            assert!(
                (sum - total).abs() <= off * total,
                "{isa:?}: {sum}, not {total}"
            );
        }
    }
    for none in [vec![], vec![T::from_f64(f64::INFINITY); 40]] {
        let mut values = none;
        let (top, sum) = exp_in_range(&mut values, T::ZERO - T::ONE);
        assert!(top.to_f64() == f64::INFINITY && sum == 0.0, "{isa:?}");
        assert!(values.iter().all(|&x| x == T::ZERO), "{isa:?}");
    }
}

fn several_sums_are_those_of_loops<T: Scalar>(isa: Isa) {
    for length in lengths() {
        let whole = |i| f64::from(small_whole(i, 7));
        let mut values: Vec<T> = (0..length).map(|i| T::from_f64(whole(i))).collect();
        let [sum, of_squares] = sums_of(&mut values, |x| {
            let old = *x;
            *x = *x + T::ONE;
            [old, old * old]
        });
        let want: f64 = (0..length).map(whole).sum();
        let of_their_squares: f64 = (0..length).map(|i| whole(i) * whole(i)).sum();
        assert!(sum - want == 0.0, "{isa:?}: {sum}, not {want}");
        assert!(of_squares - of_their_squares == 0.0, "{isa:?}: of squares");
        let more = (0..length).map(|i| whole(i) + 1.0);
        assert!(values.iter().map(|x| x.to_f64()).eq(more), "{isa:?}");
    }
}

#[test]
fn exponentials_in_range_and_several_sums_are_their_definitions() {
    on_every_isa(|isa| {
        exponentials_are_those_of_the_gaps_to_the_largest::<f32>(isa);
        exponentials_are_those_of_the_gaps_to_the_largest::<f64>(isa);
        several_sums_are_those_of_loops::<f32>(isa);
        several_sums_are_those_of_loops::<f64>(isa);
    });
}
