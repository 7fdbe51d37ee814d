//! Inner product.

use super::form::Kind;
use super::{Form, Similarity, same_length};
use crate::Scalar;
use crate::kernel::pair::pair;
use crate::kernel::term::Product;

/// Inner product.
///
/// ```text
/// s(a, b) = Σ aᵢ bᵢ
/// ```
/// A [`Similarity`], not a distance: a vector need not be its own nearest. The rounding error is at most
/// `n ε Σ |aᵢ bᵢ|`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct InnerProduct;

impl<T: Scalar> Similarity<T> for InnerProduct {
    #[inline]
    fn similarity(&self, a: &[T], b: &[T]) -> T {
        same_length(a, b);
        let product = pair(Product, a, b);
        if product.is_finite() {
            product
        } else {
            rescaled(a, b)
        }
    }
    fn form(&self) -> Form<'_, T> {
        Form(Kind::Products)
    }
}

/// For terms too large for their type although the sum may fit: each factor is divided by a power of two first.
#[cold]
fn rescaled<T: Scalar>(a: &[T], b: &[T]) -> T {
    let scale = |v: &[T]| {
        let largest = v
            .iter()
            .fold(0.0, |largest, x| f64::max(largest, x.to_f64().abs()));
        // A power of two, so that scaling is exact; half the exponent range is room enough for any sum.
        if largest > 1e150 {
            2.0f64.powi(530)
        } else {
            1.0
        }
    };
    let (a_scale, b_scale) = (scale(a), scale(b));
    let sum: f64 = a
        .iter()
        .zip(b)
        .map(|(x, y)| (x.to_f64() / a_scale) * (y.to_f64() / b_scale))
        .sum();
    T::from_f64(sum * a_scale * b_scale)
}
