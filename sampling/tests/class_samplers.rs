//! Promises of the samplers that choose which classes meet.

#![allow(clippy::unwrap_used, reason = "tests: panics are failures")]

use std::collections::{BTreeMap, BTreeSet};

use metric_core::Error;
use metric_sampling::{
    BatchSampler, BatchStream, CategorySampler, ClassBalancedSampler, ClassShares, CoresetSampler,
    DistanceHistogram, DistanceMatchingSampler, EpochStream, HardClassSampler, HierarchicalSampler,
    PkSampler, SamplerError, Sharded, Share, StreamState, UniformSampler, k_center_greedy,
    match_distances,
};
use metric_testkit::chance::assert_follows;
use ndarray::{Array2, Axis, array};
use proptest::prelude::*;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn seeded(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// Labels of 4 to 9 classes, some much larger than others, in no order.
fn imbalanced_labels() -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(prop_oneof![3 => 1..6usize, 1 => 10..30usize], 4..10).prop_flat_map(
        |sizes| {
            let labels = (0..)
                .zip(sizes)
                .flat_map(|(label, size)| vec![label * 7; size])
                .collect::<Vec<u32>>();
            Just(labels).prop_shuffle()
        },
    )
}

/// Rows around a centre for each label.
fn embedded(labels: &[u32], dim: usize, seed: u64) -> Array2<f32> {
    let mut rng = seeded(seed);
    let mut centres: BTreeMap<u32, Vec<f32>> = BTreeMap::new();
    let mut rows = Array2::zeros((labels.len(), dim));
    for (mut row, &label) in rows.outer_iter_mut().zip(labels) {
        let centre = centres
            .entry(label)
            .or_insert_with(|| (0..dim).map(|_| rng.random::<f32>() * 10.0).collect());
        for (value, centre) in row.iter_mut().zip(centre) {
            *value = *centre + rng.random::<f32>();
        }
    }
    rows
}

/// A sampler for each kind, all over the same examples, with the numbers of classes and examples a batch must have.
fn each_kind(labels: &[u32], p: usize, k: usize) -> Vec<(&'static str, Box<dyn BatchSampler>)> {
    let rows = embedded(labels, 3, 9);
    let target = DistanceHistogram::new(rows.view(), 8).unwrap();
    let above: Vec<u32> = labels.iter().map(|label| label / 14).collect();
    let across: Vec<u32> = (0..labels.len() as u32)
        .map(|example| example % 3)
        .collect();
    let pool = p + 2;
    vec![
        ("pk", Box::new(PkSampler::new(labels, p, k).unwrap())),
        (
            "balanced",
            Box::new(ClassBalancedSampler::new(labels, p * k, 7, ClassShares::Power(0.5)).unwrap()),
        ),
        (
            "hierarchical",
            Box::new(HierarchicalSampler::new(labels, &above, 2, 1, k).unwrap()),
        ),
        (
            "category",
            Box::new(CategorySampler::new(labels, &across, 2, 2, k).unwrap()),
        ),
        (
            "hard class",
            Box::new(HardClassSampler::new(labels, p, k, rows.view()).unwrap()),
        ),
        (
            "core-set",
            Box::new(CoresetSampler::new(labels, rows.view(), p, k, pool).unwrap()),
        ),
        (
            "distances",
            Box::new(
                DistanceMatchingSampler::new(labels, rows.view(), target, p, k, pool).unwrap(),
            ),
        ),
    ]
}

/// Every batch has these many classes with `k` examples each, distinct where the class has as many.
fn exact(epoch: &[Vec<usize>], labels: &[u32], p: usize, k: usize) -> Result<(), TestCaseError> {
    for batch in epoch {
        let mut members: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for &example in batch {
            members.entry(labels[example]).or_default().push(example);
        }
        prop_assert_eq!(members.len(), p);
        for (label, examples) in members {
            prop_assert_eq!(examples.len(), k);
            let size = labels.iter().filter(|&&other| other == label).count();
            let distinct: BTreeSet<usize> = examples.into_iter().collect();
            prop_assert_eq!(distinct.len(), k.min(size));
        }
    }
    Ok(())
}

fn covers_all(epoch: &[Vec<usize>], examples: usize) -> bool {
    let seen: BTreeSet<usize> = epoch.iter().flatten().copied().collect();
    seen.into_iter().eq(0..examples)
}

/// A boxed sampler is one as well.
struct Boxed<'a>(&'a dyn BatchSampler);

