//! Adam and `AdamW` in one pass over memory.
//!
//! Burn's optimizers make a tensor of every intermediate result, ten and more of a parameter's size a step. Here the CPU
//! backend updates parameter and moments where they lie; states and records are Burn's, as are the results up to rounding.

use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, DispatchDevice, Flex, backend_extension};
use burn::optim::LearningRate;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::{
    AdamConfig, AdamState, AdamWConfig, AdamWState, AdaptiveMomentumState, Optimizer,
};
use burn::tensor::{DType, Device, Tensor};
use metric_core::simd::{Kernel, Simd, run};
use rayon::prelude::*;

const BETA_1: f32 = 0.9;
const BETA_2: f32 = 0.999;
const EPSILON: f32 = 1e-5;
/// Numbers that a thread updates at a time.
const CHUNK: usize = 1 << 14;

/// Adam (Kingma and Ba, 2015, <https://arxiv.org/abs/1412.6980>, algorithm 1) with Burn's defaults and state.
///
/// For every number `θ` of a parameter with gradient `g`, at step `t`:
///
/// ```text
/// g ← g + λ θ
/// m ← β₁ m + (1 − β₁) g          v ← β₂ v + (1 − β₂) g²
/// θ ← θ − η m / (1 − β₁ᵗ) / (√(v / (1 − β₂ᵗ)) + ε)
/// ```
///
/// `β₁ = 0.9`, `β₂ = 0.999`, `ε = 1e-5`. On the CPU backend and in `f32` one pass updates `θ`, `m` and `v` in place; a
/// step on anything else is Burn's.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Adam {
    /// `λ`; none by default.
    pub weight_decay: f32,
}

/// `AdamW` (Loshchilov and Hutter, 2019, <https://arxiv.org/abs/1711.05101>, algorithm 2) with Burn's defaults and state.
///
/// As [`Adam`], but the weights decay beside the gradient:
///
/// ```text
/// θ ← (1 − η λ) θ − η m / (1 − β₁ᵗ) / (√(v / (1 − β₂ᵗ)) + ε)
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct AdamW {
    /// `λ`; none by default.
    pub weight_decay: f32,
}

impl Optimizer for Adam {
    type State<const D: usize> = AdamState<D>;

    fn step<const D: usize>(
        &self,
        rate: LearningRate,
        tensor: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<AdamState<D>>,
    ) -> (Tensor<D>, Option<AdamState<D>>) {
        let moments = state.map(|state| state.momentum);
        if !is_fast(&tensor, &gradient, moments.as_ref()) {
            let decay = Some(self.weight_decay).filter(|&decay| decay != 0.0);
            return AdamConfig::new()
                .with_weight_decay(decay.map(WeightDecayConfig::new))
                .build()
                .step(rate, tensor, gradient, moments.map(AdamState::new));
        }
        let decay = Decay {
            gradient: self.weight_decay,
            kept: 1.0,
        };
        let (tensor, moments) = update(rate, decay, tensor, gradient, moments);
        (tensor, Some(AdamState::new(moments)))
    }

    fn to_device<const D: usize>(state: AdamState<D>, device: &Device) -> AdamState<D> {
        AdamState::new(state.momentum.to_device(device))
    }
}

impl Optimizer for AdamW {
    type State<const D: usize> = AdamWState<D>;

    fn step<const D: usize>(
        &self,
        rate: LearningRate,
        tensor: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<AdamWState<D>>,
    ) -> (Tensor<D>, Option<AdamWState<D>>) {
        let moments = state.map(|state| state.momentum);
        if !is_fast(&tensor, &gradient, moments.as_ref()) {
            return AdamWConfig::new()
                .with_weight_decay(self.weight_decay)
                .build()
                .step(rate, tensor, gradient, moments.map(AdamWState::new));
        }
        let decay = Decay {
            gradient: 0.0,
            kept: (1.0 - rate * f64::from(self.weight_decay)) as f32,
        };
        let (tensor, moments) = update(rate, decay, tensor, gradient, moments);
        (tensor, Some(AdamWState::new(moments)))
    }

    fn to_device<const D: usize>(state: AdamWState<D>, device: &Device) -> AdamWState<D> {
        AdamWState::new(state.momentum.to_device(device))
    }
}

