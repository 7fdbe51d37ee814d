//! Negatives drawn by similarity and density, and what guards and reports say.

#![allow(clippy::unwrap_used, reason = "tests: panics are failures")]

use metric_core::{Cosine, Euclidean, Relevance};
use metric_sampling::density::{LogDensity, ManifoldDensity};
use metric_sampling::{
    Batch, DensityAware, DistanceWeighted, DrawWeights, LocalAgreement, MiningError, MiningReport,
    NegativePairs, NegativeWeights, Pairs, PositivePairs, Schedule, TripletMiner, Triplets,
    outlying_positives,
};
use metric_testkit::chance::assert_follows;
use metric_testkit::strategy::labelled_grid_points;
use ndarray::{Array2, array};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn matrix(rows: &[Vec<f64>]) -> Array2<f32> {
    Array2::from_shape_fn((rows.len(), rows[0].len()), |(i, j)| rows[i][j] as f32)
}

fn generator(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

fn random_rows(n: usize, dim: usize, seed: u64) -> Array2<f32> {
    let mut random = generator(seed);
    Array2::from_shape_fn((n, dim), |_| random.random::<f32>() - 0.5)
}

fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
    let lengths = (dot(a, a) * dot(b, b)).sqrt();
    let both_zero = dot(a, a) + dot(b, b) <= 0.0;
    if both_zero {
        1.0
    } else if lengths <= 0.0 {
        0.0
    } else {
        dot(a, b) / lengths
    }
}

/// Weights by the formula, the ring by sorting.
fn by_definition(
    points: &[Vec<f64>],
    labels: &[u32],
    anchor: usize,
    (beta, gamma): (f64, f64),
    log_density: &[f64],
) -> Vec<(u32, f64)> {
    let negatives = (0..points.len()).filter(|&n| labels[n] != labels[anchor]);
    let logs: Vec<(u32, f64)> = negatives
        .map(|n| {
            let s = cosine(&points[anchor], &points[n]);
            (n as u32, beta * s - gamma * log_density[n])
        })
        .collect();
    let greatest = logs.iter().map(|w| w.1).fold(f64::NEG_INFINITY, f64::max);
    logs.into_iter()
        .map(|(n, log)| (n, (log - greatest).exp()))
        .collect()
}

