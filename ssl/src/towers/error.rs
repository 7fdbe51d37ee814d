use metric_losses::{CachedGradientsError, ConfigError};
use metric_sampling::BufferError;

use crate::momentum::MomentumError;

/// Why two towers cannot learn, or be scored.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TowersError {
    /// The sides of a batch, or of a chunk of it, are not pairs.
    #[error("every row of a needs one of b, got {a} rows of a and {b} of b")]
    Rows {
        /// Rows of the first side.
        a: usize,
        /// Rows of the second.
        b: usize,
    },
    /// The towers cannot be compared.
    #[error("both towers must give rows of one length, got {a} for a and {b} for b")]
    Dim {
        /// Length of the first tower's rows.
        a: usize,
        /// Length of the second's.
        b: usize,
    },
    /// A number out of its range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A teacher cannot follow.
    #[error(transparent)]
    Teacher(#[from] MomentumError),
    /// A batch or its keys do not fit a queue.
    #[error(transparent)]
    Memory(#[from] BufferError),
    /// A batch could not be learned from by chunks.
    #[error(transparent)]
    Chunks(#[from] CachedGradientsError),
    /// Rows cannot be scored.
    #[error(transparent)]
    Data(#[from] metric_core::Error),
}
