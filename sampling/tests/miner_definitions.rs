//! Every miner against loops over all pairs and triplets: own rows, a reference set, candidates, label sets, a function.

#![allow(clippy::unwrap_used, reason = "tests: panics are failures")]

use std::collections::BTreeSet;

use metric_core::{Relevance, SquaredEuclidean};
use metric_sampling::{
    AllPairs, AllTriplets, AngularMiner, AsPairs, AsTriplets, Batch, BatchEasyHard, BatchHard,
    Capped, Choice, DistanceWeighted, HardClusters, HardestNegatives, Hdc, MiningError,
    MultiSimilarityMiner, NegativePairs, PairMargin, PairMiner, Pairs, PositivePairs, RhoSwitch,
    SemiHard, TripletKind, TripletMarginMiner, TripletMiner, Triplets, UniformHistogram,
};
use ndarray::array;
use proptest::prelude::*;

use crate::common::{
    Kind, Triples, Twos, Way, World, choices, fixed_pair_miners, inputs, narrow2, pairs,
    random_pair_miners, random_triplet_miners, triplets, with_world,
};

const MARGIN: f64 = 0.5;

/// The first of the least by a key.
fn least(items: &[usize], key: impl Fn(usize) -> f64) -> Option<usize> {
    let mut best = None;
    for &item in items {
        if best.is_none_or(|b| key(item) < key(b)) {
            best = Some(item);
        }
    }
    best
}

fn all_triplets(world: &World, keep: impl Fn(usize, usize, usize) -> bool) -> Triples {
    let mut found = Triples::new();
    for a in 0..world.rows.len() {
        for p in world.positives(a) {
            for n in world.negatives(a) {
                if keep(a, p, n) {
                    found.push((a as u32, p as u32, n as u32));
                }
            }
        }
    }
    found
}

/// Both or, of an anchor without either, nothing.
fn chosen(world: &World, of: impl Fn(usize) -> (Vec<usize>, Vec<usize>)) -> (Twos, Twos) {
    let (mut positive, mut negative) = (Twos::new(), Twos::new());
    for a in 0..world.rows.len() {
        let (p, n) = of(a);
        if !p.is_empty() && !n.is_empty() {
            positive.extend(narrow2(p.into_iter().map(|j| (a, j))));
            negative.extend(narrow2(n.into_iter().map(|j| (a, j))));
        }
    }
    (positive, negative)
}

fn easy_hard(
    world: &World,
    a: usize,
    positive: Choice,
    negative: Choice,
) -> (Vec<usize>, Vec<usize>) {
    // Allowed ranges of the test below.
    let allowed = |js: Vec<usize>, (low, high): (f64, f64)| -> Vec<usize> {
        let is_allowed = |&j: &usize| world.d(a, j) >= low && world.d(a, j) <= high;
        js.into_iter().filter(is_allowed).collect()
    };
    let positives = allowed(world.positives(a), (0.5, 2.5));
    let negatives = allowed(world.negatives(a), (0.75, 3.0));
    let (near, far) = (|j| world.d(a, j), |j| -world.d(a, j));
    let mut p = match positive {
        Choice::Hard => least(&positives, far).into_iter().collect(),
        Choice::Easy => least(&positives, near).into_iter().collect(),
        _ => positives.clone(),
    };
    let mut n = match negative {
        Choice::Hard => least(&negatives, near).into_iter().collect(),
        Choice::Easy => least(&negatives, far).into_iter().collect(),
        _ => negatives.clone(),
    };
    if positive == Choice::SemiHard {
        let bound = n.first().map_or(f64::NEG_INFINITY, |&n| world.d(a, n));
        p.retain(|&p| world.d(a, p) < bound);
        p = least(&p, far).into_iter().collect();
    }
    if negative == Choice::SemiHard {
        let bound = p.first().map_or(f64::INFINITY, |&p| world.d(a, p));
        n.retain(|&n| world.d(a, n) > bound);
        n = least(&n, near).into_iter().collect();
    }
    (p, n)
}

