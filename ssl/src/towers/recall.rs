use metric_core::retrieval::{RetrievalMetric, retrieval_scores_against};
use metric_core::{Cosine, Relevance};
use ndarray::ArrayView2;

use super::TowersError;

/// Recall between two sets of rows of which those of one number belong together.
///
/// With `rankᵢ` the place of `bᵢ` among all rows of `b`, by their cosine with `aᵢ`:
/// ```text
/// recall@k = 1/n Σᵢ [rankᵢ ≤ k]
/// ```
/// for each `k` of `ks`, from `a` to `b` and from `b` to `a`. Of rows as near as each other the first counts as nearer.
///
/// Cost: `O(n² · dim)` time, `O(n)` memory for each thread.
///
/// # Shapes
/// - `a`, `b`: `[n, dim]`
///
/// # Errors
/// [`TowersError::Rows`] if there are not as many of both, and [`TowersError::Data`] for no rows, rows of different lengths
/// or with numbers that are not finite, or `k = 0`.
///
/// ```
/// use metric_ssl::cross_recall;
/// use ndarray::array;
///
/// let a = array![[1.0f32, 0.0], [0.0, 1.0]];
/// let b = array![[2.0f32, 1.0], [1.0, 0.0]];
/// // The second `b` is nearest to the first `a`, and the first to the second; of `b` the first finds its own.
/// assert_eq!(cross_recall(a.view(), b.view(), &[1, 2])?, [[0.0, 1.0], [0.5, 1.0]]);
/// # Ok::<(), metric_ssl::TowersError>(())
/// ```
pub fn cross_recall(
    a: ArrayView2<'_, f32>,
    b: ArrayView2<'_, f32>,
    ks: &[usize],
) -> Result<[Vec<f64>; 2], TowersError> {
    let (n, of_b) = (a.nrows(), b.nrows());
    if n != of_b {
        return Err(TowersError::Rows { a: n, b: of_b });
    }
    let numbers: Vec<u32> = (0..n as u32).collect();
    let own = Relevance::labels(&numbers);
    let metrics: Vec<_> = ks.iter().map(|&k| RetrievalMetric::RecallAt(k)).collect();
    let recall = |queries, reference| -> Result<Vec<f64>, TowersError> {
        let scores = retrieval_scores_against(&Cosine, queries, reference, &own, &metrics)?;
        Ok(scores.values.into_iter().map(|(_, value)| value).collect())
    };
    Ok([recall(a, b)?, recall(b, a)?])
}
