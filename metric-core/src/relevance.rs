//! Which items count as the same.

/// Says which items of a reference set are relevant to which rows.
///
/// Today by integer labels: same label, relevant. Label sets, graded relevance and a caller's function will be further
/// variants.
///
/// Whether a row may meet itself is not decided here but by the function that uses the relevance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Relevance<'a> {
    /// Relevant if the labels are equal.
    Labels {
        /// A label for each row.
        rows: &'a [u32],
        /// A label for each item of the reference set.
        reference: &'a [u32],
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

    /// Is this item of the reference set relevant to this row?
    ///
    /// # Panics
    ///
    /// If an index is out of range.
    #[inline]
    pub fn is_relevant(&self, row: usize, reference_index: usize) -> bool {
        match self {
            Self::Labels { rows, reference } => rows[row] == reference[reference_index],
        }
    }

    /// How relevant this item is to this row: 1 or 0 for labels.
    ///
    /// # Panics
    ///
    /// If an index is out of range.
    #[inline]
    pub fn grade(&self, row: usize, reference_index: usize) -> f32 {
        if self.is_relevant(row, reference_index) {
            1.0
        } else {
            0.0
        }
    }

    /// Number of rows it speaks about.
    pub fn rows(&self) -> usize {
        match self {
            Self::Labels { rows, .. } => rows.len(),
        }
    }

    /// Number of reference items it speaks about.
    pub fn references(&self) -> usize {
        match self {
            Self::Labels { reference, .. } => reference.len(),
        }
    }
}
