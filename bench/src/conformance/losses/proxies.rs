//! Losses of proxies.

use metric_core::Scalar;
use metric_losses::{
    EmbeddingDistance, ProxyAnchorLossConfig, ProxyNcaLossConfig, SoftTripleLossConfig,
};

use super::classes::class_matrix;
use super::{Case, CaseError, Inputs, NamedDistance, Op, Outputs, by_columns, op, reducer};

pub(super) const OPS: &[Op] = &[
    op!("proxy_nca", proxy_nca),
    op!("proxy_anchor", proxy_anchor),
    op!("soft_triple", soft_triple),
];

fn proxy_nca<T: Scalar>(case: &Case) -> Result<Outputs, CaseError> {
    let mut inputs = Inputs::new::<T>();
    let (classes, dim) = class_matrix(case)?;
    let distance = NamedDistance::of(case)?;
    match distance.distance {
        EmbeddingDistance::Lp { p: 2.0, .. } => {}
        EmbeddingDistance::Lp { .. } if distance.normalize => {
            return Err(case.params().wrong("distance", "p = 2 where normalized"));
        }
        _ => {}
    }
    let loss = ProxyNcaLossConfig::new(classes, dim)
        .with_temperature(1.0 / case.f64_param("softmax_scale")?)
        .with_include_target(true)
        .with_distance(distance.distance)
        .with_normalize(distance.normalize)
        .with_reducer(reducer(case)?)
        .init(&inputs.device);
    let loss = loss.with_weight(inputs.upload(case.matrix::<f64>("weight")?));
    inputs.proxies(loss.weight());
    let rows = inputs.tracked(case, "embeddings")?;
    let value = loss.forward(rows, inputs.labels(case, "labels")?);
    Ok(inputs.outputs(value))
}

fn proxy_anchor<T: Scalar>(case: &Case) -> Result<Outputs, CaseError> {
    let mut inputs = Inputs::new::<T>();
    let (classes, dim) = class_matrix(case)?;
    cosine_only(case)?;
    let loss = ProxyAnchorLossConfig::new(classes, dim)
        .with_margin(case.f64_param("margin")?)
        .with_alpha(case.f64_param("alpha")?)
        .init(&inputs.device);
    let loss = loss.with_weight(inputs.upload(case.matrix::<f64>("weight")?));
    inputs.proxies(loss.weight());
    let rows = inputs.tracked(case, "embeddings")?;
    let value = loss.forward(rows, inputs.labels(case, "labels")?);
    Ok(inputs.outputs(value))
}

fn soft_triple<T: Scalar>(case: &Case) -> Result<Outputs, CaseError> {
    let mut inputs = Inputs::new::<T>();
    let (classes, dim) = class_matrix(case)?;
    cosine_only(case)?;
    let loss = SoftTripleLossConfig::new(classes, dim)
        .with_centers_per_class(case.usize_param("centers_per_class")?)
        .with_lambda(case.f64_param("la")?)
        .with_gamma(case.f64_param("gamma")?)
        .with_margin(case.f64_param("margin")?)
        .with_tau(0.0)
        .with_reducer(reducer(case)?)
        .init(&inputs.device);
    by_columns!(inputs, case, loss)
}

/// The cosine, or the inner product of unit vectors, which is the same.
fn cosine_only(case: &Case) -> Result<(), CaseError> {
    let distance = NamedDistance::of(case)?;
    match distance.distance {
        EmbeddingDistance::Cosine => Ok(()),
        EmbeddingDistance::InnerProduct if distance.normalize => Ok(()),
        _ => Err(case.params().wrong("distance", "the cosine")),
    }
}
