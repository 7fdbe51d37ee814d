//! How much of the truth an approximate search finds.

use crate::{Error, Neighbors, Scalar};

/// Share of the exact neighbours that an approximate search found, averaged over the queries.
///
/// ```text
/// recall = Σ |A(q) ∩ E(q)| / (n k)
/// ```
/// `A(q)` and `E(q)` are row `q` of `approximate` and `exact`, both `[n, k]`. Rows are told apart by index: where
/// distances tie at the k-th place, another choice than the lowest index counts as a miss.
///
/// # Errors
///
/// [`Error::NeighborShape`] if the two differ in shape, [`Error::Empty`] if there is nothing to find.
///
/// # Examples
///
/// ```
/// use metric_core::{Neighbors, recall};
/// use ndarray::array;
/// let found = |indices| Neighbors { indices, distances: array![[0.1f32, 0.2]] };
/// assert_eq!(recall(&found(array![[4, 7]]), &found(array![[7, 5]]))?, 0.5);
/// # Ok::<(), metric_core::Error>(())
/// ```
pub fn recall<T: Scalar>(approximate: &Neighbors<T>, exact: &Neighbors<T>) -> Result<f64, Error> {
    let (found, sought) = (&approximate.indices, &exact.indices);
    if found.dim() != sought.dim() {
        return Err(Error::NeighborShape {
            expected: sought.dim(),
            got: found.dim(),
        });
    }
    if sought.is_empty() {
        return Err(Error::Empty { what: "exact" });
    }
    let mut hits = 0;
    for (found, sought) in found.rows().into_iter().zip(sought.rows()) {
        let mut sorted = found.to_vec();
        sorted.sort_unstable();
        hits += sought
            .iter()
            .filter(|index| sorted.binary_search(index).is_ok())
            .count();
    }
    Ok(hits as f64 / sought.len() as f64)
}
