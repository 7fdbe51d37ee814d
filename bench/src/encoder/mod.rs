//! Encoders: what turns an image or a feature row into an embedding.

mod conv_block;
mod conv_net;
mod mlp;
mod resnet;

use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use metric_ssl::Backbone;

pub use conv_block::{After, conv_block};
pub use conv_net::{ConvNet, ConvNetConfig};
pub use mlp::{Mlp, MlpConfig};
pub use resnet::{ResNet, ResNetConfig, Stem};

/// What one input row means.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum InputShape {
    /// An image, channel by channel and row by row, values from 0 to 1.
    Image {
        /// Colour planes: 1 or 3.
        channels: usize,
        /// Rows of pixels.
        height: usize,
        /// Columns of pixels.
        width: usize,
    },
    /// A plain vector.
    Features {
        /// Its length.
        dim: usize,
    },
}

impl InputShape {
    /// Length of a row.
    pub fn len(self) -> usize {
        match self {
            Self::Image {
                channels,
                height,
                width,
            } => channels * height * width,
            Self::Features { dim } => dim,
        }
    }

    /// Whether a row has no entry.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Groups of entries standardized together: the channels of an image, each feature alone.
    pub fn groups(self) -> usize {
        match self {
            Self::Image { channels, .. } => channels,
            Self::Features { dim } => dim,
        }
    }
}

/// Configuration of [`Encoder`].
#[derive(Config, Debug)]
pub struct EncoderConfig {
    /// What a row is: images get a [`ConvNet`], features an [`Mlp`].
    pub input: InputShape,
    /// Length of an embedding. Default: `128`.
    #[config(default = 128)]
    pub embedding_size: usize,
}

impl EncoderConfig {
    /// A fresh encoder that standardizes with mean 0 and deviation 1.
    pub fn init(&self, device: &Device) -> Encoder {
        let groups = self.input.groups();
        let constant = |tensor| Param::from_tensor(tensor).set_require_grad(false);
        Encoder {
            mean: constant(Tensor::zeros([groups], device)),
            deviation: constant(Tensor::ones([groups], device)),
            body: match self.input {
                InputShape::Image {
                    channels,
                    height,
                    width,
                } => {
                    let config = ConvNetConfig::new(channels, height, width, self.embedding_size);
                    Body::Conv(config.init(device))
                }
                InputShape::Features { dim } => {
                    Body::Mlp(MlpConfig::new(dim, self.embedding_size).init(device))
                }
            },
        }
    }
}

/// An encoder with the standardization of its inputs; both are saved in its record.
#[derive(Module, Debug)]
pub struct Encoder {
    mean: Param<Tensor<1>>,
    deviation: Param<Tensor<1>>,
    body: Body,
}

#[expect(clippy::large_enum_variant, reason = "a model has one")]
#[derive(Module, Debug)]
enum Body {
    Conv(ConvNet),
    Mlp(Mlp),
}

impl Encoder {
    /// The same encoder with its inputs standardized: `(x − mean) / deviation`, one number of each
    /// a [group](InputShape::groups) of entries.
    ///
    /// # Panics
    /// If there are not as many numbers as groups.
    pub fn standardized_by(mut self, mean: &[f32], deviation: &[f32]) -> Self {
        let set = |param: Param<Tensor<1>>, values: &[f32]| {
            assert_eq!(
                param.dims(),
                [values.len()],
                "one number a group of entries"
            );
            param.map(|old| Tensor::from_floats(values, &old.device()))
        };
        self.mean = set(self.mean, mean);
        self.deviation = set(self.deviation, deviation);
        self
    }

    /// # Shapes
    /// - `rows`: `[n, len]`
    /// - output: `[n, embedding_size]`, not normalized
    ///
    /// # Panics
    /// If the length of a row is not that of the encoder's input.
    pub fn forward(&self, rows: Tensor<2>) -> Tensor<2> {
        let [n, len] = rows.dims();
        let standard = self.standardized(rows);
        match &self.body {
            Body::Conv(net) => net.forward(standard),
            Body::Mlp(net) => net.forward(standard.reshape([n, len])),
        }
    }

    /// What the network holds before its last, linear layer: what learning without labels learns.
    ///
    /// # Shapes
    /// - `rows`: `[n, len]`
    /// - output: `[n, feature_size]`, not normalized
    ///
    /// # Panics
    /// If the length of a row is not that of the encoder's input.
    pub fn features(&self, rows: Tensor<2>) -> Tensor<2> {
        let [n, len] = rows.dims();
        let standard = self.standardized(rows);
        match &self.body {
            Body::Conv(net) => net.features(standard),
            Body::Mlp(net) => net.features(standard.reshape([n, len])),
        }
    }

    /// Length of a row of [`features`](Self::features).
    pub fn feature_size(&self) -> usize {
        match &self.body {
            Body::Conv(net) => net.feature_size(),
            Body::Mlp(net) => net.feature_size(),
        }
    }

    /// The same encoder with a fresh linear layer to embeddings of this length.
    pub fn with_fresh_head(mut self, embedding_size: usize) -> Self {
        self.body = match self.body {
            Body::Conv(net) => Body::Conv(net.with_fresh_head(embedding_size)),
            Body::Mlp(net) => Body::Mlp(net.with_fresh_head(embedding_size)),
        };
        self
    }

    /// `[n, groups, len / groups]`
    fn standardized(&self, rows: Tensor<2>) -> Tensor<3> {
        let [n, len] = rows.dims();
        let [groups] = self.mean.dims();
        let by_group = rows.reshape([n, groups, len / groups]);
        let mean = self.mean.val().reshape([1, groups, 1]);
        let deviation = self.deviation.val().reshape([1, groups, 1]);
        (by_group - mean) / deviation
    }
}

impl Backbone for Encoder {
    fn features(&self, images: Tensor<4>) -> Tensor<2> {
        Self::features(self, images.flatten(1, 3))
    }
}
