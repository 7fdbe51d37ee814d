use std::f64::consts::PI;

use burn::tensor::{Int, Tensor};
use metric_core::Scalar;

use super::cross_entropy::{cross_entropy, target_mask};
use crate::distance::EmbeddingDistance;
use crate::labels::Labels;
use crate::numerics::{at_least_f32, l2_normalize, safe_sqrt};
use crate::ops::{RowLoss, RowPairs, Terms, exp_in_range, sigmoid, softplus, stream_with};
use crate::pairs::assert_labels;
use crate::reducer::Reducer;

/// Cosines between rows and class vectors, and the angle `θ_y` of every row to its own class: what
/// the losses share that change the target's logit and leave the rest to cross-entropy.
pub(crate) struct ClassCosines {
    /// `cos θ_y`, `[n, 1]`.
    pub(crate) target: Tensor<2>,
    classes: Classes,
    /// Rows as they were given, `[n, dim]`.
    given: Tensor<2>,
    /// Unit rows, `[n, dim]`.
    rows: Tensor<2>,
    /// The unit class vector of every row, `[n, dim]`.
    own: Tensor<2>,
    labels: Labels,
}

enum Classes {
    /// A vector for each, as it was given, `[classes, dim]`.
    Vectors(Tensor<2>),
    /// `cos θⱼ`, `[n, classes]`.
    Cosines(Tensor<2>),
}

impl ClassCosines {
    /// Of rows and one vector a class.
    ///
    /// # Panics
    /// If a label is no integer or out of range, or there is not one a row.
    pub(crate) fn new(rows: Tensor<2>, weight: Tensor<2>, labels: Labels) -> Self {
        assert_labels(&rows, &labels);
        let (given, weight) = (at_least_f32(rows), at_least_f32(weight));
        let own = l2_normalize(weight.clone().select(0, labels.expect_classes()));
        Self::of(given, own, Classes::Vectors(weight), labels)
    }

    /// Of rows and the closest of `sub_centers` vectors of every class, class `c` having rows
    /// `c · sub_centers ..` of `weight`.
    ///
    /// # Panics
    /// If a label is no integer or out of range, or there is not one a row.
    pub(crate) fn to_closest(
        rows: Tensor<2>,
        weight: Tensor<2>,
        labels: Labels,
        sub_centers: usize,
    ) -> Self {
        if sub_centers == 1 {
            return Self::new(rows, weight, labels);
        }
        assert_labels(&rows, &labels);
        let given = at_least_f32(rows);
        let vectors = l2_normalize(weight);
        let all = l2_normalize(given.clone()).matmul(vectors.clone().transpose());
        let [n, columns] = all.dims();
        let by_class = all.reshape([n, columns / sub_centers, sub_centers]);
        let (largest, closest) = by_class.max_dim_with_indices(2);
        let closest = closest.squeeze_dim::<2>(2);
        let of_rows = labels.expect_classes();
        let closest = closest.gather(1, of_rows.clone().reshape([n, 1]));
        let own = of_rows * sub_centers as i64 + closest.squeeze_dim(1);
        let all = Classes::Cosines(largest.squeeze_dim(2));
        Self::of(given, vectors.select(0, own), all, labels)
    }

    fn of(given: Tensor<2>, own: Tensor<2>, classes: Classes, labels: Labels) -> Self {
        let rows = l2_normalize(given.clone());
        Self {
            target: (rows.clone() * own.clone()).sum_dim(1),
            classes,
            given,
            rows,
            own,
            labels,
        }
    }

    /// `cos θⱼ`, `[n, classes]`.
    pub(crate) fn all(&self) -> Tensor<2> {
        match &self.classes {
            Classes::Vectors(weight) => {
                let vectors = l2_normalize(weight.clone());
                self.rows.clone().matmul(vectors.transpose())
            }
            Classes::Cosines(all) => all.clone(),
        }
    }

    /// The same with other numbers in the place of `cos θⱼ`.
    pub(crate) fn with_all(mut self, all: Tensor<2>) -> Self {
        self.classes = Classes::Cosines(all);
        self
    }

    /// The same number for every row, `[n, 1]`.
    pub(crate) fn constant(&self, value: f64) -> Tensor<2> {
        self.target.clone().detach().full_like(value)
    }

    /// `sin θ_y = ‖x̂ − cos θ_y ŵ_y‖`, `[n, 1]`: accurate near 0 and π, where `√(1 − cos²)` has no
    /// digits and an infinite slope.
    fn sine(&self) -> Tensor<2> {
        let along = self.own.clone() * self.target.clone();
        safe_sqrt((self.rows.clone() - along).square().sum_dim(1))
    }

