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
    /// The density of the items could not be estimated.
    #[error(transparent)]
    Density(#[from] DensityError),
    /// Not one log density for every item.
    #[error("one log density is needed for each of {items} items, got {densities}")]
    DensityCount {
        /// Items that a row can be paired with.
        items: usize,
        /// Densities given.
        densities: usize,
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
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
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
    /// Embeddings or prototypes are empty or not finite, or do not fit what they are for.
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
    /// A list has another length than what it belongs to.
    #[error("{needed} {what} are needed, got {got}")]
    Count {
        /// What it lists.
        what: &'static str,
        /// Its right length.
        needed: usize,
        /// Its length.
        got: usize,
    },
    /// Fewer super-classes or categories than a batch must hold.
    #[error("at least {needed} groups of classes are needed, got {groups}")]
    TooFewGroups {
        /// Groups present.
        groups: usize,
        /// Groups needed.
        needed: usize,
    },
    /// A super-class with fewer classes than a batch takes from it.
    #[error("super-class {super_class} needs at least {needed} classes, got {classes}")]
    SmallSuperClass {
        /// Its label.
        super_class: u32,
        /// Classes it has.
        classes: usize,
        /// Classes needed.
        needed: usize,
    },
    /// A class whose examples are in two super-classes.
    #[error("a class must lie in one super-class, but class {class} lies in {first} and {second}")]
    SplitClass {
        /// Label of the class.
        class: u32,
        /// Super-class of its first example.
        first: u32,
        /// The first other one.
        second: u32,
    },
    /// More rows asked for than there are.
    #[error("a pool of at least {needed} rows is needed, got {pool}")]
    SmallPool {
        /// Rows to choose from.
        pool: usize,
        /// Rows asked for.
        needed: usize,
    },
    /// A row named by the caller does not exist.
    #[error("rows must be below {rows}, got {row}")]
    UnknownRow {
        /// The row named.
        row: usize,
        /// Rows there are.
        rows: usize,
    },
    /// A rank that is not one of the processes.
    #[error("the rank must be below the number of ranks ({ranks}), got {rank}")]
    UnknownRank {
        /// The rank.
        rank: usize,
        /// Processes.
        ranks: usize,
    },
    /// Not every process would get an example of every batch.
    #[error("a batch of at least {needed} examples is needed for {needed} ranks, got {smallest}")]
    SmallShard {
        /// Fewest examples that are shared out at a time.
        smallest: usize,
        /// Processes.
        needed: usize,
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
    /// Rows and the indices they are for differ in number.
    #[error("{rows} rows need as many indices, got {indices}")]
    Indices {
        /// Rows given.
        rows: usize,
        /// Indices given.
        indices: usize,
    },
    /// An index beyond the bank.
    #[error("indices must be below the number of rows ({rows}), got {index}")]
    UnknownRow {
        /// The index.
        index: usize,
        /// Rows of the bank.
        rows: usize,
    },
    /// A stored bank of rows of length one has another one.
    #[error("stored rows must have length one, but row {row} has {norm}")]
    NotUnit {
        /// The first such row.
        row: usize,
        /// Its length.
        norm: f64,
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
