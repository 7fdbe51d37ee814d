//! Which items count as the same.

use std::cmp::Ordering;
use std::fmt;

use crate::Error;

/// A caller's grade of a row and an item of the reference set.
pub type Grade<'a> = &'a (dyn Fn(usize, usize) -> f32 + Sync);

/// Says which items of a reference set are relevant to which rows.
///
/// | made by | grade `g` of a row and an item |
/// |---|---|
/// | [`labels`](Self::labels) | 1 if the labels are equal, else 0 |
/// | [`sets`](Self::sets) | Jaccard index: labels that both have over labels that either has; 1 for two empty sets |
/// | [`with`](Self::with) | what the function says |
///
/// ```text
/// relevant:   g > 0 and g ≥ threshold          threshold = 0, or from_grade
/// ```
/// So label sets are relevant to each other if they share anything, unless more is asked for. Grades of sets are compared
/// with the threshold as exact ratios rounded to `f64`. A NaN is not relevant. Cost of a grade: a comparison for labels,
/// `O(|A| + |B|)` for sets.
///
/// Whether a row may meet itself is not decided here but by the function that uses the relevance.
///
/// # Examples
///
/// ```
/// use metric_core::{LabelSets, Relevance};
/// // {1, 2}, {2, 3, 4}, {}
/// let sets = LabelSets::new(&[1, 2, 2, 3, 4], &[2, 5, 5])?;
/// let any = Relevance::sets(sets);
/// assert_eq!(any.grade(0, 1), 0.25);
/// assert!(any.is_relevant(0, 1) && !any.is_relevant(0, 2));
/// assert!(!any.from_grade(0.5)?.is_relevant(0, 1));
/// # Ok::<(), metric_core::Error>(())
/// ```
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Relevance<'a> {
    /// Relevant if the labels are equal.
    Labels {
        /// A label for each row.
        rows: &'a [u32],
        /// A label for each item of the reference set.
        reference: &'a [u32],
    },
    /// Relevant if the sets of labels overlap enough.
    Sets {
        /// A set for each row.
        rows: LabelSets<'a>,
        /// A set for each item of the reference set.
        reference: LabelSets<'a>,
        /// The least grade of a relevant item, if that is above 0.
        threshold: f64,
    },
    /// Relevant if a function says so.
    With {
        /// Number of rows.
        rows: usize,
        /// Number of items of the reference set.
        references: usize,
        /// Grade of `(row, reference_index)`.
        grade: Grade<'a>,
        /// The least grade of a relevant item, if that is above 0.
        threshold: f64,
    },
}

impl<'a> Relevance<'a> {
    /// Labels of a set that is compared with itself.
    pub fn labels(labels: &'a [u32]) -> Self {
        Self::labels_against(labels, labels)
    }

    /// Labels of rows and of the reference set they are compared with.
    pub fn labels_against(rows: &'a [u32], reference: &'a [u32]) -> Self {
        Self::Labels { rows, reference }
    }

    /// Label sets of a set of rows that is compared with itself.
    pub fn sets(sets: LabelSets<'a>) -> Self {
        Self::sets_against(sets, sets)
    }

    /// Label sets of rows and of the reference set they are compared with.
    pub fn sets_against(rows: LabelSets<'a>, reference: LabelSets<'a>) -> Self {
        Self::Sets {
            rows,
            reference,
            threshold: 0.0,
        }
    }

    /// A function's grade of `(row, reference_index)` for so many rows and items; it need not be symmetric.
    ///
    /// ```
    /// use metric_core::Relevance;
    /// let years = [2000i32, 2001, 2009];
    /// let grade = |a: usize, b: usize| 1.0 - (years[a] - years[b]).abs() as f32 / 3.0;
    /// let relevance = Relevance::with(3, 3, &grade);
    /// assert!(relevance.is_relevant(0, 1) && !relevance.is_relevant(0, 2));
    /// ```
    pub fn with(rows: usize, references: usize, grade: Grade<'a>) -> Self {
        Self::With {
            rows,
            references,
            grade,
            threshold: 0.0,
        }
    }

    /// The same, but relevant from this grade on. Without effect for labels, which have no grades between 0 and 1.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidParam`] unless the grade is finite and at least 0.
    pub fn from_grade(mut self, grade: f64) -> Result<Self, Error> {
        if !(grade.is_finite() && grade >= 0.0) {
            return Err(Error::InvalidParam {
                name: "threshold",
                expected: "finite and at least 0",
                got: grade,
            });
        }
        if let Self::Sets { threshold, .. } | Self::With { threshold, .. } = &mut self {
            *threshold = grade;
        }
        Ok(self)
    }

