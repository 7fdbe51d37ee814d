use burn::config::Config;
use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Initializer, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::{Device, Tensor};

use super::conv_block::{After, channels_first, channels_last, conv_block};

/// Channels of the four stages.
const CHANNELS: [usize; 4] = [64, 128, 256, 512];

/// How an image enters a [`ResNet`].
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum Stem {
    /// A 3x3 convolution, for images of about 32 pixels a side.
    Small,
    /// A 7x7 convolution and 3x3 max pooling, each with stride 2: the paper's, for photographs.
    Large,
}

/// Configuration of [`ResNet`].
#[derive(Config, Debug)]
pub struct ResNetConfig {
    /// Colour planes.
    pub channels: usize,
    /// Length of an embedding.
    pub embedding_size: usize,
    /// Residual blocks of each of the four stages. Default: two, as in ResNet-18.
    #[config(default = "[2, 2, 2, 2]")]
    pub blocks: [usize; 4],
    /// Default: [`Stem::Small`].
    #[config(default = "Stem::Small")]
    pub stem: Stem,
}

impl ResNetConfig {
    /// A fresh network, its convolutions drawn from the normal distribution of He et al., ICCV 2015, by outgoing
    /// connections.
    pub fn init(&self, device: &Device) -> ResNet {
        let (size, stride) = match self.stem {
            Stem::Small => (3, 1),
            Stem::Large => (7, 2),
        };
        let mut channels = CHANNELS[0];
        let mut stage = |i: usize| {
            let blocks = (0..self.blocks[i]).map(|block| {
                let stride = if i > 0 && block == 0 { 2 } else { 1 };
                let from = std::mem::replace(&mut channels, CHANNELS[i]);
                BasicBlock::new(from, CHANNELS[i], stride, device)
            });
            blocks.collect()
        };
        ResNet {
            conv1: conv(self.channels, CHANNELS[0], size, stride, device),
            bn1: BatchNormConfig::new(CHANNELS[0]).init(device),
            maxpool: (self.stem == Stem::Large).then(|| {
                MaxPool2dConfig::new([3, 3])
                    .with_strides([2, 2])
                    .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                    .init()
            }),
            layer1: stage(0),
            layer2: stage(1),
            layer3: stage(2),
            layer4: stage(3),
            fc: LinearConfig::new(CHANNELS[3], self.embedding_size).init(device),
        }
    }
}

/// A square convolution that keeps the size but for its stride. The batch norm that follows has the bias.
fn conv(from: usize, to: usize, size: usize, stride: usize, device: &Device) -> Conv2d {
    let around = size / 2;
    Conv2dConfig::new([from, to], [size, size])
        .with_stride([stride, stride])
        .with_padding(PaddingConfig2d::Explicit(around, around, around, around))
        .with_bias(false)
        .with_initializer(Initializer::KaimingNormal {
            gain: std::f64::consts::SQRT_2,
            fan_out_only: true,
        })
        .init(device)
}

/// A residual network of basic blocks (He, Zhang, Ren and Sun, *Deep Residual Learning for Image Recognition*, CVPR
/// 2016): a stem, four stages of 64, 128, 256 and 512 channels, each but the first at half the resolution of the one
/// before, the mean over all pixels, and one linear layer.
///
/// Its fields are called as in torchvision, whose weights have the same shapes.
#[derive(Module, Debug)]
pub struct ResNet {
    conv1: Conv2d,
    bn1: BatchNorm,
    maxpool: Option<MaxPool2d>,
    layer1: Vec<BasicBlock>,
    layer2: Vec<BasicBlock>,
    layer3: Vec<BasicBlock>,
    layer4: Vec<BasicBlock>,
    fc: Linear,
}

impl ResNet {
    /// # Shapes
    /// - `images`: `[n, channels, height, width]`, any size
    /// - output: `[n, embedding_size]`
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let mut maps = conv_block(&self.conv1, &self.bn1, RELU, channels_last(images), None);
        if let Some(pool) = &self.maxpool {
            maps = channels_last(pool.forward(channels_first(maps)));
        }
        for stage in [&self.layer1, &self.layer2, &self.layer3, &self.layer4] {
            for block in stage {
                maps = block.forward(maps);
            }
        }
        let [n, height, width, channels] = maps.dims();
        let pixels = maps.reshape([n, height * width, channels]);
        self.fc.forward(pixels.mean_dim(1).reshape([n, channels]))
    }
}

const RELU: After = After {
    relu: true,
    pool: false,
};

/// Two 3x3 convolutions and what they add to, which meets a 1x1 convolution where the shape changes.
#[derive(Module, Debug)]
struct BasicBlock {
    conv1: Conv2d,
    bn1: BatchNorm,
    conv2: Conv2d,
    bn2: BatchNorm,
    downsample: Option<Downsample>,
}

#[derive(Module, Debug)]
struct Downsample {
    conv: Conv2d,
    bn: BatchNorm,
}

impl BasicBlock {
    fn new(from: usize, to: usize, stride: usize, device: &Device) -> Self {
        let norm = || BatchNormConfig::new(to).init(device);
        Self {
            conv1: conv(from, to, 3, stride, device),
            bn1: norm(),
            conv2: conv(to, to, 3, 1, device),
            bn2: norm(),
            downsample: (stride > 1 || from != to).then(|| Downsample {
                conv: conv(from, to, 1, stride, device),
                bn: norm(),
            }),
        }
    }

    fn forward(&self, maps: Tensor<4>) -> Tensor<4> {
        let residual = match &self.downsample {
            Some(Downsample { conv, bn }) => {
                conv_block(conv, bn, After::default(), maps.clone(), None)
            }
            None => maps.clone(),
        };
        let maps = conv_block(&self.conv1, &self.bn1, RELU, maps, None);
        conv_block(&self.conv2, &self.bn2, RELU, maps, Some(residual))
    }
}

#[cfg(test)]
mod tests {
    use burn::optim::GradientsParams;
    use burn::tensor::Distribution;

    use super::*;

    #[test]
    fn resnet_18_has_the_parameters_of_the_paper() {
        let device = Device::flex();
        let small = ResNetConfig::new(3, 10).init(&device);
        // Burn counts the running means and variances of the 4,800 channels too.
        let running = 2 * 4_800;
        assert_eq!(small.num_params(), 11_173_962 + running);
        let published = ResNetConfig::new(3, 1000).with_stem(Stem::Large);
        assert_eq!(published.init(&device).num_params(), 11_689_512 + running);
    }

    #[test]
    fn every_parameter_of_a_residual_network_learns_from_any_size() {
        let device = Device::flex().autodiff();
        for (stem, side) in [(Stem::Small, 8), (Stem::Large, 33)] {
            let config = ResNetConfig::new(1, 5).with_stem(stem);
            let net = config.with_blocks([1, 1, 1, 1]).init(&device);
            let images = Tensor::random([2, 1, side, side + 3], Distribution::Default, &device);
            let out = net.forward(images);
            assert_eq!(out.dims(), [2, 5]);
            let gradients = GradientsParams::from_grads(out.powi_scalar(2).sum().backward(), &net);
            // Convolution, norm's two, of stem, blocks and three shortcuts; the linear layer's two.
            assert_eq!(gradients.len(), 3 * (1 + 2 * 4 + 3) + 2);
        }
    }
}
