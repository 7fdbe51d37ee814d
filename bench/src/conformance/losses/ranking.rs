//! Losses of whole rankings.

use metric_core::Scalar;
use metric_losses::{
    FastApLossConfig, HistogramLossConfig, PnpLossConfig, PnpVariant, RankedListLossConfig,
};

use super::{Case, CaseError, Inputs, NamedDistance, Op, Outputs, op, pairwise, reducer};

pub(super) const OPS: &[Op] = &[
    op!("fast_ap", fast_ap),
    op!("histogram", histogram),
    op!("pnp", pnp),
    op!("ranked_list", ranked_list),
];

fn fast_ap<T: Scalar>(case: &Case) -> Result<Outputs, CaseError> {
    let distance = NamedDistance::of(case)?;
    let inputs = Inputs::new::<T>();
    let loss = FastApLossConfig::new()
        .with_num_bins(case.usize_param("num_bins")?)
        .with_distance(distance.distance)
        .with_reducer(reducer(case)?)
        .init(&inputs.device);
    pairwise!(inputs, case, &distance, loss)
}

fn histogram<T: Scalar>(case: &Case) -> Result<Outputs, CaseError> {
    let distance = NamedDistance::of(case)?;
    let inputs = Inputs::new::<T>();
    let loss = HistogramLossConfig::new()
        .with_num_bins(case.usize_param("n_bins")?)
        .with_anchored_negatives(true)
        .init(&inputs.device);
    pairwise!(inputs, case, &distance, loss)
}

fn pnp<T: Scalar>(case: &Case) -> Result<Outputs, CaseError> {
    let distance = NamedDistance::of(case)?;
    let inputs = Inputs::new::<T>();
    let variant = match case.params().str("variant")? {
        "O" => PnpVariant::O,
        "Iu" => PnpVariant::Iu,
        "Ib" => PnpVariant::Ib,
        "Ds" => PnpVariant::Ds,
        "Dq" => PnpVariant::Dq,
        _ => return Err(case.params().wrong("variant", "O, Iu, Ib, Ds or Dq")),
    };
    let loss = PnpLossConfig::new()
        .with_variant(variant)
        .with_b(case.f64_param("b")?)
        .with_alpha(case.f64_param("alpha")?)
        .with_temperature(case.f64_param("anneal")?)
        .with_distance(distance.distance)
        .init(&inputs.device);
    pairwise!(inputs, case, &distance, loss)
}

fn ranked_list<T: Scalar>(case: &Case) -> Result<Outputs, CaseError> {
    let distance = NamedDistance::of(case)?;
    let inputs = Inputs::new::<T>();
    let margin = case.f64_param("margin")?;
    let loss = RankedListLossConfig::new()
        .with_alpha(1.0 + margin / 2.0)
        .with_margin(margin)
        .with_neg_temperature(case.f64_param("tn")?)
        .with_pos_temperature(case.f64_param("tp")?)
        .with_imbalance(case.f64_param("imbalance")?)
        .with_epsilon(1e-5)
        .with_distance(distance.distance)
        .with_reducer(reducer(case)?)
        .init(&inputs.device);
    pairwise!(inputs, case, &distance, loss)
}
