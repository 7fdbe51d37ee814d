//! Random miners against their exact distributions, at fixed seeds.

#![allow(clippy::unwrap_used, reason = "tests: panics are failures")]

use std::collections::BTreeMap;

use metric_core::Relevance;
use metric_sampling::{
    AllPairs, AllTriplets, Batch, BatchHard, Capped, DistanceWeighted, PairMiner, RandomTriplets,
    RhoSwitch, SoftHard, TripletMiner, UniformHistogram,
};
use metric_testkit::chance::assert_follows;
use metric_testkit::oracle::euclidean;
use ndarray::{Array2, array};

use crate::common::{generator, sphere};

/// How often each outcome of anchor 0 came, in so many runs with one generator.
fn outcomes<T: Ord>(runs: usize, mut of_first: impl FnMut() -> T) -> BTreeMap<T, f64> {
    let mut counts = BTreeMap::new();
    for _ in 0..runs {
        *counts.entry(of_first()).or_insert(0.0) += 1.0;
    }
    counts
}

fn of_first(
    miner: &dyn TripletMiner,
    batch: &Batch<'_>,
    rng: &mut dyn rand::Rng,
) -> Vec<(u32, u32, u32)> {
    let triplets = miner.mine(batch, rng).unwrap();
    triplets.iter().filter(|t| t.0 == 0).collect()
}

/// Asserts that all of so many outcomes came, alike often.
fn assert_uniform<T>(counts: &BTreeMap<T, f64>, outcomes: usize) {
    assert_eq!(counts.len(), outcomes);
    let counts: Vec<f64> = counts.values().copied().collect();
    assert_follows(&counts, &vec![1.0 / outcomes as f64; outcomes]);
}

/// Tables give 1 % at these (Pearson and Hartley, *Biometrika Tables for Statisticians*, table 8).
#[test]
fn random_triplets_are_uniform_for_every_anchor() {
    let rows = Array2::zeros((8, 1));
    let labels = [0, 0, 0, 0, 1, 2, 2, 1];
    let batch = Batch::new(rows.view(), Relevance::labels(&labels)).unwrap();
    let miner = RandomTriplets::new(1).unwrap();
    let mut rng = generator(11);
    let counts = outcomes(6000, || of_first(&miner, &batch, &mut rng));
    assert_uniform(&counts, 3 * 4);
}

#[test]
fn anchors_draw_independently_of_each_other() {
    let rows = Array2::zeros((6, 1));
    let batch = Batch::new(rows.view(), Relevance::labels(&[0, 0, 0, 1, 2, 2])).unwrap();
    let miner = RandomTriplets::new(1).unwrap();
    let mut rng = generator(14);
    let counts = outcomes(6000, || {
        let triplets = miner.mine(&batch, &mut rng).unwrap();
        let negatives = triplets.iter().filter(|t| t.0 < 2).map(|t| t.2);
        negatives.collect::<Vec<u32>>()
    });
    assert_uniform(&counts, 3 * 3);
}

#[test]
fn soft_hard_is_uniform_over_the_hard() {
    // Of anchor 0 positives at 1, 2, 3, 4 and negatives at 1.5, 2.5, 3.5, 5, 6: hard are 2, 3, 4 and 1.5, 2.5, 3.5.
    let rows = array![
        [0.0f32],
        [1.0],
        [2.0],
        [3.0],
        [4.0],
        [1.5],
        [2.5],
        [3.5],
        [5.0],
        [6.0]
    ];
    let labels = [0, 0, 0, 0, 0, 1, 1, 2, 2, 3];
    let batch = Batch::new(rows.view(), Relevance::labels(&labels)).unwrap();
    let mut rng = generator(12);
    let counts = outcomes(6000, || of_first(&SoftHard::new(), &batch, &mut rng));
    assert_uniform(&counts, 3 * 3);
    assert!(
        counts
            .keys()
            .flatten()
            .all(|&(_, p, n)| [2, 3, 4].contains(&p) && [5, 6, 7].contains(&n))
    );
}

#[test]
fn soft_hard_is_uniform_over_all_where_none_is_hard() {
    let rows = array![[0.0f32], [1.0], [2.0], [2.0], [3.0], [4.0]];
    let batch = Batch::new(rows.view(), Relevance::labels(&[0, 0, 0, 1, 1, 2])).unwrap();
    let mut rng = generator(13);
    let counts = outcomes(3000, || of_first(&SoftHard::new(), &batch, &mut rng));
    assert_uniform(&counts, 2 * 3);
}

