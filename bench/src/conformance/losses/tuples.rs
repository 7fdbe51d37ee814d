//! Losses that weigh the pairs of a row against each other, or pairs against a boundary.

use burn::tensor::{Int, Tensor};
use metric_core::Scalar;
use metric_losses::{
    AngularLossConfig, CircleLossConfig, ContrastiveLossConfig,
    GeneralizedLiftedStructureLossConfig, IntraPairVarianceLossConfig, LiftedStructureLossConfig,
    MarginLossConfig, MultiSimilarityLossConfig, NPairsLossConfig, NcaLossConfig,
    ThresholdConsistentMarginLossConfig, TupletMarginLossConfig,
};

use super::{Case, CaseError, Inputs, NamedDistance, Op, Outputs, op, pairwise, reducer};

pub(super) const OPS: &[Op] = &[
    op!("multi_similarity", multi_similarity),
    op!("circle", circle),
    op!("lifted_structure", lifted_structure),
    op!("generalized_lifted_structure", generalized_lifted_structure),
    op!("nca", nca),
    op!("margin", margin),
    op!("angular", angular),
    op!("n_pairs", n_pairs),
    op!("tuplet_margin", tuplet_margin),
    op!("intra_pair_variance", intra_pair_variance),
    op!(
        "signal_to_noise_ratio_contrastive",
        signal_to_noise_ratio_contrastive
    ),
    op!("threshold_consistent_margin", threshold_consistent_margin),
];

fn multi_similarity<T: Scalar>(case: &Case) -> Result<Outputs, CaseError> {
    let distance = NamedDistance::of(case)?;
    let inputs = Inputs::new::<T>();
    let loss = MultiSimilarityLossConfig::new()
        .with_alpha(case.f64_param("alpha")?)
        .with_beta(case.f64_param("beta")?)
        .with_base(distance.threshold(case.f64_param("base")?))
        .with_distance(distance.distance)
        .with_reducer(reducer(case)?)
        .init(&inputs.device);
    pairwise!(inputs, case, &distance, loss)
}

fn circle<T: Scalar>(case: &Case) -> Result<Outputs, CaseError> {
    let distance = NamedDistance::of(case)?;
    let inputs = Inputs::new::<T>();
    let loss = CircleLossConfig::new()
        .with_margin(case.f64_param("m")?)
        .with_gamma(case.f64_param("gamma")?)
        .with_reducer(reducer(case)?)
        .init(&inputs.device);
    pairwise!(inputs, case, &distance, loss)
}

fn lifted_structure<T: Scalar>(case: &Case) -> Result<Outputs, CaseError> {
    let distance = NamedDistance::of(case)?;
    let inputs = Inputs::new::<T>();
    let loss = LiftedStructureLossConfig::new()
        .with_pos_margin(distance.threshold(case.f64_param("pos_margin")?))
        .with_neg_margin(distance.threshold(case.f64_param("neg_margin")?))
        .with_distance(distance.distance)
        .with_reducer(reducer(case)?)
        .init(&inputs.device);
    pairwise!(inputs, case, &distance, loss)
}

fn generalized_lifted_structure<T: Scalar>(case: &Case) -> Result<Outputs, CaseError> {
    let distance = NamedDistance::of(case)?;
    let inputs = Inputs::new::<T>();
    let loss = GeneralizedLiftedStructureLossConfig::new()
        .with_pos_margin(distance.threshold(case.f64_param("pos_margin")?))
        .with_neg_margin(distance.threshold(case.f64_param("neg_margin")?))
        .with_distance(distance.distance)
        .with_reducer(reducer(case)?)
        .init(&inputs.device);
    pairwise!(inputs, case, &distance, loss)
}

fn nca<T: Scalar>(case: &Case) -> Result<Outputs, CaseError> {
    let distance = NamedDistance::of(case)?;
    let inputs = Inputs::new::<T>();
    let loss = NcaLossConfig::new()
        .with_scale(case.f64_param("softmax_scale")?)
        .with_distance(distance.distance)
        .with_reducer(reducer(case)?)
        .init(&inputs.device);
    pairwise!(inputs, case, &distance, loss)
}

