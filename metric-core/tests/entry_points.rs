//! Every function of whole matrices refuses what does not fit, and names it in the same words.

#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and results are exact"
)]

use metric_core::clusters::{KMeans, MiniBatchKMeans, inertia, silhouette};
use metric_core::linear::{Covariance, Estimator, Lda, Lmnn, Nca, Pca, Rca};
use metric_core::retrieval::{class_spread, retrieval_scores, retrieval_scores_against};
use metric_core::{
    Among, BruteForce, CosineSimilarity, Error, Euclidean, GreatCircle, Hellinger, InnerProduct,
    JensenShannon, Lorentz, Mahalanobis, Metric, NeighborIndex, Poincare, Relevance, VpTree,
    each_row, gather, gather_ends, gather_self, knn, knn_among, knn_among_self, knn_self,
    knn_where, one_to_many, paired, pairwise, pairwise_similarity, radius, radius_self, scatter,
    scatter_groups, walk, walk_both, walk_self,
};
use ndarray::{Array2, ArrayView1, ArrayView2, array};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::common::programs::Pieces;

type View<'a> = ArrayView2<'a, f32>;
type Pair = (
    &'static str,
    &'static str,
    &'static str,
    Box<dyn Fn(View<'_>, View<'_>) -> Option<Error>>,
);
type Single = (
    &'static str,
    &'static str,
    Box<dyn Fn(View<'_>) -> Option<Error>>,
);

fn rng() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(1)
}

/// Functions of two sets: their name, what they call the sets, and what they refuse.
fn of_two<D: Metric<f32> + Copy + 'static>(d: D) -> Vec<Pair> {
    macro_rules! calls {
        ($($name:literal, $left:literal, $right:literal: |$x:ident, $y:ident| $call:expr;)*) => {
            vec![$(($name, $left, $right, Box::new(move |$x: View<'_>, $y: View<'_>| $call.err()))),*]
        };
    }
    fn labels(x: View<'_>, y: View<'_>) -> (Vec<u32>, Vec<u32>) {
        (vec![1; x.nrows()], vec![1; y.nrows()])
    }
    calls! {
        "pairwise", "x", "y": |x, y| pairwise(&d, x, y);
        "one_to_many", "query", "rows": |x, y| {
            let query = if x.nrows() == 0 { ArrayView1::from(&[][..]) } else { x.row(0) };
            one_to_many(&d, query, y)
        };
        "paired", "x", "y": |x, y| paired(&d, x, y);
        "walk", "x", "y": |x, y| walk(&d, x, y, &Pieces);
        "walk_both", "x", "y": |x, y| walk_both(&d, (x, &Pieces), (y, &Pieces));
        "scatter", "x", "y": |x, y| scatter(&d, x, y, |_, _| {});
        "scatter_groups", "x", "y": |x, y| scatter_groups(&d, x, y, &[x.nrows()], |_, _| {});
        "gather", "x", "y": |x, y| gather(&d, x, y, |_, _, _| {});
        "each_row", "x", "y": |x, y| each_row(&d, x, y, |_, _| {});
        "knn", "queries", "base": |x, y| knn(&d, x, y, 2);
        "knn_where", "queries", "base": |x, y| knn_where(&d, x, y, 2, |_, _| true);
        "knn_among", "queries", "base": |x, y| {
            let (left, right) = labels(x, y);
            let relevance = Relevance::labels_against(&left, &right);
            knn_among(&d, x, y, 2, &relevance, Among::Relevant)
        };
        "radius", "queries", "base": |x, y| radius(&d, x, y, 1.0);
        "retrieval_scores_against", "queries", "reference": |x, y| {
            let (left, right) = labels(x, y);
            retrieval_scores_against(&d, x, y, &Relevance::labels_against(&left, &right), &[])
        };
        "BruteForce::knn", "queries", "rows": |x, y| {
            BruteForce::new(y, d).and_then(|index| index.knn(x, 2))
        };
        "BruteForce::radius", "queries", "rows": |x, y| {
            BruteForce::new(y, d).and_then(|index| index.radius(x, 1.0))
        };
        "VpTree::knn", "queries", "rows": |x, y| {
            VpTree::build(y, d, &mut rng()).and_then(|index| index.knn(x, 2))
        };
        "VpTree::radius", "queries", "rows": |x, y| {
            VpTree::build(y, d, &mut rng()).and_then(|index| index.radius(x, 1.0))
        };
    }
}