impl BatchSampler for Boxed<'_> {
    fn epoch(&self, rng: &mut dyn Rng) -> Vec<Vec<usize>> {
        self.0.epoch(rng)
    }
    fn batches_per_epoch(&self) -> usize {
        self.0.batches_per_epoch()
    }
    fn examples(&self) -> usize {
        self.0.examples()
    }
    fn smallest_batch(&self) -> usize {
        self.0.smallest_batch()
    }
}

proptest! {
    #[test]
    fn every_kind_keeps_the_promises_of_the_trait(
        labels in imbalanced_labels(), p in 2..4usize, k in 1..5usize, seed: u64,
    ) {
        for (name, sampler) in each_kind(&labels, p, k) {
            prop_assert_eq!(sampler.examples(), labels.len(), "{}", name);
            let epoch = sampler.epoch(&mut seeded(seed));
            prop_assert_eq!(epoch.len(), sampler.batches_per_epoch(), "{}", name);
            let smallest = epoch.iter().map(Vec::len).min().unwrap();
            prop_assert_eq!(smallest, sampler.smallest_batch(), "{}", name);
            prop_assert!(epoch.iter().flatten().all(|&example| example < labels.len()));
            if !["balanced", "core-set", "distances"].contains(&name) {
                prop_assert!(covers_all(&epoch, labels.len()), "{}", name);
            }
            if !["balanced", "hierarchical", "category"].contains(&name) {
                exact(&epoch, &labels, p, k)?;
            }
        }
    }

    #[test]
    fn every_kind_stored_anywhere_goes_on_as_if_never_stopped(
        labels in imbalanced_labels(), seed: u64, stop in 0..30usize,
    ) {
        for (name, sampler) in each_kind(&labels, 2, 3) {
            let mut rng = seeded(seed);
            let mut stream = EpochStream::new(Boxed(&*sampler));
            for _ in 0..stop {
                stream.next_batch(&mut rng);
            }
            let stored = serde_json::to_string(&(stream.state(), &rng)).unwrap();
            let mut next = |_| stream.next_batch(&mut rng);
            let want: Vec<Vec<usize>> = (0..40).map(&mut next).collect();
            let (state, mut rng): (StreamState, ChaCha8Rng) = serde_json::from_str(&stored).unwrap();
            let mut resumed = EpochStream::restore(Boxed(&*sampler), state).unwrap();
            let got: Vec<Vec<usize>> = (0..40).map(|_| resumed.next_batch(&mut rng)).collect();
            prop_assert_eq!(got, want, "{}", name);
        }
    }

    #[test]
    fn shares_of_all_ranks_are_the_whole_epoch_and_nothing_twice(
        labels in imbalanced_labels(), k in 1..4usize, ranks in 1..7usize, seed: u64,
    ) {
        for (name, sampler) in each_kind(&labels, 2, k) {
            for share in [Share::PartOfEach, Share::WholeBatches] {
                let shard = |rank| Sharded::new(Boxed(&*sampler), rank, ranks, share);
                if shard(0).is_err() {
                    let smallest = sampler.smallest_batch();
                    let joined = match share {
                        Share::PartOfEach => 1,
                        Share::WholeBatches => sampler.batches_per_epoch() % ranks,
                    };
                    prop_assert!(smallest * joined < ranks);
                    continue;
                }
                let shards: Vec<_> = (0..ranks).map(|rank| shard(rank).unwrap()).collect();
                let epochs: Vec<Vec<Vec<usize>>> =
                    shards.iter().map(|shard| shard.epoch(&mut seeded(seed))).collect();
                let whole = sampler.epoch(&mut seeded(seed));
                for (shard, epoch) in shards.iter().zip(&epochs) {
                    prop_assert_eq!(epoch.len(), shard.batches_per_epoch(), "{}", name);
                    let smallest = epoch.iter().map(Vec::len).min().unwrap();
                    prop_assert!(smallest >= shard.smallest_batch() && smallest > 0);
                }
                // Side by side, step by step, the shares are the batches themselves.
                let steps = (0..epochs[0].len()).flat_map(|step| epochs.iter().map(move |e| &e[step]));
                prop_assert!(steps.flatten().eq(whole.iter().flatten()), "{}", name);
            }
        }
    }

    #[test]
    fn a_batch_has_its_super_classes_and_their_classes_exactly(
        sizes in prop::collection::vec(prop::collection::vec(1..12usize, 3..6), 2..6),
        s in 1..3usize, c in 1..4usize, k in 1..5usize, seed: u64,
    ) {
        let (mut classes, mut above) = (Vec::new(), Vec::new());
        for (group, sizes) in sizes.iter().enumerate() {
            for (class, &size) in sizes.iter().enumerate() {
                classes.extend(vec![(group * 10 + class) as u32; size]);
                above.extend(vec![group as u32 * 3; size]);
            }
        }
        let sampler = HierarchicalSampler::new(&classes, &above, s, c, k).unwrap();
        let epoch = sampler.epoch(&mut seeded(seed));
        exact(&epoch, &classes, s * c, k)?;
        prop_assert!(covers_all(&epoch, classes.len()));
        for batch in &epoch {
            for (at, &example) in batch.iter().enumerate() {
                // Those of a super-class stand together, and those of a class within it.
                prop_assert_eq!(above[example], above[batch[at / (c * k) * c * k]]);
                prop_assert_eq!(classes[example], classes[batch[at / k * k]]);
            }
            let groups: BTreeSet<u32> = batch.iter().map(|&example| above[example]).collect();
            prop_assert_eq!(groups.len(), s);
        }
        let blocks = |sizes: &Vec<usize>| {
            let groups = sizes.iter().map(|size| size.div_ceil(k));
            groups.clone().max().unwrap().max(groups.sum::<usize>().div_ceil(c))
        };
        let blocks = sizes.iter().map(blocks);
        let least = blocks.clone().max().unwrap().max(blocks.sum::<usize>().div_ceil(s));
        prop_assert_eq!(epoch.len(), least);
    }

    #[test]
    fn a_batch_keeps_to_its_categories_where_they_are_large_enough(
        cells in prop::collection::vec((0..4u32, 0..6u32), 30..90),
        g in 1..3usize, c in 1..4usize, k in 1..4usize, seed: u64,
    ) {
        let (categories, classes): (Vec<u32>, Vec<u32>) = cells.iter().copied().unzip();
        let mut in_category: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        for &(category, class) in &cells {
            in_category.entry(category).or_default().insert(class);
        }
        let all: usize = in_category.values().map(BTreeSet::len).sum();
        prop_assume!(in_category.len() >= g && all >= g * c);
        let sampler = CategorySampler::new(&classes, &categories, g, c, k).unwrap();
        let epoch = sampler.epoch(&mut seeded(seed));
        prop_assert!(covers_all(&epoch, cells.len()));
        for batch in &epoch {
            prop_assert_eq!(batch.len(), g * c * k);
            let places: Vec<(u32, u32)> = batch.chunks(k).map(|group| cells[group[0]]).collect();
            for (group, &place) in batch.chunks(k).zip(&places) {
                prop_assert!(group.iter().all(|&example| cells[example] == place));
            }
            let distinct: BTreeSet<(u32, u32)> = places.iter().copied().collect();
            prop_assert_eq!(distinct.len(), g * c);
            let mut used: BTreeMap<u32, usize> = BTreeMap::new();
            for &(category, _) in &places {
                *used.entry(category).or_default() += 1;
            }
            // A category beyond the g, only once those of the batch have no class left to give.
            prop_assert!(used.len() >= g);
            if used.len() > g {
                let full = |(category, &n): (&u32, &usize)| n == in_category[category].len();
                prop_assert!(used.iter().filter(|&one| full(one)).count() >= g);
            }
        }
    }

    #[test]
    fn places_of_classes_are_their_shares_to_within_one(
        labels in imbalanced_labels(), batch_size in 1..20usize, batches in 1..20usize,
        alpha in -2.0..2.0f64, beta in 0.0..0.9999f64, effective: bool, seed: u64,
    ) {
        let shares = if effective { ClassShares::EffectiveNumber(beta) } else { ClassShares::Power(alpha) };
        let sampler = ClassBalancedSampler::new(&labels, batch_size, batches, shares).unwrap();
        let epoch = sampler.epoch(&mut seeded(seed));
        prop_assert!(epoch.iter().all(|batch| batch.len() == batch_size));
        let mut sizes: BTreeMap<u32, f64> = BTreeMap::new();
        labels.iter().for_each(|&label| *sizes.entry(label).or_default() += 1.0);
        let weight = |n: f64| if effective {
            n * (1.0 - beta) / (1.0 - beta.powf(n))
        } else {
            n.powf(alpha)
        };
        let sum: f64 = sizes.values().map(|&n| weight(n)).sum();
        let all = (batch_size * batches) as f64;
        for ((&label, &n), &places) in sizes.iter().zip(sampler.places()) {
            let want = all * weight(n) / sum;
            // Both sides are a few roundings of numbers up to 400, the oracle's 1 − βⁿ loses up to n / (1 − β) = 30 / 1e-4 of them.
            prop_assert!((places - want).abs() <= 1e-9, "{} against {}", places, want);
            let mut counts: BTreeMap<usize, usize> = (0..labels.len())
                .filter(|&example| labels[example] == label)
                .map(|example| (example, 0))
                .collect();
            for &example in epoch.iter().flatten().filter(|&&example| labels[example] == label) {
                *counts.get_mut(&example).unwrap() += 1;
            }
            let got = counts.values().sum::<usize>() as f64;
            prop_assert!((got - want).abs() < 1.0 + 1e-9, "{} places for {}", got, want);
            // The examples of a class take turns.
            let (least, most) = (counts.values().min().unwrap(), counts.values().max().unwrap());
            prop_assert!(most - least <= 1);
        }
    }

    #[test]
    fn k_centres_are_always_the_farthest_row(
        values in prop::collection::vec(-20..20i32, 4..40), chosen in prop::collection::vec(0..4usize, 0..3),
        n in 0..5usize, seed: u64,
    ) {
        let pool = Array2::from_shape_fn((values.len() / 2, 2), |(i, j)| values[2 * i + j] as f32);
        let rows = pool.nrows();
        let chosen: Vec<usize> = chosen.into_iter().map(|row| row % rows).collect();
        let given: BTreeSet<usize> = chosen.iter().copied().collect();
        let result = k_center_greedy(pool.view(), &chosen, n, &mut seeded(seed));
        if given.len() + n > rows {
            let needed = given.len() + n;
            prop_assert_eq!(result, Err(SamplerError::SmallPool { pool: rows, needed }));
            return Ok(());
        }
        let new = result.unwrap();
        prop_assert_eq!(new.len(), n);
        // Whole numbers: squares are exact, and the root keeps their order.
        let gap = |a: usize, b: usize| -> f32 {
            (&pool.row(a) - &pool.row(b)).iter().map(|d| d * d).sum()
        };
        let mut all: Vec<usize> = given.into_iter().collect();
        for row in new {
            prop_assert!(!all.contains(&row));
            if !all.is_empty() {
                let least = |row: usize| all.iter().map(|&one| gap(row, one)).fold(f32::INFINITY, f32::min);
                let farthest = (0..rows)
                    .filter(|row| !all.contains(row))
                    .min_by(|&a, &b| least(b).total_cmp(&least(a)).then(a.cmp(&b)));
                prop_assert_eq!(Some(row), farthest);
            }
            all.push(row);
        }
    }

    #[test]
    fn a_histogram_counts_all_pairs(values in prop::collection::vec(-50..50i32, 2..40), bins in 1..9usize) {
        let rows = Array2::from_shape_fn((values.len(), 1), |(i, _)| values[i] as f32);
        let histogram = DistanceHistogram::new(rows.view(), bins).unwrap();
        let upper = values.iter().max().unwrap() - values.iter().min().unwrap();
        prop_assert_eq!(f64::from(histogram.upper()).to_bits(), f64::from(upper).to_bits());
        let mut want = vec![0u64; bins];
        for (i, a) in values.iter().enumerate() {
            for b in &values[..i] {
                let distance = (a - b).unsigned_abs() as usize;
                let bin = if upper == 0 { 0 } else { distance * bins / upper as usize };
                want[bin.min(bins - 1)] += 1;
            }
        }
        // A quotient of whole numbers below 100 times a number below 9 is over a whole number exactly or by more than a
        // rounding; on a whole number, rounding may leave it below.
        let moved: u64 = want.iter().zip(histogram.counts()).map(|(&a, &b)| a.abs_diff(b)).sum();
        let edges = |i: usize, b: i32| {
            upper > 0 && ((values[i] - b).unsigned_abs() as usize * bins).is_multiple_of(upper as usize)
        };
        let on_edges = (0..values.len()).map(|i| values[..i].iter().filter(|&&b| edges(i, b)).count() as u64);
        prop_assert!(moved <= 2 * on_edges.sum::<u64>());
        prop_assert_eq!(histogram.counts().iter().sum::<u64>(), want.iter().sum::<u64>());
    }
}

