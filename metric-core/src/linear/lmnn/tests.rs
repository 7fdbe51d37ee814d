//! The gradient against central differences of the definition.

use ndarray::Array2;

use super::*;

/// `ε(L) / n` as in the paper, and the least distance of a hinge from its kink.
fn definition(
    rows: &Array2<f64>,
    labels: &[usize],
    targets: &[Vec<usize>],
    push: f64,
    map: &Array2<f64>,
) -> (f64, f64) {
    let z = rows.dot(&map.t());
    let distance = |i: usize, j: usize| {
        let difference = &z.row(i) - &z.row(j);
        difference.dot(&difference)
    };
    let (mut sum, mut kink) = (0.0, f64::INFINITY);
    for i in 0..rows.nrows() {
        for &j in &targets[i] {
            sum += (1.0 - push) * distance(i, j);
            for l in (0..rows.nrows()).filter(|&l| labels[l] != labels[i]) {
                let hinge = 1.0 + distance(i, j) - distance(i, l);
                sum += push * hinge.max(0.0);
                kink = kink.min(hinge.abs());
            }
        }
    }
    (sum / rows.nrows() as f64, kink)
}

#[test]
fn value_and_gradient_are_those_of_the_definition() {
    let rows = Array2::from_shape_fn((12, 4), |(i, j)| ((5 * i * j + 3 * i + j) as f64).sin());
    // One class has one row: no targets, but an impostor.
    let labels = vec![0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 3];
    let start = Array2::eye(4);
    for push in [0.5, 0.2] {
        let problem = Problem::new(&rows, labels.clone(), &start, 2, push);
        assert!(problem.targets[11].is_empty());
        let map = Array2::from_shape_fn((3, 4), |(i, j)| 0.5 * ((i + 2 * j + 1) as f64).cos());
        let value_at = |map: &Array2<f64>| definition(&rows, &labels, &problem.targets, push, map);
        let (value, gradient) = problem.evaluate(&map);
        let (want, kink) = value_at(&map);
        // About 200 terms below 10, each exact to a few ε.
        assert!((value - want).abs() <= 1e-12, "{value}, {want}");
        // The loss is quadratic between kinks, where central differences are exact up to ε value / h.
        let h = 1e-6;
        assert!(kink > 100.0 * h, "{kink}");
        for ((i, j), &got) in gradient.indexed_iter() {
            let moved = |by: f64| {
                let mut map = map.clone();
                map[[i, j]] += by;
                value_at(&map).0
            };
            let want = (moved(h) - moved(-h)) / (2.0 * h);
            assert!((got - want).abs() <= 1e-8, "({i}, {j}): {got}, {want}");
        }
    }
}

#[test]
fn targets_are_the_nearest_of_the_class_and_ties_go_to_the_lowest_index() {
    let rows = ndarray::array![[0.0], [1.0], [-1.0], [3.0], [0.5]];
    let problem = Problem::new(&rows, vec![0, 0, 0, 0, 1], &Array2::eye(1), 1, 0.5);
    assert_eq!(
        problem.targets,
        [vec![1], vec![0], vec![0], vec![1], vec![]]
    );
}
