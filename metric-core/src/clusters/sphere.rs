//! What the spherical variant adds: rows and centres of length one.

use ndarray::{Array2, ArrayView2};

use crate::{Error, Scalar};

/// Divides by the length, and says whether there was a direction.
pub(super) fn to_unit(vector: &mut [f64]) -> bool {
    let largest = vector.iter().fold(0.0, |l, x| f64::max(l, x.abs()));
    if largest == 0.0 {
        return false;
    }
    // Twice, so that no square leaves the range.
    vector.iter_mut().for_each(|x| *x /= largest);
    let length = vector.iter().map(|x| x * x).sum::<f64>().sqrt();
    vector.iter_mut().for_each(|x| *x /= length);
    true
}

/// The rows as directions; what is not finite or empty is left for the check that follows.
pub(super) fn unit_rows<T: Scalar>(
    what: &'static str,
    rows: ArrayView2<'_, T>,
) -> Result<Array2<T>, Error> {
    let mut units = rows.to_owned();
    for (row, mut values) in units.rows_mut().into_iter().enumerate() {
        let mut unit: Vec<f64> = values.iter().map(|x| x.to_f64()).collect();
        if unit.iter().all(|x| x.is_finite()) {
            if !unit.is_empty() && !to_unit(&mut unit) {
                return Err(Error::ZeroRow { what, row });
            }
            values
                .iter_mut()
                .zip(unit)
                .for_each(|(x, u)| *x = T::from_f64(u));
        }
    }
    Ok(units)
}
