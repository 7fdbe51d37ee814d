//! Hard, semi-hard or easy, chosen apart for positives and negatives.

use std::ops::RangeInclusive;

use metric_core::{Distance, Euclidean};
use rand::Rng;

use super::{Anchor, Chosen, PairMiner, Partner, join_pairs, with_distance};
use crate::{Batch, MiningError, Pairs};

/// Which positive, or which negative, of an anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Choice {
    /// The farthest positive, the nearest negative.
    Hard,
    /// The farthest positive nearer than the chosen negative, the nearest negative farther than the chosen positive.
    SemiHard,
    /// The nearest positive, the farthest negative.
    Easy,
    /// All of them.
    All,
}

/// One positive and one negative of every anchor, or all of one kind, by a rule for each (easy positives: Xuan et al.,
/// *Improved Embeddings with Easy Positive Triplet Mining*, 2020, <https://arxiv.org/abs/1904.04370>).
///
/// ```text
///              positive                              negative
/// Hard         argmax d(a, p)                        argmin d(a, n)
/// SemiHard     argmax d(a, p)  over d(a, p) < d(a, n)     argmin d(a, n)  over d(a, n) > d(a, p)
/// Easy         argmin d(a, p)                        argmax d(a, n)
/// ```
/// where the other side of `SemiHard` is what its own rule chose. Pairs whose distance is outside the range allowed for their
/// kind are as if they were not there: too hard positives and negatives are left out so (default: none is). Equal distances go
/// to the lowest index. Anchors that lack either kind drop out, with [`Choice::All`] too.
///
/// Default as in pytorch-metric-learning: easy positives, semi-hard negatives.
/// Cost: `O(n m dim)` time; `O(m)` memory a thread.
///
/// # Examples
///
/// ```
/// use metric_core::Relevance;
/// use metric_sampling::{Batch, BatchEasyHard, Choice, PairMiner};
/// use ndarray::array;
/// # use rand::SeedableRng;
/// # let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
/// let rows = array![[0.0f32], [1.0], [1.5], [3.0]];
/// let batch = Batch::new(rows.view(), Relevance::labels(&[0, 0, 1, 1]))?;
/// let pairs = BatchEasyHard::new(Choice::Hard, Choice::SemiHard)?.mine(&batch, &mut rng)?;
/// assert!(pairs.positive.iter().eq([(0, 1), (1, 0), (3, 2)]));
/// assert!(pairs.negative.iter().eq([(0, 2), (1, 3), (3, 1)])); // none for row 2: 1.5 is not farther than 1.5
/// # Ok::<(), metric_sampling::MiningError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct BatchEasyHard<D = Euclidean> {
    positive: Choice,
    negative: Choice,
    allowed_positives: RangeInclusive<f64>,
    allowed_negatives: RangeInclusive<f64>,
    distance: D,
}

impl BatchEasyHard {
    /// With [`Euclidean`] distance.
    ///
    /// # Errors
    ///
    /// [`MiningError::SemiHardNeedsOne`] if one side is [`Choice::SemiHard`] and the other that too, or [`Choice::All`]: there
    /// is no single other end to compare with.
    pub fn new(positive: Choice, negative: Choice) -> Result<Self, MiningError> {
        use Choice::{All, SemiHard};
        match (positive, negative) {
            (SemiHard, SemiHard | All) | (All, SemiHard) => Err(MiningError::SemiHardNeedsOne),
            _ => Ok(Self {
                positive,
                negative,
                allowed_positives: EVERYTHING,
                allowed_negatives: EVERYTHING,
                distance: Euclidean,
            }),
        }
    }
}

const EVERYTHING: RangeInclusive<f64> = f64::NEG_INFINITY..=f64::INFINITY;

impl Default for BatchEasyHard {
    fn default() -> Self {
        Self {
            positive: Choice::Easy,
            negative: Choice::SemiHard,
            allowed_positives: EVERYTHING,
            allowed_negatives: EVERYTHING,
            distance: Euclidean,
        }
    }
}

with_distance!(BatchEasyHard {
    positive,
    negative,
    allowed_positives,
    allowed_negatives
});

impl<D> BatchEasyHard<D> {
    /// The same, with the distances that a positive may have; both ends are allowed.
    ///
    /// # Errors
    ///
    /// [`MiningError::EmptyRange`] if no number is in the range.
    pub fn with_allowed_positives(
        mut self,
        range: RangeInclusive<f64>,
    ) -> Result<Self, MiningError> {
        self.allowed_positives = not_empty("allowed_positives", range)?;
        Ok(self)
    }

    /// The same, with the distances that a negative may have; both ends are allowed.
    ///
    /// # Errors
    ///
    /// [`MiningError::EmptyRange`] if no number is in the range.
    pub fn with_allowed_negatives(
        mut self,
        range: RangeInclusive<f64>,
    ) -> Result<Self, MiningError> {
        self.allowed_negatives = not_empty("allowed_negatives", range)?;
        Ok(self)
    }

    fn choose(&self, anchor: Anchor<'_>) -> Option<Chosen> {
        use Choice::{All, Easy, Hard, SemiHard};
        let may_pull = |d: f32| self.allowed_positives.contains(&f64::from(d));
        let may_push = |d: f32| self.allowed_negatives.contains(&f64::from(d));
        // `None` where all of a side are wanted or it depends on the other.
        let positive = match self.positive {
            Hard => Some(anchor.farthest_positive(may_pull)?),
            Easy => Some(anchor.nearest_positive(may_pull)?),
            SemiHard | All => None,
        };
        let negative = match (self.negative, positive) {
            (Hard, _) => Some(anchor.nearest_negative(may_push)?),
            (Easy, _) => Some(anchor.farthest_negative(may_push)?),
            (SemiHard, Some(positive)) => {
                Some(anchor.nearest_negative(|d| d > positive.distance && may_push(d))?)
            }
            _ => None,
        };
        let positive = match (self.positive, negative) {
            (SemiHard, Some(negative)) => {
                Some(anchor.farthest_positive(|d| d < negative.distance && may_pull(d))?)
            }
            _ => positive,
        };
        let one = |partner: Partner| vec![partner.index];
        let positives = positive.map_or_else(
            || {
                let allowed = anchor.positives().iter().filter(|p| may_pull(p.distance));
                allowed.map(|p| p.index).collect()
            },
            one,
        );
        let negatives = negative.map_or_else(|| anchor.negatives_where(may_push), one);
        (!positives.is_empty() && !negatives.is_empty()).then_some((positives, negatives))
    }
}

impl<D: Distance<f32>> PairMiner for BatchEasyHard<D> {
    fn mine(&self, batch: &Batch<'_>, _: &mut dyn Rng) -> Result<Pairs, MiningError> {
        let chosen = batch.each_anchor(&self.distance, |anchor| {
            self.choose(anchor).unwrap_or_default()
        })?;
        Ok(join_pairs(&chosen))
    }
}

fn not_empty(
    name: &'static str,
    range: RangeInclusive<f64>,
) -> Result<RangeInclusive<f64>, MiningError> {
    if range.is_empty() {
        let (low, high) = range.into_inner();
        Err(MiningError::EmptyRange { name, low, high })
    } else {
        Ok(range)
    }
}
