//! What can be wrong with a batch, a miner, a sampler or a buffer.

/// Why mining was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MiningError {
    /// The rows, the reference set or their labels do not fit together.
    #[error(transparent)]
    Data(#[from] metric_core::Error),
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
    /// More rows than 32-bit indices can name.
    #[error("a batch holds at most {} rows, got {rows}", u32::MAX)]
    TooManyRows {
        /// Rows given.
        rows: usize,
    },
    /// The members of tuples come in lists of different lengths.
    #[error("tuple lists must have one length, got {first} and {second}")]
    TupleLengths {
        /// Length of the first list.
        first: usize,
        /// Length of the list that differs.
        second: usize,
    },
    /// A candidate pair names a row or an item that the batch does not have.
    #[error("{side} of candidates must be below {count}, got {index}")]
    UnknownItem {
        /// Whether it is an anchor or one of the others.
        side: &'static str,
        /// The index given.
        index: u32,
        /// Number of rows, or of items they can be paired with.
        count: usize,
    },
    /// A candidate pair is among the positives and among the negatives.
    #[error("a candidate must be positive or negative, but ({anchor}, {other}) is both")]
    TwoKinds {
        /// Its anchor.
        anchor: u32,
        /// The item.
        other: u32,
    },
    /// The miner is about classes.
    #[error("{miner} needs integer labels, got label sets or a function")]
    NeedsLabels {
        /// Name of the miner.
        miner: &'static str,
    },
    /// The miner pairs a row with itself.
    #[error("{miner} needs rows that are their own reference, got a separate set")]
    NeedsOwnReference {
        /// Name of the miner.
        miner: &'static str,
    },
    /// A semi-hard choice without one chosen pair of the other kind to compare with.
    #[error(
        "semi-hard choices need one hard or easy choice on the other side, got semi-hard or all"
    )]
    SemiHardNeedsOne,
    /// A range of distances that allows none.
    #[error("{name} must hold a number, got {low} to {high}")]
    EmptyRange {
        /// Name of the range.
        name: &'static str,
        /// Its lower end.
        low: f64,
        /// Its upper end.
        high: f64,
    },
    /// The prototypes of the classes could not be formed.
    #[error(transparent)]
    Prototypes(#[from] PrototypeError),
    /// Every item of the bank is left out for a row.
    #[error("every row needs an item of the bank that is not left out, but row {row} has none")]
    NoneLeft {
        /// The first such row.
        row: usize,
    },
    /// Support views that are not of the rows.
    #[error("{rows} rows need support views each, got views of {anchors}")]
    SupportCount {
        /// Rows of the batch.
        rows: usize,
        /// Rows that there are views of.
        anchors: usize,
    },
}

/// Why a batch sampler was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SamplerError {
    /// There are no examples.
    #[error("at least one example is needed, got none")]
    Empty,
    /// A count is zero.
    #[error("{name} must be at least 1, got 0")]
    Zero {
        /// Name of the parameter.
        name: &'static str,
    },
    /// Fewer classes than a batch must hold; never fewer than two.
    #[error("at least {needed} classes are needed, got {classes}")]
    TooFewClasses {
        /// Classes present.
        classes: usize,
        /// Classes needed.
        needed: usize,
    },
    /// A stored state has an empty batch.
    #[error("batch {batch} of the stored state is empty")]
    EmptyBatch {
        /// Position among the remaining batches.
        batch: usize,
    },
    /// A stored state names an example that the sampler does not have.
    #[error("stored state names example {index}, but there are {examples}")]
    UnknownExample {
        /// The index in the state.
        index: usize,
        /// Examples the sampler has.
        examples: usize,
    },
}

/// Why a buffer refused rows, or could not be restored.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BufferError {
    /// The rows or their labels do not fit.
    #[error(transparent)]
    Data(#[from] metric_core::Error),
    /// A size is zero.
    #[error("{name} must be at least 1, got 0")]
    Zero {
        /// Name of the size.
        name: &'static str,
    },
    /// More rows at once than the buffer holds.
    #[error("a buffer for {capacity} rows takes at most as many, got {rows}")]
    TooManyRows {
        /// Rows given.
        rows: usize,
        /// Rows it can hold.
        capacity: usize,
    },
    /// The parts of a stored buffer do not speak of the same rows.
    #[error(
        "a stored buffer needs {dim} numbers and one age a label, got {entries} numbers, {ages} ages and {labels} labels"
    )]
    Parts {
        /// Length of a row.
        dim: usize,
        /// Numbers in all rows.
        entries: usize,
        /// Labels.
        labels: usize,
        /// Ages.
        ages: usize,
    },
    /// The pushes that a stored buffer's rows came with are out of order or have not happened.
    #[error("stored rows must come from pushes in order up to {pushes}, got {last} for the last")]
    Stamps {
        /// That of the last row.
        last: u64,
        /// Pushes so far.
        pushes: u64,
    },
}

/// Why a density, an outlier factor or an intrinsic dimension was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DensityError {
    /// The rows are empty, not finite, or do not fit together.
    #[error(transparent)]
    Data(#[from] metric_core::Error),
    /// A queue refused rows.
    #[error(transparent)]
    Buffer(#[from] BufferError),
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
    /// Fewer rows than the estimate needs.
    #[error("at least {needed} rows are needed, got {rows}")]
    TooFewRows {
        /// Rows needed.
        needed: usize,
        /// Rows given.
        rows: usize,
    },
    /// No distance says anything about how the rows are spread.
    #[error("rows must lie at different distances from each other, but {rows} rows do not")]
    NoSpread {
        /// Rows given.
        rows: usize,
    },
}

/// Why prototypes were refused, or could not be restored.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PrototypeError {
    /// The rows, their labels or a number of clusters do not fit together.
    #[error(transparent)]
    Data(#[from] metric_core::Error),
    /// The concentration of clusters was refused.
    #[error(transparent)]
    Density(#[from] DensityError),
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
    /// An example that was not among those clustered.
    #[error("examples must be among the {examples} that were clustered, got {index}")]
    UnknownExample {
        /// The index given.
        index: usize,
        /// Examples that were clustered.
        examples: usize,
    },
    /// The parts of stored prototypes do not speak of the same ones.
    #[error("{prototypes} stored prototypes need {needed} {part}, got {got}")]
    Parts {
        /// How many prototypes there are.
        prototypes: usize,
        /// What there is another number of.
        part: &'static str,
        /// Its right number.
        needed: usize,
        /// Its number.
        got: usize,
    },
    /// The labels of stored prototypes are out of order.
    #[error("labels of stored prototypes must ascend, but number {place} does not")]
    Order {
        /// The first that is not above the one before it.
        place: usize,
    },
    /// A stored prototype is of no example.
    #[error("stored prototypes must have examples, but that of class {label} has none")]
    NoExamples {
        /// Its class.
        label: u32,
    },
    /// A stored prototype is not on the sphere.
    #[error("stored prototypes on the sphere must have length 1, but number {place} has {length}")]
    NotUnit {
        /// Which one.
        place: usize,
        /// Its length.
        length: f64,
    },
}
