//! Losses against class vectors.

use metric_core::Scalar;
use metric_losses::{
    ArcFaceLossConfig, CenterLossConfig, CosFaceLossConfig, LargeMarginSoftmaxLossConfig,
    NormalizedSoftmaxLossConfig, SphereFaceLossConfig, SubCenterArcFaceLossConfig,
};

use super::{Case, CaseError, Inputs, Op, Outputs, by_columns, download, op, reducer};

pub(super) const OPS: &[Op] = &[
    op!("center", center),
    op!("arc_face", arc_face),
    op!("cos_face", cos_face),
    op!("sub_center_arc_face", sub_center_arc_face),
    op!("sphere_face", sphere_face),
    op!("large_margin_softmax", large_margin_softmax),
    op!("normalized_softmax", normalized_softmax),
];

fn center<T: Scalar>(case: &Case) -> Result<Outputs, CaseError> {
    let mut inputs = Inputs::new::<T>();
    let (classes, dim) = class_matrix(case)?;
    let loss = CenterLossConfig::new(classes, dim)
        .with_alpha(case.f64_param("alpha")?)
        .init(&inputs.device)
        .with_centers(inputs.upload(case.matrix::<f64>("weight")?));
    let rows = inputs.tracked(case, "embeddings")?;
    let labels = inputs.labels(case, "labels")?;
    let value = loss.forward(rows.clone(), labels.clone());
    let moved = loss.update(rows, labels).centers().inner();
    Ok(inputs
        .outputs(value)
        .with("updated_weight", &download(moved)))
}

fn arc_face<T: Scalar>(case: &Case) -> Result<Outputs, CaseError> {
    let mut inputs = Inputs::new::<T>();
    let (classes, dim) = class_matrix(case)?;
    let loss = ArcFaceLossConfig::new(classes, dim)
        .with_margin(case.f64_param("margin")?.to_radians())
        .with_scale(case.f64_param("scale")?)
        .with_reducer(reducer(case)?)
        .init(&inputs.device);
    by_columns!(inputs, case, loss)
}

fn cos_face<T: Scalar>(case: &Case) -> Result<Outputs, CaseError> {
    let mut inputs = Inputs::new::<T>();
    let (classes, dim) = class_matrix(case)?;
    let loss = CosFaceLossConfig::new(classes, dim)
        .with_margin(case.f64_param("margin")?)
        .with_scale(case.f64_param("scale")?)
        .with_reducer(reducer(case)?)
        .init(&inputs.device);
    by_columns!(inputs, case, loss)
}

fn sub_center_arc_face<T: Scalar>(case: &Case) -> Result<Outputs, CaseError> {
    let mut inputs = Inputs::new::<T>();
    let (classes, dim) = class_matrix(case)?;
    let loss = SubCenterArcFaceLossConfig::new(classes, dim)
        .with_sub_centers(case.usize_param("sub_centers")?)
        .with_margin(case.f64_param("margin")?.to_radians())
        .with_scale(case.f64_param("scale")?)
        .with_reducer(reducer(case)?)
        .init(&inputs.device);
    by_columns!(inputs, case, loss)
}

fn sphere_face<T: Scalar>(case: &Case) -> Result<Outputs, CaseError> {
    let mut inputs = Inputs::new::<T>();
    let (classes, dim) = class_matrix(case)?;
    let loss = SphereFaceLossConfig::new(classes, dim)
        .with_margin(case.f64_param("margin")?)
        .with_scale(case.f64_param("scale")?)
        .with_reducer(reducer(case)?)
        .init(&inputs.device);
    by_columns!(inputs, case, loss)
}

fn large_margin_softmax<T: Scalar>(case: &Case) -> Result<Outputs, CaseError> {
    let mut inputs = Inputs::new::<T>();
    let (classes, dim) = class_matrix(case)?;
    let loss = LargeMarginSoftmaxLossConfig::new(classes, dim)
        .with_margin(case.f64_param("margin")?)
        .with_scale(case.f64_param("scale")?)
        .with_reducer(reducer(case)?)
        .init(&inputs.device);
    by_columns!(inputs, case, loss)
}

fn normalized_softmax<T: Scalar>(case: &Case) -> Result<Outputs, CaseError> {
    let mut inputs = Inputs::new::<T>();
    let (classes, dim) = class_matrix(case)?;
    let loss = NormalizedSoftmaxLossConfig::new(classes, dim)
        .with_temperature(case.f64_param("temperature")?)
        .with_reducer(reducer(case)?)
        .init(&inputs.device);
    by_columns!(inputs, case, loss)
}

pub(super) fn class_matrix(case: &Case) -> Result<(usize, usize), CaseError> {
    Ok((
        case.usize_param("num_classes")?,
        case.usize_param("embedding_size")?,
    ))
}
