//! Contrastive losses by the softmax of similarities.

mod ge2e;
mod multiple_negatives_ranking;
mod nt_xent;
mod soft_nearest_neighbor;
mod sup_con;

pub use ge2e::{Ge2eLoss, Ge2eLossConfig, Ge2eVariant};
pub use multiple_negatives_ranking::{
    MultipleNegativesRankingLoss, MultipleNegativesRankingLossConfig,
};
pub use nt_xent::{NtXentLoss, NtXentLossConfig};
pub use soft_nearest_neighbor::{SoftNearestNeighborLoss, SoftNearestNeighborLossConfig};
pub use sup_con::{SupConLoss, SupConLossConfig};
