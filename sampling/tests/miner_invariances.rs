//! What must not change what miners find: order, threads; and rows that are hard on numbers.

#![allow(clippy::unwrap_used, reason = "tests: panics are failures")]

use std::collections::BTreeSet;

use metric_core::Relevance;
use metric_sampling::Batch;
use ndarray::{Array2, Axis};
use rand::seq::SliceRandom;

use crate::common::{
    fixed_pair_miners, fixed_triplet_miners, generator, hard_clusters, pairs, random_pair_miners,
    random_triplet_miners, rho_switch, sphere, triplets,
};

fn permuted(rows: &Array2<f32>, labels: &[u32], seed: u64) -> (Array2<f32>, Vec<u32>, Vec<usize>) {
    let mut order: Vec<usize> = (0..labels.len()).collect();
    order.shuffle(&mut generator(seed));
    let labels = order.iter().map(|&i| labels[i]).collect();
    (rows.select(Axis(0), &order), labels, order)
}

/// Random rows: no two distances are equal, and none is close to a threshold, so rounding, which does depend on the order,
/// decides nothing.
#[test]
fn a_permutation_of_the_rows_permutes_the_tuples() {
    let rows = sphere(60, 6, 1);
    let labels: Vec<u32> = (0..60).map(|i| i % 7).collect();
    let batch = Batch::new(rows.view(), Relevance::labels(&labels)).unwrap();
    let (other_rows, other_labels, order) = permuted(&rows, &labels, 2);
    let other = Batch::new(other_rows.view(), Relevance::labels(&other_labels)).unwrap();
    let place = |i: u32| order[i as usize] as u32;
    for (name, miner) in fixed_triplet_miners() {
        let want: BTreeSet<_> = triplets(miner.as_ref(), &batch, 3).into_iter().collect();
        let got = triplets(miner.as_ref(), &other, 3).into_iter();
        let got: BTreeSet<_> = got
            .map(|(a, p, n)| (place(a), place(p), place(n)))
            .collect();
        assert!(!want.is_empty() && got == want, "{name}");
    }
    for (name, miner) in fixed_pair_miners().into_iter().chain([hard_clusters()]) {
        let set = |pairs: crate::common::Twos| -> BTreeSet<_> { pairs.into_iter().collect() };
        let back = |pairs: crate::common::Twos| -> BTreeSet<_> {
            pairs
                .into_iter()
                .map(|(a, b)| (place(a), place(b)))
                .collect()
        };
        let (positive, negative) = pairs(miner.as_ref(), &batch, 3);
        let got = pairs(miner.as_ref(), &other, 3);
        assert!(!negative.is_empty(), "{name}");
        assert_eq!(back(got.0), set(positive), "{name}");
        assert_eq!(back(got.1), set(negative), "{name}");
    }
}

#[test]
fn the_number_of_threads_changes_no_tuple() {
    let rows = sphere(211, 12, 4);
    let labels: Vec<u32> = (0..211).map(|i| i % 19).collect();
    let (x, y) = rows.view().split_at(Axis(0), 150);
    let own = Batch::new(rows.view(), Relevance::labels(&labels)).unwrap();
    let against = Relevance::labels_against(&labels[..150], &labels[150..]);
    let against = Batch::against(x, y, against).unwrap();
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().unwrap().install(|| {
            let mut found = (Vec::new(), Vec::new());
            for batch in [&own, &against] {
                for (_, miner) in fixed_triplet_miners()
                    .into_iter()
                    .chain(random_triplet_miners())
                {
                    found.0.push(triplets(miner.as_ref(), batch, 5));
                }
                let all = fixed_pair_miners().into_iter().chain(random_pair_miners());
                for (_, miner) in all.chain([hard_clusters()]) {
                    found.1.push(pairs(miner.as_ref(), batch, 5));
                }
            }
            found.0.push(triplets(&rho_switch(), &own, 5));
            found
        })
    };
    let one = on(1);
    assert!(
        one.0
            .iter()
            .all(|triplets| triplets.is_sorted() && !triplets.is_empty())
    );
    for threads in [2, 5] {
        assert!(on(threads) == one, "{threads} threads");
    }
}