/// Whether all tensors are the CPU backend's, in `f32`.
fn is_fast<const D: usize>(
    tensor: &Tensor<D>,
    gradient: &Tensor<D>,
    moments: Option<&AdaptiveMomentumState<D>>,
) -> bool {
    let moments = moments.map(|moments| [&moments.moment_1, &moments.moment_2]);
    let mut all = [tensor, gradient]
        .into_iter()
        .chain(moments.into_iter().flatten());
    all.all(|tensor| {
        let device = tensor.device();
        matches!(device.as_dispatch(), DispatchDevice::Flex(_)) && tensor.dtype() == DType::F32
    })
}

/// How weights decay.
#[derive(Debug, Clone, Copy)]
struct Decay {
    /// What a gradient gains of its parameter.
    gradient: f32,
    /// What is left of a parameter.
    kept: f32,
}

fn update<const D: usize>(
    rate: LearningRate,
    decay: Decay,
    tensor: Tensor<D>,
    gradient: Tensor<D>,
    moments: Option<AdaptiveMomentumState<D>>,
) -> (Tensor<D>, AdaptiveMomentumState<D>) {
    let mut moments = moments.unwrap_or_else(|| {
        let zeros = || Tensor::zeros(tensor.shape(), &tensor.device());
        AdaptiveMomentumState::new(0, zeros(), zeros())
    });
    moments.time += 1;
    let time = i32::try_from(moments.time).unwrap_or(i32::MAX);
    let step = Step {
        decay,
        rate: rate as f32 / (1.0 - BETA_1.powi(time)),
        deviation: 1.0 / (1.0 - BETA_2.powi(time)).sqrt(),
    };
    let (tensor, moment_1, moment_2) = <Dispatch as UpdateOps>::update(
        tensor.into_dispatch(),
        gradient.into_dispatch(),
        moments.moment_1.into_dispatch(),
        moments.moment_2.into_dispatch(),
        step,
    );
    moments.moment_1 = Tensor::from_dispatch(moment_1);
    moments.moment_2 = Tensor::from_dispatch(moment_2);
    (Tensor::from_dispatch(tensor), moments)
}

/// The numbers of a step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    decay: Decay,
    /// `η / (1 − β₁ᵗ)`
    rate: f32,
    /// `1 / √(1 − β₂ᵗ)`
    deviation: f32,
}

/// The operation behind [`update`].
#[backend_extension(Flex)]
pub(crate) trait UpdateOps: Backend {
    /// The new parameter and moments.
    fn update(
        tensor: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        moment_1: FloatTensor<Self>,
        moment_2: FloatTensor<Self>,
        step: Step,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
}

impl UpdateOps for Flex {
    fn update(
        tensor: FlexTensor,
        gradient: FlexTensor,
        moment_1: FlexTensor,
        moment_2: FlexTensor,
        step: Step,
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        // Row by row, and alone in memory of its own: a copy is made only of what is neither.
        let [mut tensor, mut moment_1, mut moment_2] = [tensor, moment_1, moment_2].map(|tensor| {
            let rows = tensor.to_contiguous();
            drop(tensor);
            rows
        });
        let gradient = gradient.to_contiguous();
        let parts = tensor
            .storage_mut::<f32>()
            .par_chunks_mut(CHUNK)
            .zip(gradient.storage::<f32>().par_chunks(CHUNK))
            .zip(moment_1.storage_mut::<f32>().par_chunks_mut(CHUNK))
            .zip(moment_2.storage_mut::<f32>().par_chunks_mut(CHUNK));
        parts.for_each(|(((parameter, gradient), moment_1), moment_2)| {
            run(Part {
                parameter,
                gradient,
                moment_1,
                moment_2,
                step,
            });
        });
        (tensor, moment_1, moment_2)
    }
}

struct Part<'a> {
    parameter: &'a mut [f32],
    gradient: &'a [f32],
    moment_1: &'a mut [f32],
    moment_2: &'a mut [f32],
    step: Step,
}

impl Kernel<f32> for Part<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<f32>>(self, _: S) {
        let Step {
            decay,
            rate,
            deviation,
        } = self.step;
        let moments = self.moment_1.iter_mut().zip(self.moment_2);
        let parameters = self.parameter.iter_mut().zip(self.gradient);
        for ((x, &gradient), (m, v)) in parameters.zip(moments) {
            let gradient = gradient + decay.gradient * *x;
            *m = *m * BETA_1 + gradient * (1.0 - BETA_1);
            *v = *v * BETA_2 + gradient * gradient * (1.0 - BETA_2);
            // Divided first: `m` may be next to the largest number.
            *x = *x * decay.kept - *m / (v.sqrt() * deviation + EPSILON) * rate;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests: panics are failures")]
mod tests;
