//! Dense factorizations of symmetric matrices, in `f64`.
//!
//! Pure Rust (`faer`, on one thread, so that no bit depends on how many there are), or LAPACK with the feature `lapack`.

use ndarray::{Array1, Array2, ArrayView2, Axis, s};

use crate::Error;

/// Lower triangular `C` with `A = C Cᵀ`; reads the lower triangle of `a` only.
///
/// A pivot counts as zero below `n ε aᵢᵢ`. The error says where the first such pivot is.
pub(crate) fn cholesky(a: ArrayView2<'_, f64>) -> Result<Array2<f64>, Error> {
    let n = a.nrows();
    let leading = |size: usize| backend::cholesky(a.slice(s![..size, ..size]));
    let small = |lower: &Array2<f64>| {
        (0..lower.nrows()).find(|&i| {
            let pivot = lower[[i, i]] * lower[[i, i]];
            // Also true for NaN.
            !(pivot > n as f64 * f64::EPSILON * a[[i, i]] && pivot.is_finite())
        })
    };
    if let Some(lower) = leading(n) {
        return match small(&lower) {
            Some(index) => Err(Error::NotPositiveDefinite { index }),
            None => Ok(lower),
        };
    }
    // Leading blocks of `sound` rows have a factor, those of `broken` rows have none.
    let (mut sound, mut broken) = (0, n);
    while broken - sound > 1 {
        let middle = usize::midpoint(sound, broken);
        match leading(middle) {
            Some(_) => sound = middle,
            None => broken = middle,
        }
    }
    let index = leading(sound).and_then(|lower| small(&lower));
    Err(Error::NotPositiveDefinite {
        index: index.unwrap_or(sound),
    })
}

/// `C⁻¹` of a lower triangular `C` without zeros on its diagonal, by forward substitution.
pub(crate) fn invert_lower(lower: &Array2<f64>) -> Array2<f64> {
    let n = lower.nrows();
    let mut inverse = Array2::<f64>::zeros((n, n));
    for i in 0..n {
        let (above, mut rest) = inverse.view_mut().split_at(Axis(0), i);
        let mut row = rest.row_mut(0);
        row[i] = 1.0;
        for (k, known) in above.rows().into_iter().enumerate() {
            row.scaled_add(-lower[[i, k]], &known);
        }
        row /= lower[[i, i]];
    }
    inverse
}

/// Eigenvalues in falling order, and their eigenvectors as rows: `A = Vᵀ diag(λ) V`.
///
/// Reads the lower triangle only. Each vector's sign makes its entry of largest size positive, the first of them
/// where several agree to `1e-6`.
///
/// # Errors
///
/// [`Error::NoConvergence`].
pub(crate) fn eigen(a: ArrayView2<'_, f64>) -> Result<(Array1<f64>, Array2<f64>), Error> {
    let largest = a.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
    let scale = power_of_two_of(largest);
    let found = backend::eigen(a.mapv(|x| x / scale).view());
    let (values, vectors) = found.map(arrange).ok_or(Error::NoConvergence)?;
    if vectors.iter().chain(&values).all(|x| x.is_finite()) {
        Ok((values * scale, vectors))
    } else {
        Err(Error::NoConvergence)
    }
}

/// From rising values and vectors as columns of any sign to what [`eigen`] promises.
fn arrange((values, columns): (Array1<f64>, Array2<f64>)) -> (Array1<f64>, Array2<f64>) {
    let mut vectors = columns
        .t()
        .slice(s![..;-1, ..])
        .as_standard_layout()
        .into_owned();
    for mut vector in vectors.rows_mut() {
        let largest = vector.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
        let first = vector.iter().find(|x| x.abs() >= (1.0 - 1e-6) * largest);
        if first.is_some_and(|&x| x < 0.0) {
            vector.mapv_inplace(|x| -x);
        }
    }
    (values.slice(s![..;-1]).to_owned(), vectors)
}

/// The power of two at or below a positive normal number, for divisions that do not round; 1 for others.
pub(crate) fn power_of_two_of(size: f64) -> f64 {
    if size.is_normal() {
        f64::from_bits(size.to_bits() & 0x7ff0_0000_0000_0000)
    } else {
        1.0
    }
}

#[cfg(not(feature = "lapack"))]
use pure_rust as backend;

#[cfg(feature = "lapack")]
use lapack as backend;

#[cfg(any(test, not(feature = "lapack")))]
mod pure_rust {
    use faer::diag::Diag;
    use faer::dyn_stack::{MemBuffer, MemStack};
    use faer::linalg::cholesky::llt::factor::{cholesky_in_place, cholesky_in_place_scratch};
    use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch};
    use faer::{Mat, Par, Spec};
    use ndarray::{Array1, Array2, ArrayView2};

    pub(super) fn cholesky(a: ArrayView2<'_, f64>) -> Option<Array2<f64>> {
        let n = a.nrows();
        let mut lower = Mat::from_fn(n, n, |i, j| if i >= j { a[[i, j]] } else { 0.0 });
        let need = cholesky_in_place_scratch::<f64>(n, Par::Seq, Spec::default());
        let mut memory = MemBuffer::new(need);
        let stack = MemStack::new(&mut memory);
        let none = Default::default(); // no regularization
        cholesky_in_place(lower.as_mut(), none, Par::Seq, stack, Spec::default()).ok()?;
        let entry = |(i, j): (usize, usize)| if i >= j { lower[(i, j)] } else { 0.0 };
        Some(Array2::from_shape_fn((n, n), entry))
    }

    /// Eigenvalues in rising order, eigenvectors as columns.
    pub(super) fn eigen(a: ArrayView2<'_, f64>) -> Option<(Array1<f64>, Array2<f64>)> {
        let n = a.nrows();
        let matrix = Mat::from_fn(n, n, |i, j| a[[i.max(j), i.min(j)]]);
        let (mut values, mut vectors) = (Diag::zeros(n), Mat::zeros(n, n));
        let vectors_too = ComputeEigenvectors::Yes;
        let need = self_adjoint_evd_scratch::<f64>(n, vectors_too, Par::Seq, Spec::default());
        let mut memory = MemBuffer::new(need);
        self_adjoint_evd(
            matrix.as_ref(),
            values.as_mut(),
            Some(vectors.as_mut()),
            Par::Seq,
            MemStack::new(&mut memory),
            Spec::default(),
        )
        .ok()?;
        let values = Array1::from_shape_fn(n, |i| values.column_vector()[i]);
        let vectors = Array2::from_shape_fn((n, n), |(i, j)| vectors[(i, j)]);
        Some((values, vectors))
    }
}

#[cfg(feature = "lapack")]
mod lapack {
    use ndarray::{Array1, Array2, ArrayView2};
    use ndarray_linalg::{Cholesky, Eigh, UPLO};

    pub(super) fn cholesky(a: ArrayView2<'_, f64>) -> Option<Array2<f64>> {
        if a.is_empty() {
            return Some(Array2::zeros((0, 0)));
        }
        a.as_standard_layout().cholesky(UPLO::Lower).ok()
    }

    pub(super) fn eigen(a: ArrayView2<'_, f64>) -> Option<(Array1<f64>, Array2<f64>)> {
        a.as_standard_layout().eigh(UPLO::Lower).ok()
    }
}

#[cfg(test)]
mod tests;
