//! Walks over all pairs: what programs see, and what weights are multiplied into.

#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and results are exact"
)]

use metric_core::clusters::silhouette;
use metric_core::retrieval::RetrievalMetric::{
    MapAtR, MeanAveragePrecision, MeanReciprocalRank, PrecisionAt1, RPrecision, RecallAt,
};
use metric_core::retrieval::{class_spread, retrieval_scores};
use metric_core::{
    Error, Euclidean, Relevance, Scalar, SignalToNoise, SquaredEuclidean, each_row, gather,
    gather_ends, gather_self, pairwise, scatter, scatter_groups, walk, walk_both, walk_self,
};
use metric_testkit::oracle;
use ndarray::{Array1, Array2, ArrayViewMut2, s};

use crate::common::bits;
use crate::common::cases::{ensure, everywhere, row_sets};
use crate::common::programs::{Pieces, joined};

/// Rows of `x`, rows of `y` and columns: below, at and beyond whole tiles of both walks.
const SHAPES: [(usize, usize, usize); 7] = [
    (1, 1, 1),
    (13, 7, 31),
    (33, 40, 2),
    (256, 1, 4),
    (5, 513, 3),
    (257, 20, 5),
    (520, 3, 3),
];

fn walks_see_the_matrix<T: Scalar>() {
    everywhere::<T>(&SHAPES, |case, x, y| {
        let distance = case.distance();
        let matrix = pairwise(distance, x.view(), y.view()).unwrap();
        let seen = walk(distance, x.view(), y.view(), &Pieces).unwrap();
        for (i, (pieces, row)) in seen.iter().zip(matrix.rows()).enumerate() {
            ensure!(
                pieces.is_sorted_by_key(|piece| piece.0),
                "row {i} is not in order"
            );
            ensure!(bits(&joined(pieces)) == bits(row), "walk, row {i}");
        }
        let [of_x, of_y] = walk_both(distance, (x.view(), &Pieces), (y.view(), &Pieces)).unwrap();
        ensure!(
            [of_x.len(), of_y.len()] == [x.nrows(), y.nrows()],
            "{} and {} rows",
            of_x.len(),
            of_y.len()
        );
        for (lines, pieces) in [(matrix.rows(), of_x), (matrix.columns(), of_y)] {
            for (i, (pieces, line)) in pieces.iter().zip(lines).enumerate() {
                ensure!(bits(&joined(pieces)) == bits(line), "walk_both, row {i}");
            }
        }
        let whole = walk(distance, x.view(), x.view(), &Pieces).unwrap();
        let half = walk_self(distance, x.view(), &Pieces).unwrap();
        ensure!(half.len() == x.nrows(), "{} rows", half.len());
        for (i, (half, whole)) in half.iter().zip(&whole).enumerate() {
            ensure!(
                bits(&joined(half)) == bits(&joined(whole)),
                "walk_self, row {i}"
            );
        }
        Ok(())
    });
}

#[test]
fn programs_see_each_distance_of_the_matrix_once() {
    walks_see_the_matrix::<f32>();
    walks_see_the_matrix::<f64>();
}

