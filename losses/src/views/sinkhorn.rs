use burn::tensor::Tensor;

use crate::error::ConfigError;
use crate::numerics::{at_least_f32, everywhere, log_sum_exp, scaled_gap};

/// Soft assignments of rows to prototypes that use all prototypes alike (Caron et al., *`SwAV`*, `NeurIPS` 2020,
/// <https://arxiv.org/abs/2006.09882>, eq. 3 to 5, after Cuturi, *Sinkhorn Distances*, NIPS 2013).
///
/// From `Q = exp(scores/ε)`, `iterations` times:
/// ```text
/// Qᵢⱼ ← Qᵢⱼ / Σₗ Qₗⱼ         every prototype gets the same weight
/// Qᵢⱼ ← Qᵢⱼ / Σₗ Qᵢₗ         every row gives 1
/// ```
/// It is done with logarithms: nothing overflows, however small `ε` is. The result is a constant, off any graph: no
/// gradient flows to the scores. Codes of a small batch are better balanced with rows of earlier batches: append their
/// scores and take of the result the rows asked for.
///
/// The paper has `ε = 0.05` and 3 iterations, for scores that are cosines.
///
/// Cost: `O(n · k · iterations)` time, `O(n · k)` memory.
///
/// # Shapes
/// - `scores`: `[n, k]`
/// - output: `[n, k]`, rows of sum 1
///
/// # Errors
/// [`ConfigError`] if `epsilon` is not above 0 or there is no iteration.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use metric_losses::sinkhorn;
///
/// // Both rows prefer the first prototype, the first row more so: in balance, the second takes the other.
/// let scores = Tensor::<2>::from_floats([[1.0, 0.0], [0.8, 0.7]], &Device::flex());
/// let codes = sinkhorn(scores, 0.05, 3)?.into_data().try_to_vec::<f32>().unwrap();
/// assert!(codes[0] > 0.95 && codes[3] > 0.95);
/// # Ok::<(), metric_losses::ConfigError>(())
/// ```
pub fn sinkhorn(
    scores: Tensor<2>,
    epsilon: f64,
    iterations: usize,
) -> Result<Tensor<2>, ConfigError> {
    check(epsilon, iterations)?;
    Ok(balanced(scores, epsilon, iterations))
}

pub(super) fn check(epsilon: f64, iterations: usize) -> Result<(), ConfigError> {
    ConfigError::check_positive("epsilon", epsilon)?;
    ConfigError::check_size("iterations", iterations)
}

/// [`sinkhorn`] with parameters that have been checked.
pub(super) fn balanced(scores: Tensor<2>, epsilon: f64, iterations: usize) -> Tensor<2> {
    let scores = off_graph(at_least_f32(scores));
    let [n, k] = scores.dims();
    if n == 0 || k == 0 {
        return scores;
    }
    // Relative to the best of each prototype: what its scores have in common drops out in the first step.
    let best = scores.clone().max_dim(0);
    let mut logs = scaled_gap(scores, best, 1.0 / epsilon);
    let all = everywhere(&logs);
    let turned = all.clone().transpose();
    for _ in 0..iterations {
        let of_prototypes = log_sum_exp(logs.clone().transpose(), turned.clone());
        logs = logs - of_prototypes.transpose();
        logs = logs.clone() - log_sum_exp(logs, all.clone());
    }
    logs.exp()
}

/// The same numbers as a constant.
pub(super) fn off_graph<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if x.is_autodiff() { x.inner() } else { x }
}
