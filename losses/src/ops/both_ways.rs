use burn::tensor::{Int, Tensor};
use metric_core::simd::{exp_in_place, zip_in_place};
use metric_core::{InnerProduct, Scalar, Similarity};

use super::log_sum_exp_loss::relative_to_common;
use super::operation::Found;
use super::row_pairs::Terms;
use super::rows::Rows;
use super::soft_max::{LogSumExp, exp_in_range, sigmoid, softplus};
use super::stream::{Labelled, Stream, stream_with};
use crate::distance::EmbeddingDistance;
use crate::reducer::Reducer;

/// The mean of two losses `log(1 + Σⱼ e^{s (own − dⱼ)})`: of each row's own among all columns, and of each column that is a row's
/// own among all rows. Column `i` is that of row `i`; columns beyond the number of rows have no loss. `None` where it cannot be
/// streamed.
///
/// # Shapes
/// - `scale`: `[1]`, which is `s` and positive; `rows`: `[n, dim]`, `columns`: `[m, dim]`, `m ≥ n`
pub(crate) fn stream_both_ways(
    scale: Tensor<1>,
    way: (EmbeddingDistance, Reducer),
    [rows, columns]: [&Tensor<2>; 2],
) -> Option<Tensor<1>> {
    let [n, _] = rows.dims();
    let given = scale.reshape([1, 1]).expand([n, 1]);
    let reference = Some(numbered(columns, 0));
    stream_with(&BothWays, way, numbered(rows, 0), reference, Some(given))
}

/// Rows labelled by their numbers, from `first` on.
pub(super) fn numbered(rows: &Tensor<2>, first: usize) -> Labelled {
    let [n, _] = rows.dims();
    let numbers = first as i64..(first + n) as i64;
    let labels = Tensor::<1, Int>::arange(numbers, &rows.device());
    (rows.clone(), labels.into())
}

/// With `s` as the number given to each row. Distances are computed twice, for the sums of all rows and columns and for what
/// both make of a pair.
struct BothWays;

/// What a row keeps, or a column.
struct Seen {
    others: LogSumExp,
    own: f64,
}

impl Stream for BothWays {
    /// Not where the weights of pairs have no common exponent.
    fn stream<T: Scalar>(&self, rows: &Rows<'_, T>, reducer: Reducer) -> Option<Found<T>> {
        let scale = rows.given_of(0).to_f64();
        let start = |_| Seen {
            others: LogSumExp::NOTHING,
            own: 0.0,
        };
        let seen = rows.see_both_sides(start, |seen, row, first, distances| {
            if let Some(own) = row.checked_sub(first).and_then(|at| distances.get_mut(at)) {
                seen.own = own.to_f64();
                *own = T::from_f64(f64::INFINITY);
            }
            seen.others = seen.others.and(exp_in_range(distances, -scale));
        })?;

        let mut value = 0.0;
        let mut of_own = vec![0.0; rows.len()];
        // A pair of distance d weighs exp(log − s d) for its row, and for its column.
        let mut logs = Vec::new();
        for side in seen {
            let with_loss = side.iter().take(rows.len()).enumerate();
            let found = with_loss.map(|(row, Seen { others, own })| {
                let gap = others.value() + scale * own;
                let terms = reducer.terms_of(softplus(gap));
                let (terms, factor) = rows.shared(row, terms, reducer);
                let factor = if terms.count > 0 { factor } else { 0.0 };
                (terms, scale * sigmoid(gap) * factor)
            });
            let (terms, slopes): (Vec<Terms>, Vec<f64>) = found.unzip();
            let (total, share) = reducer.total(terms.into_iter());
            value += total / 2.0;
            let slopes = slopes.into_iter().map(|slope| slope * share / 2.0);
            let of_all = slopes.chain(std::iter::repeat(0.0));
            for (row, (Seen { others, .. }, slope)) in side.iter().zip(of_all).enumerate() {
                logs.push(if slope > 0.0 {
                    of_own[row] += slope;
                    slope.ln() - others.value()
                } else {
                    f64::NEG_INFINITY
                });
            }
        }
        if !rows.is_followed() {
            return Some(Found::without_gradients(value));
        }

        let (common, shares) = relative_to_common(&logs)?;
        let (of_rows, of_columns) = shares.split_at(rows.len());
        let found = rows.loss_shared(Reducer::Sum, |mut pairs| {
            let distances = pairs.distances.to_vec();
            pairs.take_positives();
            exp_in_place(pairs.distances, T::from_f64(-scale), T::ZERO - common);
            let own = of_rows[pairs.row];
            zip_in_place(pairs.distances, of_columns, move |power, other| {
                let both = own + other;
                let slope = T::ZERO - power * both;
                // Without a part in the loss at either end, the power may be anything.
                if both > T::ZERO { slope } else { T::ZERO }
            });
            pairs.put_positives([T::from_f64(of_own[pairs.row])]);
            // The loss depends on products s d.
            let by_products = InnerProduct.similarity(pairs.distances, &distances);
            *pairs.given = by_products * T::from_f64(1.0 / scale);
            (Terms { sum: 0.0, count: 1 }, 1.0)
        })?;
        Some(Found { value, ..found })
    }
}