#[test]
fn any_number_of_threads_gives_the_same_batches() {
    let labels: Vec<u32> = (0..300).map(|i| i * i % 23 / 2 * 7).collect();
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            let kinds = each_kind(&labels, 3, 4);
            let epochs = kinds
                .iter()
                .map(|(_, sampler)| sampler.epoch(&mut seeded(5)));
            epochs.collect::<Vec<_>>()
        })
    };
    let one = with(1);
    assert_eq!(one, with(2));
    assert_eq!(one, with(5));
}

#[test]
fn classes_come_with_their_shares() {
    let sizes = [1usize, 3, 10, 30, 100];
    let labels: Vec<u32> = (0..)
        .zip(sizes)
        .flat_map(|(label, n)| vec![label; n])
        .collect();
    for shares in [
        ClassShares::Power(0.0),
        ClassShares::Power(1.0),
        ClassShares::Power(0.5),
        ClassShares::EffectiveNumber(0.99),
    ] {
        let sampler = ClassBalancedSampler::new(&labels, 8, 3, shares).unwrap();
        let places = sampler.places();
        let all: f64 = places.iter().sum();
        // The first place of each of many epochs: independent draws from the shares, whatever is exact within an epoch.
        let mut rng = seeded(11);
        let mut counts = [0.0f64; 5];
        let epochs = 20_000;
        for _ in 0..epochs {
            counts[labels[sampler.epoch(&mut rng)[0][0]] as usize] += 1.0;
        }
        let shares: Vec<f64> = places.iter().map(|place| place / all).collect();
        assert_follows(&counts, &shares);
    }
}