proptest! {
    #[test]
    fn weights_are_those_of_the_formula(
        (points, labels) in labelled_grid_points(1..24, 4),
        beta in -20.0f64..20.0,
        gamma in -2.0f64..2.0,
    ) {
        let rows = matrix(&points);
        let batch = Batch::new(rows.view(), Relevance::labels(&labels)).unwrap();
        let densities: Vec<f64> = (0..points.len()).map(|i| (i % 5) as f64).collect();
        let miner = DensityAware::new().with_beta(beta).unwrap().with_gamma(gamma).unwrap();
        let miner = miner.with_log_density(densities.clone()).unwrap();
        let found = miner.each_weighted(&batch, |_, w| w.clone()).unwrap();
        for (anchor, found) in found.iter().enumerate() {
            let want = by_definition(&points, &labels, anchor, (beta, gamma), &densities);
            let indices: Vec<u32> = want.iter().map(|w| w.0).collect();
            prop_assert_eq!(found.indices(), indices);
            for (got, (_, want)) in found.weights().iter().zip(want) {
                // Cosine distances are off by at most a few 1e-7, which beta multiplies.
                prop_assert!((got - want).abs() <= 1e-6 * (1.0 + beta.abs()), "{} {}", got, want);
            }
        }
    }

    #[test]
    fn the_ring_keeps_the_wanted_ranks(
        distances in proptest::collection::hash_set(1u32..1000, 1..60),
        lower in 0.0f64..0.95,
        width in 0.01f64..1.0,
    ) {
        let upper = (lower + width).min(1.0);
        // Angles of a plane: farther around is less similar.
        let mut angles: Vec<f64> = distances.iter().map(|&d| f64::from(d) * 0.003).collect();
        let mut points = vec![vec![1.0, 0.0]];
        points.extend(angles.iter().map(|a| vec![a.cos(), a.sin()]));
        let labels: Vec<u32> = (0..points.len() as u32).collect();
        let rows = matrix(&points);
        let batch = Batch::new(rows.view(), Relevance::labels(&labels)).unwrap();
        let miner = DensityAware::new().with_gamma(0.0).unwrap().with_ring(lower, upper).unwrap();
        let found = miner.each_weighted(&batch, |_, w| w.indices().to_vec()).unwrap();
        angles.sort_by(|a, b| b.total_cmp(a)); // least similar first
        let n = angles.len() as f64;
        let start = (lower * n + 1e-9).floor() as usize;
        let end = ((upper * n - 1e-9).ceil() as usize).max(start + 1);
        let mut want: Vec<f64> = angles[start..end].to_vec();
        let mut got: Vec<f64> = found[0]
            .iter()
            .map(|&i| points[i as usize][1].atan2(points[i as usize][0]))
            .collect();
        want.sort_by(f64::total_cmp);
        got.sort_by(f64::total_cmp);
        prop_assert_eq!(got.len(), want.len());
        for (got, want) in got.iter().zip(&want) {
            prop_assert!((got - want).abs() < 1e-9);
        }
    }

    #[test]
    fn exceptions_are_never_chosen_and_attracted_pairs_are_positives(
        (points, labels) in labelled_grid_points(2..24, 4),
        seed in 0u64..1000,
    ) {
        let rows = matrix(&points);
        let batch = Batch::new(rows.view(), Relevance::labels(&labels)).unwrap();
        let mut random = generator(seed);
        let n = points.len() as u32;
        let mut kinds = std::collections::BTreeMap::new();
        for _ in 0..3 * n {
            let pair = (random.random_range(0..n), random.random_range(0..n));
            kinds.insert(pair, random.random_range(0..3));
        }
        let of = |kind: i32| -> (Vec<u32>, Vec<u32>) {
            kinds.iter().filter(|(_, k)| **k == kind).map(|(pair, _)| *pair).unzip()
        };
        let positive = PositivePairs::new(of(0).0, of(0).1).unwrap();
        let negative = NegativePairs::new(of(1).0, of(1).1).unwrap();
        let attracted = PositivePairs::new(of(2).0, of(2).1).unwrap();
        let batch = batch.attract(&attracted).unwrap();
        let batch = batch.except(&Pairs { positive, negative }).unwrap();
        let sides = batch.each_anchor(&Euclidean, |anchor| {
            let positives: Vec<u32> = anchor.positives().iter().map(|p| p.index).collect();
            (positives, anchor.negatives_where(|d| !d.is_nan()))
        }).unwrap();
        for (a, (positives, negatives)) in (0..n).zip(sides) {
            let side = |p: u32| {
                let kind = kinds.get(&(a, p)).copied();
                let alike = labels[a as usize] == labels[p as usize] || kind == Some(2);
                (a != p && alike && kind != Some(0), a != p && !alike && kind != Some(1))
            };
            let want = |of: fn((bool, bool)) -> bool| -> Vec<u32> {
                (0..n).filter(|&p| of(side(p))).collect()
            };
            prop_assert_eq!(positives, want(|side| side.0));
            prop_assert_eq!(negatives, want(|side| side.1));
        }
    }

    #[test]
    fn agreement_counts_the_relevant_among_the_neighbours((points, labels) in labelled_grid_points(2..24, 4), k in 1usize..6) {
        // Distinct distances: neighbours of equal distance are not what this is about.
        let mut random = generator(7);
        let points: Vec<Vec<f64>> = points
            .iter()
            .map(|p| p.iter().map(|x| x + f64::from(random.random::<f32>()) * 0.01).collect())
            .collect();
        let rows = matrix(&points);
        let batch = Batch::new(rows.view(), Relevance::labels(&labels)).unwrap();
        let suspects = LocalAgreement::fit(rows.view(), k).unwrap().suspects(&batch, 0.5).unwrap();
        prop_assert!(suspects.positive.is_empty());
        let found: Vec<(u32, u32)> = suspects.negative.iter().collect();
        let squared = |a: usize, b: usize| -> f64 {
            (0..points[a].len()).map(|j| f64::from(rows[[a, j]] - rows[[b, j]]).powi(2)).sum()
        };
        let mut want = Vec::new();
        for a in 0..points.len() {
            for n in 0..points.len() {
                if labels[a] == labels[n] {
                    continue;
                }
                let mut near: Vec<usize> = (0..points.len()).filter(|&i| i != n).collect();
                near.sort_by(|&i, &j| squared(n, i).total_cmp(&squared(n, j)));
                near.truncate(k);
                near.retain(|&i| i != a);
                let alike = near.iter().filter(|&&i| labels[i] == labels[a]).count();
                if alike > 0 && alike * 2 >= near.len() {
                    want.push((a as u32, n as u32));
                }
            }
        }
        prop_assert_eq!(found, want);
    }
}

