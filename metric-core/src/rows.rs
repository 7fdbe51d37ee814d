//! The checked, contiguous form in which every function reads its matrices.

use std::borrow::Cow;

use ndarray::ArrayView2;

use crate::{Error, Scalar};

/// Finite rows in one slice: borrowed if the view was contiguous, else copied once.
pub(crate) struct Rows<'a, T: Scalar> {
    data: Cow<'a, [T]>,
    dim: usize,
}

impl<'a, T: Scalar> Rows<'a, T> {
    pub(crate) fn checked(what: &'static str, view: ArrayView2<'a, T>) -> Result<Self, Error> {
        let dim = view.ncols();
        if view.is_empty() {
            return Err(Error::Empty { what });
        }
        let data = match view.to_slice() {
            Some(slice) => Cow::Borrowed(slice),
            None => Cow::Owned(view.iter().copied().collect()),
        };
        match data.iter().position(|value| !value.is_finite()) {
            Some(at) => Err(Error::NonFinite {
                what,
                row: at / dim,
                column: at % dim,
            }),
            None => Ok(Self { data, dim }),
        }
    }

    /// Two sets whose rows can be compared.
    pub(crate) fn checked_pair(
        (left, x): (&'static str, ArrayView2<'a, T>),
        (right, y): (&'static str, ArrayView2<'a, T>),
    ) -> Result<(Self, Self), Error> {
        let (x, y) = (Self::checked(left, x)?, Self::checked(right, y)?);
        if x.dim == y.dim {
            Ok((x, y))
        } else {
            Err(Error::DimMismatch {
                left: x.dim,
                right: y.dim,
            })
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.data.len() / self.dim
    }

    #[inline]
    pub(crate) fn row(&self, index: usize) -> &[T] {
        &self.data[index * self.dim..][..self.dim]
    }
}