    /// `θ_y` from 0 to π, `[n, 1]`; a right angle for a zero row.
    pub(crate) fn angle(&self) -> Tensor<2> {
        let sine = self.sine();
        let is_zero = sine.clone() + self.target.clone().abs();
        let is_zero = is_zero.lower_scalar(0.5); // of a unit vector it is at least 1
        let cosine = self.target.clone().mask_fill(is_zero.clone(), 0.0);
        sine.mask_fill(is_zero, 1.0).atan2(cosine)
    }

    /// `cos(θ_y + m)` for `m` of shape `[n, 1]`, continued by `cos θ_y − m sin m` from
    /// `θ_y > π − m` on, where it would rise again.
    ///
    /// No arccosine is taken: `cos(θ + m) = cos θ cos m − sin θ sin m`.
    pub(crate) fn plus_angle(&self, m: Tensor<2>) -> Tensor<2> {
        let cosine = self.target.clone();
        let (sin_m, cos_m) = (m.clone().sin(), m.clone().cos());
        let beyond = cosine.clone().lower(-cos_m.clone()); // θ > π − m
        let sum = cosine.clone() * cos_m - self.sine() * sin_m.clone();
        sum.mask_where(beyond, cosine - m * sin_m)
    }

    /// `cos(m₁ θ_y + m₂) − m₃` where the angle is at most π, continued downwards beyond:
    /// as [`plus_angle`](Self::plus_angle) for `m₁ = 1`, else as [`falling_cosine`].
    pub(crate) fn combined(&self, m1: f64, m2: f64, m3: f64) -> Tensor<2> {
        let shifted = match m1 {
            1.0 => self.plus_angle(self.constant(m2)),
            _ => falling_cosine(self.angle() * m1 + m2),
        };
        shifted - m3
    }

    /// The cosines with `target` in the place of `cos θ_y`: `[n, classes]`.
    pub(crate) fn with_target(self, target: Tensor<2>) -> Tensor<2> {
        let all = self.all();
        let [n, classes] = all.dims();
        let is_target = target_mask(self.labels.expect_classes(), classes);
        all.mask_where(is_target, target.expand([n, classes]))
    }

    /// Cross-entropy of `scale` times the cosines with `target` in the place of `cos θ_y`; streamed where it can be.
    pub(crate) fn loss(self, target: Tensor<2>, scale: f64, reducer: Reducer) -> Tensor<1> {
        let labels = self.labels.clone();
        if let Classes::Vectors(weight) = &self.classes {
            let [classes, _] = weight.dims();
            let device = labels.expect_classes().device();
            let numbers = Tensor::<1, Int>::arange(0..classes as i64, &device);
            let batch = (self.given.clone(), labels.clone());
            let reference = Some((weight.clone(), numbers.into()));
            let way = (EmbeddingDistance::Cosine, reducer);
            let by_rows = OtherClasses { scale, reducer };
            let streamed = stream_with(&by_rows, way, batch, reference, Some(target.clone()));
            if let Some(loss) = streamed {
                return loss;
            }
        }
        cross_entropy(self.with_target(target) * scale, &labels, reducer)
    }
}

/// The cross-entropy of a row, given its target's cosine: `log(1 + Σ_{j ≠ y} e^{s cos θⱼ} / e^{s target})`.
struct OtherClasses {
    scale: f64,
    reducer: Reducer,
}

impl RowLoss for OtherClasses {
    fn row<T: Scalar>(&self, mut pairs: RowPairs<'_, T>) -> Terms {
        pairs.take_positives();
        let others = exp_in_range(pairs.distances, -self.scale);
        let gap = others.value() + self.scale * (1.0 - pairs.given.to_f64());
        let slope = self.scale * sigmoid(gap);
        others.share_out(pairs.distances, -slope);
        *pairs.given = T::from_f64(-slope);
        self.reducer.terms_of(softplus(gap))
    }
}

/// The cosine continued beyond π so that it keeps falling: `(−1)ᵏ cos α − 2k` with `k = ⌊α / π⌋`.
fn falling_cosine(angle: Tensor<2>) -> Tensor<2> {
    let turns = (angle.clone().detach() / PI).floor();
    let is_odd = turns.clone() - (turns.clone() / 2.0).floor() * 2.0;
    angle.cos() * (is_odd * -2.0 + 1.0) - turns * 2.0
}
