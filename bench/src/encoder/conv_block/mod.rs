//! A convolution with batch norm, and ReLU and max pooling after it, as one operation of the CPU backend with gradients
//! of its own.
//!
//! Images are channels last, `[n, height, width, channels]`: a window's row is one run of numbers, and sums that Burn makes
//! of gradients run over memory in order.

mod buffers;
mod convolution;
mod direct;
mod flex;
mod merge;
mod norm;
mod norm_gradient;
mod plan;
mod pool;
mod winograd;

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{
    Autodiff, AutodiffBackend, Backend, Dispatch, DispatchDevice, backend_extension,
};
use burn::nn::conv::Conv2d;
use burn::nn::pool::MaxPool2dConfig;
use burn::nn::{BatchNorm, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::{DType, Device, Tensor};

/// What a block does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Block {
    stride: [usize; 2],
    padding: [usize; 2],
    epsilon: f64,
    after: After,
    /// Whether something is added before ReLU.
    residual: bool,
    /// Whether the gradient of the images is wanted.
    input_gradient: bool,
}

/// The operations behind [`conv_block`].
#[backend_extension(Flex, Autodiff)]
pub(crate) trait BlockOps: Backend {
    /// With the statistics given.
    #[allow(clippy::too_many_arguments, reason = "all that the result depends on")]
    fn block(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        variance: FloatTensor<Self>,
        block: Block,
    ) -> FloatTensor<Self>;

    /// With the statistics of the batch: the result, the convolution's, means and variances.
    fn block_train(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        block: Block,
    ) -> (
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
    );

    /// The gradients of `x` (of no image if it is not wanted), `weight`, `gamma`, `beta` and `residual` (none without one).
    #[allow(
        clippy::too_many_arguments,
        clippy::type_complexity,
        reason = "all that the gradients depend on, and all gradients"
    )]
    fn block_backward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        map: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        variance: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        block: Block,
    ) -> (
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
    );
}

#[derive(Debug)]
struct TrainedBlock;

type Four<B> = (
    FloatTensor<B>,
    FloatTensor<B>,
    FloatTensor<B>,
    FloatTensor<B>,
);

type Five<B> = (
    FloatTensor<B>,
    FloatTensor<B>,
    FloatTensor<B>,
    FloatTensor<B>,
    FloatTensor<B>,
);

/// What a block keeps: the nodes of its inputs, and the map, means and variances it made.
type Kept<B> = ([NodeId; 5], [FloatTensor<B>; 3], Block);

impl<B: Backend + BlockOps> Backward<B, 5> for TrainedBlock {
    type State = Kept<B>;

    fn backward(
        self,
        ops: Ops<Self::State, 5>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let gradient = grads.consume::<B>(&ops.node);
        let (nodes, [map, mean, variance], block) = ops.state;
        let [x, weight, gamma, beta, residual] =
            nodes.map(|node| checkpointer.retrieve_node_output::<FloatTensor<B>>(node));
        let block = Block {
            input_gradient: ops.parents[0].is_some(),
            ..block
        };
        let (x, weight, gamma, beta, residual) = B::block_backward(
            x, weight, gamma, beta, residual, map, mean, variance, gradient, block,
        );
        let gradients = [x, weight, gamma, beta, residual];
        for (node, gradient) in ops.parents.into_iter().zip(gradients) {
            if let Some(node) = node {
                grads.register::<B>(node.id, gradient);
            }
        }
    }
}

impl<B: Backend + BlockOps, C: CheckpointStrategy> BlockOps for Autodiff<B, C> {
    fn block(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        variance: FloatTensor<Self>,
        block: Block,
    ) -> FloatTensor<Self> {
        let [x, weight, gamma, beta, residual, mean, variance] =
            [x, weight, gamma, beta, residual, mean, variance].map(|tensor| {
                assert!(!tensor.is_tracked(), "no gradients with given statistics");
                tensor.into_primitive()
            });
        Self::from_inner(B::block(
            x, weight, gamma, beta, residual, mean, variance, block,
        ))
    }

    fn block_train(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        block: Block,
    ) -> Four<Self> {
        let parents = [
            x.node(),
            weight.node(),
            gamma.node(),
            beta.node(),
            residual.node(),
        ];
        let prepared = TrainedBlock
            .prepare::<C>(parents)
            .compute_bound()
            .stateful();
        let train = |inputs: [FloatTensor<Self>; 5]| {
            let [x, weight, gamma, beta, residual] = inputs.map(|tensor| tensor.into_primitive());
            B::block_train(x, weight, gamma, beta, residual, block)
        };
        let inputs = [x, weight, gamma, beta, residual];
        let (out, map, mean, variance) = match prepared {
            OpsKind::Tracked(mut prep) => {
                let nodes = [0, 1, 2, 3, 4].map(|i| prep.checkpoint(&inputs[i]));
                let (out, map, mean, variance) = train(inputs);
                let kept = [map.clone(), mean.clone(), variance.clone()];
                (prep.finish((nodes, kept, block), out), map, mean, variance)
            }
            OpsKind::UnTracked(prep) => {
                let (out, map, mean, variance) = train(inputs);
                (prep.finish(out), map, mean, variance)
            }
        };
        let [map, mean, variance] = [map, mean, variance].map(Self::from_inner);
        (out, map, mean, variance)
    }

