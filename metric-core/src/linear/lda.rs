//! Fisher's discriminant.

use ndarray::{Array2, ArrayView2, s};

use super::LinearMap;
use super::centred::{Centred, classes, move_to_means, shrink};
use super::covariance::{Estimator, Moments, Whitening, spanned};
use super::factor::eigen;
use crate::{Error, Scalar};

/// Linear discriminant analysis (Fisher, *The use of multiple measurements in taxonomic problems*, 1936; for several
/// classes Rao, *The utilization of multiple measurements in problems of biological classification*, 1948).
///
/// With class means `m_c` of `n_c` rows, the mean `m` of all, and the spreads within and between classes
/// ```text
/// S_w = Σᵢ (xᵢ − m_c(i)) (xᵢ − m_c(i))ᵀ / n
/// S_b = Σ_c n_c (m_c − m) (m_c − m)ᵀ / n
/// ```
/// the rows of the map are the solutions `v` of `S_b v = λ S_w v` with the largest `λ`, scaled to `vᵀ S_w v = 1`: the
/// learned distance is Mahalanobis' within classes, in the directions in which their means differ. There are at most
/// `classes − 1` of them; one counts if its `λ` is above `dim ε` of the largest. Cost: `n dim² + 10 dim³`.
///
/// # Examples
///
/// ```
/// use metric_core::linear::Lda;
/// use ndarray::array;
/// let rows = array![[0.0f32, 0.0], [2.0, 1.0], [0.0, 2.0], [6.0, 0.0], [8.0, 1.0], [6.0, 2.0]];
/// let map = Lda::new().fit(rows.view(), &[0, 0, 0, 7, 7, 7])?;
/// assert_eq!((map.out(), map.dim()), (1, 2));
/// assert!(map.matrix()[[0, 1]].abs() < 1e-12); // the second column does not tell the classes apart
/// # Ok::<(), metric_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lda {
    components: Option<usize>,
    estimator: Estimator,
}

impl Default for Lda {
    fn default() -> Self {
        Self::new()
    }
}

impl Lda {
    /// All directions in which class means differ, and `S_w` as it is.
    pub fn new() -> Self {
        Self {
            components: None,
            estimator: Estimator::Biased,
        }
    }

    /// Keeps the first `k` directions. Default: all.
    #[must_use]
    pub fn components(self, k: usize) -> Self {
        Self {
            components: Some(k),
            ..self
        }
    }

    /// How `S_w` is estimated. Default: [`Estimator::Biased`], as in the formula.
    ///
    /// With few rows for many columns, or constant columns, take [`Estimator::LedoitWolf`].
    #[must_use]
    pub fn estimator(self, estimator: Estimator) -> Self {
        Self { estimator, ..self }
    }

    /// Learns from `rows` `[n, dim]` and a label for each.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`], [`Error::NonFinite`], [`Error::LabelCount`], [`Error::OneClass`], [`Error::InvalidParam`],
    /// [`Error::Rank`] if class means differ in fewer directions than asked for or there are too few rows for an
    /// estimator without shrinkage, [`Error::NotPositiveDefinite`] naming a column that does not vary within classes
    /// or depends there on those before it.
    pub fn fit<T: Scalar>(
        &self,
        rows: ArrayView2<'_, T>,
        labels: &[u32],
    ) -> Result<LinearMap<T>, Error> {
        let Centred {
            mut rows,
            mean,
            scale,
        } = Centred::new(rows)?;
        let (class_of, classes) = classes(labels, rows.nrows())?;
        if self.components == Some(0) {
            return Err(Error::InvalidParam {
                name: "components",
                expected: "at least 1",
                got: 0.0,
            });
        }
        let mut between = move_to_means(&mut rows, &class_of, classes);
        let mut counts = vec![0.0f64; classes];
        class_of.iter().for_each(|&class| counts[class] += 1.0);
        for (mut row, count) in between.rows_mut().into_iter().zip(&counts) {
            row *= count.sqrt();
        }
        let within_scale = shrink(&mut rows, f64::INFINITY);
        shrink(&mut between, f64::INFINITY);

        let within = Moments::new(&rows, classes, self.estimator)?;
        let whiten = within.whitening(Whitening::Cholesky)?;
        let mut between: Array2<f64> = between.dot(&whiten.t());
        shrink(&mut between, f64::INFINITY);
        let (values, vectors) = eigen(between.t().dot(&between).view())?;
        let rank = spanned(&values, rows.ncols()).min(classes - 1);
        let k = self.components.unwrap_or(rank.max(1));
        if k > rank {
            return Err(Error::Rank { needed: k, rank });
        }
        let matrix = vectors.slice(s![..k, ..]).dot(&whiten) / within_scale;
        LinearMap::scaled(matrix, mean, scale)
    }
}
