use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use metric_core::Scalar;

use crate::distance::EmbeddingDistance;
use crate::error::{ConfigError, expect_valid};
use crate::numerics::log_sum_exp;
use crate::ops::{Found, RowPairs, Rows, Stream, Terms, exp_in_range};
use crate::pairs::{PairMasks, over_pairs};
use crate::reducer::Reducer;

/// Configuration of [`LiftedStructureLoss`].
#[derive(Config, Debug)]
pub struct LiftedStructureLossConfig {
    /// Distance `m₊` taken off that of a positive pair. Default: `0.0`.
    #[config(default = 0.0)]
    pub pos_margin: f64,
    /// Distance `m₋` (the paper's `α`) that negatives are pushed to. Default: `1.0`.
    #[config(default = 1.0)]
    pub neg_margin: f64,
    /// Distance `d`. Default: [`EmbeddingDistance::Euclidean`].
    #[config(default = "EmbeddingDistance::Euclidean")]
    pub distance: EmbeddingDistance,
    /// Reduction over positive pairs. Default: [`Reducer::Mean`].
    #[config(default = "Reducer::Mean")]
    pub reducer: Reducer,
}

impl LiftedStructureLossConfig {
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
    pub fn init(&self, _device: &Device) -> LiftedStructureLoss {
        expect_valid(self.validate());
        LiftedStructureLoss {
            pos_margin: self.pos_margin,
            neg_margin: self.neg_margin,
            distance: self.distance,
            reducer: self.reducer,
        }
    }
}

/// Lifted structured loss (Oh Song, Xiang, Jegelka, Savarese, *Deep Metric Learning via Lifted
/// Structured Feature Embedding*, CVPR 2016, <https://arxiv.org/abs/1511.06452>, eq. 4).
///
/// For every positive pair `(i, j)`, against the negatives of both its ends:
/// ```text
/// J_ij = log(Σ_{k ∈ N(i)} e^{m₋ − d_ik} + Σ_{l ∈ N(j)} e^{m₋ − d_jl}) + d_ij − m₊
/// ℓ_ij = ½ [J_ij]₊²
/// ```
/// A pair without any negative costs 0 and counts. Deviates from the paper only by `m₊`. Against a
/// reference set the negatives of the reference `j` are the rows of the batch.
///
/// Cost: `O(n² · dim)` time; memory `O(n · dim)` where it is [streamed](EmbeddingDistance#streaming), else as
/// [`EmbeddingDistance::matrix`], as it also is with weights of rows, labels of [keys](crate::Labels::related), and
/// [`Reducer::PerAnchor`].
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_losses::LiftedStructureLossConfig;
///
/// let device = Device::flex();
/// let x = Tensor::<2>::from_floats([[0.0], [0.5], [2.0]], &device);
/// let labels = Tensor::<1, Int>::from_ints([0, 0, 1], &device);
/// let loss = LiftedStructureLossConfig::new().init(&device).forward(x, labels);
/// // log(e^(1 - 2) + e^(1 - 1.5)) + 0.5 = 0.47408 for (0, 1) and for (1, 0): its square, halved
/// assert!((loss.into_scalar::<f32>() - 0.11237).abs() < 1e-5);
/// ```
#[derive(Module, Debug)]
pub struct LiftedStructureLoss {
    pos_margin: f64,
    neg_margin: f64,
    #[module(skip)]
    distance: EmbeddingDistance,
    #[module(skip)]
    reducer: Reducer,
}

over_pairs!(
    LiftedStructureLoss,
    streamed,
    |loss| (loss.distance, loss.reducer),
    "zero if there is no positive pair"
);

impl LiftedStructureLoss {
    fn reduce(&self, distances: Tensor<2>, masks: PairMasks) -> Tensor<1> {
        let shape = distances.dims();
        let pushes = -distances.clone() + self.neg_margin;
        let of_rows = log_sum_exp(pushes.clone(), masks.negative.clone()); // [n, 1]
        let of_columns = log_sum_exp(pushes.transpose(), masks.negative.clone().transpose());
        let has_rows = masks.negative.clone().any_dim(1);
        let has_columns = masks.negative.any_dim(0);
        let either = has_rows
            .clone()
            .expand(shape)
            .bool_or(has_columns.clone().expand(shape));
        let both = Tensor::stack::<3>(
            vec![of_rows.expand(shape), of_columns.transpose().expand(shape)],
            2,
        );
        let has = Tensor::stack::<3>(vec![has_rows.expand(shape), has_columns.expand(shape)], 2);
        let pushed = log_sum_exp(both, has).squeeze_dim::<2>(2);
        let gaps = (pushed + distances - self.pos_margin).clamp_min(0.0);
        let losses = gaps.square() * 0.5;
        self.reducer.reduce_by(
            losses.mask_fill(either.bool_not(), 0.0),
            masks.positive,
            &masks.anchors,
        )
    }
}

impl Stream for LiftedStructureLoss {
    fn stream<T: Scalar>(&self, rows: &Rows<'_, T>, reducer: Reducer) -> Option<Found<T>> {
        if rows.is_against() || !rows.is_symmetric(reducer) {
            return None;
        }
        let pushed = rows.each(|mut pairs| {
            pairs.take_positives();
            exp_in_range(pairs.distances, -1.0).value() + self.neg_margin
        })?;
        rows.loss(reducer, |pairs| self.row(pairs, &pushed))
    }
}

impl LiftedStructureLoss {
    /// The terms of a row, by the logarithms of what pushes each row.
    fn row<T: Scalar>(&self, mut pairs: RowPairs<'_, T>, pushed: &[f64]) -> Terms {
        let to_positives = pairs.take_positives();
        let own = pushed[pairs.row];
        let (mut terms, mut slope) = (Terms::default(), 0.0);
        let mut pull_of = |(&p, d): (&usize, T)| {
            let both = own.max(pushed[p]) + (-(own - pushed[p]).abs()).exp().ln_1p();
            let gap = if both > f64::NEG_INFINITY {
                (both + d.to_f64() - self.pos_margin).max(0.0)
            } else {
                0.0
            };
            let term = self.reducer.terms_of(0.5 * gap * gap);
            terms += term;
            let pull = gap * term.count as f64;
            // The same pair seen from its other end moves this row's logarithm as much.
            slope += 2.0 * pull * if pull > 0.0 { (own - both).exp() } else { 0.0 };
            T::from_f64(pull)
        };
        let each = pairs.positives.iter().zip(to_positives);
        let pulls: Vec<T> = each.map(&mut pull_of).collect();
        exp_in_range(pairs.distances, -1.0).share_out(pairs.distances, -slope);
        pairs.put_positives(pulls);
        terms
    }
}