    fn block_backward(
        _: FloatTensor<Self>,
        _: FloatTensor<Self>,
        _: FloatTensor<Self>,
        _: FloatTensor<Self>,
        _: FloatTensor<Self>,
        _: FloatTensor<Self>,
        _: FloatTensor<Self>,
        _: FloatTensor<Self>,
        _: FloatTensor<Self>,
        _: Block,
    ) -> Five<Self> {
        unreachable!("gradients of gradients are not defined")
    }
}

/// What follows the batch norm of a [`conv_block`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct After {
    /// ReLU.
    pub relu: bool,
    /// 2 x 2 max pooling with stride 2; an odd last row or column is left out.
    pub pool: bool,
}

/// The convolution of images `[n, height, width, channels]`, then batch norm, the sum with a residual of the result's
/// shape if there is one, ReLU and max pooling, each with the meaning and the state of Burn's layer.
///
/// On the CPU backend one operation does all of it (`f32`, one group, no dilation, no bias, equal padding on both sides
/// below the kernel's size, no pooling of a residual's sum); anything else is left to Burn's layers. 3 x 3 kernels with
/// stride 1 are computed by 2.25 times fewer multiplications (Lavin and Gray, CVPR 2016), with results that differ from
/// the plain sum by rounding only.
pub fn conv_block(
    conv: &Conv2d,
    norm: &BatchNorm,
    after: After,
    images: Tensor<4>,
    residual: Option<Tensor<4>>,
) -> Tensor<4> {
    let device = images.device();
    let trains = device.is_autodiff() && norm.training.is_enabled();
    let block = fast_block(conv, norm, after, &images, residual.as_ref())
        .filter(|_| trains || !device.is_autodiff());
    let Some(block) = block else {
        return by_layers(conv, norm, after, images, residual);
    };
    let residual = residual.unwrap_or_else(|| Tensor::zeros([0, 0, 0, 0], &device));
    let [x, weight, residual] = [images, conv.weight.val(), residual].map(Tensor::into_dispatch);
    let [gamma, beta] = [norm.gamma.val(), norm.beta.val()].map(Tensor::into_dispatch);
    if !trains {
        let [mean, variance] = [&norm.running_mean, &norm.running_var]
            .map(|state| state.value().to_device(&device).into_dispatch());
        return Tensor::from_dispatch(<Dispatch as BlockOps>::block(
            x, weight, gamma, beta, residual, mean, variance, block,
        ));
    }
    let (out, _, mean, variance) =
        <Dispatch as BlockOps>::block_train(x, weight, gamma, beta, residual, block);
    for (state, batch) in [(&norm.running_mean, mean), (&norm.running_var, variance)] {
        let old = state.value_sync().to_device(&device);
        let batch = Tensor::<1>::from_dispatch(batch).detach();
        let new = old.mul_scalar(1.0 - norm.momentum) + batch.mul_scalar(norm.momentum);
        state.update(new.detach());
    }
    Tensor::from_dispatch(out)
}

fn by_layers(
    conv: &Conv2d,
    norm: &BatchNorm,
    after: After,
    images: Tensor<4>,
    residual: Option<Tensor<4>>,
) -> Tensor<4> {
    let mut maps = norm.forward(conv.forward(channels_first(images)));
    if let Some(residual) = residual {
        maps = maps + channels_first(residual);
    }
    if after.relu {
        maps = relu(maps);
    }
    if after.pool {
        let pool = MaxPool2dConfig::new([2, 2]).with_strides([2, 2]).init();
        maps = pool.forward(maps);
    }
    channels_last(maps)
}

/// Images `[n, channels, height, width]` as `[n, height, width, channels]`.
pub(super) fn channels_last(images: Tensor<4>) -> Tensor<4> {
    images.permute([0, 2, 3, 1])
}

/// The other way.
pub(super) fn channels_first(images: Tensor<4>) -> Tensor<4> {
    images.permute([0, 3, 1, 2])
}

/// The block, if the operation can do it.
fn fast_block(
    conv: &Conv2d,
    norm: &BatchNorm,
    after: After,
    images: &Tensor<4>,
    residual: Option<&Tensor<4>>,
) -> Option<Block> {
    let device: Device = images.device().without_autodiff();
    if !matches!(device.as_dispatch(), DispatchDevice::Flex(_)) || images.dtype() != DType::F32 {
        return None;
    }
    let padding = match conv.padding {
        PaddingConfig2d::Valid => [0, 0],
        PaddingConfig2d::Explicit(top, left, bottom, right) if top == bottom && left == right => {
            [top, left]
        }
        _ => return None,
    };
    let plain = conv.groups == 1 && conv.dilation == [1, 1] && conv.bias.is_none();
    let [n, height, width, channels] = images.dims();
    let [filters, of_channels, rows, columns] = conv.weight.dims();
    let image = [height, width];
    let kernel = [rows, columns];
    let fits = (0..2).all(|i| padding[i] < kernel[i] && image[i] + 2 * padding[i] >= kernel[i]);
    if !plain || !fits || n * channels * filters == 0 || channels != of_channels {
        return None;
    }
    let out = [0, 1].map(|i| (image[i] + 2 * padding[i] - kernel[i]) / conv.stride[i] + 1);
    let adds = match residual {
        Some(residual) => !after.pool && residual.dims() == [n, out[0], out[1], filters],
        None => true,
    };
    let pools = !after.pool || out.iter().all(|&side| side >= 2);
    (adds && pools).then_some(Block {
        stride: conv.stride,
        padding,
        epsilon: norm.epsilon,
        after,
        residual: residual.is_some(),
        input_gradient: true,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests: panics are failures")]
mod tests;
