//! The checked, contiguous form in which every function reads its matrices.

use std::borrow::Cow;
use std::ops::Range;

use ndarray::ArrayView2;
use rayon::prelude::*;

use crate::element::Stored;
use crate::kernel::scan;
use crate::tile::chunks;
use crate::{Distance, Element, Error, Law, Scalar};

/// Numbers checked by one task.
const CHUNK: usize = 1 << 16;

/// Finite rows in one slice: borrowed if the view was contiguous, else copied once.
#[derive(Debug, Clone)]
pub(crate) struct Rows<'a, T: Scalar> {
    data: Cow<'a, [T]>,
    dim: usize,
}

impl<'a, T: Scalar> Rows<'a, T> {
    pub(crate) fn checked<E>(what: &'static str, view: ArrayView2<'a, E>) -> Result<Self, Error>
    where
        E: Element<Acc = T>,
    {
        let rows = Self::unchecked(what, view)?;
        rows.check_finite(what)?;
        Ok(rows)
    }

    /// Are all of them finite?
    pub(crate) fn check_finite(&self, what: &'static str) -> Result<(), Error> {
        chunks(0..self.len(), (CHUNK / self.dim).max(1))
            .collect::<Vec<_>>()
            .into_par_iter()
            .map(|part| self.check_part(what, part))
            .find_first(Result::is_err)
            .unwrap_or(Ok(()))
    }

    /// Rows that may hold anything: for one who checks them part by part.
    pub(crate) fn unchecked<E>(what: &'static str, view: ArrayView2<'a, E>) -> Result<Self, Error>
    where
        E: Element<Acc = T>,
    {
        if view.is_empty() {
            return Err(Error::Empty { what });
        }
        Ok(Self {
            dim: view.ncols(),
            data: <E as Stored>::rows(view),
        })
    }

    /// Are these rows finite?
    pub(crate) fn check_part(&self, what: &'static str, rows: Range<usize>) -> Result<(), Error> {
        let first = rows.start * self.dim;
        match scan::first_non_finite(&self.data[first..rows.end * self.dim]) {
            None => Ok(()),
            Some(at) => Err(Error::NonFinite {
                what,
                row: (first + at) / self.dim,
                column: (first + at) % self.dim,
            }),
        }
    }

    /// Rows that a distance accepts.
    pub(crate) fn checked_for<E, D>(
        distance: &D,
        what: &'static str,
        view: ArrayView2<'a, E>,
    ) -> Result<Self, Error>
    where
        E: Element<Acc = T>,
        D: Distance<T> + ?Sized,
    {
        let rows = Self::checked(what, view)?;
        rows.check(distance)?;
        Ok(rows)
    }

    /// Asks a distance for every row.
    pub(crate) fn check<D: Distance<T> + ?Sized>(&self, distance: &D) -> Result<(), Error> {
        (0..self.len()).try_for_each(|i| distance.check(self.row(i)).map_err(|e| e.in_row(i)))
    }

    /// Two sets whose rows can be compared.
    pub(crate) fn checked_pair<E: Element<Acc = T>>(
        (left, x): (&'static str, ArrayView2<'a, E>),
        (right, y): (&'static str, ArrayView2<'a, E>),
    ) -> Result<(Self, Self), Error> {
        let (x, y) = (Self::checked(left, x)?, Self::checked(right, y)?);
        same_dim(x, y)
    }

    /// Two sets whose rows can be compared by a distance.
    pub(crate) fn checked_pair_for<E, D>(
        distance: &D,
        (left, x): (&'static str, ArrayView2<'a, E>),
        (right, y): (&'static str, ArrayView2<'a, E>),
    ) -> Result<(Self, Self), Error>
    where
        E: Element<Acc = T>,
        D: Distance<T> + ?Sized,
    {
        let x = Self::checked_for(distance, left, x)?;
        same_dim(x, Self::checked_for(distance, right, y)?)
    }

    /// As [`checked_pair_for`](Self::checked_pair_for), one side only where both are the same view and the distance
    /// is symmetric.
    pub(crate) fn checked_sides_for<E, D>(
        distance: &D,
        (left, x): (&'static str, ArrayView2<'a, E>),
        (right, y): (&'static str, ArrayView2<'a, E>),
    ) -> Result<(Self, Option<Self>), Error>
    where
        E: Element<Acc = T>,
        D: Distance<T> + ?Sized,
    {
        let same = x.as_ptr() == y.as_ptr() && x.dim() == y.dim() && x.strides() == y.strides();
        if same && distance.law() != Law::Asymmetric {
            return Ok((Self::checked_for(distance, left, x)?, None));
        }
        let (x, y) = Self::checked_pair_for(distance, (left, x), (right, y))?;
        Ok((x, Some(y)))
    }

    /// Rows of numbers that are known to be finite.
    pub(crate) fn of(data: Cow<'a, [T]>, dim: usize) -> Self {
        debug_assert!(dim > 0 && data.len().is_multiple_of(dim));
        Self { data, dim }
    }

    pub(crate) fn len(&self) -> usize {
        self.data.len() / self.dim
    }

    pub(crate) fn dim(&self) -> usize {
        self.dim
    }

    #[inline]
    pub(crate) fn row(&self, index: usize) -> &[T] {
        &self.data[index * self.dim..][..self.dim]
    }

    /// All rows, one after another.
    #[inline]
    pub(crate) fn data(&self) -> &[T] {
        &self.data
    }
}

fn same_dim<'a, T: Scalar>(
    x: Rows<'a, T>,
    y: Rows<'a, T>,
) -> Result<(Rows<'a, T>, Rows<'a, T>), Error> {
    if x.dim == y.dim {
        Ok((x, y))
    } else {
        Err(Error::DimMismatch {
            left: x.dim,
            right: y.dim,
        })
    }
}
