//! Batches of any sampler through the data loaders of Burn 0.22.
//!
//! Burn's loaders take items in the order of the data set, split this order between workers, and ask a `BatchStrategy` after each
//! item whether those taken since the last batch are one. Which items meet is therefore decided by the order, and by
//! where it is cut. An [`EpochOrder`] holds both for one epoch. Two ways lead from it to a loader:
//!
//! | data set | items | batcher | loader | workers |
//! |---|---|---|---|---|
//! | [`EpochOrder::batches`] | whole batches | yours in [`WholeBatches`] | `DataLoaderBuilder`, no batch size set | any number |
//! | [`EpochOrder::items`] | single ones | yours | `BatchDataLoader` with [`EpochOrder::strategy`] | none; any number if all batches but the last have one size |
//!
//! The builder takes no strategy of one's own, and workers of a loader with one may begin within a batch: hence the first way.
//! Without workers, and with one, batches come in the order of the sampler; several workers interleave them. Do not let
//! the loader shuffle: with whole batches it would change their order, with single items who meets.

use std::sync::{Arc, PoisonError, RwLock};

use burn_core::data::dataloader::batcher::Batcher;
use burn_core::data::dataloader::{BatchStrategy, Dataset};
use burn_core::data::dataset::DatasetError;
use burn_core::tensor::Device;
use rand::Rng;

use crate::{BatchStream, SamplerError};

/// The batches of one epoch, shared with the data sets made from it.
///
/// Clones share what they hold. Data sets follow when the next epoch is planned, so that one loader, built once, serves all
/// epochs; plan between two passes over the loader, not during one.
///
/// Memory: an index an example of the epoch.
///
/// # Examples
///
/// ```no_run
/// use burn_core::data::dataloader::{DataLoaderBuilder, batcher::Batcher};
/// use burn_core::data::dataset::InMemDataset;
/// use burn_core::tensor::Device;
/// use metric_sampling::burn::{EpochOrder, WholeBatches};
/// use metric_sampling::{PkSampler, PkStream};
/// use rand::SeedableRng;
///
/// struct Collect;
/// impl Batcher<u32, Vec<u32>> for Collect {
///     fn batch(&self, items: Vec<u32>, _: &Device) -> Vec<u32> {
///         items
///     }
/// }
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
/// let mut stream = PkStream::new(PkSampler::new(&[0, 0, 1, 1, 2, 2], 2, 2)?);
/// let order = EpochOrder::new(&mut stream, &mut rng);
/// let data = InMemDataset::new(vec![10, 11, 12, 13, 14, 15]);
/// let loader = DataLoaderBuilder::new(WholeBatches(Collect))
///     .num_workers(2)
///     .build(order.batches(data));
/// for epoch in 0..10 {
///     if epoch > 0 {
///         order.next_epoch(&mut stream, &mut rng)?;
///     }
///     for batch in loader.iter() {
///         assert_eq!(batch?.len(), 4);
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct EpochOrder(Arc<RwLock<Arc<Plan>>>);

#[derive(Debug)]
struct Plan {
    examples: Vec<usize>,
    /// Where each batch ends among them.
    ends: Vec<usize>,
}

impl Plan {
    /// What the stream has left of its epoch, or its next one.
    fn of(stream: &mut dyn BatchStream, rng: &mut dyn Rng) -> Self {
        let batches = match stream.state().remaining.len() {
            0 => stream.batches_per_epoch(),
            left => left,
        };
        let mut plan = Self {
            examples: Vec::new(),
            ends: Vec::with_capacity(batches),
        };
        for _ in 0..batches {
            plan.examples.extend(stream.next_batch(rng));
            plan.ends.push(plan.examples.len());
        }
        plan
    }

    fn batch(&self, at: usize) -> &[usize] {
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.examples[start..self.ends[at]]
    }

    /// The size of all batches but the last, which may be smaller.
    fn common_size(&self) -> Option<usize> {
        let sizes = || (0..self.ends.len()).map(|at| self.batch(at).len());
        let (first, last) = (sizes().next()?, sizes().next_back()?);
        let same = sizes().rev().skip(1).all(|size| size == first);
        (same && last <= first).then_some(first)
    }
}

impl EpochOrder {
    /// What the stream has left of its epoch, or, if nothing, its next one.
    pub fn new(stream: &mut dyn BatchStream, rng: &mut dyn Rng) -> Self {
        let plan = Plan::of(stream, rng);
        Self(Arc::new(RwLock::new(Arc::new(plan))))
    }