proptest! {
    #[test]
    fn all_pairs_and_triplets_are_all(input in inputs(16)) {
        with_world(&input, |world, batch| {
            let want = (narrow2(world.all(Kind::Positive)), narrow2(world.all(Kind::Negative)));
            prop_assert_eq!(pairs(&AllPairs, batch, 1), want);
            prop_assert_eq!(triplets(&AllTriplets, batch, 1), all_triplets(world, |_, _, _| true));
            for a in 0..world.rows.len() {
                for j in 0..world.items.len() {
                    prop_assert_eq!(batch.is_pair(a, j), world.kinds[a][j] != Kind::Neither);
                }
            }
            Ok(())
        })?;
    }

    #[test]
    fn triplets_of_a_kind_are_those_whose_gap_says_so(input in inputs(16)) {
        with_world(&input, |world, batch| {
            for kind in [TripletKind::All, TripletKind::Hard, TripletKind::SemiHard, TripletKind::Easy] {
                let want = all_triplets(world, |a, p, n| {
                    let gap = world.d(a, n) - world.d(a, p);
                    match kind {
                        TripletKind::All => gap <= MARGIN,
                        TripletKind::Hard => gap <= 0.0,
                        TripletKind::SemiHard => 0.0 < gap && gap <= MARGIN,
                        _ => gap > MARGIN,
                    }
                });
                prop_assert_eq!(triplets(&TripletMarginMiner::new(MARGIN, kind).unwrap(), batch, 1), want);
            }
            Ok(())
        })?;
    }

    #[test]
    fn batch_hard_is_the_farthest_positive_and_the_nearest_negative(input in inputs(40)) {
        with_world(&input, |world, batch| {
            let mut want = Triples::new();
            for a in 0..world.rows.len() {
                let p = least(&world.positives(a), |j| -world.d2(a, j));
                let n = least(&world.negatives(a), |j| world.d2(a, j));
                want.extend(p.zip(n).map(|(p, n)| (a as u32, p as u32, n as u32)));
            }
            prop_assert_eq!(triplets(&BatchHard::new(), batch, 1), want.clone());
            let squared = BatchHard::new().with_distance(SquaredEuclidean);
            prop_assert_eq!(triplets(&squared, batch, 1), want);
            Ok(())
        })?;
    }

    #[test]
    fn semi_hard_takes_the_nearest_negative_behind_each_positive(input in inputs(60)) {
        with_world(&input, |world, batch| {
            let mut want = Triples::new();
            for a in 0..world.rows.len() {
                for p in world.positives(a) {
                    let mut behind = world.negatives(a);
                    behind.retain(|&n| world.d2(a, n) > world.d2(a, p) && world.d2(a, n) - world.d2(a, p) <= MARGIN);
                    let nearest = least(&behind, |n| world.d2(a, n));
                    want.extend(nearest.map(|n| (a as u32, p as u32, n as u32)));
                }
            }
            let miner = SemiHard::new(MARGIN).unwrap().with_distance(SquaredEuclidean);
            prop_assert_eq!(triplets(&miner, batch, 1), want);
            Ok(())
        })?;
    }

    #[test]
    fn easy_and_hard_choices_are_those_of_their_rules(input in inputs(20)) {
        with_world(&input, |world, batch| {
            for (positive, negative) in choices() {
                let miner = BatchEasyHard::new(positive, negative).unwrap();
                let miner = miner.with_allowed_positives(0.5..=2.5).unwrap();
                let miner = miner.with_allowed_negatives(0.75..=3.0).unwrap();
                let want = chosen(world, |a| easy_hard(world, a, positive, negative));
                prop_assert_eq!(pairs(&miner, batch, 1), want, "{:?} {:?}", positive, negative);
            }
            Ok(())
        })?;
    }

    #[test]
    fn hardest_negatives_are_those_of_the_next_ranks(input in inputs(20), k in 1..5usize, skip in 0..4usize) {
        with_world(&input, |world, batch| {
            let want = chosen(world, |a| {
                let mut ranked = world.negatives(a);
                ranked.sort_by(|&i, &j| world.d2(a, i).total_cmp(&world.d2(a, j)).then(i.cmp(&j)));
                let mut negatives: Vec<usize> = ranked.into_iter().skip(skip).take(k).collect();
                negatives.sort_unstable();
                (world.positives(a), negatives)
            });
            prop_assert_eq!(pairs(&HardestNegatives::new(k).unwrap().skipping(skip), batch, 1), want);
            Ok(())
        })?;
    }

    #[test]
    fn margins_of_pairs_keep_far_positives_and_near_negatives(input in inputs(20)) {
        with_world(&input, |world, batch| {
            let far = world.all(Kind::Positive).into_iter().filter(|&(a, j)| world.d(a, j) > 0.75);
            let near = world.all(Kind::Negative).into_iter().filter(|&(a, j)| world.d(a, j) < 1.5);
            prop_assert_eq!(pairs(&PairMargin::new(0.75, 1.5).unwrap(), batch, 1), (narrow2(far), narrow2(near)));
            Ok(())
        })?;
    }

    #[test]
    fn multi_similarity_pairs_are_hard_beside_the_hardest_of_the_other_kind(input in inputs(20)) {
        with_world(&input, |world, batch| {
            let (mut positive, mut negative) = (Twos::new(), Twos::new());
            for a in 0..world.rows.len() {
                let (p, n) = (world.positives(a), world.negatives(a));
                let (Some(far), Some(near)) = (least(&p, |j| -world.d2(a, j)), least(&n, |j| world.d2(a, j))) else {
                    continue;
                };
                let hard = p.into_iter().filter(|&j| world.d2(a, j) > world.d2(a, near) - 0.25);
                positive.extend(narrow2(hard.map(|j| (a, j))));
                let hard = n.into_iter().filter(|&j| world.d2(a, j) < world.d2(a, far) + 0.25);
                negative.extend(narrow2(hard.map(|j| (a, j))));
            }
            let miner = MultiSimilarityMiner::new(0.25).unwrap().with_distance(SquaredEuclidean);
            prop_assert_eq!(pairs(&miner, batch, 1), (positive, negative));
            Ok(())
        })?;
    }

    #[test]
    fn angular_triplets_see_a_wide_angle(input in inputs(14), degrees in 10.0..60.0f64) {
        with_world(&input, |world, batch| {
            let got: BTreeSet<_> = triplets(&AngularMiner::new(degrees).unwrap(), batch, 1).into_iter().collect();
            // Centres of grid points and squares of their distances are exact, so both distances are rounded once, to `f32`:
            // angles whose sides differ by less than 4 ε from the bound may fall on either side.
            let slack = 4.0 * f64::from(f32::EPSILON);
            let sides = |a: usize, p: usize, n: usize| {
                let c: Vec<f64> = world.rows[a].iter().zip(&world.items[p]).map(|(x, y)| (x + y) / 2.0).collect();
                let from_centre: f64 = c.iter().zip(&world.items[n]).map(|(x, y)| (x - y).powi(2)).sum();
                (world.d2(a, p).sqrt(), 2.0 * degrees.to_radians().tan() * from_centre.sqrt())
            };
            for (a, p, n) in all_triplets(world, |_, _, _| true) {
                let (apart, bound) = sides(a as usize, p as usize, n as usize);
                let is_in = got.contains(&(a, p, n));
                if (apart - bound).abs() > slack * apart.max(bound) || apart == 0.0 {
                    prop_assert_eq!(is_in, apart > bound);
                }
            }
            let all: BTreeSet<_> = all_triplets(world, |_, _, _| true).into_iter().collect();
            prop_assert!(got.is_subset(&all));
            Ok(())
        })?;
    }

    #[test]
    fn the_hardest_share_is_taken_of_the_whole_batch(input in inputs(20), share in 0.01..=1.0f64) {
        with_world(&input, |world, batch| {
            let hardest = |kind, sign: f64| {
                let mut all = world.all(kind);
                let count = (share * all.len() as f64).ceil() as usize;
                // Stable: ties stay in order of anchor and item.
                all.sort_by(|x, y| (sign * world.d2(x.0, x.1)).total_cmp(&(sign * world.d2(y.0, y.1))));
                all.truncate(count);
                all.sort_unstable();
                narrow2(all)
            };
            let want = (hardest(Kind::Positive, -1.0), hardest(Kind::Negative, 1.0));
            let miner = Hdc::new(share).unwrap();
            prop_assert_eq!(pairs(&miner, batch, 1), want.clone());
            prop_assert_eq!(pairs(&miner.with_distance(SquaredEuclidean), batch, 1), want);
            Ok(())
        })?;
    }

    #[test]
    fn every_bin_gives_as_many_pairs_as_it_can(input in inputs(20), bins in 1..6usize, most in 0..4usize, seed in 0..9u64) {
        with_world(&input, |world, batch| {
            let miner = UniformHistogram::new(bins, most, 2).unwrap();
            let (positive, negative) = pairs(&miner, batch, seed);
            for (got, kind, most) in [(positive, Kind::Positive, most), (negative, Kind::Negative, 2)] {
                let all = world.all(kind);
                let distances = || all.iter().map(|&(a, j)| world.d(a, j));
                let (low, high) = (distances().fold(f64::INFINITY, f64::min), distances().fold(0.0, f64::max));
                let bin = |a: usize, j: usize| (((world.d(a, j) - low) / (high - low) * bins as f64) as usize).min(bins - 1);
                let mut left: Vec<usize> = (0..bins).map(|b| all.iter().filter(|&&(a, j)| bin(a, j) == b).count().min(most)).collect();
                prop_assert!(got.is_sorted_by(|x, y| x < y));
                for (a, j) in got {
                    let (a, j) = (a as usize, j as usize);
                    prop_assert_eq!(world.kinds[a][j], kind);
                    prop_assert!(left[bin(a, j)] > 0);
                    left[bin(a, j)] -= 1;
                }
                prop_assert!(left.iter().all(|&left| left == 0));
            }
            Ok(())
        })?;
    }

    #[test]
    fn hard_clusters_are_the_classes_with_the_nearest_centres(input in inputs(24), k in 1..4usize) {
        with_world(&input, |world, batch| {
            let miner = HardClusters::new(k).unwrap();
            if matches!(input.3, Way::Sets | Way::Function) {
                let refused = MiningError::NeedsLabels { miner: "hard clusters" };
                prop_assert_eq!(miner.mine(batch, &mut crate::common::generator(1)), Err(refused));
                return Ok(());
            }
            let classes: BTreeSet<u32> = world.item_labels.iter().copied().collect();
            let classes: Vec<u32> = classes.into_iter().collect();
            let centre = |class: u32| -> Vec<f64> {
                let of_class: Vec<&Vec<f64>> = world.items.iter().zip(&world.item_labels)
                    .filter(|(_, label)| **label == class).map(|(item, _)| item).collect();
                let dim = world.items[0].len();
                (0..dim).map(|j| f64::from((of_class.iter().map(|x| x[j]).sum::<f64>() / of_class.len() as f64) as f32)).collect()
            };
            let (got_positive, got) = pairs(&miner, batch, 1);
            for a in 0..world.rows.len() {
                let d = |class: &u32| metric_testkit::oracle::euclidean(&world.rows[a], &centre(*class));
                let mut others: Vec<u32> = classes.iter().copied().filter(|&c| c != world.row_labels[a]).collect();
                others.sort_by(|b, c| d(b).total_cmp(&d(c)));
                // Sums of squares below 2⁶ in at most 5 entries: classes whose distances differ by less than 16 ε of the
                // norms squared, here 100, may change places where the list is cut.
                let is_close = others.get(k).is_some_and(|c| d(c).powi(2) - d(&others[k - 1]).powi(2) < 1600.0 * f64::from(f32::EPSILON));
                if is_close {
                    continue;
                }
                others.truncate(k);
                let positives = world.positives(a);
                let mut negatives = world.negatives(a);
                negatives.retain(|&n| others.contains(&world.item_labels[n]));
                let of = |pairs: &Twos| -> Vec<usize> { pairs.iter().filter(|x| x.0 as usize == a).map(|x| x.1 as usize).collect() };
                if positives.is_empty() || negatives.is_empty() {
                    prop_assert!(of(&got).is_empty() && of(&got_positive).is_empty());
                } else {
                    prop_assert_eq!((of(&got_positive), of(&got)), (positives, negatives));
                }
            }
            Ok(())
        })?;
    }

    #[test]
    fn random_triplets_are_of_the_batch_and_in_order(input in inputs(20), seed in 0..9u64) {
        with_world(&input, |world, batch| {
            for (name, miner) in random_triplet_miners() {
                let got = triplets(miner.as_ref(), batch, seed);
                prop_assert!(got.is_sorted(), "{}", name);
                for &(a, p, n) in &got {
                    prop_assert_eq!(world.kinds[a as usize][p as usize], Kind::Positive, "{}", name);
                    prop_assert_eq!(world.kinds[a as usize][n as usize], Kind::Negative, "{}", name);
                }
            }
            for (name, miner) in random_pair_miners() {
                let (positive, negative) = pairs(miner.as_ref(), batch, seed);
                let all = (narrow2(world.all(Kind::Positive)), narrow2(world.all(Kind::Negative)));
                prop_assert!(positive.iter().all(|x| all.0.contains(x)), "{}", name);
                prop_assert!(negative.iter().all(|x| all.1.contains(x)), "{}", name);
            }
            Ok(())
        })?;
    }

    #[test]
    fn distance_weighting_serves_every_anchor_with_each_of_its_positives(input in inputs(20), seed in 0..9u64) {
        with_world(&input, |world, batch| {
            let mut want = Twos::new();
            for a in 0..world.rows.len() {
                if world.negatives(a).iter().any(|&n| world.d(a, n) < 1.4) {
                    want.extend(narrow2(world.positives(a).into_iter().map(|p| (a, p))));
                }
            }
            let got = triplets(&DistanceWeighted::new(), batch, seed);
            prop_assert!(got.iter().all(|&(a, _, n)| world.d(a as usize, n as usize) < 1.4));
            let got: Twos = got.into_iter().map(|(a, p, _)| (a, p)).collect();
            prop_assert_eq!(got, want);
            Ok(())
        })?;
    }

    #[test]
    fn a_cap_keeps_so_many_of_each_anchor(input in inputs(16), k in 1..6usize) {
        with_world(&input, |world, batch| {
            let all = all_triplets(world, |_, _, _| true);
            let got = triplets(&Capped::new(AllTriplets, k).unwrap(), batch, 5);
            prop_assert!(got.is_sorted_by(|x, y| x < y) && got.iter().all(|t| all.contains(t)));
            let (positive, negative) = pairs(&Capped::new(AllPairs, k).unwrap(), batch, 5);
            for a in 0..world.rows.len() {
                let count = |tuples: &Triples| tuples.iter().filter(|t| t.0 as usize == a).count();
                prop_assert_eq!(count(&got), count(&all).min(k));
                let count = |pairs: &Twos| pairs.iter().filter(|x| x.0 as usize == a).count();
                prop_assert_eq!(count(&positive), world.positives(a).len().min(k));
                prop_assert_eq!(count(&negative), world.negatives(a).len().min(k));
            }
            Ok(())
        })?;
    }

    #[test]
    fn pairs_become_the_triplets_that_share_an_anchor_and_back(
        positive in proptest::collection::vec((0..6u32, 0..6u32), 0..20),
        negative in proptest::collection::vec((0..6u32, 0..6u32), 0..20),
    ) {
        let pairs = Pairs {
            positive: positive.iter().copied().collect(),
            negative: negative.iter().copied().collect(),
        };
        let mut want = BTreeSet::new();
        for &(a, p) in &positive {
            want.extend(negative.iter().filter(|x| x.0 == a).map(|&(_, n)| (a, p, n)));
        }
        let triplets = pairs.to_triplets();
        prop_assert!(triplets.iter().eq(want.iter().copied()));
        let back = triplets.to_pairs();
        let distinct = |pairs: &[(u32, u32)], others: &[(u32, u32)]| -> Vec<(u32, u32)> {
            let kept = pairs.iter().filter(|x| others.iter().any(|y| x.0 == y.0)).copied();
            BTreeSet::from_iter(kept).into_iter().collect()
        };
        prop_assert_eq!(back.positive.iter().collect::<Vec<_>>(), distinct(&positive, &negative));
        prop_assert_eq!(back.negative.iter().collect::<Vec<_>>(), distinct(&negative, &positive));
    }

    #[test]
    fn miners_among_all_pairs_find_what_they_find_without_candidates(input in inputs(16)) {
        with_world(&input, |_, batch| {
            let everything = AllPairs.mine(batch, &mut crate::common::generator(1)).unwrap();
            let among = batch.among(&everything).unwrap();
            for (name, miner) in fixed_pair_miners() {
                prop_assert_eq!(pairs(miner.as_ref(), &among, 1), pairs(miner.as_ref(), batch, 1), "{}", name);
            }
            for (name, miner) in crate::common::fixed_triplet_miners().into_iter().chain(random_triplet_miners()) {
                prop_assert_eq!(triplets(miner.as_ref(), &among, 1), triplets(miner.as_ref(), batch, 1), "{}", name);
            }
            Ok(())
        })?;
    }
}

