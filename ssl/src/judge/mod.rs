//! How good features are while nothing is known of classes, and how well classes can be told apart in them.

mod collapse;
mod guessing;
mod neighbors;
mod probe;
mod spread;

pub use collapse::{Collapse, CollapseLimits};
pub use guessing::Guessing;
pub use neighbors::{Vote, knn_accuracy};
pub use probe::{LinearProbe, ProbeError};
pub use spread::{Spread, alignment, uniformity};
