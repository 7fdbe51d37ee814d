//! What the tile engine may know of a distance.

use ndarray::{ArrayView2, ArrayViewMut2};

use crate::Scalar;

/// How a block of distances may be computed faster than pair by pair.
///
/// Distances of this crate name a form of their own. Yours are computed [pair by pair](Self::pairs), or as
/// another distance is if you hand on that one's form and are equal to it.
#[derive(Debug, Clone, Copy)]
pub struct Form<'a, T: Scalar>(pub(crate) Kind<'a, T>);

impl<T: Scalar> Form<'_, T> {
    /// Pair by pair.
    pub fn pairs() -> Self {
        Self(Kind::Pairs)
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind<'a, T: Scalar> {
    /// Nothing is known.
    Pairs,
    /// A function of terms that are joined over the coordinates.
    Terms(Terms<T>),
    /// A function of the Euclidean distance of mapped rows.
    Chords(Map<'a, T>, Value),
    /// `Σ |a − b|`.
    Manhattan,
    /// Inner products.
    Products,
}

/// `max |a − b|` and so on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Terms<T> {
    Chebyshev,
    Canberra,
    /// `(Σ |a − b|ᵖ)^(1/p)` for other finite orders.
    Minkowski(T),
}

/// What becomes of each row before Euclidean distances are taken.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Map<'a, T: Scalar> {
    /// Nothing: rows as they are.
    Identity,
    /// Unit length, after subtracting the row's own mean where `centred`.
    Direction { centred: bool },
    /// A linear image.
    Linear(&'a dyn Linear<T>),
    /// `√(p/2)` of histograms with mass 1.
    HalfRoots,
}

/// A linear map of rows.
pub(crate) trait Linear<T>: std::fmt::Debug + Sync {
    /// Length of a mapped row.
    fn dim(&self) -> usize;
    /// Maps rows `[n, from]` to `[n, dim]`.
    fn apply(&self, rows: ArrayView2<'_, T>, out: ArrayViewMut2<'_, T>);
    /// Bound of `‖computed image − image‖ / ‖row‖`.
    fn error(&self) -> f64;
}

/// The function from the chord `c` to the value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value {
    /// `c²`
    Square,
    /// `c`
    Chord,
    /// `c²/2`
    HalfSquare,
    /// `1 − c²/2`
    Cosine,
    /// `2 asin(c/2)`
    Angle,
}