fn sums_are_products<T: Scalar>() {
    let epsilon = T::EPSILON.to_f64();
    everywhere::<T>(&SHAPES, |case, x, y| {
        let distance = case.distance();
        // In [-1, 1], whatever the distance, and different for equal distances.
        let weight = |i: usize, j: usize, d: f64| {
            let sign = if (3 * i + j).is_multiple_of(5) {
                -1.0
            } else {
                1.0
            };
            f64::from((sign / (1.0 + d)) as f32)
        };
        let got = scatter(distance, x.view(), y.view(), |row, values| {
            let seen = values.to_vec();
            for (column, value) in values.iter_mut().enumerate() {
                *value = T::from_f64(weight(row, column, value.to_f64()));
            }
            seen
        })
        .unwrap();
        let matrix = pairwise(distance, x.view(), y.view()).unwrap();
        let rows = each_row(distance, x.view(), y.view(), |row, values| {
            (row, values.to_vec())
        })
        .unwrap();
        for (i, (row, expected)) in rows.iter().zip(matrix.rows()).enumerate() {
            ensure!(row.0 == i && bits(&row.1) == bits(expected), "row {i}");
        }
        ensure!(
            got.results.iter().eq(rows.iter().map(|row| &row.1)),
            "rows are seen as by each_row"
        );
        let weights =
            Array2::from_shape_fn(matrix.dim(), |(i, j)| weight(i, j, matrix[[i, j]].to_f64()));
        let (x, y) = (x.mapv(T::to_f64), y.mapv(T::to_f64));
        // Sums of n products are off by (n + 4) u of the sum of their sizes, in any order; beside it products that underflow.
        let near = |what: &str, got: Vec<T>, want: Array2<f64>, sizes: Array2<f64>, n: usize| {
            let limit = (n as f64 + 4.0) * epsilon;
            let least = if epsilon > 1e-10 { 1.4e-45 } else { 5e-324 };
            for (place, ((got, want), size)) in got.iter().zip(&want).zip(&sizes).enumerate() {
                let off = (got.to_f64() - want).abs();
                ensure!(
                    off <= limit * size + n as f64 * least,
                    "{what} at {place}: {got}, want {want}"
                );
            }
            ensure!(got.len() == want.len(), "{what}: {} numbers", got.len());
            Ok(())
        };
        let sizes = weights.mapv(f64::abs);
        let ones = |n: usize| Array2::from_elem((n, 1), 1.0);
        let (n, m) = weights.dim();
        let flat = |rows: &Array2<T>| rows.iter().copied().collect();
        let (rows, columns) = (flat(&got.rows), flat(&got.columns));
        near(
            "rows",
            rows,
            weights.dot(&y),
            sizes.dot(&y.mapv(f64::abs)),
            m,
        )?;
        near(
            "columns",
            columns,
            weights.t().dot(&x),
            sizes.t().dot(&x.mapv(f64::abs)),
            n,
        )?;
        near(
            "row sums",
            got.row_sums,
            weights.dot(&ones(m)),
            sizes.dot(&ones(m)),
            m,
        )?;
        near(
            "column sums",
            got.column_sums,
            weights.t().dot(&ones(n)),
            sizes.t().dot(&ones(n)),
            n,
        )
    });
}

#[test]
fn scattered_sums_are_products_with_the_matrix_of_weights() {
    sums_are_products::<f32>();
    sums_are_products::<f64>();
}

/// More rows and columns than a tile, and weights that tell where they belong.
#[test]
fn gathered_sums_are_products_with_the_matrix_of_weights() {
    let (n, m) = (1000, 700);
    let number = |i: usize| (i * i % 31) as f64 - 15.0;
    let x = Array2::from_shape_fn((n, 3), |(i, k)| number(i + 7 * k));
    let y = Array2::from_shape_fn((m, 3), |(j, k)| number(3 * j + k));
    let weight = |i: usize, j: usize, square: f64| (square % 7.0) + ((i + j) % 5) as f64 - 1.0;
    let sums = gather(
        &SquaredEuclidean,
        x.view(),
        y.view(),
        |row, first, values| {
            for (value, column) in values.iter_mut().zip(first..) {
                *value = weight(row, column, *value);
            }
        },
    )
    .unwrap();
    // Whole numbers far below 2⁵³: exact.
    let squares = pairwise(&SquaredEuclidean, x.view(), y.view()).unwrap();
    let weights = Array2::from_shape_fn((n, m), |(i, j)| weight(i, j, squares[[i, j]]));
    assert_eq!(sums.rows, weights.dot(&y));
    assert_eq!(sums.row_sums, weights.sum_axis(ndarray::Axis(1)).to_vec());
}

