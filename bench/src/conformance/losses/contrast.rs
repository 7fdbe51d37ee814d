//! Contrastive losses by the softmax of similarities.

use metric_core::Scalar;
use metric_losses::{NtXentLossConfig, SupConLossConfig, VicRegLossConfig};

use super::{Case, CaseError, Inputs, NamedDistance, Op, Outputs, op, pairwise, reducer};

pub(super) const OPS: &[Op] = &[
    op!("nt_xent", nt_xent),
    op!("sup_con", sup_con),
    op!("vic_reg", vic_reg),
];

fn nt_xent<T: Scalar>(case: &Case) -> Result<Outputs, CaseError> {
    let distance = NamedDistance::of(case)?;
    let inputs = Inputs::new::<T>();
    let loss = NtXentLossConfig::new()
        .with_temperature(case.f64_param("temperature")?)
        .with_distance(distance.distance)
        .with_reducer(reducer(case)?)
        .init(&inputs.device);
    pairwise!(inputs, case, &distance, loss)
}

fn sup_con<T: Scalar>(case: &Case) -> Result<Outputs, CaseError> {
    let distance = NamedDistance::of(case)?;
    let inputs = Inputs::new::<T>();
    let loss = SupConLossConfig::new()
        .with_temperature(case.f64_param("temperature")?)
        .with_distance(distance.distance)
        .with_reducer(reducer(case)?)
        .init(&inputs.device);
    pairwise!(inputs, case, &distance, loss)
}

fn vic_reg<T: Scalar>(case: &Case) -> Result<Outputs, CaseError> {
    let mut inputs = Inputs::new::<T>();
    let loss = VicRegLossConfig::new()
        .with_lambda(case.f64_param("invariance_lambda")?)
        // The reference takes half of the sum of both views' variance terms.
        .with_mu(case.f64_param("variance_mu")? / 2.0)
        .with_nu(case.f64_param("covariance_v")?)
        .with_epsilon(case.f64_param("eps")?)
        .init(&inputs.device);
    let a = inputs.tracked(case, "embeddings")?;
    let b = inputs.tracked(case, "ref_embeddings")?;
    Ok(inputs.outputs(loss.forward(a, b)))
}
