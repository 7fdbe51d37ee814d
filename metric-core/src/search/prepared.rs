//! A base set made ready for any number of searches.

use std::ops::Range;

use rayon::prelude::*;

use super::screen::Hit;
use super::{Candidates, Screen, by_rank};
use crate::distance::form::{Kind, Map, Value};
use crate::rows::Rows;
use crate::tile::side::{Frame, Side, frame_of};
use crate::tile::{Blocks, chunks};
use crate::{Distance, Scalar};

/// Queries that share the base's columns while they are in cache: a multiple of 12, 6 and 4.
const ROWS: usize = 192;
/// Columns between two looks at the bounds, at most.
const COLUMNS: usize = 2048;
/// Columns of the first look, when every column is a candidate.
const FIRST: usize = 64;

/// What is sought for every query.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal<T> {
    /// The `k` nearest.
    Nearest(usize),
    /// All within a distance.
    Within(T),
}

/// A base set and a distance, ready for searches.
#[derive(Debug)]
pub(crate) struct Prepared<'a, T: Scalar, D> {
    distance: D,
    base: Rows<'a, T>,
    screened: Option<Screened<T>>,
}

#[derive(Debug)]
struct Screened<T> {
    frame: Frame<T>,
    value: Value,
    side: Side<T>,
    screen: Screen,
    /// Bound of the lengths of the mapped rows, in units of the distance.
    longest: f64,
}

/// For every query its neighbours as `(index, distance)`, nearest first, equal ones by index.
pub(crate) type Found<T> = Vec<Vec<(usize, T)>>;

impl<'a, T: Scalar, D: Distance<T>> Prepared<'a, T, D> {
    pub(crate) fn new(distance: D, base: Rows<'a, T>) -> Self {
        Self::with(distance, base, true)
    }

    /// With codes only if they are wanted.
    pub(crate) fn with(distance: D, base: Rows<'a, T>, codes: bool) -> Self {
        let kind = distance.form().0;
        let screened = match kind {
            Kind::Chords(map, value) => {
                let frame = frame_of(kind, &[&base]);
                let side = side_of(map, value, &base, &frame);
                let longest = (0..base.len()).map(|row| side.length(row, &frame));
                let longest = longest.fold(0.0, f64::max);
                // Distances beyond the range are equal, whatever their chords.
                (longest + longest < in_range::<T>(value)).then(|| Screened {
                    screen: Screen::new(&side, side.data(&base), codes),
                    frame,
                    value,
                    side,
                    longest,
                })
            }
            _ => None,
        };
        Self {
            distance,
            base,
            screened,
        }
    }

    pub(crate) fn distance(&self) -> &D {
        &self.distance
    }