/// Few rows, those of a tile, and of several, whole and not.
#[test]
fn sums_gathered_from_half_the_pairs_are_products_with_symmetric_weights() {
    for n in [1, 5, 64, 130, 1000] {
        let number = |i: usize| (i * i % 31) as f64 - 15.0;
        let x = Array2::from_shape_fn((n, 3), |(i, k)| number(i + 7 * k));
        let squares = pairwise(&SquaredEuclidean, x.view(), x.view()).unwrap();
        let part =
            |i: usize, j: usize| (squares[[i, j]] % 7.0) * (i % 4 + 1) as f64 - (j % 3) as f64;
        let put =
            |weight: &dyn Fn(usize, usize) -> f64, row: usize, first: usize, values: &mut [f64]| {
                for (value, column) in values.iter_mut().zip(first..) {
                    assert_eq!(*value, squares[[row, column]]);
                    *value = weight(row, column);
                }
            };
        let sum = |i: usize, j: usize| part(i, j) + part(j, i);
        let asked = std::sync::Mutex::new(Array2::zeros((n, n)));
        let once = gather_self(&SquaredEuclidean, x.view(), |row, first, values| {
            let end = first + values.len();
            let mut asked = asked.lock().unwrap();
            asked
                .slice_mut(s![row, first..end])
                .mapv_inplace(|n: u32| n + 1);
            put(&sum, row, first, values);
        });
        let ends = gather_ends(&SquaredEuclidean, x.view(), |row, first, values| {
            put(&part, row, first, values);
        });
        // Whole numbers far below 2⁵³: exact.
        let weights = Array2::from_shape_fn((n, n), |(i, j)| sum(i, j));
        for sums in [once.unwrap(), ends.unwrap()] {
            assert_eq!(sums.rows, weights.dot(&x), "{n} rows");
            assert_eq!(sums.row_sums, weights.sum_axis(ndarray::Axis(1)).to_vec());
        }
        let asked = asked.into_inner().unwrap();
        let both = &asked + &asked.t();
        assert!(both.iter().all(|times| (1..=2).contains(times)));
        assert!(n < 500 || asked.sum() < (n * n) as u32 * 2 / 3);
    }
    let rows = Array2::from_shape_fn((3, 2), |(i, k)| (i + k * k) as f64);
    let refused = gather_self(&SignalToNoise, rows.view(), |_, _, _| {});
    assert_eq!(refused, Err(Error::AsymmetricDistance));
    let refused = gather_ends(&SignalToNoise, rows.view(), |_, _, _| {});
    assert_eq!(refused, Err(Error::AsymmetricDistance));
}

/// More rows than are held at a time.
#[test]
fn rows_of_several_waves_meet_in_the_columns() {
    let (n, m) = (150, 60_000);
    let number = |i: usize| (i * i % 31) as f64 - 15.0;
    let x = Array2::from_shape_fn((n, 2), |(i, k)| number(i + 7 * k));
    let y = Array2::from_shape_fn((m, 2), |(j, k)| number(3 * j + k));
    let weight = |i: usize, j: usize| ((i + j) % 5) as f64 - 1.0;
    let by_rows = scatter(&SquaredEuclidean, x.view(), y.view(), |row, values| {
        for (column, value) in values.iter_mut().enumerate() {
            *value = weight(row, column);
        }
        row
    })
    .unwrap();
    assert!(by_rows.results.iter().copied().eq(0..n));
    // Empty ones, single rows, more than a task takes, and more than are held.
    let groups = [0, 1, 0, 0, 7, 60, 2, 1, 70, 9, 0];
    let first = |group: usize| groups[..group].iter().sum::<usize>();
    let squares = pairwise(&SquaredEuclidean, x.view(), y.view()).unwrap();
    let of_groups = |group: usize, mut values: ArrayViewMut2<'_, f64>| {
        let rows = first(group)..first(group + 1);
        assert_eq!(values, squares.slice(s![rows.clone(), ..]));
        for ((row, column), value) in values.indexed_iter_mut() {
            *value = weight(rows.start + row, column);
        }
        group
    };
    let by_groups =
        scatter_groups(&SquaredEuclidean, x.view(), y.view(), &groups, of_groups).unwrap();
    assert!(by_groups.results.iter().copied().eq(0..groups.len()));
    // Whole numbers far below 2⁵³: exact.
    let weights = Array2::from_shape_fn((n, m), |(i, j)| weight(i, j));
    for sums in [by_rows, by_groups] {
        assert_eq!(sums.rows, weights.dot(&y));
        assert_eq!(sums.columns, weights.t().dot(&x));
        assert_eq!(sums.row_sums, weights.sum_axis(ndarray::Axis(1)).to_vec());
        assert_eq!(
            sums.column_sums,
            weights.sum_axis(ndarray::Axis(0)).to_vec()
        );
    }
}

