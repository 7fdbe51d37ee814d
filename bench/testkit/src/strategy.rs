//! Points and labels to try.

use std::ops::Range;

use proptest::collection::vec;
use proptest::prelude::*;

fn to_f32(value: f64) -> f64 {
    f64::from(value as f32)
}

/// Three points of one dimension below `max_dim`: ordinary, near `1e18`, near `1e-18`, of mixed size, partly coincident,
/// on a line, or far from the origin and close together.
pub fn three_points(max_dim: usize) -> impl Strategy<Value = [Vec<f64>; 3]> {
    let scaled = move |scale: f64| {
        points(
            3..4,
            1..max_dim,
            (-4.0..4.0f64).prop_map(move |x| to_f32(x * scale)),
        )
        .prop_map(three)
    };
    let mixed = (-1.0..1.0f64, -18..=18).prop_map(|(x, e)| to_f32(x * 10.0f64.powi(e)));
    prop_oneof![
        2 => scaled(1.0),
        1 => scaled(1e18),
        1 => scaled(1e-18),
        1 => points(3..4, 1..max_dim, mixed).prop_map(three),
        1 => scaled(1.0).prop_map(|[a, b, _]| [a.clone(), b, a]),
        1 => (scaled(1.0), -3.0..3.0f64).prop_map(|([a, b, _], t)| {
            let c = a.iter().zip(&b).map(|(x, y)| to_f32(x + t * (y - x))).collect();
            [a, b, c]
        }),
        1 => scaled(1e-3).prop_map(|p| p.map(|p| p.iter().map(|x| to_f32(1000.0 + x)).collect())),
    ]
}

fn three(mut points: Vec<Vec<f64>>) -> [Vec<f64>; 3] {
    let (c, b, a) = (points.pop(), points.pop(), points.pop());
    [a, b, c].map(Option::unwrap_or_default)
}

/// Points of one dimension with the given entries.
pub fn points(
    count: Range<usize>,
    dim: Range<usize>,
    entry: impl Strategy<Value = f64> + Clone,
) -> impl Strategy<Value = Vec<Vec<f64>>> {
    (count, dim).prop_flat_map(move |(count, dim)| vec(vec(entry.clone(), dim), count))
}

/// Points on a grid of quarters, fewer than 6 entries each: sums of squares are exact in `f32`, hence ties are ties and the order
/// of distances is the same in both precisions. Coincident points are frequent.
pub fn grid_points(count: Range<usize>) -> impl Strategy<Value = Vec<Vec<f64>>> {
    points(
        count,
        1..6,
        (-6..=6).prop_map(|quarters| f64::from(quarters) / 4.0),
    )
}

/// Points as [`grid_points`], with labels below `classes`.
pub fn labelled_grid_points(
    count: Range<usize>,
    classes: u32,
) -> impl Strategy<Value = (Vec<Vec<f64>>, Vec<u32>)> {
    grid_points(count).prop_flat_map(move |points| {
        let labels = vec(0..classes, points.len());
        (Just(points), labels)
    })
}
