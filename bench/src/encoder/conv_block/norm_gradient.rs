//! Gradients of what follows a convolution in a block.

use metric_core::simd::{Kernel, Simd, run};

use super::norm::{Channels, NEAR, Way, load, normalized, store};
use super::pool::{Greatest, windows};

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

/// Sums of each channel, `g` being the gradient that reaches the normalized map.
#[derive(Debug)]
pub(super) struct Sums {
    /// `Σ g`
    pub(super) gradient: Vec<f32>,
    /// `Σ g (x − mean)`
    pub(super) product: Vec<f32>,
}

/// The sums over some images; `g` itself goes where the residual's gradient is wanted.
pub(super) fn gradient_sums(
    map: &[f32],
    way: Way<'_>,
    (gradient, result_len): (&[f32], usize),
    reaching: Option<&mut [f32]>,
) -> Sums {
    struct Kernels<'a> {
        map: &'a [f32],
        way: Way<'a>,
        gradient: &'a [f32],
        result_len: usize,
        reaching: Option<&'a mut [f32]>,
    }
    impl Kernel<f32> for Kernels<'_> {
        type Output = Sums;
        #[inline(always)]
        fn run<S: Simd<f32>>(self, simd: S) -> Sums {
            let depth = self.way.channels.scale.len();
            let mut sums = Sums {
                gradient: vec![0.0; depth],
                product: vec![0.0; depth],
            };
            if self.way.after.pool {
                let map_len = self.map.len() / (self.gradient.len() / self.result_len);
                let gradients = self.gradient.chunks_exact(self.result_len);
                for (map, gradient) in self.map.chunks_exact(map_len).zip(gradients) {
                    add_pooled(simd, map, self.way, gradient, &mut sums);
                }
            } else {
                add_plain(
                    simd,
                    self.map,
                    self.way,
                    (self.gradient, self.reaching),
                    &mut sums,
                );
            }
            sums
        }
    }
    run(Kernels {
        map,
        way,
        gradient,
        result_len,
        reaching,
    })
}

#[inline(always)]
fn add_pooled<S: Simd<f32>>(
    simd: S,
    map: &[f32],
    Way {
        channels,
        after,
        width,
        ..
    }: Way<'_>,
    gradient: &[f32],
    sums: &mut Sums,
) {
    let depth = channels.scale.len();
    let (least, zero) = (simd.splat(after.least()), simd.zero());
    let lines = map.chunks_exact(2 * width * depth);
    for (gradient, lines) in gradient.chunks_exact(width / 2 * depth).zip(lines) {
        for k in (0..depth).step_by(S::LANES) {
            let mean = load(simd, &channels.mean[k..]);
            let mut plain = load(simd, &sums.gradient[k..]);
            let mut product = load(simd, &sums.product[k..]);
            for (g, [a, b, c, d]) in gradient.chunks_exact(depth).zip(windows(lines, depth)) {
                let x = [
                    load(simd, &a[k..]),
                    load(simd, &b[k..]),
                    load(simd, &c[k..]),
                    load(simd, &d[k..]),
                ];
                let z = [
                    normalized(simd, a, channels, k),
                    normalized(simd, b, channels, k),
                    normalized(simd, c, channels, k),
                    normalized(simd, d, channels, k),
                ];
                let greatest = Greatest::of(simd, z);
                let x = simd.sub(greatest.beside(simd, x), mean);
                let g = simd.pick(greatest.value, least, load(simd, &g[k..]), zero);
                plain = simd.add(plain, g);
                product = simd.mul_add(g, x, product);
            }
            store(simd, plain, &mut sums.gradient[k..]);
            store(simd, product, &mut sums.product[k..]);
        }
    }
}

#[inline(always)]
fn add_plain<S: Simd<f32>>(
    simd: S,
    map: &[f32],
    way: Way<'_>,
    (gradient, mut reaching): (&[f32], Option<&mut [f32]>),
    sums: &mut Sums,
) {
    let depth = way.channels.scale.len();
    let (least, zero) = (simd.splat(way.after.least()), simd.zero());
    let some = (NEAR / depth).max(1) * depth;
    for from in (0..map.len()).step_by(some) {
        let pixels = (from..(from + some).min(map.len())).step_by(depth);
        for k in (0..depth).step_by(S::LANES) {
            let mean = load(simd, &way.channels.mean[k..]);
            let mut plain = load(simd, &sums.gradient[k..]);
            let mut product = load(simd, &sums.product[k..]);
            for at in pixels.clone() {
                let x = simd.sub(load(simd, &map[at + k..at + depth]), mean);
                let z = way.normalized(simd, map, at, k);
                let g = load(simd, &gradient[at + k..at + depth]);
                let g = simd.pick(z, least, g, zero);
                plain = simd.add(plain, g);
                product = simd.mul_add(g, x, product);
                if let Some(reaching) = &mut reaching {
                    store(simd, g, &mut reaching[at + k..at + depth]);
                }
            }
            store(simd, plain, &mut sums.gradient[k..]);
            store(simd, product, &mut sums.product[k..]);
        }
    }
}

