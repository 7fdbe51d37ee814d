//! What follows a convolution in a block: batch norm, ReLU and 2 x 2 max pooling, for images that are channels last.
//!
//! The normalized map is never stored: both directions make it again from the convolution's result, which costs less
//! than reading it back.

use metric_core::simd::{Kernel, Simd, run};

use super::After;

impl After {
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
    scale: Vec<f32>,
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

/// The mean of each channel and the sum of squared deviations from it.
pub(super) fn moments(map: &[f32], mean: &mut [f32], squares: &mut [f32]) {
    struct Moments<'a>(&'a [f32], &'a mut [f32], &'a mut [f32]);
    impl Kernel<f32> for Moments<'_> {
        type Output = ();
        #[inline(always)]
        fn run<S: Simd<f32>>(self, _: S) {
            let Self(map, mean, squares) = self;
            let depth = mean.len();
            mean.fill(0.0);
            squares.fill(0.0);
            for pixel in map.chunks_exact(depth) {
                for (sum, &x) in mean.iter_mut().zip(pixel) {
                    *sum += x;
                }
            }
            let share = 1.0 / (map.len() / depth) as f32;
            for sum in mean.iter_mut() {
                *sum *= share;
            }
            for pixel in map.chunks_exact(depth) {
                for ((sum, &x), &mean) in squares.iter_mut().zip(pixel).zip(&*mean) {
                    *sum += (x - mean) * (x - mean);
                }
            }
        }
    }
    run(Moments(map, mean, squares));
}

/// The first greatest of four, as which it is.
#[inline(always)]
fn greatest(z: [f32; 4]) -> (f32, [bool; 4]) {
    let (left, below_left) = (z[0] >= z[1], z[2] >= z[3]);
    let above = if left { z[0] } else { z[1] };
    let below = if below_left { z[2] } else { z[3] };
    let up = above >= below;
    (
        if up { above } else { below },
        [up & left, up & !left, !up & below_left, !up & !below_left],
    )
}

/// Both pixels of each window in one of its lines.
#[inline(always)]
fn pairs(line: &[f32], depth: usize) -> impl Iterator<Item = (&[f32], &[f32])> {
    line.chunks_exact(2 * depth)
        .map(move |two| two.split_at(depth))
}

/// Block by block what the map of a few images of a width becomes.
pub(super) fn apply(map: &[f32], width: usize, channels: &Channels, after: After, out: &mut [f32]) {
    struct Apply<'a>(&'a [f32], usize, &'a Channels, After, &'a mut [f32]);
    impl Kernel<f32> for Apply<'_> {
        type Output = ();
        #[inline(always)]
        fn run<S: Simd<f32>>(self, _: S) {
            let Self(map, width, channels, after, out) = self;
            let depth = channels.scale.len();
            let (scale, shift) = (&channels.scale[..depth], &channels.shift[..depth]);
            let least = if after.relu { 0.0 } else { f32::NEG_INFINITY };
            if !after.pool {
                for (out, x) in out.chunks_exact_mut(depth).zip(map.chunks_exact(depth)) {
                    for c in 0..depth {
                        let z = x[c] * scale[c] + shift[c];
                        out[c] = if z < least { least } else { z };
                    }
                }
                return;
            }
            let lines = map.chunks_exact(2 * width * depth);
            for (out, lines) in out.chunks_exact_mut(width / 2 * depth).zip(lines) {
                let (above, below) = lines.split_at(width * depth);
                let windows = pairs(above, depth).zip(pairs(below, depth));
                for (out, ((a, b), (c, d))) in out.chunks_exact_mut(depth).zip(windows) {
                    for k in 0..depth {
                        let z = [a[k], b[k], c[k], d[k]];
                        let z = [
                            z[0] * scale[k] + shift[k],
                            z[1] * scale[k] + shift[k],
                            z[2] * scale[k] + shift[k],
                            z[3] * scale[k] + shift[k],
                        ];
                        let (z, _) = greatest(z);
                        out[k] = if z < least { least } else { z };
                    }
                }
            }
        }
    }
    run(Apply(map, width, channels, after, out));
}

