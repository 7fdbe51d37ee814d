//! Suite `retrieval`: neighbours, the scores of a ranking, clusters and the scores of a clustering.

use metric_core::clusters::{KMeans, Normalizer, Start, ami, ari, nmi, v_measure};
use metric_core::retrieval::{RetrievalMetric, retrieval_scores, retrieval_scores_against};
use metric_core::{
    Angular, Cosine, Distance, Euclidean, Relevance, Scalar, SquaredEuclidean, knn, knn_self,
};
use ndarray::Array1;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::{Case, CaseError, Op, Outputs};

pub(super) const OPS: &[Op] = &[
    Op::generic("retrieval", "knn", neighbours::<f32>, neighbours::<f64>),
    Op::generic(
        "retrieval",
        "retrieval_metrics",
        scores::<f32>,
        scores::<f64>,
    ),
    Op::generic("retrieval", "kmeans", clusters::<f32>, clusters::<f64>),
    Op::generic("retrieval", "clustering_metrics", agreement, agreement),
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

fn clusters<T: Scalar>(case: &Case) -> Result<Outputs, CaseError> {
    let (x, init) = (case.matrix::<T>("x")?, case.matrix::<T>("init")?);
    let found = KMeans::new(case.usize_param("k")?)
        .start(Start::Given(init))
        .max_iterations(case.usize_param("max_iter")?)
        .tolerance(case.f64_param("tol")?)
        // A given start draws nothing.
        .fit(x.view(), &mut ChaCha8Rng::seed_from_u64(0))
        .map_err(|e| case.refused(e))?;
    let labels: Array1<usize> = found.labels.iter().map(|&label| label as usize).collect();
    Ok(Outputs::new()
        .with("centers", &found.centres)
        .with_value("inertia", found.inertia)
        .with_indices("labels", &labels))
}

fn agreement(case: &Case) -> Result<Outputs, CaseError> {
    let (labels, clusters) = (case.labels("labels")?, case.labels("clusters")?);
    let normalizer = Normalizer::Arithmetic;
    let score = |name: &str| {
        let value = match name {
            "ami" => ami(&labels, &clusters, normalizer),
            "ari" => ari(&labels, &clusters),
            "nmi" => nmi(&labels, &clusters, normalizer),
            "v_measure" => v_measure(&labels, &clusters).map(|v| v.v_measure),
            "homogeneity" => v_measure(&labels, &clusters).map(|v| v.homogeneity),
            "completeness" => v_measure(&labels, &clusters).map(|v| v.completeness),
            _ => {
                return Err(case.params().wrong("metrics", "scores that are known here"));
            }
        };
        value.map_err(|e| case.refused(e))
    };
    let names = case.params().words("metrics")?;
    let values: Array1<f64> = names.into_iter().map(score).collect::<Result<_, _>>()?;
    Ok(Outputs::new().with("values", &values))
}
