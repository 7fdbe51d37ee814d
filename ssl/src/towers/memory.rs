use burn::tensor::Tensor;
use metric_sampling::{BufferError, RingBuffer};

use super::TowersError;
use crate::method::{Memory, download};

/// What two towers keep of earlier batches: for each side a queue of its teacher's unit rows, labelled with the numbers of
/// their examples. Serialized and read back it is the same, to the bit.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct TowersMemory {
    /// Of the first tower.
    pub a: Memory,
    /// Of the second.
    pub b: Memory,
}

impl TowersMemory {
    pub(super) fn new(length: usize, dim: usize) -> Result<Self, TowersError> {
        let queue = Some(RingBuffer::new(length, dim)?);
        let a = Memory {
            queue,
            ..Memory::default()
        };
        Ok(Self { b: a.clone(), a })
    }

    pub(super) fn push(
        &mut self,
        a: Tensor<2>,
        b: Tensor<2>,
        examples: &[usize],
    ) -> Result<(), TowersError> {
        let labels: Vec<i64> = examples.iter().map(|&example| example as i64).collect();
        let (a, b) = (download(a), download(b));
        // All else that a queue refuses it refuses on both sides.
        if let Some(((row, column), _)) = b.indexed_iter().find(|(_, x)| !x.is_finite()) {
            let what = "rows";
            let error = metric_core::Error::NonFinite { what, row, column };
            return Err(BufferError::Data(error).into());
        }
        for (memory, keys) in [(&mut self.a, a), (&mut self.b, b)] {
            if let Some(queue) = &mut memory.queue {
                queue.push(keys.view(), &labels)?;
            }
        }
        Ok(())
    }
}

/// The rows of a queue, `[m, dim]`, for a batch of such keys, which it must have room for.
pub(super) fn queued(memory: &Memory, keys: &Tensor<2>) -> Result<Tensor<2>, TowersError> {
    let [rows, dim] = keys.dims();
    if let Some(queue) = &memory.queue {
        let capacity = queue.capacity();
        if rows > capacity {
            return Err(BufferError::TooManyRows { rows, capacity }.into());
        }
        if dim != queue.dim() {
            let (left, right) = (queue.dim(), dim);
            let error = metric_core::Error::DimMismatch { left, right };
            return Err(BufferError::Data(error).into());
        }
    }
    let device = keys.device();
    let queue = memory.queue(&device);
    Ok(queue.unwrap_or_else(|| Tensor::zeros([0, dim], &device)))
}
