//! A prototype for every class: the mean of its examples.

mod stored;

use metric_core::{Distance, Error, Neighbors, knn_self};
use ndarray::ArrayView2;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{SHORTEST, as_rows, checked_rows, length, matches};
use crate::PrototypeError;

/// A prototype for each class that has examples (Snell et al., *Prototypical Networks for Few-shot Learning*, 2017,
/// <https://arxiv.org/abs/1703.05175>): the mean of their rows, or on the sphere the mean of their directions.
///
/// ```text
/// μ_c = 1/n_c Σ_{y_i = c} x_i
/// μ_c = s_c/‖s_c‖,   s_c = Σ_{y_i = c} x_i/‖x_i‖       on the sphere
/// p_c ← μ_c                                            recomputed, or of a class not seen before
/// p_c ← m p_c + (1 − m) μ_c                            updated; on the sphere then rescaled to length 1
/// ```
/// Classes come in the order of their labels, which need not be near each other. A class without an example has no
/// prototype. On the sphere neither has one whose directions cancel, to a mean shorter than `2⁻²³`; where that happens in an
/// update, or `m p_c + (1 − m) μ_c` cancels, the prototype stays as it was.
///
/// Deviates from the paper, whose prototypes are means of a few examples each step: here they may also be kept up by momentum.
///
/// Sums are formed in `f64` in the order of the rows, so the bits are the same for any number of threads; prototypes are kept
/// in `f32`. Serialized and read back they are the same, to the bit, and are checked.
/// Cost: `O(n dim + n log n)` time in parallel over classes, memory for a copy of the rows if they are not contiguous and
/// `O(C dim)`.
///
/// # Examples
///
/// ```
/// use metric_sampling::positives::ClassPrototypes;
/// use ndarray::array;
/// let rows = array![[1.0f32, 0.0], [3.0, 2.0], [0.0, 4.0]];
/// let mut prototypes = ClassPrototypes::of(rows.view(), &[7, 7, 2])?;
/// assert_eq!(prototypes.labels(), [2, 7]);
/// assert_eq!(prototypes.get(7), Some(&[2.0f32, 1.0][..]));
/// assert_eq!(prototypes.get(3), None);
/// // A quarter of the way towards the mean of the next batch.
/// prototypes.update(array![[6.0f32, 1.0]].view(), &[7], 0.75)?;
/// assert_eq!(prototypes.get(7), Some(&[3.0f32, 1.0][..]));
/// assert_eq!(prototypes.counts(), [1, 3]);
/// # Ok::<(), metric_sampling::PrototypeError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "stored::Stored", try_from = "stored::Stored")]
pub struct ClassPrototypes {
    dim: usize,
    spherical: bool,
    /// Ascending.
    labels: Vec<u32>,
    counts: Vec<u64>,
    /// `[labels, dim]`
    rows: Vec<f32>,
}

/// What a class has in some rows.
struct ClassMean {
    label: u32,
    count: u64,
    mean: Vec<f64>,
}

impl ClassPrototypes {
    /// None yet, to be means of rows of `dim` numbers.
    ///
    /// # Errors
    ///
    /// [`PrototypeError::Data`] if `dim` is 0.
    pub fn new(dim: usize) -> Result<Self, PrototypeError> {
        if dim == 0 {
            let what = "prototypes";
            return Err(Error::Empty { what }.into());
        }
        Ok(Self {
            dim,
            spherical: false,
            labels: Vec::new(),
            counts: Vec::new(),
            rows: Vec::new(),
        })
    }

    /// None yet, to be mean directions of rows of `dim` numbers: of length 1, whatever the lengths of the rows.
    ///
    /// # Errors
    ///
    /// [`PrototypeError::Data`] if `dim` is 0.
    pub fn spherical(dim: usize) -> Result<Self, PrototypeError> {
        let mut prototypes = Self::new(dim)?;
        prototypes.spherical = true;
        Ok(prototypes)
    }

