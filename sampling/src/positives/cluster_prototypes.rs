//! Prototypes without labels: centroids of clusters, coarse and fine.

use metric_core::Error;
use metric_core::clusters::KMeans;
use ndarray::{Array2, ArrayView2, Axis};
use rand::Rng;
use rand::seq::index;
use serde::{Deserialize, Serialize};

use super::{as_rows, checked_rows, finite, length, on_sphere, parts};
use crate::PrototypeError;
use crate::density::Concentration;
use crate::mining::random_rows::RandomRows;

/// How prototypes are found by clustering at several granularities, as a rule anew each epoch (Li et al., *Prototypical Contrastive
/// Learning of Unsupervised Representations*, PCL, 2021, <https://arxiv.org/abs/2005.04966>).
///
/// For each number of clusters `k_m`, spherical k-means over the rows gives the prototypes `c`, the [concentrations](Concentration)
/// `φ` and the cluster of each row. They make the prototypical part of the loss, `ProtoNCE`, for a row `v` in clusters `s_m`:
/// ```text
/// −1/M Σ_m log( exp(v·c_{s_m}/φ_{s_m}) / Σ_j exp(v·c_j/φ_j) )          j: s_m and r others
/// ```
/// [`ClusterPrototypes::select`] gives what a batch needs of it.
///
/// Defaults: `φ` with mean 0.2, 20 iterations. Deviates from the authors' code, which takes means of plain k-means and rescales
/// them to length 1 afterwards, keeps the best of five starts, and leaves out clusters of fewer than ten.
///
/// Each granularity has a generator of its own, all from one draw of the caller's: what it finds does not depend on the
/// others, nor on the number of threads. Cost: `O(n dim Σ k_m)` time an iteration, `O((n + Σ k_m) dim)` memory: two copies of
/// the rows while it works.
///
/// # Examples
///
/// ```
/// use metric_sampling::positives::PrototypeClustering;
/// use ndarray::array;
/// # use rand::SeedableRng;
/// # let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
/// let rows = array![[1.0f32, 0.1], [1.0, -0.1], [-0.1, 1.0], [0.1, 1.0], [-1.0, 0.0]];
/// let prototypes = PrototypeClustering::new(&[2, 3])?.fit(rows.view(), &mut rng)?;
/// let fine = &prototypes.granularities()[1];
/// assert_eq!(fine.assignments()[0], fine.assignments()[1]);
/// // Rows 0 and 4 meet their own clusters and one of the others.
/// let selected = &prototypes.select(&[0, 4], 1, &mut rng)?[1];
/// assert_eq!(selected.prototypes.dim(), (3, 2));
/// let own = selected.clusters[selected.positives[0] as usize];
/// assert_eq!(own, fine.assignments()[0]);
/// # Ok::<(), metric_sampling::PrototypeError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct PrototypeClustering {
    clusters: Vec<usize>,
    concentration: Concentration,
    max_iterations: usize,
}

impl PrototypeClustering {
    /// At so many clusters each.
    ///
    /// # Errors
    ///
    /// [`PrototypeError::InvalidParam`] for no number at all, or one that is 0.
    pub fn new(clusters: &[usize]) -> Result<Self, PrototypeError> {
        at_least_one("granularities", clusters.len())?;
        for &count in clusters {
            at_least_one("clusters", count)?;
        }
        Ok(Self {
            clusters: clusters.to_vec(),
            concentration: Concentration::default(),
            max_iterations: 20,
        })
    }

    /// The same with another concentration.
    pub fn with_concentration(mut self, concentration: Concentration) -> Self {
        self.concentration = concentration;
        self
    }

    /// The same with at most so many iterations of k-means.
    ///
    /// # Errors
    ///
    /// [`PrototypeError::InvalidParam`] if there are none.
    pub fn with_max_iterations(mut self, iterations: usize) -> Result<Self, PrototypeError> {
        self.max_iterations = at_least_one("max_iterations", iterations)?;
        Ok(self)
    }

    /// Clusters the directions of `rows` `[n, dim]`, one for each example.
    ///
    /// # Errors
    ///
    /// [`PrototypeError::Data`] if the rows are empty, not finite, without a direction, or fewer than the clusters.
    pub fn fit(
        &self,
        rows: ArrayView2<'_, f32>,
        rng: &mut dyn Rng,
    ) -> Result<ClusterPrototypes, PrototypeError> {
        checked_rows("rows", rows)?;
        let units = directions(rows)?;
        let random = RandomRows::draw(rng);
        let granularity = |(at, &count): (u32, &usize)| {
            let means = KMeans::new(count)
                .spherical()
                .max_iterations(self.max_iterations);
            let found = means.fit(units.view(), &mut random.of(at))?;
            let concentrations = self.concentration.of_clusters(
                units.view(),
                &found.labels,
                found.centres.view(),
            )?;
            Ok(Granularity {
                sizes: sizes(&found.labels, count),
                centroids: found.centres,
                assignments: found.labels,
                concentrations,
            })
        };
        let granularities: Result<Vec<_>, PrototypeError> =
            (0..).zip(&self.clusters).map(granularity).collect();
        Ok(ClusterPrototypes {
            granularities: granularities?,
        })
    }
}

/// Clusterings of the same examples at one or more granularities, as [`PrototypeClustering::fit`] finds them.
///
/// Serialized and read back they are the same, to the bit, and are checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "Vec<Stored>", try_from = "Vec<Stored>")]
pub struct ClusterPrototypes {
    granularities: Vec<Granularity>,
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

fn at_least_one(name: &'static str, count: usize) -> Result<usize, PrototypeError> {
    if count > 0 {
        return Ok(count);
    }
    Err(PrototypeError::InvalidParam {
        name,
        expected: "at least 1",
        got: 0.0,
    })
}

/// Rows of length 1.
fn directions(rows: ArrayView2<'_, f32>) -> Result<Array2<f32>, Error> {
    let mut units = rows.to_owned();
    for (row, mut values) in units.outer_iter_mut().enumerate() {
        let length = length(values.view());
        if length <= 0.0 {
            let what = "rows";
            return Err(Error::ZeroRow { what, row });
        }
        values.map_inplace(|x| *x = (f64::from(*x) / length) as f32);
    }
    Ok(units)
}

fn sizes(assignments: &[u32], clusters: usize) -> Vec<usize> {
    let mut sizes = vec![0; clusters];
    for &cluster in assignments {
        sizes[cluster as usize] += 1;
    }
    sizes
}

/// A granularity as it is stored.
#[derive(Serialize, Deserialize)]
struct Stored {
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
            super::matches(first.centroids.ncols(), one.centroids.ncols())?;
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
        Ok(Self {
            sizes: sizes(&stored.assignments, clusters),
            centroids,
            assignments: stored.assignments,
            concentrations: stored.concentrations,
        })
    }
}
