//! Suite `retrieval`: neighbours and the scores of a ranking.

use metric_core::retrieval::{RetrievalMetric, retrieval_scores, retrieval_scores_against};
use metric_core::{
    Angular, Cosine, Distance, Euclidean, Relevance, Scalar, SquaredEuclidean, knn, knn_self,
};
use ndarray::Array1;

use super::{Case, CaseError, Op, Outputs};

pub(super) const OPS: &[Op] = &[
    Op::generic("retrieval", "knn", neighbours::<f32>, neighbours::<f64>),
    Op::generic(
        "retrieval",
        "retrieval_metrics",
        scores::<f32>,
        scores::<f64>,
    ),
];

fn named<T: Scalar>(case: &Case, key: &str) -> Result<Box<dyn Distance<T>>, CaseError> {
    Ok(match case.str_param(key)? {
        "euclidean" => Box::new(Euclidean),
        "squared_euclidean" => Box::new(SquaredEuclidean),
        "cosine" => Box::new(Cosine),
        "angular" => Box::new(Angular),
        _ => return Err(case.params().wrong(key, "a distance that is known here")),
    })
}

fn neighbours<T: Scalar>(case: &Case) -> Result<Outputs, CaseError> {
    let x = case.matrix::<T>("x")?;
    let k = case.usize_param("k")?;
    let distance = named::<T>(case, "metric")?;
    let found = if case.bool_param("exclude_self")? {
        knn_self(distance.as_ref(), x.view(), k)
    } else {
        knn(distance.as_ref(), x.view(), x.view(), k)
    };
    let found = found.map_err(|e| case.refused(e))?;
    Ok(Outputs::new()
        .with("distances", &found.distances)
        .with_indices("indices", &found.indices))
}

fn scores<T: Scalar>(case: &Case) -> Result<Outputs, CaseError> {
    let metrics = case.params().words("metrics")?;
    let metrics: Vec<RetrievalMetric> = metrics
        .into_iter()
        .map(|name| {
            name.parse()
                .map_err(|e: metric_core::Error| case.refused(e))
        })
        .collect::<Result<_, _>>()?;
    let scores = if case.bool_param("self_retrieval")? {
        let rows = case.matrix::<T>("embeddings")?;
        let labels = case.labels("labels")?;
        retrieval_scores(
            &Euclidean,
            rows.view(),
            &Relevance::labels(&labels),
            &metrics,
        )
    } else {
        let (queries, reference) = (case.matrix::<T>("query")?, case.matrix::<T>("reference")?);
        let (labels, others) = (
            case.labels("query_labels")?,
            case.labels("reference_labels")?,
        );
        let relevance = Relevance::labels_against(&labels, &others);
        retrieval_scores_against(
            &Euclidean,
            queries.view(),
            reference.view(),
            &relevance,
            &metrics,
        )
    };
    let scores = scores.map_err(|e| case.refused(e))?;
    let values: Array1<f64> = scores.values.iter().map(|&(_, value)| value).collect();
    Ok(Outputs::new().with("values", &values))
}
