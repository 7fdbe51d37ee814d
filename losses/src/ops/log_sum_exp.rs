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
    /// Takes `scale x` for every `x`, `scale > 0`. Minus infinity adds nothing.
    pub fn add<T: Scalar>(&mut self, values: &[T], scale: f64) {
        self.add_but((values, &[]), scale);
    }

    /// The same, but for the values at some places.
    pub fn add_but<T: Scalar>(&mut self, (values, places): (&[T], &[usize]), scale: f64) {
        const SOME: usize = 512;
        let mut room = [T::ZERO; SOME];
        let mut places = places.iter().copied().peekable();
        for (i, values) in values.chunks(SOME).enumerate() {
            let room = &mut room[..values.len()];
            room.copy_from_slice(values);
            while let Some(place) = places.next_if(|&place| place < i * SOME + values.len()) {
                room[place - i * SOME] = T::from_f64(f64::NEG_INFINITY);
            }
            let here = largest(room).to_f64() * scale;
            if here == f64::NEG_INFINITY {
                continue;
            }
            if here > self.largest {
                self.sum *= (self.largest - here).exp();
                self.largest = here;
            }
            let (scale, shift) = (T::from_f64(scale), T::from_f64(self.largest));
            self.sum += exp_in_place(room, scale, shift).to_f64();
        }
    }

    /// `log Σ eˣ`; minus infinity of nothing.
    pub fn value(&self) -> f64 {
        self.largest + self.sum.ln()
    }
}