#[test]
fn negatives_are_drawn_as_often_as_their_weights_say() {
    let rows = random_rows(12, 4, 1);
    let labels = [0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
    let batch = Batch::new(rows.view(), Relevance::labels(&labels)).unwrap();
    let draws = 20_000;
    let miner = DensityAware::new()
        .with_beta(3.0)
        .unwrap()
        .with_gamma(1.0)
        .unwrap();
    let miner = miner
        .with_ring(0.2, 1.0)
        .unwrap()
        .with_neighbors(4)
        .unwrap();
    let miner = miner.with_per_anchor(draws).unwrap();
    let weights = miner.each_weighted(&batch, |_, w| w.clone()).unwrap();
    let triplets = miner.mine(&batch, &mut generator(5)).unwrap();
    for (anchor, weights) in (0u32..2).zip(&weights) {
        let of_anchor = triplets.iter().filter(|t| t.0 == anchor);
        let drawn: Vec<u32> = of_anchor.map(|t| t.2).collect();
        let counts: Vec<f64> = weights
            .indices()
            .iter()
            .map(|n| drawn.iter().filter(|d| *d == n).count() as f64)
            .collect();
        let all: f64 = counts.iter().sum();
        assert!(
            (all - draws as f64).abs() < 0.5,
            "only weighted negatives are drawn"
        );
        let sum: f64 = weights.weights().iter().sum();
        let shares: Vec<f64> = weights.weights().iter().map(|w| w / sum).collect();
        assert_follows(&counts, &shares);
    }
}

#[test]
fn with_gamma_one_and_beta_zero_a_dense_crowd_is_drawn_as_often_as_a_sparse_one() {
    // A circle, one half of it with nine times as many points.
    let mut random = generator(3);
    let half = std::f64::consts::PI;
    let angles: Vec<f64> = (0..1000)
        .map(|i| half * (random.random::<f64>() + f64::from(u8::from(i >= 900))))
        .collect();
    let rows = Array2::from_shape_fn((1000, 2), |(i, j)| {
        [angles[i].cos(), angles[i].sin()][j] as f32
    });
    let labels: Vec<u32> = (0..1000).collect();
    let batch = Batch::new(rows.view(), Relevance::labels(&labels)).unwrap();
    let miner = DensityAware::new().with_beta(0.0).unwrap();
    let share = |gamma: f64| {
        let miner = miner.clone().with_gamma(gamma).unwrap();
        let found = miner.each_weighted(&batch, |_, weights| {
            let sum: f64 = weights.weights().iter().sum();
            let each = weights.indices().iter().zip(weights.weights());
            each.filter(|(n, _)| **n < 900).map(|(_, w)| w).sum::<f64>() / sum
        });
        found.unwrap()[0]
    };
    assert!((share(0.0) - 0.9).abs() < 0.01);
    // The sparse half's weights are r₁₀ᵐ of 100 points, of which neighbours share most: about 100/10 independent ones, each
    // with a relative deviation of 1/√10, so 10 % of half the sum; and m is off by 1/√(1000 · 10).
    let even = share(1.0);
    assert!((even - 0.5).abs() < 0.1, "{even}");
}

#[test]
fn triplets_are_the_same_for_any_number_of_threads() {
    let rows = random_rows(150, 8, 2);
    let labels: Vec<u32> = (0..150).map(|i| i % 30).collect();
    let mine = |threads: usize| -> Vec<Triplets> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            let batch = Batch::new(rows.view(), Relevance::labels(&labels)).unwrap();
            let aware = DensityAware::new().with_ring(0.3, 0.95).unwrap();
            let estimated = DistanceWeighted::new()
                .with_estimated_dimension(10)
                .unwrap();
            let histogram = DistanceWeighted::new().with_histogram(20).unwrap();
            let miners: [&dyn TripletMiner; 3] = [&aware, &estimated, &histogram];
            miners
                .map(|m| m.mine(&batch, &mut generator(9)).unwrap())
                .into()
        })
    };
    let once = mine(1);
    assert!(once.iter().all(|triplets| !triplets.is_empty()));
    assert_eq!(once, mine(2));
    assert_eq!(once, mine(5));
}

