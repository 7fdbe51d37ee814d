//! Prototypes of clusters on their way to a file and back.

use metric_core::Error;
use serde::{Deserialize, Serialize};

use super::{ClusterPrototypes, Granularity};
use crate::PrototypeError;
use crate::positives::{as_rows, at_least_one, finite, matches, on_sphere, parts};

/// A granularity as it is stored.
#[derive(Serialize, Deserialize)]
pub(in crate::positives) struct Stored {
    dim: usize,
    centroids: Vec<f32>,
    assignments: Vec<u32>,
    concentrations: Vec<f64>,
}

impl From<ClusterPrototypes> for Vec<Stored> {
    fn from(prototypes: ClusterPrototypes) -> Self {
        let stored = |one: Granularity| Stored {
            dim: one.centroids.ncols(),
            centroids: one.centroids.iter().copied().collect(),
            assignments: one.assignments,
            concentrations: one.concentrations,
        };
        prototypes.granularities.into_iter().map(stored).collect()
    }
}

impl TryFrom<Vec<Stored>> for ClusterPrototypes {
    type Error = PrototypeError;

    fn try_from(stored: Vec<Stored>) -> Result<Self, PrototypeError> {
        at_least_one("granularities", stored.len())?;
        let granularities: Result<Vec<_>, _> =
            stored.into_iter().map(Granularity::try_from).collect();
        let granularities = granularities?;
        let first = &granularities[0];
        for one in &granularities {
            let k = one.sizes.len();
            parts(
                k,
                "assignments",
                first.assignments.len(),
                one.assignments.len(),
            )?;
            matches(first.centroids.ncols(), one.centroids.ncols())?;
        }
        Ok(Self { granularities })
    }
}

impl TryFrom<Stored> for Granularity {
    type Error = PrototypeError;

    fn try_from(stored: Stored) -> Result<Self, PrototypeError> {
        let clusters = stored.concentrations.len();
        if clusters == 0 || stored.dim == 0 || stored.assignments.is_empty() {
            let what = "stored prototypes";
            return Err(Error::Empty { what }.into());
        }
        let needed = clusters.saturating_mul(stored.dim);
        parts(clusters, "numbers", needed, stored.centroids.len())?;
        let centroids = as_rows(&stored.centroids, stored.dim).to_owned();
        finite("centroids", centroids.view())?;
        on_sphere(centroids.view())?;
        if let Some(&got) = stored
            .concentrations
            .iter()
            .find(|phi| !(**phi >= 0.0 && phi.is_finite()))
        {
            return Err(PrototypeError::InvalidParam {
                name: "concentration",
                expected: "finite and at least 0",
                got,
            });
        }
        let is_unknown = |&label: &u32| label as usize >= clusters;
        if let Some(row) = stored.assignments.iter().position(is_unknown) {
            return Err(Error::LabelOutOfRange {
                row,
                label: stored.assignments[row],
                centres: clusters,
            }
            .into());
        }
        Ok(Self::new(
            centroids,
            stored.assignments,
            stored.concentrations,
        ))
    }
}