/// Negatives of anchor 0 with the weights of the paper, from their definition: `1 / q(d)` normalised, in `f64`.
fn weighted(rows: &Array2<f32>, labels: &[u32], dim: f64) -> Vec<(u32, f64)> {
    let row = |i: usize| -> Vec<f64> { rows.row(i).iter().map(|&x| f64::from(x)).collect() };
    let log_q = |d: f64| (dim - 2.0) * d.ln() + (dim - 3.0) / 2.0 * (1.0 - d * d / 4.0).ln();
    let negatives = (0..labels.len()).filter(|&j| labels[j] != labels[0]);
    let distances = negatives.map(|j| (j as u32, euclidean(&row(0), &row(j))));
    let within: Vec<(u32, f64)> = distances.filter(|x| x.1 < 1.4).collect();
    let logs: Vec<f64> = within.iter().map(|x| -log_q(x.1.max(0.5))).collect();
    let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = logs.iter().map(|log| (log - most).exp()).sum();
    let chances = logs.iter().map(|log| (log - most).exp() / total);
    within.iter().map(|x| x.0).zip(chances).collect()
}

/// Counts and chances, those that are expected less than 5 times as one.
fn pooled(counts: &BTreeMap<u32, f64>, chances: &[(u32, f64)]) -> (Vec<f64>, Vec<f64>) {
    let draws: f64 = counts.values().sum();
    let (mut seen, mut expected) = (vec![0.0], vec![0.0]);
    for (n, chance) in chances {
        let count = counts.get(n).copied().unwrap_or(0.0);
        if chance * draws >= 5.0 {
            seen.push(count);
            expected.push(*chance);
        } else {
            seen[0] += count;
            expected[0] += chance;
        }
    }
    if expected[0] * draws < 5.0 {
        let (rare, chance) = (seen.remove(0), expected.remove(0));
        seen[0] += rare;
        expected[0] += chance;
    }
    (seen, expected)
}

#[test]
fn distance_weighted_negatives_follow_the_inverse_density_of_their_distance() {
    let draws = 40_000;
    for (dim, dimension) in [
        (32, None),
        (32, Some(8.0)),
        (512, None),
        (3, None),
        (2, None),
    ] {
        let rows = sphere(128, dim, 21);
        let labels: Vec<u32> = (0..128).map(|i| i % 16).collect();
        let batch = Batch::new(rows.view(), Relevance::labels(&labels)).unwrap();
        let mut miner = DistanceWeighted::new().with_per_anchor(draws).unwrap();
        if let Some(dimension) = dimension {
            miner = miner.with_dimension(dimension).unwrap();
        }
        let triplets = of_first(&miner, &batch, &mut generator(22));
        assert_eq!(triplets.len(), draws);
        let chances = weighted(&rows, &labels, dimension.unwrap_or(dim as f64));
        let mut counts = BTreeMap::new();
        let mut positives = BTreeMap::new();
        for (_, p, n) in triplets {
            *counts.entry(n).or_insert(0.0) += 1.0;
            *positives.entry(p).or_insert(0.0) += 1.0;
        }
        assert!(counts.keys().all(|n| chances.iter().any(|x| x.0 == *n)));
        let (seen, expected) = pooled(&counts, &chances);
        if seen.len() > 1 {
            assert_follows(&seen, &expected);
        }
        assert_uniform(&positives, 7);
    }
}

#[test]
fn distance_weighting_gives_each_positive_a_negative_of_its_own() {
    let rows = sphere(96, 32, 23);
    let labels: Vec<u32> = (0..96).map(|i| i % 12).collect();
    let batch = Batch::new(rows.view(), Relevance::labels(&labels)).unwrap();
    let chances = weighted(&rows, &labels, 32.0);
    let mut counts = BTreeMap::new();
    let mut rng = generator(24);
    for _ in 0..2000 {
        for (_, _, n) in of_first(&DistanceWeighted::new(), &batch, &mut rng) {
            *counts.entry(n).or_insert(0.0) += 1.0;
        }
    }
    assert!((counts.values().sum::<f64>() - 2000.0 * 7.0).abs() < 0.5);
    let (seen, expected) = pooled(&counts, &chances);
    assert!(seen.len() > 10);
    assert_follows(&seen, &expected);
}

#[test]
fn a_cap_draws_every_subset_alike_often() {
    // Anchor 0 has 2 positives and 3 negatives: 6 triplets, of which 20 sets of 3.
    let rows = Array2::zeros((6, 1));
    let batch = Batch::new(rows.view(), Relevance::labels(&[0, 0, 0, 1, 1, 2])).unwrap();
    let capped = Capped::new(AllTriplets, 3).unwrap();
    let mut rng = generator(31);
    let counts = outcomes(8000, || of_first(&capped, &batch, &mut rng));
    assert_uniform(&counts, 20);
    let capped = Capped::new(AllPairs, 2).unwrap();
    let counts = outcomes(8000, || {
        let pairs = capped.mine(&batch, &mut rng).unwrap();
        pairs
            .negative
            .iter()
            .filter(|x| x.0 == 0)
            .collect::<Vec<_>>()
    });
    assert_uniform(&counts, 3);
}

