//! Seeded inputs.

use std::f32::consts::TAU;

use ndarray::Array2;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Settings, SpeedError};

/// Spread of a cluster, where the centres spread by 1.
const WITHIN: f32 = 0.25;

pub(super) fn generator(stream: u64) -> ChaCha8Rng {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    random.set_stream(stream);
    random
}

/// `n` rows of the kind that `--param data` names; other streams give other rows.
pub(super) fn rows(settings: &Settings, n: usize, stream: u64) -> Result<Array2<f32>, SpeedError> {
    let mut random = generator(stream);
    let shape = (n, settings.dim);
    Ok(match settings.word("data").unwrap_or("normal") {
        "uniform" => Array2::from_shape_simple_fn(shape, || random.random_range(-1.0..1.0)),
        "normal" => normal(shape, &mut random),
        "clusters" => {
            // The same centres for every stream.
            let centres = normal((settings.classes, settings.dim), &mut generator(u64::MAX));
            let mut rows = normal(shape, &mut random);
            for (row, mut values) in rows.outer_iter_mut().enumerate() {
                values *= WITHIN;
                values += &centres.row(label(settings, row));
            }
            rows
        }
        other => {
            let expected = "uniform, normal or clusters";
            return Err(SpeedError::option("--param data", expected, other));
        }
    })
}

/// The rows, and the rows they are compared with.
pub(super) fn both(settings: &Settings) -> Result<(Array2<f32>, Array2<f32>), SpeedError> {
    let queries = match settings.queries {
        0 => settings.n,
        queries => queries,
    };
    Ok((rows(settings, queries, 1)?, rows(settings, settings.n, 2)?))
}

fn label(settings: &Settings, row: usize) -> usize {
    row % settings.classes
}

/// The class of every row: as many rows of each as can be.
pub(super) fn labels(settings: &Settings) -> Vec<u32> {
    (0..settings.n)
        .map(|row| label(settings, row) as u32)
        .collect()
}

/// Standard normal numbers, two at a time (Box and Muller, *A Note on the Generation of Random Normal Deviates*, 1958).
pub(super) fn normal(shape: (usize, usize), random: &mut impl Rng) -> Array2<f32> {
    let mut second = None;
    Array2::from_shape_simple_fn(shape, || {
        second.take().unwrap_or_else(|| {
            // In (0, 1], whose logarithm is finite.
            let uniform = 1.0 - random.random::<f32>();
            let (sin, cos) = (TAU * random.random::<f32>()).sin_cos();
            let radius = (-2.0 * uniform.ln()).sqrt();
            second = Some(radius * sin);
            radius * cos
        })
    })
}

/// A symmetric matrix whose eigenvalues are at least 1.
pub(super) fn precision(dim: usize) -> Array2<f32> {
    let a = normal((dim, dim), &mut generator(3));
    let mut precision = a.dot(&a.t()) / dim as f32;
    precision.diag_mut().map_inplace(|value| *value += 1.0);
    precision
}
