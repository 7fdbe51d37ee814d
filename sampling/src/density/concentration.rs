//! How tight clusters are.

use metric_core::{Distance, Error, Euclidean};
use ndarray::{ArrayView1, ArrayView2};

use super::checks::{finite, within};
use crate::DensityError;

/// The concentration `φ` of clusters, a temperature for each of their prototypes: small for a tight cluster (Li et al., *Prototypical
/// Contrastive Learning of Unsupervised Representations*, 2021, <https://arxiv.org/abs/2005.04966>).
///
/// ```text
/// φ_c = Σ_{z in c} ‖z − c‖ / (Z log(Z + α))
/// φ_c ← max φ                         where Z ≤ 1
/// φ_c ← min(max(φ_c, low), high)      low, high: the quantiles of all φ at clip and 1 − clip
/// φ_c ← τ φ_c / mean φ
/// ```
/// for clusters of `Z` rows. `α = 10`, `τ = 0.2` and `clip = 0.1` unless set otherwise. The second and third line are in the
/// authors' code and not in the paper; quantiles are interpolated. If all rows coincide with their centroids, every `φ` is `τ`.
///
/// Cost: `O(n dim)` time, `O(k)` memory.
///
/// # Examples
///
/// ```
/// use metric_sampling::density::Concentration;
/// use ndarray::array;
/// let rows = array![[0.0f32], [2.0], [10.0], [16.0]];
/// let phi = Concentration::new(0.2)?.of_clusters(rows.view(), &[0, 0, 1, 1], array![[1.0f32], [13.0]].view())?;
/// // Distances 1 and 3; a tenth of the way from each end they are 1.2 and 2.8, and their mean becomes 0.2.
/// assert!((phi[0] - 0.12).abs() < 1e-12 && (phi[1] - 0.28).abs() < 1e-12);
/// # Ok::<(), metric_sampling::DensityError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Concentration {
    temperature: f64,
    alpha: f64,
    clip: f64,
}

impl Default for Concentration {
    fn default() -> Self {
        Self {
            temperature: 0.2,
            alpha: 10.0,
            clip: 0.1,
        }
    }
}

impl Concentration {
    /// With the mean `τ = temperature`, `0.2` in the paper.
    ///
    /// # Errors
    ///
    /// [`DensityError::InvalidParam`] unless it is from `1e-30` to `1e30`.
    pub fn new(temperature: f64) -> Result<Self, DensityError> {
        Ok(Self {
            temperature: within(
                "temperature",
                temperature,
                1e-30..=1e30,
                "from 1e-30 to 1e30",
            )?,
            ..Self::default()
        })
    }

    /// `α`, which keeps small clusters from extremes.
    ///
    /// # Errors
    ///
    /// [`DensityError::InvalidParam`] unless it is from 1 to `1e30`.
    pub fn with_alpha(mut self, alpha: f64) -> Result<Self, DensityError> {
        self.alpha = within("alpha", alpha, 1.0..=1e30, "from 1 to 1e30")?;
        Ok(self)
    }

    /// The quantile below and above which concentrations are cut, from 0, where none is, to 0.5, where all become the median.
    ///
    /// # Errors
    ///
    /// [`DensityError::InvalidParam`] if it is another.
    pub fn with_clip(mut self, clip: f64) -> Result<Self, DensityError> {
        self.clip = within("clip", clip, 0.0..=0.5, "from 0 to 0.5")?;
        Ok(self)
    }

    /// The concentrations `[k]` of clusters with `centroids` `[k, dim]`, to which `labels` assign `rows` `[n, dim]`.
    ///
    /// # Errors
    ///
    /// [`DensityError::Data`] if the rows or centroids are empty, not finite, or of different dimensions, or the labels are not one a
    /// row and each below `k`.
    pub fn of_clusters(
        &self,
        rows: ArrayView2<'_, f32>,
        labels: &[u32],
        centroids: ArrayView2<'_, f32>,
    ) -> Result<Vec<f64>, DensityError> {
        finite("rows", rows)?;
        finite("centroids", centroids)?;
        let (n, k) = (rows.nrows(), centroids.nrows());
        if rows.ncols() != centroids.ncols() {
            let (left, right) = (rows.ncols(), centroids.ncols());
            return Err(Error::DimMismatch { left, right }.into());
        }
        if labels.len() != n {
            let labels = labels.len();
            return Err(Error::LabelCount { rows: n, labels }.into());
        }
        let (rows, centroids) = (rows.as_standard_layout(), centroids.as_standard_layout());
        let mut sums = vec![(0.0, 0.0); k];
        for (row, &label) in labels.iter().enumerate() {
            let c = label as usize;
            let Some((sum, count)) = sums.get_mut(c) else {
                let centres = k;
                return Err(Error::LabelOutOfRange {
                    row,
                    label,
                    centres,
                }
                .into());
            };
            let distance =
                Euclidean.distance(contiguous(&rows.row(row)), contiguous(&centroids.row(c)));
            *sum += f64::from(distance);
            *count += 1.0;
        }
        let phi = sums.iter().map(|&(sum, count)| {
            (count > 1.0).then(|| sum / (count * f64::ln(count + self.alpha)))
        });
        let phi: Vec<Option<f64>> = phi.collect();
        let most = phi.iter().flatten().copied().fold(0.0, f64::max);
        let mut phi: Vec<f64> = phi.into_iter().map(|phi| phi.unwrap_or(most)).collect();
        let mut sorted = phi.clone();
        sorted.sort_by(f64::total_cmp);
        let (low, high) = (
            quantile(&sorted, self.clip),
            quantile(&sorted, 1.0 - self.clip),
        );
        phi.iter_mut().for_each(|phi| *phi = phi.max(low).min(high));
        let mean = phi.iter().sum::<f64>() / k as f64;
        let scaled = |phi| {
            if mean > 0.0 {
                self.temperature * (phi / mean)
            } else {
                self.temperature
            }
        };
        Ok(phi.into_iter().map(scaled).collect())
    }
}

fn contiguous<'a>(row: &'a ArrayView1<'_, f32>) -> &'a [f32] {
    row.as_slice().expect("rows in standard layout")
}

/// Between the two values beside it, as a straight line.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = share * (sorted.len() - 1) as f64;
    let below = sorted[at.floor() as usize];
    below + (sorted[at.ceil() as usize] - below) * at.fract()
}