/// The reference divides by the number of parts above 0, as ours does, and calls that a reducer.
fn margin<T: Scalar>(case: &Case) -> Result<Outputs, CaseError> {
    let distance = NamedDistance::of(case)?;
    let inputs = Inputs::new::<T>();
    let beta = distance.threshold(case.f64_param("beta")?);
    let boundary = Tensor::<1>::from_data([beta], (&inputs.device, inputs.dtype));
    let loss = MarginLossConfig::new()
        .with_margin(case.f64_param("margin")?)
        .with_nu(case.f64_param("nu")?)
        .with_beta(beta)
        .with_distance(distance.distance)
        .init(&inputs.device)
        .with_beta(boundary);
    pairwise!(inputs, case, &distance, loss)
}

/// The reference normalizes anchors and positives only, and inside the loss.
fn angular<T: Scalar>(case: &Case) -> Result<Outputs, CaseError> {
    let distance = NamedDistance {
        normalize: false,
        ..NamedDistance::of(case)?
    };
    let inputs = Inputs::new::<T>();
    let loss = AngularLossConfig::new()
        .with_alpha(case.f64_param("alpha")?.to_radians())
        .with_normalize_negatives(false)
        .with_reducer(reducer(case)?)
        .init(&inputs.device);
    pairwise!(inputs, case, &distance, loss)
}

fn n_pairs<T: Scalar>(case: &Case) -> Result<Outputs, CaseError> {
    let distance = NamedDistance::of(case)?;
    let inputs = Inputs::new::<T>();
    let loss = NPairsLossConfig::new()
        .with_distance(distance.distance)
        .with_reducer(reducer(case)?)
        .init(&inputs.device);
    type Reference = Option<(Tensor<2>, Tensor<1, Int>)>;
    inputs.pairwise(case, &distance, |rows, labels, _: Reference| {
        loss.forward(rows, labels)
    })
}

fn tuplet_margin<T: Scalar>(case: &Case) -> Result<Outputs, CaseError> {
    let distance = NamedDistance::of(case)?;
    let inputs = Inputs::new::<T>();
    let loss = TupletMarginLossConfig::new()
        .with_margin(case.f64_param("margin")?.to_radians())
        .with_scale(case.f64_param("scale")?)
        .with_reducer(reducer(case)?)
        .init(&inputs.device);
    pairwise!(inputs, case, &distance, loss)
}

fn intra_pair_variance<T: Scalar>(case: &Case) -> Result<Outputs, CaseError> {
    let distance = NamedDistance::of(case)?;
    let inputs = Inputs::new::<T>();
    let loss = IntraPairVarianceLossConfig::new()
        .with_pos_eps(case.f64_param("pos_eps")?)
        .with_neg_eps(case.f64_param("neg_eps")?)
        .with_reducer(reducer(case)?)
        .init(&inputs.device);
    pairwise!(inputs, case, &distance, loss)
}

fn signal_to_noise_ratio_contrastive<T: Scalar>(case: &Case) -> Result<Outputs, CaseError> {
    let distance = NamedDistance::of(case)?;
    let inputs = Inputs::new::<T>();
    let loss = ContrastiveLossConfig::new()
        .with_pos_margin(case.f64_param("pos_margin")?)
        .with_neg_margin(case.f64_param("neg_margin")?)
        .with_distance(distance.distance)
        .with_reducer(reducer(case)?)
        .init(&inputs.device);
    pairwise!(inputs, case, &distance, loss)
}

/// The reference has no reducer here.
fn threshold_consistent_margin<T: Scalar>(case: &Case) -> Result<Outputs, CaseError> {
    let distance = NamedDistance::of(case)?;
    let inputs = Inputs::new::<T>();
    let loss = ThresholdConsistentMarginLossConfig::new()
        .with_lambda_plus(case.f64_param("lambda_plus")?)
        .with_lambda_minus(case.f64_param("lambda_minus")?)
        .with_margin_plus(case.f64_param("margin_plus")?)
        .with_margin_minus(case.f64_param("margin_minus")?)
        .init(&inputs.device);
    pairwise!(inputs, case, &distance, loss)
}
