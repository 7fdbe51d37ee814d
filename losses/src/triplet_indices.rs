use burn::tensor::{Device, Int, Tensor, TensorData};
use metric_sampling::Triplets;

/// Mined triplets on a device: row numbers of anchors, positives and negatives.
#[derive(Debug, Clone)]
pub struct TripletIndices {
    pub(crate) anchor: Tensor<1, Int>,
    pub(crate) positive: Tensor<1, Int>,
    pub(crate) negative: Tensor<1, Int>,
}

impl TripletIndices {
    /// Copies the indices of `triplets` to `device`.
    pub fn upload(triplets: &Triplets, device: &Device) -> Self {
        let upload = |indices: &[u32]| {
            let indices: Vec<i64> = indices.iter().map(|&i| i64::from(i)).collect();
            let count = indices.len();
            Tensor::from_data(TensorData::new(indices, [count]), device)
        };
        Self {
            anchor: upload(triplets.anchors()),
            positive: upload(triplets.positives()),
            negative: upload(triplets.negatives()),
        }
    }

    /// How many triplets there are.
    pub fn len(&self) -> usize {
        self.anchor.dims()[0]
    }

    /// Whether there is no triplet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
