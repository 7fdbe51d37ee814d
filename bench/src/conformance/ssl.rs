//! Suite `ssl`: losses of several views, and what else learning without labels computes.

use burn::optim::Optimizer;
use burn::tensor::{Int, Tensor, TensorData};
use metric_core::Scalar;
use metric_losses::{
    BarlowTwinsLossConfig, DecoupledContrastiveLossConfig, HardNegativeContrastiveLossConfig,
    InfoNceLossConfig, KoLeoRegularizerConfig, NegativeCosineLossConfig, NtXentLossConfig,
    TiCoLossConfig, VicRegLossConfig, l2_normalize, sinkhorn,
};
use metric_ssl::{Lars, cosine};

use super::losses::{Inputs, download};
use super::{Case, CaseError, Op, Outputs};

macro_rules! op {
    ($name:literal, $run:ident) => {
        Op::generic("ssl", $name, $run::<f32>, $run::<f64>)
    };
}

pub(super) const OPS: &[Op] = &[
    op!("nt_xent", nt_xent),
    op!("dcl", dcl),
    op!("dclw", dclw),
    op!("barlow_twins", barlow_twins),
    op!("vic_reg", vic_reg),
    op!("negative_cosine_similarity", negative_cosine_similarity),
    op!("tico", tico),
    op!("koleo", koleo),
    op!("moco_info_nce", moco_info_nce),
    op!("hard_negative_contrastive", hard_negative_contrastive),
    op!("sinkhorn", assignments),
    op!("lars", lars),
    Op::generic("ssl", "cosine_schedule", cosine_schedule, cosine_schedule),
];

/// Both views, tracked.
fn views(inputs: &mut Inputs, case: &Case) -> Result<[Tensor<2>; 2], CaseError> {
    Ok([
        inputs.tracked(case, "view_0")?,
        inputs.tracked(case, "view_1")?,
    ])
}

/// Both views in one batch, where a row's label is the number of its image.
fn labelled(inputs: &mut Inputs, case: &Case) -> Result<(Tensor<2>, Tensor<1, Int>), CaseError> {
    let [a, b] = views(inputs, case)?;
    let [n, _] = a.dims();
    let labels: Vec<i64> = (0..n as i64).chain(0..n as i64).collect();
    let labels = Tensor::from_data(TensorData::new(labels, [2 * n]), &inputs.device);
    Ok((Tensor::cat(vec![a, b], 0), labels))
}

/// `SimCLR`'s: with two views of an image no other positive is left out of a denominator.
fn nt_xent<T: Scalar>(case: &Case) -> Result<Outputs, CaseError> {
    let mut inputs = Inputs::new::<T>();
    let loss = NtXentLossConfig::new()
        .with_temperature(case.f64_param("temperature")?)
        .init(&inputs.device);
    let (rows, labels) = labelled(&mut inputs, case)?;
    Ok(inputs.outputs(loss.forward(rows, labels)))
}

fn dcl<T: Scalar>(case: &Case) -> Result<Outputs, CaseError> {
    decoupled::<T>(case, None)
}

fn dclw<T: Scalar>(case: &Case) -> Result<Outputs, CaseError> {
    decoupled::<T>(case, Some(case.f64_param("sigma")?))
}

fn decoupled<T: Scalar>(case: &Case, sigma: Option<f64>) -> Result<Outputs, CaseError> {
    let mut inputs = Inputs::new::<T>();
    let loss = DecoupledContrastiveLossConfig::new()
        .with_temperature(case.f64_param("temperature")?)
        .with_weighting(sigma)
        .init(&inputs.device);
    let (rows, labels) = labelled(&mut inputs, case)?;
    Ok(inputs.outputs(loss.forward(rows, labels)))
}

fn barlow_twins<T: Scalar>(case: &Case) -> Result<Outputs, CaseError> {
    let mut inputs = Inputs::new::<T>();
    let loss = BarlowTwinsLossConfig::new()
        .with_lambda(case.f64_param("lambda_param")?)
        .init(&inputs.device);
    let [a, b] = views(&mut inputs, case)?;
    Ok(inputs.outputs(loss.forward(a, b)))
}

fn vic_reg<T: Scalar>(case: &Case) -> Result<Outputs, CaseError> {
    let mut inputs = Inputs::new::<T>();
    let loss = VicRegLossConfig::new()
        .with_lambda(case.f64_param("invariance")?)
        // The reference takes half of the sum of both views' variance terms.
        .with_mu(case.f64_param("variance")? / 2.0)
        .with_nu(case.f64_param("covariance")?)
        .with_epsilon(case.f64_param("eps")?)
        .init(&inputs.device);
    let [a, b] = views(&mut inputs, case)?;
    Ok(inputs.outputs(loss.forward(a, b)))
}

