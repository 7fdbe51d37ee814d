//! Prototypes of classes against loops in `f64`.

#![allow(clippy::unwrap_used, reason = "tests: panics are failures")]

use std::collections::BTreeMap;

use metric_core::{Cosine, Error, Euclidean};
use metric_sampling::PrototypeError;
use metric_sampling::positives::ClassPrototypes;
use metric_testkit::oracle::{dot, euclidean, ranking};
use metric_testkit::strategy::labelled_grid_points;
use ndarray::{Array2, Axis, array, s};
use proptest::prelude::*;

/// Half a unit in the last place of 1.
const HALF: f64 = f32::EPSILON as f64 / 2.0;
/// The shortest mean that has a direction.
const SHORTEST: f64 = f32::EPSILON as f64;

fn matrix(rows: &[Vec<f64>]) -> Array2<f32> {
    Array2::from_shape_fn((rows.len(), rows[0].len()), |(i, j)| rows[i][j] as f32)
}

/// Zero rows get a direction.
fn directed(mut points: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    for point in &mut points {
        if point.iter().all(|&x| x == 0.0) {
            point[0] = 1.0;
        }
    }
    points
}

fn mean(points: &[&Vec<f64>]) -> Vec<f64> {
    let of = |j: usize| points.iter().map(|p| p[j]).sum::<f64>() / points.len() as f64;
    (0..points[0].len()).map(of).collect()
}

/// Of length 1; none for what is shorter than the documented length.
fn direction(point: &[f64]) -> Option<Vec<f64>> {
    let length = dot(point, point).sqrt();
    (length >= SHORTEST).then(|| point.iter().map(|x| x / length).collect())
}

fn by_class<'a>(points: &'a [Vec<f64>], labels: &[u32]) -> BTreeMap<u32, Vec<&'a Vec<f64>>> {
    let mut classes: BTreeMap<u32, Vec<&Vec<f64>>> = BTreeMap::new();
    for (point, &label) in points.iter().zip(labels) {
        classes.entry(label).or_default().push(point);
    }
    classes
}

/// Mean directions of classes that have one.
fn mean_directions(points: &[Vec<f64>], labels: &[u32]) -> BTreeMap<u32, Vec<f64>> {
    let units: Vec<Vec<f64>> = points.iter().map(|p| direction(p).unwrap()).collect();
    let classes = by_class(&units, labels);
    let of = |(label, units): (&u32, &Vec<&Vec<f64>>)| Some((*label, direction(&mean(units))?));
    classes.iter().filter_map(of).collect()
}

fn is_near(got: &[f32], want: &[f64], tolerance: f64) -> bool {
    let both = got.iter().zip(want);
    got.len() == want.len()
        && both
            .into_iter()
            .all(|(&g, w)| (f64::from(g) - w).abs() <= tolerance)
}

