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

/// Three histograms of one length below `max_dim`: empty bins are frequent, totals near 1, `1e18`, `1e-18` or mixed, some
/// histograms are equal, nearly equal, or without mass.
pub fn three_histograms(max_dim: usize) -> impl Strategy<Value = [Vec<f64>; 3]> {
    let entry = prop_oneof![1 => Just(0.0), 3 => (0.0..1.0f64).prop_map(to_f32)];
    let scale = prop_oneof![
        Just(1.0),
        Just(1e18),
        Just(1e-18),
        (-18..=18).prop_map(|e| 10.0f64.powi(e))
    ];
    let scales = vec(scale, 3);
    (
        points(3..4, 1..max_dim, entry).prop_map(three),
        scales,
        0..6,
    )
        .prop_map(|([a, b, c], scales, kind)| {
            let c = match kind {
                0 => a.clone(),
                1 => a.iter().map(|x| to_f32(x * (1.0 + 1e-5))).rev().collect(),
                2 => a
                    .iter()
                    .zip(&b)
                    .map(|(x, y)| to_f32(x + 1e-4 * y))
                    .collect(),
                3 => vec![0.0; a.len()],
                _ => c,
            };
            let mut points = [a, b, c];
            for (point, scale) in points.iter_mut().zip(scales) {
                point.iter_mut().for_each(|x| *x = to_f32(*x * scale));
            }
            points
        })
}

/// Three points of one dimension below `max_dim` with norms from `radius`: independent, two of them near each other, or
/// on one line through the origin.
fn three_of_norm(
    max_dim: usize,
    radius: impl Strategy<Value = f64> + Clone,
) -> impl Strategy<Value = [Vec<f64>; 3]> {
    let directions = points(3..4, 1..max_dim, -1.0..1.0f64).prop_map(three);
    (directions, vec(radius, 3), 0..4).prop_map(|([a, b, c], radii, kind)| {
        let blend = |t: f64| -> Vec<f64> { a.iter().zip(&b).map(|(x, y)| x + t * y).collect() };
        let (b, c) = match kind {
            0 => (b, a.clone()),
            1 => (blend(1e-4), c),
            2 => (a.iter().map(|x| -x).collect(), a.clone()),
            _ => (b, c),
        };
        let mut points = [a, b, c];
        for (point, radius) in points.iter_mut().zip(radii) {
            let norm = point.iter().map(|x| x * x).sum::<f64>().sqrt().max(1e-3);
            point
                .iter_mut()
                .for_each(|x| *x = to_f32(*x * radius / norm));
        }
        points
    })
}

/// Three points of the open unit ball, many of them near its border, others near the origin.
pub fn three_in_ball(max_dim: usize) -> impl Strategy<Value = [Vec<f64>; 3]> {
    three_of_norm(
        max_dim,
        prop_oneof![
            (0.0..0.9f64),
            (0.5..6.0f64).prop_map(|e| 1.0 - 10.0f64.powf(-e)),
            Just(1e-18),
        ],
    )
}

/// Three points of the hyperboloid, up to 10 from its vertex; the first entry is rounded to `f32`.
pub fn three_on_hyperboloid(max_dim: usize) -> impl Strategy<Value = [Vec<f64>; 3]> {
    let radius = prop_oneof![
        (-5.0..4.0f64).prop_map(|e| 10.0f64.powf(e)),
        Just(1e-18),
        Just(0.0)
    ];
    three_of_norm(max_dim, radius).prop_map(|points| {
        points.map(|spatial| {
            let squares: f64 = spatial.iter().map(|x| x * x).sum();
            let mut point = vec![to_f32((1.0 + squares).sqrt())];
            point.extend(spatial);
            point
        })
    })
}

/// Three points as latitude and longitude: anywhere, near the poles, near each other, nearly opposite.
pub fn three_coordinates() -> impl Strategy<Value = [Vec<f64>; 3]> {
    use std::f64::consts::PI;
    // The largest `f32` below π/2: the nearest one is above.
    let pole = f64::from(f32::from_bits(std::f32::consts::FRAC_PI_2.to_bits() - 1));
    let latitude = prop_oneof![4 => -pole..pole, 1 => Just(pole), 1 => Just(-pole), 1 => Just(0.0)];
    let coordinates = vec((latitude, -2.0 * PI..2.0 * PI), 3);
    (coordinates, -18..0, 0..4).prop_map(move |(points, exponent, kind)| {
        let ((latitude, longitude), shift) = (points[0], 10.0f64.powi(exponent));
        let third = match kind {
            0 => (latitude, longitude),
            1 => (latitude + shift, longitude - shift),
            2 => (-latitude + shift, longitude - longitude.signum() * PI),
            _ => points[2],
        };
        [points[0], points[1], third].map(|(latitude, longitude)| {
            vec![to_f32(latitude.clamp(-pole, pole)), to_f32(longitude)]
        })
    })
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