/// Distances from 1e-18 to 1e18 among many positives, so that nearly all fall together; many are equal.
#[test]
fn semi_hard_finds_the_nearest_behind_at_any_spread_of_distances() {
    use rand::RngExt;
    let mut rng = crate::common::generator(71);
    let mut triplets_found = 0;
    for (n, spread) in [(150, 18.0f64), (150, 3.0), (400, 0.0), (97, 1.0)] {
        let rows = ndarray::Array2::from_shape_simple_fn((n, 1), || {
            let exponent = (rng.random_range(-1.0..1.0) * spread).round();
            (f64::from(rng.random_range(-9..9)) * 10f64.powf(exponent)) as f32
        });
        let labels: Vec<u32> = (0..n).map(|_| rng.random_range(0..3)).collect();
        let batch = Batch::new(rows.view(), Relevance::labels(&labels)).unwrap();
        let want = batch.each_anchor(&metric_core::Euclidean, |anchor| {
            let positives = anchor.positives().iter();
            let with_nearest = positives.filter_map(|p| {
                let mut nearest: Option<metric_sampling::Partner> = None;
                for n in anchor.negatives().filter(|n| n.distance > p.distance) {
                    if nearest.is_none_or(|best| n.distance < best.distance) {
                        nearest = Some(n);
                    }
                }
                Some((anchor.index(), p.index, nearest?.index))
            });
            with_nearest.collect::<Triples>()
        });
        let want: Triples = want.unwrap().concat();
        let got = triplets(&SemiHard::new(1e30).unwrap(), &batch, 1);
        triplets_found += got.len();
        assert_eq!(got, want);
    }
    assert!(triplets_found > 10_000);
}