#[test]
fn examples_of_a_class_come_equally_often() {
    let labels: Vec<u32> = (0..40).map(|i| u32::from(i >= 30)).collect();
    let sampler = ClassBalancedSampler::new(&labels, 4, 1, ClassShares::Power(0.0)).unwrap();
    let mut rng = seeded(100);
    let mut counts = [0.0f64; 30];
    for _ in 0..15_000 {
        for example in sampler.epoch(&mut rng).concat() {
            if example < 30 {
                counts[example] += 1.0;
            }
        }
    }
    // Two different ones of 30 in each epoch: the sum of squares is smaller than for independent draws, by (30 − 2) / 29.
    assert_follows(&counts, &[1.0 / 30.0; 30]);
}

#[test]
fn company_of_a_fresh_batch_is_uniform_over_super_classes() {
    // One super-class has six blocks, the three others one each: three batches draw their company among these.
    let above: Vec<u32> = (0..9).map(|i: u32| i.saturating_sub(5)).collect();
    let classes: Vec<u32> = above.iter().map(|&one| one * 10).collect();
    let sampler = HierarchicalSampler::new(&classes, &above, 2, 1, 1).unwrap();
    let mut rng = seeded(8);
    let mut counts = [0u32; 4];
    let epochs = 5000;
    for _ in 0..epochs {
        for example in sampler.epoch(&mut rng).concat() {
            counts[above[example] as usize] += 1;
        }
    }
    assert_eq!(counts[0], 6 * epochs);
    // Three independent draws an epoch, beside the one place that each has for certain.
    let drawn: Vec<f64> = counts[1..]
        .iter()
        .map(|&n| f64::from(n) - f64::from(epochs))
        .collect();
    assert_follows(&drawn, &[1.0 / 3.0; 3]);
}

