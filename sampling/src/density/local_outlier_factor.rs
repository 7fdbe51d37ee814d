//! How much sparser a row lies than its neighbours.

use metric_core::{Euclidean, Neighbors, knn, knn_self};
use ndarray::ArrayView2;

use super::checks::{enough, neighbors};
use crate::DensityError;

/// Local outlier factor (Breunig et al., *LOF: Identifying Density-Based Local Outliers*, 2000,
/// <https://doi.org/10.1145/335191.335388>).
///
/// ```text
/// reach(x, o) = max(k-distance(o), d(x, o))
/// lrd(x)      = 1 / mean_{o ∈ N_k(x)} reach(x, o)
/// LOF(x)      = mean_{o ∈ N_k(x)} lrd(o) / lrd(x)
/// ```
/// with Euclidean `d`, `N_k(x)` the `k` nearest rows of the bank and `k-distance(o)` the distance from `o` to its own
/// `k`-th. About 1 inside a cluster of any density, below it at its core, well above it for a row on its own: an outlier, or
/// an example with the wrong label among those of its class. Holds for new rows against the bank as well (novelty).
///
/// A row that coincides with `k` which each coincide with `k` has a mean reach of 0. It counts as the least of the bank above 0,
/// so that factors are finite and rows of one clump have 1.
///
/// Deviates from the paper: exactly `k` neighbours, ties to the lowest index, as scikit-learn does, which adds `10^−10` to every mean
/// reach instead.
///
/// Cost: one exact search, then `O(n k)`; memory as for [`KnnDensity`](super::KnnDensity) while fitting, 20 bytes a row after.
///
/// # Examples
///
/// ```
/// use metric_sampling::density::LocalOutlierFactor;
/// use ndarray::array;
/// let bank = array![[0.0f32], [1.0], [2.0], [9.0]];
/// let lof = LocalOutlierFactor::fit(bank.view(), 1)?;
/// // Every reach is 1 but that of the last, which is 7.
/// assert_eq!(lof.factors(), [1.0, 1.0, 1.0, 7.0]);
/// assert_eq!(lof.factors_of(array![[-5.0f32], [0.5]].view())?, [5.0, 1.0]);
/// # Ok::<(), metric_sampling::DensityError>(())
/// ```
#[derive(Debug, Clone)]
pub struct LocalOutlierFactor<'a> {
    bank: ArrayView2<'a, f32>,
    k: usize,
    k_distances: Vec<f32>,
    /// `1/lrd`.
    reaches: Vec<f64>,
    /// The least of them above 0.
    least: f64,
    factors: Vec<f64>,
}

impl<'a> LocalOutlierFactor<'a> {
    /// The factors of a bank `[n, dim]` among itself, ready for others. The usual `k` is 20.
    ///
    /// # Errors
    ///
    /// [`DensityError::Data`] if the bank is empty or not finite or `k` is 0; [`DensityError::TooFewRows`] unless there are more
    /// than `k`; [`DensityError::NoSpread`] if every row has `k` that coincide with it.
    pub fn fit(bank: ArrayView2<'a, f32>, k: usize) -> Result<Self, DensityError> {
        let found = knn_self(&Euclidean, bank, neighbors(k)?)?;
        enough(k + 1, bank.nrows())?;
        let k_distances = found.distances.column(k - 1).to_vec();
        let mut reaches = mean_reaches(&found, &k_distances);
        let least = reaches.iter().filter(|&&reach| reach > 0.0);
        let least = least.copied().fold(f64::INFINITY, f64::min);
        if !least.is_finite() {
            return Err(DensityError::NoSpread { rows: bank.nrows() });
        }
        lift(&mut reaches, least);
        let factors = ratios(&found, &reaches, &reaches);
        Ok(Self {
            bank,
            k,
            k_distances,
            reaches,
            least,
            factors,
        })
    }

    /// The factor of each row of the bank, itself left out.
    pub fn factors(&self) -> &[f64] {
        &self.factors
    }

    /// The local reachability density of each row of the bank, in `1/length`.
    pub fn local_reachability_densities(&self) -> Vec<f64> {
        self.reaches.iter().map(|reach| reach.recip()).collect()
    }

    /// The factors of new rows `[m, dim]` among the bank, in which one equal to a row of it is not left out.
    ///
    /// Cost: one exact search of the bank.
    ///
    /// # Errors
    ///
    /// [`DensityError::Data`] if the rows are empty, not finite, or of another dimension.
    pub fn factors_of(&self, rows: ArrayView2<'_, f32>) -> Result<Vec<f64>, DensityError> {
        let found = knn(&Euclidean, rows, self.bank, self.k)?;
        let mut reaches = mean_reaches(&found, &self.k_distances);
        lift(&mut reaches, self.least);
        Ok(ratios(&found, &reaches, &self.reaches))
    }
}

/// The least above 0 in the place of 0. What is below it, for a new row among copies, stays.
fn lift(reaches: &mut [f64], least: f64) {
    for reach in reaches.iter_mut().filter(|reach| **reach <= 0.0) {
        *reach = least;
    }
}

/// `1/lrd` of each row that neighbours were found for.
fn mean_reaches(found: &Neighbors<f32>, k_distances: &[f32]) -> Vec<f64> {
    let lists = found.indices.outer_iter().zip(found.distances.outer_iter());
    lists
        .map(|(indices, distances)| {
            let reaches = indices.iter().zip(distances);
            let sum: f64 = reaches
                .map(|(&o, &d)| f64::from(d.max(k_distances[o])))
                .sum();
            sum / indices.len() as f64
        })
        .collect()
}

/// `reach(x) · mean 1/reach(o)`
fn ratios(found: &Neighbors<f32>, own: &[f64], of_bank: &[f64]) -> Vec<f64> {
    let lists = found.indices.outer_iter().zip(own);
    lists
        .map(|(indices, own)| {
            let sum: f64 = indices.iter().map(|&o| own / of_bank[o]).sum();
            sum / indices.len() as f64
        })
        .collect()
}
