//! What learners from pairs share: where they start, and the walk that turns weights of pairs into a gradient.

use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

use super::centred::Centred;
use super::{Estimator, Lda, LinearMap, Pca};
use crate::{Error, Scalar, lanes};

/// Squared Euclidean distance.
#[inline]
pub(super) fn squared(a: &[f64], b: &[f64]) -> f64 {
    lanes::sum(a, b, |x, y| (x - y) * (x - y))
}

/// Row `index` of an array in standard layout.
#[inline]
pub(super) fn row(z: &Array2<f64>, index: usize) -> &[f64] {
    let dim = z.ncols();
    let entries = z.as_slice().expect("in standard layout");
    &entries[index * dim..][..dim]
}

/// The map `[out, dim]` for centred rows that a search starts from, scaled so that images have a mean variance of one for
/// each entry: the identity, or if fewer components are asked for the leading discriminants, or if there are fewer of
/// those the leading principal components.
pub(super) fn start(
    centred: &Centred,
    labels: &[u32],
    components: Option<usize>,
) -> Result<Array2<f64>, Error> {
    let rows = centred.rows.view();
    let map = match components {
        None => Array2::eye(rows.ncols()),
        Some(k) => {
            let discriminants = Lda::new().components(k).estimator(Estimator::LedoitWolf);
            let map = discriminants.fit(rows, labels);
            let map = map.or_else(|_| Pca::components(k).fit(rows))?;
            map.matrix().to_owned()
        }
    };
    let images = centred.rows.dot(&map.t());
    let variance = images.iter().map(|z| z * z).sum::<f64>() / images.len() as f64;
    if variance > 0.0 {
        Ok(map / variance.sqrt())
    } else {
        Err(Error::Rank { needed: 1, rank: 0 })
    }
}

/// The same for a map that the caller brought.
pub(super) fn start_from<T: Scalar>(
    centred: &Centred,
    map: &LinearMap<T>,
    components: Option<usize>,
) -> Result<Array2<f64>, Error> {
    if centred.rows.ncols() != map.dim() {
        return Err(Error::DimMismatch {
            left: centred.rows.ncols(),
            right: map.dim(),
        });
    }
    if components.is_some_and(|k| k != map.out()) {
        return Err(Error::InvalidParam {
            name: "rows of the start",
            expected: "the number of components",
            got: map.out() as f64,
        });
    }
    let matrix = map.matrix().mapv(|x| x * centred.scale);
    if matrix.iter().all(|x| x.is_finite()) {
        Ok(matrix)
    } else {
        Err(Error::Overflow { what: "start" })
    }
}

/// Images `z = rows Aᵀ` in standard layout.
pub(super) fn images(rows: &Array2<f64>, map: ArrayView2<'_, f64>) -> Array2<f64> {
    rows.dot(&map.t()).as_standard_layout().into_owned()
}

/// Gradient by `A` of a loss of the squared distances `dᵢⱼ = ‖zᵢ − zⱼ‖²`, `z = rows Aᵀ`.
///
/// `weight(i, j, dᵢⱼ)` is `wᵢⱼ + wⱼᵢ` for `wᵢⱼ = ∂loss/∂dᵢⱼ`. Each row gathers its own sum, so rows run in parallel and
/// the memory is that of `z`.
/// ```text
/// ∂loss/∂A = 2 Σᵢ vᵢ xᵢᵀ,   vᵢ = Σⱼ (wᵢⱼ + wⱼᵢ) (zᵢ − zⱼ)
/// ```
pub(super) fn gradient(
    rows: &Array2<f64>,
    z: &Array2<f64>,
    weight: impl Fn(usize, usize, f64) -> f64 + Sync,
) -> Array2<f64> {
    let (n, out) = z.dim();
    let mut pulls = Array2::<f64>::zeros((n, out));
    pulls
        .as_slice_mut()
        .expect("a fresh array is in standard layout")
        .par_chunks_mut(out)
        .enumerate()
        .for_each(|(i, pull)| {
            let at = row(z, i);
            for j in (0..n).filter(|&j| j != i) {
                let other = row(z, j);
                let weight = weight(i, j, squared(at, other));
                if weight != 0.0 {
                    for ((pull, a), b) in pull.iter_mut().zip(at).zip(other) {
                        *pull += weight * (a - b);
                    }
                }
            }
        });
    pulls.t().dot(rows) * 2.0
}