/// Mean distance between the classes of the same batch.
fn spread(epoch: &[Vec<usize>], rows: &Array2<f32>, k: usize) -> f64 {
    let (mut sum, mut pairs) = (0.0, 0.0);
    for batch in epoch {
        for a in (0..batch.len()).step_by(k) {
            for b in (0..a).step_by(k) {
                let gap = &rows.row(batch[a]) - &rows.row(batch[b]);
                sum += f64::from(gap.dot(&gap)).sqrt();
                pairs += 1.0;
            }
        }
    }
    sum / pairs
}

#[test]
fn hard_classes_are_near_and_core_sets_far() {
    let labels: Vec<u32> = (0..1000).map(|i| i % 250).collect();
    let rows = embedded(&labels, 2, 4);
    let random = spread(
        &PkSampler::new(&labels, 5, 2).unwrap().epoch(&mut seeded(1)),
        &rows,
        2,
    );
    let hard = HardClassSampler::new(&labels, 5, 2, rows.view()).unwrap();
    let hard = spread(&hard.epoch(&mut seeded(1)), &rows, 2);
    let far = CoresetSampler::new(&labels, rows.view(), 5, 2, 40).unwrap();
    let far = spread(&far.epoch(&mut seeded(1)), &rows, 2);
    // Random classes lie 5 apart in a square of side 10; five of 250 neighbours cover a fiftieth of it, so about 1.
    assert!(hard < 0.4 * random, "{hard} against {random}");
    assert!(far > 1.2 * random, "{far} against {random}");
}

