//! Large margin nearest neighbours.

use ndarray::Array2;
use ndarray::ArrayView2;
use rayon::prelude::*;

use super::LinearMap;
use super::centred::{Centred, classes};
use super::descent::Descent;
use super::pairs::{gradient, images, row, squared, start, start_from};
use crate::{Error, Scalar};

/// Large margin nearest neighbour classification (Weinberger & Saul, *Distance Metric Learning for Large Margin Nearest
/// Neighbor Classification*, 2009, eq. 11–13).
///
/// Each row `i` has `k` targets `j ⇝ i`, the nearest of its class, which are pulled in; rows `l` of other classes
/// that come nearer than a margin of one behind a target are pushed out:
/// ```text
/// ε(L) = (1 − μ) Σ_{i, j⇝i} ‖L (xᵢ − xⱼ)‖²
///        + μ Σ_{i, j⇝i} Σ_l max(0, 1 + ‖L (xᵢ − xⱼ)‖² − ‖L (xᵢ − x_l)‖²)
/// ```
/// Targets are chosen once, by the start; equal distances go to the lowest index, and a class with fewer than `k + 1`
/// rows gives what it has. `L` is found by gradient descent with a step that doubles after each success and is
/// halved until the loss falls. The paper starts at the identity in the data's units; here it is scaled so that images
/// have variance one an entry on average, which makes the result independent of the units. If components are asked
/// for it starts at the leading discriminants ([`Lda`](super::Lda) with Ledoit and Wolf's shrinkage), or where there are
/// fewer of those at the principal components. [`fit_from`](Self::fit_from) starts elsewhere: at another learner's map,
/// or at an earlier result, whose neighbours are then the targets (the paper's multi-pass LMNN).
///
/// Cost: `O(n² (out + k))` an evaluation, in parallel over rows; memory `O(n (dim + k))`: pairs are met twice, never
/// stored.
///
/// # Examples
///
/// ```
/// use metric_core::knn_self;
/// use metric_core::linear::Lmnn;
/// use ndarray::array;
/// // The nearest rows are of the other class: the second column is noise.
/// let rows = array![[0.0f32, 1.4], [0.1, -1.2], [0.2, 0.3], [1.0, 1.3], [1.1, -1.1], [1.2, 0.2]];
/// let map = Lmnn::new(1).fit(rows.view(), &[0, 0, 0, 1, 1, 1])?;
/// let neighbors = knn_self(&map.metric(), rows.view(), 1)?;
/// assert!(neighbors.indices.column(0).iter().enumerate().all(|(i, &j)| i / 3 == j / 3));
/// # Ok::<(), metric_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lmnn {
    k: usize,
    push: f64,
    components: Option<usize>,
    iterations: usize,
    tolerance: f64,
}

impl Default for Lmnn {
    fn default() -> Self {
        Self::new(3)
    }
}

impl Lmnn {
    /// `k` targets a row (the paper's experiments and the default take 3), `μ = 0.5`, a square `L`, 200 iterations,
    /// tolerance `1e-4`.
    pub fn new(k: usize) -> Self {
        Self {
            k,
            push: 0.5,
            components: None,
            iterations: 200,
            tolerance: 1e-4,
        }
    }

    /// The weight `μ` of pushing, between 0 and 1; pulling has `1 − μ`. Default: 0.5.
    #[must_use]
    pub fn push(self, push: f64) -> Self {
        Self { push, ..self }
    }

    /// Rows of `L`. Default: as many as columns.
    #[must_use]
    pub fn components(self, k: usize) -> Self {
        Self {
            components: Some(k),
            ..self
        }
    }

    /// The most steps it takes. Default: 200.
    #[must_use]
    pub fn iterations(self, iterations: usize) -> Self {
        Self { iterations, ..self }
    }

    /// It stops after five steps that each lowered the loss by less than this share. Default: `1e-4`.
    #[must_use]
    pub fn tolerance(self, tolerance: f64) -> Self {
        Self { tolerance, ..self }
    }

    /// Learns from `rows` `[n, dim]` and a label for each.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`], [`Error::NonFinite`], [`Error::ZeroNeighbors`], [`Error::InvalidParam`], [`Error::LabelCount`],
    /// [`Error::OneClass`], [`Error::AllLone`] if no class has two rows, or [`Error::Rank`] if the rows span fewer
    /// directions than asked for.
    pub fn fit<T: Scalar>(
        &self,
        rows: ArrayView2<'_, T>,
        labels: &[u32],
    ) -> Result<LinearMap<T>, Error> {
        let centred = Centred::new(rows)?;
        let start = |_: &Self| start(&centred, labels, self.components);
        self.search(&centred, labels, start)
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
        let start = |_: &Self| start_from(&centred, start, self.components);
        self.search(&centred, labels, start)
    }

