use std::collections::HashMap;

use burn::tensor::{Int, Tensor};
use metric_core::Scalar;

use super::rows::RowPairs;

/// Which pairs of a row are positive, and which do not count, without a matrix of all pairs.
#[derive(Debug)]
pub(crate) struct PairLists {
    /// Number of the list of each row's label.
    of_row: Vec<Option<usize>>,
    /// Columns of a label, ascending.
    lists: Vec<Vec<usize>>,
    columns: usize,
    /// Rows and columns are the same.
    within: bool,
}

impl PairLists {
    pub(crate) fn new(labels: Tensor<1, Int>, reference: Option<Tensor<1, Int>>) -> Self {
        let labels = download(labels);
        let reference = reference.map(download);
        let columns = reference.as_ref().unwrap_or(&labels);
        let mut numbers = HashMap::new();
        let mut lists: Vec<Vec<usize>> = Vec::new();
        for (column, label) in columns.iter().enumerate() {
            let list = *numbers.entry(*label).or_insert(lists.len());
            if list == lists.len() {
                lists.push(Vec::new());
            }
            lists[list].push(column);
        }
        let of_row = labels.iter().map(|label| numbers.get(label).copied());
        Self {
            of_row: of_row.collect(),
            lists,
            columns: columns.len(),
            within: reference.is_none(),
        }
    }

    /// How many positive and negative pairs there are.
    pub(crate) fn counts(&self) -> [usize; 2] {
        let mut same = 0;
        for list in self.of_row.iter().flatten() {
            same += self.lists[*list].len();
        }
        let itself = if self.within { self.columns } else { 0 };
        [same - itself, self.of_row.len() * self.columns - same]
    }

    /// A row's distances as its pairs.
    pub(crate) fn show<'a, T: Scalar>(
        &self,
        row: usize,
        distances: &'a mut [T],
        given: &'a mut T,
    ) -> RowPairs<'a, T> {
        let same = self.of_row[row].map_or(&[][..], |list| &self.lists[list]);
        let negatives = self.columns - same.len();
        let itself = |&column: &usize| self.within && column == row;
        if self.within {
            distances[row] = T::from_f64(f64::INFINITY);
        }
        RowPairs {
            row,
            distances,
            positives: same
                .iter()
                .copied()
                .filter(|column| !itself(column))
                .collect(),
            negatives,
            given,
        }
    }

    /// Puts 0 where a row has no pair.
    pub(crate) fn clear<T: Scalar>(&self, row: usize, slopes: &mut [T]) {
        if self.within {
            slopes[row] = T::ZERO;
        }
    }
}

fn download(labels: Tensor<1, Int>) -> Vec<i64> {
    let labels = labels.into_data().convert::<i64>();
    labels.try_to_vec::<i64>().expect("converted")
}
