//! Histograms whose counts are differentiable in the values.

use burn::tensor::{Bool, IndexingUpdateOp, Int, Tensor};
use metric_core::Scalar;
use metric_core::simd::{map_in_place, sum_of, zip_in_place};

/// Values shared between the two nearest of `bins + 1` nodes.
///
/// A value between two nodes counts for each in proportion to its nearness (a triangular kernel);
/// one outside the span counts for the end node.
pub(crate) struct SoftBins {
    lower: Tensor<2, Int>,
    /// How much of a value goes to the node above `lower`.
    upper_share: Tensor<2>,
    bins: usize,
}

impl SoftBins {
    /// Nodes evenly spaced over `span`.
    ///
    /// # Shapes
    /// - `values`: `[n, m]`
    pub(crate) fn new(values: Tensor<2>, span: (f64, f64), bins: usize) -> Self {
        let (low, high) = span;
        let place = ((values - low) * (bins as f64 / (high - low))).clamp(0.0, bins as f64);
        let lower = place.clone().detach().floor().clamp_max(bins as f64 - 1.0);
        Self {
            lower: lower.clone().int(),
            upper_share: place - lower,
            bins,
        }
    }

    /// The histogram of the selected values of each row: `[n, bins + 1]`.
    pub(crate) fn of(&self, selected: Tensor<2, Bool>) -> Tensor<2> {
        let [n, _] = self.upper_share.dims();
        let left_out = selected.bool_not();
        let up = self.upper_share.clone().mask_fill(left_out.clone(), 0.0);
        let down = (-self.upper_share.clone() + 1.0).mask_fill(left_out, 0.0);
        let options = (&up.device(), up.dtype());
        Tensor::zeros([n, self.bins + 1], options)
            .scatter(1, self.lower.clone(), down, IndexingUpdateOp::Add)
            .scatter(1, self.lower.clone() + 1, up, IndexingUpdateOp::Add)
    }
}

/// The histogram of the values of one row, whose counts are differentiable like those of [`SoftBins`]. An infinite value is
/// none.
pub(crate) struct RowBins<'a, T> {
    /// Where each value is, in steps from the first node.
    places: &'a mut [T],
    /// Nodes less one.
    bins: usize,
    /// Places a unit of the values.
    scale: f64,
}

/// Values that pass by all nodes while they are in the nearest cache.
const SOME: usize = 2048;
/// Nodes that all values are shown, at most: where there are more, each value looks for its own two.
const FEW_NODES: usize = 24;

impl<'a, T: Scalar> RowBins<'a, T> {
    /// Nodes evenly spaced over `span`. The values are given up.
    pub(crate) fn new(values: &'a mut [T], (low, high): (f64, f64), bins: usize) -> Self {
        let scale = bins as f64 / (high - low);
        let (first, steps) = (T::from_f64(low), T::from_f64(scale));
        map_in_place(values, move |value| (value - first) * steps);
        Self {
            places: values,
            bins,
            scale,
        }
    }

    /// How many there are at each of the `bins + 1` nodes.
    pub(crate) fn counts(&mut self) -> Vec<f64> {
        let mut counts = vec![0.0; self.bins + 1];
        self.add_to(&mut counts);
        counts
    }

    /// Adds how many there are at each node.
    pub(crate) fn add_to(&mut self, counts: &mut [f64]) {
        let last = T::from_f64(self.bins as f64);
        if self.bins > FEW_NODES {
            for place in self
                .places
                .iter()
                .filter(|place| **place < T::from_f64(f64::INFINITY))
            {
                let place = place.to_f64().clamp(0.0, self.bins as f64);
                let lower = (place as usize).min(self.bins - 1);
                let to_upper = place - lower as f64;
                counts[lower] += 1.0 - to_upper;
                counts[lower + 1] += to_upper;
            }
            return;
        }
        for places in self.places.chunks_mut(SOME) {
            for (at, count) in counts.iter_mut().enumerate() {
                let node = T::from_f64(at as f64);
                *count += sum_of(places, move |place| share(*place, node, last));
            }
        }
    }

    /// Puts in the place of every value the derivative by it of what has these derivatives `by_counts`, times `share`.
    pub(crate) fn put_slopes(self, by_counts: &[f64], share: f64) {
        // Between two nodes the counts of both change evenly: the derivative is a stair, which begins and ends at 0.
        let heights = by_counts
            .windows(2)
            .map(|by| (by[1] - by[0]) * self.scale * share);
        if self.bins > FEW_NODES {
            let heights: Vec<T> = heights.map(T::from_f64).collect();
            let last = T::from_f64(self.bins as f64);
            for place in self.places {
                let inside = (*place >= T::ZERO) & (*place <= last);
                let height = heights[(place.to_f64() as usize).min(self.bins - 1)];
                *place = if inside { height } else { T::ZERO };
            }
            return;
        }
        let mut slopes = vec![T::ZERO; self.places.len().min(SOME)];
        for places in self.places.chunks_mut(SOME) {
            let slopes = &mut slopes[..places.len()];
            slopes.fill(T::ZERO);
            for (at, height) in heights.clone().enumerate() {
                let (node, height) = (T::from_f64(at as f64), T::from_f64(height));
                zip_in_place(
                    slopes,
                    places,
                    move |slope, place| {
                        if place >= node { height } else { slope }
                    },
                );
            }
            let last = T::from_f64(self.bins as f64);
            zip_in_place(
                places,
                slopes,
                move |place, slope| {
                    if place > last { T::ZERO } else { slope }
                },
            );
        }
    }
}

/// How much of a value counts for a node.
#[inline(always)]
fn share<T: Scalar>(place: T, node: T, last: T) -> T {
    let inside = if place > last { last } else { place };
    let inside = if inside < T::ZERO { T::ZERO } else { inside };
    let off = inside - node;
    let off = if off < T::ZERO { T::ZERO - off } else { off };
    let near = T::ONE - off;
    let near = if near > T::ZERO { near } else { T::ZERO };
    if place < T::from_f64(f64::INFINITY) {
        near
    } else {
        T::ZERO
    }
}
