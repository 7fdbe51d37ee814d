//! Classes in proportions of one's choice.

use rand::seq::SliceRandom;
use rand::{Rng, RngExt};

use super::BatchSampler;
use super::classes::{Classes, none_zero};
use crate::SamplerError;

/// How often the classes of a [`ClassBalancedSampler`] come, by their number of examples `n_c`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ClassShares {
    /// `∝ n_c^α`. `α = 0`: all classes equally often; `α = 1`: as in the set; `α = ½`: square-root sampling (Mahajan et
    /// al., 2018, <https://arxiv.org/abs/1805.00932>).
    Power(f64),
    /// `∝ n_c / E(n_c)` with the effective number of samples `E(n) = (1 − βⁿ) / (1 − β)`, `0 ≤ β < 1` (Cui et al.,
    /// *Class-Balanced Loss Based on Effective Number of Samples*, 2019, <https://arxiv.org/abs/1901.05555>): an example then
    /// weighs as much as in the paper's loss, `1 / E(n_c)`. `β = 0`: as in the set; `β → 1`: all classes equally often.
    EffectiveNumber(f64),
}

impl ClassShares {
    fn check(self) -> Result<(), SamplerError> {
        let (name, expected, got, good) = match self {
            Self::Power(alpha) => (
                "alpha",
                "from -100 to 100",
                alpha,
                (-100.0..=100.0).contains(&alpha),
            ),
            Self::EffectiveNumber(beta) => (
                "beta",
                "at least 0 and below 1",
                beta,
                (0.0..1.0).contains(&beta),
            ),
        };
        if good {
            Ok(())
        } else {
            Err(SamplerError::InvalidParam {
                name,
                expected,
                got,
            })
        }
    }

    /// The logarithm of a class's share, up to a constant.
    fn log_weight(self, n: usize) -> f64 {
        let n = n as f64;
        match self {
            Self::Power(alpha) => alpha * n.ln(),
            // 1 − βⁿ without cancellation; β = 0 leaves exp(−∞) = 0.
            Self::EffectiveNumber(beta) => n.ln() - (-(n * beta.ln()).exp_m1()).ln(),
        }
    }
}

/// A fixed number of batches an epoch, in which the classes have shares of one's choice.
///
/// With `N = batches · batch_size` places in an epoch and shares `w_c`, class `c` gets
/// ```text
/// ⌊N p_c⌋ or ⌈N p_c⌉ places,    p_c = w_c / Σ w,    N p_c in the mean
/// ```
/// by systematic sampling over classes in random order: "equally often" holds to within one place, not just in
/// expectation. Places of a class go through its examples in shuffled passes, so that their counts differ by at most one.
/// All places are then shuffled. Classes with fewer places than examples do not show all of them in one epoch.
///
/// Cost of an epoch: `O(n + N)` time and memory.
///
/// # Examples
///
/// ```
/// use metric_sampling::{BatchSampler, ClassBalancedSampler, ClassShares};
/// use rand::SeedableRng;
/// let labels = [0, 0, 0, 0, 0, 0, 0, 1];
/// let sampler = ClassBalancedSampler::new(&labels, 4, 3, ClassShares::Power(0.0))?;
/// let epoch = sampler.epoch(&mut rand_chacha::ChaCha8Rng::seed_from_u64(1)).concat();
/// assert_eq!(epoch.iter().filter(|&&example| example == 7).count(), 6);
/// # Ok::<(), metric_sampling::SamplerError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ClassBalancedSampler {
    classes: Classes,
    batch_size: usize,
    batches: usize,
    /// Places of each class in an epoch, in the mean.
    places: Vec<f64>,
}

impl ClassBalancedSampler {
    /// A sampler for examples `0..labels.len()`.
    ///
    /// # Errors
    ///
    /// [`SamplerError::Zero`], [`SamplerError::Empty`], [`SamplerError::TooFewClasses`] for a single class, and
    /// [`SamplerError::InvalidParam`] if the parameter of `shares` is out of its range.
    pub fn new(
        labels: &[u32],
        batch_size: usize,
        batches: usize,
        shares: ClassShares,
    ) -> Result<Self, SamplerError> {
        none_zero(&[("batch_size", batch_size), ("batches", batches)])?;
        shares.check()?;
        let classes = Classes::new(labels, 2)?;
        let logs: Vec<f64> = classes
            .iter()
            .map(|class| shares.log_weight(class.len()))
            .collect();
        // The greatest weight is 1, so that none overflows and the sum is not 0.
        let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = logs.iter().map(|log| (log - most).exp()).collect();
        let sum: f64 = weights.iter().sum();
        let all = (batches * batch_size) as f64;
        Ok(Self {
            classes,
            batch_size,
            batches,
            places: weights.iter().map(|weight| all * weight / sum).collect(),
        })
    }

    /// How many examples of each class an epoch has in the mean, in order of the labels.
    pub fn places(&self) -> &[f64] {
        &self.places
    }

    /// The places of each class in one epoch.
    fn counts(&self, rng: &mut (impl Rng + ?Sized)) -> Vec<(usize, usize)> {
        let all = self.batches * self.batch_size;
        let mut order: Vec<usize> = (0..self.classes.len()).collect();
        order.shuffle(rng);
        let offset: f64 = rng.random();
        let (mut end, mut given) = (0.0, 0);
        let last = order.len() - 1;
        let counts = order.into_iter().enumerate().map(|(at, class)| {
            end += self.places[class];
            // Places j with j + offset < end; the last end is N, whatever rounding made of the sum.
            let up_to = if at == last {
                all
            } else {
                ((end - offset).ceil().max(0.0) as usize).clamp(given, all)
            };
            let count = up_to - given;
            given = up_to;
            (class, count)
        });
        counts.collect()
    }
}

impl BatchSampler for ClassBalancedSampler {
    fn epoch(&self, rng: &mut dyn Rng) -> Vec<Vec<usize>> {
        let mut places = Vec::with_capacity(self.batches * self.batch_size);
        for (class, count) in self.counts(rng) {
            let mut members = self.classes.members(class).to_vec();
            let end = places.len() + count;
            while places.len() < end {
                members.shuffle(rng);
                places.extend(members.iter().take(end - places.len()));
            }
        }
        places.shuffle(rng);
        places
            .chunks(self.batch_size)
            .map(<[usize]>::to_vec)
            .collect()
    }

    fn batches_per_epoch(&self) -> usize {
        self.batches
    }

    fn examples(&self) -> usize {
        self.classes.examples()
    }

    fn smallest_batch(&self) -> usize {
        self.batch_size
    }
}
