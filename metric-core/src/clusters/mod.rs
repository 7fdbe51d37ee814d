//! Clusters of rows, and scores of a clustering.
//!
//! [`KMeans`] and [`MiniBatchKMeans`] find clusters. [`inertia`] and [`silhouette`] judge clusters by distances,
//! [`nmi`], [`ami`], [`ari`] and [`v_measure`] by their agreement with known classes.

mod agreement;
mod assign;
mod contingency;
mod expected;
mod hamerly;
mod inertia;
mod kmeans;
mod means;
mod mini_batch;
mod silhouette;
mod sphere;
mod start;

pub use agreement::{Normalizer, VMeasure, ami, ari, nmi, v_measure};
pub use inertia::inertia;
pub use kmeans::{Clusters, KMeans, Variant};
pub use mini_batch::MiniBatchKMeans;
pub use silhouette::{Silhouette, silhouette};
pub use start::{Start, kmeans_plus_plus};
