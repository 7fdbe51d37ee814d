use std::collections::HashMap;
use std::ops::Range;

use metric_core::Scalar;
use rayon::prelude::*;

use super::row_pairs::RowPairs;
use crate::host::to_vec;
use crate::labels::{Grades, Labels, Pair, Sides};
use crate::reducer::Reducer;

/// Which pairs of a row are positive, and which do not count, without a matrix of all pairs.
#[derive(Debug)]
pub(crate) struct PairLists {
    kind: Kind,
    rows: usize,
    columns: usize,
    /// Rows and columns are the same.
    within: bool,
    /// Of each row as an anchor.
    weights: Option<Vec<f64>>,
}

#[derive(Debug)]
enum Kind {
    Classes(Classes),
    Graded(Grades),
}

/// The columns of each class.
#[derive(Debug)]
struct Classes {
    /// Number of the list of each row's label.
    of_row: Vec<Option<usize>>,
    /// Columns of a label, ascending.
    lists: Vec<Vec<usize>>,
}

impl Classes {
    fn new(labels: &[i64], columns: &[i64]) -> Self {
        let (lists, numbers) = places_of_labels(columns);
        let of_row = labels.iter().map(|label| numbers.get(label).copied());
        let of_row = of_row.collect();
        Self { of_row, lists }
    }

    fn same(&self, row: usize) -> &[usize] {
        self.of_row[row].map_or(&[], |list| &self.lists[list])
    }
}

/// The places of each label, ascending, in the order of the labels' first, and which of the lists is a label's.
pub(crate) fn places_of_labels(labels: &[i64]) -> (Vec<Vec<usize>>, HashMap<i64, usize>) {
    let mut numbers = HashMap::new();
    let mut lists: Vec<Vec<usize>> = Vec::new();
    for (place, label) in labels.iter().enumerate() {
        let list = *numbers.entry(*label).or_insert(lists.len());
        if list == lists.len() {
            lists.push(Vec::new());
        }
        lists[list].push(place);
    }
    (lists, numbers)
}

/// The rows and columns of one label, ascending; within a batch they are the same.
#[derive(Debug)]
pub(super) struct Class {
    pub(super) rows: Vec<usize>,
    pub(super) columns: Vec<usize>,
}

/// What a row is compared with.
#[derive(Default)]
struct Partners {
    positives: Vec<usize>,
    grades: Option<Vec<f64>>,
    /// Columns that do not count.
    absent: Vec<usize>,
}

impl PairLists {
    pub(crate) fn new(labels: &Labels, reference: Option<&Labels>) -> Self {
        let columns = reference.unwrap_or(labels);
        let kind = match Sides::of(labels, columns) {
            Sides::Classes(rows, columns) => {
                let [rows, columns] =
                    [rows, columns].map(|side| to_vec::<i64>(side.clone().into_data()));
                Kind::Classes(Classes::new(&rows, &columns))
            }
            Sides::Graded(grades) => Kind::Graded(grades),
        };
        let weights = labels.weights();
        Self {
            kind,
            rows: labels.len(),
            columns: columns.len(),
            within: reference.is_none(),
            weights: weights.map(|weights| to_vec(weights.clone().into_data())),
        }
    }

    /// How many positive and negative pairs each row has.
    pub(crate) fn counts(&self) -> Vec<[usize; 2]> {
        let of_row = |row| match &self.kind {
            Kind::Classes(classes) => {
                let same = classes.same(row).len();
                [same - usize::from(self.within), self.columns - same]
            }
            Kind::Graded(grades) => {
                let partners = self.partners(grades, row);
                let positives = partners.positives.len();
                let negatives = self.columns - positives - partners.absent.len();
                [positives, negatives]
            }
        };
        match &self.kind {
            Kind::Classes(_) => (0..self.rows).map(of_row).collect(),
            Kind::Graded(_) => (0..self.rows).into_par_iter().map(of_row).collect(),
        }
    }

    /// What the terms of a row are multiplied with.
    pub(crate) fn weight(&self, row: usize) -> f64 {
        self.weights.as_ref().map_or(1.0, |weights| weights[row])
    }

    /// The weight of each row as an anchor, times the share of one of its pairs in the mean of these and of that in the mean
    /// over anchors.
    pub(super) fn anchor_shares(&self, reducer: Reducer) -> Vec<f64> {
        let counts = self.counts().into_iter().map(|[positives, _]| positives);
        let total = match reducer {
            Reducer::PerAnchor => reducer.share(counts.clone()),
            _ => 1.0,
        };
        let of_row = |(row, count)| self.weight(row) * reducer.share_in_row(count) * total;
        counts.enumerate().map(of_row).collect()
    }

    /// Whether alike is an equivalence: what is different from one row is so from all that are like it.
    pub(crate) fn are_classes(&self) -> bool {
        matches!(self.kind, Kind::Classes(_))
    }

