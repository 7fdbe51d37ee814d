use burn::tensor::{Int, Tensor};
use metric_core::Scalar;

use super::row_loss::RowLoss;
use super::row_pairs::{RowPairs, Terms};
use super::soft_max::{exp_in_range, sigmoid, softplus};
use super::stream::stream_with;
use crate::distance::EmbeddingDistance;
use crate::reducer::Reducer;

/// The cross-entropy of a row's own distance, which is given, among the others: `log(1 + Σⱼ e^{s (own − dⱼ)})`.
pub(crate) struct AmongOthers {
    /// `s`
    pub(crate) scale: f64,
    pub(crate) reducer: Reducer,
}

impl AmongOthers {
    /// The same of pairs whose positives are not among the others any more.
    pub(crate) fn of<T: Scalar>(&self, pairs: &mut RowPairs<'_, T>) -> Terms {
        let others = exp_in_range(pairs.distances, -self.scale);
        let gap = others.value() + self.scale * pairs.given.to_f64();
        let slope = self.scale * sigmoid(gap);
        others.share_out(pairs.distances, -slope);
        *pairs.given = T::from_f64(slope);
        self.reducer.terms_of(softplus(gap))
    }
}

impl RowLoss for AmongOthers {
    fn row<T: Scalar>(&self, mut pairs: RowPairs<'_, T>) -> Terms {
        pairs.take_positives();
        self.of(&mut pairs)
    }
}

/// Which columns a row's own stands among.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Columns {
    /// Row `i` has column `i` for its own.
    Own,
    /// None of them is any row's own.
    Others,
}

/// Every row with its partner among columns; `None` where it cannot be streamed.
///
/// # Shapes
/// - `rows`, `partners`: `[n, dim]`, `columns`: `[m, dim]`
pub(crate) fn stream_among_others(
    scale: f64,
    way: (EmbeddingDistance, Reducer),
    rows: Tensor<2>,
    partners: Tensor<2>,
    (columns, which): (Tensor<2>, Columns),
) -> Option<Tensor<1>> {
    let ([n, _], [m, _]) = (rows.dims(), columns.dims());
    let (distance, reducer) = way;
    let own = distance.paired(rows.clone(), partners).reshape([n, 1]);
    let first = match which {
        Columns::Own => 0,
        Columns::Others => n,
    };
    let device = rows.device();
    let numbers = |from: usize, count: usize| {
        let numbers = from as i64..(from + count) as i64;
        Tensor::<1, Int>::arange(numbers, &device)
    };
    let batch = (rows, numbers(0, n).into());
    let reference = Some((columns, numbers(first, m).into()));
    let loss = AmongOthers { scale, reducer };
    stream_with(&loss, way, batch, reference, Some(own))
}
