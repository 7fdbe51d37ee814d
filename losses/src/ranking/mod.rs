//! Losses of whole rankings: of every query, all references in order of distance.

mod fast_ap;
mod histogram;
mod pnp;
mod ranked_list;
mod recall_at_k;
mod smooth_ap;
mod smooth_rank;
mod soft_histogram;

pub use fast_ap::{FastApLoss, FastApLossConfig};
pub use histogram::{HistogramLoss, HistogramLossConfig};
pub use pnp::{PnpLoss, PnpLossConfig, PnpVariant};
pub use ranked_list::{RankedListLoss, RankedListLossConfig};
pub use recall_at_k::{RecallAtKLoss, RecallAtKLossConfig};
pub use smooth_ap::{SmoothApLoss, SmoothApLossConfig};
