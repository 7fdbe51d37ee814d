//! Promises of the batch samplers.

#![allow(clippy::unwrap_used, reason = "tests: panics are failures")]

use std::collections::{BTreeMap, BTreeSet};

use metric_sampling::{
    BatchSampler, BatchStream, PkSampler, PkStream, RandomBatches, SamplerError, StreamState,
    UniformSampler,
};
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

fn class_sizes(labels: &[u32]) -> BTreeMap<u32, usize> {
    let mut sizes = BTreeMap::new();
    for &label in labels {
        *sizes.entry(label).or_insert(0) += 1;
    }
    sizes
}

/// Labels of up to 9 classes, some much larger than others, in no order.
fn imbalanced_labels() -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(prop_oneof![3 => 1..6usize, 1 => 20..60usize], 2..10).prop_flat_map(
        |sizes| {
            let labels = (0..)
                .zip(sizes)
                .flat_map(|(label, size)| vec![label * 7; size])
                .collect::<Vec<u32>>();
            Just(labels).prop_shuffle()
        },
    )
}

proptest! {
    #[test]
    fn an_epoch_keeps_every_promise(labels in imbalanced_labels(), p in 1..6usize, k in 1..7usize, seed: u64) {
        let sizes = class_sizes(&labels);
        let p = p.min(sizes.len());
        let sampler = PkSampler::new(&labels, p, k).unwrap();
        let epoch = sampler.epoch(&mut ChaCha8Rng::seed_from_u64(seed));

        let groups: Vec<usize> = sizes.values().map(|size| size.div_ceil(k)).collect();
        let least = groups.iter().sum::<usize>().div_ceil(p).max(groups.into_iter().max().unwrap());
        prop_assert_eq!(epoch.len(), least);
        prop_assert_eq!(sampler.batches_per_epoch(), least);

        for batch in &epoch {
            prop_assert_eq!(batch.len(), p * k);
            let mut members: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
            for &example in batch {
                members.entry(labels[example]).or_default().push(example);
            }
            prop_assert_eq!(members.len(), p);
            for (label, examples) in members {
                prop_assert_eq!(examples.len(), k);
                let distinct: BTreeSet<usize> = examples.into_iter().collect();
                prop_assert_eq!(distinct.len(), k.min(sizes[&label]));
            }
        }
        let seen: BTreeSet<usize> = epoch.into_iter().flatten().collect();
        prop_assert!(seen.into_iter().eq(0..labels.len()));
    }

    #[test]
    fn the_seed_decides(labels in imbalanced_labels(), seed: u64) {
        let sampler = PkSampler::new(&labels, 2, 3).unwrap();
        let epoch = |seed| sampler.epoch(&mut ChaCha8Rng::seed_from_u64(seed));
        prop_assert_eq!(epoch(seed), epoch(seed));
    }

    #[test]
    fn a_stream_stored_anywhere_goes_on_as_if_never_stopped(
        labels in imbalanced_labels(),
        seed: u64,
        stop in 0..80usize,
    ) {
        goes_on(PkSampler::new(&labels, 2, 3).unwrap(), seed, stop)?;
        goes_on(UniformSampler::new(labels.len(), 7).unwrap(), seed, stop)?;
    }

    #[test]
    fn uniform_batches_cover_every_example_once(examples in 1..200usize, size in 1..50usize, seed: u64) {
        let sampler = UniformSampler::new(examples, size).unwrap();
        let epoch = sampler.epoch(&mut ChaCha8Rng::seed_from_u64(seed));
        prop_assert_eq!(epoch.len(), sampler.batches_per_epoch());
        prop_assert!(epoch[..epoch.len() - 1].iter().all(|batch| batch.len() == size));
        let mut seen: Vec<usize> = epoch.into_iter().flatten().collect();
        seen.sort_unstable();
        prop_assert!(seen.into_iter().eq(0..examples));
    }
}

