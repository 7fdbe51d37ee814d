//! Embeddings that samplers look at.

use metric_core::Error;
use ndarray::ArrayView2;

use super::classes::Classes;
use crate::SamplerError;

/// Finite rows, one after another.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Embedded {
    data: Vec<f32>,
    dim: usize,
}

impl Embedded {
    pub(super) fn new(what: &'static str, rows: ArrayView2<'_, f32>) -> Result<Self, SamplerError> {
        if rows.is_empty() {
            return Err(Error::Empty { what }.into());
        }
        if let Some(((row, column), _)) = rows.indexed_iter().find(|(_, v)| !v.is_finite()) {
            return Err(Error::NonFinite { what, row, column }.into());
        }
        Ok(Self {
            data: rows.iter().copied().collect(),
            dim: rows.ncols(),
        })
    }

    /// The same, of `needed` rows.
    pub(super) fn of(
        what: &'static str,
        rows: ArrayView2<'_, f32>,
        needed: usize,
    ) -> Result<Self, SamplerError> {
        let got = rows.nrows();
        if got != needed {
            return Err(SamplerError::Count { what, needed, got });
        }
        Self::new(what, rows)
    }

    /// A row for each class: the mean of its examples' rows, summed in `f64` in order.
    pub(super) fn class_means(&self, classes: &Classes) -> Self {
        let data = classes.iter().flat_map(|class| self.mean(class)).collect();
        Self {
            data,
            dim: self.dim,
        }
    }

    /// The mean of some rows.
    pub(super) fn mean(&self, rows: &[usize]) -> Vec<f32> {
        let mut sum = vec![0.0f64; self.dim];
        for &row in rows {
            sum.iter_mut()
                .zip(self.row(row))
                .for_each(|(sum, &value)| *sum += f64::from(value));
        }
        sum.iter()
            .map(|sum| (sum / rows.len() as f64) as f32)
            .collect()
    }

    pub(super) fn len(&self) -> usize {
        self.data.len() / self.dim
    }

    pub(super) fn view(&self) -> ArrayView2<'_, f32> {
        ArrayView2::from_shape((self.len(), self.dim), &self.data).expect("rows of one length")
    }

    #[inline]
    pub(super) fn row(&self, index: usize) -> &[f32] {
        &self.data[index * self.dim..][..self.dim]
    }
}
