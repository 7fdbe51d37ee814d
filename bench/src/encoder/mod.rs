//! Encoders: what turns an image or a feature row into an embedding.

mod architecture;
mod conv_block;
mod conv_net;
mod error;
mod mlp;
mod resnet;
mod vit;
mod weights;

use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use metric_ssl::Backbone;

pub use architecture::Architecture;
pub use conv_block::{After, conv_block};
pub use conv_net::{ConvNet, ConvNetConfig};
pub use error::EncoderError;
pub use mlp::{Mlp, MlpConfig};
pub use resnet::{BlockKind, ResNet, ResNetConfig, Stem};
pub use vit::{VisionTransformer, VisionTransformerConfig};
pub use weights::{Loaded, StandardizedBy, Weights};

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
    /// What a row is: images get a network for images, features an [`Mlp`].
    pub input: InputShape,
    /// Length of an embedding. Default: `128`.
    #[config(default = 128)]
    pub embedding_size: usize,
    /// The network for images; `None` takes a [`ConvNet`].
    pub architecture: Option<Architecture>,
}

impl EncoderConfig {
    /// # Errors
    /// [`EncoderError::NotImages`] if a network for images is asked for and the rows are features.
    pub fn validate(&self) -> Result<(), EncoderError> {
        match (self.architecture, self.input) {
            (Some(architecture), InputShape::Features { dim }) => {
                Err(EncoderError::NotImages { architecture, dim })
            }
            _ => Ok(()),
        }
    }

    /// A fresh encoder that standardizes with mean 0 and deviation 1.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, device: &Device) -> Encoder {
        if let Err(error) = self.validate() {
            panic!("{error}");
        }
        let groups = self.input.groups();
        let constant = |tensor| Param::from_tensor(tensor).set_require_grad(false);
        let size = self.embedding_size;
        let (height, width, body) = match self.input {
            InputShape::Image {
                channels,
                height,
                width,
            } => {
                let architecture = self.architecture.unwrap_or(Architecture::ConvNet);
                let body = architecture.init([channels, height, width], size, device);
                (height, width, body)
            }
            InputShape::Features { dim } => {
                (1, 1, Body::Mlp(MlpConfig::new(dim, size).init(device)))
            }
        };
        Encoder {
            mean: constant(Tensor::zeros([groups], device)),
            deviation: constant(Tensor::ones([groups], device)),
            height,
            width,
            body,
        }
    }
}

/// An encoder with the standardization of its inputs; both are saved in its record.
#[derive(Module, Debug)]
pub struct Encoder {
    mean: Param<Tensor<1>>,
    deviation: Param<Tensor<1>>,
    /// Of an image; features are images of one pixel.
    height: usize,
    width: usize,
    body: Body,
}

#[derive(Module, Debug)]
enum Body {
    Conv(ConvNet),
    Mlp(Mlp),
    Residual(ResNet),
    Transformer(VisionTransformer),
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
        let images = self.standardized(rows);
        match &self.body {
            Body::Conv(net) => net.forward(images.flatten(2, 3)),
            Body::Mlp(net) => net.forward(images.flatten(1, 3)),
            Body::Residual(net) => net.forward(images),
            Body::Transformer(net) => net.forward(images),
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
        let images = self.standardized(rows);
        match &self.body {
            Body::Conv(net) => net.features(images.flatten(2, 3)),
            Body::Mlp(net) => net.features(images.flatten(1, 3)),
            Body::Residual(net) => net.features(images),
            Body::Transformer(net) => net.features(images),
        }
    }

    /// Length of a row of [`features`](Self::features).
    pub fn feature_size(&self) -> usize {
        match &self.body {
            Body::Conv(net) => net.feature_size(),
            Body::Mlp(net) => net.feature_size(),
            Body::Residual(net) => net.feature_size(),
            Body::Transformer(net) => net.feature_size(),
        }
    }

    /// The same encoder with a fresh linear layer to embeddings of this length.
    pub fn with_fresh_head(mut self, embedding_size: usize) -> Self {
        self.body = match self.body {
            Body::Conv(net) => Body::Conv(net.with_fresh_head(embedding_size)),
            Body::Mlp(net) => Body::Mlp(net.with_fresh_head(embedding_size)),
            Body::Residual(net) => Body::Residual(net.with_fresh_head(embedding_size)),
            Body::Transformer(net) => Body::Transformer(net.with_fresh_head(embedding_size)),
        };
        self
    }

    /// `[n, groups, height, width]`
    fn standardized(&self, rows: Tensor<2>) -> Tensor<4> {
        let [n, _] = rows.dims();
        let [groups] = self.mean.dims();
        let images = rows.reshape([n, groups, self.height, self.width]);
        let [mean, deviation] =
            [&self.mean, &self.deviation].map(|x| x.val().reshape([1, groups, 1, 1]));
        (images - mean) / deviation
    }
}

impl Backbone for Encoder {
    fn features(&self, images: Tensor<4>) -> Tensor<2> {
        Self::features(self, images.flatten(1, 3))
    }
}