fn goes_on<S>(sampler: S, seed: u64, stop: usize) -> Result<(), TestCaseError>
where
    S: BatchSampler + Clone,
{
    use metric_sampling::EpochStream;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut stream = EpochStream::new(sampler.clone());
    for _ in 0..stop {
        stream.next_batch(&mut rng);
    }
    let stored = serde_json::to_string(&(stream.state(), &rng)).unwrap();
    let want: Vec<Vec<usize>> = (0..60).map(|_| stream.next_batch(&mut rng)).collect();

    let (state, mut rng): (StreamState, ChaCha8Rng) = serde_json::from_str(&stored).unwrap();
    let mut resumed = EpochStream::restore(sampler, state).unwrap();
    let got: Vec<Vec<usize>> = (0..60).map(|_| resumed.next_batch(&mut rng)).collect();
    prop_assert_eq!(got, want);
    prop_assert_eq!(resumed.epoch(), stream.epoch());
    Ok(())
}

#[test]
fn epochs_differ_and_are_counted() {
    let labels: Vec<u32> = (0..40).map(|i| i % 8).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut stream: Box<dyn BatchStream> =
        Box::new(PkStream::new(PkSampler::new(&labels, 4, 5).unwrap()));
    let mut epoch = || {
        (0..stream.batches_per_epoch())
            .map(|_| stream.next_batch(&mut rng))
            .collect()
    };
    let (first, second): (Vec<Vec<usize>>, Vec<Vec<usize>>) = (epoch(), epoch());
    assert_ne!(first, second);
    assert_eq!(stream.state().epoch, 2);
    assert!(stream.state().remaining.is_empty());
}

#[test]
fn the_smaller_batch_comes_last() {
    let mut stream = RandomBatches::new(UniformSampler::new(10, 4).unwrap());
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let sizes: Vec<usize> = (0..6).map(|_| stream.next_batch(&mut rng).len()).collect();
    assert_eq!(sizes, [4, 4, 2, 4, 4, 2]);
}

#[test]
fn balanced_classes_need_no_extra_draws() {
    let labels: Vec<u32> = (0..120).map(|i| i % 10).collect();
    let sampler = PkSampler::new(&labels, 5, 4).unwrap();
    assert_eq!(sampler.batches_per_epoch() * 5 * 4, labels.len());
}

#[test]
fn classes_meet_all_others() {
    // Ten classes, five a batch: company must change from batch to batch.
    let labels: Vec<u32> = (0..1000).map(|i| i % 10).collect();
    let epoch = PkSampler::new(&labels, 5, 2)
        .unwrap()
        .epoch(&mut ChaCha8Rng::seed_from_u64(1));
    let company: BTreeSet<BTreeSet<u32>> = epoch
        .iter()
        .map(|batch| batch.iter().map(|&example| labels[example]).collect())
        .collect();
    assert!(
        company.len() > epoch.len() / 3,
        "{} kinds in {} batches",
        company.len(),
        epoch.len()
    );
}

#[test]
fn sets_that_cannot_be_sampled_are_refused() {
    let refusal = |labels: &[u32], p, k| PkSampler::new(labels, p, k).unwrap_err();
    assert_eq!(refusal(&[1, 2], 0, 1), SamplerError::Zero { name: "p" });
    assert_eq!(refusal(&[1, 2], 1, 0), SamplerError::Zero { name: "k" });
    assert_eq!(refusal(&[], 1, 1), SamplerError::Empty);
    assert_eq!(
        refusal(&[4, 4], 1, 1),
        SamplerError::TooFewClasses {
            classes: 1,
            needed: 2
        }
    );
    assert_eq!(
        refusal(&[4, 5], 3, 1),
        SamplerError::TooFewClasses {
            classes: 2,
            needed: 3
        }
    );
    assert_eq!(UniformSampler::new(0, 1), Err(SamplerError::Empty));
    assert_eq!(
        UniformSampler::new(1, 0),
        Err(SamplerError::Zero { name: "batch_size" })
    );
}

#[test]
fn states_of_another_set_are_refused() {
    let sampler = UniformSampler::new(5, 2).unwrap();
    let state = |batch: &[usize]| StreamState {
        epoch: 1,
        remaining: vec![vec![0], batch.to_vec()],
    };
    let unknown = SamplerError::UnknownExample {
        index: 5,
        examples: 5,
    };
    assert_eq!(
        RandomBatches::restore(sampler, state(&[4, 5])),
        Err(unknown)
    );
    let empty = SamplerError::EmptyBatch { batch: 1 };
    assert_eq!(RandomBatches::restore(sampler, state(&[])), Err(empty));
    assert!(RandomBatches::restore(sampler, state(&[4])).is_ok());
}