/// The gradient of the map of one image: `scale (g − mean g − x̂ mean(g x̂))`.
pub(super) fn map_gradient(
    map: &[f32],
    way: Way<'_>,
    slopes: &Slopes,
    gradient: &[f32],
    out: &mut [f32],
) {
    struct Gradient<'a> {
        map: &'a [f32],
        way: Way<'a>,
        slopes: &'a Slopes,
        gradient: &'a [f32],
        out: &'a mut [f32],
    }
    impl Gradient<'_> {
        /// Of `x`, when `g` of its normalized number is 0.
        #[inline(always)]
        fn rest<S: Simd<f32>>(&self, simd: S, x: &[f32], k: usize) -> S::V {
            let x = simd.sub(
                load(simd, &x[k..]),
                load(simd, &self.way.channels.mean[k..]),
            );
            let slope = load(simd, &self.slopes.slope[k..]);
            let constant = simd.sub(simd.zero(), load(simd, &self.slopes.constant[k..]));
            simd.neg_mul_add(x, slope, constant)
        }
    }
    impl Kernel<f32> for Gradient<'_> {
        type Output = ();
        #[inline(always)]
        fn run<S: Simd<f32>>(mut self, simd: S) {
            let out = std::mem::take(&mut self.out);
            let (map, way) = (self.map, self.way);
            let depth = way.channels.scale.len();
            let (least, zero) = (simd.splat(way.after.least()), simd.zero());
            if !way.after.pool {
                let pixels = self
                    .gradient
                    .chunks_exact(depth)
                    .zip(map.chunks_exact(depth));
                for (i, (out, (g, x))) in out.chunks_exact_mut(depth).zip(pixels).enumerate() {
                    for k in (0..depth).step_by(S::LANES) {
                        let z = way.normalized(simd, map, i * depth, k);
                        let g = simd.pick(z, least, load(simd, &g[k..]), zero);
                        let scale = load(simd, &way.channels.scale[k..]);
                        let all = simd.mul_add(g, scale, self.rest(simd, x, k));
                        store(simd, all, &mut out[k..]);
                    }
                }
                return;
            }
            let line = way.width * depth;
            for (y, (x, out)) in map
                .chunks(2 * line)
                .zip(out.chunks_mut(2 * line))
                .enumerate()
            {
                // What no window covers: an odd column, an odd line.
                let covered = if x.len() == 2 * line {
                    way.width / 2 * 2
                } else {
                    0
                };
                for (x, out) in x.chunks_exact(line).zip(out.chunks_exact_mut(line)) {
                    let rest = covered * depth;
                    let pixels = x[rest..].chunks_exact(depth);
                    for (x, out) in pixels.zip(out[rest..].chunks_exact_mut(depth)) {
                        for k in (0..depth).step_by(S::LANES) {
                            store(simd, self.rest(simd, x, k), &mut out[k..]);
                        }
                    }
                }
                if covered == 0 {
                    continue;
                }
                let gradient = &self.gradient[y * (way.width / 2) * depth..];
                let (above, below) = out.split_at_mut(line);
                let outs = above.chunks_exact_mut(2 * depth);
                let outs = outs.zip(below.chunks_exact_mut(2 * depth));
                let each = gradient
                    .chunks_exact(depth)
                    .zip(windows(x, depth))
                    .zip(outs);
                for ((g, [a, b, c, d]), (above, below)) in each {
                    for k in (0..depth).step_by(S::LANES) {
                        let z = [
                            normalized(simd, a, way.channels, k),
                            normalized(simd, b, way.channels, k),
                            normalized(simd, c, way.channels, k),
                            normalized(simd, d, way.channels, k),
                        ];
                        let greatest = Greatest::of(simd, z);
                        let g = simd.mul(load(simd, &g[k..]), load(simd, &way.channels.scale[k..]));
                        let g = simd.pick(greatest.value, least, g, zero);
                        let g = greatest.give(simd, g, zero);
                        let all = simd.add(g[0], self.rest(simd, a, k));
                        store(simd, all, &mut above[k..depth]);
                        let all = simd.add(g[1], self.rest(simd, b, k));
                        store(simd, all, &mut above[depth + k..]);
                        let all = simd.add(g[2], self.rest(simd, c, k));
                        store(simd, all, &mut below[k..depth]);
                        let all = simd.add(g[3], self.rest(simd, d, k));
                        store(simd, all, &mut below[depth + k..]);
                    }
                }
            }
        }
    }
    run(Gradient {
        map,
        way,
        slopes,
        gradient,
        out,
    });
}