#[test]
fn miners_of_one_kind_serve_as_the_other() {
    let rows = array![[0.0f32], [1.0], [3.0], [7.0]];
    let batch = Batch::new(rows.view(), Relevance::labels(&[0, 0, 1, 1])).unwrap();
    let hard = AsPairs(BatchHard::new());
    let as_pairs = (
        vec![(0, 1), (1, 0), (2, 3), (3, 2)],
        vec![(0, 2), (1, 2), (2, 1), (3, 1)],
    );
    assert_eq!(pairs(&hard, &batch, 1), as_pairs);
    let again = triplets(&AsTriplets(hard), &batch, 1);
    assert_eq!(again, triplets(&BatchHard::new(), &batch, 1));
}

#[test]
fn a_cascade_narrows_stage_by_stage() {
    let rows = array![[0.0f32], [1.0], [3.0], [7.0]];
    let batch = Batch::new(rows.view(), Relevance::labels(&[0, 0, 1, 1])).unwrap();
    let half = Hdc::new(0.5).unwrap();
    let first = half.mine(&batch, &mut crate::common::generator(1)).unwrap();
    let among = batch.among(&first).unwrap();
    let (positive, negative) = pairs(&half, &among, 1);
    // Of the positives 4 apart the first, of the negatives 2, 2, 3 and 3 apart the two nearest.
    assert_eq!((positive, negative), (vec![(2, 3)], vec![(1, 2), (2, 1)]));
}