#[test]
fn groups_have_all_rows() {
    let x = Array2::from_elem((5, 2), 1.0);
    for groups in [vec![], vec![4], vec![2, 4]] {
        let got = scatter_groups(&Euclidean, x.view(), x.view(), &groups, |_, _| {});
        let together: usize = groups.iter().sum();
        assert_eq!(
            got.unwrap_err().to_string(),
            format!("groups must be sizes that add up to the number of rows, got {together}")
        );
    }
}

/// `Σ ln(1 + d²) + Σ exp(−d²)`, as loops.
fn loss(x: &Array2<f64>, y: &Array2<f64>) -> f64 {
    let mut sum = 0.0;
    for a in x.rows() {
        for b in y.rows() {
            let square = oracle::squared_euclidean(&a.to_vec(), &b.to_vec());
            sum += square.ln_1p() + (-square).exp();
        }
    }
    sum
}

#[test]
fn scattered_derivatives_are_the_gradient_of_a_loss() {
    let rows = row_sets::<f64>(40, 4, 8)[0].1.clone();
    let (x, y) = rows.view().split_at(ndarray::Axis(0), 17);
    let (x, y) = (x.to_owned(), y.to_owned());
    let sums = scatter(&SquaredEuclidean, x.view(), y.view(), |_, squares| {
        for square in squares {
            *square = 1.0 / (1.0 + *square) - (-*square).exp();
        }
    })
    .unwrap();
    let gradient = |rows: &Array2<f64>, sums: Vec<f64>, products: &Array2<f64>| {
        let sums = Array1::from(sums).insert_axis(ndarray::Axis(1));
        2.0 * (&sums * rows - products)
    };
    let of_x = gradient(&x, sums.row_sums, &sums.rows);
    let of_y = gradient(&y, sums.column_sums, &sums.columns);
    // Central differences: h² times a sixth of a third derivative, which for 23 pairs of a row is below 23 · 20, and
    // ε times the loss, which is below 17 · 23 · 3, over h.
    let step = 1e-5;
    let limit = step * step / 6.0 * 460.0 + 4.0 * f64::EPSILON * 1200.0 / step;
    for ((i, k), &got) in of_x.indexed_iter() {
        let at = |shift: f64| {
            let mut x = x.clone();
            x[[i, k]] += shift;
            loss(&x, &y)
        };
        let want = (at(step) - at(-step)) / (2.0 * step);
        assert!(
            (got - want).abs() <= limit,
            "x[{i}, {k}]: {got}, want {want}"
        );
    }
    for ((j, k), &got) in of_y.indexed_iter() {
        let at = |shift: f64| {
            let mut y = y.clone();
            y[[j, k]] += shift;
            loss(&x, &y)
        };
        let want = (at(step) - at(-step)) / (2.0 * step);
        assert!(
            (got - want).abs() <= limit,
            "y[{j}, {k}]: {got}, want {want}"
        );
    }
}

