use burn::tensor::{DType, Device, Tensor};
use metric_core::Scalar;

use super::operation::{self, Found, Inputs, Task};
use super::pair_lists::PairLists;
use super::rows::{Rows, Way};
use crate::distance::EmbeddingDistance;
use crate::labels::Labels;
use crate::reducer::Reducer;

/// Rows of a tensor and a label for each.
pub(crate) type Labelled = (Tensor<2>, Labels);

/// A loss that can be had from all pairs, a row at a time.
pub(crate) trait Stream {
    /// `None` where the engine refuses the numbers.
    fn stream<T: Scalar>(&self, rows: &Rows<'_, T>, reducer: Reducer) -> Option<Found<T>>;
}

/// A streamed loss as the operation's task.
struct ByRows<'a, L> {
    loss: &'a L,
    way: Way,
    reducer: Reducer,
    pairs: PairLists,
}

impl<L: Stream> Task for ByRows<'_, L> {
    fn run<'a, T: Scalar>(&'a self, inputs: Inputs<'a, T>) -> Option<Found<T>> {
        let rows = Rows::new(inputs, self.way, &self.pairs)?;
        self.loss.stream(&rows, self.reducer)?.if_finite()
    }
}

/// A loss over the pairs of a batch, or of a batch and a reference set: `None` where it cannot be streamed.
pub(crate) fn stream(
    loss: &impl Stream,
    way: (EmbeddingDistance, Reducer),
    batch: Labelled,
    reference: Option<Labelled>,
) -> Option<Tensor<1>> {
    stream_with(loss, way, batch, reference, None)
}

/// The same, with a number given for each row, `[n, 1]`, that is followed too.
pub(crate) fn stream_with(
    loss: &impl Stream,
    (distance, reducer): (EmbeddingDistance, Reducer),
    (x, labels): Labelled,
    reference: Option<Labelled>,
    given: Option<Tensor<2>>,
) -> Option<Tensor<1>> {
    let way = Way::of(distance)?;
    let (y, columns) = reference.unzip();
    if !fit(std::iter::once(&x).chain(&y).chain(&given)) {
        return None;
    }
    let task = ByRows {
        loss,
        way,
        reducer,
        pairs: PairLists::new(&labels, columns.as_ref()),
    };
    operation::run(&task, x, y, given)
}

/// Whether a task takes these tensors: on the CPU backend, of one type, and none of them empty.
pub(super) fn fit<'a>(mut inputs: impl Iterator<Item = &'a Tensor<2>> + Clone) -> bool {
    #[cfg(test)]
    if super::tests::wants_definitions() {
        return false;
    }
    let types = inputs.clone().map(Tensor::dtype);
    let first = types.clone().next();
    let is_some = |input: &Tensor<2>| input.dims().iter().all(|&side| side > 0);
    matches!(first, Some(DType::F32 | DType::F64))
        && types.map(Some).all(|dtype| dtype == first)
        && inputs.all(|input| is_some(input) && is_cpu(&input.device()))
}

#[cfg(feature = "flex")]
fn is_cpu(device: &Device) -> bool {
    let device = device.clone().without_autodiff();
    matches!(device.as_dispatch(), burn::backend::DispatchDevice::Flex(_))
}

#[cfg(not(feature = "flex"))]
fn is_cpu(_: &Device) -> bool {
    false
}
