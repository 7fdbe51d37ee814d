//! Temperatures that logits are divided by.

use burn::module::{Module, Param};
use burn::tensor::{DType, Device, Tensor};

use crate::class::with_values;
use crate::numerics::within;

/// A temperature `T`, given or learned.
#[derive(Module, Debug)]
pub(crate) enum Temperature {
    /// A number.
    Fixed(f64),
    /// `T` is a parameter.
    Learned(Bounded),
    /// `log(1/T)` is a parameter.
    LearnedByLogInverse(Bounded),
}

impl Temperature {
    /// `T` as a parameter, from `temperature` on.
    pub(crate) fn learned(temperature: f64, bounds: [f64; 2], device: &Device) -> Self {
        Self::Learned(Bounded::new(temperature, bounds, device))
    }

    /// `log(1/T)` as a parameter, from that of `temperature` on and at most `log(max_inverse)`.
    pub(crate) fn learned_by_log_inverse(
        temperature: f64,
        max_inverse: f64,
        device: &Device,
    ) -> Self {
        let bounds = [f64::NEG_INFINITY, max_inverse.ln()];
        Self::LearnedByLogInverse(Bounded::new(-temperature.ln(), bounds, device))
    }

    /// `x / T`.
    pub(crate) fn divide(&self, x: Tensor<2>) -> Tensor<2> {
        if let Self::Fixed(temperature) = self {
            return x * (1.0 / temperature);
        }
        let inverse = self.inverse(&x);
        x * inverse.reshape([1, 1])
    }

    /// `1 / T`, of shape `[1]`, of the type of `x` and where it is.
    pub(crate) fn inverse(&self, x: &Tensor<2>) -> Tensor<1> {
        match self {
            Self::Fixed(temperature) => {
                Tensor::full([1], 1.0 / temperature, (&x.device(), x.dtype()))
            }
            // At least the lower bound, which is above 0.
            Self::Learned(temperature) => temperature.value(x.dtype()).recip(),
            Self::LearnedByLogInverse(log) => log.value(x.dtype()).exp(),
        }
    }

    /// The same, a parameter put back into its bounds.
    pub(crate) fn clamped(self) -> Self {
        match self {
            Self::Fixed(temperature) => Self::Fixed(temperature),
            Self::Learned(temperature) => Self::Learned(temperature.clamped()),
            Self::LearnedByLogInverse(log) => Self::LearnedByLogInverse(log.clamped()),
        }
    }

    /// `T`, of shape `[1]`, if it is learned.
    pub(crate) fn value(&self) -> Option<Tensor<1>> {
        match self {
            Self::Fixed(_) => None,
            Self::Learned(temperature) => Some(temperature.value(DType::F32)),
            Self::LearnedByLogInverse(log) => Some(log.value(DType::F32).neg().exp()),
        }
    }
}

/// A parameter that counts as the bound beyond it, with the gradient of what depends on it there.
#[derive(Module, Debug)]
pub(crate) struct Bounded {
    parameter: Param<Tensor<1>>,
    low: f64,
    high: f64,
}

impl Bounded {
    fn new(start: f64, [low, high]: [f64; 2], device: &Device) -> Self {
        Self {
            parameter: Param::from_tensor(Tensor::from_floats([start], device)),
            low,
            high,
        }
    }

    fn value(&self, dtype: DType) -> Tensor<1> {
        within(self.parameter.val().cast(dtype), [self.low, self.high])
    }

    fn clamped(mut self) -> Self {
        let inside = self.parameter.val().clamp(self.low, self.high);
        self.parameter = with_values(self.parameter, inside);
        self
    }
}
