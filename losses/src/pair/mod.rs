//! Losses of pairs and triplets.

mod angular;
mod circle;
mod contrastive;
mod dynamic_soft_margin;
mod generalized_lifted_structure;
mod intra_pair_variance;
mod lifted_structure;
mod margin;
mod multi_similarity;
mod n_pairs;
mod nca;
mod quadruplet;
mod quadruplet_rows;
mod selectively_contrastive;
mod threshold_consistent_margin;
mod triplet_margin;
mod triplet_rows;
mod tuplet_margin;

pub use angular::{AngularLoss, AngularLossConfig};
pub use circle::{CircleLoss, CircleLossConfig};
pub use contrastive::{ContrastiveLoss, ContrastiveLossConfig};
pub use dynamic_soft_margin::{DynamicSoftMarginLoss, DynamicSoftMarginLossConfig};
pub use generalized_lifted_structure::{
    GeneralizedLiftedStructureLoss, GeneralizedLiftedStructureLossConfig,
};
pub use intra_pair_variance::{IntraPairVarianceLoss, IntraPairVarianceLossConfig};
pub use lifted_structure::{LiftedStructureLoss, LiftedStructureLossConfig};
pub use margin::{MarginLoss, MarginLossConfig};
pub use multi_similarity::{MultiSimilarityLoss, MultiSimilarityLossConfig};
pub use n_pairs::{NPairsLoss, NPairsLossConfig};
pub(crate) use nca::Neighbors;
pub use nca::{NcaLoss, NcaLossConfig};
pub use quadruplet::{QuadrupletLoss, QuadrupletLossConfig};
pub use selectively_contrastive::{
    SelectivelyContrastiveTripletLoss, SelectivelyContrastiveTripletLossConfig,
};
pub use threshold_consistent_margin::{
    ThresholdConsistentMarginLoss, ThresholdConsistentMarginLossConfig,
};
pub use triplet_margin::{TripletChoice, TripletMarginLoss, TripletMarginLossConfig};
pub use tuplet_margin::{TupletMarginLoss, TupletMarginLossConfig};
