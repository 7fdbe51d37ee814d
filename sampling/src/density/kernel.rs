//! Sums of Gaussian kernels over all pairs, kept as logarithms.

use metric_core::{Chord, Distance, Euclidean, RowProgram, simd, walk, walk_self};
use ndarray::ArrayView2;

use super::checks::{directed, enough, finite};
use crate::DensityError;

/// Distances that are turned into kernels at a time.
const SOME: usize = 512;
/// Distances beyond so many bandwidths count as so many: their squares are in the range of `f32`, and no kernel of them
/// is above 0.
const FAR: f32 = 1e18;
/// Exponents so far below the largest are nothing in `f64`, even of 2^32 rows: `2^32 e^−60 < 2^−53`.
const NOTHING: f64 = -60.0;

/// `Σⱼ exp(−½ zⱼ²)` over distances `zⱼ` in bandwidths, as `sum · exp(−½ nearest²)`: it neither under- nor overflows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct KernelSum {
    nearest: f32,
    sum: f64,
}

impl KernelSum {
    pub(super) const EMPTY: Self = Self {
        nearest: f32::INFINITY,
        sum: 0.0,
    };

    /// Adds the kernels of at most [`SOME`] distances; infinite ones are left out.
    fn add(&mut self, distances: &[f32], nearest: f32, inverse: f32) {
        let nearest = (nearest * inverse).min(FAR);
        if nearest < self.nearest {
            self.sum *= self.exponent_to(nearest).exp();
            self.nearest = nearest;
        } else if half_difference(self.nearest, nearest) < NOTHING {
            return;
        }
        let from = self.nearest;
        let mut held = [0.0; SOME];
        let kernels = &mut held[..distances.len()];
        kernels.copy_from_slice(distances);
        simd::map_in_place(kernels, move |distance| {
            let z = distance * inverse;
            // Not a number, for infinity times 0, is far as well.
            let z = if z < FAR { z } else { FAR };
            -0.5 * (z - from) * (z + from)
        });
        self.sum += f64::from(simd::exp_in_place(kernels, 1.0, 0.0));
    }

    /// Both sums in the units of the one with the nearer row.
    fn align(&mut self, other: &mut Self) {
        let nearest = self.nearest.min(other.nearest);
        for sum in [self, other] {
            if nearest < sum.nearest {
                sum.sum *= sum.exponent_to(nearest).exp();
                sum.nearest = nearest;
            }
        }
    }

    /// The sum over the rows of both.
    pub(super) fn plus(mut self, mut other: Self) -> Self {
        self.align(&mut other);
        self.sum += other.sum;
        self
    }

    /// What is left without some of the rows: not much more than rounding, if they were nearly all.
    pub(super) fn minus(mut self, mut other: Self) -> Self {
        self.align(&mut other);
        self.sum -= other.sum;
        self
    }

    /// Is it at least this share of another?
    pub(super) fn is_at_least(mut self, share: f64, mut other: Self) -> bool {
        self.align(&mut other);
        self.sum >= share * other.sum
    }

    /// The logarithm of the sum; of none, that of one row that is far.
    pub(super) fn log(self) -> f64 {
        let nearest = f64::from(self.nearest.min(FAR));
        let sum = if self.sum > 0.0 { self.sum } else { 1.0 };
        sum.ln() - 0.5 * nearest * nearest
    }

    fn exponent_to(&self, nearest: f32) -> f64 {
        half_difference(nearest, self.nearest)
    }
}

/// `½ (a² − b²)`
fn half_difference(a: f32, b: f32) -> f64 {
    let (a, b) = (f64::from(a), f64::from(b));
    0.5 * (a - b) * (a + b)
}

/// Which columns a row does not count.
#[derive(Debug, Clone, Copy)]
pub(super) enum LeftOut<'a> {
    Nothing,
    /// Itself, in its own place.
    Itself,
    /// Itself, in the places given.
    At(&'a [usize]),
    /// Itself and all that coincide with it.
    Copies,
}

/// The kernel sums of each row for some bandwidths.
pub(super) struct Sums<'a, const N: usize> {
    pub(super) inverses: [f32; N],
    pub(super) left_out: LeftOut<'a>,
}

