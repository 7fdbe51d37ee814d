//! Whose terms a table of losses holds.

use burn::tensor::{IndexingUpdateOp, Int, Tensor};

use crate::labels::Labels;

/// The anchor of each line of a table of terms, and what the anchors weigh.
#[derive(Debug, Clone, Default)]
pub(crate) struct Anchors {
    /// Of each line, `[lines]`, and how many anchors there can be; none: every line has its own.
    of_lines: Option<(Tensor<1, Int>, usize)>,
    /// Of each anchor.
    weights: Option<Tensor<1>>,
}

/// How many terms there are.
pub(crate) struct Counts {
    /// Of the anchor of each line, `[lines]`.
    pub(crate) of_lines: Tensor<1, Int>,
    /// Anchors with any, `[1]`.
    pub(crate) anchors: Tensor<1, Int>,
}

impl Anchors {
    /// A line for each row of a table like `like`, whose rows are these.
    pub(crate) fn of(rows: &Labels, like: &Tensor<2>) -> Self {
        let weights = rows.weights().cloned();
        let weights = weights.map(|weights| weights.to_device(&like.device()).cast(like.dtype()));
        let of_lines = None;
        Self { of_lines, weights }
    }

    /// Lines of so many of these anchors.
    pub(crate) fn lines(&self, anchors: Tensor<1, Int>, count: usize) -> Self {
        Self {
            of_lines: Some((anchors, count)),
            weights: self.weights.clone(),
        }
    }

    /// Whether all weigh the same.
    pub(crate) fn are_even(&self) -> bool {
        self.weights.is_none()
    }

    /// The weight of each line, `[lines]`.
    pub(crate) fn weights(&self) -> Option<Tensor<1>> {
        let weights = self.weights.clone()?;
        Some(match &self.of_lines {
            Some((anchors, _)) => weights.select(0, anchors.clone()),
            None => weights,
        })
    }

    /// By how many terms each line has.
    pub(crate) fn counts(&self, terms: Tensor<1, Int>) -> Counts {
        let counts = match &self.of_lines {
            Some((anchors, count)) => {
                let none = Tensor::zeros([*count], (&terms.device(), terms.dtype()));
                none.select_assign(0, anchors.clone(), terms, IndexingUpdateOp::Add)
            }
            None => terms,
        };
        let number = counts.clone().greater_scalar(0).int().sum();
        let of_lines = match &self.of_lines {
            Some((anchors, _)) => counts.select(0, anchors.clone()),
            None => counts,
        };
        Counts {
            of_lines,
            anchors: number,
        }
    }
}
