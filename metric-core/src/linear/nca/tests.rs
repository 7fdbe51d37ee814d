//! The gradient against central differences of the definition.

use ndarray::Array2;

use super::*;

fn rows() -> Array2<f64> {
    Array2::from_shape_fn((12, 4), |(i, j)| ((5 * i * j + 3 * i + j) as f64).sin())
}

/// `1 − f(A) / n`, as in the paper.
fn definition(rows: &Array2<f64>, labels: &[u32], map: &Array2<f64>) -> f64 {
    let z = rows.dot(&map.t());
    let n = rows.nrows();
    let kernel = |i: usize, j: usize| {
        let difference = &z.row(i) - &z.row(j);
        (-difference.dot(&difference)).exp()
    };
    let share = |i: usize| {
        let others = || (0..n).filter(|&j| j != i);
        let all: f64 = others().map(|j| kernel(i, j)).sum();
        let same: f64 = others()
            .filter(|&j| labels[i] == labels[j])
            .map(|j| kernel(i, j))
            .sum();
        same / all
    };
    1.0 - (0..n).map(share).sum::<f64>() / n as f64
}

#[test]
fn value_and_gradient_are_those_of_the_definition() {
    let rows = rows();
    // One label occurs once.
    let labels = [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 9];
    let problem = Problem::new(&rows, &labels).unwrap();
    let map = Array2::from_shape_fn((3, 4), |(i, j)| ((i + 2 * j + 1) as f64).cos());
    let (value, gradient) = problem.evaluate(&map);
    let want = definition(&rows, &labels, &map);
    // Sums of 12 terms below 1, of exponentials that are exact to a few ε.
    assert!((value - want).abs() <= 1e-13, "{value}, {want}");
    // Central differences with step h err by h² f‴ / 6, about 1e-9 for third derivatives below 100, and by ε / h = 2e-12.
    let h = 1e-5;
    for ((i, j), &got) in gradient.indexed_iter() {
        let moved = |by: f64| {
            let mut map = map.clone();
            map[[i, j]] += by;
            definition(&rows, &labels, &map)
        };
        let want = (moved(h) - moved(-h)) / (2.0 * h);
        assert!((got - want).abs() <= 2e-9, "({i}, {j}): {got}, {want}");
    }
}

#[test]
fn rows_far_from_all_others_have_a_finite_gradient() {
    let mut rows = rows();
    rows.row_mut(3).fill(1e3);
    let labels = [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2];
    let problem = Problem::new(&rows, &labels).unwrap();
    let (value, gradient) = problem.evaluate(&(Array2::eye(4) * 1e3));
    assert!((0.0..=1.0).contains(&value));
    assert!(gradient.iter().all(|x| x.is_finite()));
}
