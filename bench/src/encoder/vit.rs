use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Initializer, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::activation::gelu;
use burn::tensor::module::{attention, linear};
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Device, Tensor};

/// Patches that the shorter side of a small image is cut into.
const PATCHES: usize = 8;
/// Side of the patches of large images.
const LARGEST_PATCH: usize = 16;
/// Of weights, class token and positions.
const INITIALIZER: Initializer = Initializer::Normal {
    mean: 0.0,
    std: 0.02,
};
const EPSILON: f64 = 1e-6;

/// Configuration of [`VisionTransformer`]. Defaults are those of ViT-S.
#[derive(Config, Debug)]
pub struct VisionTransformerConfig {
    /// Colour planes.
    pub channels: usize,
    /// Rows of pixels.
    pub height: usize,
    /// Columns of pixels.
    pub width: usize,
    /// Side of a patch. Pixels below or right of the last whole patch are left out.
    pub patch: usize,
    /// Length of an embedding.
    pub embedding_size: usize,
    /// Length of a token. Default: `384`.
    #[config(default = 384)]
    pub dim: usize,
    /// Layers. Default: `12`.
    #[config(default = 12)]
    pub depth: usize,
    /// Heads of an attention, which divide `dim`. Default: `6`.
    #[config(default = 6)]
    pub heads: usize,
}

impl VisionTransformerConfig {
    /// The side of patches that fits an image: an eighth of its shorter side, and 16 from 128 pixels on.
    pub fn patch_for(height: usize, width: usize) -> usize {
        height.min(width).div_ceil(PATCHES).min(LARGEST_PATCH)
    }

    /// A fresh network: linear weights, class token and positions from the normal distribution of deviation 0.02, biases
    /// zero, the embedding of patches as Burn's convolutions.
    ///
    /// # Panics
    /// If an image has no whole patch, or `heads` does not divide `dim`.
    pub fn init(&self, device: &Device) -> VisionTransformer {
        let (rows, columns) = (self.height / self.patch, self.width / self.patch);
        let dim = self.dim;
        assert!(rows * columns > 0, "an image has at least one patch");
        assert!(dim.is_multiple_of(self.heads), "heads share a token evenly");
        let norm = || LayerNormConfig::new(dim).with_epsilon(EPSILON).init(device);
        let kernel = [self.patch, self.patch];
        VisionTransformer {
            patch_embed: PatchEmbed {
                proj: Conv2dConfig::new([self.channels, dim], kernel)
                    .with_stride(kernel)
                    .init(device),
            },
            cls_token: INITIALIZER.init([1, 1, dim], device),
            pos_embed: INITIALIZER.init([1, 1 + rows * columns, dim], device),
            blocks: (0..self.depth)
                .map(|_| Block {
                    norm1: norm(),
                    attn: Attention {
                        qkv: dense(dim, 3 * dim, device),
                        proj: dense(dim, dim, device),
                        heads: self.heads,
                    },
                    norm2: norm(),
                    mlp: Perceptron {
                        fc1: dense(dim, 4 * dim, device),
                        fc2: dense(4 * dim, dim, device),
                    },
                })
                .collect(),
            norm: norm(),
            head: dense(dim, self.embedding_size, device),
        }
    }
}

fn dense(from: usize, to: usize, device: &Device) -> Linear {
    let config = LinearConfig::new(from, to).with_initializer(INITIALIZER);
    Linear {
        bias: Some(Initializer::Zeros.init([to], device)),
        ..config.init(device)
    }
}

/// A vision transformer (Dosovitskiy et al., *An Image is Worth 16x16 Words*, ICLR 2021,
/// <https://arxiv.org/abs/2010.11929>) of the small size of Touvron et al., *Training data-efficient image transformers*,
/// ICML 2021, <https://arxiv.org/abs/2012.12877>: patches as tokens, a class token before them, learned positions, and
/// layers
///
/// ```text
/// y = x + attention(norm(x))
/// z = y + W₂ gelu(W₁ norm(y) + b₁) + b₂
/// ```
///
/// with four times as many hidden units as a token has entries. The features are the class token after a last norm; one
/// linear layer makes embeddings of them. There is no dropout and no stochastic depth.
///
/// Its fields are called as in timm and in DINO's release, whose weights have the same shapes.
///
/// Cost: for `t` tokens of length `d`, `12 t d² + 2 t² d` multiplications a layer: 4.6 · 10⁹ for ViT-S on an image of 224
/// pixels a side in patches of 16.
#[derive(Module, Debug)]
pub struct VisionTransformer {
    patch_embed: PatchEmbed,
    cls_token: Param<Tensor<3>>,
    pos_embed: Param<Tensor<3>>,
    blocks: Vec<Block>,
    norm: LayerNorm,
    head: Linear,
}

