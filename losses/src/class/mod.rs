//! Losses against a vector for each class.

mod arc_face;
mod center;
mod class_cosines;
mod class_vectors;
mod cos_face;
mod cross_entropy;
mod large_margin_softmax;
mod margin_annealing;
mod normalized_softmax;
mod proxy_anchor;
mod proxy_nca;
mod soft_triple;
mod softmax;
mod sphere_face;
mod sub_center_arc_face;

pub use arc_face::{ArcFaceLoss, ArcFaceLossConfig};
pub use center::{CenterLoss, CenterLossConfig};
pub use cos_face::{CosFaceLoss, CosFaceLossConfig};
pub use large_margin_softmax::{LargeMarginSoftmaxLoss, LargeMarginSoftmaxLossConfig};
pub use margin_annealing::MarginAnnealing;
pub use normalized_softmax::{NormalizedSoftmaxLoss, NormalizedSoftmaxLossConfig};
pub use proxy_anchor::{ProxyAnchorLoss, ProxyAnchorLossConfig};
pub use proxy_nca::{ProxyNcaLoss, ProxyNcaLossConfig};
pub use soft_triple::{SoftTripleLoss, SoftTripleLossConfig};
pub use softmax::{SoftmaxLoss, SoftmaxLossConfig};
pub use sphere_face::{SphereFaceLoss, SphereFaceLossConfig};
pub use sub_center_arc_face::{
    SubCenterArcFaceLoss, SubCenterArcFaceLossConfig, SubCenterOutliers,
};
