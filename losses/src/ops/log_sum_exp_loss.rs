use metric_core::Scalar;
use metric_core::simd::{exp_in_place, zip_in_place};
use ndarray::Array2;
use rayon::prelude::*;

use super::operation::Found;
use super::row_pairs::{RowPairs, Terms};
use super::rows::{Ends, Rows};
use super::soft_max::{LogSumExp, exp_in_range};
use crate::reducer::Reducer;

/// A loss whose row knows of all but its positives no more than a log-sum-exp of their distances.
pub(crate) trait LogSumExpLoss: Sync {
    /// Whether positives are in the sum.
    const SUMS_POSITIVES: bool;

    /// `s` in `log Σ exp(−s d)`, positive.
    fn scale(&self) -> f64;

    /// The terms of a row and their derivative by the sum, which is not negative. Puts in the place of each distance to a
    /// positive the derivative by it, beside what it has through the sum.
    fn row<T: Scalar>(&self, seen: SeenRow<'_, T>) -> (Terms, f64);
}

/// What a row of a [`LogSumExpLoss`] knows.
pub(crate) struct SeenRow<'a, T> {
    /// `log Σ exp(−s d)`; minus infinity of nothing.
    pub(crate) log_sum: f64,
    /// Its distances to its positives.
    pub(crate) to_positives: &'a mut [T],
    /// The grade of each positive, for labels that have grades.
    pub(crate) grades: Option<&'a [f64]>,
}

/// A row of the loss, shown all its distances at once.
fn row_of<T: Scalar, L: LogSumExpLoss>(loss: &L, mut pairs: RowPairs<'_, T>) -> Terms {
    let mut to_positives = if L::SUMS_POSITIVES {
        let distances = pairs.positives.iter().map(|&p| pairs.distances[p]);
        distances.collect()
    } else {
        pairs.take_positives()
    };
    let scale = loss.scale();
    let sum = exp_in_range(pairs.distances, -scale);
    let (terms, slope) = loss.row(SeenRow {
        log_sum: sum.value(),
        to_positives: &mut to_positives,
        grades: pairs.grades.as_deref(),
    });
    if terms.count > 0 {
        sum.share_out(pairs.distances, -scale * slope);
        for (&p, slope) in pairs.positives.iter().zip(to_positives) {
            pairs.distances[p] = if L::SUMS_POSITIVES {
                pairs.distances[p] + slope
            } else {
                slope
            };
        }
    }
    terms
}

/// Positives that a row keeps the distances to on average, at most.
const MOST_POSITIVES: f64 = 64.0;
/// How far logarithms of rows' parts in a weight may lie apart.
const MOST_APART: f64 = 60.0;

