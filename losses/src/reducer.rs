use burn::config::Config;
use burn::tensor::{Bool, Int, Tensor};

use crate::anchors::Anchors;
use crate::error::ConfigError;
use crate::labels::Labels;
use crate::numerics::{at_least_f32, everywhere};
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
    /// Mean of each row's selected terms, then the mean of these over rows that have one: a row with many pairs counts no
    /// more than one with few. The terms of a row are those of one index of the first axis; of pairs and triplets, those of
    /// one anchor.
    PerAnchor,
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
            Self::Mean | Self::Sum | Self::AvgNonZero | Self::PerAnchor => Ok(()),
        }
    }

    /// Whether a term counts, NaN included.
    pub(crate) fn selects(self, term: f64) -> bool {
        let [low, high] = self.bounds();
        (low < term && term < high) || term.is_nan()
    }

    /// Whether every term counts, so that the loss of sums is the sum of losses.
    pub(crate) fn selects_all(self) -> bool {
        matches!(self, Self::Mean | Self::Sum | Self::PerAnchor)
    }

    /// Terms that count are strictly between these.
    pub(crate) fn bounds(self) -> [f64; 2] {
        match self {
            Self::Mean | Self::Sum | Self::PerAnchor => [f64::NEG_INFINITY, f64::INFINITY],
            Self::AvgNonZero => [0.0, f64::INFINITY],
            Self::Threshold { low, high } => [low, high],
        }
    }

    /// The share of every term in the loss, by how many there are in each row; but for
    /// [`share_in_row`](Self::share_in_row).
    pub(crate) fn share(self, counts: impl Iterator<Item = usize>) -> f64 {
        let one_over = |count: usize| 1.0 / count.max(1) as f64;
        match self {
            Self::Sum => 1.0,
            Self::Mean | Self::AvgNonZero | Self::Threshold { .. } => one_over(counts.sum()),
            Self::PerAnchor => one_over(counts.filter(|&count| count > 0).count()),
        }
    }

    /// The share of a term in its row, by how many there are.
    pub(crate) fn share_in_row(self, count: usize) -> f64 {
        match self {
            Self::PerAnchor => 1.0 / count.max(1) as f64,
            Self::Mean | Self::Sum | Self::AvgNonZero | Self::Threshold { .. } => 1.0,
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

    /// The loss of the terms of all rows, each times its share in the row, and the share that they have in it.
    pub(crate) fn total(self, terms: impl Iterator<Item = Terms> + Clone) -> (f64, f64) {
        let share = self.share(terms.clone().map(|terms| terms.count));
        let sum = terms.map(|terms| terms.sum * share).sum();
        (sum, share)
    }

    /// Reduces `losses` over the entries where `selected` is true.
    ///
    /// Means divide before they add, so terms near the largest float do not overflow. Terms in half precision are added up
    /// in `f32`, and so is the output.
    ///
    /// # Shapes
    /// - `losses`, `selected`: the same shape
    /// - output: `[1]`
    pub fn reduce<const D: usize>(self, losses: Tensor<D>, selected: Tensor<D, Bool>) -> Tensor<1> {
        self.reduce_by(losses, selected, &Anchors::default())
    }

    /// The same, where the first axis are lines of given anchors.
    pub(crate) fn reduce_by<const D: usize>(
        self,
        losses: Tensor<D>,
        selected: Tensor<D, Bool>,
        anchors: &Anchors,
    ) -> Tensor<1> {
        let losses = at_least_f32(losses);
        let selected = self.counted(&losses, selected);
        let kept = losses.mask_fill(selected.clone().bool_not(), 0.0);
        let kept = match anchors.weights() {
            Some(weights) => kept * along_lines(weights),
            None => kept,
        };
        let float = |counts: Tensor<1, Int>| counts.clamp_min(1).float().cast(kept.dtype());
        match self {
            Self::Sum => kept.sum(),
            Self::PerAnchor => {
                let lines = selected.dims()[0];
                let size: usize = selected.dims()[1..].iter().product();
                let of_lines = selected.int().reshape([lines, size]).sum_dim(1);
                let counts = anchors.counts(of_lines.reshape([lines]));
                let shared = kept.clone() / along_lines(float(counts.of_lines));
                // One after the other: their product may not be a half-precision number.
                (shared / float(counts.anchors).reshape([1; D])).sum()
            }
            Self::Mean | Self::AvgNonZero | Self::Threshold { .. } => {
                let count = float(selected.int().sum());
                (kept / count.reshape([1; D])).sum()
            }
        }
    }

    /// Reduces a term for each row, `[n, 1]`, times what the row weighs.
    pub(crate) fn reduce_rows(self, losses: Tensor<2>, rows: &Labels) -> Tensor<1> {
        let (every_row, rows) = (everywhere(&losses), Anchors::of(rows, &losses));
        self.reduce_by(losses, every_row, &rows)
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
            Self::Mean | Self::Sum | Self::PerAnchor => selected,
            Self::AvgNonZero => selected.bool_and(above(0.0)),
            Self::Threshold { low, high } => selected.bool_and(above(low)).bool_and(below(high)),
        }
    }
}

/// A number for each line, in the shape of a table of `D` axes.
fn along_lines<const D: usize>(numbers: Tensor<1>) -> Tensor<D> {
    let mut shape = [1; D];
    [shape[0]] = numbers.dims();
    numbers.reshape(shape)
}
