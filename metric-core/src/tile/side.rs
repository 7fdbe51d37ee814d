//! One side of a walk, as its form wants it.

use std::borrow::Cow;

use ndarray::{ArrayView2, ArrayViewMut2};
use rayon::prelude::*;

use crate::distance::form::{Kind, Linear, Map, Terms};
use crate::kernel::pages::zeros;
use crate::kernel::scan;
use crate::rows::Rows;
use crate::{Scalar, lanes};

/// Rows that a task maps at a time.
const ROWS: usize = 256;

/// A shift and a scale for both sides, exact powers of two and sums of few of them: distances do not change but for
/// the scale, and large offsets do not cancel, large or small values do not leave the range.
#[derive(Debug, Clone)]
pub(crate) struct Frame<T> {
    /// Subtracted from every row; nothing if `None`.
    pub(crate) center: Option<Vec<T>>,
    /// Every difference is multiplied by it.
    pub(crate) scale: T,
    /// Distances may leave the range of the type.
    pub(crate) overflows: bool,
}

impl<T: Scalar> Frame<T> {
    pub(crate) fn unit() -> Self {
        Self {
            center: None,
            scale: T::ONE,
            overflows: false,
        }
    }

    /// The frame for rows of one set, or of two.
    ///
    /// The centre is the mean, rounded so coarsely that it is zero unless the offset is large against the spread: then
    /// rows on a grid of few digits stay on it, and ties stay ties.
    pub(crate) fn of(sides: &[&Rows<'_, T>]) -> Self {
        let dim = sides[0].dim();
        let moments: Vec<Moments> = sides
            .iter()
            .map(|side| Moments::of(side.data(), dim))
            .collect();
        let count: f64 = sides.iter().map(|side| side.len() as f64).sum();
        let mean: Vec<f64> = (0..dim)
            .map(|k| moments.iter().map(|m| m.sums[k]).sum::<f64>() / count)
            .collect();
        let squares = moments.iter().map(|m| m.squares).sum::<f64>() / count;
        let of_mean: f64 = mean.iter().map(|x| x * x).sum();
        let largest = moments.iter().map(|m| m.largest).fold(0.0, f64::max);
        let spread = ((squares - of_mean).max(0.0) / dim as f64).sqrt();
        let offset = mean
            .iter()
            .fold(0.0, |largest, x| f64::max(largest, x.abs()));
        // No finer than 20 digits of the offset: the centre is exact in both types.
        let grid = power_of_two((4.0 * spread).max(offset * 2f64.powi(-20)));
        let center: Vec<f64> = mean.iter().map(|x| (x / grid).round() * grid).collect();
        let is_centred = grid.is_finite() && grid > 0.0 && center.iter().any(|&x| x != 0.0);
        let reach = if is_centred {
            // The largest entry may be far from the others.
            largest + offset
        } else {
            largest
        };
        let scale = if reach >= T::SAFE_ENTRIES.0 && reach <= T::SAFE_ENTRIES.1 || reach == 0.0 {
            1.0
        } else {
            // In two steps the power would not overflow; the inverse of a power of two is one.
            T::LARGEST_POWER.min(1.0 / power_of_two(reach))
        };
        Self {
            center: (is_centred && offset < T::SAFE_ENTRIES.1)
                .then(|| center.into_iter().map(T::from_f64).collect()),
            scale: T::from_f64(scale),
            overflows: reach >= T::LARGEST.to_f64() / (4.0 * (dim as f64).sqrt()),
        }
    }

    /// Only the scale, which brings all entries below 2: for powers.
    pub(crate) fn scale_to_two(sides: &[&Rows<'_, T>]) -> Self {
        let largest = sides.iter().map(|side| scan::largest(side.data()).to_f64());
        let largest = largest.fold(0.0, f64::max);
        let scale = if largest > 0.0 {
            T::LARGEST_POWER.min(1.0 / power_of_two(largest))
        } else {
            1.0
        };
        Self {
            center: None,
            scale: T::from_f64(scale),
            overflows: false,
        }
    }

    fn is_identity(&self) -> bool {
        self.center.is_none() && self.scale.total_cmp(&T::ONE).is_eq()
    }

    /// The rows in this frame.
    pub(crate) fn apply<'r>(&self, rows: &'r [T], dim: usize) -> Cow<'r, [T]> {
        if self.is_identity() {
            return Cow::Borrowed(rows);
        }
        let mut moved = zeros(rows.len());
        moved
            .par_chunks_mut(ROWS * dim)
            .zip(rows.par_chunks(ROWS * dim))
            .for_each(|(moved, rows)| match &self.center {
                Some(center) => {
                    for (moved, row) in moved.chunks_exact_mut(dim).zip(rows.chunks_exact(dim)) {
                        for ((moved, &x), &c) in moved.iter_mut().zip(row).zip(center) {
                            *moved = (x - c) * self.scale;
                        }
                    }
                }
                None => {
                    for (moved, &x) in moved.iter_mut().zip(rows) {
                        *moved = x * self.scale;
                    }
                }
            });
        Cow::Owned(moved)
    }
}