impl<T: Scalar> Rows<'_, T> {
    /// The loss; `None` where the engine refuses the numbers.
    ///
    /// In a large batch of small classes half a matrix of distances gives the sums. Each row then knows of a pair
    /// what it is to both, and gradients are found tile by tile.
    pub(crate) fn log_sum_exp_loss(
        &self,
        loss: &impl LogSumExpLoss,
        reducer: Reducer,
    ) -> Option<Found<T>> {
        let positives = self.pairs().mean_positives();
        let has_few = positives.is_some_and(|positives| positives <= MOST_POSITIVES);
        let found =
            (has_few && self.have_both_ends()).then(|| self.loss_of_both_ends(loss, reducer));
        found
            .flatten()
            .or_else(|| self.loss(reducer, |pairs| row_of(loss, pairs)))
    }

    fn loss_of_both_ends<L: LogSumExpLoss>(&self, loss: &L, reducer: Reducer) -> Option<Found<T>> {
        let rows = self.sums_and_positives(loss)?.into_par_iter().enumerate();
        let parts = rows.map(|(row, (sum, mut slopes))| {
            let (terms, slope) = loss.row(SeenRow {
                log_sum: sum.value(),
                to_positives: &mut slopes,
                grades: None,
            });
            let (terms, factor) = self.shared(row, terms, reducer);
            // What a row without a term has made of its distances is not looked at.
            let factor = if terms.count > 0 { factor } else { 0.0 };
            slopes
                .iter_mut()
                .for_each(|slope| *slope = *slope * T::from_f64(factor));
            let weight = slope * loss.scale() * factor;
            // Of the logarithm, because the sum alone may leave the range.
            let log = if weight > 0.0 {
                weight.ln() - sum.value()
            } else {
                f64::NEG_INFINITY
            };
            // Rows may weigh less than nothing, which has no logarithm.
            (terms, ((weight >= 0.0).then_some(log), slopes))
        });
        let (terms, parts): (Vec<_>, Vec<_>) = parts.unzip();
        let (logs, to_positives): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        let gradient = if self.is_followed() {
            let (common, shares) =
                relative_to_common(&logs.into_iter().collect::<Option<Vec<_>>>()?)?;
            Some(self.gather_both_ends(loss, (common, &shares), &to_positives)?)
        } else {
            None
        };
        Some(Self::found(gradient, terms.into_iter(), reducer))
    }

    /// The sum of every row and its distances to its positives, in the order of these.
    fn sums_and_positives<L: LogSumExpLoss>(&self, loss: &L) -> Option<Vec<(LogSumExp, Vec<T>)>> {
        let pairs = self.pairs();
        let start = |row| (LogSumExp::NOTHING, vec![T::ZERO; pairs.positives(row)]);
        self.see_both_ends(start, |(sum, to_positives), row, first, distances| {
            let infinity = T::from_f64(f64::INFINITY);
            for (positive, column) in pairs.alike_among(row, first..first + distances.len()) {
                let distance = &mut distances[column - first];
                if let Some(positive) = positive {
                    to_positives[positive] = *distance;
                }
                if positive.is_none() || !L::SUMS_POSITIVES {
                    *distance = infinity;
                }
            }
            *sum = sum.and(exp_in_range(distances, -loss.scale()));
        })
    }

    /// The gradient of pairs that weigh `−exp(common − s d)` times the shares of both rows, and of positives with derivatives of
    /// their own from both.
    fn gather_both_ends<L: LogSumExpLoss>(
        &self,
        loss: &L,
        (common, shares): (T, &[T]),
        to_positives: &[Vec<T>],
    ) -> Option<Array2<T>> {
        let (pairs, scale) = (self.pairs(), T::from_f64(-loss.scale()));
        self.gradient_of_pairs(Ends::Any, |row, first, distances| {
            let columns = first..first + distances.len();
            exp_in_place(distances, scale, T::ZERO - common);
            let own = shares[row];
            zip_in_place(distances, &shares[columns.clone()], move |power, other| {
                let both = own + other;
                let slope = T::ZERO - power * both;
                // Without a part in the loss at either end, the power may be anything.
                if both > T::ZERO { slope } else { T::ZERO }
            });
            for (positive, column) in pairs.alike_among(row, columns) {
                let slope = &mut distances[column - first];
                let Some(positive) = positive else {
                    *slope = T::ZERO;
                    continue;
                };
                let back = pairs.positive(column, row);
                let both = to_positives[row][positive] + to_positives[column][back];
                *slope = if L::SUMS_POSITIVES {
                    *slope + both
                } else {
                    both
                };
            }
        })
    }
}

/// The largest of logarithms, and `exp(log − largest)` of each; `None` if some lie too far apart to have a common exponent.
pub(super) fn relative_to_common<T: Scalar>(logs: &[f64]) -> Option<(T, Vec<T>)> {
    let some = logs.iter().copied().filter(|&log| log > f64::NEG_INFINITY);
    let most = some.clone().reduce(f64::max).unwrap_or(0.0);
    let common = T::from_f64(most);
    let share = |log: &f64| T::from_f64((log - common.to_f64()).exp());
    let are_near = some.clone().all(|log| most - log <= MOST_APART);
    are_near.then(|| (common, logs.iter().map(share).collect()))
}
