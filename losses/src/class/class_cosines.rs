use std::f64::consts::PI;

use burn::tensor::{Int, Tensor};

use super::cross_entropy::{cross_entropy, target_mask};
use crate::numerics::{l2_normalize, safe_sqrt};
use crate::pairs::assert_labels;
use crate::reducer::Reducer;

/// Cosines between rows and class vectors, and the angle `θ_y` of every row to its own class: what
/// the losses share that change the target's logit and leave the rest to cross-entropy.
pub(crate) struct ClassCosines {
    /// `cos θⱼ`, `[n, classes]`.
    pub(crate) all: Tensor<2>,
    /// `cos θ_y`, `[n, 1]`.
    pub(crate) target: Tensor<2>,
    /// Unit rows, `[n, dim]`.
    rows: Tensor<2>,
    /// The unit class vector of every row, `[n, dim]`.
    own: Tensor<2>,
    labels: Tensor<1, Int>,
}

impl ClassCosines {
    /// Of rows and one vector a class.
    ///
    /// # Panics
    /// If a label is out of range or there is not one a row.
    pub(crate) fn new(rows: Tensor<2>, weight: Tensor<2>, labels: Tensor<1, Int>) -> Self {
        Self::to_closest(rows, weight, labels, 1)
    }

    /// Of rows and the closest of `sub_centers` vectors of every class, class `c` having rows
    /// `c · sub_centers ..` of `weight`.
    ///
    /// # Panics
    /// If a label is out of range or there is not one a row.
    pub(crate) fn to_closest(
        rows: Tensor<2>,
        weight: Tensor<2>,
        labels: Tensor<1, Int>,
        sub_centers: usize,
    ) -> Self {
        assert_labels(&rows, &labels);
        let rows = l2_normalize(rows);
        let vectors = l2_normalize(weight);
        let mut all = rows.clone().matmul(vectors.clone().transpose());
        let mut own = labels.clone();
        if sub_centers > 1 {
            let [n, columns] = all.dims();
            let classes = columns / sub_centers;
            let by_class = all.reshape([n, classes, sub_centers]);
            let (largest, closest) = by_class.max_dim_with_indices(2);
            all = largest.squeeze_dim(2);
            let closest = closest.squeeze_dim::<2>(2);
            let closest = closest.gather(1, labels.clone().reshape([n, 1]));
            own = own * sub_centers as i64 + closest.squeeze_dim(1);
        }
        let own = vectors.select(0, own);
        let target = (rows.clone() * own.clone()).sum_dim(1);
        Self {
            all,
            target,
            rows,
            own,
            labels,
        }
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
        let [n, classes] = self.all.dims();
        let is_target = target_mask(self.labels, classes);
        self.all.mask_where(is_target, target.expand([n, classes]))
    }

    /// Cross-entropy of `scale` times the cosines with `target` in the place of `cos θ_y`.
    pub(crate) fn loss(self, target: Tensor<2>, scale: f64, reducer: Reducer) -> Tensor<1> {
        let labels = self.labels.clone();
        cross_entropy(self.with_target(target) * scale, labels, reducer)
    }
}

/// The cosine continued beyond π so that it keeps falling: `(−1)ᵏ cos α − 2k` with `k = ⌊α / π⌋`.
fn falling_cosine(angle: Tensor<2>) -> Tensor<2> {
    let turns = (angle.clone().detach() / PI).floor();
    let is_odd = turns.clone() - (turns.clone() / 2.0).floor() * 2.0;
    angle.cos() * (is_odd * -2.0 + 1.0) - turns * 2.0
}
