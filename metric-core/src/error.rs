//! What can be wrong with the data or a parameter.

/// Why a computation was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Two matrices whose rows should have the same length do not.
    #[error("dimension mismatch: left has {left} columns, right has {right}")]
    DimMismatch {
        /// Columns of the left matrix.
        left: usize,
        /// Columns of the right matrix.
        right: usize,
    },
    /// A matrix without rows or without columns.
    #[error("{what} must have at least one row and one column")]
    Empty {
        /// Which argument.
        what: &'static str,
    },
    /// Two matrices whose rows should belong together in pairs have different numbers of them.
    #[error("row count mismatch: left has {left} rows, right has {right}")]
    RowCount {
        /// Rows of the left matrix.
        left: usize,
        /// Rows of the right matrix.
        right: usize,
    },
    /// An entry is NaN or infinite.
    #[error("{what} must be finite, but row {row}, column {column} is not")]
    NonFinite {
        /// Which argument.
        what: &'static str,
        /// Row of the first such entry.
        row: usize,
        /// Column of the first such entry.
        column: usize,
    },
    /// A parameter is out of its range.
    #[error("{name} must be {expected}, got {got}")]
    InvalidParam {
        /// Name of the parameter.
        name: &'static str,
        /// The range in words.
        expected: &'static str,
        /// The value given.
        got: f64,
    },
    /// A set of rows and its labels differ in length.
    #[error("{rows} rows need as many labels, got {labels}")]
    LabelCount {
        /// Number of rows.
        rows: usize,
        /// Number of labels.
        labels: usize,
    },
    /// A matrix that should be square is not.
    #[error("matrix must be square, got {rows} x {columns}")]
    NotSquare {
        /// Its rows.
        rows: usize,
        /// Its columns.
        columns: usize,
    },
    /// A matrix that should be symmetric is not.
    #[error("matrix must be symmetric, but entries ({row}, {column}) and ({column}, {row}) differ")]
    NotSymmetric {
        /// Row of the first offending entry.
        row: usize,
        /// Column of the first offending entry.
        column: usize,
    },
    /// A distance with `d(x, y)` other than `d(y, x)`, where one has to do for both.
    #[error("the distance must be symmetric")]
    AsymmetricDistance,
    /// A matrix that should be positive definite is not.
    #[error("matrix must be positive definite, but the pivot at {index} is not positive")]
    NotPositiveDefinite {
        /// Where Cholesky's factorisation stopped.
        index: usize,
    },
    /// Zero neighbours were asked for.
    #[error("k must be at least 1, got 0")]
    ZeroNeighbors,
    /// All rows have one label, so nothing lies between classes.
    #[error("labels must hold at least 2 classes, got 1")]
    OneClass,
    /// No row has a relevant counterpart, so there is nothing to score.
    #[error("at least one row must have a relevant counterpart, got none")]
    AllLone,
    /// The name is not one of a retrieval metric.
    #[error(
        "retrieval metric must be precision_at_1, recall_at_<k>, r_precision, map_at_r, \
         mean_average_precision or mean_reciprocal_rank, got another name"
    )]
    UnknownMetric,
    /// No clusters, or more than there are rows.
    #[error("the number of clusters must be from 1 to the number of rows ({rows}), got {k}")]
    ClusterCount {
        /// Number of clusters asked for.
        k: usize,
        /// Number of rows.
        rows: usize,
    },
    /// Not as many centres as clusters.
    #[error("{k} clusters need as many centres to start from, got {got}")]
    CentreCount {
        /// Number of clusters asked for.
        k: usize,
        /// Number of centres given.
        got: usize,
    },
    /// A row of zeros where a direction is needed.
    #[error("{what} must have a direction each, but row {row} is zero")]
    ZeroRow {
        /// Which argument.
        what: &'static str,
        /// The first such row.
        row: usize,
    },
    /// A label that names no centre.
    #[error("labels must be below the number of centres ({centres}), but row {row} has {label}")]
    LabelOutOfRange {
        /// The first such row.
        row: usize,
        /// Its label.
        label: u32,
        /// Number of centres.
        centres: usize,
    },
    /// Two labellings that do not speak about the same rows, or about none.
    #[error("two labellings must have one length of at least 1, got {left} and {right}")]
    LabellingLengths {
        /// Labels of the left one.
        left: usize,
        /// Labels of the right one.
        right: usize,
    },
    /// Lists of neighbours whose shapes should agree do not.
    #[error("neighbours must have the shape {expected:?}, got {got:?}")]
    NeighborShape {
        /// The shape they should have.
        expected: (usize, usize),
        /// The shape they have.
        got: (usize, usize),
    },
    /// A neighbour that is no row of the set, so that the lists make no graph.
    #[error("neighbours must be among the {rows} rows of the set, but row {row} lists {neighbor}")]
    NotARow {
        /// The row whose list it is in.
        row: usize,
        /// The neighbour.
        neighbor: usize,
        /// Number of rows.
        rows: usize,
    },
    /// The approximate index failed.
    #[cfg(feature = "usearch")]
    #[error("approximate index must {expected}, got: {message}")]
    ApproximateIndex {
        /// What it was to do.
        expected: &'static str,
        /// What the library says, which has no other form.
        message: String,
    },
    /// A saved approximate index that was built over other rows.
    #[cfg(feature = "usearch")]
    #[error("saved index must hold the given rows, but row {row} differs")]
    OtherRows {
        /// The first row that differs or that only one of the two has.
        row: usize,
    },
    /// A row is not in the domain of the distance.
    #[error("{distance} distance needs {expected}, got {got}{}", place(*.row, *.column))]
    OutOfDomain {
        /// Name of the distance.
        distance: &'static str,
        /// What rows it takes, in words.
        expected: &'static str,
        /// The row, where it is known.
        row: Option<usize>,
        /// The column of the first offending entry, where one entry offends.
        column: Option<usize>,
        /// The entry, or the number that the row has instead of the expected one.
        got: f64,
    },
    /// The rows span fewer directions than needed.
    #[error("{needed} directions are needed, but the rows span {rank}")]
    Rank {
        /// Directions needed.
        needed: usize,
        /// Directions that the rows span, up to rounding.
        rank: usize,
    },
    /// A result does not fit in `f64`.
    #[error("{what} must fit in f64, but an entry is beyond its range")]
    Overflow {
        /// Which result.
        what: &'static str,
    },
    /// The iteration for eigenvalues did not come to an end.
    #[error("the eigenvalues of a symmetric matrix must converge, but did not")]
    NoConvergence,
    /// A matrix to be filled has another shape than the result.
    #[error("output must have the shape {expected:?}, got {got:?}")]
    OutputShape {
        /// The shape of the result.
        expected: (usize, usize),
        /// The shape of the matrix given.
        got: (usize, usize),
    },
    /// Labels that are no sets, one for each row.
    #[error(
        "label sets must ascend and follow each other to the end, but that of row {row} does not"
    )]
    LabelSet {
        /// The first row whose set is none; the number of rows if labels are left over.
        row: usize,
    },
}

impl Error {
    /// The same error with the number of the row, for an [`Error::OutOfDomain`]; others stay as they are.
    ///
    /// # Examples
    ///
    /// ```
    /// use metric_core::{Distance, Poincare};
    /// let error = Poincare.check(&[3.0f32, 4.0]).map_err(|e| e.in_row(7)).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "poincare distance needs a norm below 1, got 5 (row 7)"
    /// );
    /// ```
    #[must_use]
    pub fn in_row(mut self, index: usize) -> Self {
        if let Self::OutOfDomain { row, .. } = &mut self {
            *row = Some(index);
        }
        self
    }
}

fn place(row: Option<usize>, column: Option<usize>) -> String {
    match (row, column) {
        (Some(row), Some(column)) => format!(" (row {row}, column {column})"),
        (Some(row), None) => format!(" (row {row})"),
        (None, Some(column)) => format!(" (column {column})"),
        (None, None) => String::new(),
    }
}
