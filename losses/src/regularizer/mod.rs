//! Penalties on a set of vectors without labels: embeddings, class vectors or centres.

mod center_invariant;
mod koleo;
mod lp;
mod regular_face;
mod sparse_centers;
mod spherical;
mod uniformity;
mod zero_mean;

pub use center_invariant::{CenterInvariantRegularizer, CenterInvariantRegularizerConfig};
pub use koleo::{KoLeoRegularizer, KoLeoRegularizerConfig};
pub use lp::{LpRegularizer, LpRegularizerConfig};
pub use regular_face::{RegularFaceRegularizer, RegularFaceRegularizerConfig};
pub use sparse_centers::{SparseCentersRegularizer, SparseCentersRegularizerConfig};
pub use spherical::{SphericalRegularizer, SphericalRegularizerConfig};
pub use uniformity::{UniformityRegularizer, UniformityRegularizerConfig};
pub use zero_mean::{ZeroMeanRegularizer, ZeroMeanRegularizerConfig};
