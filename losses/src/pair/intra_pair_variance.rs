use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Bool, Device, Tensor};
use metric_core::Scalar;
use metric_core::simd::{map_in_place, sum_of};

use crate::distance::EmbeddingDistance;
use crate::error::{ConfigError, expect_valid};
use crate::ops::{Found, Rows, Shares, Stream, Terms};
use crate::pairs::{PairMasks, over_pairs};
use crate::reducer::Reducer;

/// Configuration of [`IntraPairVarianceLoss`].
#[derive(Config, Debug)]
pub struct IntraPairVarianceLossConfig {
    /// Part `ε₊` of the mean that a positive similarity may lack. Default: `0.01`.
    #[config(default = 0.01)]
    pub pos_eps: f64,
    /// Part `ε₋` of the mean that a negative similarity may have more. Default: `0.01`.
    #[config(default = 0.01)]
    pub neg_eps: f64,
    /// Reduction over positive pairs and over negative pairs, each on its own. Default:
    /// [`Reducer::Mean`].
    #[config(default = "Reducer::Mean")]
    pub reducer: Reducer,
}

impl IntraPairVarianceLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_finite("pos_eps", self.pos_eps)?;
        ConfigError::check_finite("neg_eps", self.neg_eps)?;
        self.reducer.validate()
    }

    /// The loss.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, _device: &Device) -> IntraPairVarianceLoss {
        expect_valid(self.validate());
        IntraPairVarianceLoss {
            pos_eps: self.pos_eps,
            neg_eps: self.neg_eps,
            reducer: self.reducer,
        }
    }
}

/// Intra-pair variance loss (Yu, Tao, *Deep Metric Learning with Tuplet Margin Loss*, ICCV 2019,
/// section 3.3), an addition to a loss of pairs.
///
/// With `s` the cosine, `μ₊` its mean over the positive pairs `P` and `μ₋` over the negative pairs `N`:
/// ```text
/// ℓ = reduce over P of [(1 − ε₊) μ₊ − s]₊²  +  reduce over N of [s − (1 + ε₋) μ₋]₊²
/// ```
/// Embeddings may have any length. Gradients flow through the means too.
///
/// Cost: `O(n² · dim)` time; memory `O(n · dim)` where it is [streamed](EmbeddingDistance#streaming), else `O(n²)`.
///
/// ```
/// use burn::tensor::{Bool, Device, Int, Tensor};
/// use metric_losses::IntraPairVarianceLossConfig;
///
/// let device = Device::flex();
/// let x = Tensor::<2>::from_floats([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], &device);
/// let labels = Tensor::<1, Int>::from_ints([0, 0, 0], &device);
/// let loss = IntraPairVarianceLossConfig::new().init(&device).forward(x, labels);
/// // similarities 1, 0, 0 with mean 1/3: 0 for the first, 0.33² = 0.1089 for two of three
/// assert!((loss.into_scalar::<f32>() - 0.0726).abs() < 1e-5);
/// ```
#[derive(Module, Debug)]
pub struct IntraPairVarianceLoss {
    pos_eps: f64,
    neg_eps: f64,
    #[module(skip)]
    reducer: Reducer,
}

over_pairs!(
    IntraPairVarianceLoss,
    streamed,
    |loss| (EmbeddingDistance::Cosine, loss.reducer),
    "zero if there is no pair"
);

impl IntraPairVarianceLoss {
    fn reduce(&self, distances: Tensor<2>, masks: PairMasks) -> Tensor<1> {
        let similarities = -distances + 1.0;
        let mean = |mask: &Tensor<2, Bool>| {
            let mean = Reducer::Mean.reduce(similarities.clone(), mask.clone());
            mean.reshape([1, 1])
        };
        let lacking = mean(&masks.positive) * (1.0 - self.pos_eps) - similarities.clone();
        let excess = similarities.clone() - mean(&masks.negative) * (1.0 + self.neg_eps);
        let square = |gaps: Tensor<2>| gaps.clamp_min(0.0).square();
        self.reducer
            .reduce_by(square(lacking), masks.positive, &masks.anchors)
            + self
                .reducer
                .reduce_by(square(excess), masks.negative, &masks.anchors)
    }
}