impl VisionTransformer {
    /// # Shapes
    /// - `images`: `[n, channels, height, width]`
    /// - output: `[n, embedding_size]`
    ///
    /// # Panics
    /// If the images do not have as many patches as configured.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.head.forward(self.features(images))
    }

    /// The class token after the last norm.
    ///
    /// # Shapes
    /// - `images`: `[n, channels, height, width]`
    /// - output: `[n, dim]`
    ///
    /// # Panics
    /// If the images do not have as many patches as configured.
    pub fn features(&self, images: Tensor<4>) -> Tensor<2> {
        let [n, ..] = images.dims();
        let [_, _, dim] = self.cls_token.dims();
        let patches = self.patch_embed.forward(images);
        let class = self.cls_token.val().expand([n, 1, dim]);
        let mut tokens = Tensor::cat(vec![class, patches], 1) + self.pos_embed.val();
        for block in &self.blocks {
            tokens = block.forward(tokens);
        }
        self.norm.forward(tokens.narrow(1, 0, 1).reshape([n, dim]))
    }

    /// Length of a row of [`features`](Self::features).
    pub fn feature_size(&self) -> usize {
        self.head.weight.dims()[0]
    }

    /// The same network with a fresh linear layer to embeddings of this length.
    pub(super) fn with_fresh_head(mut self, embedding_size: usize) -> Self {
        let device = self.head.weight.device();
        self.head = dense(self.feature_size(), embedding_size, &device);
        self
    }
}

#[derive(Module, Debug)]
struct PatchEmbed {
    proj: Conv2d,
}

impl PatchEmbed {
    /// Patches row by row, `[n, patches, dim]`: a convolution whose kernels do not overlap is one product of matrices.
    fn forward(&self, images: Tensor<4>) -> Tensor<3> {
        let [n, channels, height, width] = images.dims();
        let [_, _, patch, _] = self.proj.weight.dims();
        let (rows, columns) = (height / patch, width / patch);
        let whole = images
            .narrow(2, 0, rows * patch)
            .narrow(3, 0, columns * patch);
        let patches = whole
            .reshape([n, channels, rows, patch, columns, patch])
            .permute([0, 2, 4, 1, 3, 5])
            .reshape([n, rows * columns, channels * patch * patch]);
        let weight = self.proj.weight.val().flatten::<2>(1, 3).transpose();
        let bias = self.proj.bias.as_ref().map(|bias| bias.val());
        linear(patches, weight, bias)
    }
}

#[derive(Module, Debug)]
struct Block {
    norm1: LayerNorm,
    attn: Attention,
    norm2: LayerNorm,
    mlp: Perceptron,
}

impl Block {
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let x = x.clone() + self.attn.forward(self.norm1.forward(x));
        x.clone() + self.mlp.forward(self.norm2.forward(x))
    }
}

/// Attention whose queries, keys and values come from one matrix; Burn's own module has three.
#[derive(Module, Debug)]
struct Attention {
    qkv: Linear,
    proj: Linear,
    heads: usize,
}

impl Attention {
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [n, tokens, dim] = x.dims();
        let of_head = dim / self.heads;
        let qkv = self.qkv.forward(x);
        let qkv = qkv.reshape([n, tokens, 3, self.heads, of_head]);
        let qkv = qkv.permute([2, 0, 3, 1, 4]);
        let [query, key, value] = [0, 1, 2].map(|i| {
            let one = qkv.clone().narrow(0, i, 1);
            one.reshape([n, self.heads, tokens, of_head])
        });
        let options = AttentionModuleOptions::default();
        let seen = attention(query, key, value, None, None, options);
        let together = seen.swap_dims(1, 2).reshape([n, tokens, dim]);
        self.proj.forward(together)
    }
}

#[derive(Module, Debug)]
struct Perceptron {
    fc1: Linear,
    fc2: Linear,
}

impl Perceptron {
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        self.fc2.forward(gelu(self.fc1.forward(x)))
    }
}

#[cfg(test)]
mod tests {
    use burn::optim::GradientsParams;
    use burn::tensor::Distribution;

    use super::*;

    #[test]
    fn vit_s_has_the_parameters_that_are_published() {
        let config = VisionTransformerConfig::new(3, 224, 224, 16, 10);
        let net = config.init(&Device::flex());
        let head = 384 * 10 + 10;
        assert_eq!(net.num_params() - head, 21_665_664);
        assert_eq!(net.feature_size(), 384);
    }

    #[test]
    fn an_image_has_about_eight_patches_a_side_and_large_ones_patches_of_16() {
        let patch_for = VisionTransformerConfig::patch_for;
        let sides = [1, 8, 28, 32, 64, 96, 128, 224, 512];
        assert_eq!(
            sides.map(|side| patch_for(side, 600)),
            [1, 1, 4, 4, 8, 12, 16, 16, 16]
        );
    }

    #[test]
    fn every_parameter_of_a_vision_transformer_learns() {
        let device = Device::flex().autodiff();
        let config = VisionTransformerConfig::new(2, 9, 6, 3, 5).with_dim(12);
        let net = config.with_depth(2).with_heads(3).init(&device);
        let images = Tensor::random([2, 2, 9, 6], Distribution::Default, &device);
        let out = net.forward(images);
        assert_eq!(out.dims(), [2, 5]);
        let loss = out.powi_scalar(2).sum();
        let gradients = GradientsParams::from_grads(loss.backward(), &net);
        // Patches' two, class token, positions; of a layer two norms and four linear layers; norm and head.
        assert_eq!(gradients.len(), 4 + 2 * 2 * (2 + 4) + 4);
    }
}
