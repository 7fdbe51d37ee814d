//! Rows chosen of a matrix that has another gradient too.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Autodiff, Backend, Dispatch, TensorMetadata, backend_extension};
use burn::tensor::{IndexingUpdateOp, Int, Tensor};

use super::stream::fit;

/// The operation behind [`select_rows`].
#[backend_extension(Flex: cfg(feature = "flex"), Autodiff)]
pub(crate) trait SelectRowsOps: Backend {
    fn select_rows(matrix: FloatTensor<Self>, places: IntTensor<Self>) -> FloatTensor<Self> {
        Self::float_select(matrix, 0, places)
    }
}

#[cfg(feature = "flex")]
impl SelectRowsOps for burn::backend::Flex {}

#[derive(Debug)]
struct SelectRows;

impl<B: Backend> Backward<B, 1> for SelectRows {
    type State = (FloatTensor<Autodiff<B>>, IntTensor<B>);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let above = grads.consume::<B>(&ops.node);
        let (matrix, places) = ops.state;
        let [Some(node)] = ops.parents else {
            return;
        };
        // Taken out, nobody else holds it, and rows are added where it lies.
        let so_far = grads.remove(&matrix);
        let sum = so_far.unwrap_or_else(|| {
            let (shape, dtype) = (matrix.primitive().shape(), above.dtype());
            B::float_zeros(shape, &matrix.primitive().device(), dtype.into())
        });
        let sum = B::float_select_assign(sum, 0, places, above, IndexingUpdateOp::Add);
        grads.register::<B>(node.id, sum);
    }
}

impl<B: Backend + SelectRowsOps, C: CheckpointStrategy> SelectRowsOps for Autodiff<B, C> {
    fn select_rows(matrix: FloatTensor<Self>, places: IntTensor<Self>) -> FloatTensor<Self> {
        let prepared = SelectRows.prepare::<C>([matrix.node()]).compute_bound();
        match prepared.stateful() {
            OpsKind::Tracked(prep) => {
                let rows = B::select_rows(matrix.primitive().clone(), places.clone());
                prep.finish((matrix, places), rows)
            }
            OpsKind::UnTracked(prep) => {
                prep.finish(B::select_rows(matrix.into_primitive(), places))
            }
        }
    }
}

/// The rows of `matrix` `[m, dim]` at `places` `[n]`, one of which may be there more than once: `[n, dim]`.
///
/// As Burn's `select`, but where the matrix has a gradient already, that of the rows is added to it in `O(n · dim)`; Burn's own
/// fills a matrix of zeros for it and adds all of that.
pub(crate) fn select_rows(matrix: Tensor<2>, places: Tensor<1, Int>) -> Tensor<2> {
    if !fit([&matrix].into_iter()) {
        return matrix.select(0, places);
    }
    let [matrix, places] = [matrix.into_dispatch(), places.into_dispatch()];
    Tensor::from_dispatch(<Dispatch as SelectRowsOps>::select_rows(matrix, places))
}
