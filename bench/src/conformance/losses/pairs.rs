//! Losses of pairs and triplets.

use metric_core::Scalar;
use metric_losses::{ContrastiveLossConfig, TripletMarginLossConfig};

use super::{Case, CaseError, Inputs, NamedDistance, Op, Outputs, op, pairwise, reducer};

pub(super) const OPS: &[Op] = &[
    op!("contrastive", contrastive),
    op!("triplet_margin", triplet_margin),
];

fn contrastive<T: Scalar>(case: &Case) -> Result<Outputs, CaseError> {
    let distance = NamedDistance::of(case)?;
    let inputs = Inputs::new::<T>();
    let loss = ContrastiveLossConfig::new()
        .with_pos_margin(distance.threshold(case.f64_param("pos_margin")?))
        .with_neg_margin(distance.threshold(case.f64_param("neg_margin")?))
        .with_distance(distance.distance)
        .with_reducer(reducer(case)?)
        .init(&inputs.device);
    pairwise!(inputs, case, &distance, loss)
}

fn triplet_margin<T: Scalar>(case: &Case) -> Result<Outputs, CaseError> {
    let distance = NamedDistance::of(case)?;
    let inputs = Inputs::new::<T>();
    let loss = TripletMarginLossConfig::new()
        .with_margin(case.f64_param("margin")?)
        .with_swap(case.bool_param("swap")?)
        .with_soft_margin(case.bool_param("smooth_loss")?)
        .with_distance(distance.distance)
        .with_reducer(reducer(case)?)
        .init(&inputs.device);
    pairwise!(inputs, case, &distance, loss)
}