#[test]
fn a_reference_set_has_densities_of_its_own() {
    let (rows, bank) = (random_rows(3, 4, 3), random_rows(40, 4, 4));
    let (of_rows, of_bank) = ([0, 1, 2], (0..40).map(|i| i % 5).collect::<Vec<u32>>());
    let relevance = Relevance::labels_against(&of_rows, &of_bank);
    let batch = Batch::against(rows.view(), bank.view(), relevance).unwrap();
    let estimated = DensityAware::new();
    let held = ManifoldDensity::default()
        .log_density_self(bank.view())
        .unwrap();
    let given = DensityAware::new().with_log_density(held).unwrap();
    let weights = |miner: &DensityAware| miner.each_weighted(&batch, |_, w| w.clone()).unwrap();
    assert_eq!(weights(&estimated), weights(&given));
    let short = DensityAware::new().with_log_density(vec![0.0; 3]).unwrap();
    let error = short.mine(&batch, &mut generator(1)).unwrap_err();
    assert_eq!(
        error,
        MiningError::DensityCount {
            items: 40,
            densities: 3
        }
    );
}

#[test]
fn distance_weights_with_what_was_seen_make_seen_distances_even() {
    // Ten negatives at distance 0.6 and one at 1.2: a histogram gives both distances the same share.
    let at = |d: f64| {
        let cosine = 1.0 - d * d / 2.0;
        [cosine, (1.0 - cosine * cosine).sqrt()]
    };
    let rows = Array2::from_shape_fn((12, 2), |(i, j)| {
        let of = [[1.0, 0.0], at(0.6), at(1.2)];
        of[if i == 0 { 0 } else { 1 + usize::from(i == 11) }][j] as f32
    });
    let labels: Vec<u32> = (0..12).collect();
    let batch = Batch::new(rows.view(), Relevance::labels(&labels)).unwrap();
    let miner = DistanceWeighted::new().with_histogram(9).unwrap();
    let weights = miner
        .each_weighted(&batch, |_, w| w.weights().to_vec())
        .unwrap();
    for (i, weight) in weights[0].iter().enumerate() {
        let want = if i == 10 { 1.0 } else { 0.1 };
        assert!((weight - want).abs() < 1e-12);
    }
}