    /// Whether pairs are alike from both ends, and weigh the same.
    pub(crate) fn is_symmetric(&self) -> bool {
        let alike = match &self.kind {
            Kind::Classes(_) => true,
            Kind::Graded(grades) => grades.is_symmetric(),
        };
        alike && self.weights.is_none()
    }

    /// The classes that have a positive pair; `None` where alike is no equivalence.
    pub(super) fn classes(&self) -> Option<Vec<Class>> {
        let Kind::Classes(classes) = &self.kind else {
            return None;
        };
        let columns = classes.lists.iter().cloned();
        let mut found: Vec<Class> = columns
            .map(|columns| Class {
                rows: Vec::new(),
                columns,
            })
            .collect();
        for (row, list) in classes.of_row.iter().enumerate() {
            if let Some(list) = list {
                found[*list].rows.push(row);
            }
        }
        let least = if self.within { 2 } else { 1 };
        found.retain(|class| class.rows.len() >= least);
        Some(found)
    }

    /// The rows of each class of a batch of classes, ascending.
    pub(crate) fn members(&self) -> &[Vec<usize>] {
        let Kind::Classes(classes) = &self.kind else {
            unreachable!("asked of classes only");
        };
        &classes.lists
    }

    /// The number of each row's class, within a batch of classes.
    pub(crate) fn classes_of_rows(&self) -> impl Iterator<Item = usize> {
        let Kind::Classes(classes) = &self.kind else {
            unreachable!("asked of classes only");
        };
        classes
            .of_row
            .iter()
            .map(|class| class.expect("a row is of its own class"))
    }

    /// How many positives a row has on average, within a batch of classes.
    pub(crate) fn mean_positives(&self) -> Option<f64> {
        let Kind::Classes(classes) = &self.kind else {
            return None;
        };
        let sizes = classes.lists.iter().map(|list| list.len() as f64);
        let pairs: f64 = sizes.map(|size| size * (size - 1.0)).sum();
        self.within.then_some(pairs / self.rows as f64)
    }

    /// How many positives a row of a batch has.
    pub(crate) fn positives(&self, row: usize) -> usize {
        self.alike(row).len() - 1
    }

    /// Those among `columns` that are of a row's class, and which of its positives each is: none is the row itself.
    pub(crate) fn alike_among(
        &self,
        row: usize,
        columns: Range<usize>,
    ) -> impl Iterator<Item = (Option<usize>, usize)> {
        let alike = self.alike(row);
        let first = alike.partition_point(|&column| column < columns.start);
        let found = alike[first..].iter().copied().zip(first..);
        found
            .take_while(move |&(column, _)| column < columns.end)
            .map(move |(column, place)| {
                let positive = (column != row).then(|| place - usize::from(column > row));
                (positive, column)
            })
    }

    /// Which of a row's positives `column` is.
    pub(crate) fn positive(&self, row: usize, column: usize) -> usize {
        let before = self.alike(row).partition_point(|&other| other < column);
        before - usize::from(column > row)
    }

    /// The rows of a row's class in a batch, itself among them, ascending.
    fn alike(&self, row: usize) -> &[usize] {
        match &self.kind {
            Kind::Classes(classes) => classes.same(row),
            Kind::Graded(_) => unreachable!("asked of classes only"),
        }
    }

    /// A row's distances as its pairs, and the columns of those that do not count.
    pub(crate) fn show<'a, T: Scalar>(
        &self,
        row: usize,
        distances: &'a mut [T],
        given: &'a mut T,
    ) -> (RowPairs<'a, T>, Vec<usize>) {
        let partners = match &self.kind {
            Kind::Classes(classes) => {
                let same = classes.same(row).iter().copied();
                let itself = |column: usize| self.within && column == row;
                Partners {
                    positives: same.filter(|&column| !itself(column)).collect(),
                    grades: None,
                    absent: if self.within { vec![row] } else { Vec::new() },
                }
            }
            Kind::Graded(grades) => self.partners(grades, row),
        };
        let Partners {
            positives,
            grades,
            absent,
        } = partners;
        let itself = self.within.then(|| distances[row]);
        for &column in &absent {
            distances[column] = T::from_f64(f64::INFINITY);
        }
        let pairs = RowPairs {
            row,
            negatives: self.columns - positives.len() - absent.len(),
            distances,
            positives,
            grades,
            itself,
            given,
        };
        (pairs, absent)
    }

    fn partners(&self, grades: &Grades, row: usize) -> Partners {
        let mut partners = Partners::default();
        let mut of_positives = Vec::new();
        for column in 0..self.columns {
            if self.within && column == row {
                partners.absent.push(column);
                continue;
            }
            match grades.pair(row, column) {
                Pair::Positive(grade) => {
                    partners.positives.push(column);
                    of_positives.push(grade);
                }
                Pair::Negative => {}
                Pair::Neutral => partners.absent.push(column),
            }
        }
        partners.grades = Some(of_positives);
        partners
    }
}
