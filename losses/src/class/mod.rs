//! Losses against a vector for each class.

mod arc_face;
mod center;
mod cross_entropy;
mod normalized_softmax;
mod softmax;

pub use arc_face::{ArcFaceLoss, ArcFaceLossConfig};
pub use center::{CenterLoss, CenterLossConfig};
pub use normalized_softmax::{NormalizedSoftmaxLoss, NormalizedSoftmaxLossConfig};
pub use softmax::{SoftmaxLoss, SoftmaxLossConfig};