proptest! {
    #[test]
    fn prototypes_are_the_means_of_their_classes((points, labels) in labelled_grid_points(1..40, 6)) {
        // Labels need not be near each other.
        let labels: Vec<u32> = labels.iter().map(|label| label * 700_000_001).collect();
        let found = ClassPrototypes::of(matrix(&points).view(), &labels).unwrap();
        let classes = by_class(&points, &labels);
        prop_assert!(found.labels().iter().eq(classes.keys()));
        prop_assert_eq!(found.len(), classes.len());
        for (place, (label, members)) in classes.iter().enumerate() {
            // Sums on the grid are exact, so that only the division and the last rounding are left: the same for both.
            let want: Vec<f32> = mean(members).iter().map(|&x| x as f32).collect();
            prop_assert_eq!(found.get(*label), Some(&want[..]));
            prop_assert_eq!(found.rows().row(place).to_vec(), want);
            prop_assert_eq!(found.counts()[place], members.len() as u64);
        }
        prop_assert_eq!(found.get(4_000_000_001), None);
    }

    #[test]
    fn prototypes_on_the_sphere_are_mean_directions((points, labels) in labelled_grid_points(1..40, 6)) {
        let points = directed(points);
        let want = mean_directions(&points, &labels);
        let mut found = ClassPrototypes::spherical(points[0].len()).unwrap();
        found.recompute(matrix(&points).view(), &labels).unwrap();
        prop_assert!(found.labels().iter().eq(want.keys()));
        for (label, want) in &want {
            // One rounding to f32 of numbers up to 1. The means of 40 numbers err by 1e-15 or less, over the length of the shortest
            // that has a direction.
            prop_assert!(is_near(found.get(*label).unwrap(), want, HALF + 1e-8));
        }
    }

    #[test]
    fn an_update_moves_what_it_saw_by_the_momentum(
        (points, labels) in labelled_grid_points(4..40, 6),
        momentum in 0.0..=1.0f64,
        is_spherical: bool,
    ) {
        let points = directed(points);
        let dim = points[0].len();
        let mut found = match is_spherical {
            true => ClassPrototypes::spherical(dim),
            false => ClassPrototypes::new(dim),
        }.unwrap();
        for (points, labels) in points.chunks(4).zip(labels.chunks(4)) {
            let before = found.clone();
            found.update(matrix(points).view(), labels, momentum).unwrap();
            let means: BTreeMap<u32, Vec<f64>> = match is_spherical {
                true => mean_directions(points, labels),
                false => by_class(points, labels).iter().map(|(&label, p)| (label, mean(p))).collect(),
            };
            for (&label, mean) in &means {
                let got = found.get(label).unwrap();
                let Some(old) = before.get(label) else {
                    prop_assert!(is_near(got, mean, 1.5 * HALF + 1e-8));
                    continue;
                };
                let blend = |(&p, mean): (&f32, &f64)| momentum * f64::from(p) + (1.0 - momentum) * mean;
                let mut want: Vec<f64> = old.iter().zip(mean).map(blend).collect();
                let mut tolerance = 1.5 * HALF;
                if is_spherical {
                    let length = dot(&want, &want).sqrt();
                    // Both are directions of the same numbers up to 1e-15, over the length of the blend.
                    tolerance += 1e-14 / length.max(SHORTEST);
                    want = direction(&want).unwrap_or_else(|| old.iter().map(|&p| f64::from(p)).collect());
                }
                prop_assert!(is_near(got, &want, tolerance), "{got:?} is not {want:?}");
            }
            for &label in before.labels().iter().filter(|label| !means.contains_key(label)) {
                prop_assert_eq!(found.get(label), before.get(label));
            }
            let seen = |of: &ClassPrototypes| of.counts().iter().sum::<u64>();
            let counted = labels.iter().filter(|label| means.contains_key(label)).count();
            prop_assert_eq!(seen(&found), seen(&before) + counted as u64);
            prop_assert!(found.labels().is_sorted_by(|a, b| a < b));
        }
    }

    #[test]
    fn the_order_of_the_rows_does_not_matter(
        (points, labels) in labelled_grid_points(1..40, 6),
        seed in 0usize..1000,
    ) {
        let n = points.len();
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by_key(|&i| (i + 1) * (2 * seed + 7919) % 65_537);
        let rows = matrix(&points);
        let other: Vec<u32> = order.iter().map(|&i| labels[i]).collect();
        // Sums on the grid are exact in any order.
        prop_assert_eq!(
            ClassPrototypes::of(rows.view(), &labels).unwrap(),
            ClassPrototypes::of(rows.select(Axis(0), &order).view(), &other).unwrap()
        );
    }

    #[test]
    fn the_nearest_classes_are_those_of_a_full_ranking((points, labels) in labelled_grid_points(1..30, 8), k in 1usize..9) {
        // One row a class: prototypes on the grid, whose order of distances is exact.
        let first: BTreeMap<u32, Vec<f64>> = labels.iter().copied().zip(points).rev().collect();
        let (labels, points): (Vec<u32>, Vec<Vec<f64>>) = first.into_iter().unzip();
        let found = ClassPrototypes::of(matrix(&points).view(), &labels).unwrap();
        let near = found.nearest_classes(&Euclidean, k).unwrap();
        for (class, point) in points.iter().enumerate() {
            let distances: Vec<f64> = points.iter().map(|p| euclidean(point, p)).collect();
            let mut want = ranking(&distances, Some(class));
            want.truncate(k);
            prop_assert_eq!(near.indices.row(class).to_vec(), want);
        }
    }

    #[test]
    fn what_is_stored_comes_back_to_the_bit_and_goes_on_the_same(
        (points, labels) in labelled_grid_points(2..30, 6),
        momentum in 0.0..=1.0f64,
        is_spherical: bool,
    ) {
        let rows = matrix(&directed(points));
        let mut one = match is_spherical {
            true => ClassPrototypes::spherical(rows.ncols()),
            false => ClassPrototypes::new(rows.ncols()),
        }.unwrap();
        let half = rows.nrows() / 2;
        one.update(rows.slice(s![..half, ..]), &labels[..half], momentum).unwrap();
        let mut other: ClassPrototypes = serde_json::from_str(&serde_json::to_string(&one).unwrap()).unwrap();
        prop_assert_eq!(&other, &one);
        for prototypes in [&mut one, &mut other] {
            prototypes.update(rows.slice(s![half.., ..]), &labels[half..], momentum).unwrap();
        }
        let bits = |of: &ClassPrototypes| of.rows().iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        prop_assert_eq!(bits(&other), bits(&one));
        prop_assert_eq!(other, one);
    }
}

