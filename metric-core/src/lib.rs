//! Fast distances with checked axioms, exact neighbours, clusters, linear metric learners and retrieval scores, on
//! `ndarray` views.
//!
//! A [`Distance`] compares two slices; the functions here compare whole sets of rows with it, in parallel and without
//! storing the matrix of all pairs (save for [`pairwise`], whose result it is). Types that obey the triangle inequality
//! as computed are [`Metric`]s; [`Distance::law`] says which axioms hold.
//!
//! | to get | use |
//! |---|---|
//! | distances | [`pairwise`], [`pairwise_into`], [`one_to_many`], [`paired`], [`between`] |
//! | anything else over all pairs | a [`RowProgram`] for [`walk`], [`walk_self`] or [`walk_both`]; whole rows by [`each_row`], gradients by [`scatter`], [`scatter_groups`], [`gather`], [`gather_self`] and [`gather_ends`] |
//! | neighbours | [`knn`], [`knn_self`], [`radius()`], [`knn_where`], [`BruteForce`], [`VpTree`] |
//! | clusters and their scores | [`clusters`] |
//! | a distance learned from data | [`linear`], [`Mahalanobis`] |
//! | scores of an embedding | [`retrieval`] |
//! | distances of packed bits | [`bits`] |
//! | numbers from other ranks of a run on several machines | [`collective`] |
//!
//! Blocks are computed by vector kernels for the machine at hand (AVX-512, AVX2, NEON, or plain Rust), chosen when the
//! first one runs. Results do not depend on the number of threads. Input must be finite; views that are not contiguous
//! are copied once. Rows may be stored as `f32`, `f64`, or in 16 bits ([`Element`]).
//!
//! Features: `lapack` factorizes through the LAPACK of the system instead of pure Rust, `usearch` adds approximate search,
//! `mpi` runs on several machines.
//!
//! ```
//! use metric_core::retrieval::{RetrievalMetric::{MapAtR, RecallAt}, retrieval_scores};
//! use metric_core::{Euclidean, Relevance, knn_self};
//! use ndarray::array;
//!
//! let embeddings = array![[0.0f32, 0.1], [0.0, 0.2], [1.0, 0.9], [1.0, 1.0]];
//! let neighbors = knn_self(&Euclidean, embeddings.view(), 1)?;
//! assert_eq!(neighbors.indices.column(0).to_vec(), [1, 0, 3, 2]);
//! let relevance = Relevance::labels(&[3, 3, 8, 8]);
//! let scores = retrieval_scores(&Euclidean, embeddings.view(), &relevance, &[RecallAt(1), MapAtR])?;
//! assert_eq!(scores.get(MapAtR), Some(1.0));
//! # Ok::<(), metric_core::Error>(())
//! ```

pub mod bits;
pub mod clusters;
pub mod collective;
mod distance;
mod element;
mod error;
mod kernel;
mod lanes;
pub mod linear;
mod neighbors;
mod pairwise;
mod relevance;
pub mod retrieval;
mod rows;
mod scalar;
mod search;
#[doc(hidden)]
pub mod simd;
mod tile;

pub use distance::{
    Angular, BrayCurtis, Canberra, Chebyshev, Chord, Correlation, Cosine, CosineSimilarity,
    Distance, Euclidean, Form, GreatCircle, Hamming, Hellinger, InnerProduct, Jaccard,
    JensenShannon, Law, Lorentz, Mahalanobis, Manhattan, Metric, Minkowski, Poincare,
    SignalToNoise, Similarity, SquaredEuclidean,
};
pub use element::Element;
pub use error::Error;
pub use pairwise::{between, one_to_many, paired, pairwise, pairwise_into, pairwise_similarity};
pub use relevance::{Grade, LabelSets, Relevance};
pub use scalar::Scalar;
pub use tile::{
    Gathered, RowProgram, Scattered, each_row, gather, gather_ends, gather_self, scatter,
    scatter_groups, walk, walk_both, walk_self,
};

pub use neighbors::{
    Among, BruteForce, NeighborIndex, NeighborLists, Neighbors, VpTree, knn, knn_among,
    knn_among_self, knn_self, knn_where, mutual_neighbors, radius, radius_self, recall,
    shared_neighbors,
};
#[cfg(feature = "usearch")]
pub use neighbors::{ApproximateConfig, ApproximateIndex, ApproximateMetric};
