//! Which examples meet, in metric learning: samplers choose the batch, miners choose the triplets in it.
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
mod candidates;
pub mod density;
mod error;
mod mining;
pub mod positives;
mod ring_buffer;
mod sampler;
mod tuples;

pub use batch::Batch;
pub use error::{BufferError, DensityError, MiningError, PrototypeError, SamplerError};
pub use mining::{
    AllPairs, AllTriplets, Anchor, AngularMiner, AsPairs, AsTriplets, BatchEasyHard, BatchHard,
    Capped, Choice, DistanceWeighted, HardClusters, HardestNegatives, Hdc, MultiSimilarityMiner,
    PairMargin, PairMiner, Partner, RandomTriplets, RhoSwitch, SemiHard, SoftHard, TripletKind,
    TripletMarginMiner, TripletMiner, UniformHistogram,
};
pub use ring_buffer::RingBuffer;
pub use sampler::{
    BatchSampler, BatchStream, EpochStream, PkSampler, PkStream, RandomBatches, StreamState,
    UniformSampler,
};
pub use tuples::{NegativePairs, Pairs, PositivePairs, Triplets};