impl Stream for IntraPairVarianceLoss {
    /// First the means; then what follows their change; then what follows each similarity's.
    fn stream<T: Scalar>(&self, rows: &Rows<'_, T>, reducer: Reducer) -> Option<Found<T>> {
        let pairs = rows.counts();
        let numbers = total(&pairs, |counts| counts.map(|count| count as f64));
        let sums = rows.see_parts(
            || [0.0; 2],
            |sums, parts| {
                sums[0] += sum_of(parts.positives, |d| T::ONE - *d);
                sums[1] += sum_of(parts.negatives, |d| {
                    let exists = *d < T::from_f64(f64::INFINITY);
                    if exists { T::ONE - *d } else { T::ZERO }
                });
            },
        )?;
        let sums = total(&sums, |&sums| sums);
        let factors = [1.0 - self.pos_eps, 1.0 + self.neg_eps];
        // Of the mean of similarities by each of them, times the factor.
        let by_one = [0, 1].map(|part| factors[part] / numbers[part].max(1.0));
        let gaps = [0, 1].map(|part| Gaps {
            reducer,
            sign: [-1.0, 1.0][part],
            bound: sums[part] * by_one[part],
        });
        let seen = rows.see_parts(
            || [(Terms::default(), 0.0); 2],
            |seen, parts| {
                let more = [
                    gaps[0].counted(parts.positives),
                    gaps[1].counted(parts.negatives),
                ];
                for (seen, (squares, gaps)) in seen.iter_mut().zip(more) {
                    seen.0 += squares;
                    seen.1 += gaps;
                }
            },
        )?;
        let squares = seen.iter().map(|parts| parts.map(|(squares, _)| squares));
        let counts = squares.clone().map(|terms| terms.map(|terms| terms.count));
        let shares = Shares::new(rows, reducer, counts);
        let of_rows: Vec<_> = (0..).map(|row| shares.of(row)).zip(&seen).collect();
        let by_bounds = total(&of_rows, |(shares, parts)| {
            [0, 1].map(|part| 2.0 * shares[part] * parts[part].1)
        });
        let by_means = [0, 1].map(|part| by_bounds[part] * by_one[part]);
        let mut found = rows.gradient_of_parts(&shares, |parts, shares| {
            let by_means = by_means.map(|by| by * parts.ends);
            gaps[0].put_slopes(parts.positives, shares[0], by_means[0]);
            gaps[1].put_slopes(parts.negatives, shares[1], by_means[1]);
        })?;
        found.value = shares.total(squares);
        Some(found)
    }
}

/// The sums over rows.
fn total<R>(rows: &[R], of: impl Fn(&R) -> [f64; 2]) -> [f64; 2] {
    let add = |all: [f64; 2], more: [f64; 2]| [all[0] + more[0], all[1] + more[1]];
    rows.iter().map(of).fold([0.0; 2], add)
}

/// How far similarities are beyond a bound: `h = [sign (s − bound)]₊`.
struct Gaps {
    reducer: Reducer,
    sign: f64,
    bound: f64,
}

impl Gaps {
    /// The `h²` that count, and the sum of their `h`.
    fn counted<T: Scalar>(&self, distances: &mut [T]) -> (Terms, f64) {
        let (gap, kept) = (self.gap(), self.kept());
        let count = sum_of(distances, move |d| kept(*d, T::ONE)) as usize;
        let gaps = sum_of(distances, move |d| kept(*d, gap(*d)));
        let sum = sum_of(distances, move |d| kept(*d, gap(*d) * gap(*d)));
        (Terms { sum, count }, gaps)
    }

    /// Puts the slopes of the `h²` that count times `share`, less those of the mean, in the place of the distances.
    fn put_slopes<T: Scalar>(&self, distances: &mut [T], share: f64, by_mean: f64) {
        let (gap, kept) = (self.gap(), self.kept());
        let [sign, twice, by_mean] = [-self.sign, 2.0 * share, by_mean].map(T::from_f64);
        map_in_place(distances, move |d| {
            sign * (kept(d, twice * gap(d)) - by_mean)
        });
    }

    fn gap<T: Scalar>(&self) -> impl Fn(T) -> T + Copy + use<T> {
        let [sign, bound] = [self.sign, self.bound].map(T::from_f64);
        move |d: T| {
            let gap = sign * (T::ONE - d - bound);
            if gap > T::ZERO { gap } else { T::ZERO }
        }
    }

    /// A value where `h²` counts, else 0.
    fn kept<T: Scalar>(&self) -> impl Fn(T, T) -> T + Copy + use<T> {
        let [low, high] = self.reducer.bounds().map(T::from_f64);
        let (gap, infinity) = (self.gap(), T::from_f64(f64::INFINITY));
        move |d: T, value: T| {
            let square = gap(d) * gap(d);
            let counts = (low < square) & (square < high) & (d < infinity);
            if counts { value } else { T::ZERO }
        }
    }
}
