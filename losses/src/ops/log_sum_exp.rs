use metric_core::Scalar;
use metric_core::simd::{exp_in_place, largest};

/// `log Σ eˣ` of numbers that come a slice at a time, kept as the largest of them and `Σ exp(x − largest)`, so that it
/// neither overflows nor loses all terms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogSumExp {
    largest: f64,
    sum: f64,
}

impl Default for LogSumExp {
    fn default() -> Self {
        Self {
            largest: f64::NEG_INFINITY,
            sum: 0.0,
        }
    }
}

impl LogSumExp {
    /// Takes `scale x` for every `x`, `scale > 0`; what is left in `values` means nothing. Minus infinity adds nothing.
    pub fn add<T: Scalar>(&mut self, values: &mut [T], scale: f64) {
        let here = largest(values).to_f64() * scale;
        if here == f64::NEG_INFINITY {
            return;
        }
        if here > self.largest {
            self.sum *= (self.largest - here).exp();
            self.largest = here;
        }
        let (scale, shift) = (T::from_f64(scale), T::from_f64(self.largest));
        self.sum += exp_in_place(values, scale, shift).to_f64();
    }

    /// `log Σ eˣ`; minus infinity of nothing.
    pub fn value(&self) -> f64 {
        self.largest + self.sum.ln()
    }
}
