//! Contrastive losses by the softmax of similarities.

mod debiased;
mod decoupled;
mod hard_negative;
mod info_nce;
mod nt_xent;
mod sup_con;
mod vic_reg;

use burn::tensor::{Int, Tensor};

pub use debiased::{DebiasedContrastiveLoss, DebiasedContrastiveLossConfig};
pub use decoupled::{DecoupledContrastiveLoss, DecoupledContrastiveLossConfig};
pub use hard_negative::{HardNegativeContrastiveLoss, HardNegativeContrastiveLossConfig};
pub use info_nce::{InfoNceLoss, InfoNceLossConfig};
pub use nt_xent::{NtXentLoss, NtXentLossConfig};
pub use sup_con::{SupConLoss, SupConLossConfig};
pub use vic_reg::{VicRegLoss, VicRegLossConfig};

use crate::distance::EmbeddingDistance;
use crate::ops::{RowLoss, stream};
use crate::pairs::{PairMasks, assert_labels, pairs_against, pairs_within};
use crate::reducer::Reducer;

/// Rows and a label for each.
type Labelled = (Tensor<2>, Tensor<1, Int>);

/// A loss over the pairs of a batch, or of a batch and a reference set: streamed where it can be, else by its definition.
fn streamed_or_plain<L>(
    (distance, reducer): (EmbeddingDistance, Reducer),
    by_rows: &L,
    (x, labels): Labelled,
    reference: Option<Labelled>,
    plain: impl FnOnce(Tensor<2>, PairMasks) -> Tensor<1>,
) -> Tensor<1>
where
    L: RowLoss<f32> + RowLoss<f64>,
{
    assert_labels(&x, &labels);
    if let Some((y, labels)) = &reference {
        assert_labels(y, labels);
    }
    if let Some(rows) = distance.rows_of_products(&x) {
        let columns = reference.clone().map(|(y, labels)| {
            let columns = distance.rows_of_products(&y);
            (columns.expect("as of the rows"), labels)
        });
        if let Some(loss) = stream(by_rows, (rows, labels.clone()), columns, reducer) {
            return loss;
        }
    }
    let (distances, masks) = match reference {
        Some((y, of)) => pairs_against(distance, x, labels, y, of),
        None => pairs_within(distance, x, labels),
    };
    plain(distances, masks)
}
