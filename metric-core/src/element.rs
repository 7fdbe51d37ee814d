//! Number types that rows are stored in.

use std::borrow::Cow;

use half::{bf16, f16};
use ndarray::ArrayView2;

use crate::Scalar;

/// A number type that rows are stored in: `f32`, `f64`, or 16 bits (`half::f16`, `half::bf16`) with `f32` arithmetic.
///
/// The functions over matrices take any of them; 16-bit rows are widened once, exactly. Sealed.
#[expect(private_bounds, reason = "the supertrait seals this one")]
pub trait Element: Stored + Copy + Default + Send + Sync + 'static {
    /// What distances are computed and returned in.
    type Acc: Scalar;

    /// The same value in the type of the arithmetic.
    fn widen(self) -> Self::Acc;
}

pub(crate) trait Stored: Sized {
    /// The rows of a view one after another, borrowed if they lie so and need no widening.
    fn rows<'a>(view: ArrayView2<'a, Self>) -> Cow<'a, [<Self as Element>::Acc]>
    where
        Self: Element;
}

macro_rules! element {
    ($t:ty => $acc:ty, $widen:expr, $rows:expr) => {
        impl Element for $t {
            type Acc = $acc;
            #[inline]
            fn widen(self) -> $acc {
                $widen(self)
            }
        }
        impl Stored for $t {
            fn rows(view: ArrayView2<'_, Self>) -> Cow<'_, [$acc]> {
                $rows(view)
            }
        }
    };
}

element!(f32 => f32, std::convert::identity, borrow);
element!(f64 => f64, std::convert::identity, borrow);
element!(f16 => f32, f16::to_f32, widen);
element!(bf16 => f32, bf16::to_f32, widen);

fn borrow<T: Clone>(view: ArrayView2<'_, T>) -> Cow<'_, [T]> {
    match view.to_slice() {
        Some(slice) => Cow::Borrowed(slice),
        None => Cow::Owned(view.iter().cloned().collect()),
    }
}

fn widen<E: Element>(view: ArrayView2<'_, E>) -> Cow<'_, [E::Acc]> {
    Cow::Owned(view.iter().map(|&value| value.widen()).collect())
}