#[test]
fn the_first_seed_takes_its_nearest_classes() {
    let labels = [0, 1, 2, 3, 4, 5, 6];
    let prototypes = array![[0.0], [1.0], [3.0], [7.0], [15.0], [31.0], [63.0]];
    let sampler = HardClassSampler::with_prototypes(&labels, 3, 1, prototypes.view()).unwrap();
    assert_eq!(sampler.prototypes(), prototypes);
    let mut alone = BTreeSet::new();
    for seed in 0..50 {
        let epoch = sampler.epoch(&mut seeded(seed));
        assert_eq!(epoch.len(), 3);
        // The first batch of the epoch was drawn first or later, but some batch has its seed's nearest two of all.
        let nearest = |seed: usize| {
            let mut order: Vec<usize> = (0..7).filter(|&other| other != seed).collect();
            order.sort_by(|&a, &b| {
                let gap =
                    |other: usize| (prototypes[[other, 0]] - prototypes[[seed, 0]] as f32).abs();
                gap(a).total_cmp(&gap(b))
            });
            order[..2].to_vec()
        };
        assert!(epoch.iter().any(|batch| batch[1..] == nearest(batch[0])));
        alone.extend(epoch.iter().map(|batch| batch[0]));
    }
    assert_eq!(alone.len(), 7);
}

#[test]
fn those_left_over_do_not_always_come_last() {
    let labels = [0, 1, 2, 3, 4, 5, 6];
    let rows = embedded(&labels, 2, 1);
    let sampler = HardClassSampler::new(&labels, 3, 1, rows.view()).unwrap();
    let mut places = BTreeSet::new();
    for seed in 0..60 {
        let epoch = sampler.epoch(&mut seeded(seed));
        let again =
            |example: &usize| epoch.iter().flatten().filter(|&one| one == example).count() == 2;
        // One of seven is left over, and gets two of the others for company.
        let left = |batch: &Vec<usize>| !again(&batch[0]) && batch[1..].iter().all(again);
        let left: Vec<usize> = (0..3).filter(|&at| left(&epoch[at])).collect();
        // Both may come from one other batch, which then looks the same.
        if let [place] = left[..] {
            places.insert(place);
        }
    }
    assert_eq!(places, BTreeSet::from([0, 1, 2]));
}

#[test]
fn refreshed_prototypes_count_from_the_next_epoch() {
    let labels = [0, 1, 2, 3];
    let pairs = |stream: &mut EpochStream<HardClassSampler>, rng: &mut ChaCha8Rng| {
        let batches = (0..2).map(|_| {
            let mut batch = stream.next_batch(rng);
            batch.sort_unstable();
            batch
        });
        batches.collect::<BTreeSet<_>>()
    };
    let near = |a: [usize; 2], b: [usize; 2]| BTreeSet::from([a.to_vec(), b.to_vec()]);
    let mut rng = seeded(2);
    let first = array![[0.0], [1.0], [8.0], [9.0]];
    let sampler = HardClassSampler::new(&labels, 2, 1, first.view()).unwrap();
    let mut stream = EpochStream::new(sampler);
    assert_eq!(pairs(&mut stream, &mut rng), near([0, 1], [2, 3]));
    let second = first.select(Axis(0), &[0, 2, 1, 3]);
    stream.sampler_mut().refresh(second.view()).unwrap();
    assert_eq!(pairs(&mut stream, &mut rng), near([0, 2], [1, 3]));
    stream.sampler_mut().set_prototypes(first.view()).unwrap();
    assert_eq!(pairs(&mut stream, &mut rng), near([0, 1], [2, 3]));
}

#[test]
fn chosen_batches_match_the_distances_of_the_memory() {
    let labels: Vec<u32> = (0..600).map(|i| i % 150).collect();
    // A third of the classes lie in a dense corner: a random batch has too many of them, or too few.
    let mut rows = embedded(&labels, 3, 2);
    rows.outer_iter_mut().enumerate().for_each(|(at, mut row)| {
        if at % 150 < 50 {
            row *= 0.1;
        }
    });
    let target = DistanceHistogram::new(rows.view(), 32).unwrap();
    let off = |epoch: Vec<Vec<usize>>| {
        let each = epoch.iter().map(|batch| {
            target
                .wasserstein(rows.select(Axis(0), batch).view())
                .unwrap()
        });
        each.sum::<f64>() / epoch.len() as f64
    };
    let random = off(PkSampler::new(&labels, 10, 2)
        .unwrap()
        .epoch(&mut seeded(1)));
    let sampler = DistanceMatchingSampler::new(&labels, rows.view(), target.clone(), 10, 2, 60);
    let chosen = off(sampler.unwrap().epoch(&mut seeded(1)));
    assert!(chosen < 0.6 * random, "{chosen} against {random}");

    // From the same pool, a batch like a memory without the corner.
    let memory = embedded(&(0..300).collect::<Vec<u32>>(), 3, 1);
    let target = DistanceHistogram::new(memory.view(), 32).unwrap();
    let one = match_distances(rows.view(), &target, 20, &mut seeded(1)).unwrap();
    assert_eq!(one.iter().collect::<BTreeSet<_>>().len(), 20);
    let one = target
        .wasserstein(rows.select(Axis(0), &one).view())
        .unwrap();
    assert!(one < 0.2 * random, "{one} against {random}");
}

