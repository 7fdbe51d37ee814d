//! Penalties on vectors without labels.

use burn::tensor::Tensor;
use metric_core::Scalar;
use metric_losses::{
    CenterInvariantRegularizerConfig, LpRegularizerConfig, RegularFaceRegularizerConfig,
    ZeroMeanRegularizerConfig,
};

use super::{Case, CaseError, Inputs, Op, Outputs, op};

pub(super) const OPS: &[Op] = &[
    op!("regularizer_center_invariant", center_invariant),
    op!("regularizer_lp", lp),
    op!("regularizer_regular_face", regular_face),
    op!("regularizer_zero_mean", zero_mean),
];

fn center_invariant<T: Scalar>(case: &Case) -> Result<Outputs, CaseError> {
    let inputs = Inputs::new::<T>();
    let loss = CenterInvariantRegularizerConfig::new().init(&inputs.device);
    of_embeddings(case, inputs, |x| loss.forward(x))
}

fn lp<T: Scalar>(case: &Case) -> Result<Outputs, CaseError> {
    let inputs = Inputs::new::<T>();
    let loss = LpRegularizerConfig::new()
        .with_p(case.f64_param("p")?)
        .with_power(case.f64_param("power")?)
        .init(&inputs.device);
    of_embeddings(case, inputs, |x| loss.forward(x))
}

fn regular_face<T: Scalar>(case: &Case) -> Result<Outputs, CaseError> {
    let inputs = Inputs::new::<T>();
    let loss = RegularFaceRegularizerConfig::new().init(&inputs.device);
    of_embeddings(case, inputs, |x| loss.forward(x))
}

fn zero_mean<T: Scalar>(case: &Case) -> Result<Outputs, CaseError> {
    let inputs = Inputs::new::<T>();
    let loss = ZeroMeanRegularizerConfig::new().init(&inputs.device);
    of_embeddings(case, inputs, |x| loss.forward(x))
}

fn of_embeddings(
    case: &Case,
    mut inputs: Inputs,
    loss: impl Fn(Tensor<2>) -> Tensor<1>,
) -> Result<Outputs, CaseError> {
    let rows = inputs.tracked(case, "embeddings")?;
    Ok(inputs.outputs(loss(rows)))
}
