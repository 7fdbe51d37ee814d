//! Which labels of two labellings meet, and how often.

use crate::Error;

/// Counts of two labellings of the same rows. Only pairs of labels that meet are held, in order.
pub(super) struct Contingency {
    /// Number of rows.
    pub(super) n: u64,
    /// Rows with each label of the left labelling, by ascending label.
    pub(super) left: Vec<u64>,
    /// Rows with each label of the right one.
    pub(super) right: Vec<u64>,
    /// `(i, j, rows)`: rows that have label `i` on the left and `j` on the right, at least one.
    pub(super) cells: Vec<(usize, usize, u64)>,
}

impl Contingency {
    pub(super) fn new(left: &[u32], right: &[u32]) -> Result<Self, Error> {
        if left.len() != right.len() || left.is_empty() {
            return Err(Error::LabellingLengths {
                left: left.len(),
                right: right.len(),
            });
        }
        let (i, left) = places(left);
        let (j, right) = places(right);
        let mut pairs: Vec<(usize, usize)> = i.into_iter().zip(j).collect();
        pairs.sort_unstable();
        Ok(Self {
            n: pairs.len() as u64,
            left,
            right,
            cells: pairs
                .chunk_by(|a, b| a == b)
                .map(|run| (run[0].0, run[0].1, run.len() as u64))
                .collect(),
        })
    }

    /// Are the two the same but for names?
    pub(super) fn is_match(&self) -> bool {
        self.cells.len() == self.left.len() && self.cells.len() == self.right.len()
    }

    /// Does one of the two have a single label?
    pub(super) fn is_trivial(&self) -> bool {
        self.left.len() == 1 || self.right.len() == 1
    }

    /// Does every row have its own label in one of the two?
    pub(super) fn has_singletons(&self) -> bool {
        self.left.len() as u64 == self.n || self.right.len() as u64 == self.n
    }
}

/// The place of each label among the different ones in ascending order, and how often each occurs.
pub(super) fn places(labels: &[u32]) -> (Vec<usize>, Vec<u64>) {
    let mut names = labels.to_vec();
    names.sort_unstable();
    let counts = names.chunk_by(|a, b| a == b).map(|run| run.len() as u64);
    let counts = counts.collect();
    names.dedup();
    let places = labels
        .iter()
        .map(|label| names.partition_point(|name| name < label))
        .collect();
    (places, counts)
}
