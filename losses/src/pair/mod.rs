//! Losses of pairs and triplets.

mod contrastive;
mod triplet_margin;

pub use contrastive::{ContrastiveLoss, ContrastiveLossConfig};
pub use triplet_margin::{TripletMarginLoss, TripletMarginLossConfig};