    /// The means of the classes of these rows `[n, dim]`, one label a row.
    ///
    /// # Errors
    ///
    /// [`PrototypeError::Data`] if the rows are empty or not finite or have not one label each.
    pub fn of(rows: ArrayView2<'_, f32>, labels: &[u32]) -> Result<Self, PrototypeError> {
        checked_rows("rows", rows)?;
        let mut prototypes = Self::new(rows.ncols())?;
        prototypes.recompute(rows, labels)?;
        Ok(prototypes)
    }

    /// Forgets all prototypes and counts in favour of those of these rows `[n, dim]`.
    ///
    /// # Errors
    ///
    /// [`PrototypeError::Data`] if the rows are empty, not finite or of another dimension, have not one label each, or, on
    /// the sphere, have no direction. Nothing changes then.
    pub fn recompute(
        &mut self,
        rows: ArrayView2<'_, f32>,
        labels: &[u32],
    ) -> Result<(), PrototypeError> {
        let means = self.means(rows, labels)?;
        self.labels.clear();
        self.counts.clear();
        self.rows.clear();
        self.insert(means);
        Ok(())
    }

    /// Moves the prototypes of the classes in these rows `[n, dim]` towards their means there, by `1 − momentum` of the way, and
    /// adds those of new classes. The others stay.
    ///
    /// # Errors
    ///
    /// Those of [`recompute`](Self::recompute), and [`PrototypeError::InvalidParam`] unless the momentum is from 0 to 1.
    pub fn update(
        &mut self,
        rows: ArrayView2<'_, f32>,
        labels: &[u32],
        momentum: f64,
    ) -> Result<(), PrototypeError> {
        if !(0.0..=1.0).contains(&momentum) {
            return Err(PrototypeError::InvalidParam {
                name: "momentum",
                expected: "from 0 to 1",
                got: momentum,
            });
        }
        let mut fresh = Vec::new();
        for found in self.means(rows, labels)? {
            match self.place(found.label) {
                Some(place) => self.blend(place, &found, momentum),
                None => fresh.push(found),
            }
        }
        self.insert(fresh);
        Ok(())
    }

