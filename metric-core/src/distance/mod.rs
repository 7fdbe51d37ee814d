//! Distances as small value types over slices.

mod abundance;
mod centred;
mod chord;
mod euclidean;
pub(crate) mod fold;
pub(crate) mod form;
mod great_circle;
mod histogram;
mod hyperbolic;
mod law;
mod mahalanobis;
mod manhattan;
mod minkowski;
mod product;
mod set;

pub use abundance::{BrayCurtis, Canberra};
pub use centred::{Correlation, SignalToNoise};
pub use chord::{Angular, Chord, Cosine, CosineSimilarity};
pub use euclidean::{Euclidean, SquaredEuclidean};
pub use form::Form;
pub use great_circle::GreatCircle;
pub use histogram::{Hellinger, JensenShannon};
pub use hyperbolic::{Lorentz, Poincare};
pub use law::Law;
pub use mahalanobis::Mahalanobis;
pub use manhattan::{Chebyshev, Manhattan};
pub use minkowski::Minkowski;
pub use product::InnerProduct;
pub use set::{Hamming, Jaccard};

use crate::{Error, Scalar};

/// Dissimilarity of two vectors: smaller is closer, never negative. No triangle inequality is promised.
///
/// The types of this crate give finite results for finite vectors wherever the true value is representable.
pub trait Distance<T: Scalar>: Send + Sync {
    /// `d(a, b)`.
    ///
    /// # Panics
    ///
    /// If the slices differ in length.
    fn distance(&self, a: &[T], b: &[T]) -> T;

    /// A cheaper value with the same order as [`distance`](Self::distance), for comparisons.
    ///
    /// # Panics
    ///
    /// If the slices differ in length.
    fn rank(&self, a: &[T], b: &[T]) -> T {
        self.distance(a, b)
    }

    /// The distance that belongs to a [`rank`](Self::rank).
    fn rank_to_distance(&self, rank: T) -> T {
        rank
    }

    /// Which axioms hold. A type that is a [`Metric`] answers [`Law::Metric`] or [`Law::Pseudometric`].
    fn law(&self) -> Law {
        Law::Semimetric
    }

    /// Is this finite row in the domain? A distance for all vectors accepts every row.
    ///
    /// Functions of whole matrices ask once a row, so that [`distance`](Self::distance) need not.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfDomain`] without the row's number, which [`Error::in_row`] adds.
    fn check(&self, _row: &[T]) -> Result<(), Error> {
        Ok(())
    }

    /// How blocks of it may be computed.
    fn form(&self) -> Form<'_, T> {
        Form::pairs()
    }
}

/// A distance that obeys the axioms, as computed and not only on paper.
///
/// For all finite vectors of its domain ([`Distance::check`]):
/// ```text
/// d(a, a) = 0                          exactly
/// d(a, b) = d(b, a)                    to the bit
/// d(a, c) ≤ d(a, b) + d(b, c)          up to rounding; each type states its bound
/// ```
/// Structures that prune by the triangle inequality ask for it, so that others are refused:
///
/// ```
/// use metric_core::{Euclidean, Metric};
/// fn prune(_: impl Metric<f32>) {}
/// prune(Euclidean);
/// ```
///
/// ```compile_fail,E0277
/// use metric_core::{Metric, SquaredEuclidean};
/// fn prune(_: impl Metric<f32>) {}
/// prune(SquaredEuclidean);
/// ```
pub trait Metric<T: Scalar>: Distance<T> {
    /// How far rounding can break the triangle inequality for vectors of length `dim`: `(relative, absolute)` with
    ///
    /// ```text
    /// d(a, c) ≤ (d(a, b) + d(b, c)) (1 + relative) + absolute
    /// ```
    /// Structures that prune leave this much room, and more for their own arithmetic. The default,
    /// `((dim + 16) ε, 16 ε)`, covers sums over the entries in any order and, by its absolute part, distances that see
    /// directions only. An infinite `relative` forbids pruning.
    fn triangle_slack(&self, dim: usize) -> (f64, f64) {
        let epsilon = T::EPSILON.to_f64();
        ((dim as f64 + 16.0) * epsilon, 16.0 * epsilon)
    }
}

/// Likeness of two vectors: larger is closer, any sign.
pub trait Similarity<T: Scalar>: Send + Sync {
    /// `s(a, b)`.
    ///
    /// # Panics
    ///
    /// If the slices differ in length.
    fn similarity(&self, a: &[T], b: &[T]) -> T;

    /// How blocks of it may be computed.
    fn form(&self) -> Form<'_, T> {
        Form::pairs()
    }
}

/// What stands behind a pointer to a distance is a distance.
macro_rules! behind {
    ($pointer:ty) => {
        impl<T: Scalar, D: Distance<T> + ?Sized> Distance<T> for $pointer {
            fn distance(&self, a: &[T], b: &[T]) -> T {
                (**self).distance(a, b)
            }
            fn rank(&self, a: &[T], b: &[T]) -> T {
                (**self).rank(a, b)
            }
            fn rank_to_distance(&self, rank: T) -> T {
                (**self).rank_to_distance(rank)
            }
            fn law(&self) -> Law {
                (**self).law()
            }
            fn check(&self, row: &[T]) -> Result<(), Error> {
                (**self).check(row)
            }
            fn form(&self) -> Form<'_, T> {
                (**self).form()
            }
        }

        impl<T: Scalar, D: Metric<T> + ?Sized> Metric<T> for $pointer {
            fn triangle_slack(&self, dim: usize) -> (f64, f64) {
                (**self).triangle_slack(dim)
            }
        }
    };
}

behind!(&D);
behind!(Box<D>);

/// # Panics
///
/// If the slices differ in length.
#[inline]
#[track_caller]
fn same_length<T>(a: &[T], b: &[T]) {
    assert_eq!(a.len(), b.len(), "vectors must have the same length");
}

/// The error of [`Distance::check`] for a row of another length than `columns`.
fn check_columns<T>(
    distance: &'static str,
    expected: &'static str,
    columns: usize,
    row: &[T],
) -> Result<(), Error> {
    if row.len() == columns {
        return Ok(());
    }
    Err(Error::OutOfDomain {
        distance,
        expected,
        row: None,
        column: None,
        got: row.len() as f64,
    })
}
