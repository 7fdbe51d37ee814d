//! Negatives that look like positives.

use std::collections::BTreeMap;

use metric_core::{Cosine, Error, each_row};
use ndarray::{Array2, ArrayView2, ArrayView3, Axis, CowArray, Ix3};

use super::{checked_rows, length, matches};
use crate::mining::sides::Sides;
use crate::mining::{checked, checked_count};
use crate::{Batch, MiningError, NegativePairs, Pairs, PositivePairs};

/// Negatives that are suspected to be positives because they are like other views of their anchor: false negatives (Huynh et
/// al., *Boosting Contrastive Self-Supervised Learning with False Negative Cancellation*, FNC, 2022,
/// <https://arxiv.org/abs/2011.11765>).
///
/// ```text
/// score(a, n) = max_s cos(v_as, x_n)   or   1/S Σ_s cos(v_as, x_n)         support views v_a1 … v_aS of the anchor
/// suspects(a) = the k highest of the scores that are at least t            equal scores: the lower index
/// ```
/// over the negatives `n` of `a` in a [`Batch`]. The paper has 8 support views, `k = 10` and `t = 0.7`. Here `k`, `t` or
/// both are to be chosen; the maximum is the default.
///
/// The suspects come as the negative side of [`Pairs`], in order of anchor and item. Elimination leaves them out of a batch by
/// [`Batch::except`]; attraction makes them positives by [`Batch::attract`], which takes [`PositivePairs`] `from` them.
///
/// Deviates from the paper: what is no negative of the anchor is never a suspect, so labels and reference sets are allowed for;
/// support views need not have length 1, since only directions are compared. An item of length 0 scores 0.
///
/// Cost: `O(S n m dim)` time for the maximum; `O(n m dim)` for the mean, which is the length of the mean direction of the views
/// times its cosine. Scores are never held: `O(m)` memory a thread, and `O(S k)`, or what reaches `t`, an anchor. The same
/// results for any number of threads.
///
/// # Examples
///
/// ```
/// use metric_core::Relevance;
/// use metric_sampling::positives::FalseNegatives;
/// use metric_sampling::{AllPairs, Batch, PairMiner, PositivePairs};
/// use ndarray::array;
/// # use rand::SeedableRng;
/// # let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
/// // Four images, of which the first two show the same thing and nobody knows.
/// let rows = array![[1.0f32, 0.0], [0.8, 0.6], [-0.6, 0.8], [0.0, -1.0]];
/// let batch = Batch::new(rows.view(), Relevance::labels(&[0, 1, 2, 3]))?;
/// // Two more views of each.
/// let support = array![
///     [[0.8f32, 0.6], [1.0, 0.0]],
///     [[1.0, 0.0], [0.6, 0.8]],
///     [[-1.0, 0.0], [-0.8, 0.6]],
///     [[0.6, -0.8], [0.0, -1.0]],
/// ];
/// let suspects = FalseNegatives::above(0.9)?.find(&batch, support.view())?;
/// assert!(suspects.negative.iter().eq([(0, 1), (1, 0)]));
/// let pairs = AllPairs.mine(&batch.except(&suspects)?, &mut rng)?;
/// assert!(pairs.negative.iter().take(3).eq([(0, 2), (0, 3), (1, 2)]));
/// let attracted = PositivePairs::from(suspects.negative);
/// let pairs = AllPairs.mine(&batch.attract(&attracted)?, &mut rng)?;
/// assert!(pairs.positive.iter().eq([(0, 1), (1, 0)]));
/// # Ok::<(), metric_sampling::MiningError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FalseNegatives {
    score: SupportScore,
    most: Option<usize>,
    threshold: Option<f64>,
}

/// How the cosines of an anchor's support views become one score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SupportScore {
    /// The highest: one view that is like it is enough.
    #[default]
    Max,
    /// Their mean.
    Mean,
}

impl FalseNegatives {
    /// The `k` negatives of each anchor with the highest scores, all of fewer.
    ///
    /// # Errors
    ///
    /// [`MiningError::InvalidParam`] if `k` is 0.
    pub fn top(k: usize) -> Result<Self, MiningError> {
        let unbounded = Self {
            score: SupportScore::Max,
            most: None,
            threshold: None,
        };
        unbounded.with_at_most(k)
    }

    /// All negatives with scores from this one on.
    ///
    /// # Errors
    ///
    /// [`MiningError::InvalidParam`] unless it is from −1 to 1.
    pub fn above(threshold: f64) -> Result<Self, MiningError> {
        let unbounded = Self {
            score: SupportScore::Max,
            most: None,
            threshold: None,
        };
        unbounded.with_threshold(threshold)
    }

    /// The same, but no more than `k` an anchor.
    ///
    /// # Errors
    ///
    /// [`MiningError::InvalidParam`] if `k` is 0.
    pub fn with_at_most(mut self, k: usize) -> Result<Self, MiningError> {
        self.most = Some(checked_count("k", k)?);
        Ok(self)
    }