    pub(crate) fn base(&self) -> &Rows<'a, T> {
        &self.base
    }

    /// Searches for the queries, or for the base rows themselves if `None`.
    ///
    /// `admits(query, row)` says which rows count.
    pub(crate) fn search(
        &self,
        queries: Option<&Rows<'_, T>>,
        goal: Goal<T>,
        admits: &(impl Fn(usize, usize) -> bool + Sync),
    ) -> Found<T> {
        let rows = queries.unwrap_or(&self.base);
        match &self.screened {
            Some(screened) => match (queries, self.distance.form().0) {
                (Some(queries), Kind::Chords(map, value)) => {
                    let side = side_of(map, value, queries, &screened.frame);
                    self.screened(screened, (rows, &side), goal, admits)
                }
                _ => self.screened(screened, (rows, &screened.side), goal, admits),
            },
            None => self.tiled(rows, goal, admits),
        }
    }

    fn screened(
        &self,
        Screened {
            screen,
            value,
            frame,
            longest,
            ..
        }: &Screened<T>,
        (queries, side): (&Rows<'_, T>, &Side<T>),
        goal: Goal<T>,
        admits: &(impl Fn(usize, usize) -> bool + Sync),
    ) -> Found<T> {
        // The definition's own rounding, twice over.
        let slack = (self.base.dim() as f64 + 32.0)
            * T::EPSILON.to_f64().max(f64::from(f32::EPSILON) / 8.0);
        let slack = slack as f32;
        let start: Candidates<f32> = match goal {
            Goal::Nearest(k) => Candidates::nearest(k),
            Goal::Within(radius) => {
                let chord = chord_of(*value, radius.to_f64()) * frame.scale.to_f64();
                Candidates::below((chord * (1.0 + 2.0 * f64::from(slack)) + 1e-30) as f32)
            }
        };
        let is_far = |row| side.length(row, frame) + longest >= in_range::<T>(*value);
        let data = side.data(queries);
        let blocks: Vec<Range<usize>> = chunks(0..queries.len(), ROWS).collect();
        // With fewer blocks than threads the columns are shared out too; the result is the same however they are.
        let parts = (2 * rayon::current_num_threads())
            .div_ceil(blocks.len() + 1)
            .max(1);
        let size = self.base.len().div_ceil(parts).next_multiple_of(COLUMNS);
        blocks
            .into_par_iter()
            .flat_map_iter(|rows| {
                let strips = screen.strips(side, data, rows.clone());
                let mut found: Vec<Vec<Candidates<f32>>> = chunks(0..self.base.len(), size)
                    .collect::<Vec<_>>()
                    .into_par_iter()
                    .map(|columns| {
                        let mut candidates = vec![start.clone(); rows.len()];
                        let mut hits: Vec<Hit> = Vec::new();
                        let mut ends = Vec::new();
                        let mut bounds: Vec<f32> = vec![start.bound(); rows.len()];
                        for columns in growing(columns) {
                            screen.hits(&strips, columns, &bounds, slack, &mut hits);
                            for hit in &hits {
                                let (row, column) = (hit.row as usize, hit.column as usize);
                                if admits(rows.start + row, column) {
                                    candidates[row].offer(hit.low, hit.high, column);
                                }
                            }
                            for (bound, candidates) in bounds.iter_mut().zip(&mut candidates) {
                                candidates.tighten(&mut ends);
                                *bound = candidates.bound();
                            }
                        }
                        candidates
                    })
                    .collect();
                let mut all = found.swap_remove(0);
                let mut ends = Vec::new();
                for part in found {
                    for (candidates, others) in all.iter_mut().zip(part) {
                        candidates.merge(others);
                    }
                }
                rows.zip(all)
                    .map(|(row, mut candidates)| {
                        candidates.tighten(&mut ends);
                        if strips.is_lost(row % ROWS) || is_far(row) {
                            let columns =
                                (0..self.base.len()).filter(|&column| admits(row, column));
                            self.decide(queries.row(row), columns, goal)
                        } else {
                            self.decide(queries.row(row), candidates.columns(), goal)
                        }
                    })
                    .collect::<Vec<_>>()
            })
            .collect()
    }

    fn tiled(
        &self,
        queries: &Rows<'_, T>,
        goal: Goal<T>,
        admits: &(impl Fn(usize, usize) -> bool + Sync),
    ) -> Found<T> {
        const TILE: usize = 512;
        let pair = |a: &[T], b: &[T]| self.distance.distance(a, b);
        let blocks = Blocks::new(self.distance.form(), &pair, queries, Some(&self.base));
        let slack = blocks.slack();
        let (less, more) = (T::from_f64(1.0 - slack), T::from_f64(1.0 + slack));
        // Negated similarities are negative.
        let low = |value: T| value * if value < T::ZERO { more } else { less };
        let high = |value: T| value * if value < T::ZERO { less } else { more };
        // Where it is more: whole multiples of the least number.
        let least = T::from_f64(4.0 * T::LEAST);
        let start = match goal {
            Goal::Nearest(k) => Candidates::nearest(k),
            Goal::Within(radius) => Candidates::below(radius),
        };
        let height = blocks.rows_at_a_time();
        chunks(0..queries.len(), height)
            .collect::<Vec<_>>()
            .into_par_iter()
            .flat_map_iter(|rows| {
                let mut candidates = vec![start.clone(); rows.len()];
                let mut scratch = blocks.scratch();
                let mut ends = Vec::new();
                blocks.pack(&mut scratch, rows.clone());
                let mut tile = vec![T::ZERO; rows.len() * TILE];
                for columns in chunks(0..self.base.len(), TILE) {
                    blocks.block(&mut scratch, rows.clone(), columns.clone(), &mut tile, TILE);
                    let values = tile.chunks(TILE).map(|values| &values[..columns.len()]);
                    for ((row, candidates), values) in rows.clone().zip(&mut candidates).zip(values)
                    {
                        for (first, values) in (columns.start..).step_by(16).zip(values.chunks(16))
                        {
                            // Values above this have low ends above the bound.
                            let bound = high(high(candidates.bound())) + least;
                            if !values
                                .iter()
                                .fold(false, |any, &value| any | (value <= bound))
                            {
                                continue;
                            }
                            for (column, &value) in (first..).zip(values) {
                                if value <= bound && admits(row, column) {
                                    candidates.offer(
                                        low(value) - least,
                                        high(value) + least,
                                        column,
                                    );
                                }
                            }
                        }
                        candidates.tighten(&mut ends);
                    }
                }
                rows.zip(candidates)
                    .map(|(row, candidates)| {
                        self.decide(queries.row(row), candidates.columns(), goal)
                    })
                    .collect::<Vec<_>>()
            })
            .collect()
    }

    /// Compares a few columns by the definition.
    fn decide(
        &self,
        query: &[T],
        columns: impl Iterator<Item = usize>,
        goal: Goal<T>,
    ) -> Vec<(usize, T)> {
        let mut ranked: Vec<(T, usize)> = columns
            .map(|column| (self.distance.rank(query, self.base.row(column)), column))
            .collect();
        if let Goal::Nearest(k) = goal
            && k < ranked.len()
        {
            ranked.select_nth_unstable_by(k, by_rank);
            ranked.truncate(k);
        }
        ranked.sort_unstable_by(by_rank);
        let found = ranked
            .into_iter()
            .map(|(rank, column)| (column, self.distance.rank_to_distance(rank)));
        match goal {
            Goal::Nearest(_) => found.collect(),
            Goal::Within(radius) => {
                let mut found: Vec<(usize, T)> =
                    found.filter(|&(_, distance)| distance <= radius).collect();
                // Different ranks may round to one distance.
                found.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
                found
            }
        }
    }
}

