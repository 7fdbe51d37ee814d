//! The methods of [`Simd`] against scalar code, bit for bit.

use proptest::prelude::*;

use super::cases;
use crate::kernel::term::{LargestDifference, Product, one};
use crate::kernel::{Isa, Kernel, Lanes, Simd};

/// Room for the longest vector of any instruction set, and as much again.
const ROOM: usize = 32;

macro_rules! properties {
    ($name:ident, $t:ident, $mantissa:literal, $bias:literal) => {
        mod $name {
            use super::*;

            /// Equal bits, or two NaNs.
            fn same(a: $t, b: $t) -> bool {
                a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan()
            }

            /// The lanes, after a check that no place beyond them was written to.
            fn lanes<S: Simd<$t>>(simd: S, vector: S::V) -> Vec<$t> {
                let mut out = [-77.0; ROOM];
                simd.store(vector, &mut out);
                assert!(out[S::LANES..].iter().all(|&x| same(x, -77.0)));
                out[..S::LANES].to_vec()
            }

            struct Arithmetic<'a>([&'a [$t]; 3]);

            impl Kernel<$t> for Arithmetic<'_> {
                type Output = ();

                #[inline(always)]
                fn run<S: Simd<$t>>(self, simd: S) {
                    let [a, b, c] = self.0;
                    let [va, vb, vc] = [simd.load(a), simd.load(b), simd.load(c)];
                    let check = |what: &str, got: S::V, wanted: &dyn Fn(usize) -> $t| {
                        for (i, got) in lanes(simd, got).into_iter().enumerate() {
                            assert!(
                                same(got, wanted(i)),
                                "{what}: lane {i} of ({}, {}, {}) is {got}, expected {}",
                                a[i],
                                b[i],
                                c[i],
                                wanted(i)
                            );
                        }
                    };
                    check("load", va, &|i| a[i]);
                    check("zero", simd.zero(), &|_| 0.0);
                    check("splat", simd.splat(a[1]), &|_| a[1]);
                    check("add", simd.add(va, vb), &|i| a[i] + b[i]);
                    check("sub", simd.sub(va, vb), &|i| a[i] - b[i]);
                    let unknown: S::V = simd.splat(one());
                    check("add_beside", simd.add_beside(va, unknown, vb), &|i| a[i] + b[i]);
                    check("sub_beside", simd.sub_beside(va, unknown, vb), &|i| a[i] - b[i]);
                    let [low, high] = simd.zip(va, vb);
                    let zipped = |i: usize| if i % 2 == 0 { a[i / 2] } else { b[i / 2] };
                    check("zip", low, &zipped);
                    check("zip", high, &|i| zipped(S::LANES + i));
                    if !a.iter().chain(b).any(|x| x.is_nan()) {
                        let larger = simd.max_abs(simd.abs(va), vb);
                        check("max_abs", larger, &|i| a[i].abs().max(b[i].abs()));
                    }
                    check("mul", simd.mul(va, vb), &|i| a[i] * b[i]);
                    check("div", simd.div(va, vb), &|i| a[i] / b[i]);
                    check("abs", simd.abs(va), &|i| a[i].abs());
                    check("sqrt", simd.sqrt(va), &|i| a[i].sqrt());
                    check(
                        "max",
                        simd.max(va, vb),
                        &|i| if a[i] > b[i] { a[i] } else { b[i] },
                    );
                    check(
                        "min",
                        simd.min(va, vb),
                        &|i| if a[i] < b[i] { a[i] } else { b[i] },
                    );
                    check("pick", simd.pick(va, vb, vb, vc), &|i| if a[i] > b[i] { b[i] } else { c[i] });
                    check("round", simd.round(va), &|i| a[i].round_ties_even());
                    // Rounded once or twice, but the same way in all lanes that tell the two apart.
                    let sums = lanes(simd, simd.mul_add(va, vb, vc));
                    let once = |i: usize| a[i].mul_add(b[i], c[i]);
                    let twice = |i: usize| a[i] * b[i] + c[i];
                    assert!(
                        (0..S::LANES).all(|i| same(sums[i], once(i)))
                            || (0..S::LANES).all(|i| same(sums[i], twice(i))),
                        "mul_add of {a:?}, {b:?}, {c:?} is {sums:?}"
                    );
                    let sums = lanes(simd, simd.neg_mul_add(va, vb, vc));
                    let once = |i: usize| (-a[i]).mul_add(b[i], c[i]);
                    let twice = |i: usize| c[i] - a[i] * b[i];
                    assert!(
                        (0..S::LANES).all(|i| same(sums[i], once(i)))
                            || (0..S::LANES).all(|i| same(sums[i], twice(i))),
                        "neg_mul_add of {a:?}, {b:?}, {c:?} is {sums:?}"
                    );
                    let mask = (0..S::LANES)
                        .filter(|&i| !matches!(a[i].partial_cmp(&b[i]), Some(std::cmp::Ordering::Greater)))
                        .fold(0, |mask, i| mask | 1 << i);
                    assert_eq!(simd.not_greater(va, vb), mask, "not_greater of {a:?}, {b:?}");
                }
            }

            /// A prefix of every length, with numbers behind it that must not be seen.
            struct Parts<'a>(&'a [$t]);

            impl Kernel<$t> for Parts<'_> {
                type Output = ();

                #[inline(always)]
                fn run<S: Simd<$t>>(self, simd: S) {
                    for count in 0..=self.0.len() {
                        let got = lanes(simd, simd.load_part(&self.0[..count]));
                        for (i, got) in got.into_iter().enumerate() {
                            let wanted = if i < count { self.0[i] } else { 0.0 };
                            assert!(same(got, wanted), "lane {i} of {count} is {got}");
                        }
                        let mut out = [-77.0; ROOM];
                        simd.store_part(simd.load(self.0), &mut out[..count]);
                        for (i, &got) in out.iter().enumerate() {
                            let written = i < count.min(S::LANES);
                            let wanted = if written { self.0[i] } else { -77.0 };
                            assert!(same(got, wanted), "place {i} of {count} holds {got}");
                        }
                    }
                }
            }

            /// Whole numbers, whose sum is exact in any order; the largest is exact anyway.
            struct Folds<'a>(&'a [$t]);

            impl Kernel<$t> for Folds<'_> {
                type Output = ();

                #[inline(always)]
                fn run<S: Simd<$t>>(self, simd: S) {
                    let vector = simd.load(self.0);
                    let lanes = &self.0[..S::LANES];
                    let sum: $t = lanes.iter().sum();
                    assert!(same(simd.fold(vector, Product), sum), "sum of {lanes:?}");
                    let largest = lanes.iter().fold(0.0, |m: $t, &x| m.max(x));
                    assert!(
                        same(simd.fold(vector, LargestDifference(one())), largest),
                        "largest of {lanes:?}"
                    );
                }
            }

            /// Positive normal numbers as bits.
            struct Exponents<'a>(&'a [$t]);

            impl Kernel<$t> for Exponents<'_> {
                type Output = ();

                #[inline(always)]
                fn run<S: Simd<$t>>(self, simd: S) {
                    let (exponents, fractions) = simd.split_exponent(simd.load(self.0));
                    let (exponents, fractions) = (lanes(simd, exponents), lanes(simd, fractions));
                    let powers = simd.exp2_whole(simd.load(&exponents));
                    for (i, power) in lanes(simd, powers).into_iter().enumerate() {
                        let x = self.0[i];
                        let exponent = (x.to_bits() >> $mantissa) as i32 - $bias;
                        assert!(
                            same(exponents[i], exponent as $t)
                                && (1.0..2.0).contains(&fractions[i])
                                && same(power * fractions[i], x),
                            "{x} is split into {} and {}, and the power is {power}",
                            exponents[i],
                            fractions[i]
                        );
                    }
                }
            }

            /// Any bits at all, with equal numbers, zeros, infinities and NaNs more often than by chance.
            fn any_number() -> impl Strategy<Value = $t> {
                let special = [
                    0.0,
                    -0.0,
                    1.0,
                    -1.0,
                    0.5,
                    1.5,
                    2.5,
                    -2.5,
                    $t::MAX,
                    $t::MIN,
                    $t::MIN_POSITIVE,
                    $t::from_bits(1),
                    $t::INFINITY,
                    $t::NEG_INFINITY,
                    $t::NAN,
                ];
                prop_oneof![
                    prop::num::$t::ANY,
                    prop::sample::select(special.to_vec()),
                    -9.0..9.0 as $t,
                ]
            }

            proptest! {
                #![proptest_config(cases(2000))]

                #[test]
                fn arithmetic_has_the_bits_of_scalar_code(
                    [a, b, c] in prop::array::uniform3(prop::collection::vec(any_number(), ROOM)),
                ) {
                    for isa in Isa::available() {
                        $t::run_on(isa, Arithmetic([&a, &b, &c]));
                    }
                }

                #[test]
                fn parts_end_in_zeros(values in prop::collection::vec(any_number(), ROOM)) {
                    for isa in Isa::available() {
                        $t::run_on(isa, Parts(&values));
                    }
                }

                #[test]
                fn folds_take_every_lane_once(
                    values in prop::collection::vec(0u32..100_000, ROOM),
                ) {
                    let values: Vec<$t> = values.into_iter().map(|x| x as $t).collect();
                    for isa in Isa::available() {
                        $t::run_on(isa, Folds(&values));
                    }
                }

                #[test]
                fn numbers_are_split_at_the_power_of_two_and_put_together_again(
                    values in prop::collection::vec(prop::num::$t::POSITIVE | prop::num::$t::NORMAL, ROOM),
                ) {
                    for isa in Isa::available() {
                        $t::run_on(isa, Exponents(&values));
                    }
                }
            }

            #[test]
            fn every_normal_power_of_two_is_split_and_made() {
                let step = if cfg!(miri) { 97 } else { 1 };
                for exponent in (1..2 * $bias + 1).step_by(step) {
                    let power = $t::from_bits(exponent << $mantissa);
                    let below = $t::from_bits(power.to_bits() - 1).max($t::MIN_POSITIVE);
                    let values: Vec<$t> = [power, below].into_iter().cycle().take(ROOM).collect();
                    for isa in Isa::available() {
                        $t::run_on(isa, Exponents(&values));
                    }
                }
            }
        }
    };
}

properties!(singles, f32, 23, 127);
properties!(doubles, f64, 52, 1023);

#[test]
fn register_tiles_have_a_height_that_the_sweep_knows() {
    struct Sizes;
    impl<T> Kernel<T> for Sizes {
        type Output = (usize, usize);
        #[inline(always)]
        fn run<S: Simd<T>>(self, _: S) -> (usize, usize) {
            (S::ROWS, S::LANES)
        }
    }
    for isa in Isa::available() {
        for (rows, lanes) in [f32::run_on(isa, Sizes), f64::run_on(isa, Sizes)] {
            assert!([12, 6, 4].contains(&rows), "{isa:?}");
            // Sinks keep a tile's row in 32 numbers, and masks of both vectors in 64 bits.
            assert!(lanes.is_power_of_two() && lanes <= 16, "{isa:?}");
        }
    }
}