    /// The same, but only scores from this one on.
    ///
    /// # Errors
    ///
    /// [`MiningError::InvalidParam`] unless it is from −1 to 1.
    pub fn with_threshold(mut self, threshold: f64) -> Result<Self, MiningError> {
        let holds = (-1.0..=1.0).contains(&threshold);
        let threshold = checked("threshold", "from -1 to 1", threshold, holds)?;
        self.threshold = Some(threshold);
        Ok(self)
    }

    /// The same with another score.
    pub fn with_score(mut self, score: SupportScore) -> Self {
        self.score = score;
        self
    }

    /// The suspects among the negatives of a batch, by support views `[n, views, dim]` of its rows.
    ///
    /// # Errors
    ///
    /// [`MiningError::SupportCount`] unless each row has views; [`MiningError::Data`] if these are none, of another dimension,
    /// not finite, or of length 0.
    pub fn find(
        &self,
        batch: &Batch<'_>,
        support: ArrayView3<'_, f32>,
    ) -> Result<Pairs, MiningError> {
        let (anchors, views, dim) = support.dim();
        if anchors != batch.len() {
            let rows = batch.len();
            return Err(MiningError::SupportCount { rows, anchors });
        }
        let support = support.as_standard_layout();
        let support = as_rows(&support);
        checked_rows("support", support)?;
        matches(batch.rows().ncols(), dim)?;
        let lengths: Vec<f64> = support.outer_iter().map(length).collect();
        if let Some(row) = lengths.iter().position(|&length| length <= 0.0) {
            let what = "support";
            return Err(Error::ZeroRow { what, row }.into());
        }
        Ok(match self.score {
            SupportScore::Max => self.suspects(batch, support, views, |_| 1.0)?,
            SupportScore::Mean => {
                let (means, lengths) = mean_directions(support, &lengths, views);
                self.suspects(batch, means.view(), 1, |row| lengths[row])?
            }
        })
    }

    /// Suspects by the highest cosine of so many probes an anchor, each times its weight.
    fn suspects(
        &self,
        batch: &Batch<'_>,
        probes: ArrayView2<'_, f32>,
        an_anchor: usize,
        weight: impl Fn(usize) -> f64 + Sync,
    ) -> Result<Pairs, MiningError> {
        let sides = Sides::of(batch);
        let found = each_row(&Cosine, probes, batch.reference(), |probe, distances| {
            sides.split(probe / an_anchor, distances, &mut Vec::new());
            let weight = weight(probe);
            let scores = (0..).zip(&*distances).filter(|(_, d)| !d.is_nan());
            let scores = scores.map(|(item, &d)| (item, weight * (1.0 - f64::from(d))));
            let high = scores.filter(|(_, score)| self.threshold.is_none_or(|t| *score >= t));
            self.highest(high.collect())
        })?;
        let mut negative = NegativePairs::default();
        for (anchor, of_probes) in (0..).zip(found.chunks(an_anchor)) {
            let mut best = BTreeMap::new();
            for &(item, score) in of_probes.iter().flatten() {
                let held = best.entry(item).or_insert(score);
                *held = score.max(*held);
            }
            let mut items: Vec<u32> = self
                .highest(best.into_iter().collect())
                .into_iter()
                .map(|(item, _)| item)
                .collect();
            items.sort_unstable();
            negative.push_row(anchor, &items);
        }
        let positive = PositivePairs::default();
        Ok(Pairs { positive, negative })
    }

    /// No more than allowed, in any order. What an anchor keeps by its highest score is among the `k` of the probe that gave it.
    fn highest(&self, mut scores: Vec<(u32, f64)>) -> Vec<(u32, f64)> {
        if let Some(most) = self.most.filter(|&most| most < scores.len()) {
            scores.select_nth_unstable_by(most, |x, y| y.1.total_cmp(&x.1).then(x.0.cmp(&y.0)));
            scores.truncate(most);
        }
        scores
    }
}

/// All views as rows, those of an anchor one after another.
fn as_rows<'a>(support: &'a CowArray<'_, f32, Ix3>) -> ArrayView2<'a, f32> {
    let (anchors, views, dim) = support.dim();
    let shape = (anchors * views, dim);
    support
        .view()
        .into_shape_with_order(shape)
        .expect("as many numbers, in standard layout")
}

/// The means of the directions of each anchor's views, `[n, dim]`, and their lengths.
fn mean_directions(
    support: ArrayView2<'_, f32>,
    lengths: &[f64],
    views: usize,
) -> (Array2<f32>, Vec<f64>) {
    let mut means = Array2::zeros((lengths.len() / views, support.ncols()));
    let of_anchors = support.axis_chunks_iter(Axis(0), views);
    let each = means
        .outer_iter_mut()
        .zip(of_anchors.zip(lengths.chunks(views)));
    let of_means = each.map(|(mut to, (support, lengths))| {
        let mut mean = vec![0.0; to.len()];
        for (view, length) in support.outer_iter().zip(lengths) {
            let of_view = mean.iter_mut().zip(view);
            of_view.for_each(|(sum, &x)| *sum += f64::from(x) / length / views as f64);
        }
        to.iter_mut().zip(&mean).for_each(|(to, &x)| *to = x as f32);
        mean.iter().map(|x| x * x).sum::<f64>().sqrt()
    });
    let of_means = of_means.collect();
    (means, of_means)
}
