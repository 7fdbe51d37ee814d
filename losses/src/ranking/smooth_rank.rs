//! How many references stand before a positive, as a smooth number.

use std::ops::{Add, Div, Mul, Neg, Sub};

use burn::tensor::activation::sigmoid;
use burn::tensor::{Bool, IndexingUpdateOp, Tensor};
use metric_core::Scalar;
use metric_core::simd::{exp_in_place, largest, sums_of, zip_in_place};

use crate::distance::EmbeddingDistance;
use crate::labels::Labels;
use crate::ops::{RowPairs, Rows, Terms, sigmoid as sigmoid_of};
use crate::pairs::PairMasks;
use crate::reducer::Reducer;

/// A number of one pair, or a tensor `[pairs, 1]` of those of many: a loss of pairs is written for both at once.
pub(crate) trait Number:
    Clone
    + Neg<Output = Self>
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Add<f64, Output = Self>
    + Mul<f64, Output = Self>
    + Div<f64, Output = Self>
{
    /// This number, as often as `self` has numbers.
    fn all(&self, number: f64) -> Self;
    fn exp(self) -> Self;
    /// `ln(1 + x)`
    fn log1p(self) -> Self;
    /// `1 / (1 + e⁻ˣ)`
    fn sigmoid(self) -> Self;
    fn at_most(self, bound: f64) -> Self;
    /// `near` where `x` is below the bound, else `self`.
    fn or_below(self, x: &Self, bound: f64, near: Self) -> Self;
}

impl Number for f64 {
    fn all(&self, number: f64) -> Self {
        number
    }
    fn exp(self) -> Self {
        f64::exp(self)
    }
    fn log1p(self) -> Self {
        self.ln_1p()
    }
    fn sigmoid(self) -> Self {
        sigmoid_of(self)
    }
    fn at_most(self, bound: f64) -> Self {
        self.min(bound)
    }
    fn or_below(self, x: &Self, bound: f64, near: Self) -> Self {
        if *x < bound { near } else { self }
    }
}

impl Number for Tensor<2> {
    fn all(&self, number: f64) -> Self {
        self.full_like(number)
    }
    fn exp(self) -> Self {
        Tensor::exp(self)
    }
    fn log1p(self) -> Self {
        Tensor::log1p(self)
    }
    fn sigmoid(self) -> Self {
        sigmoid(self)
    }
    fn at_most(self, bound: f64) -> Self {
        self.clamp_max(bound)
    }
    fn or_below(self, x: &Self, bound: f64, near: Self) -> Self {
        self.mask_where(x.clone().lower_scalar(bound), near)
    }
}

/// What stands before each positive `p` of a query `q`: of a pair `(q, p)` numbers, of many tensors `[pairs, 1]`.
pub(crate) struct Ahead<X = Tensor<2>> {
    /// `Σ σ((d_qp − d_qj) / T)` over the other positives `j`.
    pub(crate) positives: X,
    /// The same over the negatives.
    pub(crate) negatives: X,
    /// Number of positives of the query.
    pub(crate) set_size: X,
}

/// The loss of each pair, and its derivatives by what stands before it.
pub(crate) struct PairLoss<X = Tensor<2>> {
    pub(crate) value: X,
    pub(crate) by_positives: X,
    pub(crate) by_negatives: X,
}

/// The mean of `loss` over the positives of every query, `[n, 1]`; 0 where there are none.
///
/// Every positive pair is compared with all references of its query. That is done for as many
/// pairs at a time as there are queries, off the graph, and the graph gets the finished gradient:
/// `O(n · m)` memory however many pairs there are, `O(pairs · m)` time. The number of pairs is
/// read back from the device.
///
/// # Shapes
/// - `distances`: `[n, m]`, as are the masks
pub(crate) fn mean_over_positives(
    distances: Tensor<2>,
    masks: PairMasks,
    temperature: f64,
    loss: impl Fn(Ahead) -> PairLoss,
) -> Tensor<2> {
    let [n, _] = distances.dims();
    let fixed = distances.clone().detach();
    let indicator = |mask: Tensor<2, Bool>| mask.float().cast(fixed.dtype());
    let (is_positive, is_negative) = (indicator(masks.positive.clone()), indicator(masks.negative));
    let set_sizes = is_positive.clone().sum_dim(1);
    let mut values = set_sizes.zeros_like();
    let mut gradient = fixed.zeros_like();

    let pairs = masks.positive.argwhere(); // [pairs, 2]
    let [count, _] = pairs.dims();
    for start in (0..count).step_by(n.max(1)) {
        let length = n.min(count - start);
        let pairs = pairs.clone().narrow(0, start, length);
        let queries = pairs.clone().narrow(1, 0, 1).reshape([length]);
        let positives = pairs.narrow(1, 1, 1);
        let of_queries = |t: &Tensor<2>| t.clone().select(0, queries.clone());

        let rows = of_queries(&fixed);
        let to_positive = rows.clone().gather(1, positives.clone());
        let ahead = sigmoid((to_positive.clone() - rows) / temperature);
        let itself = to_positive.ones_like().neg();
        let is_other =
            of_queries(&is_positive).scatter(1, positives.clone(), itself, IndexingUpdateOp::Add);
        let is_negative = of_queries(&is_negative);
        let set_size = of_queries(&set_sizes);
        let loss = loss(Ahead {
            positives: (ahead.clone() * is_other.clone()).sum_dim(1),
            negatives: (ahead.clone() * is_negative.clone()).sum_dim(1),
            set_size: set_size.clone(),
        });

        let slope = ahead.clone() * (-ahead + 1.0) / temperature;
        let weight = is_other * loss.by_positives + is_negative * loss.by_negatives;
        let pull = slope * weight / set_size.clone();
        let push = pull.clone().sum_dim(1);
        let by_distance = (-pull).scatter(1, positives, push, IndexingUpdateOp::Add);
        let share = loss.value / set_size;
        gradient = gradient.select_assign(0, queries.clone(), by_distance, IndexingUpdateOp::Add);
        values = values.select_assign(0, queries, share, IndexingUpdateOp::Add);
    }
    // The difference is exactly 0; its gradient by `distances` is `gradient`.
    ((distances - fixed) * gradient).sum_dim(1) + values
}

