//! What a miner looks at.

use std::borrow::Cow;

use metric_core::{Error, Relevance};
use ndarray::ArrayView2;

use crate::MiningError;

/// Embeddings of a batch, what they are compared with, and who is relevant to whom.
///
/// Without a reference set the rows are their own, and a row is never paired with itself. With one, every item of it
/// can be paired with every row, equal or not.
///
/// Distances are taken over the rows as given: normalise them first where a loss will.
#[derive(Debug, Clone)]
pub struct Batch<'a> {
    rows: Matrix<'a>,
    reference: Option<Matrix<'a>>,
    relevance: Relevance<'a>,
}

impl<'a> Batch<'a> {
    /// Rows `[n, dim]` compared with each other.
    ///
    /// # Errors
    ///
    /// [`MiningError::Data`] if the rows are empty or not finite or `relevance` speaks about another number of them;
    /// [`MiningError::TooManyRows`].
    pub fn new(rows: ArrayView2<'a, f32>, relevance: Relevance<'a>) -> Result<Self, MiningError> {
        let rows = Matrix::checked("rows", rows)?;
        label_count(rows.len(), relevance.rows())?;
        label_count(rows.len(), relevance.references())?;
        Ok(Self {
            rows,
            reference: None,
            relevance,
        })
    }

    /// Rows `[n, dim]` compared with a reference set `[m, dim]`.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), and if the two sets differ in their dimension.
    pub fn against(
        rows: ArrayView2<'a, f32>,
        reference: ArrayView2<'a, f32>,
        relevance: Relevance<'a>,
    ) -> Result<Self, MiningError> {
        let rows = Matrix::checked("rows", rows)?;
        let reference = Matrix::checked("reference", reference)?;
        if rows.dim != reference.dim {
            return Err(Error::DimMismatch {
                left: rows.dim,
                right: reference.dim,
            }
            .into());
        }
        label_count(rows.len(), relevance.rows())?;
        label_count(reference.len(), relevance.references())?;
        Ok(Self {
            rows,
            reference: Some(reference),
            relevance,
        })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Always false: a batch has rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of items that a row can be paired with, itself included if the rows are their own reference.
    pub fn references(&self) -> usize {
        self.others().len()
    }

    /// Is there a separate reference set?
    pub fn has_reference(&self) -> bool {
        self.reference.is_some()
    }

    /// A row.
    ///
    /// # Panics
    ///
    /// If the index is out of range.
    #[inline]
    pub fn row(&self, index: usize) -> &[f32] {
        self.rows.row(index)
    }

    /// An item of the reference set; a row if there is none.
    ///
    /// # Panics
    ///
    /// If the index is out of range.
    #[inline]
    pub fn reference_row(&self, index: usize) -> &[f32] {
        self.others().row(index)
    }

    /// Who is relevant to whom.
    pub fn relevance(&self) -> Relevance<'a> {
        self.relevance
    }

    /// May this row be paired with this item? False only for a row and itself.
    #[inline]
    pub fn is_pair(&self, row: usize, reference_index: usize) -> bool {
        self.reference.is_some() || row != reference_index
    }

    /// The items a row can be paired with, each with its relevance, in order.
    pub(crate) fn partners(&self, row: usize) -> impl Iterator<Item = (usize, bool)> + '_ {
        (0..self.references())
            .filter(move |&other| self.is_pair(row, other))
            .map(move |other| (other, self.relevance.is_relevant(row, other)))
    }

    fn others(&self) -> &Matrix<'a> {
        self.reference.as_ref().unwrap_or(&self.rows)
    }
}

/// Finite rows, contiguous: borrowed if the view was, else copied once.
#[derive(Debug, Clone)]
struct Matrix<'a> {
    data: Cow<'a, [f32]>,
    dim: usize,
}

impl<'a> Matrix<'a> {
    fn checked(what: &'static str, view: ArrayView2<'a, f32>) -> Result<Self, MiningError> {
        let (rows, dim) = view.dim();
        if view.is_empty() {
            return Err(Error::Empty { what }.into());
        }
        if u32::try_from(rows).is_err() {
            return Err(MiningError::TooManyRows { rows });
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
            }
            .into()),
            None => Ok(Self { data, dim }),
        }
    }

    fn len(&self) -> usize {
        self.data.len() / self.dim
    }

    #[inline]
    fn row(&self, index: usize) -> &[f32] {
        &self.data[index * self.dim..][..self.dim]
    }
}

fn label_count(rows: usize, labels: usize) -> Result<(), Error> {
    if rows == labels {
        Ok(())
    } else {
        Err(Error::LabelCount { rows, labels })
    }
}
