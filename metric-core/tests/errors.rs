//! What is refused, and how it is named.

#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and laws hold exactly"
)]

use metric_core::retrieval::RetrievalMetric::{PrecisionAt1, RecallAt};
use metric_core::retrieval::{class_spread, retrieval_scores, retrieval_scores_against};
use metric_core::{
    Chebyshev, Distance, Error, Euclidean, InnerProduct, Mahalanobis, Minkowski, Relevance,
    SquaredEuclidean, knn, knn_self, pairwise, pairwise_similarity,
};
use ndarray::{Array2, array};

#[test]
fn data_that_do_not_fit_are_refused() {
    let x = array![[0.0f32, 1.0], [2.0, 3.0]];
    let narrow = array![[0.0f32]];
    let mismatch = Error::DimMismatch { left: 2, right: 1 };
    assert_eq!(
        pairwise(&Euclidean, x.view(), narrow.view()),
        Err(mismatch.clone())
    );
    assert_eq!(
        knn(&Euclidean, x.view(), narrow.view(), 1),
        Err(mismatch.clone())
    );
    assert_eq!(
        pairwise_similarity(&InnerProduct, x.view(), narrow.view()),
        Err(mismatch)
    );
    for shape in [(0, 2), (2, 0)] {
        let empty = Array2::<f32>::zeros(shape);
        let refused = Err(Error::Empty { what: "x" });
        assert_eq!(pairwise(&Euclidean, empty.view(), x.view()), refused);
        assert_eq!(
            knn_self(&Euclidean, empty.view(), 1),
            Err(Error::Empty { what: "rows" })
        );
    }
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut y = x.clone();
        y[[1, 0]] = bad;
        let refused = Error::NonFinite {
            what: "base",
            row: 1,
            column: 0,
        };
        assert_eq!(knn(&Euclidean, x.view(), y.view(), 1), Err(refused));
        let transposed = Error::NonFinite {
            what: "rows",
            row: 0,
            column: 1,
        };
        assert_eq!(knn_self(&Euclidean, y.t(), 1), Err(transposed));
    }
    assert_eq!(
        knn(&Euclidean, x.view(), x.view(), 0),
        Err(Error::ZeroNeighbors)
    );
    assert_eq!(knn_self(&Euclidean, x.view(), 0), Err(Error::ZeroNeighbors));
}

#[test]
fn of_all_broken_rows_of_a_base_the_first_is_named() {
    let query = array![[1.0f32, 1.0]];
    for bad in [f32::NAN, f32::INFINITY] {
        for (first, others) in [(0, [1, 30]), (9, [10, 39]), (20, [21, 22])] {
            // Equal to the query but for the broken entry.
            let mut base = Array2::<f32>::ones((40, 2));
            for row in others.into_iter().chain([first]) {
                base[[row, row % 2]] = bad;
            }
            let refused = Err(Error::NonFinite {
                what: "base",
                row: first,
                column: first % 2,
            });
            assert_eq!(knn(&Euclidean, query.view(), base.view(), 2), refused);
            assert_eq!(
                knn(&SquaredEuclidean, query.view(), base.view(), 2),
                refused
            );
            assert_eq!(knn(&Chebyshev, query.view(), base.view(), 2), refused);
        }
    }
    // Distances beyond the range are no fault of the rows.
    let far = array![[f32::MAX, 0.0], [-f32::MAX, 0.0]];
    let query = array![[f32::MAX, 1.0]];
    let found = knn(&SquaredEuclidean, query.view(), far.view(), 2).unwrap();
    assert_eq!(found.indices, array![[0, 1]]);
    assert_eq!(found.distances, array![[1.0, f32::INFINITY]]);
}

