//! Suite `distances`: matrices of all pairs.

use metric_core::{
    Angular, Canberra, Chebyshev, Cosine, Distance, Euclidean, InnerProduct, Mahalanobis,
    Manhattan, Minkowski, Scalar, SquaredEuclidean, pairwise, pairwise_similarity,
};

use super::{Case, CaseError, Op, Outputs};

const fn op(name: &'static str, single: super::RunCase, double: super::RunCase) -> Op {
    Op::generic("distances", name, single, double)
}

pub(super) const OPS: &[Op] = &[
    op(
        "euclidean",
        |case| matrix::<f32, _>(case, Euclidean),
        |case| matrix::<f64, _>(case, Euclidean),
    ),
    op(
        "squared_euclidean",
        |case| matrix::<f32, _>(case, SquaredEuclidean),
        |case| matrix::<f64, _>(case, SquaredEuclidean),
    ),
    op(
        "cosine",
        |case| matrix::<f32, _>(case, Cosine),
        |case| matrix::<f64, _>(case, Cosine),
    ),
    op(
        "angular",
        |case| matrix::<f32, _>(case, Angular),
        |case| matrix::<f64, _>(case, Angular),
    ),
    op("minkowski", minkowski::<f32>, minkowski::<f64>),
    op(
        "manhattan",
        |case| matrix::<f32, _>(case, Manhattan),
        |case| matrix::<f64, _>(case, Manhattan),
    ),
    op(
        "chebyshev",
        |case| matrix::<f32, _>(case, Chebyshev),
        |case| matrix::<f64, _>(case, Chebyshev),
    ),
    op(
        "canberra",
        |case| matrix::<f32, _>(case, Canberra),
        |case| matrix::<f64, _>(case, Canberra),
    ),
    op("inner_product", inner_product::<f32>, inner_product::<f64>),
    op("mahalanobis", mahalanobis::<f32>, mahalanobis::<f64>),
];

fn matrix<T: Scalar, D: Distance<T>>(case: &Case, distance: D) -> Result<Outputs, CaseError> {
    let (x, y) = (case.matrix::<T>("x")?, case.matrix::<T>("y")?);
    let distances = pairwise(&distance, x.view(), y.view()).map_err(|e| case.refused(e))?;
    Ok(Outputs::new().with("distances", &distances))
}

fn minkowski<T: Scalar>(case: &Case) -> Result<Outputs, CaseError> {
    let distance = Minkowski::new(case.f64_param("p")?).map_err(|e| case.refused(e))?;
    matrix::<T, _>(case, distance)
}

fn mahalanobis<T: Scalar>(case: &Case) -> Result<Outputs, CaseError> {
    let precision = case.matrix::<T>("precision")?;
    let distance = Mahalanobis::from_precision(precision.view()).map_err(|e| case.refused(e))?;
    matrix::<T, _>(case, distance)
}

fn inner_product<T: Scalar>(case: &Case) -> Result<Outputs, CaseError> {
    let (x, y) = (case.matrix::<T>("x")?, case.matrix::<T>("y")?);
    let products =
        pairwise_similarity(&InnerProduct, x.view(), y.view()).map_err(|e| case.refused(e))?;
    Ok(Outputs::new().with("distances", &products))
}
