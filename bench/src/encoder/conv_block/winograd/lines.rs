//! The linear maps of the algorithm: along one axis, and along both.

use metric_core::simd::Simd;

/// A linear map of `N` numbers to `M`.
pub(super) trait Line<const N: usize, const M: usize> {
    fn line<S: Simd<f32>>(simd: S, x: [S::V; N]) -> [S::V; M];

    /// Of all columns, then of all rows.
    #[inline(always)]
    fn square<S: Simd<f32>>(simd: S, x: [[S::V; N]; N]) -> [[S::V; M]; M] {
        let mut half = [[simd.zero(); N]; M];
        for j in 0..N {
            let mut column = [simd.zero(); N];
            for i in 0..N {
                column[i] = x[i][j];
            }
            let column = Self::line(simd, column);
            for i in 0..M {
                half[i][j] = column[i];
            }
        }
        let mut whole = [[simd.zero(); M]; M];
        for i in 0..M {
            whole[i] = Self::line(simd, half[i]);
        }
        whole
    }
}

/// `Bᵀ`, `Aᵀ` and `G` of the paper, and their transposes.
pub(super) struct Patch;
pub(super) struct PatchBack;
pub(super) struct Out;
pub(super) struct OutBack;
pub(super) struct Filter;
pub(super) struct FilterBack;

impl Line<4, 4> for Patch {
    #[inline(always)]
    fn line<S: Simd<f32>>(simd: S, x: [S::V; 4]) -> [S::V; 4] {
        [
            simd.sub(x[0], x[2]),
            simd.add(x[1], x[2]),
            simd.sub(x[2], x[1]),
            simd.sub(x[1], x[3]),
        ]
    }
}

impl Line<4, 4> for PatchBack {
    #[inline(always)]
    fn line<S: Simd<f32>>(simd: S, x: [S::V; 4]) -> [S::V; 4] {
        [
            x[0],
            simd.add(simd.sub(x[1], x[2]), x[3]),
            simd.sub(simd.add(x[1], x[2]), x[0]),
            simd.sub(simd.zero(), x[3]),
        ]
    }
}

impl Line<4, 2> for Out {
    #[inline(always)]
    fn line<S: Simd<f32>>(simd: S, x: [S::V; 4]) -> [S::V; 2] {
        [
            simd.add(simd.add(x[0], x[1]), x[2]),
            simd.sub(simd.sub(x[1], x[2]), x[3]),
        ]
    }
}

impl Line<2, 4> for OutBack {
    #[inline(always)]
    fn line<S: Simd<f32>>(simd: S, x: [S::V; 2]) -> [S::V; 4] {
        [
            x[0],
            simd.add(x[0], x[1]),
            simd.sub(x[0], x[1]),
            simd.sub(simd.zero(), x[1]),
        ]
    }
}

impl Line<3, 4> for Filter {
    #[inline(always)]
    fn line<S: Simd<f32>>(simd: S, x: [S::V; 3]) -> [S::V; 4] {
        let half = simd.splat(0.5);
        let ends = simd.add(x[0], x[2]);
        [
            x[0],
            simd.mul(half, simd.add(ends, x[1])),
            simd.mul(half, simd.sub(ends, x[1])),
            x[2],
        ]
    }
}

impl Line<4, 3> for FilterBack {
    #[inline(always)]
    fn line<S: Simd<f32>>(simd: S, x: [S::V; 4]) -> [S::V; 3] {
        let half = simd.splat(0.5);
        let sum = simd.mul(half, simd.add(x[1], x[2]));
        [
            simd.add(x[0], sum),
            simd.mul(half, simd.sub(x[1], x[2])),
            simd.add(sum, x[3]),
        ]
    }
}