    fn search<T: Scalar>(
        &self,
        centred: &Centred,
        labels: &[u32],
        start: impl FnOnce(&Self) -> Result<Array2<f64>, Error>,
    ) -> Result<LinearMap<T>, Error> {
        if self.k == 0 {
            return Err(Error::ZeroNeighbors);
        }
        if !(self.push > 0.0 && self.push < 1.0) {
            return Err(Error::InvalidParam {
                name: "push",
                expected: "above 0 and below 1",
                got: self.push,
            });
        }
        let (class_of, classes) = classes(labels, centred.rows.nrows())?;
        if classes == class_of.len() {
            return Err(Error::AllLone);
        }
        let start = start(self)?;
        let problem = Problem::new(&centred.rows, class_of, &start, self.k, self.push);
        let descent = Descent {
            memory: 0,
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
    /// The targets of each row, in order of their index.
    targets: Vec<Vec<usize>>,
    push: f64,
}

/// What a row knows after meeting all others: for each target the distance that impostors must keep,
/// and how many do not.
struct Met {
    limits: Vec<f64>,
    impostors: Vec<f64>,
    loss: f64,
}

impl<'a> Problem<'a> {
    fn new(
        rows: &'a Array2<f64>,
        class_of: Vec<usize>,
        start: &Array2<f64>,
        k: usize,
        push: f64,
    ) -> Self {
        let z = images(rows, start.view());
        let nearest = |i: usize| {
            let mut same: Vec<(f64, usize)> = (0..z.nrows())
                .filter(|&j| j != i && class_of[j] == class_of[i])
                .map(|j| (squared(row(&z, i), row(&z, j)), j))
                .collect();
            same.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            let mut targets: Vec<usize> = same.iter().take(k).map(|&(_, j)| j).collect();
            targets.sort_unstable();
            targets
        };
        let targets = (0..z.nrows()).into_par_iter().map(nearest).collect();
        Self {
            rows,
            class_of,
            targets,
            push,
        }
    }

    /// `ε(L)` a row and its gradient.
    fn evaluate(&self, map: &Array2<f64>) -> (f64, Array2<f64>) {
        let z = images(self.rows, map.view());
        let n = z.nrows() as f64;
        let rows = (0..z.nrows()).into_par_iter();
        let met: Vec<Met> = rows.map(|i| self.meet(&z, i)).collect();
        let loss = met.iter().map(|met| met.loss).sum::<f64>() / n;
        let pull = |i: usize, j: usize| match self.targets[i].binary_search(&j) {
            Ok(at) => (1.0 - self.push) + self.push * met[i].impostors[at],
            Err(_) => 0.0,
        };
        let push = |i: usize, distance: f64| {
            let crossed = met[i].limits.iter().filter(|&&limit| distance < limit);
            -self.push * crossed.count() as f64
        };
        let gradient = gradient(self.rows, &z, |i, j, distance| {
            let weight = if self.class_of[i] == self.class_of[j] {
                pull(i, j) + pull(j, i)
            } else {
                push(i, distance) + push(j, distance)
            };
            weight / n
        });
        (loss, gradient)
    }

    fn meet(&self, z: &Array2<f64>, i: usize) -> Met {
        let distance = |j: usize| squared(row(z, i), row(z, j));
        let pulls: Vec<f64> = self.targets[i].iter().map(|&j| distance(j)).collect();
        let limits: Vec<f64> = pulls.iter().map(|pull| 1.0 + pull).collect();
        let mut impostors = vec![0.0; limits.len()];
        let mut hinge = 0.0;
        for l in (0..z.nrows()).filter(|&l| self.class_of[l] != self.class_of[i]) {
            let distance = distance(l);
            for (limit, count) in limits.iter().zip(&mut impostors) {
                if distance < *limit {
                    *count += 1.0;
                    hinge += limit - distance;
                }
            }
        }
        Met {
            loss: (1.0 - self.push) * pulls.iter().sum::<f64>() + self.push * hinge,
            limits,
            impostors,
        }
    }
}

#[cfg(test)]
mod tests;
