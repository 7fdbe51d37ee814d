use burn::optim::{LearningRate, Optimizer, RecordState, StateSink, StateSource};
use burn::tensor::{Device, Tensor};

/// Layer-wise adaptive rate scaling (You, Gitman, Ginsburg, *Large batch training of convolutional networks*, 2017,
/// <https://arxiv.org/abs/1708.03888>, algorithm 1): SGD with momentum whose step is in proportion to the norm of the
/// weights, for very large batches.
///
/// For a parameter `p` of two axes or more with gradient `g`, momentum `μ`, decay `λ`, trust coefficient `η` and learning
/// rate `γ`:
/// ```text
/// q ← η ‖p‖ / (‖g‖ + λ ‖p‖ + ε)        1 if ‖p‖ or ‖g‖ is 0
/// u ← μ u + q (g + λ p)
/// p ← p − γ u                          with Nesterov's momentum p − γ (q (g + λ p) + μ u)
/// ```
/// Parameters with one axis, which are biases and the scales and shifts of norms, have `q = 1` and `λ = 0`, as in the code
/// of SimCLR, BYOL, Barlow Twins, VICReg and `MoCo` v3. Deviates from the paper, which multiplies the learning rate into the
/// momentum's memory (`u ← μ u + γ q (g + λ p)`); the two agree while `γ` stays the same.
///
/// Cost: one number of memory for each of a parameter. Norms are taken of entries divided by the largest, so that they are
/// finite for all finite ones.
///
/// ```
/// use burn::nn::LinearConfig;
/// use burn::optim::{GradientsParams, ModuleOptimizer};
/// use burn::tensor::{Device, Tensor};
/// use metric_ssl::Lars;
///
/// let device = Device::flex().autodiff();
/// let layer = LinearConfig::new(2, 1).init(&device);
/// let mut optimizer = ModuleOptimizer::from(Lars::default());
/// let loss = layer.forward(Tensor::<2>::ones([1, 2], &device)).sum();
/// let gradients = GradientsParams::from_grads(loss.backward(), &layer);
/// let layer = optimizer.step(0.3, layer, gradients);
/// # let _ = layer;
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lars {
    /// `μ`. Default: `0.9`.
    pub momentum: f64,
    /// `λ`. Default: `1e-6`.
    pub weight_decay: f64,
    /// `η`. Default: `0.001`.
    pub trust_coefficient: f64,
    /// `ε`. Default: `1e-8`.
    pub epsilon: f64,
    /// Whether the momentum looks ahead. Default: no.
    pub nesterov: bool,
}

impl Default for Lars {
    fn default() -> Self {
        Self {
            momentum: 0.9,
            weight_decay: 1e-6,
            trust_coefficient: 0.001,
            epsilon: 1e-8,
            nesterov: false,
        }
    }
}

/// What [`Lars`] remembers of a parameter.
#[derive(Clone, Debug)]
pub struct LarsState<const D: usize> {
    /// `u`
    pub velocity: Tensor<D>,
}

/// As Burn's derive would have it, which works in Burn alone.
impl<const D: usize> RecordState for LarsState<D> {
    fn state_flatten(&self, prefix: &str, out: &mut StateSink) {
        out.push_tensor(prefix, VELOCITY, self.velocity.to_data());
    }

    fn state_unflatten(prefix: &str, source: &mut StateSource, device: &Device) -> Option<Self> {
        let data = source.take_tensor(prefix, VELOCITY)?;
        let options = (device, data.dtype());
        Some(Self {
            velocity: Tensor::from_data(data, options),
        })
    }
}

const VELOCITY: &str = "velocity";

impl Optimizer for Lars {
    type State<const D: usize> = LarsState<D>;

    fn step<const D: usize>(
        &self,
        rate: LearningRate,
        tensor: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<LarsState<D>>,
    ) -> (Tensor<D>, Option<LarsState<D>>) {
        let gradient = if D > 1 {
            self.adapted(tensor.clone(), gradient)
        } else {
            gradient
        };
        let velocity = match state {
            Some(state) => state.velocity * self.momentum + gradient.clone(),
            None => gradient.clone(),
        };
        let direction = if self.nesterov {
            gradient + velocity.clone() * self.momentum
        } else {
            velocity.clone()
        };
        (tensor - direction * rate, Some(LarsState { velocity }))
    }

    fn to_device<const D: usize>(state: LarsState<D>, device: &Device) -> LarsState<D> {
        LarsState {
            velocity: state.velocity.to_device(device),
        }
    }
}

impl Lars {
    /// `q (g + λ p)`, without reading anything back.
    fn adapted<const D: usize>(&self, tensor: Tensor<D>, gradient: Tensor<D>) -> Tensor<D> {
        let (of_tensor, of_gradient) = (norm(tensor.clone()), norm(gradient.clone()));
        let below = of_gradient.clone() + of_tensor.clone() * self.weight_decay + self.epsilon;
        let trust = of_tensor.clone() * self.trust_coefficient / below;
        let is_still = of_tensor
            .equal_elem(0.0)
            .bool_or(of_gradient.equal_elem(0.0));
        let trust = trust.mask_fill(is_still, 1.0);
        (gradient + tensor * self.weight_decay) * trust.reshape([1; D])
    }
}

/// `‖x‖`, `[1]`
fn norm<const D: usize>(x: Tensor<D>) -> Tensor<1> {
    let largest = x.clone().abs().max();
    // All zero: divided by 1, so that the norm is 0.
    let scale = largest.clone().mask_fill(largest.equal_elem(0.0), 1.0);
    let parts = x / scale.clone().reshape([1; D]);
    parts.square().sum().sqrt() * scale
}
