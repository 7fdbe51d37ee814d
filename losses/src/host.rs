//! Values of tensors outside their device.

use burn::tensor::{Element, TensorData};

/// The values in row order, as `T`.
pub(crate) fn to_vec<T: Element>(data: TensorData) -> Vec<T> {
    data.convert::<T>()
        .try_to_vec()
        .expect("converted to this type")
}
