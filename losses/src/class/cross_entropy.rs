use burn::tensor::activation::log_softmax;
use burn::tensor::{Bool, Int, Tensor};

use crate::labels::Labels;
use crate::numerics::zero_without_rows;
use crate::pairs::assert_labels;
use crate::reducer::Reducer;

/// The loss of a batch without rows, 0 on the graph. `None` for other batches.
///
/// # Panics
/// If there is not one label a row.
pub(crate) fn zero_if_empty(rows: &Tensor<2>, labels: &Labels) -> Option<Tensor<1>> {
    assert_labels(rows, labels);
    zero_without_rows(&[rows])
}

/// `−log softmax(logits)` at the label of every row, `[n, 1]`.
pub(crate) fn cross_entropies(logits: Tensor<2>, labels: Tensor<1, Int>) -> Tensor<2> {
    let [n] = labels.dims();
    -log_softmax(logits, 1).gather(1, labels.reshape([n, 1]))
}

/// [`cross_entropies`], reduced.
///
/// # Shapes
/// - `logits`: `[n, classes]`, `labels`: `[n]`
/// - output: `[1]`
pub(crate) fn cross_entropy(logits: Tensor<2>, labels: &Labels, reducer: Reducer) -> Tensor<1> {
    reducer.reduce_rows(cross_entropies(logits, labels.expect_classes()), labels)
}

/// True at `[i, labels[i]]`: `[n, classes]`.
pub(crate) fn target_mask(labels: Tensor<1, Int>, classes: usize) -> Tensor<2, Bool> {
    let [n] = labels.dims();
    let columns = Tensor::<1, Int>::arange(0..classes as i64, &labels.device());
    let columns = columns.reshape([1, classes]).expand([n, classes]);
    labels.reshape([n, 1]).expand([n, classes]).equal(columns)
}