    /// Puts the stream's next epoch in place of this one.
    ///
    /// # Errors
    ///
    /// [`SamplerError::Count`] if it has another number of batches or examples, which a loader with workers would not notice: after
    /// an epoch that a resumed stream only finished, make a new order and a new loader. The epoch is then taken from the
    /// stream, and the order left as it was.
    pub fn next_epoch(
        &self,
        stream: &mut dyn BatchStream,
        rng: &mut dyn Rng,
    ) -> Result<(), SamplerError> {
        let (plan, before) = (Plan::of(stream, rng), self.plan());
        for (what, needed, got) in [
            ("batches", before.ends.len(), plan.ends.len()),
            ("examples", before.examples.len(), plan.examples.len()),
        ] {
            if needed != got {
                return Err(SamplerError::Count { what, needed, got });
            }
        }
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(plan);
        Ok(())
    }

    /// A data set whose items are the batches of the epoch, each a `Vec` of items of `data`.
    pub fn batches<D>(&self, data: D) -> BatchDataset<D> {
        let order = self.clone();
        BatchDataset { data, order }
    }

    /// The items of `data` in the order of the epoch.
    pub fn items<D>(&self, data: D) -> OrderedDataset<D> {
        let order = self.clone();
        OrderedDataset { data, order }
    }

    /// Cuts [`items`](Self::items) where batches end.
    pub fn strategy<I>(&self) -> CutAtEnds<I> {
        CutAtEnds {
            plan: self.plan(),
            order: self.clone(),
            given: 0,
            items: Vec::new(),
        }
    }

    fn plan(&self) -> Arc<Plan> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A data set of whole batches; see [`EpochOrder::batches`].
///
/// An item costs what those of its batch cost in the data set within.
#[derive(Debug, Clone)]
pub struct BatchDataset<D> {
    data: D,
    order: EpochOrder,
}

impl<I, D: Dataset<I>> Dataset<Vec<I>> for BatchDataset<D> {
    fn get(&self, index: usize) -> Result<Vec<I>, DatasetError> {
        let plan = self.order.plan();
        self.data.get_many(plan.batch(index).to_vec())
    }

    fn len(&self) -> usize {
        self.order.plan().ends.len()
    }
}

/// A data set in the order of an epoch; see [`EpochOrder::items`].
#[derive(Debug, Clone)]
pub struct OrderedDataset<D> {
    data: D,
    order: EpochOrder,
}

impl<I, D: Dataset<I>> Dataset<I> for OrderedDataset<D> {
    fn get(&self, index: usize) -> Result<I, DatasetError> {
        self.data.get(self.order.plan().examples[index])
    }

    fn get_many(&self, indexes: Vec<usize>) -> Result<Vec<I>, DatasetError> {
        let plan = self.order.plan();
        let examples = indexes.into_iter().map(|index| plan.examples[index]);
        self.data.get_many(examples.collect())
    }

    fn len(&self) -> usize {
        self.order.plan().examples.len()
    }
}

/// A batcher of items as one of whole batches, for a [`BatchDataset`].
///
/// A loader with a batch size above 1 would join that many batches.
#[derive(Debug, Clone, Copy)]
pub struct WholeBatches<B>(pub B);

impl<I, O, B: Batcher<I, O>> Batcher<Vec<I>, O> for WholeBatches<B> {
    fn batch(&self, batches: Vec<Vec<I>>, device: &Device) -> O {
        let items = batches.into_iter().flatten().collect();
        self.0.batch(items, device)
    }
}

/// The strategy that cuts an [`OrderedDataset`] where the batches of its epoch end.
///
/// A loader copies it when a pass begins; the copy cuts the epoch planned then, from its first batch on.
#[derive(Debug)]
pub struct CutAtEnds<I> {
    order: EpochOrder,
    plan: Arc<Plan>,
    /// Batches given in this pass.
    given: usize,
    items: Vec<I>,
}

impl<I: Send + Sync + 'static> BatchStrategy<I> for CutAtEnds<I> {
    fn add(&mut self, item: I) {
        self.items.push(item);
    }

    fn batch(&mut self, force: bool) -> Option<Vec<I>> {
        // With a common size a worker's part begins with a whole batch, though not with the first.
        let size = self.plan.common_size().unwrap_or_else(|| {
            let more = self.given < self.plan.ends.len();
            if more {
                self.plan.batch(self.given).len()
            } else {
                usize::MAX
            }
        });
        if self.items.is_empty() || (self.items.len() < size && !force) {
            return None;
        }
        self.given += 1;
        let rest = self.items.split_off(size.min(self.items.len()));
        Some(std::mem::replace(&mut self.items, rest))
    }

    fn clone_dyn(&self) -> Box<dyn BatchStrategy<I>> {
        Box::new(self.order.strategy::<I>())
    }

    fn batch_size(&self) -> Option<usize> {
        self.plan.common_size()
    }
}