#[test]
fn each_row_added_is_the_best_one() {
    let rows = embedded(&(0..30).collect::<Vec<u32>>(), 2, 7);
    let target = DistanceHistogram::new(rows.view(), 6).unwrap();
    let chosen = match_distances(rows.view(), &target, 8, &mut seeded(4)).unwrap();
    for end in 1..chosen.len() {
        let cost = |next: usize| {
            let batch = [&chosen[..end], &[next]].concat();
            target
                .wasserstein(rows.select(Axis(0), &batch).view())
                .unwrap()
        };
        let rest = (0..30).filter(|row| !chosen[..end].contains(row));
        let best = rest.min_by(|&a, &b| cost(a).total_cmp(&cost(b)).then(a.cmp(&b)));
        assert_eq!(Some(chosen[end]), best);
    }
}

#[test]
fn extreme_rows_are_sampled_like_any_others() {
    let labels: Vec<u32> = (0..24).map(|i| i % 8).collect();
    for scale in [0.0f32, 1e-18, 1e18, 3e38] {
        let rows = embedded(&labels, 3, 9).mapv(|v| (v / 20.0) * scale);
        let target = DistanceHistogram::new(rows.view(), 5).unwrap();
        let hard = HardClassSampler::new(&labels, 3, 2, rows.view()).unwrap();
        assert!(covers_all(&hard.epoch(&mut seeded(1)), labels.len()));
        let kinds: Vec<Box<dyn BatchSampler>> = vec![
            Box::new(hard),
            Box::new(CoresetSampler::new(&labels, rows.view(), 3, 2, 6).unwrap()),
            Box::new(DistanceMatchingSampler::new(&labels, rows.view(), target, 3, 2, 6).unwrap()),
        ];
        for sampler in kinds {
            let epoch = sampler.epoch(&mut seeded(1));
            exact(&epoch, &labels, 3, 2).unwrap();
        }
        let centres = k_center_greedy(rows.view(), &[], 24, &mut seeded(1)).unwrap();
        assert_eq!(centres.into_iter().collect::<BTreeSet<_>>().len(), 24);
    }
}