#[test]
fn prototypes_have_the_same_bits_for_any_number_of_threads() {
    let rows = Array2::from_shape_fn((3000, 7), |(i, j)| {
        ((i * 31 + j * 17) as f32 * 0.37).sin() * 3.0
    });
    let labels: Vec<u32> = (0..3000).map(|i| (i * i % 41) as u32).collect();
    let compute = || {
        let mut prototypes = ClassPrototypes::spherical(7).unwrap();
        prototypes.recompute(rows.view(), &labels).unwrap();
        let later = rows.slice(s![..;3, ..]);
        prototypes.update(later, &labels[..1000], 0.9).unwrap();
        prototypes
    };
    let found = [1, 2, 5].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().unwrap().install(compute)
    });
    assert_eq!(found[0], found[1]);
    assert_eq!(found[0], found[2]);
}

#[test]
fn extreme_rows_have_finite_prototypes() {
    for size in [f32::MAX, 1e18, 1e-18, f32::MIN_POSITIVE, 1e-45] {
        let rows = array![[size, 0.0], [size, 0.0], [0.0, size], [size, size]];
        let labels = [0, 0, 0, 1];
        let plain = ClassPrototypes::of(rows.view(), &labels).unwrap();
        assert!(plain.rows().iter().all(|x| x.is_finite()), "{size}");
        assert_eq!(plain.get(1).unwrap(), [size, size]);
        let mut sphere = ClassPrototypes::spherical(2).unwrap();
        sphere.recompute(rows.view(), &labels).unwrap();
        for (label, want) in [(0, [2.0, 1.0]), (1, [1.0, 1.0])] {
            let want = direction(&want).unwrap();
            // One rounding to f32, and some of f64.
            assert!(
                is_near(sphere.get(label).unwrap(), &want, HALF + 1e-14),
                "{size}"
            );
        }
    }
    // All coincide.
    let same = Array2::from_elem((50, 3), 0.1f32);
    let found = ClassPrototypes::of(same.view(), &[3; 50]).unwrap();
    assert_eq!(found.get(3).unwrap(), [0.1, 0.1, 0.1]);
    assert_eq!(
        found.nearest_classes(&Cosine, 4).unwrap().indices.dim(),
        (1, 0)
    );
}

#[test]
fn a_class_without_a_direction_has_no_prototype_and_changes_none() {
    let mut found = ClassPrototypes::spherical(2).unwrap();
    assert!(found.is_empty() && found.is_spherical());
    // Opposite ones, and three at 120 degrees, whose sum is not 0 but rounding.
    let third = 3f32.sqrt() / 2.0;
    let rows = array![
        [1.0f32, 0.0],
        [-4.0, 0.0],
        [0.0, 1.0],
        [third, -0.5],
        [-third, -0.5],
        [0.0, 3.0]
    ];
    found.recompute(rows.slice(s![..2, ..]), &[0, 0]).unwrap();
    assert!(found.is_empty());
    found.recompute(rows.slice(s![2..5, ..]), &[0; 3]).unwrap();
    assert!(found.is_empty());
    found.update(rows.slice(s![5.., ..]), &[0], 0.5).unwrap();
    assert_eq!(found.get(0).unwrap(), [0.0, 1.0]);
    let before = found.clone();
    found.update(rows.slice(s![..2, ..]), &[0, 0], 0.5).unwrap();
    assert_eq!(found, before);
    // A blend that cancels.
    found
        .update(array![[0.0f32, -2.0]].view(), &[0], 0.5)
        .unwrap();
    assert_eq!(found.get(0).unwrap(), [0.0, 1.0]);
    assert_eq!(found.counts(), [2]);
}

#[test]
fn a_recomputation_forgets_what_was_before() {
    let rows = array![[1.0f32, 2.0], [3.0, 4.0], [5.0, 7.0]];
    let mut found = ClassPrototypes::of(rows.view(), &[1, 2, 2]).unwrap();
    found.recompute(rows.view(), &[2, 2, 9]).unwrap();
    assert_eq!(found, ClassPrototypes::of(rows.view(), &[2, 2, 9]).unwrap());
    assert_eq!(found.labels(), [2, 9]);
}

