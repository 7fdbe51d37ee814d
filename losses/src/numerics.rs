//! Operations whose value and gradient stay finite where the textbook form does not.

use burn::tensor::{Bool, DType, Int, Tensor};

/// Smallest positive normal `f32`: a divisor no smaller than this never overflows a ratio of
/// numbers below one.
pub(crate) const TINY: f64 = f32::MIN_POSITIVE as f64;

/// Half-precision numbers as `f32`, others as they are; the gradient goes back in the precision it came in.
///
/// Embeddings pass through here before anything is added or squared: a sum of squares of rows of size 300 overflows `f16`,
/// and `bf16` has no digits to take differences of.
pub(crate) fn at_least_f32<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    match x.dtype() {
        DType::F16 | DType::BF16 => x.cast(DType::F32),
        _ => x,
    }
}

/// Every row divided by its Euclidean norm: `x̂ᵢ = xᵢ / ‖xᵢ‖`.
///
/// A row is scaled by its largest entry before the norm is taken, so rows of size 1e18 or 1e-18
/// keep their direction. A zero row stays zero and passes its gradient through unchanged. Rows in half
/// precision give `f32`.
///
/// # Shapes
/// - `x`: `[n, dim]`
/// - output: `[n, dim]`
pub fn l2_normalize(x: Tensor<2>) -> Tensor<2> {
    let x = at_least_f32(x);
    let largest = x.clone().detach().max_abs_dim(1); // [n, 1]
    let is_zero = largest.clone().lower_scalar(TINY);
    let scaled = x / largest.mask_fill(is_zero.clone(), 1.0);
    let squares = scaled.clone().square().sum_dim(1);
    scaled / squares.mask_fill(is_zero, 1.0).sqrt()
}

/// `‖xᵢ‖` of every row, `[n, 1]`, without overflow before the result does; of a zero row 0 with
/// gradient 0.
pub(crate) fn row_norms(x: Tensor<2>) -> Tensor<2> {
    let x = at_least_f32(x);
    let largest = x.clone().detach().max_abs_dim(1);
    let largest = largest.clone().mask_fill(largest.lower_scalar(TINY), 1.0);
    safe_sqrt((x / largest.clone()).square().sum_dim(1)) * largest
}

/// `x / by`, whose gradient keeps the precision of `x`: that of Burn's division by a number is
/// rounded to `f32`.
pub(crate) fn divide<const D: usize>(x: Tensor<D>, by: f64) -> Tensor<D> {
    x * (1.0 / by)
}

/// `√x` for `x ≥ 0`, with gradient 0 instead of infinity at 0.
///
/// The mask comes before the root: masking after it leaves `0 · ∞ = NaN` in the gradient.
pub(crate) fn safe_sqrt<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    safe_root(x, 0.5)
}

/// `x^exponent` for `x ≥ 0` and `exponent > 0`, with gradient 0 at 0.
pub(crate) fn safe_root<const D: usize>(x: Tensor<D>, exponent: f64) -> Tensor<D> {
    if exponent >= 1.0 {
        return if exponent > 1.0 {
            x.powf_scalar(exponent)
        } else {
            x
        };
    }
    let is_zero = x.clone().lower_equal_scalar(0.0);
    let x = x.mask_fill(is_zero.clone(), 1.0);
    let root = match exponent {
        0.5 => x.sqrt(),
        _ => x.powf_scalar(exponent),
    };
    root.mask_fill(is_zero, 0.0)
}

/// `log(1 + eˣ)`, without overflow for large `x`.
pub(crate) fn softplus<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let size = x.clone().abs();
    // `[x]₊` as half of `x + |x|`: at 0 its gradient is 1/2, which makes that of the sum right.
    x * 0.5 + size.clone() * 0.5 + size.neg().exp().log1p()
}

/// `log Σ eˣ` over the `kept` entries of the last axis, which stays with length 1; 0 where none is.
pub(crate) fn log_sum_exp<const D: usize>(x: Tensor<D>, kept: Tensor<D, Bool>) -> Tensor<D> {
    let dropped = kept.bool_not();
    let none = dropped.clone().all_dim(D - 1);
    let shift = largest(&x, &dropped).mask_fill(none.clone(), 0.0);
    let powers = (x - shift.clone())
        .mask_fill(dropped, f64::NEG_INFINITY)
        .exp();
    powers.sum_dim(D - 1).mask_fill(none, 1.0).log() + shift
}

