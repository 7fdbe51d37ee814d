//! Learned linear metrics: the closed forms and classics that a deep loss has to beat.
//!
//! Each learner is a small builder whose `fit` gives a [`LinearMap`]: rows are moved to their mean and multiplied with a
//! matrix, and the Euclidean distance there is the [`Mahalanobis`](crate::Mahalanobis) distance that was learned.
//!
//! | learner | learns from | finds |
//! |---|---|---|
//! | [`Covariance`] | rows | mean and covariance, shrunk if wanted; whitening |
//! | [`Pca`] | rows | directions of largest variance |
//! | [`Lda`] | rows, labels | directions that separate class means |
//! | [`Rca`] | rows, chunklets | whitening of the spread within chunklets |
//! | [`Nca`] | rows, labels | a map good for leave-one-out neighbours |
//! | [`Lmnn`] | rows, labels | a map with a margin around the nearest of each class |
//!
//! Rows are moved to their mean and scaled to about 1 by a power of two before anything is computed, in `f64`, so that
//! data of any size and offset give the same map up to that size. No matrix of all pairs is ever held. Results do not
//! depend on the number of threads.
//!
//! Matrices are factored by the pure Rust of `faer`. The feature `lapack` takes the system's `OpenBLAS` instead, which then
//! decides about threads itself; `metric-core/lapack.sh` installs what it needs and compares the two.
//!
//! # Examples
//!
//! ```
//! use metric_core::linear::Lda;
//! use metric_core::{Distance, knn_self};
//! use ndarray::array;
//! // The second column is loud and says nothing about the classes.
//! let rows = array![[0.0f32, 9.0], [0.1, -8.0], [0.2, 3.0], [1.0, 8.5], [1.1, -7.5], [1.2, 2.5]];
//! let map = Lda::new().fit(rows.view(), &[0, 0, 0, 1, 1, 1])?;
//! let neighbors = knn_self(&map.metric(), rows.view(), 1)?;
//! assert!(neighbors.indices.column(0).iter().enumerate().all(|(i, &j)| i / 3 == j / 3));
//! # Ok::<(), metric_core::Error>(())
//! ```

mod centred;
mod covariance;
mod descent;
pub(crate) mod factor;
mod file;
mod lda;
mod lmnn;
mod map;
mod nca;
mod pairs;
mod pca;
mod rca;

pub use covariance::{Covariance, Estimator, Whitening};
pub use file::{MapFault, MapFileError};
pub use lda::Lda;
pub use lmnn::Lmnn;
pub use map::LinearMap;
pub use nca::Nca;
pub use pca::Pca;
pub use rca::Rca;
