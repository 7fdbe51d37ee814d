//! Streamed losses against their plain definitions.
#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and some numbers are exact"
)]

mod bounds;
mod cases;
mod classes;
mod losses;

use std::cell::Cell;

use burn::tensor::{DType, Device, Tensor, TensorData};

use self::cases::{Case, Kind, by_definition, cases, norm, run};
use self::losses::{Forward, REDUCERS, losses};
use crate::*;

thread_local! {
    static DEFINITIONS: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread wants no loss streamed.
pub(super) fn wants_definitions() -> bool {
    DEFINITIONS.get()
}

fn assert_is_definition(name: &str, forward: &Forward, case: &Case) {
    let (value, gradient) = run(forward, case, DType::F64);
    let (want, wanted) = by_definition(forward, case, DType::F64);
    let at = format!("{name}, {}", case.name);
    assert!(
        (value - want).abs() <= 1e-9 * (1.0 + want.abs()),
        "{at}: {value}, {want}"
    );
    if case.name == "coincident" && name.contains("swap") {
        return; // of two equal distances either may be the smaller one
    }
    let size = norm(wanted.iter().copied());
    let off = norm(gradient.iter().zip(&wanted).map(|(a, b)| a - b));
    // Scalars of the plain definitions are rounded to single precision on their way back.
    assert!(
        off <= 1e-6 * (1e-3 + size),
        "{at}: gradient off by {off} of {size}"
    );
}

#[test]
fn streamed_losses_are_their_definitions() {
    for case in cases() {
        for (name, forward) in losses() {
            assert_is_definition(&name, &forward, &case);
        }
    }
}

fn called<'a>(names: &'a [&'a str]) -> impl Iterator<Item = (String, Forward)> + 'a {
    let is_one = move |name: &str| names.iter().any(|one| name.starts_with(one));
    losses().into_iter().filter(move |(name, _)| is_one(name))
}

/// Those whose gradients are found from both ends of a pair.
fn log_sum_exp_losses() -> impl Iterator<Item = (String, Forward)> {
    called(&[
        "NtXent",
        "SupCon",
        "Decoupled",
        "Nca",
        "SoftNearest",
        "MultiSim",
    ])
}

/// Those that look at all pairs from both ends before their gradients are found.
fn losses_of_two_parts() -> impl Iterator<Item = (String, Forward)> {
    called(&["Contrastive", "threshold", "intra", "histogram"])
}

/// Those of rows that have a partner each.
fn losses_of_partners() -> impl Iterator<Item = (String, Forward)> {
    called(&["CLIP", "InfoNce", "MultipleNegatives"])
}

#[test]
fn losses_of_two_parts_are_their_definitions_in_a_large_batch() {
    let mut found = 0;
    for (name, forward) in losses_of_two_parts() {
        assert_is_definition(&name, &forward, &Case::several_tiles());
        found += 1;
    }
    assert_eq!(found, 2 * 4 * 5 + 1 + 5 + 4);
}

/// Those that count quadruplets.
fn quadruplets() -> impl Iterator<Item = (String, Forward)> {
    called(&["Quadruplet"]).filter(|(name, _)| !name.contains("Threshold"))
}

/// Of rows that have one positive, since the definition takes long.
#[test]
fn quadruplets_are_their_definition_in_a_large_batch() {
    let large = Case::several_tiles();
    let rows = large.rows[..260 * large.dim].to_vec();
    let labels = (0..260).map(|i| i * i % 263).collect();
    let mut case = Case::of("a large batch", rows, labels);
    let mut found = 0;
    for kind in [Kind::Classes, Kind::Weighted] {
        case.kind = kind;
        for (name, forward) in quadruplets() {
            assert_is_definition(&name, &forward, &case);
            found += 1;
        }
    }
    assert_eq!(found, 2 * 4 * 4);
}

#[test]
fn losses_from_both_ends_of_pairs_are_their_definitions() {
    let case = Case::several_tiles();
    let mut found = 0;
    for (name, forward) in log_sum_exp_losses().chain(losses_of_partners()) {
        assert_is_definition(&name, &forward, &case);
        let (_, single) = run(&forward, &case, DType::F32);
        let (_, wanted) = by_definition(&forward, &case, DType::F64);
        let off = norm(single.iter().zip(&wanted).map(|(a, b)| a - b));
        let size = norm(wanted.into_iter());
        assert!(off <= 1e-5 * size, "{name}: {off} of {size} in f32");
        found += 1;
    }
    assert!(found >= 6 * 5 + 2 * 2 * 4 * 5, "{found}");
}

#[test]
fn rows_from_both_ends_may_weigh_nothing_and_less() {
    for least in [0.0, -0.5] {
        let case = Case::several_tiles();
        for (name, forward) in log_sum_exp_losses().filter(|(name, _)| name.ends_with("Mean")) {
            let weighted: Forward = Box::new(move |(x, labels), _| {
                let weights = (0..labels.len()).map(|i| (i % 4) as f64 * 0.5 + least);
                let weights = TensorData::new(weights.collect(), [labels.len()]);
                let weights = Tensor::from_data(weights, (&x.device(), DType::F64));
                forward((x, labels.with_weights(weights)), None)
            });
            assert_is_definition(&format!("{name}, {least}"), &weighted, &case);
        }
    }
}

/// A row far from all others and from its positive weighs `e²⁰⁰` as much as the rest, which have no common exponent with it.
#[test]
fn parts_of_rows_may_lie_too_far_apart_for_both_ends() {
    let (pairs, last) = (130, [-1.0, 0.0, 1.0, 0.0]);
    let near = (0..2 * pairs).flat_map(|i| [1.0, f64::from(i) * 1e-4]);
    let rows = near.chain(last).collect();
    let labels = (0..=i64::from(pairs)).flat_map(|label| [label; 2]);
    let case = Case::of("far apart", rows, labels.collect());
    let loss = NtXentLossConfig::new().with_temperature(0.01);
    let loss = loss.init(&Device::flex());
    let forward: Forward = Box::new(move |(x, labels), _| loss.forward(x, labels));
    assert_is_definition("NT-Xent", &forward, &case);
}

/// The sums of long rows are `e¹⁰⁰` times those of short ones.
#[test]
fn partners_may_weigh_too_differently_for_both_ways() {
    let rows = Case::several_tiles().rows;
    let longer = |(i, x): (usize, &f64)| x * (i / 6) as f64;
    let rows: Vec<f64> = rows.iter().enumerate().map(longer).take(60 * 6).collect();
    let case = Case::of("long and short", rows, (0..60).collect());
    for (name, forward) in losses_of_partners() {
        assert_is_definition(&name, &forward, &case);
    }
}

#[test]
fn labels_that_are_not_integers_are_streamed_too() {
    let kinds = [
        Kind::Sets,
        Kind::Related,
        Kind::Weighted,
        Kind::WeightedSets,
    ];
    let device = Device::flex().autodiff();
    let loss = SupConLossConfig::new().init(&device);
    for kind in kinds {
        for reducer in REDUCERS {
            let integers = [3, 14, 15, 92, 65, 35, 89, 79];
            let x =
                Tensor::<1>::from_data([0.3_f32, -0.1, 0.4, 0.2, -0.6, 0.5, 0.9, -0.8], &device);
            let way = (EmbeddingDistance::Euclidean, reducer);
            let labels = kind.labels(&integers, &device);
            let batch = (x.reshape([8, 1]), labels);
            assert!(super::stream(&loss, way, batch, None).is_some());
        }
    }
}

#[test]
fn the_number_of_threads_changes_no_bit_of_a_streamed_loss() {
    let (small, large) = (&cases()[0], &Case::several_tiles());
    let losses = losses().into_iter().map(|loss| (loss, small));
    let of_both_ends = log_sum_exp_losses()
        .chain(losses_of_two_parts())
        .chain(losses_of_partners())
        .chain(quadruplets());
    for ((name, forward), case) in losses.chain(of_both_ends.map(|loss| (loss, large))) {
        let runs = [1, 2, 5].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            let pool = pool.build().unwrap();
            pool.install(|| run(&forward, case, DType::F32))
        });
        assert!(runs[0] == runs[1] && runs[0] == runs[2], "{name}");
    }
}
