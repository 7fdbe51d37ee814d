use std::f64::consts::PI;

use burn::tensor::{Int, Tensor};
use metric_core::Scalar;
use metric_core::simd::{map_in_place, sum_of, zip_in_place};

use super::cross_entropy::{cross_entropy, target_mask};
use crate::distance::EmbeddingDistance;
use crate::host::to_vec;
use crate::labels::Labels;
use crate::numerics::{at_least_f32, l2_normalize, row_norms, safe_sqrt};
use crate::ops::{
    AmongOthers, Found, RowLoss, RowPairs, Rows, Stream, Terms, select_rows, stream_with,
};
use crate::pairs::assert_labels;
use crate::reducer::Reducer;

/// Cosines between rows and class vectors, and the angle `θ_y` of every row to its own class: what
/// the losses share that change the target's logit and leave the rest to cross-entropy.
pub(crate) struct ClassCosines {
    /// `cos θ_y`, `[n, 1]`.
    pub(crate) target: Tensor<2>,
    /// The vectors of every class, as they were given, `[classes · sub_centers, dim]`.
    weight: Tensor<2>,
    /// How many a class has, of which the closest counts.
    sub_centers: usize,
    /// Rows as they were given, `[n, dim]`.
    given: Tensor<2>,
    /// Unit rows, `[n, dim]`.
    rows: Tensor<2>,
    /// The unit class vector of every row, `[n, dim]`.
    own: Tensor<2>,
    labels: Labels,
}

impl ClassCosines {
    /// Of rows and one vector a class.
    ///
    /// # Panics
    /// If a label is no integer or out of range, or there is not one a row.
    pub(crate) fn new(rows: Tensor<2>, weight: Tensor<2>, labels: Labels) -> Self {
        Self::to_closest(rows, weight, labels, 1)
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
        assert_labels(&rows, &labels);
        let (given, weight) = (at_least_f32(rows), at_least_f32(weight));
        let rows = l2_normalize(given.clone());
        let of_rows = labels.expect_classes();
        let own = match sub_centers {
            1 => of_rows,
            k => {
                let (rows, weight) = (rows.clone().detach(), weight.clone().detach());
                let closest = own_cosines(rows, weight, of_rows.clone(), k).argmax(1);
                of_rows * k as i64 + closest.squeeze_dim(1)
            }
        };
        let own = l2_normalize(select_rows(weight.clone(), own));
        Self {
            target: (rows.clone() * own.clone()).sum_dim(1),
            weight,
            sub_centers,
            given,
            rows,
            own,
            labels,
        }
    }

