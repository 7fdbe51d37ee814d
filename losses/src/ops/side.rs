use metric_core::Scalar;
use ndarray::{Array1, Array2, ArrayView2, Axis, CowArray, Ix2};

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
        let norms = rows.rows().into_iter().map(|row| {
            let square: f64 = row.iter().map(|x| x.to_f64().powi(2)).sum();
            match square.sqrt() {
                0.0 => Some(T::ONE),
                norm => RANGE.contains(&norm).then(|| T::from_f64(1.0 / norm)),
            }
        });
        Some(Self {
            inverse: norms.collect::<Option<_>>()?,
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
        let rows = self.rows.rows().into_iter().zip(&self.inverse);
        for (mut product, (row, &inverse)) in products.rows_mut().into_iter().zip(rows) {
            let terms = product
                .iter()
                .zip(row)
                .map(|(p, x)| p.to_f64() * x.to_f64());
            let along = T::from_f64(terms.sum::<f64>()) * inverse * inverse;
            product.zip_mut_with(&row, |p, &x| *p = *p - along * x);
        }
    }
}

/// The mean of all rows.
pub(super) fn mean_row<T: Scalar>(rows: ArrayView2<'_, T>) -> Array1<T> {
    let share = 1.0 / rows.nrows() as f64;
    let columns = rows.axis_iter(Axis(1));
    let mean = columns.map(|column| T::from_f64(column.iter().map(|x| x.to_f64() * share).sum()));
    mean.collect()
}