#[test]
fn candidates_that_the_batch_does_not_have_are_refused() {
    let rows = array![[0.0f32], [1.0], [3.0]];
    let batch = Batch::new(rows.view(), Relevance::labels(&[0, 0, 1])).unwrap();
    let refused = |positive: &[(u32, u32)], negative: &[(u32, u32)]| {
        let pairs = Pairs {
            positive: PositivePairs::from_iter(positive.iter().copied()),
            negative: NegativePairs::from_iter(negative.iter().copied()),
        };
        batch.among(&pairs).map(|_| ())
    };
    let unknown = |side, index| {
        Err(MiningError::UnknownItem {
            side,
            index,
            count: 3,
        })
    };
    assert_eq!(refused(&[(3, 0)], &[]), unknown("anchors", 3));
    assert_eq!(refused(&[], &[(0, 4)]), unknown("others", 4));
    let (anchor, other) = (1, 2);
    assert_eq!(
        refused(&[(0, 1), (1, 2)], &[(1, 0), (1, 2)]),
        Err(MiningError::TwoKinds { anchor, other })
    );
    // A row with itself is passed over, even on both sides; so is what comes twice.
    assert_eq!(refused(&[(0, 0), (0, 1), (0, 1)], &[(0, 0)]), Ok(()));
}

