//! Batches through Burn's own data loaders are those of the sampler.

#![allow(clippy::unwrap_used, reason = "tests: panics are failures")]

use std::collections::BTreeMap;
use std::sync::Arc;

use burn_core::data::dataloader::batcher::Batcher;
use burn_core::data::dataloader::{
    BatchDataLoader, DataLoader, DataLoaderBuilder, MultiThreadDataLoader,
};
use burn_core::data::dataset::InMemDataset;
use burn_core::tensor::Device;
use metric_sampling::burn::{EpochOrder, WholeBatches};
use metric_sampling::{
    BatchSampler, BatchStream, EpochStream, PkSampler, SamplerError, Sharded, Share, UniformSampler,
};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What a loader made of items: themselves.
#[derive(Clone)]
struct Collect;

impl Batcher<usize, Vec<usize>> for Collect {
    fn batch(&self, items: Vec<usize>, _: &Device) -> Vec<usize> {
        items
    }
}

const EXAMPLES: usize = 50;

/// Items that are not their own numbers.
fn data() -> InMemDataset<usize> {
    InMemDataset::new((0..EXAMPLES).map(|example| 1000 + example).collect())
}

fn labels() -> Vec<u32> {
    (0..EXAMPLES as u32)
        .map(|example| example * example % 7)
        .collect()
}

/// Sizes differ from batch to batch, and from epoch to epoch.
#[derive(Clone)]
struct Uneven;

impl BatchSampler for Uneven {
    fn epoch(&self, rng: &mut dyn Rng) -> Vec<Vec<usize>> {
        let mut epoch = UniformSampler::new(EXAMPLES, 10).unwrap().epoch(rng);
        let moved = epoch[1].split_off(3);
        epoch[3].extend(moved);
        epoch.shuffle(rng);
        epoch
    }
    fn batches_per_epoch(&self) -> usize {
        5
    }
    fn examples(&self) -> usize {
        EXAMPLES
    }
}

fn streams() -> Vec<Box<dyn BatchStream>> {
    let pk = PkSampler::new(&labels(), 2, 3).unwrap();
    let uniform = UniformSampler::new(EXAMPLES, 8).unwrap();
    let shard = Sharded::new(pk.clone(), 1, 3, Share::WholeBatches).unwrap();
    vec![
        Box::new(EpochStream::new(pk)),
        Box::new(EpochStream::new(uniform)),
        Box::new(EpochStream::new(shard)),
        Box::new(EpochStream::new(Uneven)),
    ]
}

/// The sampler's own epochs, as the items they stand for.
fn wanted(mut stream: Box<dyn BatchStream>, epochs: usize) -> Vec<Vec<Vec<usize>>> {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let batches = stream.batches_per_epoch();
    let mut batch = || {
        let examples = stream.next_batch(&mut rng).into_iter();
        examples.map(|example| 1000 + example).collect()
    };
    let mut epoch = || (0..batches).map(|_| batch()).collect();
    (0..epochs).map(|_| epoch()).collect()
}

fn pass(loader: &dyn DataLoader<Vec<usize>>) -> Vec<Vec<usize>> {
    loader.iter().map(Result::unwrap).collect()
}

/// How often each batch comes.
fn counted(batches: Vec<Vec<usize>>) -> BTreeMap<Vec<usize>, usize> {
    let mut counts = BTreeMap::new();
    batches
        .into_iter()
        .for_each(|batch| *counts.entry(batch).or_default() += 1);
    counts
}

/// Runs three epochs of each kind through the loader that `build` makes of its order.
fn check(
    kinds: std::ops::Range<usize>,
    in_order: bool,
    build: impl Fn(&EpochOrder) -> Arc<dyn DataLoader<Vec<usize>>>,
) {
    for kind in kinds {
        let mut stream = streams().swap_remove(kind);
        let want = wanted(streams().swap_remove(kind), 3);
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let order = EpochOrder::new(&mut *stream, &mut rng);
        let loader = build(&order);
        for (epoch, want) in want.into_iter().enumerate() {
            if epoch > 0 {
                order.next_epoch(&mut *stream, &mut rng).unwrap();
            }
            if in_order {
                assert_eq!(pass(&*loader), want, "kind {kind}, epoch {epoch}");
            } else {
                assert_eq!(
                    counted(pass(&*loader)),
                    counted(want),
                    "kind {kind}, epoch {epoch}"
                );
            }
        }
    }
}

#[test]
fn the_builders_loader_gives_the_batches_of_the_sampler_in_order() {
    for workers in [0, 1] {
        check(0..4, true, |order| {
            let builder = DataLoaderBuilder::new(WholeBatches(Collect)).num_workers(workers);
            builder.build(order.batches(data()))
        });
    }
}

#[test]
fn several_workers_give_the_same_batches() {
    for workers in [2, 3, 7] {
        check(0..4, false, |order| {
            let builder = DataLoaderBuilder::new(WholeBatches(Collect)).num_workers(workers);
            builder.build(order.batches(data()))
        });
    }
}

#[test]
fn the_strategy_cuts_single_items_where_batches_end() {
    check(0..4, true, |order| {
        let strategy = Box::new(order.strategy());
        let items = Arc::new(order.items(data()));
        Arc::new(BatchDataLoader::new(
            strategy,
            items,
            Arc::new(Collect),
            Device::default(),
            None,
        ))
    });
}

#[test]
fn workers_cut_batches_of_one_size() {
    for (workers, in_order) in [(1, true), (2, false), (4, false)] {
        check(0..2, in_order, |order| {
            Arc::new(MultiThreadDataLoader::new(
                Box::new(order.strategy()),
                Arc::new(order.items(data())),
                Arc::new(Collect),
                workers,
                Device::default(),
                None,
            ))
        });
    }
}

#[test]
fn a_resumed_stream_gives_the_rest_of_its_epoch() {
    let want = wanted(streams().swap_remove(0), 2);
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let mut stream = streams().swap_remove(0);
    stream.next_batch(&mut rng);
    let mut resumed = streams().swap_remove(0);
    resumed.resume(stream.state()).unwrap();

    let order = EpochOrder::new(&mut *resumed, &mut rng);
    let loader = DataLoaderBuilder::new(WholeBatches(Collect)).build(order.batches(data()));
    assert_eq!(pass(&*loader), want[0][1..]);
    // The whole epoch that follows is another loader's.
    let longer = SamplerError::Count {
        what: "batches",
        needed: want[0].len() - 1,
        got: want[0].len(),
    };
    assert_eq!(order.next_epoch(&mut *resumed, &mut rng), Err(longer));
    assert_eq!(pass(&*loader), want[0][1..]);
}
