use metric_core::simd::zip_in_place;
use metric_core::{InnerProduct, Scalar, Similarity};
use ndarray::{Array1, Array2, ArrayView2, Axis, CowArray, Ix2};
use rayon::prelude::*;

/// Rows, and for cosines the inverse of each norm, 1 for a zero row.
pub(super) struct Side<'a, T> {
    pub(super) rows: CowArray<'a, T, Ix2>,
    pub(super) inverse: Vec<T>,
}

impl<'a, T: Scalar> Side<'a, T> {
    pub(super) fn new(rows: ArrayView2<'a, T>) -> Self {
        Self {
            rows: rows.into(),
            inverse: Vec::new(),
        }
    }

    /// With norms; `None` where squares of them would leave the range.
    pub(super) fn with_norms(rows: ArrayView2<'a, T>) -> Option<Self> {
        const RANGE: std::ops::Range<f64> = 1e-15..1e15;
        let inverse = |row: &[T]| {
            let norm = InnerProduct.similarity(row, row).to_f64().sqrt();
            if RANGE.contains(&norm) {
                return Some(T::from_f64(1.0 / norm));
            }
            row.iter().all(|&x| x == T::ZERO).then_some(T::ONE)
        };
        let lines = rows.to_slice()?.par_chunks(rows.ncols());
        Some(Self {
            inverse: lines.map(inverse).collect::<Option<_>>()?,
            rows: rows.into(),
        })
    }

    /// Less a row.
    pub(super) fn moved(rows: ArrayView2<'a, T>, centre: &Array1<T>) -> Self {
        let mut rows = rows.to_owned();
        for mut row in rows.rows_mut() {
            row.zip_mut_with(centre, |x, &centre| *x = *x - centre);
        }
        Self {
            rows: rows.into(),
            inverse: Vec::new(),
        }
    }

    /// What products along a row have to do with its norm is taken from them.
    pub(super) fn project(&self, products: &mut Array2<T>) {
        let dim = products.ncols();
        let (Some(products), Some(rows)) = (products.as_slice_mut(), self.rows.as_slice()) else {
            unreachable!("both are in one piece");
        };
        let lines = products.par_chunks_mut(dim).zip(rows.par_chunks(dim));
        lines
            .zip(&self.inverse)
            .for_each(|((product, row), &inverse)| {
                let along = InnerProduct.similarity(product, row) * inverse * inverse;
                zip_in_place(product, row, move |p, x| p - along * x);
            });
    }
}

/// The mean of all rows.
pub(super) fn mean_row<T: Scalar>(rows: ArrayView2<'_, T>) -> Array1<T> {
    let share = 1.0 / rows.nrows() as f64;
    let columns = rows.axis_iter(Axis(1));
    let mean = columns.map(|column| T::from_f64(column.iter().map(|x| x.to_f64() * share).sum()));
    mean.collect()
}
