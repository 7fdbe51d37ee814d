//! Bounds of the screens against distances in `f64`, from codes and from `f32`, on every instruction set.

use std::borrow::Cow;
use std::ops::Range;

use proptest::prelude::*;

use super::{Screen, Seek};
use crate::Scalar;
use crate::distance::form::{Kind, Map, Value};
use crate::kernel::tests::{cases, mixed, on_every_isa};
use crate::rows::Rows;
use crate::tile::side::{Frame, Side, frame_of};

/// Rows and queries in one frame.
struct Sides<'a, T: Scalar> {
    base: (Rows<'a, T>, Side<T>),
    queries: (Rows<'a, T>, Side<T>),
}

impl<'a, T: Scalar> Sides<'a, T> {
    fn new(map: Map<'_, T>, dim: usize, base: &[f64], queries: &[f64]) -> Self {
        let of = |values: &[f64]| {
            let values: Vec<T> = values.iter().map(|&x| T::from_f64(x)).collect();
            Rows::of(Cow::Owned(values), dim)
        };
        let (base, queries) = (of(base), of(queries));
        let frame: Frame<T> = frame_of(Kind::Chords(map, Value::Chord), &[&base]);
        let sides = (
            Side::new(map, &base, &frame),
            Side::new(map, &queries, &frame),
        );
        Self {
            base: (base, sides.0),
            queries: (queries, sides.1),
        }
    }

    /// The Euclidean distance of two mapped rows.
    fn chord(&self, query: usize, row: usize) -> f64 {
        let dim = self.base.1.dim;
        let a = &self.queries.1.data(&self.queries.0)[query * dim..][..dim];
        let b = &self.base.1.data(&self.base.0)[row * dim..][..dim];
        let squares = a
            .iter()
            .zip(b)
            .map(|(a, b)| (a.to_f64() - b.to_f64()).powi(2));
        squares.sum::<f64>().sqrt()
    }
}

/// Does the work on every instruction set and with every kind of screen, on one thread.
fn on_every_screen(mut work: impl FnMut(&str, bool) + Send) {
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    alone.expect("one thread can be had").install(|| {
        on_every_isa(|isa| {
            for codes in [false, true] {
                work(&format!("{isa:?}, codes: {codes}"), codes);
            }
        });
    });
}

fn intervals_hold_the_chords<T: Scalar>(
    sides: &Sides<'_, T>,
    columns: Range<usize>,
    share: f64,
    slack: f32,
) {
    let (base, queries) = (&sides.base, &sides.queries);
    let n = queries.0.len();
    on_every_screen(|what, codes| {
        let screen = Screen::new(&base.1, base.1.data(&base.0), codes);
        // Not all of the queries, so that places in the strips and in the set differ.
        let rows = n / 3..n;
        let strips = screen.strips(&queries.1, queries.1.data(&queries.0), rows.clone());
        let columns = columns.start / screen.width() * screen.width()..columns.end;
        // The bound lies at a share of the way from the nearest to the farthest.
        let bounds: Vec<f32> = rows
            .clone()
            .map(|row| {
                let chords = || columns.clone().map(|column| sides.chord(row, column));
                let nearest = chords().fold(f64::INFINITY, f64::min);
                (nearest + share * (chords().fold(0.0, f64::max) - nearest)) as f32
            })
            .collect();
        let mut hits = Vec::new();
        screen.hits(&strips, columns.clone(), &bounds, slack, &mut hits);
        let mut hit = vec![false; rows.len() * base.0.len()];
        for found in &hits {
            let (row, column) = (found.row as usize, found.column as usize);
            assert!(columns.contains(&column), "{what}");
            let was = std::mem::replace(&mut hit[row * base.0.len() + column], true);
            assert!(!was, "{what}: ({row}, {column}) comes twice");
            let chord = sides.chord(rows.start + row, column);
            assert!(
                f64::from(found.low) <= chord && chord <= f64::from(found.high),
                "{what}: chord {chord} of ({row}, {column}) is not in {} to {}",
                found.low,
                found.high
            );
        }
        for (row, bound) in bounds.iter().enumerate() {
            for column in columns.clone() {
                let chord = sides.chord(rows.start + row, column);
                assert!(
                    hit[row * base.0.len() + column]
                        || chord > f64::from(*bound)
                        || strips.is_lost(row),
                    "{what}: chord {chord} of ({row}, {column}) is at or below {bound} and lost"
                );
            }
        }
    });
}

/// Rows lie in the screen's base, centres in strips.
fn rivals_hold_the_answer<T: Scalar>(sides: &Sides<'_, T>, first: usize, share: f64) {
    let (base, centres) = (&sides.base, &sides.queries);
    let count = centres.0.len();
    on_every_screen(|what, codes| {
        let screen = Screen::new(&base.1, base.1.data(&base.0), codes);
        let strips = screen.strips(&centres.1, centres.1.data(&centres.0), 0..count);
        let rows = first / screen.width() * screen.width()..base.0.len();
        let chords: Vec<Vec<f64>> = (0..base.0.len())
            .map(|row| (0..count).map(|centre| sides.chord(centre, row)).collect())
            .collect();
        let sorted: Vec<Vec<f64>> = chords
            .iter()
            .map(|chords| {
                let mut sorted = chords.clone();
                sorted.sort_by(f64::total_cmp);
                sorted
            })
            .collect();
        // Squares of a chord between the nearest and the farthest.
        let limits: Vec<f32> = sorted
            .iter()
            .map(|sorted| (sorted[0] + share * (sorted[count - 1] - sorted[0])).powi(2) as f32)
            .collect();
        for seek in [Seek::Nearest, Seek::NearestTwo, Seek::Below] {
            let limits_given = (seek == Seek::Below).then_some(&limits[..]);
            let found = screen.rivals(&strips, rows.clone(), seek, 0.0, limits_given);
            let mut is_rival = vec![false; base.0.len() * count];
            for &(row, centre) in &found {
                let was =
                    std::mem::replace(&mut is_rival[row as usize * count + centre as usize], true);
                assert!(!was, "{what}: ({row}, {centre}) comes twice");
            }
            for row in rows.clone() {
                for centre in 0..count {
                    let chord = chords[row][centre];
                    let is_sought = match seek {
                        Seek::Nearest => chord <= sorted[row][0],
                        Seek::NearestTwo => chord <= sorted[row][1.min(count - 1)],
                        Seek::Below => chord * chord < f64::from(limits[row]),
                    };
                    assert!(
                        !is_sought || is_rival[row * count + centre],
                        "{what}, {seek:?}: centre {centre} of row {row} at {chord} is lost of {:?}",
                        sorted[row]
                    );
                }
            }
        }
    });
}

/// `(coordinates, base, queries)`: mixed in size, or a few whole numbers with many ties, or an offset that cancels.
fn two_sets() -> impl Strategy<Value = (usize, Vec<f64>, Vec<f64>)> {
    // One kind of entry for a whole set.
    let kinds: Vec<_> = vec![
        mixed().boxed(),
        (-1.0f64..1.0).boxed(),
        (-2i32..=2).prop_map(f64::from).boxed(),
        (-1.0f64..1.0).prop_map(|x| 1000.0 + x).boxed(),
        (-1.0f64..1.0).prop_map(|x| x * 1e-18).boxed(),
        (-1.0f64..1.0).prop_map(|x| x * 1e18).boxed(),
        prop_oneof![-1e15f64..1e15, mixed(), -1e-15f64..1e-15].boxed(),
    ];
    let most: (usize, usize, usize) = if cfg!(miri) {
        (9, 20, 6)
    } else {
        (40, 150, 70)
    };
    (
        prop::sample::select((0..kinds.len()).collect::<Vec<_>>()),
        1..=most.0,
        1..=most.1,
        1..=most.2,
    )
        .prop_flat_map(move |(kind, queries, rows, dim)| {
            let set = |count: usize| prop::collection::vec(kinds[kind].clone(), count * dim);
            (Just(dim), set(rows), set(queries))
        })
}

fn positive(values: &[f64]) -> Vec<f64> {
    values.iter().map(|x| x.abs()).collect()
}

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn hits_hold_every_chord_at_or_below_the_bound(
        (dim, base, queries) in two_sets(),
        (first, share) in (0usize..150, 0.0f64..1.0),
    ) {
        let columns = first.min(base.len() / dim - 1)..base.len() / dim;
        let run = |columns: Range<usize>| {
            for map in [Map::Identity, Map::Direction { centred: false }] {
                let sides = Sides::<f32>::new(map, dim, &base, &queries);
                intervals_hold_the_chords(&sides, columns.clone(), share, 0.0);
            }
            for map in [Map::Identity, Map::Direction { centred: true }] {
                let sides = Sides::<f64>::new(map, dim, &base, &queries);
                intervals_hold_the_chords(&sides, columns.clone(), share, 1e-5);
            }
            let sides = Sides::<f32>::new(Map::HalfRoots, dim, &positive(&base), &positive(&queries));
            intervals_hold_the_chords(&sides, columns, share, 0.0);
        };
        run(columns);
    }

    #[test]
    fn rivals_hold_the_nearest_the_two_nearest_and_all_below_a_limit(
        (dim, base, centres) in two_sets(),
        (first, share) in (0usize..150, 0.0f64..1.0),
    ) {
        let first = first.min(base.len() / dim - 1);
        let sides = Sides::<f32>::new(Map::Identity, dim, &base, &centres);
        rivals_hold_the_answer(&sides, first, share);
        let sides = Sides::<f64>::new(Map::Identity, dim, &base, &centres);
        rivals_hold_the_answer(&sides, first, share);
        let sides = Sides::<f32>::new(Map::Direction { centred: false }, dim, &base, &centres);
        rivals_hold_the_answer(&sides, first, share);
    }
}

