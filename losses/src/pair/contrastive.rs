use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use metric_core::Scalar;
use metric_core::simd::sum_of;

use crate::distance::EmbeddingDistance;
use crate::error::{ConfigError, expect_valid};
use crate::ops::{Found, Rows, Stream, Terms};
use crate::pairs::{PairMasks, over_pairs};
use crate::reducer::Reducer;

/// Configuration of [`ContrastiveLoss`].
#[derive(Config, Debug)]
pub struct ContrastiveLossConfig {
    /// Distance `m₊` within which a positive pair costs nothing. Default: `0.0`.
    #[config(default = 0.0)]
    pub pos_margin: f64,
    /// Distance `m₋` beyond which a negative pair costs nothing. Default: `1.0`.
    #[config(default = 1.0)]
    pub neg_margin: f64,
    /// Half the squared hinge, as in the paper, instead of the hinge. Default: `false`.
    #[config(default = false)]
    pub squared: bool,
    /// Distance `d`. Default: [`EmbeddingDistance::Euclidean`].
    #[config(default = "EmbeddingDistance::Euclidean")]
    pub distance: EmbeddingDistance,
    /// Reduction over positive pairs and over negative pairs, each on its own.
    /// Default: [`Reducer::AvgNonZero`].
    #[config(default = "Reducer::AvgNonZero")]
    pub reducer: Reducer,
}

impl ContrastiveLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_finite("pos_margin", self.pos_margin)?;
        ConfigError::check_finite("neg_margin", self.neg_margin)?;
        self.distance.validate()?;
        self.reducer.validate()
    }

    /// The loss.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, _device: &Device) -> ContrastiveLoss {
        expect_valid(self.validate());
        ContrastiveLoss {
            pos_margin: self.pos_margin,
            neg_margin: self.neg_margin,
            squared: self.squared,
            distance: self.distance,
            reducer: self.reducer,
        }
    }
}

/// Contrastive loss (Hadsell, Chopra, `LeCun`, *Dimensionality Reduction by Learning an Invariant
/// Mapping*, CVPR 2006, eq. 4).
///
/// With `d` the distance of a pair, `P` the pairs of one label and `N` those of two:
/// ```text
/// ℓ = reduce over P of [d − m₊]₊  +  reduce over N of [m₋ − d]₊
/// squared:  each term becomes ½ [·]₊²
/// ```
/// Deviates from the paper: the hinge is linear unless `squared` (the paper's eq. 4 is `squared`
/// with `m₊ = 0`), a positive margin may be given, and positive and negative pairs are reduced
/// apart, so that the many negatives do not drown the few positives.
///
/// Cost: `O(n² · dim)` time; memory `O(n · dim)` where it is [streamed](EmbeddingDistance#streaming), else as
/// [`EmbeddingDistance::matrix`].
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_losses::ContrastiveLossConfig;
///
/// let device = Device::flex();
/// let x = Tensor::<2>::from_floats([[0.0, 0.0], [0.3, 0.4], [0.0, 0.8]], &device);
/// let labels = Tensor::<1, Int>::from_ints([0, 0, 1], &device);
/// let loss = ContrastiveLossConfig::new().init(&device).forward(x, labels);
/// // positive: d(0,1) = 0.5; negatives: 1 − d(0,2) = 0.2 and 1 − d(1,2) = 0.5: 0.5 + 0.35
/// assert!((loss.into_scalar::<f32>() - 0.85).abs() < 1e-6);
/// ```
#[derive(Module, Debug)]
pub struct ContrastiveLoss {
    pos_margin: f64,
    neg_margin: f64,
    squared: bool,
    #[module(skip)]
    distance: EmbeddingDistance,
    #[module(skip)]
    reducer: Reducer,
}

over_pairs!(
    ContrastiveLoss,
    streamed,
    |loss| (loss.distance, loss.reducer),
    "zero if there is no pair"
);

impl ContrastiveLoss {
    fn reduce(&self, distances: Tensor<2>, masks: PairMasks) -> Tensor<1> {
        let positive = self.hinge(distances.clone() - self.pos_margin);
        let negative = self.hinge(-distances + self.neg_margin);
        self.reducer
            .reduce_by(positive, masks.positive, &masks.anchors)
            + self
                .reducer
                .reduce_by(negative, masks.negative, &masks.anchors)
    }

    fn hinge(&self, gap: Tensor<2>) -> Tensor<2> {
        let hinge = gap.clamp_min(0.0);
        if self.squared {
            hinge.square() * 0.5
        } else {
            hinge
        }
    }
}

impl Stream for ContrastiveLoss {
    fn stream<T: Scalar>(&self, rows: &Rows<'_, T>, reducer: Reducer) -> Option<Found<T>> {
        rows.loss_of_parts(reducer, |parts, shares| {
            [
                self.part(parts.positives, (1.0, self.pos_margin), shares[0]),
                self.part(parts.negatives, (-1.0, self.neg_margin), shares[1]),
            ]
        })
    }
}

impl ContrastiveLoss {
    /// The terms of `sign (d − margin)`, and their slopes times `share` in the place of the distances.
    fn part<T: Scalar>(
        &self,
        distances: &mut [T],
        (sign, margin): (f64, f64),
        share: f64,
    ) -> Terms {
        let [sign, margin, share, half] = [sign, margin, share, 0.5].map(T::from_f64);
        let hinge = move |d: T| {
            let gap = sign * (d - margin);
            if gap > T::ZERO { gap } else { T::ZERO }
        };
        let step = move |hinge: T| if hinge > T::ZERO { sign } else { T::ZERO };
        if self.squared {
            let term = move |d| half * hinge(d) * hinge(d);
            self.kept(distances, share, term, move |d| sign * hinge(d))
        } else {
            self.kept(distances, share, hinge, move |d| step(hinge(d)))
        }
    }

    /// The sum and number of the terms that count, and their slopes times `share` in the place of the distances.
    fn kept<T: Scalar>(
        &self,
        distances: &mut [T],
        share: T,
        term: impl Fn(T) -> T + Copy,
        slope: impl Fn(T) -> T + Copy,
    ) -> Terms {
        let [low, high] = self.reducer.bounds().map(T::from_f64);
        let infinity = T::from_f64(f64::INFINITY);
        let kept = move |d: T, value: T| {
            let counts = (low < term(d)) & (term(d) < high) & (d < infinity);
            if counts { value } else { T::ZERO }
        };
        let count = sum_of(distances, move |d| kept(*d, T::ONE)) as usize;
        let sum = sum_of(distances, move |d| {
            let value = kept(*d, term(*d));
            *d = kept(*d, slope(*d) * share);
            value
        });
        Terms { sum, count }
    }
}