/// The power of two at or below a positive number, 0 for 0.
fn power_of_two(x: f64) -> f64 {
    f64::from_bits(x.to_bits() & 0x7ff0_0000_0000_0000)
}

/// Sums over rows, the same for any number of threads.
struct Moments {
    /// Of each column.
    sums: Vec<f64>,
    /// Of all squares.
    squares: f64,
    /// Largest absolute entry.
    largest: f64,
}

impl Moments {
    fn of<T: Scalar>(rows: &[T], dim: usize) -> Self {
        let parts: Vec<Self> = rows
            .par_chunks(4 * ROWS * dim)
            .map(|rows| Self {
                sums: lanes::column_sums(rows, dim),
                squares: lanes::squared_norm(rows),
                largest: scan::largest(rows).to_f64(),
            })
            .collect();
        let mut all = Self {
            sums: vec![0.0; dim],
            squares: 0.0,
            largest: 0.0,
        };
        for part in parts {
            all.sums
                .iter_mut()
                .zip(part.sums)
                .for_each(|(sum, x)| *sum += x);
            all.squares += part.squares;
            all.largest = all.largest.max(part.largest);
        }
        all
    }
}

/// Mapped rows whose Euclidean distances are the chords.
#[derive(Debug)]
pub(crate) struct Side<T> {
    /// The mapped rows, one after another; the rows themselves if `None`.
    mapped: Option<Vec<T>>,
    pub(crate) dim: usize,
    /// `‖row‖²`, for Manhattan distances the sum of the row; NaN where the pair must be computed by its definition.
    pub(crate) norms: Vec<T>,
    /// A square of a chord, or a Manhattan distance, below the sum of both sides' limits has cancelled or underflowed.
    pub(crate) limits: Vec<T>,
    /// The chord of two mapped rows differs by at most the sum of their slacks, before rounding of the sum itself.
    pub(crate) slacks: Vec<f32>,
}

/// Share of the norms below which the square of a chord is computed again. The sum in `f32` is off by at most some
/// `2⁻²¹` of the norms for a thousand coordinates, which leaves `2⁻¹⁶` of the square.
const CANCELLED: f64 = 1.0 / 32.0;

/// The same for `Σ |a − b|` as a share of `Σ |a| + Σ |b|`, which bounds the error of the sums relative to the distance.
pub(crate) const CANCELLED_SUMS: f64 = 1.0 / 8.0;

impl<T: Scalar> Side<T> {
    pub(crate) fn new(map: Map<'_, T>, rows: &Rows<'_, T>, frame: &Frame<T>) -> Self {
        let n = rows.len();
        let moved = match map {
            Map::Identity | Map::Linear(_) => frame.apply(rows.data(), rows.dim()),
            Map::Direction { .. } | Map::HalfRoots => Cow::Borrowed(rows.data()),
        };
        let unit = T::EPSILON.to_f64() / 2.0;
        let mut doubtful: Vec<bool> = Vec::new();
        // Distances that are subnormal numbers round by more than their share.
        let mut slacks = vec![(frame.scale.to_f64() * T::LEAST) as f32; n];
        let (mapped, dim) = match map {
            Map::Identity => (moved, rows.dim()),
            Map::Linear(linear) => {
                let error = linear.error();
                for (slack, row) in slacks.iter_mut().zip(moved.chunks_exact(rows.dim())) {
                    *slack += (error * lanes::squared_norm(row).sqrt()) as f32;
                }
                (
                    Cow::Owned(linear_image(linear, &moved, rows.dim())),
                    linear.dim(),
                )
            }
            Map::Direction { centred } => {
                slacks.fill((8.0 * unit) as f32);
                doubtful = vec![false; n];
                (
                    Cow::Owned(directions(rows, centred, &mut doubtful)),
                    rows.dim(),
                )
            }
            Map::HalfRoots => {
                slacks.fill((8.0 * unit) as f32);
                doubtful = vec![false; n];
                (Cow::Owned(half_roots(rows, &mut doubtful)), rows.dim())
            }
        };
        let norms: Vec<f64> = mapped.par_chunks(dim).map(lanes::squared_norm).collect();
        let least = T::SAFE_SQUARES.0.to_f64();
        let limits = norms
            .iter()
            .map(|norm| T::from_f64((CANCELLED * norm).max(least)))
            .collect();
        let mut norms: Vec<T> = norms.into_iter().map(T::from_f64).collect();
        for (norm, doubtful) in norms.iter_mut().zip(doubtful) {
            if doubtful {
                *norm = T::from_f64(f64::NAN);
            }
        }
        Self {
            mapped: owned(mapped),
            dim,
            norms,
            limits,
            slacks,
        }
    }

    /// For Manhattan distances: with the sums of the entries in place of the norms.
    pub(crate) fn sums(rows: &Rows<'_, T>, frame: &Frame<T>) -> Self {
        let dim = rows.dim();
        let moved = frame.apply(rows.data(), dim);
        let norms = moved.par_chunks(dim).map(|row| lanes::total(row, |x| x));
        let sizes = moved.par_chunks(dim).map(|row| lanes::total(row, f64::abs));
        let least = T::SAFE_SQUARES.0.to_f64();
        Self {
            dim,
            norms: norms.map(T::from_f64).collect(),
            limits: sizes
                .map(|size| T::from_f64((CANCELLED_SUMS * size).max(least)))
                .collect(),
            slacks: Vec::new(),
            mapped: owned(moved),
        }
    }

