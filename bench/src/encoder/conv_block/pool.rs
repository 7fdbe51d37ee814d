//! 2 x 2 windows of maps, and which pixel of each goes on.

use metric_core::simd::Simd;

/// The pixels of each 2 x 2 window of two lines: above left, above right, below left, below right.
#[inline(always)]
pub(super) fn windows(lines: &[f32], depth: usize) -> impl Iterator<Item = [&[f32]; 4]> {
    let (above, below) = lines.split_at(lines.len() / 2);
    let pairs = above.chunks_exact(2 * depth);
    let pairs = pairs.zip(below.chunks_exact(2 * depth));
    pairs.map(move |(above, below)| {
        let ((a, b), (c, d)) = (above.split_at(depth), below.split_at(depth));
        [a, b, c, d]
    })
}

/// The greatest of four, the first of equal ones.
pub(super) struct Greatest<V> {
    pub(super) value: V,
    /// The greater of the upper two and of the lower two.
    pairs: [V; 2],
    all: [V; 4],
}

impl<V: Copy> Greatest<V> {
    #[inline(always)]
    pub(super) fn of<S: Simd<f32, V = V>>(simd: S, z: [V; 4]) -> Self {
        let pairs = [simd.max(z[1], z[0]), simd.max(z[3], z[2])];
        Self {
            value: simd.max(pairs[1], pairs[0]),
            pairs,
            all: z,
        }
    }

    /// `x` for the greatest, `y` for the others.
    #[inline(always)]
    pub(super) fn give<S: Simd<f32, V = V>>(&self, simd: S, x: V, y: V) -> [V; 4] {
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
    pub(super) fn beside<S: Simd<f32, V = V>>(&self, simd: S, x: [V; 4]) -> V {
        let [a, b, c, d] = self.all;
        let above = simd.pick(b, a, x[1], x[0]);
        let below = simd.pick(d, c, x[3], x[2]);
        simd.pick(self.pairs[1], self.pairs[0], below, above)
    }
}