fn negative_cosine_similarity<T: Scalar>(case: &Case) -> Result<Outputs, CaseError> {
    let mut inputs = Inputs::new::<T>();
    let loss = NegativeCosineLossConfig::new().init(&inputs.device);
    let [a, b] = views(&mut inputs, case)?;
    Ok(inputs.outputs(loss.forward(a, b)))
}

fn tico<T: Scalar>(case: &Case) -> Result<Outputs, CaseError> {
    let mut inputs = Inputs::new::<T>();
    let [a, b] = views(&mut inputs, case)?;
    let [_, dim] = a.dims();
    let loss = TiCoLossConfig::new(dim)
        .with_beta(case.f64_param("beta")?)
        .with_rho(case.f64_param("rho")?)
        .init(&inputs.device)
        .update(a.clone());
    Ok(inputs.outputs(loss.forward(a, b)))
}

fn koleo<T: Scalar>(case: &Case) -> Result<Outputs, CaseError> {
    let mut inputs = Inputs::new::<T>();
    let loss = KoLeoRegularizerConfig::new()
        .with_epsilon(case.f64_param("eps")?)
        .init(&inputs.device);
    let rows = inputs.tracked(case, "view_0")?;
    Ok(inputs.outputs(loss.forward(l2_normalize(rows))))
}

fn moco_info_nce<T: Scalar>(case: &Case) -> Result<Outputs, CaseError> {
    let mut inputs = Inputs::new::<T>();
    let loss = InfoNceLossConfig::new()
        .with_temperature(case.f64_param("temperature")?)
        .init(&inputs.device);
    let query = inputs.tracked(case, "query")?;
    let key = inputs.tracked(case, "key")?.detach();
    let queue = inputs.tracked(case, "queue")?.detach();
    Ok(inputs.outputs(loss.forward_with_negatives(query, key, queue)))
}

fn hard_negative_contrastive<T: Scalar>(case: &Case) -> Result<Outputs, CaseError> {
    let mut inputs = Inputs::new::<T>();
    let loss = HardNegativeContrastiveLossConfig::new()
        .with_temperature(case.f64_param("temperature")?)
        .with_tau_plus(case.f64_param("tau_plus")?)
        .with_beta(case.f64_param("beta")?)
        .init(&inputs.device);
    let (rows, labels) = labelled(&mut inputs, case)?;
    Ok(inputs.outputs(loss.forward(rows, labels)))
}

fn assignments<T: Scalar>(case: &Case) -> Result<Outputs, CaseError> {
    let scores = Inputs::new::<T>().tracked(case, "scores")?;
    let (epsilon, iterations) = (case.f64_param("epsilon")?, case.usize_param("iterations")?);
    let codes = sinkhorn(scores, epsilon, iterations).map_err(|e| case.refused(e))?;
    Ok(Outputs::new().with("assignments", &download(codes)))
}

/// Weights after each of a row of given gradients.
fn lars<T: Scalar>(case: &Case) -> Result<Outputs, CaseError> {
    let optimizer = Lars {
        momentum: case.f64_param("momentum")?,
        weight_decay: case.f64_param("weight_decay")?,
        trust_coefficient: case.f64_param("trust_coefficient")?,
        epsilon: case.f64_param("eps")?,
        nesterov: case.bool_param("nesterov")?,
    };
    let rate = case.f64_param("lr")?;
    let inputs = Inputs::new::<T>();
    let mut weight = inputs.upload(case.matrix::<f64>("weight")?);
    let mut state = None;
    let mut weights = Vec::new();
    for gradient in case.array::<f64>("gradients")?.outer_iter() {
        let gradient = gradient.to_owned().into_dimensionality();
        let gradient = gradient.map_err(|e| case.refused(e))?;
        (weight, state) = optimizer.step(rate, weight, inputs.upload(gradient), state);
        weights.push(download(weight.clone()));
    }
    let views: Vec<_> = weights.iter().map(|weight| weight.view()).collect();
    let all = ndarray::stack(ndarray::Axis(0), &views).map_err(|e| case.refused(e))?;
    Ok(Outputs::new().with("weights", &all))
}

/// The reference is at its end in the last of `max_steps` steps.
fn cosine_schedule(case: &Case) -> Result<Outputs, CaseError> {
    let (start, end) = (case.f64_param("start_value")?, case.f64_param("end_value")?);
    let steps = case.usize_param("max_steps")? as u64;
    let values = (0..steps).map(|step| cosine(start, end, step, steps - 1));
    Ok(Outputs::new().with("values", &ndarray::Array1::from_iter(values)))
}
