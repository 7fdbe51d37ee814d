//! Every term, through single pairs and through register tiles.

use proptest::prelude::*;

use super::{cases, mixed, on_every_isa, small_whole};
use crate::Scalar;
use crate::kernel::pair::pair;
use crate::kernel::term::{
    Cube, Difference, Larger, LargestDifference, Power, Product, Ratio, SquaredDifference, Term,
    one,
};
use crate::kernel::tile::{At, Packed, Sink, sweep_on, widths};
use crate::kernel::{Isa, Kernel, Simd};

/// A term's definition, and what its arithmetic may lose.
trait Defined<T: Scalar>: Term<T> {
    const NAME: &'static str;
    const IS_SUM: bool = true;
    fn of(self, a: f64, b: f64) -> f64;
    /// Rounding errors of one term, in units of [`Scalar::EPSILON`], twice half of which is one error.
    fn roundings(self) -> f64;
    /// What a term may be off by whatever its size.
    fn at_least(self) -> f64 {
        T::LEAST
    }
}

macro_rules! defined {
    ($($term:ident $(<$t:ident>)?, $of:expr, $roundings:literal;)*) => {$(
        impl<T: Scalar> Defined<T> for $term $(<$t>)? {
            const NAME: &'static str = stringify!($term);
            fn of(self, a: f64, b: f64) -> f64 {
                let of: fn(f64, f64) -> f64 = $of;
                of(a, b)
            }
            fn roundings(self) -> f64 {
                $roundings
            }
        }
    )*};
}

defined! {
    Product, |a, b| a * b, 1.0;
    // The difference's error counts twice in the square, three times in the cube.
    SquaredDifference, |a, b| (a - b) * (a - b), 3.0;
    Difference<T>, |a, b| (a - b).abs(), 1.0;
    Larger<T>, |a, b| a.max(b), 0.0;
    Cube, |a, b| (a - b).abs().powi(3), 5.0;
}

impl<T: Scalar> Defined<T> for LargestDifference<T> {
    const NAME: &'static str = "LargestDifference";
    const IS_SUM: bool = false;
    fn of(self, a: f64, b: f64) -> f64 {
        (a - b).abs()
    }
    fn roundings(self) -> f64 {
        1.0
    }
}

impl<T: Scalar> Defined<T> for Power<T> {
    const NAME: &'static str = "Power";
    fn of(self, a: f64, b: f64) -> f64 {
        (a - b).abs().powf(self.0.to_f64())
    }
    fn roundings(self) -> f64 {
        // `(1 + p) 2⁻²²` is `2 (1 + p)` units for `f32`, and the difference's error counts `p` times.
        3.0 * (1.0 + self.0.to_f64())
    }
    fn at_least(self) -> f64 {
        // Zero to the power p ≥ 1 is about 2⁻¹²⁶ for `f32`.
        f64::max(
            T::LEAST,
            if T::EPSILON.to_f64() > 1e-10 {
                2.0f64.powi(-125)
            } else {
                0.0
            },
        )
    }
}

impl<T: Scalar> Defined<T> for Ratio<T> {
    const NAME: &'static str = "Ratio";
    fn of(self, a: f64, b: f64) -> f64 {
        let total = a.abs() + b.abs();
        if total > 0.0 {
            (a - b).abs() / total
        } else {
            0.0
        }
    }
    fn roundings(self) -> f64 {
        3.0
    }
}

/// The definition's value for two rows, and how far any order of operations may be from it.
fn naive<T: Scalar, F: Defined<T>>(term: F, a: &[T], b: &[T]) -> (f64, f64) {
    let terms = a
        .iter()
        .zip(b)
        .map(|(a, b)| term.of(a.to_f64(), b.to_f64()));
    let n = a.len().min(b.len()) as f64;
    // A pair's last vector is filled up with zeros, at most 15 of them, whose power is not zero either.
    let lost = (n + 15.0) * term.at_least();
    let unit = T::EPSILON.to_f64();
    if F::IS_SUM {
        let (sum, sizes) = terms.fold((0.0, 0.0), |(sum, sizes), x| (sum + x, sizes + x.abs()));
        // A sum is off by half a unit of all sizes for each addition; in `f64` so is this one.
        (sum, (n + 5.0 + term.roundings()) * unit * sizes + lost)
    } else {
        let largest = terms.fold(0.0, f64::max);
        (largest, term.roundings() * unit * largest + lost)
    }
}

/// Keeps every sum, and sees to it that each pair comes once and panels end in order.
struct Keep<T> {
    out: Vec<Option<T>>,
    first: usize,
    columns: usize,
    ended: usize,
}