/// Bounds that hold everything would pass the tests above.
#[test]
fn screens_leave_out_what_is_far_away() {
    let dim = 33;
    let place = |i: usize, k: usize| {
        let small = ((i * dim + k) as f64 * 0.618_034).fract() - 0.5;
        small + if i.is_multiple_of(2) { 100.0 } else { -100.0 }
    };
    let rows: Vec<f64> = (0..100 * dim).map(|at| place(at / dim, at % dim)).collect();
    let sides = Sides::<f32>::new(Map::Identity, dim, &rows, &rows[..2 * dim]);
    let (base, queries) = (&sides.base, &sides.queries);
    on_every_screen(|what, codes| {
        let screen = Screen::new(&base.1, base.1.data(&base.0), codes);
        let strips = screen.strips(&queries.1, queries.1.data(&queries.0), 0..2);
        let mut hits = Vec::new();
        // Rows of a group are nearer than √33, the groups 200 √33 apart.
        let bounds = [50.0; 2];
        screen.hits(&strips, 0..100, &bounds, 0.0, &mut hits);
        let mut pairs: Vec<(u32, u32)> = hits.iter().map(|hit| (hit.row, hit.column)).collect();
        pairs.sort_unstable_by_key(|&(row, column)| (column, row));
        let own: Vec<(u32, u32)> = (0..100).map(|column| (column % 2, column)).collect();
        assert_eq!(pairs, own, "{what}");
        let mut rivals = screen.rivals(&strips, 0..100, Seek::Nearest, 0.0, None);
        rivals.sort_unstable();
        let own: Vec<(u32, u32)> = (0..100).map(|row| (row, row % 2)).collect();
        assert_eq!(rivals, own, "{what}");
    });
}