#[test]
fn bad_input_is_refused_with_its_numbers() {
    let rows = array![[0.0f32], [1.0], [2.0]];
    let nan = array![[0.0f32], [f32::NAN], [2.0]];
    let labels = [0, 1, 2];
    let not_finite = SamplerError::Data(Error::NonFinite {
        what: "embeddings",
        row: 1,
        column: 0,
    });
    let zero = |name| SamplerError::Zero { name };

    let balanced = |labels: &[u32], size, batches, shares| {
        ClassBalancedSampler::new(labels, size, batches, shares).unwrap_err()
    };
    let equal = ClassShares::Power(0.0);
    assert_eq!(balanced(&labels, 0, 1, equal), zero("batch_size"));
    assert_eq!(balanced(&labels, 1, 0, equal), zero("batches"));
    assert_eq!(balanced(&[], 1, 1, equal), SamplerError::Empty);
    let one = SamplerError::TooFewClasses {
        classes: 1,
        needed: 2,
    };
    assert_eq!(balanced(&[3, 3], 1, 1, equal), one);
    for (shares, name) in [
        (ClassShares::Power(f64::NAN), "alpha"),
        (ClassShares::Power(1e9), "alpha"),
        (ClassShares::EffectiveNumber(1.0), "beta"),
        (ClassShares::EffectiveNumber(-0.1), "beta"),
    ] {
        let error = balanced(&labels, 1, 1, shares);
        assert!(matches!(error, SamplerError::InvalidParam { name: got, .. } if got == name));
    }

    let hierarchical = |classes: &[u32], above: &[u32], s, c| {
        HierarchicalSampler::new(classes, above, s, c, 1).unwrap_err()
    };
    assert_eq!(hierarchical(&labels, &[0, 0, 1], 0, 1), zero("s"));
    assert_eq!(hierarchical(&[], &[], 1, 1), SamplerError::Empty);
    let count = SamplerError::Count {
        what: "groups of examples",
        needed: 3,
        got: 2,
    };
    assert_eq!(hierarchical(&labels, &[0, 0], 1, 1), count);
    let split = SamplerError::SplitClass {
        class: 7,
        first: 0,
        second: 4,
    };
    assert_eq!(hierarchical(&[7, 8, 7], &[0, 0, 4], 1, 1), split);
    let small = SamplerError::SmallSuperClass {
        super_class: 4,
        classes: 1,
        needed: 2,
    };
    assert_eq!(hierarchical(&labels, &[0, 0, 4], 1, 2), small);
    let few = SamplerError::TooFewGroups {
        groups: 2,
        needed: 3,
    };
    assert_eq!(hierarchical(&labels, &[0, 0, 4], 3, 1), few);
    assert_eq!(hierarchical(&[5, 5], &[0, 0], 1, 1), one);

    let category = |classes: &[u32], categories: &[u32], g, c| {
        CategorySampler::new(classes, categories, g, c, 1).unwrap_err()
    };
    assert_eq!(category(&labels, &[0, 0, 1], 1, 0), zero("c"));
    assert_eq!(category(&labels, &[0, 0], 1, 1), count);
    assert_eq!(category(&labels, &[0, 0, 4], 3, 1), few);
    let classes = SamplerError::TooFewClasses {
        classes: 3,
        needed: 4,
    };
    assert_eq!(category(&labels, &[0, 0, 4], 2, 2), classes);

    let hard = |rows: &Array2<f32>| HardClassSampler::new(&labels, 2, 1, rows.view());
    assert_eq!(hard(&nan), Err(not_finite.clone()));
    let count = |what| SamplerError::Count {
        what,
        needed: 3,
        got: 2,
    };
    let two = rows.select(Axis(0), &[0, 1]);
    assert_eq!(hard(&two), Err(count("embeddings")));
    let given = HardClassSampler::with_prototypes(&labels, 2, 1, two.view());
    assert_eq!(given, Err(count("prototypes")));
    let mut sampler = hard(&rows).unwrap();
    let before = sampler.clone();
    assert!(sampler.refresh(nan.view()).is_err() && sampler.set_prototypes(two.view()).is_err());
    assert_eq!(sampler, before);
    let empty = SamplerError::Data(Error::Empty { what: "embeddings" });
    assert_eq!(hard(&Array2::zeros((3, 0))), Err(empty));

    let coreset = |rows: &Array2<f32>, pool| CoresetSampler::new(&labels, rows.view(), 2, 1, pool);
    assert_eq!(coreset(&rows, 0), Err(zero("pool")));
    assert_eq!(
        coreset(&rows, 1),
        Err(SamplerError::SmallPool { pool: 1, needed: 2 })
    );
    assert_eq!(coreset(&nan, 2), Err(not_finite.clone()));
    let target = DistanceHistogram::new(rows.view(), 4).unwrap();
    let matching = DistanceMatchingSampler::new(&labels, nan.view(), target.clone(), 2, 1, 2);
    assert_eq!(matching, Err(not_finite));
    assert_eq!(DistanceHistogram::new(rows.view(), 0), Err(zero("bins")));
    assert!(DistanceHistogram::new(nan.view(), 4).is_err());
    let alone = rows.select(Axis(0), &[0]);
    let small = SamplerError::SmallPool { pool: 1, needed: 2 };
    assert_eq!(DistanceHistogram::new(alone.view(), 4), Err(small.clone()));
    assert_eq!(target.wasserstein(alone.view()), Err(small));
    let pool = SamplerError::SmallPool { pool: 3, needed: 4 };
    assert_eq!(
        match_distances(rows.view(), &target, 4, &mut seeded(1)),
        Err(pool.clone())
    );
    assert_eq!(
        k_center_greedy(rows.view(), &[], 4, &mut seeded(1)),
        Err(pool)
    );
    let unknown = SamplerError::UnknownRow { row: 3, rows: 3 };
    assert_eq!(
        k_center_greedy(rows.view(), &[3], 1, &mut seeded(1)),
        Err(unknown)
    );

    let shard = |examples, rank, ranks, share| {
        Sharded::new(
            UniformSampler::new(examples, 4).unwrap(),
            rank,
            ranks,
            share,
        )
        .unwrap_err()
    };
    assert_eq!(shard(8, 0, 0, Share::PartOfEach), zero("ranks"));
    let unknown = SamplerError::UnknownRank { rank: 2, ranks: 2 };
    assert_eq!(shard(8, 2, 2, Share::PartOfEach), unknown);
    // The last batch has one example.
    let small = SamplerError::SmallShard {
        smallest: 1,
        needed: 2,
    };
    assert_eq!(shard(9, 0, 2, Share::PartOfEach), small);
    assert_eq!(shard(9, 0, 2, Share::WholeBatches), small);
}
