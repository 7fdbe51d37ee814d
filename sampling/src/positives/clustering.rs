//! How prototypes are found without labels.

use metric_core::Error;
use metric_core::clusters::KMeans;
use ndarray::{Array2, ArrayView2};
use rand::Rng;

use super::{ClusterPrototypes, Granularity, at_least_one, checked_rows, length};
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
/// them to length 1 afterwards, and keeps the best of five starts.
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
            Ok(Granularity::new(
                found.centres,
                found.labels,
                concentrations,
            ))
        };
        let granularities: Result<Vec<_>, PrototypeError> =
            (0..).zip(&self.clusters).map(granularity).collect();
        Ok(ClusterPrototypes {
            granularities: granularities?,
        })
    }
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
