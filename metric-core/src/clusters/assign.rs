//! Rows against centres: the only place of this module where distances of rows are computed.
//!
//! [`Points`] are prepared once a fit, [`Centres`] change from iteration to iteration. The order of centres is that of
//! [`Euclidean`] distances as computed, equal ones by index. [`Points::nearest_two`] and [`Points::closer`] are where a
//! fit spends its time; a faster inside may leave out a distance that cannot matter, but must return the same bits.

use std::ops::Range;

use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

use crate::rows::Rows;
use crate::walk::{BLOCK, TILE, chunks};
use crate::{Distance, Error, Euclidean, Scalar};

/// Rows whose sums are formed by one thread; fixed, so that the number of threads changes no sum.
pub(super) const CHUNK: usize = 1024;

/// The rows of a fit.
pub(super) struct Points<'a, T: Scalar> {
    rows: Rows<'a, T>,
}

/// Centres of one iteration, `[k, dim]`.
#[derive(Clone)]
pub(super) struct Centres<T> {
    values: Vec<T>,
    dim: usize,
}

/// The nearest centre of a row and the distance of the next, infinite if there is none.
#[derive(Clone, Copy)]
pub(super) struct Nearest<T> {
    pub(super) index: u32,
    pub(super) distance: T,
    pub(super) second: T,
}

impl<T: Scalar> Nearest<T> {
    fn none() -> Self {
        let infinite = T::from_f64(f64::INFINITY);
        Self {
            index: 0,
            distance: infinite,
            second: infinite,
        }
    }

    /// Indices must ascend from call to call.
    #[inline]
    fn offer(&mut self, distance: T, index: usize) {
        if distance < self.distance {
            self.second = self.distance;
            self.distance = distance;
            self.index = index as u32;
        } else if distance < self.second {
            self.second = distance;
        }
    }
}

impl<'a, T: Scalar> Points<'a, T> {
    pub(super) fn checked(what: &'static str, view: ArrayView2<'a, T>) -> Result<Self, Error> {
        Ok(Self {
            rows: Rows::checked(what, view)?,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn dim(&self) -> usize {
        self.rows.row(0).len()
    }

    #[inline]
    pub(super) fn row(&self, index: usize) -> &[T] {
        self.rows.row(index)
    }

    /// Nearest and second nearest centre of the rows `which`, in that order.
    pub(super) fn nearest_two(&self, centres: &Centres<T>, which: &[usize]) -> Vec<Nearest<T>> {
        which
            .par_chunks(BLOCK)
            .flat_map_iter(|block| {
                let mut found = vec![Nearest::none(); block.len()];
                for tile in chunks(0..centres.len(), TILE) {
                    for (&row, nearest) in block.iter().zip(&mut found) {
                        let row = self.row(row);
                        for index in tile.clone() {
                            nearest.offer(Euclidean.distance(row, centres.row(index)), index);
                        }
                    }
                }
                found
            })
            .collect()
    }

    /// Distances of all rows to the rows `candidates` where they are below `current` `[n]`, else `current`:
    /// `[n, candidates]`.
    pub(super) fn closer(&self, candidates: &[usize], current: &[T]) -> Vec<T> {
        let mut out = vec![T::ZERO; current.len() * candidates.len()];
        out.par_chunks_mut(candidates.len())
            .zip(current)
            .enumerate()
            .with_min_len(BLOCK)
            .for_each(|(row, (out, &current))| {
                let row = self.row(row);
                for (out, &candidate) in out.iter_mut().zip(candidates) {
                    let distance = Euclidean.distance(row, self.row(candidate));
                    *out = if distance < current {
                        distance
                    } else {
                        current
                    };
                }
            });
        out
    }

    /// Distance of a row to a centre, the same bits as in [`nearest_two`](Self::nearest_two).
    #[inline]
    pub(super) fn distance(&self, row: usize, centre: &[T]) -> T {
        Euclidean.distance(self.row(row), centre)
    }

    /// `Σ value(row)` over all rows, in chunks that are added up in order.
    pub(super) fn ordered_sum(&self, value: impl Fn(usize) -> f64 + Sync) -> f64 {
        let chunks: Vec<Range<usize>> = chunks(0..self.len(), CHUNK).collect();
        let sums: Vec<f64> = chunks
            .into_par_iter()
            .map(|rows| rows.map(&value).sum())
            .collect();
        sums.into_iter().sum()
    }

    /// The power of two next below the largest entry, by which squares are kept inside the range of `f64`.
    pub(super) fn scale(&self) -> f64 {
        let largest_of = |row| {
            self.row(row)
                .iter()
                .fold(0.0, |largest, x| f64::max(largest, x.to_f64().abs()))
        };
        let largest = (0..self.len())
            .into_par_iter()
            .map(largest_of)
            .reduce(|| 0.0, f64::max);
        let power = f64::from_bits(largest.to_bits() & f64::INFINITY.to_bits());
        if power > 0.0 {
            power
        } else {
            f64::MIN_POSITIVE
        }
    }
}

impl<T: Scalar> Centres<T> {
    pub(super) fn new(values: Vec<T>, dim: usize) -> Self {
        Self { values, dim }
    }

    pub(super) fn of_rows(points: &Points<'_, T>, rows: &[usize]) -> Self {
        let values = rows.iter().flat_map(|&row| points.row(row)).copied();
        Self::new(values.collect(), points.dim())
    }

    pub(super) fn len(&self) -> usize {
        self.values.len() / self.dim
    }

    #[inline]
    pub(super) fn row(&self, index: usize) -> &[T] {
        &self.values[index * self.dim..][..self.dim]
    }

    pub(super) fn row_mut(&mut self, index: usize) -> &mut [T] {
        &mut self.values[index * self.dim..][..self.dim]
    }

    pub(super) fn into_array(self) -> Array2<T> {
        let shape = (self.len(), self.dim);
        Array2::from_shape_vec(shape, self.values).expect("every centre has dim values")
    }
}

/// `Σ ((aᵢ − bᵢ)/scale)²` in `f64`, for a power of two as scale.
pub(super) fn scaled_square<T: Scalar>(a: &[T], b: &[T], scale: f64) -> f64 {
    let inverse = 1.0 / scale;
    let square = |(x, y): (&T, &T)| {
        let difference = x.to_f64() * inverse - y.to_f64() * inverse;
        difference * difference
    };
    a.iter().zip(b).map(square).sum()
}
