//! A guard against wrong labels among hard positives.

use super::{checked, join_pairs};
use crate::{Batch, MiningError, Pairs};

/// The positives of a batch that lie where nobody else does: by their [outlier factors](crate::density::LocalOutlierFactor),
/// one for every item of the reference set, above `limit`, likely wrong labels, which the hardest positives are full of.
///
/// Give them to [`Batch::except`]. A limit of 1.5 is usual; a factor of 1 is an item as dense as its neighbours.
///
/// Cost: `O(n m)`, no distances.
///
/// # Errors
///
/// [`MiningError::InvalidParam`] unless the limit is finite, [`MiningError::DensityCount`] if there is not one factor an item.
///
/// # Examples
///
/// ```
/// use metric_core::Relevance;
/// use metric_sampling::density::LocalOutlierFactor;
/// use metric_sampling::{Batch, outlying_positives};
/// use ndarray::array;
/// let rows = array![[0.0f32], [1.0], [2.0], [3.0], [20.0]];
/// let batch = Batch::new(rows.view(), Relevance::labels(&[0, 0, 1, 1, 1]))?;
/// let factors = LocalOutlierFactor::fit(rows.view(), 2)?.factors().to_vec();
/// let suspects = outlying_positives(&batch, &factors, 1.5)?;
/// assert!(suspects.positive.iter().eq([(2, 4), (3, 4)]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn outlying_positives(
    batch: &Batch<'_>,
    factors: &[f64],
    limit: f64,
) -> Result<Pairs, MiningError> {
    let limit = checked("limit", "finite", limit, limit.is_finite())?;
    let (items, densities) = (batch.references(), factors.len());
    if items != densities {
        return Err(MiningError::DensityCount { items, densities });
    }
    let found = batch.each_anchor_unmeasured(|anchor| {
        let positives = anchor.positives().iter().map(|positive| positive.index);
        let outlying = positives.filter(|&positive| factors[positive as usize] > limit);
        (outlying.collect(), Vec::new())
    });
    Ok(join_pairs(&found))
}