    /// `cos θⱼ`, `[n, classes]`.
    fn all(&self) -> Tensor<2> {
        let vectors = l2_normalize(self.weight.clone());
        let all = self.rows.clone().matmul(vectors.transpose());
        match self.sub_centers {
            1 => all,
            k => {
                let [n, columns] = all.dims();
                all.reshape([n, columns / k, k]).max_dim(2).squeeze_dim(2)
            }
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
        self.place(target, self.all())
    }

    fn place(&self, target: Tensor<2>, all: Tensor<2>) -> Tensor<2> {
        let [n, classes] = all.dims();
        let is_target = target_mask(self.labels.expect_classes(), classes);
        all.mask_where(is_target, target.expand([n, classes]))
    }

    /// Cross-entropy of `scale` times the cosines with `target` in the place of `cos θ_y`; streamed where it can be.
    pub(crate) fn loss(self, target: Tensor<2>, scale: f64, reducer: Reducer) -> Tensor<1> {
        self.loss_by(target, None, scale, reducer)
    }

    /// The same with `cos θⱼ (t + cos θⱼ)` in the place of every other cosine above the target.
    pub(crate) fn curricular_loss(
        self,
        target: Tensor<2>,
        t: Tensor<1>,
        scale: f64,
        reducer: Reducer,
    ) -> Tensor<1> {
        self.loss_by(target, Some(t.detach()), scale, reducer)
    }

    fn loss_by(
        self,
        target: Tensor<2>,
        t: Option<Tensor<1>>,
        scale: f64,
        reducer: Reducer,
    ) -> Tensor<1> {
        let by_rows = OtherClasses {
            sub_centers: self.sub_centers,
            t: t.clone(),
            among: AmongOthers { scale, reducer },
        };
        let own = -target.clone() + 1.0;
        let way = (EmbeddingDistance::Cosine, reducer);
        let streamed = self.stream(&by_rows, way, self.weight.clone(), own);
        streamed.unwrap_or_else(|| {
            let mut all = self.all();
            if let Some(t) = t {
                let is_hard = all.clone().greater(target.clone().expand(all.dims()));
                let t = t.cast(all.dtype()).reshape([1, 1]);
                all = all.clone().mask_where(is_hard, all.clone() * (all + t));
            }
            cross_entropy(self.place(target, all) * scale, &self.labels, reducer)
        })
    }

    /// Half the sum of the squared cosines to other classes and of `(1 − cos θ_y)²`; streamed where it can be.
    pub(crate) fn squared_loss(self, reducer: Reducer) -> Tensor<1> {
        let by_rows = SquaredCosines { reducer };
        let own = -self.target.clone() + 1.0;
        let way = (EmbeddingDistance::Cosine, reducer);
        let streamed = self.stream(&by_rows, way, self.weight.clone(), own.clone());
        streamed.unwrap_or_else(|| {
            let labels = self.labels.clone();
            let losses = self.with_target(own).square().sum_dim(1) * 0.5;
            reducer.reduce_rows(losses, &labels)
        })
    }

    /// Cross-entropy of `scale` times the inner products of the rows with `vectors`, of the directions that classes have, with
    /// `target` in the place of `cos θ_y`; streamed where it can be.
    pub(crate) fn product_loss(
        self,
        target: Tensor<2>,
        vectors: Tensor<2>,
        scale: f64,
        reducer: Reducer,
    ) -> Tensor<1> {
        let vectors = at_least_f32(vectors);
        let of_rows = self.labels.expect_classes();
        let own = row_norms(select_rows(vectors.clone(), of_rows));
        let own = target * row_norms(self.given.clone()) * own;
        let by_rows = AmongOthers { scale, reducer };
        let way = (EmbeddingDistance::InnerProduct, reducer);
        let streamed = self.stream(&by_rows, way, vectors.clone(), -own.clone());
        streamed.unwrap_or_else(|| {
            let all = self.given.clone().matmul(vectors.transpose());
            cross_entropy(self.place(own, all) * scale, &self.labels, reducer)
        })
    }

    /// A loss of the distances of the rows to the vectors of classes, given that to their own; `None` where it cannot be
    /// streamed.
    fn stream(
        &self,
        loss: &impl Stream,
        way: (EmbeddingDistance, Reducer),
        vectors: Tensor<2>,
        own: Tensor<2>,
    ) -> Option<Tensor<1>> {
        let [count, _] = vectors.dims();
        let device = self.labels.expect_classes().device();
        let numbers = Tensor::<1, Int>::arange(0..count as i64, &device);
        let numbers = numbers / self.sub_centers as i64;
        let batch = (self.given.clone(), self.labels.clone());
        stream_with(loss, way, batch, Some((vectors, numbers.into())), Some(own))
    }
}

/// The cosines of unit rows to the vectors of their own class, `[n, sub_centers]`.
pub(crate) fn own_cosines(
    rows: Tensor<2>,
    weight: Tensor<2>,
    labels: Tensor<1, Int>,
    sub_centers: usize,
) -> Tensor<2> {
    let ([n, dim], [vectors, _]) = (rows.dims(), weight.dims());
    let by_class = weight.reshape([vectors / sub_centers, sub_centers * dim]);
    let own = by_class.select(0, labels);
    let own = l2_normalize(own.reshape([n * sub_centers, dim]));
    let own = own.reshape([n, sub_centers, dim]);
    (own * rows.unsqueeze_dim::<3>(1)).sum_dim(2).squeeze_dim(2)
}

/// The cross-entropy of a row, given its target's distance, among other classes.
struct OtherClasses {
    /// Vectors of a class, of which the closest counts.
    sub_centers: usize,
    /// Makes cosines above the target `cos θ (t + cos θ)`.
    t: Option<Tensor<1>>,
    among: AmongOthers,
}

impl Stream for OtherClasses {
    fn stream<T: Scalar>(&self, rows: &Rows<'_, T>, reducer: Reducer) -> Option<Found<T>> {
        let t = self.t.clone().map(|t| to_vec::<f64>(t.into_data())[0]);
        rows.loss(reducer, |pairs| self.row(pairs, t.map(T::from_f64)))
    }
}

impl OtherClasses {
    fn row<T: Scalar>(&self, mut pairs: RowPairs<'_, T>, t: Option<T>) -> Terms {
        pairs.take_positives();
        if self.sub_centers > 1 {
            keep_closest(pairs.distances, self.sub_centers);
        }
        let steepness = t.map(|t| harden(pairs.distances, T::ONE - *pairs.given, t));
        let terms = self.among.of(&mut pairs);
        if let Some(steepness) = steepness {
            zip_in_place(pairs.distances, &steepness, |slope, by| slope * by);
        }
        terms
    }
}

/// Half the sum of a row's squared cosines, given that to the target.
struct SquaredCosines {
    reducer: Reducer,
}

impl RowLoss for SquaredCosines {
    fn row<T: Scalar>(&self, mut pairs: RowPairs<'_, T>) -> Terms {
        pairs.take_positives();
        let infinity = T::from_f64(f64::INFINITY);
        map_in_place(pairs.distances, move |distance| {
            if distance < infinity {
                distance - T::ONE
            } else {
                T::ZERO
            }
        });
        let others = sum_of(pairs.distances, |cosine| *cosine * *cosine);
        let own = pairs.given.to_f64();
        self.reducer.terms_of(0.5 * (own * own + others))
    }
}

/// Leaves of so many distances at a time the least, the first of equal ones, and makes the others infinite.
fn keep_closest<T: Scalar>(distances: &mut [T], at_a_time: usize) {
    for some in distances.chunks_exact_mut(at_a_time) {
        let mut least = 0;
        for i in 1..at_a_time {
            if some[i] < some[least] {
                least = i;
            }
        }
        let kept = some[least];
        some.fill(T::from_f64(f64::INFINITY));
        some[least] = kept;
    }
}

/// Makes of distances `1 − cos θ` those of `cos θ (t + cos θ)` where the cosine is above the target's, and gives the
/// derivatives by what they were.
fn harden<T: Scalar>(distances: &mut [T], target: T, t: T) -> Vec<T> {
    let mut slopes = vec![T::ONE; distances.len()];
    zip_in_place(&mut slopes, distances, move |one, distance| {
        let cosine = T::ONE - distance;
        let slope = t + cosine + cosine;
        if cosine > target { slope } else { one }
    });
    map_in_place(distances, move |distance| {
        let cosine = T::ONE - distance;
        let hard = T::ONE - cosine * (t + cosine);
        if cosine > target { hard } else { distance }
    });
    slopes
}

/// The cosine continued beyond π so that it keeps falling: `(−1)ᵏ cos α − 2k` with `k = ⌊α / π⌋`.
fn falling_cosine(angle: Tensor<2>) -> Tensor<2> {
    let turns = (angle.clone().detach() / PI).floor();
    let is_odd = turns.clone() - (turns.clone() / 2.0).floor() * 2.0;
    angle.cos() * (is_odd * -2.0 + 1.0) - turns * 2.0
}