    /// Classes that have a prototype, ascending.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// How many examples have gone into each prototype since the last recomputation, in order of the labels.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// The prototypes, in order of the labels: `[len, dim]`.
    pub fn rows(&self) -> ArrayView2<'_, f32> {
        as_rows(&self.rows, self.dim)
    }

    /// The place of a class among the labels.
    pub fn place(&self, label: u32) -> Option<usize> {
        self.labels.binary_search(&label).ok()
    }

    /// The prototype of a class.
    pub fn get(&self, label: u32) -> Option<&[f32]> {
        self.place(label).map(|place| self.row(place))
    }

    /// Number of classes that have a prototype.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Has no class one?
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Length of a prototype's row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Are they mean directions?
    pub fn is_spherical(&self) -> bool {
        self.spherical
    }

    /// For each class the `k` others with the nearest prototypes, nearest first, equal ones by label; all others if these are
    /// fewer. Indices are places among the [labels](Self::labels).
    ///
    /// Cost: `O(C² dim)` time.
    ///
    /// # Errors
    ///
    /// [`PrototypeError::Data`] if there is no prototype, `k` is 0, or a prototype is not in the domain of the distance.
    ///
    /// # Examples
    ///
    /// ```
    /// use metric_core::Euclidean;
    /// use metric_sampling::positives::ClassPrototypes;
    /// use ndarray::array;
    /// let prototypes = ClassPrototypes::of(array![[0.0f32], [5.0], [1.0]].view(), &[3, 8, 9])?;
    /// let near = prototypes.nearest_classes(&Euclidean, 1)?;
    /// let label = |class: usize| prototypes.labels()[near.indices[[class, 0]]];
    /// assert_eq!([label(0), label(1), label(2)], [9, 9, 3]);
    /// # Ok::<(), metric_sampling::PrototypeError>(())
    /// ```
    pub fn nearest_classes<D: Distance<f32> + ?Sized>(
        &self,
        distance: &D,
        k: usize,
    ) -> Result<Neighbors<f32>, PrototypeError> {
        Ok(knn_self(distance, self.rows(), k)?)
    }

    /// The means of the classes in some rows, in order of the labels.
    fn means(
        &self,
        rows: ArrayView2<'_, f32>,
        labels: &[u32],
    ) -> Result<Vec<ClassMean>, PrototypeError> {
        checked_rows("rows", rows)?;
        matches(self.dim, rows.ncols())?;
        if rows.nrows() != labels.len() {
            let (rows, labels) = (rows.nrows(), labels.len());
            return Err(Error::LabelCount { rows, labels }.into());
        }
        let lengths: Option<Vec<f64>> = match self.spherical {
            true => Some(rows.outer_iter().map(length).collect()),
            false => None,
        };
        let is_zero = |lengths: &Vec<f64>| lengths.iter().position(|&length| length <= 0.0);
        if let Some(row) = lengths.as_ref().and_then(is_zero) {
            let what = "rows";
            return Err(Error::ZeroRow { what, row }.into());
        }
        let rows = rows.as_standard_layout();
        let mut order: Vec<usize> = (0..labels.len()).collect();
        order.sort_by_key(|&row| labels[row]);
        let classes: Vec<&[usize]> = order.chunk_by(|&i, &j| labels[i] == labels[j]).collect();
        let mean_of = |class: &[usize]| {
            let mut mean = vec![0.0; self.dim];
            for &row in class {
                let length = lengths.as_ref().map_or(1.0, |lengths| lengths[row]);
                let of_row = mean.iter_mut().zip(rows.row(row));
                of_row.for_each(|(sum, &x)| *sum += f64::from(x) / length);
            }
            let count = class.len() as f64;
            mean.iter_mut().for_each(|sum| *sum /= count);
            self.placed(&mut mean).then(|| ClassMean {
                label: labels[class[0]],
                count: class.len() as u64,
                mean,
            })
        };
        let means: Vec<Option<ClassMean>> = classes.into_par_iter().map(mean_of).collect();
        Ok(means.into_iter().flatten().collect())
    }

    /// Brings a mean onto the sphere if that is where they are, and says whether it could.
    fn placed(&self, mean: &mut [f64]) -> bool {
        if !self.spherical {
            return true;
        }
        let length = mean.iter().map(|x| x * x).sum::<f64>().sqrt();
        if length < SHORTEST {
            return false;
        }
        mean.iter_mut().for_each(|x| *x /= length);
        true
    }

    fn blend(&mut self, place: usize, found: &ClassMean, momentum: f64) {
        let both = self.row(place).iter().zip(&found.mean);
        let mut next: Vec<f64> = both
            .map(|(&p, mean)| momentum * f64::from(p) + (1.0 - momentum) * mean)
            .collect();
        self.counts[place] += found.count;
        if self.placed(&mut next) {
            let row = &mut self.rows[place * self.dim..][..self.dim];
            row.iter_mut().zip(next).for_each(|(p, x)| *p = x as f32);
        }
    }

    fn insert(&mut self, fresh: Vec<ClassMean>) {
        if fresh.is_empty() {
            return;
        }
        for found in fresh {
            self.labels.push(found.label);
            self.counts.push(found.count);
            self.rows.extend(found.mean.iter().map(|&x| x as f32));
        }
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.sort_by_key(|&place| self.labels[place]);
        self.rows = order.iter().flat_map(|&p| self.row(p)).copied().collect();
        self.labels = order.iter().map(|&place| self.labels[place]).collect();
        self.counts = order.iter().map(|&place| self.counts[place]).collect();
    }

    fn row(&self, place: usize) -> &[f32] {
        &self.rows[place * self.dim..][..self.dim]
    }
}