#[test]
fn scores_need_labels_and_something_to_find() {
    let x = array![[0.0f32, 1.0], [2.0, 3.0]];
    let score = |labels: &[u32]| {
        retrieval_scores(
            &Euclidean,
            x.view(),
            &Relevance::labels(labels),
            &[PrecisionAt1],
        )
    };
    assert_eq!(score(&[1]), Err(Error::LabelCount { rows: 2, labels: 1 }));
    assert_eq!(score(&[1, 2]), Err(Error::AllLone));
    let relevance = Relevance::labels_against(&[1, 1], &[1, 1, 1]);
    let got = retrieval_scores_against(&Euclidean, x.view(), x.view(), &relevance, &[]);
    assert_eq!(got, Err(Error::LabelCount { rows: 2, labels: 3 }));
    let got = retrieval_scores(
        &Euclidean,
        x.view(),
        &Relevance::labels(&[1, 1]),
        &[RecallAt(0)],
    );
    assert!(matches!(
        got,
        Err(Error::InvalidParam {
            name: "recall_at",
            ..
        })
    ));
    assert_eq!(
        class_spread(&Euclidean, x.view(), &[4, 4]),
        Err(Error::OneClass)
    );
    assert_eq!(
        class_spread(&Euclidean, x.view(), &[4, 5]),
        Err(Error::AllLone)
    );
    let refused = Err(Error::LabelCount { rows: 2, labels: 3 });
    assert_eq!(class_spread(&Euclidean, x.view(), &[4, 5, 6]), refused);
}

#[test]
fn orders_without_a_triangle_inequality_are_refused() {
    for p in [0.999, 0.0, -2.0, f64::NEG_INFINITY, f64::NAN] {
        assert!(
            matches!(
                Minkowski::new(p),
                Err(Error::InvalidParam { name: "p", .. })
            ),
            "{p}"
        );
    }
    assert!(Minkowski::new(f64::INFINITY).is_ok_and(|m| m.p().is_infinite()));
}

#[test]
fn precisions_must_be_symmetric_and_positive_definite() {
    let refusal = |p: Array2<f64>| Mahalanobis::from_precision(p.view()).unwrap_err();
    assert_eq!(
        refusal(Array2::zeros((0, 0))),
        Error::Empty { what: "precision" }
    );
    assert_eq!(
        refusal(Array2::ones((2, 3))),
        Error::NotSquare {
            rows: 2,
            columns: 3
        }
    );
    let refused = Error::NonFinite {
        what: "precision",
        row: 0,
        column: 1,
    };
    assert_eq!(refusal(array![[1.0, f64::NAN], [0.0, 1.0]]), refused);
    let refused = Error::NotSymmetric { row: 1, column: 0 };
    assert_eq!(refusal(array![[1.0, 0.5], [0.4, 1.0]]), refused);
    let refused = Error::NotPositiveDefinite { index: 1 };
    assert_eq!(refusal(array![[1.0, 0.0], [0.0, -1.0]]), refused);
    assert_eq!(refusal(array![[1.0, 2.0], [2.0, 1.0]]), refused);
    assert_eq!(refusal(array![[1.0, 1.0], [1.0, 1.0]]), refused);
    // Rank one, but rounding leaves the second pivot a positive rest.
    let (a, b) = (0.1, 0.7);
    assert_eq!(refusal(array![[a * a, a * b], [a * b, b * b]]), refused);
    // Rounding across the diagonal is let through.
    let nearly = array![[1.0f32, 0.5], [0.500_01, 1.0]];
    assert!(Mahalanobis::from_precision(nearly.view()).is_ok());
}

#[test]
#[should_panic(expected = "same length")]
fn slices_of_different_length_panic() {
    Euclidean.distance(&[1.0f32], &[1.0, 2.0]);
}

#[test]
fn messages_say_what_was_expected_and_what_came() {
    let message = Error::DimMismatch { left: 3, right: 4 }.to_string();
    assert_eq!(
        message,
        "dimension mismatch: left has 3 columns, right has 4"
    );
    let message = Minkowski::new(0.5).unwrap_err().to_string();
    assert_eq!(message, "p must be at least 1, got 0.5");
}
