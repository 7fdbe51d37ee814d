//! A guard against false negatives.

use metric_core::{Euclidean, knn_self};
use ndarray::{Array2, ArrayView2};

use super::{checked, join_pairs};
use crate::{Batch, MiningError, Pairs};

/// Suspects negatives that live among the anchor's own kind: likely false negatives, such as wrong labels or classes that are one.
///
/// ```text
/// agreement(a, n) = share of the k nearest neighbours of n, other than a, that are relevant to a
/// suspected:        n a negative of a with agreement(a, n) ≥ share
/// ```
/// The neighbours are found once for a reference set, whose densities a miner needs anyway; relevance is asked with each batch.
/// A suspect is left out by [`Batch::except`] or made a positive by [`Batch::attract`].
///
/// Memory: `8 k` bytes an item.
///
/// # Examples
///
/// ```
/// use metric_core::Relevance;
/// use metric_sampling::{Batch, LocalAgreement};
/// use ndarray::array;
/// // Row 3 lies among the rows of label 0.
/// let rows = array![[0.0f32], [0.1], [0.2], [0.12], [5.0], [5.1], [5.2]];
/// let batch = Batch::new(rows.view(), Relevance::labels(&[0, 0, 0, 1, 1, 1, 1]))?;
/// let suspects = LocalAgreement::fit(rows.view(), 2)?.suspects(&batch, 1.0)?;
/// assert!(suspects.negative.iter().eq([(0, 3), (1, 3), (2, 3)]));
/// let guarded = batch.except(&suspects)?;
/// # let _ = guarded;
/// # Ok::<(), metric_sampling::MiningError>(())
/// ```
#[derive(Debug, Clone)]
pub struct LocalAgreement {
    /// `[items, k]`.
    neighbors: Array2<usize>,
}

impl LocalAgreement {
    /// Finds the `k` nearest neighbours (Euclidean) of every item `[m, dim]` among the others, fewer if there are not so many.
    ///
    /// Cost: an exact search.
    ///
    /// # Errors
    ///
    /// [`MiningError::Data`] if there are no items, they are not finite, or `k` is 0.
    pub fn fit(items: ArrayView2<'_, f32>, k: usize) -> Result<Self, MiningError> {
        let neighbors = knn_self(&Euclidean, items, k)?.indices;
        Ok(Self { neighbors })
    }

    /// The negatives of a batch with these items, its reference set, whose agreement with their anchor is at least `share`.
    ///
    /// Cost: `O(n m k)` questions to the relevance.
    ///
    /// # Errors
    ///
    /// [`MiningError::InvalidParam`] unless `0 < share ≤ 1`; [`MiningError::Data`] if the batch has not as many items.
    pub fn suspects(&self, batch: &Batch<'_>, share: f64) -> Result<Pairs, MiningError> {
        let share = checked(
            "share",
            "above 0 and at most 1",
            share,
            share > 0.0 && share <= 1.0,
        )?;
        let (left, right) = (self.neighbors.nrows(), batch.references());
        if left != right {
            let (rows, labels) = (right, left);
            return Err(metric_core::Error::LabelCount { rows, labels }.into());
        }
        let relevance = batch.relevance();
        let found = batch.each_anchor_unmeasured(|anchor| {
            let row = anchor.index() as usize;
            let is_suspect = |item: usize| {
                let others = self.neighbors.row(item).into_iter();
                let others = others.filter(|&&other| batch.has_reference() || other != row);
                let (mut all, mut alike) = (0, 0);
                for &other in others {
                    all += 1;
                    alike += usize::from(relevance.is_relevant(row, other));
                }
                alike > 0 && alike as f64 >= share * f64::from(all)
            };
            let negatives = anchor.negatives().map(|negative| negative.index);
            let suspects = negatives.filter(|&negative| is_suspect(negative as usize));
            (Vec::new(), suspects.collect())
        });
        Ok(join_pairs(&found))
    }
}
