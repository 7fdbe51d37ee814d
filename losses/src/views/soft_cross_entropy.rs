use burn::tensor::Tensor;
use burn::tensor::activation::log_softmax;

/// `−Σⱼ qⱼ log softmax(logits)ⱼ` of every row: `[n, 1]`.
///
/// # Shapes
/// - `targets`: `[n, k]`, not negative
/// - `logits`: `[n, k]`
pub(super) fn soft_cross_entropy(targets: Tensor<2>, logits: Tensor<2>) -> Tensor<2> {
    -(targets * log_softmax(logits, 1)).sum_dim(1)
}