#[test]
fn an_estimated_dimension_takes_the_place_of_the_ambient_one() {
    // A circle in 64 dimensions: the weights are those of two dimensions.
    let mut random = generator(6);
    let rows = Array2::from_shape_fn((400, 64), |(_, _)| 0.0f32);
    let mut rows = rows;
    for mut row in rows.outer_iter_mut() {
        let angle = random.random::<f32>() * std::f32::consts::TAU;
        (row[0], row[1]) = (angle.cos(), angle.sin());
    }
    let labels: Vec<u32> = (0..400).collect();
    let batch = Batch::new(rows.view(), Relevance::labels(&labels)).unwrap();
    let sizes = |miner: &DistanceWeighted| {
        let each = miner
            .each_weighted(&batch, |_, w| w.effective_sample_size())
            .unwrap();
        each.iter().sum::<f64>() / each.len() as f64
    };
    let (ambient, estimated, exact) = (
        sizes(&DistanceWeighted::new()),
        sizes(
            &DistanceWeighted::new()
                .with_estimated_dimension(20)
                .unwrap(),
        ),
        sizes(&DistanceWeighted::new().with_dimension(2.0).unwrap()),
    );
    // The estimate is off by about 1/√(400 · 20) of 1, the weights by less than that much of themselves.
    assert!(
        (estimated / exact - 1.0).abs() < 0.05,
        "{estimated} {exact}"
    );
    assert!(ambient < exact / 2.0, "{ambient} {exact}");
}

#[test]
fn coincident_huge_and_tiny_rows_are_served() {
    for scale in [0.0f32, 1e-18, 1.0, 1e18] {
        for spread in [false, true] {
            let rows = Array2::from_shape_fn((8, 3), |(i, j)| {
                let at = if spread {
                    (i * (j + 2)) as f32 % 5.0
                } else {
                    1.0
                };
                at * scale
            });
            let batch =
                Batch::new(rows.view(), Relevance::labels(&[0, 0, 1, 1, 2, 2, 3, 3])).unwrap();
            let miner = DensityAware::new();
            let weights = miner.each_weighted(&batch, |_, w| w.clone()).unwrap();
            let all = weights.iter().flat_map(DrawWeights::weights);
            assert!(all.clone().count() == 48 && all.into_iter().all(|w| w.is_finite()));
            let triplets = miner.mine(&batch, &mut generator(1)).unwrap();
            assert_eq!(triplets.len(), 8, "one for each pair of a class");
        }
    }
}

#[test]
fn batches_without_a_triplet_give_none() {
    let rows = random_rows(4, 3, 8);
    for labels in [[0, 0, 0, 0], [0, 1, 2, 3]] {
        let batch = Batch::new(rows.view(), Relevance::labels(&labels)).unwrap();
        assert!(
            DensityAware::new()
                .mine(&batch, &mut generator(1))
                .unwrap()
                .is_empty()
        );
        let report = MiningReport::of(&batch, &Triplets::default(), &Cosine, 0.2).unwrap();
        assert_eq!(report, MiningReport::default());
    }
    let one = array![[1.0f32, 0.0]];
    let batch = Batch::new(one.view(), Relevance::labels(&[0])).unwrap();
    assert!(
        DensityAware::new()
            .mine(&batch, &mut generator(1))
            .unwrap()
            .is_empty()
    );
}

