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
}