impl<const N: usize> RowProgram<f32> for Sums<'_, N> {
    type State = [KernelSum; N];
    type Output = [KernelSum; N];

    fn start(&self, _: usize) -> Self::State {
        [KernelSum::EMPTY; N]
    }

    fn see(&self, state: &mut Self::State, row: usize, first: usize, distances: &[f32]) {
        let mut held = [0.0; SOME];
        for (first, distances) in (first..).step_by(SOME).zip(distances.chunks(SOME)) {
            let counted = &mut held[..distances.len()];
            counted.copy_from_slice(distances);
            let own = match self.left_out {
                LeftOut::Nothing => None,
                LeftOut::Itself | LeftOut::Copies => row.checked_sub(first),
                LeftOut::At(places) => places[row].checked_sub(first),
            };
            if let Some(own) = own.and_then(|own| counted.get_mut(own)) {
                *own = f32::INFINITY;
            }
            if let LeftOut::Copies = self.left_out {
                simd::map_in_place(counted, |d| if d > 0.0 { d } else { f32::INFINITY });
            }
            let nearest = -simd::largest(counted, -1.0);
            if nearest < f32::INFINITY {
                for (sum, &inverse) in state.iter_mut().zip(&self.inverses) {
                    sum.add(counted, nearest, inverse);
                }
            }
        }
    }

    fn finish(&self, _: usize, state: Self::State) -> Self::Output {
        state
    }
}

/// A Gaussian kernel of the distance of rows, or of their directions, and what makes a density of its mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Kernel {
    /// Of the bandwidth.
    pub(super) inverse: f32,
    /// Log density at the centre of a kernel.
    pub(super) log_peak: f64,
    pub(super) of_directions: bool,
}

impl Kernel {
    pub(super) fn check(
        &self,
        what: &'static str,
        rows: ArrayView2<'_, f32>,
    ) -> Result<(), DensityError> {
        if self.of_directions {
            directed(what, rows)
        } else {
            finite(what, rows)
        }
    }

    /// The sum of each row over the others.
    pub(super) fn sums_self(
        &self,
        rows: ArrayView2<'_, f32>,
    ) -> Result<Vec<KernelSum>, DensityError> {
        fn over<D: Distance<f32>>(
            distance: D,
            inverse: f32,
            rows: ArrayView2<'_, f32>,
        ) -> Result<Vec<[KernelSum; 1]>, DensityError> {
            let program = Sums {
                inverses: [inverse],
                left_out: LeftOut::Itself,
            };
            Ok(walk_self(&distance, rows, &program)?)
        }
        let sums = if self.of_directions {
            over(Chord, self.inverse, rows)
        } else {
            over(Euclidean, self.inverse, rows)
        };
        Ok(sums?.into_iter().flatten().collect())
    }

    /// The sum of each row over those of a bank; over none, nothing.
    pub(super) fn sums(
        &self,
        rows: ArrayView2<'_, f32>,
        bank: ArrayView2<'_, f32>,
        left_out: LeftOut<'_>,
    ) -> Result<Vec<KernelSum>, DensityError> {
        if rows.nrows() == 0 || bank.nrows() == 0 {
            return Ok(vec![KernelSum::EMPTY; rows.nrows()]);
        }
        let program = Sums {
            inverses: [self.inverse],
            left_out,
        };
        let sums = if self.of_directions {
            walk(&Chord, rows, bank, &program)
        } else {
            walk(&Euclidean, rows, bank, &program)
        };
        Ok(sums?.into_iter().flatten().collect())
    }

    /// The log density that a sum over so many rows is.
    pub(super) fn log_density(&self, sum: KernelSum, rows: usize) -> f64 {
        self.log_peak + sum.log() - (rows as f64).ln()
    }

    pub(super) fn log_density_self(
        &self,
        rows: ArrayView2<'_, f32>,
    ) -> Result<Vec<f64>, DensityError> {
        self.check("rows", rows)?;
        enough(2, rows.nrows())?;
        let sums = self.sums_self(rows)?.into_iter();
        Ok(sums
            .map(|sum| self.log_density(sum, rows.nrows() - 1))
            .collect())
    }

    pub(super) fn log_density_of(
        &self,
        queries: ArrayView2<'_, f32>,
        bank: ArrayView2<'_, f32>,
    ) -> Result<Vec<f64>, DensityError> {
        self.check("queries", queries)?;
        self.check("bank", bank)?;
        let sums = self.sums(queries, bank, LeftOut::Nothing)?.into_iter();
        Ok(sums
            .map(|sum| self.log_density(sum, bank.nrows()))
            .collect())
    }
}
