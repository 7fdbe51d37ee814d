//! Losses against a vector for each class.

mod ada_face;
mod arc_face;
mod center;
mod class_cosines;
mod class_vectors;
mod combined_margin;
mod cos_face;
mod cross_entropy;
mod curricular_face;
mod dynamic_arc_face;
mod elastic_face;
mod instance;
mod large_margin_softmax;
mod mag_face;
mod magnet;
mod manifold_proxies;
mod margin_annealing;
mod normalized_softmax;
mod p2s_grad;
mod proxy_anchor;
mod proxy_nca;
mod sample_classes;
mod soft_triple;
mod softmax;
mod sphere_face;
mod sub_center_arc_face;

pub use ada_face::{AdaFaceLoss, AdaFaceLossConfig};
pub use arc_face::{ArcFaceLoss, ArcFaceLossConfig};
pub use center::{CenterLoss, CenterLossConfig};
pub(crate) use class_vectors::{class_vectors, with_values};
pub use combined_margin::{CombinedMarginLoss, CombinedMarginLossConfig};
pub use cos_face::{CosFaceLoss, CosFaceLossConfig};
pub use curricular_face::{CurricularFaceLoss, CurricularFaceLossConfig};
pub use dynamic_arc_face::{DynamicArcFaceLoss, DynamicArcFaceLossConfig};
pub use elastic_face::{ElasticFaceLoss, ElasticFaceLossConfig, ElasticMargin};
pub use instance::{InstanceLoss, InstanceLossConfig};
pub use large_margin_softmax::{LargeMarginSoftmaxLoss, LargeMarginSoftmaxLossConfig};
pub use mag_face::{MagFaceLoss, MagFaceLossConfig};
pub use magnet::{MagnetLoss, MagnetLossConfig};
pub use manifold_proxies::{ManifoldProxiesLoss, ManifoldProxiesLossConfig};
pub use margin_annealing::MarginAnnealing;
pub use normalized_softmax::{NormalizedSoftmaxLoss, NormalizedSoftmaxLossConfig};
pub use p2s_grad::{P2sGradLoss, P2sGradLossConfig};
pub use proxy_anchor::{ProxyAnchorLoss, ProxyAnchorLossConfig};
pub use proxy_nca::{ProxyNcaLoss, ProxyNcaLossConfig};
pub use sample_classes::sample_classes;
pub use soft_triple::{SoftTripleLoss, SoftTripleLossConfig};
pub use softmax::{SoftmaxLoss, SoftmaxLossConfig};
pub use sphere_face::{SphereFaceLoss, SphereFaceLossConfig};
pub use sub_center_arc_face::{
    SubCenterArcFaceLoss, SubCenterArcFaceLossConfig, SubCenterOutliers,
};