#[test]
fn parameters_out_of_range_are_refused() {
    let refused =
        |result: Result<DensityAware, MiningError>, wanted: &str| match result.unwrap_err() {
            MiningError::InvalidParam { name, .. } => assert_eq!(name, wanted),
            other => panic!("{other}"),
        };
    let miner = DensityAware::new;
    refused(miner().with_beta(f64::NAN), "beta");
    refused(miner().with_gamma(f64::INFINITY), "gamma");
    refused(miner().with_ring(0.5, 0.5), "lower");
    refused(miner().with_ring(-0.1, 0.5), "lower");
    refused(miner().with_ring(0.0, 1.5), "upper");
    refused(miner().with_ring(f64::NAN, 1.0), "lower");
    refused(miner().with_log_density(vec![0.0, f64::NAN]), "log density");
    refused(miner().with_neighbors(0), "k");
    refused(miner().with_per_anchor(0), "per_anchor");
    let rows = random_rows(4, 3, 8);
    let batch = Batch::new(rows.view(), Relevance::labels(&[0, 0, 1, 1])).unwrap();
    let agreement = LocalAgreement::fit(rows.view(), 2).unwrap();
    assert!(agreement.suspects(&batch, 0.0).is_err());
    assert!(LocalAgreement::fit(rows.view(), 0).is_err());
    assert!(outlying_positives(&batch, &[1.0], 1.5).is_err());
    assert!(outlying_positives(&batch, &[1.0; 4], f64::NAN).is_err());
    assert!(DistanceWeighted::new().with_estimated_dimension(2).is_err());
    assert!(DistanceWeighted::new().with_histogram(0).is_err());
}

#[test]
fn a_report_counts_what_the_triplets_are() {
    // On a line: anchor 0, positive at 1, negatives at 2, 3 and 10.
    let rows = array![[0.0f32], [1.0], [2.0], [3.0], [10.0]];
    let batch = Batch::new(rows.view(), Relevance::labels(&[0, 0, 1, 2, 3])).unwrap();
    let triplets = Triplets::new(vec![0, 0, 1, 1], vec![1, 1, 0, 0], vec![2, 4, 4, 4]).unwrap();
    let report = MiningReport::of(&batch, &triplets, &Euclidean, 1.5).unwrap();
    assert_eq!((report.triplets, report.anchors), (4, 2));
    // Nearer negatives: none of three, then two of three for each other.
    for (got, want) in report.hardness.iter().zip([0.0, 2.0 / 3.0, 2.0 / 3.0]) {
        assert!((got - want).abs() < 1e-12);
    }
    // Gaps 1, 9, 8 and 8.
    assert!((report.zero_loss - 0.75).abs() < 1e-12);
    // Row 2 once, row 4 three times: 16 / 10.
    assert!((report.effective_negatives - 1.6).abs() < 1e-12);
    let truth = Relevance::labels(&[0, 0, 0, 1, 2]);
    let known = report.with_truth(&triplets, truth);
    assert_eq!(known.false_negatives, Some(0.25));
    let unknown = Triplets::new(vec![0], vec![1], vec![9]).unwrap();
    let error = MiningReport::of(&batch, &unknown, &Euclidean, 0.1).unwrap_err();
    assert!(matches!(
        error,
        MiningError::UnknownItem {
            index: 9,
            count: 5,
            ..
        }
    ));
}

#[test]
fn weights_tell_their_effective_number() {
    let weights = DrawWeights::of_logarithms(vec![3, 4, 5], vec![700.0, 700.0, f64::NEG_INFINITY]);
    assert_eq!(weights.weights(), [1.0, 1.0, 0.0]);
    assert!((weights.effective_sample_size() - 2.0).abs() < 1e-12);
    assert_eq!(weights.importance(), [1.5, 1.5, 0.0]);
    assert!(DrawWeights::default().effective_sample_size() <= 0.0);
}

#[test]
fn a_schedule_goes_from_one_value_to_the_other_and_stays() {
    let linear = Schedule::linear(1.0, 3.0, 4);
    for (step, want) in [(0, 1.0), (1, 1.5), (2, 2.0), (4, 3.0), (9, 3.0)] {
        assert!((linear.at(step) - want).abs() < 1e-12);
    }
    let cosine = Schedule::cosine(0.0, 1.0, 4);
    // (1 − cos 45°) / 2
    assert!((cosine.at(1) - (0.5 - 0.125f64.sqrt())).abs() < 1e-12);
    assert!((Schedule::constant(2.0).at(0) - 2.0).abs() < 1e-12);
}