impl<T: Scalar> Sink<T> for Keep<T> {
    #[inline(always)]
    fn take<S: Simd<T>, const ROWS: usize>(&mut self, simd: S, tile: [[S::V; 2]; ROWS], at: At) {
        assert!(at.rows <= ROWS && at.columns <= 2 * S::LANES && at.column == self.ended);
        for (r, sums) in tile.iter().enumerate().take(at.rows) {
            let mut whole = [T::ZERO; 32];
            simd.store(sums[0], &mut whole);
            simd.store(sums[1], &mut whole[S::LANES..]);
            for (c, &value) in whole.iter().enumerate().take(at.columns) {
                let place = (at.row + r) * self.columns + at.column + c - self.first;
                assert!(self.out[place].replace(value).is_none(), "{at:?}");
            }
        }
    }

    #[inline(always)]
    fn end_panel<S: Simd<T>>(&mut self, _: S, column: usize, columns: usize) {
        assert_eq!(self.ended, column);
        self.ended += columns;
    }
}

/// The sums of all rows against columns from `first` on, row by row.
fn swept<T: Scalar, F: Term<T>>(
    isa: Isa,
    term: F,
    x: &[T],
    y: &[T],
    dim: usize,
    first: usize,
) -> Vec<T> {
    let (height, width) = widths::<T>(isa);
    let (mut strips, mut panels) = (Packed::new(height, dim), Packed::new(width, dim));
    // Both are used a second time by every walk: what was there before must not show.
    panels.fill(&vec![T::ONE; 3 * dim]);
    strips.fill(x);
    panels.fill(y);
    let first = first / width * width;
    let (rows, last) = (x.len() / dim, y.len() / dim);
    let columns = last.saturating_sub(first);
    let mut sink = Keep {
        out: vec![None; rows * columns],
        first,
        columns,
        ended: first,
    };
    sweep_on(isa, term, &strips, &panels, first..last, &mut sink);
    assert_eq!(sink.ended, last);
    sink.out
        .into_iter()
        .map(|x| x.expect("every pair comes"))
        .collect()
}

/// One coordinate after another, each pair alone.
struct Chain<'a, T, F>(F, &'a [T], &'a [T]);

impl<T: Scalar, F: Term<T>> Kernel<T> for Chain<'_, T, F> {
    type Output = T;

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) -> T {
        let mut sum = simd.zero();
        for (&a, &b) in self.1.iter().zip(self.2) {
            sum = self.0.step(simd, sum, simd.splat(a), simd.splat(b));
        }
        let mut lanes = [T::ZERO; 16];
        simd.store(sum, &mut lanes);
        lanes[0]
    }
}

fn bits<T: Scalar>(x: T) -> u64 {
    x.to_f64().to_bits()
}

fn a_pair_is_as_defined<T: Scalar, F: Defined<T>>(isa: Isa, term: F, a: &[T], b: &[T]) {
    let got = pair(term, a, b);
    let (wanted, off) = naive(term, a, b);
    assert!(
        (got.to_f64() - wanted).abs() <= off,
        "{isa:?}: {} of {a:?} and {b:?} is {got}, expected {wanted} within {off}",
        F::NAME
    );
    let swapped = pair(term, b, a);
    assert_eq!(
        bits(got),
        bits(swapped),
        "{isa:?}: {} of {a:?} and {b:?}",
        F::NAME
    );
}

fn tiles_are_as_defined<T: Scalar, F: Defined<T>>(isa: Isa, term: F, x: &[T], y: &[T], dim: usize) {
    let (rows, columns) = (x.len() / dim, y.len() / dim);
    let got = swept(isa, term, x, y, dim, 0);
    let swapped = swept(isa, term, y, x, dim, 0);
    for (i, a) in x.chunks_exact(dim).enumerate() {
        for (j, b) in y.chunks_exact(dim).enumerate() {
            let value = got[i * columns + j];
            let at = || {
                format!(
                    "{isa:?}: {} at ({i}, {j}) of {rows} x {columns}, {dim} coordinates",
                    F::NAME
                )
            };
            let (wanted, off) = naive(term, a, b);
            assert!(
                (value.to_f64() - wanted).abs() <= off,
                "{}: {value}, expected {wanted} within {off}",
                at()
            );
            assert_eq!(
                bits(value),
                bits(swapped[j * rows + i]),
                "swapped, {}",
                at()
            );
            let alone = T::run_on(isa, Chain(term, a, b));
            assert_eq!(bits(value), bits(alone), "alone, {}", at());
        }
    }
}

/// Runs a property for every term.
macro_rules! every_term {
    ($t:ident, $p:expr, $property:ident($isa:expr, $($rest:expr),*)) => {{
        $property($isa, Product, $($rest),*);
        $property($isa, SquaredDifference, $($rest),*);
        $property($isa, Difference(one()), $($rest),*);
        $property($isa, LargestDifference(one()), $($rest),*);
        $property($isa, Larger(one()), $($rest),*);
        $property($isa, Cube, $($rest),*);
        $property($isa, Power($p as $t), $($rest),*);
        $property($isa, Ratio($t::from_bits(1)), $($rest),*);
    }};
}

fn rows(count: usize, dim: usize) -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(mixed(), count * dim)
}

