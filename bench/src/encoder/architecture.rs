use std::fmt;

use burn::tensor::Device;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::{Body, ConvNetConfig, ResNetConfig, Stem, VisionTransformerConfig};

/// Images up to this side get the small stem of a residual network.
const SMALL_SIDE: usize = 64;

/// A network for images, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
pub enum Architecture {
    /// Four 3x3 convolutions
    #[serde(rename = "conv-net")]
    #[value(name = "conv-net")]
    ConvNet,
    /// A residual network of 18 layers; a 7x7 stem for sides above 64 pixels, else a 3x3 one
    #[serde(rename = "resnet-18")]
    #[value(name = "resnet-18")]
    ResNet18,
    /// One of 50, with bottlenecks
    #[serde(rename = "resnet-50")]
    #[value(name = "resnet-50")]
    ResNet50,
    /// The small vision transformer; patches of an eighth of the side, at most 16 pixels
    #[serde(rename = "vit-s")]
    #[value(name = "vit-s")]
    VitS,
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value();
        f.write_str(value.as_ref().map_or("", |value| value.get_name()))
    }
}

impl Architecture {
    /// A fresh network for images of `channels` planes of `height` x `width` pixels.
    pub(super) fn init(
        self,
        [channels, height, width]: [usize; 3],
        embedding_size: usize,
        device: &Device,
    ) -> Body {
        let stem = if height.max(width) <= SMALL_SIDE {
            Stem::Small
        } else {
            Stem::Large
        };
        let residual = |config: ResNetConfig| Body::Residual(config.with_stem(stem).init(device));
        match self {
            Self::ConvNet => {
                let config = ConvNetConfig::new(channels, height, width, embedding_size);
                Body::Conv(config.init(device))
            }
            Self::ResNet18 => residual(ResNetConfig::new(channels, embedding_size)),
            Self::ResNet50 => residual(ResNetConfig::resnet_50(channels, embedding_size)),
            Self::VitS => {
                let patch = VisionTransformerConfig::patch_for(height, width);
                let config =
                    VisionTransformerConfig::new(channels, height, width, patch, embedding_size);
                Body::Transformer(config.init(device))
            }
        }
    }
}