/// A side whose slack knows the rounding of the values.
fn side_of<T: Scalar>(
    map: Map<'_, T>,
    value: Value,
    rows: &Rows<'_, T>,
    frame: &Frame<T>,
) -> Side<T> {
    let mut side = Side::new(map, rows, frame);
    if value == Value::Square {
        // Squares closer than the least number are equal.
        let slack = (T::LEAST.sqrt() * frame.scale.to_f64()) as f32;
        side.slacks.iter_mut().for_each(|own| *own += slack);
    }
    side
}

/// Chords below this, in units of the distance, have values that the type holds.
fn in_range<T: Scalar>(value: Value) -> f64 {
    let largest = T::LARGEST.to_f64() / 2.0;
    match value {
        Value::Square => largest.sqrt(),
        _ => largest,
    }
}

/// Parts of a range that double from a few columns to many.
fn growing(columns: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let mut next = columns.start;
    let mut size = FIRST;
    std::iter::from_fn(move || {
        let start = next;
        next = columns.end.min(start + size);
        if start > columns.start {
            size = (2 * size).min(COLUMNS);
        }
        (start < next).then_some(start..next)
    })
}

/// The chord at a value.
fn chord_of(value: Value, at: f64) -> f64 {
    match value {
        Value::Chord => at,
        Value::Square => at.sqrt(),
        Value::HalfSquare => (2.0 * at).sqrt(),
        Value::Cosine => (2.0 * (1.0 - at)).max(0.0).sqrt(),
        Value::Angle => 2.0 * (at.min(std::f64::consts::PI) / 2.0).sin(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_grow_and_cover_the_columns() {
        let parts: Vec<Range<usize>> = growing(64..5000).collect();
        assert_eq!(parts[..3], [64..128, 128..192, 192..320]);
        assert!(parts.windows(2).all(|w| w[0].end == w[1].start));
        assert_eq!(parts.last().map(|last| last.end), Some(5000));
    }
}