/// Functions of one set.
fn of_one<D: Metric<f32> + Copy + 'static>(d: D) -> Vec<Single> {
    macro_rules! calls {
        ($($name:literal, $what:literal: |$x:ident| $call:expr;)*) => {
            vec![$(($name, $what, Box::new(move |$x: View<'_>| $call.err()))),*]
        };
    }
    fn labels(x: View<'_>) -> Vec<u32> {
        (0..x.nrows() as u32).map(|i| i % 2).collect()
    }
    calls! {
        "walk_self", "x": |x| walk_self(&d, x, &Pieces);
        "gather_self", "x": |x| gather_self(&d, x, |_, _, _| {});
        "gather_ends", "x": |x| gather_ends(&d, x, |_, _, _| {});
        "knn_self", "rows": |x| knn_self(&d, x, 2);
        "knn_among_self", "rows": |x| {
            knn_among_self(&d, x, 2, &Relevance::labels(&labels(x)), Among::Relevant)
        };
        "radius_self", "rows": |x| radius_self(&d, x, 1.0);
        "BruteForce::new", "rows": |x| BruteForce::new(x, d);
        "VpTree::build", "rows": |x| VpTree::build(x, d, &mut rng());
        "silhouette", "rows": |x| silhouette(&d, x, &labels(x));
        "class_spread", "rows": |x| class_spread(&d, x, &labels(x));
        "retrieval_scores", "rows": |x| {
            retrieval_scores(&d, x, &Relevance::labels(&labels(x)), &[])
        };
    }
}

/// Functions of one set that take no distance.
fn of_rows() -> Vec<Single> {
    macro_rules! calls {
        ($($name:literal, $what:literal: |$x:ident| $call:expr;)*) => {
            vec![$(($name, $what, Box::new(|$x: View<'_>| $call.err()))),*]
        };
    }
    fn labels(x: View<'_>) -> Vec<u32> {
        (0..x.nrows() as u32).map(|i| i % 2).collect()
    }
    calls! {
        "KMeans", "rows": |x| KMeans::new(2).fit(x, &mut rng());
        "spherical KMeans", "rows": |x| KMeans::new(2).spherical().fit(x, &mut rng());
        "MiniBatchKMeans", "rows": |x| MiniBatchKMeans::new(2).fit(x, &mut rng());
        "inertia of rows", "rows": |x| inertia(x, array![[1.0f32, 2.0]].view(), &vec![0; x.nrows()]);
        "inertia of centres", "centres": |x| inertia(array![[1.0f32, 2.0]].view(), x, &[0]);
        "Covariance", "rows": |x| Covariance::fit(x, Estimator::Biased);
        "Mahalanobis::from_data", "rows": |x| Mahalanobis::from_data(x, Estimator::Biased);
        "Mahalanobis::from_map", "map": |x| Mahalanobis::from_map(x);
        "Pca", "rows": |x| Pca::components(1).fit(x);
        "Lda", "rows": |x| Lda::new().fit(x, &labels(x));
        "Nca", "rows": |x| Nca::new().fit(x, &labels(x));
        "Lmnn", "rows": |x| Lmnn::new(1).fit(x, &labels(x));
        "Rca", "rows": |x| {
            let groups: Vec<Option<u32>> = labels(x).into_iter().map(Some).collect();
            Rca::new().fit(x, &groups)
        };
    }
}

fn good() -> Array2<f32> {
    array![[0.1, 0.2], [0.4, 0.0], [0.3, 0.5], [0.0, 0.1]]
}

#[test]
fn good_rows_are_taken() {
    let good = good();
    for (name, .., call) in of_two(Euclidean) {
        assert_eq!(call(good.view(), good.view()), None, "{name}");
    }
    for (name, _, call) in of_one(Euclidean).into_iter().chain(of_rows()) {
        assert_eq!(call(good.view()), None, "{name}");
    }
}

#[test]
fn numbers_that_are_not_finite_are_named() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let good = good();
        let mut broken = good.clone();
        broken[[2, 1]] = bad;
        let refused = |what| {
            Some(Error::NonFinite {
                what,
                row: 2,
                column: 1,
            })
        };
        for (name, left, right, call) in of_two(Euclidean) {
            assert_eq!(call(good.view(), broken.view()), refused(right), "{name}");
            if name != "one_to_many" {
                assert_eq!(call(broken.view(), good.view()), refused(left), "{name}");
            }
        }
        for (name, what, call) in of_one(Euclidean).into_iter().chain(of_rows()) {
            assert_eq!(call(broken.view()), refused(what), "{name}");
        }
        for what in ["x", "y"] {
            let (x, y) = if what == "x" {
                (&broken, &good)
            } else {
                (&good, &broken)
            };
            let got = pairwise_similarity(&InnerProduct, x.view(), y.view());
            assert_eq!(got.err(), refused(what));
            let got = pairwise_similarity(&CosineSimilarity, x.view(), y.view());
            assert_eq!(got.err(), refused(what));
        }
        let query = array![0.0, bad];
        let refused = Error::NonFinite {
            what: "query",
            row: 0,
            column: 1,
        };
        assert_eq!(
            one_to_many(&Euclidean, query.view(), good.view()),
            Err(refused)
        );
    }
}

#[test]
fn sets_without_rows_or_columns_are_named() {
    let good = good();
    for shape in [(0, 2), (4, 0), (0, 0)] {
        let empty = Array2::zeros(shape);
        let refused = |what| Some(Error::Empty { what });
        for (name, left, right, call) in of_two(Euclidean) {
            assert_eq!(
                call(good.view(), empty.view()),
                refused(right),
                "{name}, {shape:?}"
            );
            assert_eq!(
                call(empty.view(), good.view()),
                refused(left),
                "{name}, {shape:?}"
            );
        }
        for (name, what, call) in of_one(Euclidean).into_iter().chain(of_rows()) {
            assert_eq!(call(empty.view()), refused(what), "{name}, {shape:?}");
        }
    }
}

#[test]
fn sets_of_different_width_are_named() {
    let (good, wide) = (good(), Array2::zeros((4, 3)));
    for (name, .., call) in of_two(Euclidean) {
        let refused = |left, right| Some(Error::DimMismatch { left, right });
        assert_eq!(call(good.view(), wide.view()), refused(2, 3), "{name}");
        assert_eq!(call(wide.view(), good.view()), refused(3, 2), "{name}");
    }
    let refused = Error::RowCount { left: 4, right: 3 };
    let short = Array2::zeros((3, 2));
    assert_eq!(paired(&Euclidean, good.view(), short.view()), Err(refused));
}

/// Rows out of the domain of a distance, with the column that offends where one does.
fn outside<D: Metric<f32> + Copy + 'static>(
    d: D,
    good: Array2<f32>,
    bad: [f32; 2],
    at: Option<usize>,
) {
    let mut broken = good.clone();
    broken.row_mut(2).assign(&ArrayView1::from(&bad));
    let is_named = |error: Option<Error>, name: &str| {
        let Some(Error::OutOfDomain { row, column, .. }) = error else {
            panic!("{name}: {error:?}");
        };
        assert_eq!((row, column), (Some(2), at), "{name}");
    };
    for (name, .., call) in of_two(d) {
        assert_eq!(call(good.view(), good.view()), None, "{name}");
        is_named(call(good.view(), broken.view()), name);
        if name != "one_to_many" {
            is_named(call(broken.view(), good.view()), name);
        }
    }
    for (name, _, call) in of_one(d) {
        is_named(call(broken.view()), name);
    }
    let query = one_to_many(&d, broken.row(2), good.view()).unwrap_err();
    assert!(
        matches!(query, Error::OutOfDomain { row: Some(0), .. }),
        "{query}"
    );
}

#[test]
fn rows_out_of_the_domain_are_named() {
    outside(Hellinger, good(), [0.1, -0.2], Some(1));
    outside(JensenShannon, good(), [-0.1, 0.2], Some(0));
    outside(Poincare, good(), [0.8, 0.8], None);
    outside(GreatCircle::unit(), good(), [1.6, 0.0], Some(0));
    let sheet = Array2::from_shape_fn((4, 2), |(i, j)| {
        let t = i as f32 / 3.0;
        if j == 0 { t.cosh() } else { t.sinh() }
    });
    outside(Lorentz, sheet, [0.5, 0.1], Some(0));
}

/// A reference to one that lives as long as the program, since only references to it can be copied.
fn mahalanobis() -> &'static Mahalanobis<f32> {
    Box::leak(Box::new(
        Mahalanobis::from_map(Array2::eye(3).view()).unwrap(),
    ))
}

#[test]
fn rows_of_another_width_than_a_distance_takes_are_named() {
    let named = |error: Option<Error>, distance: &str, name: &str| {
        let Some(Error::OutOfDomain {
            distance: d,
            row,
            got,
            ..
        }) = error
        else {
            panic!("{name}: {error:?}");
        };
        assert_eq!((d, row, got), (distance, Some(0), 2.0), "{name}");
    };
    let good = good();
    for (name, .., call) in of_two(mahalanobis()) {
        named(call(good.view(), good.view()), "mahalanobis", name);
    }
    for (name, _, call) in of_one(mahalanobis()) {
        named(call(good.view()), "mahalanobis", name);
    }
    let wide = Array2::<f32>::zeros((2, 3));
    let got = pairwise(&GreatCircle::unit(), wide.view(), wide.view()).unwrap_err();
    assert!(
        matches!(
            got,
            Error::OutOfDomain {
                row: Some(0),
                got: 3.0,
                ..
            }
        ),
        "{got}"
    );
}

#[test]
fn zero_neighbours_and_radii_that_are_none_are_refused() {
    let rows = good();
    let x = rows.view();
    let labels = [1, 2, 1, 2];
    let relevance = Relevance::labels(&labels);
    let brute = BruteForce::new(x, Euclidean).unwrap();
    let tree = VpTree::build(x, Euclidean, &mut rng()).unwrap();
    for refused in [
        knn(&Euclidean, x, x, 0).err(),
        knn_self(&Euclidean, x, 0).err(),
        knn_where(&Euclidean, x, x, 0, |_, _| true).err(),
        knn_among(&Euclidean, x, x, 0, &relevance, Among::Relevant).err(),
        knn_among_self(&Euclidean, x, 0, &relevance, Among::Relevant).err(),
        brute.knn(x, 0).err(),
        brute.knn_one(&[0.0, 0.0], 0).err(),
        tree.knn(x, 0).err(),
        Lmnn::new(0).fit(x, &labels).err(),
    ] {
        assert_eq!(refused, Some(Error::ZeroNeighbors));
    }
    for bad in [-1.0, -f32::MIN_POSITIVE, f32::NAN, f32::NEG_INFINITY] {
        for refused in [
            radius(&Euclidean, x, x, bad).err(),
            radius_self(&Euclidean, x, bad).err(),
            brute.radius(x, bad).err(),
            tree.radius(x, bad).err(),
        ] {
            let Some(Error::InvalidParam { name, got, .. }) = refused else {
                panic!("{bad}: {refused:?}");
            };
            assert_eq!((name, got.to_bits()), ("radius", f64::from(bad).to_bits()));
        }
    }
}

#[test]
fn labels_that_do_not_fit_are_counted() {
    let rows = good();
    let x = rows.view();
    let refused = Some(Error::LabelCount { rows: 4, labels: 3 });
    let relevance = Relevance::labels(&[1, 1, 1]);
    for got in [
        silhouette(&Euclidean, x, &[1, 2, 1]).err(),
        class_spread(&Euclidean, x, &[1, 2, 1]).err(),
        retrieval_scores(&Euclidean, x, &relevance, &[]).err(),
        retrieval_scores_against(&Euclidean, x, x, &relevance, &[]).err(),
        knn_among(&Euclidean, x, x, 1, &relevance, Among::Relevant).err(),
        knn_among_self(&Euclidean, x, 1, &relevance, Among::Relevant).err(),
    ] {
        assert_eq!(got, refused);
    }
    assert_eq!(
        silhouette(&Euclidean, x, &[1; 4]).err(),
        Some(Error::OneClass)
    );
}
