//! Loops that the compiler turns into vectors.

use proptest::prelude::*;

use super::{cases, mixed, on_every_isa, small_whole};
use crate::Scalar;
use crate::lanes::{column_sums, squared_norm, sum};

fn sums_are_within_rounding<T: Scalar>(values: &[f64], dim: usize) {
    let values: Vec<T> = values.iter().map(|&x| T::from_f64(x)).collect();
    let n = values.len() as f64;
    let exact: Vec<f64> = values.iter().map(|x| x.to_f64()).collect();
    let squares: f64 = exact.iter().map(|x| x * x).sum();
    // Two sums of `n` terms, each off by at most `n + 1` half units of the sum of sizes.
    let share = (n + 1.0) * f64::EPSILON;
    on_every_isa(|isa| {
        let norm = squared_norm(&values);
        assert!(
            (norm - squares).abs() <= share * squares,
            "{isa:?}: {norm}, expected {squares}"
        );
        let sizes: f64 = exact.iter().map(|x| x.abs()).sum();
        let got = sum(&values, &values, |x, _| if x < T::ZERO { -x } else { x }).to_f64();
        let share = (n + 1.0) * T::EPSILON.to_f64();
        assert!(
            (got - sizes).abs() <= share * sizes,
            "{isa:?}: {got}, expected {sizes}"
        );
        let rows = values.len() / dim;
        let sums = column_sums(&values[..rows * dim], dim);
        for (k, got) in sums.into_iter().enumerate() {
            let column = || (0..rows).map(|row| exact[row * dim + k]);
            let (wanted, sizes) = (column().sum::<f64>(), column().map(f64::abs).sum::<f64>());
            assert!(
                (got - wanted).abs() <= n * f64::EPSILON * sizes,
                "{isa:?}: column {k} is {got}, expected {wanted}"
            );
        }
    });
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn sums_of_numbers_mixed_in_size_are_within_rounding(
        values in prop::collection::vec(mixed(), 1..200),
        dim in 1usize..20,
    ) {
        sums_are_within_rounding::<f32>(&values, dim);
        sums_are_within_rounding::<f64>(&values, dim);
    }
}

#[test]
fn sums_of_whole_numbers_are_exact_at_every_length() {
    for length in 0..if cfg!(miri) { 40 } else { 200 } {
        let whole = |salt| (0..length).map(move |i| small_whole(i, salt));
        let floats = |salt| -> Vec<f32> { whole(salt).map(|x| x as f32).collect() };
        let (x, y) = (floats(1), floats(2));
        let product: i32 = whole(1).zip(whole(2)).map(|(x, y)| x * y).sum();
        let square: i32 = whole(1).map(|x| x * x).sum();
        on_every_isa(|isa| {
            let got = sum(&x, &y, |x, y| x * y);
            assert_eq!(got as i32, product, "{isa:?}: {length}");
            assert_eq!(squared_norm(&x) as i32, square, "{isa:?}: {length}");
        });
    }
}
