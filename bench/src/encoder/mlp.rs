use burn::config::Config;
use burn::module::Module;
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};

/// Configuration of [`Mlp`].
#[derive(Config, Debug)]
pub struct MlpConfig {
    /// Length of a row.
    pub input_size: usize,
    /// Length of an embedding.
    pub embedding_size: usize,
    /// Units of the hidden layer. Default: `512`.
    #[config(default = 512)]
    pub hidden_size: usize,
}

impl MlpConfig {
    /// A fresh network.
    pub fn init(&self, device: &Device) -> Mlp {
        Mlp {
            hidden: LinearConfig::new(self.input_size, self.hidden_size)
                .with_bias(false)
                .init(device),
            norm: BatchNormConfig::new(self.hidden_size).init(device),
            head: LinearConfig::new(self.hidden_size, self.embedding_size).init(device),
        }
    }
}

/// One hidden layer with batch norm and ReLU, then a linear layer.
#[derive(Module, Debug)]
pub struct Mlp {
    hidden: Linear,
    norm: BatchNorm,
    head: Linear,
}

impl Mlp {
    /// # Shapes
    /// - `rows`: `[n, input_size]`
    /// - output: `[n, embedding_size]`
    pub fn forward(&self, rows: Tensor<2>) -> Tensor<2> {
        self.head.forward(self.features(rows))
    }

    /// The hidden units.
    ///
    /// # Shapes
    /// - `rows`: `[n, input_size]`
    /// - output: `[n, hidden_size]`
    pub fn features(&self, rows: Tensor<2>) -> Tensor<2> {
        relu(self.norm.forward(self.hidden.forward(rows)))
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
