use burn::config::Config;
use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Initializer, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::{Device, Tensor};

use super::conv_block::{After, channels_first, channels_last, conv_block};

/// Channels of the four stages, in their 3x3 convolutions.
const CHANNELS: [usize; 4] = [64, 128, 256, 512];

/// How an image enters a [`ResNet`].
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum Stem {
    /// A 3x3 convolution, for images of about 32 pixels a side.
    Small,
    /// A 7x7 convolution and 3x3 max pooling, each with stride 2: the paper's, for photographs.
    Large,
}

/// What the blocks of a [`ResNet`] are made of.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum BlockKind {
    /// Two 3x3 convolutions, of a stage's channels.
    Basic,
    /// A 1x1 convolution to a stage's channels, a 3x3 one, and a 1x1 one to four times as many.
    Bottleneck,
}

impl BlockKind {
    /// Channels a block gives, as a multiple of its stage's.
    fn expansion(self) -> usize {
        match self {
            Self::Basic => 1,
            Self::Bottleneck => 4,
        }
    }
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
    /// Default: [`BlockKind::Basic`].
    #[config(default = "BlockKind::Basic")]
    pub kind: BlockKind,
    /// Default: [`Stem::Small`].
    #[config(default = "Stem::Small")]
    pub stem: Stem,
}

impl ResNetConfig {
    /// ResNet-50: 3, 4, 6 and 3 bottlenecks.
    pub fn resnet_50(channels: usize, embedding_size: usize) -> Self {
        Self::new(channels, embedding_size)
            .with_blocks([3, 4, 6, 3])
            .with_kind(BlockKind::Bottleneck)
    }

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
                let to = CHANNELS[i] * self.kind.expansion();
                let from = std::mem::replace(&mut channels, to);
                Block::new(self.kind, [from, CHANNELS[i], to], stride, device)
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
            fc: LinearConfig::new(CHANNELS[3] * self.kind.expansion(), self.embedding_size)
                .init(device),
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

/// A residual network (He, Zhang, Ren and Sun, *Deep Residual Learning for Image Recognition*, CVPR 2016): a stem, four
/// stages of 64, 128, 256 and 512 channels (four times as many after bottlenecks), each but the first at half the
/// resolution of the one before, the mean over all pixels, and one linear layer.
///
/// Its fields are called as in torchvision, whose weights have the same shapes. As there, and unlike in the paper, the
/// stride of a bottleneck is that of its 3x3 convolution ("version 1.5").
///
/// Cost: 1.8 · 10⁹ multiplications an image of 224 pixels a side with the large stem (ResNet-50: 4.1 · 10⁹), 0.56 · 10⁹
/// an image of 32 with the small one.
#[derive(Module, Debug)]
pub struct ResNet {
    conv1: Conv2d,
    bn1: BatchNorm,
    maxpool: Option<MaxPool2d>,
    layer1: Vec<Block>,
    layer2: Vec<Block>,
    layer3: Vec<Block>,
    layer4: Vec<Block>,
    fc: Linear,
}

impl ResNet {
    /// # Shapes
    /// - `images`: `[n, channels, height, width]`, any size
    /// - output: `[n, embedding_size]`
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.fc.forward(self.features(images))
    }

    /// The mean over all pixels of the last maps, before the linear layer.
    ///
    /// # Shapes
    /// - `images`: `[n, channels, height, width]`, any size
    /// - output: `[n, feature_size]`
    pub fn features(&self, images: Tensor<4>) -> Tensor<2> {
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
        pixels.mean_dim(1).reshape([n, channels])
    }

    /// Length of a row of [`features`](Self::features).
    pub fn feature_size(&self) -> usize {
        self.fc.weight.dims()[0]
    }

    /// The same network with a fresh linear layer to embeddings of this length.
    pub(super) fn with_fresh_head(mut self, embedding_size: usize) -> Self {
        let device = self.fc.weight.device();
        self.fc = LinearConfig::new(self.feature_size(), embedding_size).init(&device);
        self
    }
}

