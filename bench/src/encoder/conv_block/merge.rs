//! What groups and parts of a batch add up to, in an order that no number of threads changes.

use metric_core::simd::{Kernel, Simd, run};
use rayon::prelude::*;

use super::buffers::Lent;
use super::norm::moments;

/// Of some pixels: means and sums of squared deviations of each channel.
pub(super) struct Moments {
    pixels: usize,
    mean: Vec<f32>,
    squares: Vec<f32>,
}

impl Moments {
    pub(super) fn of(map: &[f32], depth: usize) -> Self {
        let (mut mean, mut squares) = (vec![0.0; depth], vec![0.0; depth]);
        moments(map, &mut mean, &mut squares);
        Self {
            pixels: map.len() / depth,
            mean,
            squares,
        }
    }

    /// Means and variances over all parts, merged in order (Chan, Golub and `LeVeque`, 1979).
    pub(super) fn merge(parts: &[Self], depth: usize) -> (Vec<f32>, Vec<f32>) {
        let (mut mean, mut squares, mut count) = (vec![0.0f64; depth], vec![0.0f64; depth], 0.0);
        for part in parts {
            let more = part.pixels as f64;
            let all = count + more;
            for c in 0..depth {
                let difference = f64::from(part.mean[c]) - mean[c];
                mean[c] += difference * more / all;
                squares[c] +=
                    f64::from(part.squares[c]) + difference * difference * count * more / all;
            }
            count = all;
        }
        squares.iter_mut().for_each(|sum| *sum /= count);
        (single(&mean), single(&squares))
    }
}

/// Sums over parts in order.
pub(super) fn total<'a>(parts: impl Iterator<Item = &'a [f32]>, len: usize) -> Vec<f64> {
    let mut sums = vec![0.0f64; len];
    for part in parts {
        for (sum, x) in sums.iter_mut().zip(part) {
            *sum += f64::from(*x);
        }
    }
    sums
}

/// The same of large sums, in the place of the first.
pub(super) fn added(mut parts: Vec<Lent>) -> Lent {
    const SOME: usize = 1 << 12;
    struct Add<'a>(&'a mut [f32], &'a [Lent], usize);
    impl Kernel<f32> for Add<'_> {
        type Output = ();
        #[inline(always)]
        fn run<S: Simd<f32>>(self, _: S) {
            let Self(first, others, from) = self;
            let mut sums = [0.0f64; SOME];
            let sums = &mut sums[..first.len()];
            for (sum, x) in sums.iter_mut().zip(&*first) {
                *sum = f64::from(*x);
            }
            for part in others {
                for (sum, x) in sums.iter_mut().zip(&part[from..]) {
                    *sum += f64::from(*x);
                }
            }
            for (out, sum) in first.iter_mut().zip(sums) {
                *out = *sum as f32;
            }
        }
    }
    let mut first = parts.remove(0);
    first
        .par_chunks_mut(SOME)
        .enumerate()
        .for_each(|(i, first)| run(Add(first, &parts, i * SOME)));
    first
}

pub(super) fn single(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&x| x as f32).collect()
}
