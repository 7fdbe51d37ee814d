use burn::config::Config;
use burn::module::Module;
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use metric_losses::l2_normalize;

/// Batch norm after the last layer of a [`Head`].
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum LastNorm {
    /// None.
    Absent,
    /// With a learned scale and shift.
    Affine,
    /// Without either.
    Plain,
}

/// Configuration of [`Head`].
#[derive(Config, Debug)]
pub struct HeadConfig {
    /// Length of a row that comes in.
    pub input: usize,
    /// Length of a row that goes out; that of the input if there is no layer.
    pub output: usize,
    /// Linear layers; with none the head changes nothing. Default: `2`.
    #[config(default = 2)]
    pub layers: usize,
    /// Width of the hidden layers. Default: `2048`.
    #[config(default = 2048)]
    pub hidden: usize,
    /// Whether batch norm follows each hidden layer. Default: `true`.
    #[config(default = true)]
    pub hidden_norm: bool,
    /// Batch norm after the last layer. Default: [`LastNorm::Absent`].
    #[config(default = "LastNorm::Absent")]
    pub last_norm: LastNorm,
    /// Prototypes after it all, if there are any: what goes out are then the cosines to so many. Default: none.
    #[config(default = "None")]
    pub prototypes: Option<usize>,
}

impl HeadConfig {
    /// A fresh head. A layer that batch norm follows has no bias of its own.
    ///
    /// # Panics
    /// If a width is 0, or if there is no layer and `output` is not `input`.
    pub fn init(&self, device: &Device) -> Head {
        assert!(
            self.input > 0 && self.output > 0 && self.hidden > 0,
            "widths of a head must be above 0: {self}"
        );
        assert!(
            self.layers > 0 || self.input == self.output,
            "a head without layers has output {} for input {}",
            self.output,
            self.input
        );
        let layer = |number: usize| {
            let is_last = number + 1 == self.layers;
            let input = if number == 0 { self.input } else { self.hidden };
            let output = if is_last { self.output } else { self.hidden };
            let norm = match (is_last, self.last_norm) {
                (false, _) => self
                    .hidden_norm
                    .then(|| BatchNormConfig::new(output).init(device)),
                (true, LastNorm::Absent) => None,
                (true, LastNorm::Affine) => Some(BatchNormConfig::new(output).init(device)),
                (true, LastNorm::Plain) => Some(plain(BatchNormConfig::new(output).init(device))),
            };
            Layer {
                linear: LinearConfig::new(input, output)
                    .with_bias(norm.is_none())
                    .init(device),
                norm,
            }
        };
        let prototypes = self.prototypes.map(|count| {
            let fresh = LinearConfig::new(self.output, count).with_bias(false);
            fresh.init(device)
        });
        Head {
            layers: (0..self.layers).map(layer).collect(),
            prototypes,
        }
    }

    /// Length of a row that goes out, prototypes counted.
    pub fn width(&self) -> usize {
        self.prototypes.unwrap_or(self.output)
    }
}

/// Scale 1 and shift 0 for good; statistics go on.
fn plain(mut norm: BatchNorm) -> BatchNorm {
    norm.gamma = norm.gamma.set_require_grad(false);
    norm.beta = norm.beta.set_require_grad(false);
    norm
}

/// What stands on an encoder while it learns without labels, and is thrown away after: linear layers with batch norm and
/// ReLU between them. As a projection head it makes what the loss compares, as a prediction head it predicts a teacher's
/// projection from the student's.
///
/// | | layers | hidden | output | norm after the last |
/// |---|---|---|---|---|
/// | `MoCo` v1, instance discrimination | 1 | | 128 | |
/// | `MoCo` v2 (`hidden_norm` off) | 2 | 2048 | 128 | |
/// | SimCLR | 2 | 2048 | 128 | |
/// | SimCLR v2 | 3 | 2048 | 128 | |
/// | BYOL, both heads | 2 | 4096 | 256 | |
/// | `SimSiam` projection | 3 | 2048 | 2048 | plain |
/// | `SimSiam` prediction | 2 | 512 | 2048 | |
/// | Barlow Twins, VICReg | 3 | 8192 | 8192 | |
/// | DINO, then 65,536 prototypes | 3 | 2048 | 256 | |
#[derive(Module, Debug)]
pub struct Head {
    layers: Vec<Layer>,
    /// A prototype a column, of any length.
    pub(crate) prototypes: Option<Linear>,
}

#[derive(Module, Debug)]
struct Layer {
    linear: Linear,
    norm: Option<BatchNorm>,
}

impl Head {
    /// The same head with these prototypes, of which the directions count.
    ///
    /// # Shapes
    /// - `prototypes`: `[count, output]`
    ///
    /// # Panics
    /// If the head has no prototypes, or others in number or length.
    pub fn with_prototypes(mut self, prototypes: Tensor<2>) -> Self {
        let linear = self.prototypes.as_mut();
        let linear = linear.expect("a head that was configured with prototypes");
        let columns = prototypes.transpose();
        linear.weight = linear.weight.clone().map(|weight| {
            assert_eq!(columns.dims(), weight.dims(), "as many, and as long");
            columns
        });
        self
    }

    /// # Shapes
    /// - `rows`: `[n, input]`
    /// - output: `[n, width]`, not normalized
    pub fn forward(&self, rows: Tensor<2>) -> Tensor<2> {
        let mut x = rows;
        for (number, layer) in self.layers.iter().enumerate() {
            x = layer.linear.forward(x);
            if let Some(norm) = &layer.norm {
                x = norm.forward(x);
            }
            if number + 1 < self.layers.len() {
                x = relu(x);
            }
        }
        match &self.prototypes {
            Some(prototypes) => {
                let directions = l2_normalize(prototypes.weight.val().transpose());
                l2_normalize(x).matmul(directions.transpose())
            }
            None => x,
        }
    }
}
