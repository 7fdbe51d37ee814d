use burn::module::{Initializer, Param};
use burn::tensor::{Device, Tensor};

/// Random class vectors `[classes, dim]` of norm about 1: of a longer vector the same optimizer
/// step would turn the direction less.
pub(crate) fn class_vectors(classes: usize, dim: usize, device: &Device) -> Param<Tensor<2>> {
    let std = 1.0 / (dim as f64).sqrt();
    Initializer::Normal { mean: 0.0, std }.init([classes, dim], device)
}

/// The same parameter with given values; it is the parameter that gets the gradient.
pub(crate) fn with_values<const D: usize>(
    parameter: Param<Tensor<D>>,
    values: Tensor<D>,
) -> Param<Tensor<D>> {
    parameter.map(|old| values.detach().set_require_grad(old.is_require_grad()))
}