/// `log(1 + Σ eˣ)` over the `kept` entries of the last axis, which stays with length 1.
pub(crate) fn log_one_plus_sum_exp<const D: usize>(
    x: Tensor<D>,
    kept: Tensor<D, Bool>,
) -> Tensor<D> {
    let none = kept.clone().any_dim(D - 1).bool_not();
    softplus(log_sum_exp(x, kept)).mask_fill(none, 0.0)
}

/// `scale (x − from)`: what both have in common drops out before the product rounds it. Of numbers near the largest the
/// difference is taken of their halves.
pub(crate) fn scaled_gap(x: Tensor<2>, from: Tensor<2>, scale: f64) -> Tensor<2> {
    (x * 0.5 - from * 0.5) * (2.0 * scale)
}

/// `scale (x − m)` with `m` the largest entry of the row that is `kept`, off the graph; `scale x` where none is.
pub(crate) fn relative_to_largest(x: Tensor<2>, kept: &Tensor<2, Bool>, scale: f64) -> Tensor<2> {
    let none = kept.clone().any_dim(1).bool_not();
    let largest = largest(&x, &kept.clone().bool_not()).mask_fill(none, 0.0);
    scaled_gap(x, largest, scale)
}

/// `−log(Σ_part eˢ / (Σ_part eˢ + Σ_rest eˢ))` of every row, with `s = scale x`: `[n, 1]`; 0 where `rest` is empty.
///
/// A number common to a row drops out before anything is rounded: not the ratio is taken but
/// `log(1 + e^(LSE_rest − LSE_part))`, both relative to the largest entry of `part`, so that a
/// value far below `ε` keeps its digits. Without `part` the value is finite and means nothing.
pub(crate) fn negative_log_share(
    x: Tensor<2>,
    scale: f64,
    part: Tensor<2, Bool>,
    rest: Tensor<2, Bool>,
) -> Tensor<2> {
    let x = relative_to_largest(x, &part, scale);
    let no_rest = rest.clone().any_dim(1).bool_not();
    let gap = log_sum_exp(x.clone(), rest) - log_sum_exp(x, part);
    softplus(gap).mask_fill(no_rest, 0.0)
}

/// The largest entry of the last axis that is not `dropped`, off the graph; `−∞` without any.
fn largest<const D: usize>(x: &Tensor<D>, dropped: &Tensor<D, Bool>) -> Tensor<D> {
    let kept = x.clone().detach();
    kept.mask_fill(dropped.clone(), f64::NEG_INFINITY)
        .max_dim(D - 1)
}

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

/// The largest magnitude in either set, off the graph and never 0: `[1, 1]`.
pub(crate) fn common_scale(x: &Tensor<2>, y: &Tensor<2>) -> Tensor<2> {
    let largest = |t: &Tensor<2>| t.clone().detach().max_abs();
    largest(x)
        .max_pair(largest(y))
        .clamp_min(TINY)
        .reshape([1, 1])
}

/// `max(x, floor)` with the gradient of `x`, so that a parameter that has fallen below comes back.
pub(crate) fn at_least<const D: usize>(x: Tensor<D>, floor: f64) -> Tensor<D> {
    within(x, [floor, f64::INFINITY])
}

/// `min(max(x, low), high)` with the gradient of `x`, so that a parameter that has left the bounds comes back.
pub(crate) fn within<const D: usize>(x: Tensor<D>, [low, high]: [f64; 2]) -> Tensor<D> {
    let fixed = x.clone().detach();
    fixed.clone().clamp(low, high) + (x - fixed)
}

/// True everywhere, in the shape of `like`.
pub(crate) fn everywhere<const D: usize>(like: &Tensor<D>) -> Tensor<D, Bool> {
    Tensor::<D, Int>::zeros(like.dims(), &like.device()).equal_scalar(0)
}

/// The loss of sets one of which has no rows, 0 on the graph of all: backends refuse to reduce or to expand an axis of
/// length 0. `None` if all have rows.
pub(crate) fn zero_without_rows(sets: &[&Tensor<2>]) -> Option<Tensor<1>> {
    let zeros = sets.iter().map(|&set| zero_on_graph(set.clone()));
    let is_empty = sets.iter().any(|set| set.dims()[0] == 0);
    is_empty.then(|| zeros.reduce(|sum, zero| sum + zero))?
}

/// The number 0, connected to `x` so that a backward pass always works.
pub(crate) fn zero_on_graph(x: Tensor<2>) -> Tensor<1> {
    let x = at_least_f32(x);
    let everywhere = everywhere(&x);
    x.mask_fill(everywhere, 0.0).sum()
}