    /// Length of a mapped row, in units of the distance; 0 where the pair must be computed by its definition.
    pub(crate) fn length(&self, row: usize, frame: &Frame<T>) -> f64 {
        let norm = self.norms[row].to_f64();
        let norm = if norm.is_nan() { 0.0 } else { norm };
        norm.sqrt() / frame.scale.to_f64()
    }

    /// The mapped rows, given those it was made of.
    pub(crate) fn data<'s>(&'s self, source: &'s Rows<'_, T>) -> &'s [T] {
        self.mapped.as_deref().unwrap_or(source.data())
    }
}

fn owned<T: Clone>(rows: Cow<'_, [T]>) -> Option<Vec<T>> {
    match rows {
        Cow::Owned(rows) => Some(rows),
        Cow::Borrowed(_) => None,
    }
}

fn linear_image<T: Scalar>(linear: &dyn Linear<T>, rows: &[T], from: usize) -> Vec<T> {
    let to = linear.dim();
    let mut mapped = zeros(rows.len() / from * to);
    // Every task makes the map's factor in its own type.
    let many = (rows.len() / from).div_ceil(8).clamp(ROWS, 8 * ROWS);
    mapped
        .par_chunks_mut(many * to)
        .zip(rows.par_chunks(many * from))
        .for_each(|(mapped, rows)| {
            let n = rows.len() / from;
            let rows = ArrayView2::from_shape((n, from), rows).expect("whole rows");
            let mapped = ArrayViewMut2::from_shape((n, to), mapped).expect("whole rows");
            linear.apply(rows, mapped);
        });
    mapped
}

/// Unit vectors; rows without a direction are doubtful and become zero.
fn directions<T: Scalar>(rows: &Rows<'_, T>, centred: bool, doubtful: &mut [bool]) -> Vec<T> {
    let dim = rows.dim();
    let mut units = zeros(rows.data().len());
    units
        .par_chunks_mut(dim)
        .zip(doubtful)
        .enumerate()
        .for_each(|(i, (unit, doubtful))| {
            let row = rows.row(i);
            // From the first entry, as the definition has it: a constant row has no direction, to the bit.
            let first = row[0].to_f64();
            let mean = if centred {
                row.iter().map(|x| x.to_f64() - first).sum::<f64>() / dim as f64
            } else {
                0.0
            };
            let deviation = |x: &T| x.to_f64() - first - mean;
            let squares = if centred {
                row.iter().map(|x| deviation(x) * deviation(x)).sum()
            } else {
                lanes::squared_norm(row)
            };
            if squares >= T::SAFE_NORMS.0 && squares <= T::SAFE_NORMS.1 {
                let inverse = 1.0 / squares.sqrt();
                if centred {
                    for (unit, x) in unit.iter_mut().zip(row) {
                        *unit = T::from_f64(deviation(x) * inverse);
                    }
                } else {
                    let inverse = T::from_f64(inverse);
                    for (unit, &x) in unit.iter_mut().zip(row) {
                        *unit = x * inverse;
                    }
                }
            } else {
                *doubtful = true;
            }
        });
    units
}

/// `√(p/2)` for rows scaled to sum 1; rows without mass are doubtful and become zero.
fn half_roots<T: Scalar>(rows: &Rows<'_, T>, doubtful: &mut [bool]) -> Vec<T> {
    let mut roots = zeros(rows.data().len());
    roots
        .par_chunks_mut(rows.dim())
        .zip(doubtful)
        .enumerate()
        .for_each(|(i, (roots, doubtful))| {
            let row = rows.row(i);
            let mass: f64 = row.iter().map(|x| x.to_f64()).sum();
            *doubtful = !(mass.is_normal() && mass > 0.0);
            if !*doubtful {
                for (root, x) in roots.iter_mut().zip(row) {
                    *root = T::from_f64((x.to_f64() / mass / 2.0).sqrt());
                }
            }
        });
    roots
}

impl<T: Scalar> Map<'_, T> {
    /// The largest square of a chord; rounding goes beyond it.
    pub(crate) fn largest_square(&self) -> T {
        T::from_f64(match self {
            Self::Identity | Self::Linear(_) => f64::INFINITY,
            Self::Direction { .. } => 4.0,
            Self::HalfRoots => 1.0,
        })
    }
}

/// The map of a form and the frame of its rows.
pub(crate) fn frame_of<T: Scalar>(kind: Kind<'_, T>, sides: &[&Rows<'_, T>]) -> Frame<T> {
    match kind {
        Kind::Manhattan | Kind::Chords(Map::Identity | Map::Linear(_), _) => Frame::of(sides),
        Kind::Terms(Terms::Minkowski(_)) => Frame::scale_to_two(sides),
        _ => Frame::unit(),
    }
}