/// The masks of rows as queries, each of a batch among its own positives, and whether it has another: `[n, 1]`.
pub(crate) fn as_queries(
    of_batch: Option<&Labels>,
    distances: &Tensor<2>,
    masks: PairMasks,
) -> (PairMasks, Tensor<2, Bool>) {
    let counted = has_positive(&masks);
    match of_batch {
        Some(labels) => (PairMasks::between(labels, labels, distances), counted),
        None => (masks, counted),
    }
}

/// Whether a query has a positive: `[n, 1]`.
pub(crate) fn has_positive(masks: &PairMasks) -> Tensor<2, Bool> {
    masks.positive.clone().any_dim(1)
}

/// Whether rows that are streamed may be among their own positives: within a batch only where the distance of a row to
/// itself has no derivative.
pub(crate) fn may_be_their_own<T: Scalar>(rows: &Rows<'_, T>, distance: EmbeddingDistance) -> bool {
    rows.is_against() || rows.are_classes() && distance != EmbeddingDistance::InnerProduct
}

/// The mean of `loss` over the positives of one row, and the row itself if it is [shown](RowPairs::itself), with its
/// derivatives in the place of the distances; no term of a row without positives. The distance of a row to itself is a
/// constant.
///
/// Negatives so far behind a positive that `σ` is below `ε²` have no derivative, and where all are, none counts in the value; nor
/// has a rank a derivative whose own is below `ε³`: their products could leave the normal range of numbers, beyond which some
/// processors take a hundred times as long.
pub(crate) fn row_over_positives<T: Scalar>(
    mut pairs: RowPairs<'_, T>,
    temperature: f64,
    reducer: Reducer,
    loss: impl Fn(Ahead<f64>) -> PairLoss<f64>,
) -> Terms {
    if pairs.positives.is_empty() {
        return Terms::default();
    }
    let mut set = pairs.take_positives();
    set.extend(pairs.itself);
    let size = set.len() as f64;
    let scale = T::from_f64(1.0 / temperature);
    let least = T::EPSILON * T::EPSILON;
    let behind = -least.to_f64().ln() * temperature;
    let nearest = T::ZERO - largest(pairs.distances, T::ZERO - T::ONE);
    let mut slopes = vec![T::ZERO; pairs.distances.len()];
    let mut steepness = slopes.clone();
    let mut of_set = vec![0.0; set.len()];
    let mut sum = 0.0;
    for (p, &to_positive) in set.iter().enumerate() {
        let [negatives, steep] = if (nearest - to_positive).to_f64() > behind {
            [0.0; 2]
        } else {
            // No exponential leaves the range, and pairs that are none come to nothing.
            let most = T::from_f64(80.0);
            zip_in_place(&mut steepness, pairs.distances, move |_, d| {
                let exponent = (d - to_positive) * scale;
                if exponent < most { exponent } else { most }
            });
            exp_in_place(&mut steepness, T::ONE, T::ZERO);
            sums_of(&mut steepness, move |power| {
                let share = T::ONE / (T::ONE + *power);
                let steep = share * (T::ONE - share);
                *power = if steep > least { steep } else { T::ZERO };
                [share, *power]
            })
        };
        let others: Vec<f64> = set
            .iter()
            .map(|&d| sigmoid_of(((to_positive - d) * scale).to_f64()))
            .collect();
        let but_itself = |q: &usize| *q != p;
        let PairLoss {
            value,
            by_positives,
            by_negatives,
        } = loss(Ahead {
            positives: (0..set.len()).filter(but_itself).map(|q| others[q]).sum(),
            negatives,
            set_size: size,
        });
        sum += value;

        let by_negatives = by_negatives / (temperature * size);
        if steep > 0.0 && by_negatives.abs() > (least * T::EPSILON).to_f64() {
            let weight = T::from_f64(by_negatives);
            zip_in_place(&mut slopes, &steepness, move |slope, steep| {
                slope - steep * weight
            });
            of_set[p] += by_negatives * steep;
        }
        for q in (0..set.len()).filter(but_itself) {
            let slope = by_positives * others[q] * (1.0 - others[q]) / (temperature * size);
            of_set[p] += slope;
            of_set[q] -= slope;
        }
    }
    pairs.distances.copy_from_slice(&slopes);
    pairs.put_positives(of_set.into_iter().map(T::from_f64));
    reducer.terms_of(sum / size)
}
