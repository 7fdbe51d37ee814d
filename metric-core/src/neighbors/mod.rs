//! What surrounds exact nearest neighbours: indexes, radius search, filters and neighbour graphs.
//!
//! One order holds everywhere: nearest first, equal ones by index. [`NeighborIndex`] is the common face of
//! [`BruteForce`], [`VpTree`] and, with the feature `usearch`, the approximate index; results in which every query has
//! a list of its own length are [`NeighborLists`].

#[cfg(feature = "usearch")]
mod approximate;
mod few;
mod filter;
mod graph;
mod index;
mod k_least;
mod knn;
mod lists;
mod radius;
mod recall;
mod vp_tree;

#[cfg(feature = "usearch")]
pub use approximate::{ApproximateConfig, ApproximateIndex, ApproximateMetric};
pub use filter::{Among, knn_among, knn_among_self, knn_where};
pub use graph::{mutual_neighbors, shared_neighbors};
pub use index::{BruteForce, NeighborIndex};
pub use knn::{Neighbors, knn, knn_self};
pub use lists::NeighborLists;
pub use radius::{radius, radius_self};
pub use recall::recall;
pub use vp_tree::VpTree;
