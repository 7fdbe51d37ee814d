//! The hardest share of a whole batch.

use std::sync::atomic::{AtomicUsize, Ordering};

use metric_core::{Distance, Euclidean};
use rand::Rng;

use super::{Anchor, PairMiner, checked, with_distance};
use crate::{Batch, MiningError, NegativePairs, Pairs, PositivePairs};

/// The hardest share of all positive pairs and of all negative pairs of a batch, the step of a hard-aware deeply cascaded
/// embedding (Yuan et al., *Hard-Aware Deeply Cascaded Embedding*, 2017, <https://arxiv.org/abs/1611.05720>).
///
/// ```text
/// the ⌈f P⌉ of P positive pairs with the largest d,   the ⌈f N⌉ of N negative pairs with the smallest d
/// ```
/// Pairs are ordered, so a pair of rows counts twice if the rows are their own reference. Of pairs equally far those of lower
/// anchors, then items, come first. Default `f = 0.5` as in pytorch-metric-learning. For a cascade, mine
/// [among](Batch::among) what the stage before chose.
/// Cost: the distances four times, and `O(m)` memory a thread beside the result: the place of the cut is found digit by digit, no
/// list of pairs is sorted.
///
/// # Examples
///
/// ```
/// use metric_core::Relevance;
/// use metric_sampling::{Batch, Hdc, PairMiner};
/// use ndarray::array;
/// # use rand::SeedableRng;
/// # let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
/// let rows = array![[0.0f32], [1.0], [3.0], [7.0]];
/// let batch = Batch::new(rows.view(), Relevance::labels(&[0, 0, 1, 1]))?;
/// let first = Hdc::new(0.5)?.mine(&batch, &mut rng)?;
/// assert!(first.positive.iter().eq([(2, 3), (3, 2)])); // 4 apart, the others 1
/// assert!(first.negative.iter().eq([(0, 2), (1, 2), (2, 0), (2, 1)]));
/// let second = Hdc::new(0.25)?.mine(&batch.among(&first)?, &mut rng)?;
/// assert!(second.negative.iter().eq([(1, 2)]));
/// # Ok::<(), metric_sampling::MiningError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hdc<D = Euclidean> {
    share: f64,
    distance: D,
}

impl Hdc {
    /// With [`Euclidean`] distance.
    ///
    /// # Errors
    ///
    /// [`MiningError::InvalidParam`] unless the share is above 0 and at most 1.
    pub fn new(share: f64) -> Result<Self, MiningError> {
        let holds = share > 0.0 && share <= 1.0;
        let share = checked("share", "above 0 and at most 1", share, holds)?;
        let distance = Euclidean;
        Ok(Self { share, distance })
    }
}

impl Default for Hdc {
    fn default() -> Self {
        Self {
            share: 0.5,
            distance: Euclidean,
        }
    }
}

with_distance!(Hdc { share });

impl<D: Distance<f32>> PairMiner for Hdc<D> {
    fn mine(&self, batch: &Batch<'_>, _: &mut dyn Rng) -> Result<Pairs, MiningError> {
        let mut cuts = [Cut::default(), Cut::default()];
        for digit in Digit::ALL {
            let counts = [digit.counts(), digit.counts()];
            batch.each_anchor(&self.distance, |anchor| {
                for_each_hardness(anchor, |kind, _, hardness| {
                    if let Some(place) = digit.of(hardness, cuts[kind].hardness) {
                        counts[kind][place].fetch_add(1, Ordering::Relaxed);
                    }
                });
            })?;
            for (cut, counts) in cuts.iter_mut().zip(counts) {
                let counts: Vec<usize> = counts.into_iter().map(AtomicUsize::into_inner).collect();
                if digit.is_first() {
                    let pairs: usize = counts.iter().sum();
                    cut.left = (self.share * pairs as f64).ceil() as usize;
                }
                cut.narrow(digit, &counts);
            }
        }
        let found = batch.each_anchor(&self.distance, |anchor| {
            let mut found = [Vec::new(), Vec::new()];
            for_each_hardness(anchor, |kind, index, hardness| {
                if hardness <= cuts[kind].hardness {
                    found[kind].push((index, hardness == cuts[kind].hardness));
                }
            });
            found
        })?;
        let mut pairs = [Vec::new(), Vec::new()];
        for (anchor, found) in (0u32..).zip(found) {
            for ((pairs, found), cut) in pairs.iter_mut().zip(found).zip(&mut cuts) {
                pairs.extend(found.into_iter().filter_map(|(index, is_on_cut)| {
                    if is_on_cut {
                        cut.left = cut.left.checked_sub(1)?;
                    }
                    Some((anchor, index))
                }));
            }
        }
        let [positive, negative] = pairs;
        Ok(Pairs {
            positive: PositivePairs::from_iter(positive),
            negative: NegativePairs::from_iter(negative),
        })
    }
}

/// Calls `see(kind, index, hardness)` for every positive (kind 0), farthest hardest, and negative (kind 1), nearest hardest:
/// the hardness is a number whose order is that of the distances or its reverse, 0 the hardest.
fn for_each_hardness(anchor: Anchor<'_>, mut see: impl FnMut(usize, u32, u32)) {
    for positive in anchor.positives() {
        see(0, positive.index, !ascending(positive.distance));
    }
    for negative in anchor.negatives() {
        see(1, negative.index, ascending(negative.distance));
    }
}

/// The bits of a number in the order of numbers; both zeros are one.
fn ascending(distance: f32) -> u32 {
    let bits = (distance + 0.0).to_bits();
    if bits >> 31 == 0 {
        bits | 1 << 31
    } else {
        !bits
    }
}

/// Some bits of the hardness, from the first down.
#[derive(Debug, Clone, Copy)]
struct Digit {
    shift: u32,
    bits: u32,
}

impl Digit {
    const ALL: [Self; 3] = [
        Self {
            shift: 21,
            bits: 11,
        },
        Self {
            shift: 10,
            bits: 11,
        },
        Self { shift: 0, bits: 10 },
    ];

    fn is_first(self) -> bool {
        self.shift + self.bits == u32::BITS
    }

    fn counts(self) -> Vec<AtomicUsize> {
        (0..1 << self.bits).map(|_| AtomicUsize::new(0)).collect()
    }

    /// The digit, of a number whose digits before are those of `like`.
    fn of(self, hardness: u32, like: u32) -> Option<usize> {
        let before = u64::from(hardness ^ like) >> (self.shift + self.bits);
        let digit = (hardness >> self.shift) & ((1 << self.bits) - 1);
        (before == 0).then_some(digit as usize)
    }
}

/// Where the share ends.
#[derive(Debug, Clone, Copy, Default)]
struct Cut {
    /// That of the last pair in the share.
    hardness: u32,
    /// How many pairs of this hardness are in it.
    left: usize,
}

impl Cut {
    /// Finds the next digit.
    fn narrow(&mut self, digit: Digit, counts: &[usize]) {
        for (place, &count) in (0..).zip(counts) {
            if self.left <= count {
                self.hardness |= place << digit.shift;
                return;
            }
            self.left -= count;
        }
    }
}
