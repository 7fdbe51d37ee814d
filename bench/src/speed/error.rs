/// Why an operation was not timed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpeedError {
    /// The name is not one of an operation.
    #[error("--op must be one of {known}; got {got}")]
    UnknownOp {
        /// The name given.
        got: String,
        /// All names.
        known: String,
    },
    /// An option is out of its range.
    #[error("{option} must be {expected}, got {got}")]
    Option {
        /// The option as it is written.
        option: String,
        /// What it may be, in words.
        expected: &'static str,
        /// What was given.
        got: String,
    },
    /// A parameter that the operation does not have.
    #[error("{op} has no parameter {got}; it has {known}")]
    UnknownParam {
        /// The operation.
        op: String,
        /// The key given.
        got: String,
        /// The keys there are.
        known: String,
    },
    /// The operation refused its input.
    #[error("{op}: {source}")]
    Refused {
        /// The operation.
        op: &'static str,
        /// Its reason.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Threads could not be started.
    #[error("starting {threads} threads: {source}")]
    Threads {
        /// How many.
        threads: usize,
        /// The reason.
        source: rayon::ThreadPoolBuildError,
    },
}

impl SpeedError {
    pub(super) fn option(
        option: impl Into<String>,
        expected: &'static str,
        got: impl ToString,
    ) -> Self {
        Self::Option {
            option: option.into(),
            expected,
            got: got.to_string(),
        }
    }

    /// Turns an operation's error into one of this kind.
    pub(super) fn refused<E>(op: &'static str) -> impl Fn(E) -> Self + Copy
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        move |source| Self::Refused {
            op,
            source: Box::new(source),
        }
    }
}
