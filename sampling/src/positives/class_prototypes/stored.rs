//! Prototypes of classes on their way to a file and back.

use serde::{Deserialize, Serialize};

use super::ClassPrototypes;
use crate::PrototypeError;
use crate::positives::{as_rows, finite, on_sphere, parts};

/// Prototypes as they are stored.
#[derive(Serialize, Deserialize)]
pub(super) struct Stored {
    dim: usize,
    spherical: bool,
    labels: Vec<u32>,
    counts: Vec<u64>,
    rows: Vec<f32>,
}

impl From<ClassPrototypes> for Stored {
    fn from(prototypes: ClassPrototypes) -> Self {
        Self {
            dim: prototypes.dim,
            spherical: prototypes.spherical,
            labels: prototypes.labels,
            counts: prototypes.counts,
            rows: prototypes.rows,
        }
    }
}

impl TryFrom<Stored> for ClassPrototypes {
    type Error = PrototypeError;

    fn try_from(stored: Stored) -> Result<Self, PrototypeError> {
        let empty = Self::new(stored.dim)?;
        let prototypes = stored.labels.len();
        parts(prototypes, "counts", prototypes, stored.counts.len())?;
        let needed = prototypes.saturating_mul(stored.dim);
        parts(prototypes, "numbers", needed, stored.rows.len())?;
        let is_out = |pair: &[u32]| pair[0] >= pair[1];
        if let Some(before) = stored.labels.windows(2).position(is_out) {
            let place = before + 1;
            return Err(PrototypeError::Order { place });
        }
        if let Some(place) = stored.counts.iter().position(|&count| count == 0) {
            let label = stored.labels[place];
            return Err(PrototypeError::NoExamples { label });
        }
        let rows = as_rows(&stored.rows, stored.dim);
        finite("prototypes", rows)?;
        if stored.spherical {
            on_sphere(rows)?;
        }
        Ok(Self {
            spherical: stored.spherical,
            labels: stored.labels,
            counts: stored.counts,
            rows: stored.rows,
            ..empty
        })
    }
}
