//! What an approximate index compares rows by.

use crate::{Cosine, Distance, Euclidean, InnerProduct, Scalar, Similarity};

/// What an [`ApproximateIndex`](crate::ApproximateIndex) compares rows by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ApproximateMetric {
    /// [`Euclidean`] distance.
    Euclidean,
    /// [`Cosine`] distance.
    Cosine,
    /// The largest [`InnerProduct`] is nearest; the distance given back is the negated product, of any sign.
    InnerProduct,
}

/// The metric as a walk over pairs takes it. Private, for `−a·b` may be negative, which [`Distance`] promises not to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measure(pub(super) ApproximateMetric);

impl<T: Scalar> Distance<T> for Measure {
    fn distance(&self, a: &[T], b: &[T]) -> T {
        match self.0 {
            ApproximateMetric::Euclidean => Euclidean.distance(a, b),
            ApproximateMetric::Cosine => Cosine.distance(a, b),
            ApproximateMetric::InnerProduct => -InnerProduct.similarity(a, b),
        }
    }
}
