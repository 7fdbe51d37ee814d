//! The distances by name, as in the reference cases.

use metric_core::{Angular, Cosine, Distance, Euclidean, Mahalanobis, Minkowski, SquaredEuclidean};

use super::{Settings, SpeedError, data};

/// Something to do with a distance whose type is known, as a caller of the library has it.
pub(super) trait Use {
    type Output;
    fn with<D: Distance<f32> + 'static>(self, distance: D) -> Self::Output;
}

macro_rules! distances {
    ($($name:literal => $distance:expr,)*) => {
        pub(super) const NAMES: &[&str] = &[$($name),*];

        /// # Panics
        /// If `name` is not in [`NAMES`].
        pub(super) fn named<U: Use>(
            name: &str,
            settings: &Settings,
            usage: U,
        ) -> Result<U::Output, SpeedError> {
            Ok(match name {
                $($name => usage.with($distance(settings)?),)*
                _ => unreachable!("operations are made from NAMES"),
            })
        }
    };
}

distances! {
    "euclidean" => |_| plain(Euclidean),
    "squared_euclidean" => |_| plain(SquaredEuclidean),
    "manhattan" => |_| minkowski(1.0),
    "chebyshev" => |_| minkowski(f64::INFINITY),
    "minkowski" => |settings: &Settings| minkowski(settings.number("p", 3.0)?),
    "cosine" => |_| plain(Cosine),
    "angular" => |_| plain(Angular),
    "mahalanobis" => |settings: &Settings| mahalanobis(settings.dim),
}

fn plain<D>(distance: D) -> Result<D, SpeedError> {
    Ok(distance)
}

fn minkowski(p: f64) -> Result<Minkowski, SpeedError> {
    Minkowski::new(p).map_err(SpeedError::refused("minkowski"))
}

fn mahalanobis(dim: usize) -> Result<Mahalanobis<f32>, SpeedError> {
    Mahalanobis::from_precision(data::precision(dim).view())
        .map_err(SpeedError::refused("mahalanobis"))
}

/// The parameters of a distance.
pub(super) fn params(name: &str) -> &'static [&'static str] {
    if name == "minkowski" { &["p"] } else { &[] }
}
