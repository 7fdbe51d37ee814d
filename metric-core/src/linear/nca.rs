//! Neighbourhood components.

use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

use super::LinearMap;
use super::centred::{Centred, classes};
use super::descent::Descent;
use super::pairs::{gradient, images, row, squared, start, start_from};
use crate::{Error, Scalar};

/// Neighbourhood components analysis (Goldberger, Roweis, Hinton & Salakhutdinov, *Neighbourhood Components Analysis*,
/// 2004, eq. 1–5).
///
/// Each row picks a neighbour at random, near ones more often; `A` maximises how often it is of the same class:
/// ```text
/// pᵢⱼ = exp(−‖A xᵢ − A xⱼ‖²) / Σ_{k ≠ i} exp(−‖A xᵢ − A xₖ‖²),   pᵢ = Σ_{j of i's class} pᵢⱼ
/// f(A) = Σᵢ pᵢ
/// ∂f/∂A = 2 A Σᵢ (pᵢ Σₖ pᵢₖ xᵢₖ xᵢₖᵀ − Σ_{j of i's class} pᵢⱼ xᵢⱼ xᵢⱼᵀ),   xᵢⱼ = xᵢ − xⱼ
/// ```
/// The search is L-BFGS with 10 steps of memory. The paper leaves the start open: here the identity, or if components are
/// asked for the leading discriminants ([`Lda`](super::Lda) with Ledoit and Wolf's shrinkage), or where there are fewer
/// of those the principal components; scaled so that images have variance one an entry on average, which makes the
/// result independent of the data's units. `f` has local maxima; [`fit_from`](Self::fit_from) starts elsewhere.
///
/// Cost: `O(n² out)` an evaluation, in parallel over rows; memory `O(n dim)`: pairs are met twice, never stored.
///
/// # Examples
///
/// ```
/// use metric_core::knn_self;
/// use metric_core::linear::Nca;
/// use ndarray::array;
/// // The nearest rows are of the other class: the second column is noise.
/// let rows = array![[0.0f32, 1.4], [0.1, -1.2], [0.2, 0.3], [1.0, 1.3], [1.1, -1.1], [1.2, 0.2]];
/// let map = Nca::new().fit(rows.view(), &[0, 0, 0, 1, 1, 1])?;
/// let neighbors = knn_self(&map.metric(), rows.view(), 1)?;
/// assert!(neighbors.indices.column(0).iter().enumerate().all(|(i, &j)| i / 3 == j / 3));
/// # Ok::<(), metric_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Nca {
    components: Option<usize>,
    iterations: usize,
    tolerance: f64,
}

impl Default for Nca {
    fn default() -> Self {
        Self::new()
    }
}

impl Nca {
    /// A square `A`, 100 iterations, tolerance `1e-5`.
    pub fn new() -> Self {
        Self {
            components: None,
            iterations: 100,
            tolerance: 1e-5,
        }
    }

    /// Rows of `A`. Default: as many as columns.
    #[must_use]
    pub fn components(self, k: usize) -> Self {
        Self {
            components: Some(k),
            ..self
        }
    }

    /// The most steps it takes. Default: 100.
    #[must_use]
    pub fn iterations(self, iterations: usize) -> Self {
        Self { iterations, ..self }
    }

    /// It stops after five steps that each changed `1 − f / n` by less than this share. Default: `1e-5`.
    #[must_use]
    pub fn tolerance(self, tolerance: f64) -> Self {
        Self { tolerance, ..self }
    }

    /// Learns from `rows` `[n, dim]` and a label for each.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`], [`Error::NonFinite`], [`Error::LabelCount`], [`Error::OneClass`], [`Error::AllLone`] if no class
    /// has two rows, [`Error::InvalidParam`], or [`Error::Rank`] if the rows span fewer directions than asked for.
    pub fn fit<T: Scalar>(
        &self,
        rows: ArrayView2<'_, T>,
        labels: &[u32],
    ) -> Result<LinearMap<T>, Error> {
        let centred = Centred::new(rows)?;
        let problem = Problem::new(&centred.rows, labels)?;
        let start = start(&centred, labels, self.components)?;
        self.search(&centred, &problem, start)
    }

    /// Learns from `rows`, starting at the matrix of another map, whose size is taken as it is.
    ///
    /// # Errors
    ///
    /// Those of [`fit`](Self::fit); [`Error::DimMismatch`] if the map is for rows of another length,
    /// [`Error::InvalidParam`] if it has another number of rows than the components asked for.
    pub fn fit_from<T: Scalar>(
        &self,
        rows: ArrayView2<'_, T>,
        labels: &[u32],
        start: &LinearMap<T>,
    ) -> Result<LinearMap<T>, Error> {
        let centred = Centred::new(rows)?;
        let problem = Problem::new(&centred.rows, labels)?;
        let start = start_from(&centred, start, self.components)?;
        self.search(&centred, &problem, start)
    }

    fn search<T: Scalar>(
        &self,
        centred: &Centred,
        problem: &Problem<'_>,
        start: Array2<f64>,
    ) -> Result<LinearMap<T>, Error> {
        let descent = Descent {
            memory: 10,
            iterations: self.iterations,
            tolerance: self.tolerance,
        };
        let matrix = descent.minimise(start, |map| problem.evaluate(map));
        LinearMap::scaled(matrix, centred.mean.clone(), centred.scale)
    }
}

struct Problem<'a> {
    rows: &'a Array2<f64>,
    class_of: Vec<usize>,
}

/// What a row knows after meeting all others: `ln Σ exp(−dᵢₖ)` and `pᵢ`.
#[derive(Clone, Copy)]
struct Met {
    log_sum: f64,
    same: f64,
}

impl<'a> Problem<'a> {
    fn new(rows: &'a Array2<f64>, labels: &[u32]) -> Result<Self, Error> {
        let (class_of, classes) = classes(labels, rows.nrows())?;
        if classes == rows.nrows() {
            return Err(Error::AllLone);
        }
        Ok(Self { rows, class_of })
    }

    /// `1 − f(A) / n` and its gradient.
    fn evaluate(&self, map: &Array2<f64>) -> (f64, Array2<f64>) {
        let z = images(self.rows, map.view());
        let n = z.nrows();
        let met: Vec<Met> = (0..n)
            .into_par_iter()
            .map_init(|| vec![0.0; n], |distances, i| self.meet(&z, i, distances))
            .collect();
        let loss = 1.0 - met.iter().map(|met| met.same).sum::<f64>() / n as f64;
        let gradient = gradient(self.rows, &z, |i, j, distance| {
            let same = f64::from(u8::from(self.class_of[i] == self.class_of[j]));
            let weight = |met: Met| (-distance - met.log_sum).exp() * (same - met.same);
            (weight(met[i]) + weight(met[j])) / n as f64
        });
        (loss, gradient)
    }

    fn meet(&self, z: &Array2<f64>, i: usize, distances: &mut [f64]) -> Met {
        let others = || (0..z.nrows()).filter(|&j| j != i);
        let mut least = f64::INFINITY;
        for j in others() {
            distances[j] = squared(row(z, i), row(z, j));
            least = least.min(distances[j]);
        }
        let (mut all, mut same) = (0.0, 0.0);
        for j in others() {
            let share = (least - distances[j]).exp();
            all += share;
            if self.class_of[i] == self.class_of[j] {
                same += share;
            }
        }
        Met {
            log_sum: all.ln() - least,
            same: same / all,
        }
    }
}

#[cfg(test)]
mod tests;
