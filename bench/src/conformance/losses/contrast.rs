//! Contrastive losses by the softmax of similarities.

use metric_core::Scalar;
use metric_losses::{NtXentLossConfig, SupConLossConfig};

use super::{Case, CaseError, Inputs, NamedDistance, Op, Outputs, op, pairwise, reducer};

pub(super) const OPS: &[Op] = &[op!("nt_xent", nt_xent), op!("sup_con", sup_con)];

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