/// Adds `Σ g` and `Σ g (x − mean)` of each channel, `g` being the gradient that reaches the normalized map.
pub(super) fn gradient_sums(
    (map, width): (&[f32], usize),
    channels: &Channels,
    after: After,
    gradient: &[f32],
    (beta, gamma): (&mut [f32], &mut [f32]),
) {
    struct Sums<'a> {
        map: &'a [f32],
        width: usize,
        channels: &'a Channels,
        after: After,
        gradient: &'a [f32],
        beta: &'a mut [f32],
        gamma: &'a mut [f32],
    }
    impl Kernel<f32> for Sums<'_> {
        type Output = ();
        #[inline(always)]
        fn run<S: Simd<f32>>(self, _: S) {
            let depth = self.channels.scale.len();
            let scale = &self.channels.scale[..depth];
            let shift = &self.channels.shift[..depth];
            let mean = &self.channels.mean[..depth];
            let (beta, gamma) = (&mut self.beta[..depth], &mut self.gamma[..depth]);
            let (map, width, gradient) = (self.map, self.width, self.gradient);
            let least = if self.after.relu {
                0.0
            } else {
                f32::NEG_INFINITY
            };
            if !self.after.pool {
                for (x, g) in map.chunks_exact(depth).zip(gradient.chunks_exact(depth)) {
                    for k in 0..depth {
                        let z = x[k] * scale[k] + shift[k];
                        let g = if z > least { g[k] } else { 0.0 };
                        beta[k] += g;
                        gamma[k] += g * (x[k] - mean[k]);
                    }
                }
            } else {
                let lines = map.chunks_exact(2 * width * depth);
                for (g, lines) in gradient.chunks_exact(width / 2 * depth).zip(lines) {
                    let (above, below) = lines.split_at(width * depth);
                    let windows = pairs(above, depth).zip(pairs(below, depth));
                    for (g, ((a, b), (c, d))) in g.chunks_exact(depth).zip(windows) {
                        for k in 0..depth {
                            let x = [a[k], b[k], c[k], d[k]];
                            let z = [
                                x[0] * scale[k] + shift[k],
                                x[1] * scale[k] + shift[k],
                                x[2] * scale[k] + shift[k],
                                x[3] * scale[k] + shift[k],
                            ];
                            let (z, first) = greatest(z);
                            let above = if first[0] { x[0] } else { x[1] };
                            let below = if first[2] { x[2] } else { x[3] };
                            let x = if first[0] | first[1] { above } else { below };
                            let g = if z > least { g[k] } else { 0.0 };
                            beta[k] += g;
                            gamma[k] += g * (x - mean[k]);
                        }
                    }
                }
            }
        }
    }
    run(Sums {
        map,
        width,
        channels,
        after,
        gradient,
        beta,
        gamma,
    });
}

/// The gradient of the map: `scale (g − mean g − x̂ mean(g x̂))`.
pub(super) fn map_gradient(
    (map, width): (&[f32], usize),
    channels: &Channels,
    after: After,
    gradient: &[f32],
    (mean_gradient, mean_product): (&[f32], &[f32]),
    out: &mut [f32],
) {
    struct Gradient<'a> {
        map: &'a [f32],
        width: usize,
        channels: &'a Channels,
        after: After,
        gradient: &'a [f32],
        constant: Vec<f32>,
        slope: Vec<f32>,
        out: &'a mut [f32],
    }
    impl Kernel<f32> for Gradient<'_> {
        type Output = ();
        #[inline(always)]
        fn run<S: Simd<f32>>(self, _: S) {
            let depth = self.channels.scale.len();
            let scale = &self.channels.scale[..depth];
            let shift = &self.channels.shift[..depth];
            let mean = &self.channels.mean[..depth];
            let (constant, slope) = (&self.constant[..depth], &self.slope[..depth]);
            let (map, width, gradient, out) = (self.map, self.width, self.gradient, self.out);
            let least = if self.after.relu {
                0.0
            } else {
                f32::NEG_INFINITY
            };
            if !self.after.pool {
                let pixels = map.chunks_exact(depth).zip(gradient.chunks_exact(depth));
                for (out, (x, g)) in out.chunks_exact_mut(depth).zip(pixels) {
                    for k in 0..depth {
                        let z = x[k] * scale[k] + shift[k];
                        let g = if z > least { g[k] } else { 0.0 };
                        out[k] = g * scale[k] - constant[k] - (x[k] - mean[k]) * slope[k];
                    }
                }
                return;
            }
            // What no window covers.
            for (out, x) in out.chunks_exact_mut(depth).zip(map.chunks_exact(depth)) {
                for k in 0..depth {
                    out[k] = -constant[k] - (x[k] - mean[k]) * slope[k];
                }
            }
            let lines = map.chunks_exact(2 * width * depth);
            let outs = out.chunks_exact_mut(2 * width * depth);
            let all = gradient.chunks_exact(width / 2 * depth);
            for (g, (lines, outs)) in all.zip(lines.zip(outs)) {
                let (above, below) = lines.split_at(width * depth);
                let windows = pairs(above, depth).zip(pairs(below, depth));
                let (out_above, out_below) = outs.split_at_mut(width * depth);
                let outs = out_above
                    .chunks_exact_mut(2 * depth)
                    .zip(out_below.chunks_exact_mut(2 * depth));
                for ((g, ((a, b), (c, d))), (up, down)) in
                    g.chunks_exact(depth).zip(windows).zip(outs)
                {
                    let (oa, ob) = up.split_at_mut(depth);
                    let (oc, od) = down.split_at_mut(depth);
                    for k in 0..depth {
                        let z = [
                            a[k] * scale[k] + shift[k],
                            b[k] * scale[k] + shift[k],
                            c[k] * scale[k] + shift[k],
                            d[k] * scale[k] + shift[k],
                        ];
                        let (z, first) = greatest(z);
                        let g = if z > least { g[k] * scale[k] } else { 0.0 };
                        oa[k] += if first[0] { g } else { 0.0 };
                        ob[k] += if first[1] { g } else { 0.0 };
                        oc[k] += if first[2] { g } else { 0.0 };
                        od[k] += if first[3] { g } else { 0.0 };
                    }
                }
            }
        }
    }
    let scaled = |means: &[f32]| -> Vec<f32> {
        means
            .iter()
            .zip(&channels.scale)
            .map(|(m, s)| m * s)
            .collect()
    };
    let mut slope = scaled(mean_product);
    for (slope, inverse) in slope.iter_mut().zip(&channels.inverse) {
        *slope *= inverse;
    }
    let constant = scaled(mean_gradient);
    run(Gradient {
        map,
        width,
        channels,
        after,
        gradient,
        constant,
        slope,
        out,
    });
}