fn scores_are_those_of_loops<T: Scalar>() {
    everywhere::<T>(&[(20, 13, 3), (200, 70, 5)], |case, x, y| {
        let distance = case.distance();
        let rows = ndarray::concatenate![ndarray::Axis(0), *x, *y];
        let n = rows.nrows();
        // One row is alone in its class.
        let labels: Vec<u32> = (0..n as u32)
            .map(|i| if i == 7 { 99 } else { i * i % 4 })
            .collect();
        let matrix = pairwise(distance, rows.view(), rows.view())
            .unwrap()
            .mapv(T::to_f64);
        let metrics = [
            PrecisionAt1,
            RecallAt(5),
            RPrecision,
            MapAtR,
            MeanAveragePrecision,
            MeanReciprocalRank,
        ];
        let scores =
            retrieval_scores(distance, rows.view(), &Relevance::labels(&labels), &metrics).unwrap();
        let mut sums = [0.0; 6];
        for i in (0..n).filter(|&i| i != 7) {
            let list: Vec<bool> = oracle::ranking(&matrix.row(i).to_vec(), Some(i))
                .into_iter()
                .map(|j| labels[j] == labels[i])
                .collect();
            let values = [
                oracle::recall_at(&list, 1),
                oracle::recall_at(&list, 5),
                oracle::r_precision(&list),
                oracle::map_at_r(&list),
                oracle::average_precision(&list, list.len()),
                oracle::reciprocal_rank(&list),
            ];
            sums.iter_mut()
                .zip(values)
                .for_each(|(sum, value)| *sum += value);
        }
        ensure!(scores.lone == 1, "{} lone queries", scores.lone);
        for ((metric, got), sum) in scores.values.into_iter().zip(sums) {
            let want = sum / (n - 1) as f64;
            // A sum of n terms, each a sum of at most n.
            let limit = 2.0 * n as f64 * f64::EPSILON;
            ensure!((got - want).abs() <= limit, "{metric}: {got}, want {want}");
        }

        // Sums of n² distances, none of them negative; asymmetric ones are seen from both sides.
        let relative = 2.0 * (n * n) as f64 * f64::EPSILON;
        let near = |got: f64, want: f64| got == want || (got - want).abs() <= relative * want;
        let mean = |same: bool| {
            let pairs = || {
                matrix
                    .indexed_iter()
                    .filter(|((i, j), _)| i != j && (labels[*i] == labels[*j]) == same)
            };
            pairs().map(|(_, d)| d).sum::<f64>() / pairs().count() as f64
        };
        let spread = class_spread(distance, rows.view(), &labels).unwrap();
        if case.name != "signal to noise" {
            ensure!(near(spread.within, mean(true)), "within {}", spread.within);
            ensure!(
                near(spread.between, mean(false)),
                "between {}",
                spread.between
            );
        }

        let found = silhouette(distance, rows.view(), &labels).unwrap();
        for (i, &got) in found.rows.iter().enumerate() {
            let mean = |label: u32| {
                let others = (0..n).filter(|&j| j != i && labels[j] == label);
                let count = others.clone().count() as f64;
                others.map(|j| matrix[[i, j]]).sum::<f64>() / count
            };
            let own = mean(labels[i]);
            let next = [0, 1, 99]
                .into_iter()
                .filter(|&label| label != labels[i])
                .map(mean)
                .fold(f64::INFINITY, f64::min);
            let want = if i == 7 || own == next {
                0.0
            } else if own < next {
                1.0 - own / next
            } else {
                next / own - 1.0
            };
            ensure!(
                (got - want).abs() <= relative,
                "silhouette {i}: {got}, want {want}"
            );
        }
        Ok(())
    });
}

#[test]
fn scores_are_those_of_loops_over_the_matrix() {
    scores_are_those_of_loops::<f32>();
    scores_are_those_of_loops::<f64>();
}

#[test]
fn walks_over_many_blocks_see_every_pair() {
    // Blocks of 128 rows meet in nine steps.
    let rows = row_sets::<f32>(1100, 3, 4)[0].1.mapv(|x| x as f32);
    let whole = walk(&Euclidean, rows.view(), rows.view(), &Pieces).unwrap();
    let half = walk_self(&Euclidean, rows.view(), &Pieces).unwrap();
    for (half, whole) in half.iter().zip(&whole) {
        assert_eq!(half.len(), 9);
        assert_eq!(joined(half), joined(whole));
    }
    // And with two blocks of another side, whichever of the two has more.
    let some = rows.slice(s![..200, ..]);
    for (x, y) in [(rows.view(), some), (some, rows.view())] {
        let [of_x, of_y] = walk_both(&Euclidean, (x, &Pieces), (y, &Pieces)).unwrap();
        let (of_rows, of_some) = if of_x.len() > of_y.len() {
            (of_x, of_y)
        } else {
            (of_y, of_x)
        };
        for (row, whole) in of_rows.iter().zip(&whole) {
            assert_eq!(row.len(), 2);
            assert_eq!(joined(row), joined(whole)[..200]);
        }
        for (row, whole) in of_some.iter().zip(&whole) {
            assert_eq!(row.len(), 9);
            assert_eq!(joined(row), joined(whole));
        }
    }
}