const RELU: After = After {
    relu: true,
    pool: false,
};

/// Two or three convolutions and what they add to, which meets a 1x1 convolution where the shape changes.
#[derive(Module, Debug)]
struct Block {
    conv1: Conv2d,
    bn1: BatchNorm,
    conv2: Conv2d,
    bn2: BatchNorm,
    /// With `bn3`, of a bottleneck.
    conv3: Option<Conv2d>,
    bn3: Option<BatchNorm>,
    downsample: Option<Downsample>,
}

#[derive(Module, Debug)]
struct Downsample {
    conv: Conv2d,
    bn: BatchNorm,
}

impl Block {
    /// Channels: of what comes in, within, of what goes out.
    fn new(
        kind: BlockKind,
        [from, within, to]: [usize; 3],
        stride: usize,
        device: &Device,
    ) -> Self {
        let norm = |channels| BatchNormConfig::new(channels).init(device);
        let (conv1, conv2, conv3) = match kind {
            BlockKind::Basic => (
                conv(from, within, 3, stride, device),
                conv(within, to, 3, 1, device),
                None,
            ),
            BlockKind::Bottleneck => (
                conv(from, within, 1, 1, device),
                conv(within, within, 3, stride, device),
                Some(conv(within, to, 1, 1, device)),
            ),
        };
        Self {
            conv1,
            bn1: norm(within),
            conv2,
            bn2: norm(within),
            bn3: conv3.is_some().then(|| norm(to)),
            conv3,
            downsample: (stride > 1 || from != to).then(|| Downsample {
                conv: conv(from, to, 1, stride, device),
                bn: norm(to),
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
        match (&self.conv3, &self.bn3) {
            (Some(conv3), Some(bn3)) => {
                let maps = conv_block(&self.conv2, &self.bn2, RELU, maps, None);
                conv_block(conv3, bn3, RELU, maps, Some(residual))
            }
            _ => conv_block(&self.conv2, &self.bn2, RELU, maps, Some(residual)),
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::optim::GradientsParams;
    use burn::tensor::Distribution;

    use super::*;

    #[test]
    fn networks_have_the_parameters_that_are_published() {
        let device = Device::flex();
        let published = |config: ResNetConfig| {
            let net = config.with_stem(Stem::Large).init(&device);
            (net.num_params(), net.feature_size())
        };
        // Burn counts the running means and variances of the channels too.
        let running = 2 * 4_800;
        let small = ResNetConfig::new(3, 10).init(&device);
        assert_eq!(small.num_params(), 11_173_962 + running);
        let of_18 = published(ResNetConfig::new(3, 1000));
        assert_eq!(of_18, (11_689_512 + running, 512));
        let running = 2 * 26_560;
        let of_50 = published(ResNetConfig::resnet_50(3, 1000));
        assert_eq!(of_50, (25_557_032 + running, 2048));
    }

    #[test]
    fn every_parameter_of_a_residual_network_learns_from_any_size() {
        let device = Device::flex().autodiff();
        let kinds = [(BlockKind::Basic, 2, 3), (BlockKind::Bottleneck, 3, 4)];
        for (stem, side) in [(Stem::Small, 8), (Stem::Large, 33)] {
            for (kind, convolutions, shortcuts) in kinds {
                let config = ResNetConfig::new(1, 5).with_stem(stem).with_kind(kind);
                let net = config.with_blocks([1, 1, 1, 1]).init(&device);
                let images = Tensor::random([2, 1, side, side + 3], Distribution::Default, &device);
                let out = net.forward(images);
                assert_eq!(out.dims(), [2, 5]);
                let loss = out.powi_scalar(2).sum();
                let gradients = GradientsParams::from_grads(loss.backward(), &net);
                // Convolution, norm's two, of stem, blocks and shortcuts; the linear layer's two.
                let of = 3 * (1 + convolutions * 4 + shortcuts) + 2;
                assert_eq!(gradients.len(), of, "{kind:?}");
            }
        }
    }
}