#[test]
fn miners_that_draw_draw_again_and_others_leave_the_generator_alone() {
    let rows = sphere(40, 8, 6);
    let labels: Vec<u32> = (0..40).map(|i| i % 5).collect();
    let batch = Batch::new(rows.view(), Relevance::labels(&labels)).unwrap();
    for (name, miner) in random_triplet_miners() {
        let mut rng = generator(7);
        let first = miner.mine(&batch, &mut rng).unwrap();
        assert!(miner.mine(&batch, &mut rng).unwrap() != first, "{name}");
    }
    for (name, miner) in random_pair_miners() {
        let mut rng = generator(7);
        let first = miner.mine(&batch, &mut rng).unwrap();
        assert!(miner.mine(&batch, &mut rng).unwrap() != first, "{name}");
    }
    let mut rng = generator(7);
    for (_, miner) in fixed_triplet_miners() {
        miner.mine(&batch, &mut rng).unwrap();
    }
    for (_, miner) in fixed_pair_miners() {
        miner.mine(&batch, &mut rng).unwrap();
    }
    assert!(rng == generator(7));
}

/// Every tuple is of the batch, and every miner that promises something of any batch keeps it.
fn assert_sound(rows: &Array2<f32>, labels: &[u32], what: &str) {
    let batch = Batch::new(rows.view(), Relevance::labels(labels)).unwrap();
    let same = |a: u32, b: u32| labels[a as usize] == labels[b as usize];
    let has_both = |a: u32| {
        let positives = labels.iter().filter(|&&l| l == labels[a as usize]).count() - 1;
        positives > 0 && positives + 1 < labels.len()
    };
    let served = (0..labels.len() as u32).filter(|&a| has_both(a));
    let served: BTreeSet<u32> = served.collect();
    for (name, miner) in fixed_triplet_miners()
        .into_iter()
        .chain(random_triplet_miners())
    {
        let found = triplets(miner.as_ref(), &batch, 8);
        let is_sound = |&(a, p, n): &(u32, u32, u32)| a != p && same(a, p) && !same(a, n);
        assert!(found.iter().all(is_sound), "{name}: {what}");
        if [
            "all triplets",
            "batch hard",
            "random",
            "soft-hard",
            "capped",
        ]
        .contains(&name)
        {
            let anchors: BTreeSet<u32> = found.iter().map(|t| t.0).collect();
            assert_eq!(anchors, served, "{name}: {what}");
        }
    }
    let miners = fixed_pair_miners().into_iter().chain(random_pair_miners());
    for (name, miner) in miners.chain([hard_clusters()]) {
        let (positive, negative) = pairs(miner.as_ref(), &batch, 8);
        assert!(
            positive.iter().all(|&(a, p)| a != p && same(a, p)),
            "{name}: {what}"
        );
        assert!(negative.iter().all(|&(a, n)| !same(a, n)), "{name}: {what}");
        if ["all pairs", "hdc", "histogram", "capped"].contains(&name) {
            let distinct: BTreeSet<&u32> = labels.iter().collect();
            assert_eq!(
                positive.is_empty(),
                distinct.len() == labels.len(),
                "{name}: {what}"
            );
            assert_eq!(negative.is_empty(), distinct.len() == 1, "{name}: {what}");
        }
    }
    triplets(&rho_switch(), &batch, 8);
}

#[test]
fn rows_that_are_hard_on_numbers_give_sound_tuples() {
    let unit = sphere(24, 5, 9);
    let labelings: [(&str, Vec<u32>); 3] = [
        ("classes", (0..24).map(|i| i % 4).collect()),
        ("one class", vec![7; 24]),
        ("all distinct", (0..24).collect()),
    ];
    for (labels_are, labels) in &labelings {
        for scale in [1.0, 1e18, 1e-18, 1e38, 1e-38] {
            let rows = &unit * scale;
            assert_sound(&rows, labels, &format!("{labels_are} at {scale}"));
        }
        assert_sound(
            &Array2::ones((24, 5)),
            labels,
            &format!("{labels_are}, all rows one"),
        );
        assert_sound(
            &Array2::zeros((24, 5)),
            labels,
            &format!("{labels_are}, all rows zero"),
        );
        let mut mixed = unit.clone();
        mixed.row_mut(0).fill(1e18);
        mixed.row_mut(1).fill(1e-18);
        mixed.row_mut(2).fill(0.0);
        let near = mixed.row(5).to_owned();
        mixed.row_mut(4).assign(&near);
        assert_sound(&mixed, labels, &format!("{labels_are}, mixed"));
    }
    assert_sound(&sphere(1, 3, 1), &[0], "one row");
    assert_sound(&sphere(2, 3, 1), &[0, 1], "two rows");
}