    /// Is this item of the reference set relevant to this row?
    ///
    /// # Panics
    ///
    /// If an index is out of range; [`Relevance::with`] leaves that to its function.
    #[inline]
    pub fn is_relevant(&self, row: usize, reference_index: usize) -> bool {
        let is_enough = |grade: f64, threshold: f64| grade > 0.0 && grade >= threshold;
        match *self {
            Self::Labels { rows, reference } => rows[row] == reference[reference_index],
            Self::Sets {
                rows,
                reference,
                threshold,
            } => is_enough(
                jaccard(rows.get(row), reference.get(reference_index)),
                threshold,
            ),
            Self::With {
                grade, threshold, ..
            } => is_enough(f64::from(grade(row, reference_index)), threshold),
        }
    }

    /// How relevant this item is to this row, whatever the threshold: 1 or 0 for labels.
    ///
    /// # Panics
    ///
    /// If an index is out of range; [`Relevance::with`] leaves that to its function.
    #[inline]
    pub fn grade(&self, row: usize, reference_index: usize) -> f32 {
        match *self {
            Self::Labels { .. } => f32::from(u8::from(self.is_relevant(row, reference_index))),
            Self::Sets {
                rows, reference, ..
            } => jaccard(rows.get(row), reference.get(reference_index)) as f32,
            Self::With { grade, .. } => grade(row, reference_index),
        }
    }

    /// Number of rows it speaks about.
    pub fn rows(&self) -> usize {
        match self {
            Self::Labels { rows, .. } => rows.len(),
            Self::Sets { rows, .. } => rows.len(),
            Self::With { rows, .. } => *rows,
        }
    }

    /// Number of reference items it speaks about.
    pub fn references(&self) -> usize {
        match self {
            Self::Labels { reference, .. } => reference.len(),
            Self::Sets { reference, .. } => reference.len(),
            Self::With { references, .. } => *references,
        }
    }
}

impl fmt::Debug for Relevance<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Labels { .. } => "Labels",
            Self::Sets { .. } => "Sets",
            Self::With { .. } => "With",
        };
        f.debug_struct(name)
            .field("rows", &self.rows())
            .field("references", &self.references())
            .finish_non_exhaustive()
    }
}

/// A set of labels for each of many rows, one after another in one slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LabelSets<'a> {
    labels: &'a [u32],
    ends: &'a [usize],
}

impl<'a> LabelSets<'a> {
    /// The set of row `i` is `labels[ends[i - 1]..ends[i]]`, of the first row `labels[..ends[0]]`; each ascending and without
    /// repetition.
    ///
    /// # Errors
    ///
    /// [`Error::LabelSet`] for the first row whose end is before its start or behind the labels, or whose labels do not
    /// ascend; for one row beyond the last if labels are left over.
    pub fn new(labels: &'a [u32], ends: &'a [usize]) -> Result<Self, Error> {
        let mut start = 0;
        for (row, &end) in ends.iter().enumerate() {
            let is_set = labels
                .get(start..end)
                .is_some_and(|set| set.is_sorted_by(|a, b| a < b));
            if !is_set {
                return Err(Error::LabelSet { row });
            }
            start = end;
        }
        if start == labels.len() {
            Ok(Self { labels, ends })
        } else {
            Err(Error::LabelSet { row: ends.len() })
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Is there no row?
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The labels of a row, ascending.
    ///
    /// # Panics
    ///
    /// If the index is out of range.
    #[inline]
    pub fn get(&self, row: usize) -> &'a [u32] {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.labels[start..self.ends[row]]
    }
}

/// `|A ∩ B| / |A ∪ B|` of two ascending sets, 1 if both are empty.
fn jaccard(a: &[u32], b: &[u32]) -> f64 {
    let (mut i, mut j, mut common) = (0, 0, 0);
    while i < a.len() && j < b.len() {
        match a[i].cmp(&b[j]) {
            Ordering::Less => i += 1,
            Ordering::Greater => j += 1,
            Ordering::Equal => (i, j, common) = (i + 1, j + 1, common + 1),
        }
    }
    match a.len() + b.len() - common {
        0 => 1.0,
        all => common as f64 / all as f64,
    }
}
