//! What follows a convolution in a block: batch norm, ReLU and 2 x 2 max pooling, for images that are channels last.
//!
//! The normalized map is never stored: both directions make it again from the convolution's result, which costs less
//! than reading it back.

use metric_core::simd::{Kernel, Simd, run};

use super::After;

impl After {
    /// Where gradients begin to pass.
    fn least(self) -> f32 {
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

/// What a gradient loses so that neither the mean nor the variance of its channel changes the result.
#[derive(Debug)]
pub(super) struct Slopes {
    /// `scale mean(g)`
    constant: Vec<f32>,
    /// `scale inverse mean(g x̂)`, a unit of `x − mean`
    slope: Vec<f32>,
}

impl Slopes {
    /// From the means of `g` and `g x̂` over all pixels.
    pub(super) fn new(channels: &Channels, gradient: &[f32], product: &[f32]) -> Self {
        let scaled = |means: &[f32]| -> Vec<f32> {
            let pairs = means.iter().zip(&channels.scale);
            pairs.map(|(mean, scale)| mean * scale).collect()
        };
        let mut slope = scaled(product);
        for (slope, inverse) in slope.iter_mut().zip(&channels.inverse) {
            *slope *= inverse;
        }
        Self {
            constant: scaled(gradient),
            slope,
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

/// Not by `map`, which is not always inlined, and then compiled without the instruction set.
#[inline(always)]
fn normalized(x: [f32; 4], scale: f32, shift: f32) -> [f32; 4] {
    [
        x[0] * scale + shift,
        x[1] * scale + shift,
        x[2] * scale + shift,
        x[3] * scale + shift,
    ]
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

/// The pixels of each 2 x 2 window of two lines: above left, above right, below left, below right.
#[inline(always)]
fn windows(lines: &[f32], depth: usize) -> impl Iterator<Item = [&[f32]; 4]> {
    let (above, below) = lines.split_at(lines.len() / 2);
    let pairs = above.chunks_exact(2 * depth);
    let pairs = pairs.zip(below.chunks_exact(2 * depth));
    pairs.map(move |(above, below)| {
        let ((a, b), (c, d)) = (above.split_at(depth), below.split_at(depth));
        [a, b, c, d]
    })
}

/// The same, to be written to.
#[inline(always)]
fn windows_mut(lines: &mut [f32], depth: usize) -> impl Iterator<Item = [&mut [f32]; 4]> {
    let (above, below) = lines.split_at_mut(lines.len() / 2);
    let pairs = above.chunks_exact_mut(2 * depth);
    let pairs = pairs.zip(below.chunks_exact_mut(2 * depth));
    pairs.map(move |(above, below)| {
        let ((a, b), (c, d)) = (above.split_at_mut(depth), below.split_at_mut(depth));
        [a, b, c, d]
    })
}

/// What becomes of the map of one image.
pub(super) fn apply(map: &[f32], width: usize, channels: &Channels, after: After, out: &mut [f32]) {
    struct Apply<'a>(&'a [f32], usize, &'a Channels, After, &'a mut [f32]);
    impl Kernel<f32> for Apply<'_> {
        type Output = ();
        #[inline(always)]
        fn run<S: Simd<f32>>(self, _: S) {
            let Self(map, width, channels, after, out) = self;
            let depth = channels.scale.len();
            let (scale, shift) = (&channels.scale[..depth], &channels.shift[..depth]);
            let least = after.least();
            if after.pool {
                let outs = out.chunks_exact_mut(width / 2 * depth);
                for (out, lines) in outs.zip(map.chunks_exact(2 * width * depth)) {
                    for (out, [a, b, c, d]) in
                        out.chunks_exact_mut(depth).zip(windows(lines, depth))
                    {
                        for k in 0..depth {
                            let x = [a[k], b[k], c[k], d[k]];
                            let (z, _) = greatest(normalized(x, scale[k], shift[k]));
                            out[k] = if z < least { least } else { z };
                        }
                    }
                }
            } else {
                for (out, x) in out.chunks_exact_mut(depth).zip(map.chunks_exact(depth)) {
                    for k in 0..depth {
                        let z = x[k] * scale[k] + shift[k];
                        out[k] = if z < least { least } else { z };
                    }
                }
            }
        }
    }
    run(Apply(map, width, channels, after, out));
}

/// `Σ g` and `Σ g (x − mean)` of each channel over one image, `g` being the gradient that reaches the normalized map.
pub(super) fn gradient_sums(
    map: &[f32],
    width: usize,
    channels: &Channels,
    after: After,
    gradient: &[f32],
) -> [Vec<f32>; 2] {
    struct Sums<'a>(&'a [f32], usize, &'a Channels, After, &'a [f32]);
    impl Kernel<f32> for Sums<'_> {
        type Output = [Vec<f32>; 2];
        #[inline(always)]
        fn run<S: Simd<f32>>(self, _: S) -> [Vec<f32>; 2] {
            let Self(map, width, channels, after, gradient) = self;
            let depth = channels.scale.len();
            let (scale, shift) = (&channels.scale[..depth], &channels.shift[..depth]);
            let mean = &channels.mean[..depth];
            let least = after.least();
            let mut sums = [vec![0.0; depth], vec![0.0; depth]];
            let [plain, product] = &mut sums;
            let (plain, product) = (&mut plain[..depth], &mut product[..depth]);
            if after.pool {
                let gradients = gradient.chunks_exact(width / 2 * depth);
                for (g, lines) in gradients.zip(map.chunks_exact(2 * width * depth)) {
                    for (g, [a, b, c, d]) in g.chunks_exact(depth).zip(windows(lines, depth)) {
                        for k in 0..depth {
                            let x = [a[k], b[k], c[k], d[k]];
                            let (z, first) = greatest(normalized(x, scale[k], shift[k]));
                            let above = if first[0] { x[0] } else { x[1] };
                            let below = if first[2] { x[2] } else { x[3] };
                            let x = if first[0] | first[1] { above } else { below };
                            let g = if z > least { g[k] } else { 0.0 };
                            plain[k] += g;
                            product[k] += g * (x - mean[k]);
                        }
                    }
                }
            } else {
                for (g, x) in gradient.chunks_exact(depth).zip(map.chunks_exact(depth)) {
                    for k in 0..depth {
                        let z = x[k] * scale[k] + shift[k];
                        let g = if z > least { g[k] } else { 0.0 };
                        plain[k] += g;
                        product[k] += g * (x[k] - mean[k]);
                    }
                }
            }
            sums
        }
    }
    run(Sums(map, width, channels, after, gradient))
}

/// The gradient of the map of one image: `scale (g − mean g − x̂ mean(g x̂))`.
pub(super) fn map_gradient(
    (map, width): (&[f32], usize),
    channels: &Channels,
    slopes: &Slopes,
    after: After,
    gradient: &[f32],
    out: &mut [f32],
) {
    struct Gradient<'a> {
        map: &'a [f32],
        width: usize,
        channels: &'a Channels,
        slopes: &'a Slopes,
        after: After,
        gradient: &'a [f32],
        out: &'a mut [f32],
    }
    impl Kernel<f32> for Gradient<'_> {
        type Output = ();
        #[inline(always)]
        fn run<S: Simd<f32>>(self, _: S) {
            let (channels, slopes) = (self.channels, self.slopes);
            let depth = channels.scale.len();
            let (scale, shift) = (&channels.scale[..depth], &channels.shift[..depth]);
            let mean = &channels.mean[..depth];
            let (constant, slope) = (&slopes.constant[..depth], &slopes.slope[..depth]);
            let (map, width, gradient, out) = (self.map, self.width, self.gradient, self.out);
            let least = self.after.least();
            if self.after.pool {
                // Every pixel, those that no window covers too; then what the windows hand on.
                for (out, x) in out.chunks_exact_mut(depth).zip(map.chunks_exact(depth)) {
                    for k in 0..depth {
                        out[k] = -constant[k] - (x[k] - mean[k]) * slope[k];
                    }
                }
                let outs = out.chunks_exact_mut(2 * width * depth);
                let lines = map.chunks_exact(2 * width * depth).zip(outs);
                for (g, (lines, outs)) in gradient.chunks_exact(width / 2 * depth).zip(lines) {
                    let windows = windows(lines, depth).zip(windows_mut(outs, depth));
                    for (g, ([a, b, c, d], [oa, ob, oc, od])) in g.chunks_exact(depth).zip(windows)
                    {
                        for k in 0..depth {
                            let x = [a[k], b[k], c[k], d[k]];
                            let (z, first) = greatest(normalized(x, scale[k], shift[k]));
                            let g = if z > least { g[k] * scale[k] } else { 0.0 };
                            oa[k] += if first[0] { g } else { 0.0 };
                            ob[k] += if first[1] { g } else { 0.0 };
                            oc[k] += if first[2] { g } else { 0.0 };
                            od[k] += if first[3] { g } else { 0.0 };
                        }
                    }
                }
            } else {
                let pixels = gradient.chunks_exact(depth).zip(map.chunks_exact(depth));
                for (out, (g, x)) in out.chunks_exact_mut(depth).zip(pixels) {
                    for k in 0..depth {
                        let z = x[k] * scale[k] + shift[k];
                        let g = if z > least { g[k] * scale[k] } else { 0.0 };
                        out[k] = g - constant[k] - (x[k] - mean[k]) * slope[k];
                    }
                }
            }
        }
    }
    run(Gradient {
        map,
        width,
        channels,
        slopes,
        after,
        gradient,
        out,
    });
}
