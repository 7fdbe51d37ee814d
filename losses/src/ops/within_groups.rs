use burn::tensor::Tensor;
use metric_core::simd::zip_in_place;
use metric_core::{Distance, Euclidean, Scalar};
use rayon::prelude::*;

use super::operation::{self, Found, Inputs, Task};
use super::stream::fit;

/// The sum of the Euclidean distances of all pairs of rows of the same `size` rows: `O(n · size · dim)` time and no memory beside
/// the gradient. `None` where it cannot be streamed.
pub(crate) fn distances_within_groups(rows: &Tensor<2>, size: usize) -> Option<Tensor<1>> {
    let task = WithinGroups { size };
    fit(std::iter::once(rows)).then(|| operation::run(&task, rows.clone(), None, None))?
}

struct WithinGroups {
    size: usize,
}

impl Task for WithinGroups {
    fn run<'a, T: Scalar>(&'a self, inputs: Inputs<'a, T>) -> Option<Found<T>> {
        let (rows, dim) = (inputs.x.to_slice()?, inputs.x.ncols());
        let mut found = Found::without_gradients(0.0);
        found.x = vec![T::ZERO; rows.len()];
        let groups = rows.par_chunks(self.size * dim);
        let sums = groups
            .zip(found.x.par_chunks_mut(self.size * dim))
            .map(|(rows, gradient)| of_group(rows, gradient, dim));
        found.value = sums.collect::<Vec<f64>>().into_iter().sum();
        found.if_finite()
    }
}

/// The sum, and its gradient added to another.
fn of_group<T: Scalar>(rows: &[T], gradient: &mut [T], dim: usize) -> f64 {
    let mut sum = 0.0;
    for (later, b) in rows.chunks(dim).enumerate() {
        let (before, own) = gradient.split_at_mut(later * dim);
        for (a, of_a) in rows.chunks(dim).zip(before.chunks_mut(dim)) {
            let distance = Euclidean.distance(a, b);
            sum += distance.to_f64();
            if distance > T::ZERO {
                let (mut slopes, inverse) = (a.to_vec(), T::ONE / distance);
                zip_in_place(&mut slopes, b, move |a, b| (a - b) * inverse);
                zip_in_place(of_a, &slopes, |sum, slope| sum + slope);
                zip_in_place(&mut own[..dim], &slopes, |sum, slope| sum - slope);
            }
        }
    }
    sum
}
