use metric_core::Scalar;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::super::{Bounds, Tally};

/// Few and many bounds, equal ones among them, and all of one place.
fn bounds_are_met_as_defined<T: Scalar>(tolerance: f64) {
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    for (count, places) in [
        (0, 1),
        (1, 1),
        (5, 3),
        (24, 40),
        (25, 40),
        (700, 90),
        (300, 1),
    ] {
        let bounds: Vec<(T, f64)> = (0..count)
            .map(|i| (rng.random_range(0..places), i))
            .map(|(place, i)| {
                (
                    T::from_f64(2.0 + f64::from(place) * 0.01),
                    f64::from(i % 4) * 0.5,
                )
            })
            .collect();
        let mut distances: Vec<T> = (0..333)
            .map(|_| T::from_f64(2.0 + rng.random_range(-10..100) as f64 * 0.005))
            .collect();
        distances[17] = T::from_f64(f64::INFINITY);
        let below = |bound: T| distances.iter().filter(move |&&d| d < bound);

        let found = Bounds::new(&bounds);
        assert_eq!(found.len(), bounds.len());
        let tally = Tally::new(bounds.len());
        let cost: f64 = distances
            .chunks(100)
            .map(|some| found.meet(some, tally.here()))
            .sum();
        let costs = bounds
            .iter()
            .flat_map(|&(bound, weight)| below(bound).map(move |&d| weight * (bound - d).to_f64()));
        let want: f64 = costs.sum();
        assert!(
            (cost - want).abs() <= tolerance * want,
            "{count}: {cost}, {want}"
        );
        let numbers = bounds.iter().map(|&(bound, _)| below(bound).count());
        assert_eq!(found.below(&tally.numbers()), numbers.collect::<Vec<_>>());

        let mut sums = vec![T::ONE; distances.len()];
        found.add_above(&distances, -2.0, &mut sums);
        for (&sum, &d) in sums.iter().zip(&distances) {
            let above = bounds.iter().filter(|(bound, _)| *bound > d);
            let want: f64 = 1.0 - 2.0 * above.map(|(_, weight)| weight).sum::<f64>();
            assert_eq!(sum.to_f64(), want, "{count} bounds, distance {d}"); // multiples of a half
        }
    }
}

#[test]
fn single_precision_bounds_are_met_as_defined() {
    bounds_are_met_as_defined::<f32>(1e-5);
}

#[test]
fn double_precision_bounds_are_met_as_defined() {
    bounds_are_met_as_defined::<f64>(1e-12);
}

/// Few numbers, of which threads have their own, and so many that all add to the same.
#[test]
fn threads_count_together() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(5).build();
    let pool = pool.unwrap();
    for count in [3, 3 << 20] {
        let numbers = pool.install(|| {
            let tally = Tally::new(count);
            (0..1000)
                .into_par_iter()
                .for_each(|i| tally.here()(i % 3, i));
            tally.numbers()
        });
        let sums = [0, 1, 2].map(|rest| (0..1000).filter(|i| i % 3 == rest).sum::<usize>());
        assert_eq!(numbers[..3], sums);
    }
}
