use burn::config::Config;
use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::{Device, Tensor};

use super::conv_block::{After, channels_first, channels_last, conv_block};

/// Channels of the four convolutions.
const CHANNELS: [usize; 4] = [64, 64, 64, 128];
/// Smaller maps are not pooled further.
const SMALLEST_POOLED: usize = 4;

/// Configuration of [`ConvNet`].
#[derive(Config, Debug)]
pub struct ConvNetConfig {
    /// Colour planes.
    pub channels: usize,
    /// Rows of pixels.
    pub height: usize,
    /// Columns of pixels.
    pub width: usize,
    /// Length of an embedding.
    pub embedding_size: usize,
}

impl ConvNetConfig {
    /// A fresh network.
    pub fn init(&self, device: &Device) -> ConvNet {
        let mut channels = self.channels;
        let (mut height, mut width) = (self.height, self.width);
        let blocks = CHANNELS.map(|next| {
            let pooled = height.min(width) >= SMALLEST_POOLED;
            let block = Block::new(channels, next, pooled, device);
            channels = next;
            if pooled {
                (height, width) = (height / 2, width / 2);
            }
            block
        });
        ConvNet {
            blocks: blocks.into(),
            head: LinearConfig::new(channels * height * width, self.embedding_size).init(device),
            height: self.height,
            width: self.width,
        }
    }
}

/// Four 3x3 convolutions (64, 64, 64 and 128 channels), each with batch norm, ReLU and, while the
/// map is at least 4 pixels a side, 2x2 max pooling; then one linear layer.
#[derive(Module, Debug)]
pub struct ConvNet {
    blocks: Vec<Block>,
    head: Linear,
    height: usize,
    width: usize,
}

impl ConvNet {
    /// # Shapes
    /// - `images`: `[n, channels, height · width]`
    /// - output: `[n, embedding_size]`
    ///
    /// # Panics
    /// If the images are not of the configured size.
    pub fn forward(&self, images: Tensor<3>) -> Tensor<2> {
        self.head.forward(self.features(images))
    }

    /// What the last map holds, before the linear layer.
    ///
    /// # Shapes
    /// - `images`: `[n, channels, height · width]`
    /// - output: `[n, feature_size]`, channel by channel
    ///
    /// # Panics
    /// If the images are not of the configured size.
    pub fn features(&self, images: Tensor<3>) -> Tensor<2> {
        let [n, channels, _] = images.dims();
        let mut maps = channels_last(images.reshape([n, channels, self.height, self.width]));
        for block in &self.blocks {
            maps = block.forward(maps);
        }
        channels_first(maps).flatten(1, 3)
    }

    /// Length of a row of [`features`](Self::features).
    pub fn feature_size(&self) -> usize {
        self.head.weight.dims()[0]
    }

    /// The same network with a fresh linear layer to embeddings of this length.
    pub(super) fn with_fresh_head(mut self, embedding_size: usize) -> Self {
        let device = self.head.weight.device();
        self.head = LinearConfig::new(self.feature_size(), embedding_size).init(&device);
        self
    }
}

#[derive(Module, Debug)]
struct Block {
    conv: Conv2d,
    norm: BatchNorm,
    pool: Option<MaxPool2d>,
}

impl Block {
    fn new(channels: usize, next: usize, pooled: bool, device: &Device) -> Self {
        Self {
            // The batch norm that follows has the bias.
            conv: Conv2dConfig::new([channels, next], [3, 3])
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .with_bias(false)
                .init(device),
            norm: BatchNormConfig::new(next).init(device),
            pool: pooled.then(|| MaxPool2dConfig::new([2, 2]).with_strides([2, 2]).init()),
        }
    }

    fn forward(&self, maps: Tensor<4>) -> Tensor<4> {
        let after = After {
            relu: true,
            pool: self.pool.is_some(),
        };
        conv_block(&self.conv, &self.norm, after, maps, None)
    }
}