fn two_sets() -> impl Strategy<Value = (usize, Vec<f64>, Vec<f64>)> {
    let most: (usize, usize, usize) = if cfg!(miri) {
        (14, 18, 5)
    } else {
        (70, 130, 80)
    };
    (1..=most.0, 1..=most.1, 1..=most.2)
        .prop_flat_map(|(n, m, dim)| (Just(dim), rows(n, dim), rows(m, dim)))
}

fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&x| x as f32).collect()
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn pairs_are_as_defined_and_the_same_when_swapped(
        values in prop::collection::vec((mixed(), mixed()), 0..300),
        p in 1.0f64..5.0,
    ) {
        let (a, b): (Vec<f64>, Vec<f64>) = values.into_iter().unzip();
        on_every_isa(|isa| {
            every_term!(f64, p, a_pair_is_as_defined(isa, &a, &b));
            every_term!(f32, p, a_pair_is_as_defined(isa, &narrow(&a), &narrow(&b)));
        });
    }
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn tiles_are_as_defined_the_same_when_swapped_and_the_same_for_a_pair_alone(
        (dim, x, y) in two_sets(),
        p in 1.0f64..5.0,
    ) {
        on_every_isa(|isa| {
            every_term!(f64, p, tiles_are_as_defined(isa, &x, &y, dim));
            every_term!(f32, p, tiles_are_as_defined(isa, &narrow(&x), &narrow(&y), dim));
        });
    }
}

fn whole_rows<T: Scalar>(count: usize, dim: usize, salt: u32) -> Vec<T> {
    (0..count * dim)
        .map(|i| T::from_f64(f64::from(small_whole(i, salt))))
        .collect()
}

/// Small whole numbers leave no rounding to hide a lost or doubled coordinate in.
fn whole_pairs_are_exact<T: Scalar>(isa: Isa) {
    fn check<T: Scalar, F: Defined<T>>(isa: Isa, term: F, a: &[T], b: &[T]) {
        let got = pair(term, a, b).to_f64();
        let (wanted, _) = naive(term, a, b);
        // A sum of −0 and 0 may have either sign.
        assert!(
            (got - wanted).abs() <= 0.0,
            "{isa:?}: {} of {} and {} is {got}, expected {wanted}",
            F::NAME,
            a.len(),
            b.len()
        );
    }
    let most = if cfg!(miri) { 70 } else { 300 };
    let (x, y): (Vec<T>, Vec<T>) = (whole_rows(most, 1, 1), whole_rows(most, 1, 2));
    for length in 0..=most {
        // The longer row's rest must not be seen.
        for (a, b) in [
            (&x[..length], &y[..length]),
            (&x[..length], &y[..]),
            (&x[..], &y[..length]),
        ] {
            check(isa, Product, a, b);
            check(isa, SquaredDifference, a, b);
            check(isa, Difference(one()), a, b);
            check(isa, LargestDifference(one()), a, b);
            check(isa, Larger(one()), a, b);
            check(isa, Cube, a, b);
        }
    }
}

fn whole_tiles_are_exact<T: Scalar>(isa: Isa) {
    fn check<T: Scalar, F: Defined<T>>(
        isa: Isa,
        term: F,
        x: &[T],
        y: &[T],
        dim: usize,
        first: usize,
    ) {
        let got = swept(isa, term, x, y, dim, first);
        let first = first / widths::<T>(isa).1 * widths::<T>(isa).1;
        let y = &y[first * dim..];
        let pairs = x
            .chunks_exact(dim)
            .flat_map(|a| y.chunks_exact(dim).map(move |b| (a, b)));
        for (got, (a, b)) in got.into_iter().zip(pairs) {
            let (wanted, _) = naive(term, a, b);
            assert!(
                (got.to_f64() - wanted).abs() <= 0.0,
                "{isa:?}: {} of {a:?} and {b:?} is {got}",
                F::NAME
            );
        }
    }
    let (most_rows, most_columns) = if cfg!(miri) { (6, 18) } else { (26, 70) };
    for dim in [1, 3, 17] {
        for n in 1..=most_rows {
            for m in (1..=most_columns).step_by(if cfg!(miri) { 8 } else { 1 }) {
                let (x, y): (Vec<T>, Vec<T>) = (whole_rows(n, dim, 3), whole_rows(m, dim, 4));
                check(isa, Product, &x, &y, dim, 0);
                check(isa, SquaredDifference, &x, &y, dim, m / 2);
                check(isa, LargestDifference(one()), &x, &y, dim, m - 1);
            }
        }
    }
}

#[test]
fn pairs_of_whole_numbers_are_exact_at_every_length() {
    on_every_isa(|isa| {
        whole_pairs_are_exact::<f32>(isa);
        whole_pairs_are_exact::<f64>(isa);
    });
}

#[test]
fn tiles_of_whole_numbers_are_exact_in_every_shape_and_from_every_panel() {
    on_every_isa(|isa| {
        whole_tiles_are_exact::<f32>(isa);
        whole_tiles_are_exact::<f64>(isa);
    });
}
