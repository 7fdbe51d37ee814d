use burn::tensor::Tensor;

/// A number with given gradients: `value + Σ (x g − x g)`, whose second half is 0 but for its derivative by `x`, which is
/// `g`.
///
/// # Shapes
/// - `value`, output: `[1]`
/// - each tensor and its gradient: the same shape
pub(crate) fn attach(value: Tensor<1>, gradients: Vec<(Tensor<2>, Tensor<2>)>) -> Tensor<1> {
    gradients.into_iter().fold(value, |value, (x, gradient)| {
        let product = x * gradient.detach();
        let nothing = product.clone() - product.detach();
        value + nothing.sum()
    })
}
