//! What follows a convolution in a block: batch norm, ReLU and 2 x 2 max pooling, for images that are channels last.
//!
//! The normalized map is never stored: both directions make it again from the convolution's result, which costs less
//! than reading it back.

use metric_core::simd::{Kernel, Simd, run};

use super::After;
use super::pool::{Greatest, windows};

impl After {
    /// Where gradients begin to pass.
    pub(super) fn least(self) -> f32 {
        if self.relu { 0.0 } else { f32::NEG_INFINITY }
    }

    /// Rows and columns of the result.
    pub(super) fn out(&self, [height, width]: [usize; 2]) -> [usize; 2] {
        if self.pool {
            [height / 2, width / 2]
        } else {
            [height, width]
        }
    }
}

/// Numbers of each channel: a value `x` becomes `x̂ = (x − mean) inverse` and `x scale + shift = γ x̂ + β`.
#[derive(Debug)]
pub(super) struct Channels {
    pub(super) mean: Vec<f32>,
    pub(super) inverse: Vec<f32>,
    pub(super) scale: Vec<f32>,
    shift: Vec<f32>,
}

impl Channels {
    pub(super) fn new(
        mean: &[f32],
        variance: &[f32],
        gamma: &[f32],
        beta: &[f32],
        epsilon: f64,
    ) -> Self {
        let inverse: Vec<f32> = variance
            .iter()
            .map(|&v| (1.0 / (f64::from(v) + epsilon).sqrt()) as f32)
            .collect();
        let scale: Vec<f32> = gamma.iter().zip(&inverse).map(|(g, i)| g * i).collect();
        let shift = beta
            .iter()
            .zip(mean.iter().zip(&scale))
            .map(|(b, (m, s))| b - m * s)
            .collect();
        Self {
            mean: mean.to_vec(),
            inverse,
            scale,
            shift,
        }
    }
}

/// As many numbers as there are, at most a vector, then zeros.
#[inline(always)]
pub(super) fn load<S: Simd<f32>>(simd: S, from: &[f32]) -> S::V {
    if from.len() < S::LANES {
        simd.load_part(from)
    } else {
        simd.load(from)
    }
}

#[inline(always)]
pub(super) fn store<S: Simd<f32>>(simd: S, vector: S::V, to: &mut [f32]) {
    if to.len() < S::LANES {
        simd.store_part(vector, to);
    } else {
        simd.store(vector, to);
    }
}

/// `x scale + shift`, the same to the bit wherever it is made again.
#[inline(always)]
pub(super) fn normalized<S: Simd<f32>>(simd: S, x: &[f32], channels: &Channels, k: usize) -> S::V {
    let scale = load(simd, &channels.scale[k..]);
    let shift = load(simd, &channels.shift[k..]);
    simd.mul_add(load(simd, &x[k..]), scale, shift)
}

/// The mean of each channel and the sum of squared deviations from it.
pub(super) fn moments(map: &[f32], mean: &mut [f32], squares: &mut [f32]) {
    struct Moments<'a>(&'a [f32], &'a mut [f32], &'a mut [f32]);
    impl Kernel<f32> for Moments<'_> {
        type Output = ();
        #[inline(always)]
        fn run<S: Simd<f32>>(self, simd: S) {
            let Self(map, mean, squares) = self;
            let depth = mean.len();
            let share = simd.splat(1.0 / (map.len() / depth) as f32);
            mean.fill(0.0);
            squares.fill(0.0);
            // Sums stay in registers while some pixels pass by.
            let some = (NEAR / depth).max(1) * depth;
            for map in map.chunks(some) {
                for k in (0..depth).step_by(S::LANES) {
                    let mut sum = load(simd, &mean[k..]);
                    for pixel in map.chunks_exact(depth) {
                        sum = simd.add(sum, load(simd, &pixel[k..]));
                    }
                    store(simd, sum, &mut mean[k..]);
                }
            }
            for k in (0..depth).step_by(S::LANES) {
                let mean = &mut mean[k..];
                store(simd, simd.mul(load(simd, mean), share), mean);
            }
            for map in map.chunks(some) {
                for k in (0..depth).step_by(S::LANES) {
                    let (mut sum, mean) = (load(simd, &squares[k..]), load(simd, &mean[k..]));
                    for pixel in map.chunks_exact(depth) {
                        let x = simd.sub(load(simd, &pixel[k..]), mean);
                        sum = simd.mul_add(x, x, sum);
                    }
                    store(simd, sum, &mut squares[k..]);
                }
            }
        }
    }
    run(Moments(map, mean, squares));
}

/// Numbers of a part of a map that a core's nearest cache holds.
pub(super) const NEAR: usize = 4 << 10;

/// What a block's normalized map meets on its way out, for one image.
#[derive(Clone, Copy)]
pub(super) struct Way<'a> {
    pub(super) channels: &'a Channels,
    pub(super) after: After,
    /// Pixels of a row of the map.
    pub(super) width: usize,
    /// What is added to the normalized map.
    pub(super) residual: Option<&'a [f32]>,
}

impl<'a> Way<'a> {
    /// The normalized map's numbers from channel `k` on, of the pixel that starts at `at`.
    #[inline(always)]
    pub(super) fn normalized<S: Simd<f32>>(
        &self,
        simd: S,
        map: &[f32],
        at: usize,
        k: usize,
    ) -> S::V {
        let depth = self.channels.scale.len();
        let z = normalized(simd, &map[at..at + depth], self.channels, k);
        match self.residual {
            Some(residual) => simd.add(z, load(simd, &residual[at + k..at + depth])),
            None => z,
        }
    }
}

/// What becomes of the map of one image.
pub(super) fn apply(map: &[f32], way: Way<'_>, out: &mut [f32]) {
    struct Apply<'a>(&'a [f32], Way<'a>, &'a mut [f32]);
    impl Kernel<f32> for Apply<'_> {
        type Output = ();
        #[inline(always)]
        fn run<S: Simd<f32>>(self, simd: S) {
            let Self(map, way, out) = self;
            let depth = way.channels.scale.len();
            let least = simd.splat(way.after.least());
            if !way.after.pool {
                for (i, out) in out.chunks_exact_mut(depth).enumerate() {
                    for k in (0..depth).step_by(S::LANES) {
                        let z = way.normalized(simd, map, i * depth, k);
                        store(simd, simd.pick(least, z, least, z), &mut out[k..]);
                    }
                }
                return;
            }
            let outs = out.chunks_exact_mut(way.width / 2 * depth);
            for (out, lines) in outs.zip(map.chunks_exact(2 * way.width * depth)) {
                for (out, [a, b, c, d]) in out.chunks_exact_mut(depth).zip(windows(lines, depth)) {
                    for k in (0..depth).step_by(S::LANES) {
                        let z = [
                            normalized(simd, a, way.channels, k),
                            normalized(simd, b, way.channels, k),
                            normalized(simd, c, way.channels, k),
                            normalized(simd, d, way.channels, k),
                        ];
                        let z = Greatest::of(simd, z).value;
                        store(simd, simd.pick(least, z, least, z), &mut out[k..]);
                    }
                }
            }
        }
    }
    run(Apply(map, way, out));
}
