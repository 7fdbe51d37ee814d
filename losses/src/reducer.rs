use burn::config::Config;
use burn::tensor::{Bool, Tensor};

use crate::error::ConfigError;
use crate::ops::Terms;

/// How the terms of a loss become one number.
///
/// Only the selected terms count; an empty selection gives 0, still connected to the graph.
#[derive(Config, Debug, Copy, PartialEq)]
pub enum Reducer {
    /// Mean of the selected terms.
    Mean,
    /// Sum of the selected terms.
    Sum,
    /// Mean of the selected terms above 0: terms that have reached their margin do not dilute it.
    AvgNonZero,
    /// Mean of the selected terms strictly between `low` and `high`.
    Threshold {
        /// Terms must be above this.
        low: f64,
        /// Terms must be below this.
        high: f64,
    },
}

impl Reducer {
    /// Checks the bounds of [`Threshold`](Self::Threshold).
    ///
    /// # Errors
    /// [`ConfigError`] unless `low < high`.
    pub fn validate(self) -> Result<(), ConfigError> {
        match self {
            Self::Threshold { low, high } => {
                ConfigError::check(low < high, "high", "above low", high)
            }
            Self::Mean | Self::Sum | Self::AvgNonZero => Ok(()),
        }
    }

    /// Whether a term counts, NaN included.
    pub(crate) fn selects(self, term: f64) -> bool {
        let [low, high] = self.bounds();
        (low < term && term < high) || term.is_nan()
    }

    /// Whether every term counts.
    pub(crate) fn selects_all(self) -> bool {
        matches!(self, Self::Mean | Self::Sum)
    }

    /// Terms that count are strictly between these.
    pub(crate) fn bounds(self) -> [f64; 2] {
        match self {
            Self::Mean | Self::Sum => [f64::NEG_INFINITY, f64::INFINITY],
            Self::AvgNonZero => [0.0, f64::INFINITY],
            Self::Threshold { low, high } => [low, high],
        }
    }

    /// The share of each of so many terms in the loss.
    pub(crate) fn share(self, count: usize) -> f64 {
        match self {
            Self::Sum => 1.0,
            Self::Mean | Self::AvgNonZero | Self::Threshold { .. } => 1.0 / count.max(1) as f64,
        }
    }

    /// A term alone, if it counts.
    pub(crate) fn terms_of(self, term: f64) -> Terms {
        let mut terms = Terms::default();
        if self.selects(term) {
            terms.push(term);
        }
        terms
    }

    /// The loss of the terms of all rows, and the share that each term has in it.
    pub(crate) fn total(self, terms: impl Iterator<Item = Terms> + Clone) -> (f64, f64) {
        let count: usize = terms.clone().map(|terms| terms.count).sum();
        let share = self.share(count);
        let sum = terms.map(|terms| terms.sum * share).sum();
        (sum, share)
    }

    /// Reduces `losses` over the entries where `selected` is true.
    ///
    /// Means divide before they add, so terms near the largest float do not overflow.
    ///
    /// # Shapes
    /// - `losses`, `selected`: the same shape
    /// - output: `[1]`
    pub fn reduce<const D: usize>(self, losses: Tensor<D>, selected: Tensor<D, Bool>) -> Tensor<1> {
        let selected = self.counted(&losses, selected);
        let kept = losses.mask_fill(selected.clone().bool_not(), 0.0);
        if self == Self::Sum {
            return kept.sum();
        }
        let count = selected.int().sum().clamp_min(1).float().cast(kept.dtype());
        (kept / count.reshape([1; D])).sum()
    }

    /// Those of the selected terms that count.
    pub(crate) fn counted<const D: usize>(
        self,
        losses: &Tensor<D>,
        selected: Tensor<D, Bool>,
    ) -> Tensor<D, Bool> {
        // Written so that NaN counts as selected: a broken embedding must not look like a met margin.
        let above = |low: f64| losses.clone().lower_equal_scalar(low).bool_not();
        let below = |high: f64| losses.clone().greater_equal_scalar(high).bool_not();
        match self {
            Self::Mean | Self::Sum => selected,
            Self::AvgNonZero => selected.bool_and(above(0.0)),
            Self::Threshold { low, high } => selected.bool_and(above(low)).bool_and(below(high)),
        }
    }
}
