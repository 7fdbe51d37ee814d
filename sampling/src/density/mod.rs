//! How dense the embeddings are around a row, how much of an outlier it is, and in how many dimensions they lie.
//!
//! Every estimator gives natural logarithms of densities, one a row, as `Vec<f64>`: a miner that weighs by density
//! takes the slice and need not know where it comes from. [`LogDensity`] is their common face, for the rows of a
//! set among themselves and for queries against a bank.
//!
//! | to get | use | because |
//! |---|---|---|
//! | the density of a large bank | [`KnnDensity`] | fastest; adapts to each neighbourhood; ranks well in high dimensions |
//! | the same along the manifold the rows lie on, whatever their number | [`ManifoldDensity`] | estimates the dimension too; what miners use |
//! | a smooth density of a batch or a few thousand rows | [`GaussianKernelDensity`] | sums over all rows; bandwidth by leave-one-out likelihood |
//! | the same of unit rows | [`VonMisesFisherKernelDensity`] | the kernel of the sphere; its sum is the denominator of `InfoNCE` at temperature `1/κ` |
//! | who does not belong where it lies | [`LocalOutlierFactor`] | compares the density of a row with that of its neighbours; label noise, novelty |
//! | the dimension for the formulas above | [`maximum_likelihood_dimension`], [`two_nn_dimension`], [`sphere_dimension`] | the ambient one is far too large for embeddings |
//! | how tight clusters are | [`Concentration`] | temperatures of prototypes |
//! | densities of a queue | [`KnnDensityQueue`], [`KernelDensityQueue`] | a push costs what it changes |
//!
//! A density in `m` dimensions has the unit `1/length^m`: scaling the rows by `s` shifts its logarithm by `−m log s`. With
//! an `m` below the ambient dimension it is the density along a manifold of that dimension. Only differences between
//! rows matter to a sampler, and of the formulas only the factor `m` then does.
//!
//! Nothing here holds a matrix of all pairs. Results are the same bits for any number of threads, distances are computed in
//! `f32`, sums and logarithms in `f64`.
//!
//! # Examples
//!
//! ```
//! use metric_sampling::density::{KnnDensity, LogDensity};
//! use ndarray::array;
//!
//! let rows = array![[0.0f32], [1.0], [2.0], [10.0]];
//! let log_density = KnnDensity::new(1)?.log_density_self(rows.view())?;
//! // The nearest other row is at 1, and at 8 from the last: 1/(3 · 2 · 1) and 1/(3 · 2 · 8).
//! assert!((log_density[0] - (1.0f64 / 6.0).ln()).abs() < 1e-12);
//! assert!((log_density[3] - (1.0f64 / 48.0).ln()).abs() < 1e-12);
//! # Ok::<(), metric_sampling::DensityError>(())
//! ```

mod bandwidth;
mod checks;
mod concentration;
mod gaussian;
mod intrinsic_dimension;
mod kernel;
mod kernel_queue;
mod knn;
mod knn_queue;
mod local_outlier_factor;
mod manifold;
mod queue;
mod sphere;
mod von_mises_fisher;

pub use concentration::Concentration;
pub use gaussian::GaussianKernelDensity;
pub use intrinsic_dimension::{
    DimensionAverage, local_dimensions, maximum_likelihood_dimension, sphere_dimension,
    two_nn_dimension,
};
pub use kernel_queue::KernelDensityQueue;
pub use knn::KnnDensity;
pub use knn_queue::KnnDensityQueue;
pub use local_outlier_factor::LocalOutlierFactor;
pub use manifold::ManifoldDensity;
pub(crate) use manifold::estimated_dimension;
pub use sphere::{log_ball_volume, log_sphere_area};
pub use von_mises_fisher::{
    VonMisesFisherKernelDensity, log_von_mises_fisher_constant, von_mises_fisher_concentration,
};

use ndarray::ArrayView2;

use crate::DensityError;

/// An estimator of densities, with its parameters chosen. Object-safe.
pub trait LogDensity: Send + Sync {
    /// Log density at each of `rows` `[n, dim]`, estimated from the others: leave-one-out, `[n]`.
    ///
    /// # Errors
    ///
    /// A [`DensityError`] if the rows are empty, not finite, too few, or not what the estimator takes.
    fn log_density_self(&self, rows: ArrayView2<'_, f32>) -> Result<Vec<f64>, DensityError>;

    /// Log density at each of `queries` `[n, dim]`, estimated from `bank` `[m, dim]`, `[n]`. A query equal to a row of the
    /// bank is not left out.
    ///
    /// # Errors
    ///
    /// As [`log_density_self`](Self::log_density_self), and if the two differ in their dimension.
    fn log_density(
        &self,
        queries: ArrayView2<'_, f32>,
        bank: ArrayView2<'_, f32>,
    ) -> Result<Vec<f64>, DensityError>;
}
