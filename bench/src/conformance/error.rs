use std::path::PathBuf;

/// Why the reference cases could not be run at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConformanceError {
    /// The folder or a file in it cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The folder or file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A suite's list of cases is not what the format asks for.
    #[error("{} is not a list of cases: {source}", path.display())]
    Cases {
        /// The `.json` file.
        path: PathBuf,
        /// What the parser said.
        source: serde_json::Error,
    },
    /// Two cases of a suite have the same name.
    #[error("{} holds two cases named {id}", path.display())]
    DuplicateCase {
        /// The `.json` file.
        path: PathBuf,
        /// The name.
        id: String,
    },
    /// A suite's tensors cannot be parsed.
    #[error("{} is not a safetensors file: {source}", path.display())]
    Tensors {
        /// The `.safetensors` file.
        path: PathBuf,
        /// What the parser said.
        source: safetensors::SafeTensorError,
    },
    /// A tensor has an element type that the format does not use.
    #[error("{}: tensor {name} holds {dtype}, expected F32, F64, I32 or I64", path.display())]
    ElementType {
        /// The `.safetensors` file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Its element type.
        dtype: String,
    },
    /// A case names a tensor that is not there.
    #[error("{} lacks the tensor {name}", path.display())]
    MissingTensor {
        /// The `.safetensors` file.
        path: PathBuf,
        /// The tensor.
        name: String,
    },
    /// No case is left after filtering.
    #[error(
        "no case to run in {}{}{}", dir.display(),
        suite.as_ref().map(|s| format!(", suite {s}")).unwrap_or_default(),
        op.as_ref().map(|o| format!(", op {o}")).unwrap_or_default()
    )]
    NothingToRun {
        /// The folder.
        dir: PathBuf,
        /// The only suite asked for.
        suite: Option<String>,
        /// The only operation asked for.
        op: Option<String>,
    },
    /// The precision is neither of the two.
    #[error("precision must be f32 or f64, got {got}")]
    Precision {
        /// What was asked for.
        got: String,
    },
}

/// Why a single case could not be computed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaseError {
    /// A parameter is absent or of another type.
    #[error("case {case}: parameter {key} must be {expected}, got {got}")]
    Param {
        /// Id of the case.
        case: String,
        /// Name of the parameter, dotted if nested.
        key: String,
        /// What it should be.
        expected: &'static str,
        /// What it is, as JSON, or `nothing`.
        got: String,
    },
    /// The case has no such input.
    #[error("case {case}: there is no tensor {name}")]
    NoTensor {
        /// Id of the case.
        case: String,
        /// Name of the tensor.
        name: String,
    },
    /// A tensor has another shape or element type than the operation takes.
    #[error("case {case}: tensor {name} must be {expected}, got shape {shape:?}")]
    TensorKind {
        /// Id of the case.
        case: String,
        /// Name of the tensor.
        name: String,
        /// What it should be.
        expected: &'static str,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// A label does not fit the type of labels.
    #[error("case {case}: tensor {name} holds {got}, expected labels from 0 to 4294967295")]
    Label {
        /// Id of the case.
        case: String,
        /// Name of the tensor.
        name: String,
        /// The value.
        got: i64,
    },
    /// The library refused the input.
    #[error("case {case}: {source}")]
    Refused {
        /// Id of the case.
        case: String,
        /// What the library said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