#[test]
fn a_bin_of_the_histogram_gives_every_subset_alike_often() {
    // Five ordered negative pairs in the first of two bins, at distances 1 to 1.2, and one at 3 in the last: 10 sets of 2.
    let rows = array![[0.0f32]];
    let reference = array![[1.0f32], [1.05], [1.1], [1.15], [1.2], [3.0]];
    let relevance = Relevance::labels_against(&[0], &[1, 2, 3, 4, 5, 6]);
    let batch = Batch::against(rows.view(), reference.view(), relevance).unwrap();
    let miner = UniformHistogram::new(2, 2, 2).unwrap();
    let mut rng = generator(41);
    let counts = outcomes(6000, || {
        let pairs = miner.mine(&batch, &mut rng).unwrap();
        pairs.negative.iter().collect::<Vec<_>>()
    });
    assert_uniform(&counts, 10);
    assert!(
        counts
            .keys()
            .all(|pairs| pairs.len() == 3 && pairs[2] == (0, 5))
    );
}

/// Correction R7 of pytorch-metric-learning: distances of one `ε` more each fall into bins of their own.
#[test]
fn bins_tell_distances_apart_that_are_next_to_each_other() {
    let mined = |step: f32| {
        let far = (0..8).map(|k| 1.0 + step * k as f32);
        let rows = Array2::from_shape_vec((9, 1), std::iter::once(0.0).chain(far).collect());
        let rows = rows.unwrap();
        let labels = [0, 1, 1, 1, 1, 1, 1, 1, 1];
        let batch = Batch::new(rows.view(), Relevance::labels(&labels)).unwrap();
        let miner = UniformHistogram::new(8, 0, 1).unwrap();
        let pairs = miner.mine(&batch, &mut generator(7)).unwrap();
        let of_pair = |(a, b): (u32, u32)| a.max(b);
        let mut others: Vec<u32> = pairs.negative.iter().map(of_pair).collect();
        others.sort_unstable();
        others
    };
    assert_eq!(mined(f32::EPSILON), [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(mined(0.0).len(), 1, "all in one bin");
}

#[test]
fn a_switch_happens_as_often_as_asked_and_takes_every_positive_alike() {
    // Batch-hard gives (0, 3, 4): 4 positives, of which each is switched to with chance 0.4 / 3.
    let rows = array![[0.0f32], [1.0], [2.0], [3.0], [5.0]];
    let batch = Batch::new(rows.view(), Relevance::labels(&[0, 0, 0, 0, 1])).unwrap();
    let miner = RhoSwitch::new(BatchHard::new(), 0.4).unwrap();
    let mut rng = generator(51);
    let counts = outcomes(6000, || of_first(&miner, &batch, &mut rng));
    let switched = (1..4).map(|q| (vec![(0, 0, q)], 0.4 / 3.0));
    let all: Vec<_> = switched.chain([(vec![(0, 3, 4)], 0.6)]).collect();
    assert_eq!(counts.len(), all.len());
    let seen: Vec<f64> = all.iter().map(|(triplet, _)| counts[triplet]).collect();
    let expected: Vec<f64> = all.iter().map(|x| x.1).collect();
    assert_follows(&seen, &expected);
}

/// The library that is best known loses 126 of 128 anchors here, by the greatest weight of the whole batch.
#[test]
fn distance_weighting_serves_every_anchor_that_has_a_candidate_at_512_dimensions() {
    let labels: Vec<u32> = (0..128).map(|i| i / 4).collect();
    let mut rows = sphere(128, 512, 61);
    // Weights of 20000 dimensions are beyond the range of `f64`, and only their logarithms are not.
    let dimensions = [512.0, 20_000.0];
    for (with_near_duplicate, dimension) in [false, true]
        .into_iter()
        .flat_map(|with| dimensions.map(|d| (with, d)))
    {
        if with_near_duplicate {
            // Rows 0 and 4 are of different classes.
            let near = rows.row(0).mapv(|x| x * (1.0 + 1e-6));
            rows.row_mut(4).assign(&near);
        }
        let batch = Batch::new(rows.view(), Relevance::labels(&labels)).unwrap();
        let row = |i: usize| -> Vec<f64> { rows.row(i).iter().map(|&x| f64::from(x)).collect() };
        let mut want = 0;
        let miner = DistanceWeighted::new().with_dimension(dimension).unwrap();
        let triplets = miner.mine(&batch, &mut generator(62)).unwrap();
        for a in 0..128 {
            let negatives = (0..128).filter(|&j| labels[j] != labels[a]);
            let nearest = negatives
                .map(|j| euclidean(&row(a), &row(j)))
                .fold(2.0, f64::min);
            let count = triplets
                .anchors()
                .iter()
                .filter(|&&anchor| anchor as usize == a)
                .count();
            // None of these batches has one at the cutoff itself.
            assert!((nearest - 1.4).abs() > 1e-4);
            assert_eq!(
                count,
                if nearest < 1.4 { 3 } else { 0 },
                "anchor {a}: {nearest}"
            );
            want += usize::from(nearest < 1.4);
        }
        assert_eq!(want, 128);
        if with_near_duplicate {
            // Its weight is e³⁰⁰ times that of any other at 512 dimensions.
            let mut of_duplicates = triplets.iter().filter(|t| t.0 == 0 || t.0 == 4);
            assert!(of_duplicates.all(|(a, _, n)| n == 4 - a));
        }
    }
}
