//! Histograms whose counts are differentiable in the values.

use burn::tensor::{Bool, IndexingUpdateOp, Int, Tensor};

/// Values shared between the two nearest of `bins + 1` nodes.
///
/// A value between two nodes counts for each in proportion to its nearness (a triangular kernel);
/// one outside the span counts for the end node.
pub(crate) struct SoftBins {
    lower: Tensor<2, Int>,
    /// How much of a value goes to the node above `lower`.
    upper_share: Tensor<2>,
    bins: usize,
}

impl SoftBins {
    /// Nodes evenly spaced over `span`.
    ///
    /// # Shapes
    /// - `values`: `[n, m]`
    pub(crate) fn new(values: Tensor<2>, span: (f64, f64), bins: usize) -> Self {
        let (low, high) = span;
        let place = ((values - low) * (bins as f64 / (high - low))).clamp(0.0, bins as f64);
        let lower = place.clone().detach().floor().clamp_max(bins as f64 - 1.0);
        Self {
            lower: lower.clone().int(),
            upper_share: place - lower,
            bins,
        }
    }

    /// The histogram of the selected values of each row: `[n, bins + 1]`.
    pub(crate) fn of(&self, selected: Tensor<2, Bool>) -> Tensor<2> {
        let [n, _] = self.upper_share.dims();
        let left_out = selected.bool_not();
        let up = self.upper_share.clone().mask_fill(left_out.clone(), 0.0);
        let down = (-self.upper_share.clone() + 1.0).mask_fill(left_out, 0.0);
        let options = (&up.device(), up.dtype());
        Tensor::zeros([n, self.bins + 1], options)
            .scatter(1, self.lower.clone(), down, IndexingUpdateOp::Add)
            .scatter(1, self.lower.clone() + 1, up, IndexingUpdateOp::Add)
    }
}