#[test]
fn rows_of_any_layout_are_taken_as_they_are_seen() {
    let wide = array![[1.0f32, 0.0, 2.0], [3.0, 0.0, 4.0]];
    let found = ClassPrototypes::of(wide.slice(s![..;-1, ..;2]), &[5, 6]).unwrap();
    assert_eq!(found.get(5).unwrap(), [3.0, 4.0]);
    assert_eq!(found.place(6), Some(1));
    assert_eq!(found.dim(), 2);
}

fn data<T>(error: Error) -> Result<T, PrototypeError> {
    Err(PrototypeError::Data(error))
}

#[test]
fn bad_input_is_refused_and_changes_nothing() {
    let rows = array![[1.0f32, 2.0], [0.0, 0.0]];
    let empty = |what| Error::Empty { what };
    assert_eq!(ClassPrototypes::new(0), data(empty("prototypes")));
    assert_eq!(ClassPrototypes::spherical(0), data(empty("prototypes")));
    let none = rows.slice(s![..0, ..]);
    assert_eq!(ClassPrototypes::of(none, &[]), data(empty("rows")));
    let mut plain = ClassPrototypes::of(rows.view(), &[0, 1]).unwrap();
    let mut sphere = ClassPrototypes::spherical(2).unwrap();
    sphere
        .update(array![[3.0f32, 4.0]].view(), &[0], 0.5)
        .unwrap();
    let before = (plain.clone(), sphere.clone());
    let nan = array![[1.0f32, 2.0], [3.0, f32::NAN]];
    let (row, column, what) = (1, 1, "rows");
    let non_finite = Error::NonFinite { what, row, column };
    let dims = Error::DimMismatch { left: 2, right: 1 };
    let count = Error::LabelCount { rows: 2, labels: 1 };
    for prototypes in [&mut plain, &mut sphere] {
        assert_eq!(
            prototypes.recompute(nan.view(), &[0, 1]),
            data(non_finite.clone())
        );
        assert_eq!(
            prototypes.update(nan.view(), &[0, 1], 0.5),
            data(non_finite.clone())
        );
        assert_eq!(
            prototypes.recompute(array![[1.0f32]].view(), &[0]),
            data(dims.clone())
        );
        assert_eq!(
            prototypes.update(rows.view(), &[0], 0.5),
            data(count.clone())
        );
        assert_eq!(prototypes.recompute(none, &[]), data(empty("rows")));
        for got in [-0.1, 1.1, f64::NAN] {
            let refused = prototypes.update(rows.view(), &[0, 1], got).unwrap_err();
            assert!(matches!(
                refused,
                PrototypeError::InvalidParam {
                    name: "momentum",
                    ..
                }
            ));
        }
    }
    assert_eq!(
        sphere.recompute(rows.view(), &[0, 1]),
        data(Error::ZeroRow { what, row: 1 })
    );
    assert_eq!((&plain, &sphere), (&before.0, &before.1));
    assert_eq!(
        plain.nearest_classes(&Euclidean, 0),
        data(Error::ZeroNeighbors)
    );
    let none = ClassPrototypes::new(2)
        .unwrap()
        .nearest_classes(&Euclidean, 1);
    assert_eq!(none, data(empty("rows")));
}

#[test]
fn stored_prototypes_that_cannot_be_are_refused() {
    let good = r#"{"dim":1,"spherical":true,"labels":[3,4],"counts":[1,2],"rows":[1.0,-1.0]}"#;
    let read = |stored: &str| serde_json::from_str::<ClassPrototypes>(stored);
    assert_eq!(read(good).unwrap().get(4), Some(&[-1.0f32][..]));
    let bad = [
        ("\"dim\":1", "\"dim\":0", "at least one row and one column"),
        ("\"dim\":1", "\"dim\":2", "need 4 numbers, got 2"),
        (
            "\"dim\":1",
            "\"dim\":18446744073709551615",
            "numbers, got 2",
        ),
        ("[1,2]", "[1]", "2 stored prototypes need 2 counts, got 1"),
        ("[1,2]", "[1,0]", "that of class 4 has none"),
        ("[3,4]", "[4,4]", "number 1 does not"),
        ("[3,4]", "[5,4]", "number 1 does not"),
        ("-1.0", "-1.01", "length 1, but number 1 has 1.0"),
        ("-1.0", "1e39", ""),
    ];
    for (from, to, message) in bad {
        let error = read(&good.replace(from, to)).unwrap_err().to_string();
        assert!(error.contains(message), "{to}: {error}");
    }
}
