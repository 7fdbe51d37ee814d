//! Contrastive losses by the softmax of similarities.

mod debiased;
mod decoupled;
mod ge2e;
mod hard_negative;
mod info_nce;
mod multiple_negatives_ranking;
mod nt_xent;
mod soft_nearest_neighbor;
mod sup_con;
mod vic_reg;

pub use debiased::{DebiasedContrastiveLoss, DebiasedContrastiveLossConfig};
pub use decoupled::{DecoupledContrastiveLoss, DecoupledContrastiveLossConfig};
pub use ge2e::{Ge2eLoss, Ge2eLossConfig, Ge2eVariant};
pub use hard_negative::{HardNegativeContrastiveLoss, HardNegativeContrastiveLossConfig};
pub use info_nce::{InfoNceLoss, InfoNceLossConfig};
pub use multiple_negatives_ranking::{
    MultipleNegativesRankingLoss, MultipleNegativesRankingLossConfig,
};
pub use nt_xent::{NtXentLoss, NtXentLossConfig};
pub use soft_nearest_neighbor::{SoftNearestNeighborLoss, SoftNearestNeighborLossConfig};
pub use sup_con::{SupConLoss, SupConLossConfig};
pub use vic_reg::{VicRegLoss, VicRegLossConfig};
