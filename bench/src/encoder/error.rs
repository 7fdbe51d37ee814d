use std::io;
use std::path::PathBuf;

use super::Architecture;

/// What can be wrong with an encoder or the weights for it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncoderError {
    /// A network for images was asked for plain vectors.
    #[error("the encoder {architecture} is for images, and the data are vectors of {dim} features")]
    NotImages {
        /// The network.
        architecture: Architecture,
        /// Length of a vector.
        dim: usize,
    },
    /// Neither of the known formats.
    #[error("{}: weights are read from .safetensors, .pth and .pt, and written as .safetensors", path.display())]
    Format {
        /// The file.
        path: PathBuf,
    },
    /// A file could not be opened or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A file is not what its name says.
    #[error("{}: not a file of weights: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The reader's reason.
        reason: String,
    },
    /// A tensor that the encoder needs is not there.
    #[error("{}: it has no tensor {name}", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// The tensor, as it is called there.
        name: String,
    },
    /// A tensor that the encoder has no place for.
    #[error("{}: the encoder has no tensor {name}", path.display())]
    Unknown {
        /// The file.
        path: PathBuf,
        /// The tensor, as it is called there.
        name: String,
    },
    /// A tensor of another size than the encoder's.
    #[error("{}: {name} has shape {got:?}, and the encoder's has {expected:?}", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// The tensor, as it is called there.
        name: String,
        /// The encoder's shape, as it is written there.
        expected: Vec<usize>,
        /// The file's.
        got: Vec<usize>,
    },
    /// A tensor of something else than floating-point numbers.
    #[error("{}: {name} holds {got}, not floating-point numbers", path.display())]
    NotFloats {
        /// The file.
        path: PathBuf,
        /// The tensor, as it is called there.
        name: String,
        /// What it holds.
        got: String,
    },
}
