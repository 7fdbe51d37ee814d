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

/// As many numbers as there are, at most a vector, then zeros.
#[inline(always)]
fn load<S: Simd<f32>>(simd: S, from: &[f32]) -> S::V {
    if from.len() < S::LANES {
        simd.load_part(from)
    } else {
        simd.load(from)
    }
}

#[inline(always)]
fn store<S: Simd<f32>>(simd: S, vector: S::V, to: &mut [f32]) {
    if to.len() < S::LANES {
        simd.store_part(vector, to);
    } else {
        simd.store(vector, to);
    }
}

/// `x scale + shift`, the same to the bit wherever it is made again.
#[inline(always)]
fn normalized<S: Simd<f32>>(simd: S, x: &[f32], channels: &Channels, k: usize) -> S::V {
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
const NEAR: usize = 4 << 10;

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
    fn normalized<S: Simd<f32>>(&self, simd: S, map: &[f32], at: usize, k: usize) -> S::V {
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

/// The greatest of four, the first of equal ones.
struct Greatest<V> {
    value: V,
    /// The greater of the upper two and of the lower two.
    pairs: [V; 2],
    all: [V; 4],
}

impl<V: Copy> Greatest<V> {
    #[inline(always)]
    fn of<S: Simd<f32, V = V>>(simd: S, z: [V; 4]) -> Self {
        let pairs = [simd.max(z[1], z[0]), simd.max(z[3], z[2])];
        Self {
            value: simd.max(pairs[1], pairs[0]),
            pairs,
            all: z,
        }
    }

    /// `x` for the greatest, `y` for the others.
    #[inline(always)]
    fn give<S: Simd<f32, V = V>>(&self, simd: S, x: V, y: V) -> [V; 4] {
        let [up, down] = self.pairs;
        let above = simd.pick(down, up, y, x);
        let below = simd.pick(down, up, x, y);
        let [a, b, c, d] = self.all;
        [
            simd.pick(b, a, y, above),
            simd.pick(b, a, above, y),
            simd.pick(d, c, y, below),
            simd.pick(d, c, below, y),
        ]
    }

    /// Which of four goes with the greatest.
    #[inline(always)]
    fn beside<S: Simd<f32, V = V>>(&self, simd: S, x: [V; 4]) -> V {
        let [a, b, c, d] = self.all;
        let above = simd.pick(b, a, x[1], x[0]);
        let below = simd.pick(d, c, x[3], x[2]);
        simd.pick(self.pairs[1], self.pairs[0], below, above)
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
