//! Rows of 16 bits give what the same rows give once widened.

#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and results are exact"
)]

use half::{bf16, f16};
use metric_core::{
    Among, BruteForce, CosineSimilarity, Element, Error, Euclidean, InnerProduct, NeighborIndex,
    Relevance, each_row, gather, gather_ends, gather_self, knn, knn_among, knn_among_self,
    knn_self, knn_where, one_to_many, paired, pairwise, pairwise_similarity, radius, radius_self,
    scatter, walk, walk_both, walk_self,
};
use ndarray::{Array2, ArrayView2, s};

use crate::common::cases::{cases, row_sets};
use crate::common::programs::Pieces;

/// Every function of whole matrices, on rows as stored and on rows widened before.
fn same<E: Element<Acc = f32>>(
    stored: ArrayView2<'_, E>,
    distance: &dyn metric_core::Distance<f32>,
) {
    let wide: Array2<f32> = stored.mapv(E::widen);
    let (x, y) = (stored.slice(s![..40, ..]), stored.slice(s![40.., ..]));
    let (wide_x, wide_y) = (wide.slice(s![..40, ..]), wide.slice(s![40.., ..]));
    let labels: Vec<u32> = (0..stored.nrows() as u32).map(|i| i % 3).collect();
    let relevance = Relevance::labels(&labels);
    let against = Relevance::labels_against(&labels[..40], &labels[40..]);
    let filter = |i: usize, j: usize| !(i + j).is_multiple_of(3);
    let weigh = |_, values: &mut [f32]| values.iter_mut().for_each(|d| *d = 1.0 / (1.0 + *d));
    let weigh_some = |_, _, values: &mut [f32]| weigh(0, values);
    macro_rules! same {
        ($stored:expr, $wide:expr) => {
            assert_eq!($stored.unwrap(), $wide.unwrap(), "{}", stringify!($stored))
        };
    }
    same!(pairwise(distance, x, y), pairwise(distance, wide_x, wide_y));
    same!(
        pairwise_similarity(&InnerProduct, x, y),
        pairwise_similarity(&InnerProduct, wide_x, wide_y)
    );
    same!(
        pairwise_similarity(&CosineSimilarity, x, y),
        pairwise_similarity(&CosineSimilarity, wide_x, wide_y)
    );
    same!(
        one_to_many(distance, x.row(3), y),
        one_to_many(distance, wide_x.row(3), wide_y)
    );
    let (first, wide_first) = (y.slice(s![..40, ..]), wide_y.slice(s![..40, ..]));
    same!(
        paired(distance, x, first),
        paired(distance, wide_x, wide_first)
    );
    same!(
        walk(distance, x, y, &Pieces),
        walk(distance, wide_x, wide_y, &Pieces)
    );
    same!(
        walk_both(distance, (x, &Pieces), (y, &Pieces)),
        walk_both(distance, (wide_x, &Pieces), (wide_y, &Pieces))
    );
    same!(
        walk_self(distance, stored, &Pieces),
        walk_self(distance, wide.view(), &Pieces)
    );
    same!(
        scatter(distance, x, y, weigh),
        scatter(distance, wide_x, wide_y, weigh)
    );
    same!(
        gather(distance, x, y, weigh_some),
        gather(distance, wide_x, wide_y, weigh_some)
    );
    // Some distances are refused.
    assert_eq!(
        gather_self(distance, stored, weigh_some),
        gather_self(distance, wide.view(), weigh_some)
    );
    assert_eq!(
        gather_ends(distance, stored, weigh_some),
        gather_ends(distance, wide.view(), weigh_some)
    );
    let row = |row, values: &mut [f32]| (row, values.to_vec());
    same!(
        each_row(distance, x, y, row),
        each_row(distance, wide_x, wide_y, row)
    );
    let near = knn(distance, x, y, 5).unwrap();
    let some = near.distances[[0, 4]];
    same!(Ok::<_, Error>(near), knn(distance, wide_x, wide_y, 5));
    same!(
        knn_self(distance, stored, 4),
        knn_self(distance, wide.view(), 4)
    );
    same!(
        radius(distance, x, y, some),
        radius(distance, wide_x, wide_y, some)
    );
    same!(
        radius_self(distance, stored, some),
        radius_self(distance, wide.view(), some)
    );
    same!(
        knn_where(distance, x, y, 3, filter),
        knn_where(distance, wide_x, wide_y, 3, filter)
    );
    same!(
        knn_among(distance, x, y, 3, &against, Among::Relevant),
        knn_among(distance, wide_x, wide_y, 3, &against, Among::Relevant)
    );
    same!(
        knn_among_self(distance, stored, 3, &relevance, Among::Irrelevant),
        knn_among_self(distance, wide.view(), 3, &relevance, Among::Irrelevant)
    );
    let (index, wide_index) = (
        BruteForce::new(y, distance).unwrap(),
        BruteForce::new(wide_y, distance).unwrap(),
    );
    same!(index.knn(wide_x, 3), wide_index.knn(wide_x, 3));
    same!(index.radius(wide_x, some), wide_index.radius(wide_x, some));
}

fn every_distance<E: Element<Acc = f32>>(narrow: impl Fn(f32) -> E) {
    let mut sets = 0;
    for (set, rows) in row_sets::<f32>(90, 5, 4) {
        for case in cases::<f32>(5) {
            let stored = case.domain.rows::<f32>(&rows).mapv(&narrow);
            let wide = stored.mapv(E::widen);
            let fits = wide.iter().all(|x| x.is_finite())
                && wide
                    .rows()
                    .into_iter()
                    .all(|row| case.distance().check(&row.to_vec()).is_ok());
            if !fits {
                continue;
            }
            if case.name == "euclidean" {
                sets += 1;
            }
            same(stored.view(), case.distance());
            // The same rows, one column after another in memory.
            let turned = stored.t().as_standard_layout().into_owned();
            let got = pairwise(case.distance(), turned.t(), stored.view()).unwrap();
            let want = pairwise(case.distance(), wide.view(), wide.view()).unwrap();
            assert_eq!(got, want, "{}, {set}", case.name);
        }
    }
    // Rows that the type cannot hold are left out; most sets it can.
    assert!(sets >= 11, "{sets} sets");
}

#[test]
fn half_precision_rows_give_what_they_give_widened() {
    every_distance(f16::from_f32);
}

#[test]
fn brain_floats_give_what_they_give_widened() {
    every_distance(bf16::from_f32);
}

#[test]
fn sixteen_bits_that_are_no_number_are_refused() {
    let refused = |what| Error::NonFinite {
        what,
        row: 1,
        column: 0,
    };
    for bad in [f16::NAN, f16::INFINITY, f16::NEG_INFINITY] {
        let rows = ndarray::array![[f16::ONE, f16::ZERO], [bad, f16::ONE]];
        let got = knn_self(&Euclidean, rows.view(), 1);
        assert_eq!(got, Err(refused("rows")));
        let got = walk_self(&Euclidean, rows.view(), &Pieces);
        assert_eq!(got, Err(refused("x")));
    }
    let rows = ndarray::array![[bf16::ONE, bf16::ZERO], [bf16::NAN, bf16::ONE]];
    assert_eq!(
        pairwise(&Euclidean, rows.view(), rows.view()),
        Err(refused("x"))
    );
}
