//! What queues have in common.

use ndarray::{Array2, ArrayView2};

use crate::RingBuffer;

/// The rows of a buffer, oldest first, and then others.
pub(super) fn followed(buffer: &RingBuffer<f32>, rows: ArrayView2<'_, f32>) -> Array2<f32> {
    let (older, newer) = buffer.as_slices();
    let mut all = Vec::with_capacity(older.len() + newer.len() + rows.len());
    all.extend_from_slice(older);
    all.extend_from_slice(newer);
    all.extend(rows.iter().copied());
    Array2::from_shape_vec((buffer.len() + rows.nrows(), buffer.dim()), all)
        .expect("both have rows of this dimension")
}

/// Are there rows, as a buffer of this size takes them?
pub(super) fn is_room(buffer: &RingBuffer<f32>, rows: ArrayView2<'_, f32>, labels: &[i64]) -> bool {
    let (n, dim) = rows.dim();
    (1..=buffer.capacity()).contains(&n) && n == labels.len() && dim == buffer.dim()
}
