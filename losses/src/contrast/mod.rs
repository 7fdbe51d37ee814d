//! Contrastive losses by the softmax of similarities.

mod nt_xent;
mod sup_con;

pub use nt_xent::{NtXentLoss, NtXentLossConfig};
pub use sup_con::{SupConLoss, SupConLossConfig};