#[test]
fn a_switch_needs_rows_that_are_their_own_reference() {
    let rows = array![[0.0f32], [1.0], [3.0]];
    let relevance = Relevance::labels(&[0, 0, 1]);
    let batch = Batch::against(rows.view(), rows.view(), relevance).unwrap();
    let refused = crate::common::rho_switch().mine(&batch, &mut crate::common::generator(1));
    assert_eq!(
        refused,
        Err(MiningError::NeedsOwnReference {
            miner: "rho switch"
        })
    );
    let own = Batch::new(rows.view(), relevance).unwrap();
    let never = RhoSwitch::new(BatchHard::new(), 0.0).unwrap();
    assert_eq!(
        triplets(&never, &own, 1),
        triplets(&BatchHard::new(), &own, 1)
    );
}

#[test]
fn parameters_out_of_range_are_refused_by_name() {
    let name = |refusal: MiningError| match refusal {
        MiningError::InvalidParam { name, .. } | MiningError::EmptyRange { name, .. } => name,
        other => panic!("{other}"),
    };
    let weighted = DistanceWeighted::new();
    let easy_hard = BatchEasyHard::default();
    for bad in [-0.1, f64::NAN, f64::INFINITY] {
        assert_eq!(
            name(PairMargin::new(bad, 0.8).unwrap_err()),
            "positive_margin"
        );
        assert_eq!(
            name(PairMargin::new(0.2, bad).unwrap_err()),
            "negative_margin"
        );
        assert_eq!(name(MultiSimilarityMiner::new(bad).unwrap_err()), "epsilon");
        assert_eq!(name(AngularMiner::new(bad).unwrap_err()), "angle");
        assert_eq!(name(Hdc::new(bad).unwrap_err()), "share");
        assert_eq!(
            name(RhoSwitch::new(BatchHard::new(), bad).unwrap_err()),
            "probability"
        );
        assert_eq!(name(weighted.with_cutoffs(bad, 1.4).unwrap_err()), "cutoff");
        assert_eq!(
            name(weighted.with_cutoffs(0.5, bad).unwrap_err()),
            "nonzero_loss_cutoff"
        );
        assert_eq!(name(weighted.with_dimension(bad).unwrap_err()), "dimension");
    }
    assert_eq!(
        name(weighted.with_cutoffs(0.5, 2.1).unwrap_err()),
        "nonzero_loss_cutoff"
    );
    assert_eq!(name(weighted.with_per_anchor(0).unwrap_err()), "per_anchor");
    assert_eq!(name(HardestNegatives::new(0).unwrap_err()), "k");
    assert_eq!(name(Capped::new(AllPairs, 0).unwrap_err()), "k");
    assert_eq!(name(HardClusters::new(0).unwrap_err()), "classes");
    assert_eq!(name(UniformHistogram::new(0, 1, 1).unwrap_err()), "bins");
    let reversed = 1.0..=0.5;
    let refused = easy_hard.clone().with_allowed_positives(reversed.clone());
    assert_eq!(name(refused.unwrap_err()), "allowed_positives");
    assert_eq!(
        name(
            easy_hard
                .clone()
                .with_allowed_negatives(reversed)
                .unwrap_err()
        ),
        "allowed_negatives"
    );
    let not_a_number = f64::NAN..=1.0;
    assert_eq!(
        name(easy_hard.with_allowed_negatives(not_a_number).unwrap_err()),
        "allowed_negatives"
    );
    for (positive, negative) in [
        (Choice::SemiHard, Choice::SemiHard),
        (Choice::SemiHard, Choice::All),
        (Choice::All, Choice::SemiHard),
    ] {
        let refused = BatchEasyHard::new(positive, negative);
        assert_eq!(refused.unwrap_err(), MiningError::SemiHardNeedsOne);
    }
    assert_eq!(Triplets::default().to_pairs(), Pairs::default());
}
