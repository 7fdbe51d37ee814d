//! Rows against centres: the only place of this module where distances of rows are computed.
//!
//! [`Points`] are prepared once a fit, [`Centres`] change from iteration to iteration. The order of centres is that of
//! [`Euclidean`] distances as computed, equal ones by index. [`Points::nearest_two`] and [`Points::closer`] are where a
//! fit spends its time: the screen leaves out the distances that cannot matter, and what is left is computed by the
//! definition, so that the result has the bits of the plain loop.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::OnceLock;

use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

use crate::distance::fold;
use crate::distance::form::Map;
use crate::kernel::scan;
use crate::rows::Rows;
use crate::search::{Screen, Seek, Strips};
use crate::tile::chunks;
use crate::tile::side::{Frame, Side};
use crate::{Distance, Error, Euclidean, Scalar};

/// Rows whose sums are formed by one thread; fixed, so that the number of threads changes no sum.
pub(super) const CHUNK: usize = 1024;

/// The rows of a fit.
pub(super) struct Points<'a, T: Scalar> {
    rows: Rows<'a, T>,
    /// Made when first needed.
    ready: OnceLock<Ready<T>>,
}

struct Ready<T> {
    frame: Frame<T>,
    screen: Screen,
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
            ready: OnceLock::new(),
        })
    }

    fn ready(&self) -> &Ready<T> {
        self.ready.get_or_init(|| {
            let frame = Frame::of(&[&self.rows]);
            let side = Side::new(Map::Identity, &self.rows, &frame);
            let screen = Screen::new(&side, side.data(&self.rows), true);
            Ready { frame, screen }
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

    /// Nearest centre of every row.
    pub(super) fn nearest(&self, centres: &Centres<T>) -> Vec<u32> {
        let all = (&self.ready().screen, 0..self.len());
        let found = self.race(centres, all, Seek::Nearest, |row| row);
        found.into_iter().map(|nearest| nearest.index).collect()
    }

    /// Nearest and second nearest centre of the rows `which`, in that order.
    pub(super) fn nearest_two(&self, centres: &Centres<T>, which: &[usize]) -> Vec<Nearest<T>> {
        if which.len() == self.len() {
            let all = (&self.ready().screen, 0..self.len());
            return self.race(centres, all, Seek::NearestTwo, |row| row);
        }
        let data: Vec<T> = which
            .iter()
            .flat_map(|&row| self.row(row))
            .copied()
            .collect();
        if data.is_empty() {
            return Vec::new();
        }
        let rows = Rows::of(Cow::Owned(data), self.dim());
        let side = Side::new(Map::Identity, &rows, &self.ready().frame);
        let screen = self.ready().screen.of_others(&side, side.data(&rows));
        self.race(
            centres,
            (&screen, 0..which.len()),
            Seek::NearestTwo,
            |row| which[row],
        )
    }

    /// The rows of a screen, `row(i)` being the point that is row `i` there, against all centres.
    fn race(
        &self,
        centres: &Centres<T>,
        (screen, rows): (&Screen, Range<usize>),
        seek: Seek,
        row: impl Fn(usize) -> usize + Sync,
    ) -> Vec<Nearest<T>> {
        let strips = self.strips(&centres.values);
        let rivals = |rows: Range<usize>| {
            if self.ready().frame.overflows {
                // Distances beyond the range are equal, however far.
                let count = centres.len() as u32;
                rows.flat_map(|row| (0..count).map(move |centre| (row as u32, centre)))
                    .collect()
            } else {
                screen.rivals(&strips, rows, seek, self.slack(), None)
            }
        };
        chunks(rows, CHUNK)
            .collect::<Vec<_>>()
            .into_par_iter()
            .flat_map_iter(|chunk| {
                let first = chunk.start;
                let rivals = rivals(chunk.clone());
                let mut counts = vec![0u32; chunk.len()];
                for &(row, _) in &rivals {
                    counts[row as usize - first] += 1;
                }
                let mut found = vec![Nearest::none(); chunk.len()];
                for (place, index) in rivals {
                    let nearest = &mut found[place as usize - first];
                    if seek == Seek::Nearest && counts[place as usize - first] == 1 {
                        nearest.index = index;
                    } else {
                        let distance =
                            self.distance(row(place as usize), centres.row(index as usize));
                        nearest.offer(distance, index as usize);
                    }
                }
                found
            })
            .collect()
    }

    fn strips(&self, rows: &[T]) -> Strips {
        let rows = Rows::of(Cow::Borrowed(rows), self.dim());
        let side = Side::new(Map::Identity, &rows, &self.ready().frame);
        self.ready()
            .screen
            .strips(&side, side.data(&rows), 0..rows.len())
    }

    /// Bound of the relative error of a computed distance.
    fn slack(&self) -> f32 {
        ((self.dim() + 8) as f64 * T::EPSILON.to_f64()) as f32
    }

    /// The rows that are nearer to a candidate row than `current`, as `(row, candidate, distance)`, chunk by chunk.
    pub(super) fn closer(&self, candidates: &[usize], current: &[T]) -> Vec<Vec<(u32, u32, T)>> {
        let values: Vec<T> = candidates
            .iter()
            .flat_map(|&row| self.row(row))
            .copied()
            .collect();
        let ready = self.ready();
        let strips = self.strips(&values);
        let scale = ready.frame.scale.to_f64();
        let limits: Vec<f32> = current
            .par_iter()
            .map(|current| {
                let chord = current.to_f64() * scale;
                (chord * chord * 1.000_001) as f32 + f32::MIN_POSITIVE
            })
            .collect();
        chunks(0..self.len(), CHUNK)
            .collect::<Vec<_>>()
            .into_par_iter()
            .map(|rows| {
                let limits = Some(&*limits);
                let rivals = ready
                    .screen
                    .rivals(&strips, rows, Seek::Below, self.slack(), limits);
                let mut closer = Vec::with_capacity(rivals.len());
                for (row, candidate) in rivals {
                    let centre = self.row(candidates[candidate as usize]);
                    let distance = self.distance(row as usize, centre);
                    if distance < current[row as usize] {
                        closer.push((row, candidate, distance));
                    }
                }
                closer
            })
            .collect()
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
        let parts = self.rows.data().par_chunks(1 << 16);
        let largest = parts
            .map(|part| scan::largest(part).to_f64())
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
    fold::sum(a, b, |x, y| {
        let difference = x * inverse - y * inverse;
        difference * difference
    })
}
