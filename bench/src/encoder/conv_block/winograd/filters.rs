//! Filters among the products' places, and their gradients back.

use metric_core::simd::{Kernel, Simd, run, transpose, widths};
use rayon::prelude::*;

use super::super::buffers::Lent;
use super::PLACES;
use super::lines::{Filter, FilterBack, Line};

/// `G g Gᵀ` in panels of two vectors' width: `[panels, places, terms, width]`, filled up with zeros.
#[derive(Debug)]
pub(super) struct Filters {
    pub(super) panels: Lent,
    pub(super) terms: usize,
    pub(super) filters: usize,
}

impl Filters {
    /// From weights: how many terms and filters, and how far each is from the next.
    pub(super) fn new(weights: &[f32], terms: (usize, usize), filters: (usize, usize)) -> Self {
        let (_, width) = widths::<f32>();
        let panel = PLACES * terms.0 * width;
        let mut panels = Lent::new(filters.0.div_ceil(width) * panel);
        panels
            .par_chunks_exact_mut(panel)
            .enumerate()
            .for_each(|(i, panel)| {
                let first = i * width;
                run(Panel {
                    weights: &weights[first * filters.1..],
                    terms,
                    filters: (width.min(filters.0 - first), filters.1),
                    panel,
                });
            });
        Self {
            panels,
            terms: terms.0,
            filters: filters.0,
        }
    }
}

struct Panel<'a> {
    weights: &'a [f32],
    terms: (usize, usize),
    filters: (usize, usize),
    panel: &'a mut [f32],
}

impl Kernel<f32> for Panel<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<f32>>(self, simd: S) {
        let width = 2 * S::LANES;
        let place = self.panel.len() / PLACES;
        let (count, apart) = self.filters;
        // Filters side by side.
        let mut beside = vec![0.0; 9 * width];
        for term in 0..self.terms.0 {
            let from = &self.weights[term * self.terms.1..];
            transpose((from, apart), (count, 9), (&mut beside, width));
            for half in [0, S::LANES] {
                let mut g = [[simd.zero(); 3]; 3];
                for i in 0..9 {
                    g[i / 3][i % 3] = simd.load(&beside[i * width + half..]);
                }
                let u = Filter::square(simd, g);
                for i in 0..PLACES {
                    let at = i * place + term * width + half;
                    simd.store(u[i / 4][i % 4], &mut self.panel[at..]);
                }
            }
        }
    }
}

/// `Gᵀ U G` of some terms' sums `[places, terms, filters]`, as `[terms, 9, filters]`.
pub(super) struct FilterGradients<'a> {
    pub(super) sums: &'a [f32],
    /// From a place to the next.
    pub(super) place: usize,
    pub(super) filters: usize,
    pub(super) rows: &'a mut [f32],
}

impl Kernel<f32> for FilterGradients<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<f32>>(self, simd: S) {
        let place = self.place;
        for (term, rows) in self.rows.chunks_exact_mut(9 * self.filters).enumerate() {
            for first in (0..self.filters).step_by(S::LANES) {
                let mut u = [[simd.zero(); 4]; 4];
                for i in 0..PLACES {
                    let at = i * place + term * self.filters + first;
                    u[i / 4][i % 4] = simd.load(&self.sums[at..]);
                }
                let g = FilterBack::square(simd, u);
                for i in 0..9 {
                    simd.store(g[i / 3][i % 3], &mut rows[i * self.filters + first..]);
                }
            }
        }
    }
}
