//! Losses of several views of one thing, and of a student and its teacher.
//!
//! Row `i` of every view is of the same example. A teacher's rows are constants: what belongs to it is detached here,
//! or by the caller where the loss says so. State (a centre, a covariance) moves by explicit calls alone, never by
//! `forward`.

mod barlow_twins;
mod clip;
mod consistency;
mod distillation;
mod mix_hard_negatives;
mod nce;
mod negative_cosine;
mod proto_nce;
mod self_distillation;
mod sinkhorn;
mod soft_cross_entropy;
mod soft_info_nce;
mod swapped_prediction;
mod tico;

pub use barlow_twins::{BarlowTwinsLoss, BarlowTwinsLossConfig};
pub use clip::{ClipLoss, ClipLossConfig};
pub use consistency::{ConsistencyLoss, ConsistencyLossConfig, ConsistencyMeasure};
pub use distillation::{DistillationLoss, DistillationLossConfig};
pub use mix_hard_negatives::mix_hard_negatives;
pub use nce::{NceLoss, NceLossConfig};
pub use negative_cosine::{NegativeCosineLoss, NegativeCosineLossConfig};
pub use proto_nce::{ProtoNceLoss, ProtoNceLossConfig, Prototypes};
pub use self_distillation::{SelfDistillationLoss, SelfDistillationLossConfig};
pub use sinkhorn::sinkhorn;
pub use soft_info_nce::{SoftInfoNceLoss, SoftInfoNceLossConfig};
pub use swapped_prediction::{SwappedPredictionLoss, SwappedPredictionLossConfig};
pub use tico::{TiCoLoss, TiCoLossConfig};
