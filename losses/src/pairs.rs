//! Which pairs of a batch are alike.

use burn::tensor::{Bool, Int, Tensor};

/// Masks of shape `[n, m]` over pairs of a row and a reference.
pub(crate) struct PairMasks {
    /// Same label; a row is never paired with itself.
    pub(crate) positive: Tensor<2, Bool>,
    /// Different labels.
    pub(crate) negative: Tensor<2, Bool>,
}

impl PairMasks {
    /// Pairs within one set.
    pub(crate) fn within(labels: Tensor<1, Int>) -> Self {
        let [n] = labels.dims();
        // Burn's `diag_mask` is false on the diagonal.
        let off_diagonal = Tensor::<2, Bool>::diag_mask([n, n], 0, &labels.device());
        let Self { positive, negative } = Self::between(labels.clone(), labels);
        Self {
            positive: positive.bool_and(off_diagonal),
            negative,
        }
    }

    /// Pairs of two different sets: nothing is left out.
    pub(crate) fn between(labels: Tensor<1, Int>, reference: Tensor<1, Int>) -> Self {
        let [n] = labels.dims();
        let [m] = reference.dims();
        let rows = labels.reshape([n, 1]).expand([n, m]);
        let columns = reference.reshape([1, m]).expand([n, m]);
        let positive = rows.equal(columns);
        Self {
            negative: positive.clone().bool_not(),
            positive,
        }
    }
}

/// # Panics
/// Unless there is one label a row.
pub(crate) fn assert_labels(x: &Tensor<2>, labels: &Tensor<1, Int>) {
    let ([n, _], [count]) = (x.dims(), labels.dims());
    assert_eq!(n, count, "one label a row: {n} rows, {count} labels");
}
