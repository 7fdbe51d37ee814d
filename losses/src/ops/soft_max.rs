use metric_core::Scalar;
use metric_core::simd::{self, map_in_place};

/// `log Σ eˣ` as the largest of the numbers and `Σ exp(x − largest)`, so that it neither overflows nor loses all terms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogSumExp {
    /// The largest number; minus infinity if there is none.
    pub largest: f64,
    /// `Σ exp(x − largest)`
    pub sum: f64,
}

impl LogSumExp {
    /// `log Σ eˣ`; minus infinity of nothing.
    pub fn value(&self) -> f64 {
        self.largest + self.sum.ln()
    }

    /// Of nothing.
    pub(crate) const NOTHING: Self = Self {
        largest: f64::NEG_INFINITY,
        sum: 0.0,
    };

    /// Of the numbers of both.
    pub(crate) fn and(self, other: Self) -> Self {
        let (more, less) = if self.largest < other.largest {
            (other, self)
        } else {
            (self, other)
        };
        let gap = less.largest - more.largest;
        let sum = if less.sum > 0.0 {
            less.sum * gap.exp()
        } else {
            0.0
        };
        Self {
            sum: more.sum + sum,
            ..more
        }
    }

    /// Makes of numbers from [`exp_in_range`] their shares of `whole`.
    pub fn share_out<T: Scalar>(&self, values: &mut [T], whole: f64) {
        if self.sum > 0.0 {
            let factor = T::from_f64(whole / self.sum);
            map_in_place(values, move |value| value * factor);
        }
    }
}

/// Puts `exp(scale x − largest)` in the place of every `x`, for `largest` the largest `scale x`; 0 in that of an `x` with
/// `scale x` minus infinity. Their shares `exp(scale x) / Σ exp(scale x)` are these over the sum.
pub fn exp_in_range<T: Scalar>(values: &mut [T], scale: f64) -> LogSumExp {
    let (top, sum) = simd::exp_in_range(values, T::from_f64(scale));
    LogSumExp {
        largest: top.to_f64() * scale,
        sum,
    }
}

/// `log(1 + Σ e^(scale x + shift))`, and in the place of every `x` its derivative times `weight`.
pub(crate) fn log_one_plus<T: Scalar>(
    values: &mut [T],
    (scale, shift): (f64, f64),
    weight: f64,
) -> f64 {
    let sum = exp_in_range(values, scale);
    let log = sum.value() + shift;
    sum.share_out(values, weight * scale * sigmoid(log));
    softplus(log)
}

/// `log(1 + eˣ)`; 0 for minus infinity.
pub(crate) fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// `1 / (1 + e⁻ˣ)`
pub(crate) fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}
