use burn::tensor::Tensor;
use metric_core::Scalar;

use super::both_ways::{numbered, stream_both_ways};
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

/// Pairs, row `i` with partner `i`, each row's own among candidates, of which the partners come first; with `both_ways` the mean
/// of that and of partners among rows. `None` where it cannot be streamed.
///
/// # Shapes
/// - `rows`, `partners`: `[n, dim]`, `candidates`: `[m, dim]`, `m ≥ n`
pub(crate) fn stream_pairs(
    scale: f64,
    way: (EmbeddingDistance, Reducer),
    [rows, partners, candidates]: [&Tensor<2>; 3],
    both_ways: bool,
) -> Option<Tensor<1>> {
    let all = [rows, partners, candidates];
    if !both_ways {
        return stream_among(scale, way, all, 0);
    }
    let given = Tensor::full([1], scale, (&rows.device(), rows.dtype()));
    let at_once = stream_both_ways(given, way, [rows, candidates]);
    at_once.or_else(|| stream_each_way(scale, way, all))
}

/// The mean of partners among candidates and of rows among rows, one after the other, for numbers that cannot be had at once.
pub(crate) fn stream_each_way(
    scale: f64,
    way: (EmbeddingDistance, Reducer),
    [rows, partners, candidates]: [&Tensor<2>; 3],
) -> Option<Tensor<1>> {
    let there = stream_among(scale, way, [rows, partners, candidates], 0)?;
    let back = stream_among(scale, way, [partners, rows, rows], 0)?;
    Some((there + back) * 0.5)
}

/// The same against negatives, among which there is no partner.
pub(crate) fn stream_against_negatives(
    scale: f64,
    way: (EmbeddingDistance, Reducer),
    [rows, partners, negatives]: [&Tensor<2>; 3],
) -> Option<Tensor<1>> {
    let [n, _] = rows.dims();
    stream_among(scale, way, [rows, partners, negatives], n)
}

/// Column `j` is the own of row `first + j`, if there is such a row.
fn stream_among(
    scale: f64,
    way: (EmbeddingDistance, Reducer),
    [rows, partners, columns]: [&Tensor<2>; 3],
    first: usize,
) -> Option<Tensor<1>> {
    let (distance, reducer) = way;
    let own = distance
        .paired(rows.clone(), partners.clone())
        .unsqueeze_dim(1);
    let loss = AmongOthers { scale, reducer };
    let reference = Some(numbered(columns, first));
    stream_with(&loss, way, numbered(rows, 0), reference, Some(own))
}
