//! Distances with checked axioms, exact neighbours and retrieval scores, on `ndarray` views.
//!
//! A [`Distance`] compares two slices; the functions here compare whole sets of rows with it, in parallel and without
//! storing the matrix of all pairs (save for [`pairwise`], whose result it is). Types that obey the triangle inequality
//! as computed are [`Metric`]s. [`linear`] learns one from data.
//!
//! Results do not depend on the number of threads. Input must be finite; views that are not contiguous are copied once.
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

mod distance;
mod error;
mod knn;
mod lanes;
pub mod linear;
mod pairwise;
mod relevance;
pub mod retrieval;
mod rows;
mod scalar;
mod walk;

pub use distance::{
    Angular, Cosine, CosineSimilarity, Distance, Euclidean, InnerProduct, Mahalanobis, Metric,
    Minkowski, Similarity, SquaredEuclidean,
};
pub use error::Error;
pub use knn::{Neighbors, knn, knn_self};
pub use pairwise::{pairwise, pairwise_similarity};
pub use relevance::Relevance;
pub use scalar::Scalar;
