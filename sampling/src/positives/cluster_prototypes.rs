//! Prototypes without labels: centroids of clusters, coarse and fine.

mod stored;

use metric_core::Error;
use ndarray::{Array2, ArrayView2, Axis};
use rand::Rng;
use rand::seq::index;
use serde::{Deserialize, Serialize};

use crate::PrototypeError;
use crate::mining::random_rows::RandomRows;

/// Clusterings of the same examples at one or more granularities, as [`PrototypeClustering::fit`](super::PrototypeClustering::fit) finds them.
///
/// Serialized and read back they are the same, to the bit, and are checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "Vec<stored::Stored>", try_from = "Vec<stored::Stored>")]
pub struct ClusterPrototypes {
    pub(super) granularities: Vec<Granularity>,
}

/// The prototypes of one clustering.
#[derive(Debug, Clone, PartialEq)]
pub struct Granularity {
    /// `[k, dim]`
    centroids: Array2<f32>,
    assignments: Vec<u32>,
    concentrations: Vec<f64>,
    sizes: Vec<usize>,
}

/// The prototypes that a batch of `b` examples meets at one granularity.
#[derive(Debug, Clone, PartialEq)]
pub struct SelectedPrototypes {
    /// Which clusters: first those of the batch, ascending, then the others drawn, ascending.
    pub clusters: Vec<u32>,
    /// Their centroids, `[clusters, dim]`.
    pub prototypes: Array2<f32>,
    /// Their concentrations: the temperature of each column of logits.
    pub concentrations: Vec<f64>,
    /// For each example the place of its own cluster among these, `[b]`: the target of its softmax.
    pub positives: Vec<u32>,
}

impl ClusterPrototypes {
    /// One for each number of clusters, in the order given.
    pub fn granularities(&self) -> &[Granularity] {
        &self.granularities
    }

    /// How many examples were clustered.
    pub fn examples(&self) -> usize {
        self.granularities[0].assignments.len()
    }

    /// What a batch of these examples meets at each granularity: the prototypes of their own clusters, each once, and `negatives`
    /// others, drawn uniformly and without repetition; all others if these are fewer. Clusters without examples are never
    /// drawn: their centroids may lie on those of others.
    ///
    /// Deviates from the authors' code, which repeats a prototype for each example of its cluster, so that it is also a negative.
    /// Cost: `O(k)` and the rows copied, at each granularity.
    ///
    /// # Errors
    ///
    /// [`PrototypeError::Data`] for no example, [`PrototypeError::UnknownExample`].
    pub fn select(
        &self,
        examples: &[usize],
        negatives: usize,
        rng: &mut dyn Rng,
    ) -> Result<Vec<SelectedPrototypes>, PrototypeError> {
        if examples.is_empty() {
            let what = "batch";
            return Err(Error::Empty { what }.into());
        }
        let count = self.examples();
        if let Some(&index) = examples.iter().find(|&&index| index >= count) {
            let examples = count;
            return Err(PrototypeError::UnknownExample { index, examples });
        }
        let random = RandomRows::draw(rng);
        let each = (0..).zip(&self.granularities);
        Ok(each
            .map(|(at, one)| one.select(examples, negatives, &mut random.of(at)))
            .collect())
    }
}

impl Granularity {
    pub(super) fn new(
        centroids: Array2<f32>,
        assignments: Vec<u32>,
        concentrations: Vec<f64>,
    ) -> Self {
        let mut sizes = vec![0; centroids.nrows()];
        for &cluster in &assignments {
            sizes[cluster as usize] += 1;
        }
        Self {
            centroids,
            assignments,
            concentrations,
            sizes,
        }
    }

    /// Directions of length 1, `[k, dim]`.
    pub fn centroids(&self) -> ArrayView2<'_, f32> {
        self.centroids.view()
    }

    /// The cluster of each example.
    pub fn assignments(&self) -> &[u32] {
        &self.assignments
    }

    /// The concentration of each cluster, `[k]`.
    pub fn concentrations(&self) -> &[f64] {
        &self.concentrations
    }

    /// How many examples each cluster has, `[k]`: none only if there are fewer distinct ones than clusters.
    pub fn sizes(&self) -> &[usize] {
        &self.sizes
    }

    fn select(
        &self,
        examples: &[usize],
        negatives: usize,
        rng: &mut dyn Rng,
    ) -> SelectedPrototypes {
        let own_of = |&example: &usize| self.assignments[example];
        let mut clusters: Vec<u32> = examples.iter().map(own_of).collect();
        clusters.sort_unstable();
        clusters.dedup();
        let is_other = |&cluster: &u32| {
            self.sizes[cluster as usize] > 0 && clusters.binary_search(&cluster).is_err()
        };
        let others: Vec<u32> = (0..self.sizes.len() as u32).filter(is_other).collect();
        let drawn = index::sample(rng, others.len(), negatives.min(others.len()));
        let mut drawn: Vec<u32> = drawn.into_iter().map(|at| others[at]).collect();
        drawn.sort_unstable();
        // The batch's own come first, in order.
        let place = |example: &usize| clusters.partition_point(|&c| c < own_of(example)) as u32;
        let positives = examples.iter().map(place).collect();
        clusters.extend(drawn);
        let places: Vec<usize> = clusters.iter().map(|&cluster| cluster as usize).collect();
        SelectedPrototypes {
            prototypes: self.centroids.select(Axis(0), &places),
            concentrations: places.iter().map(|&c| self.concentrations[c]).collect(),
            clusters,
            positives,
        }
    }
}
