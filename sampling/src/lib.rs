//! Which examples meet, in metric learning: samplers choose the batch, miners the pairs and triplets in it.
//!
//! ```
//! use metric_core::Relevance;
//! use metric_sampling::{Batch, BatchHard, BatchStream, PkSampler, PkStream, TripletMiner};
//! use ndarray::array;
//! use rand::SeedableRng;
//!
//! let labels = [0, 0, 1, 1];
//! let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
//! let mut stream = PkStream::new(PkSampler::new(&labels, 2, 2)?);
//! assert_eq!(stream.next_batch(&mut rng).len(), 4);
//! let embeddings = array![[0.0f32], [1.0], [1.5], [4.0]];
//! let batch = Batch::new(embeddings.view(), Relevance::labels(&labels))?;
//! let triplets = BatchHard::new().mine(&batch, &mut rng)?;
//! assert!(triplets.iter().eq([(0, 1, 2), (1, 0, 2), (2, 3, 1), (3, 2, 1)]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod batch;
#[cfg(feature = "burn")]
pub mod burn;
mod candidates;
pub mod density;
mod error;
mod eviction;
mod memory_bank;
mod mining;
pub mod positives;
mod ring_buffer;
mod sampler;
mod tuples;

pub use batch::Batch;
pub use error::{BufferError, DensityError, MiningError, PrototypeError, SamplerError};
pub use eviction::Eviction;
pub use memory_bank::MemoryBank;
pub use mining::{
    AllPairs, AllTriplets, Anchor, AngularMiner, AsPairs, AsTriplets, BatchEasyHard, BatchHard,
    Capped, Choice, DensityAware, DistanceWeighted, DrawWeights, HardClusters, HardestNegatives,
    Hdc, LocalAgreement, MiningReport, MultiSimilarityMiner, NegativeWeights, PairMargin,
    PairMiner, Partner, RandomTriplets, RhoSwitch, Schedule, SemiHard, SoftHard, TripletKind,
    TripletMarginMiner, TripletMiner, UniformHistogram, WeightsOf, outlying_positives,
};
pub use ring_buffer::RingBuffer;
pub use sampler::{
    BatchSampler, BatchStream, CategorySampler, ClassBalancedSampler, ClassShares, CoresetSampler,
    DistanceHistogram, DistanceMatchingSampler, EpochStream, HardClassSampler, HierarchicalSampler,
    PkSampler, PkStream, RandomBatches, Sharded, Share, StreamState, UniformSampler,
    k_center_greedy, match_distances,
};
pub use tuples::{NegativePairs, Pairs, PositivePairs, Triplets};
