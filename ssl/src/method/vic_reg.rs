use burn::module::Module;
use burn::tensor::{Device, Tensor};
use metric_losses::{VicRegLoss, VicRegLossConfig};

use super::{Method, Now, Outputs, Parts};
use crate::head::HeadConfig;

/// VICReg (Bardes, Ponce, `LeCun`, ICLR 2022, <https://arxiv.org/abs/2105.04906>, algorithm 1): views agree, every column
/// varies, and no two columns say the same. There are no negatives and no teacher.
///
/// ```text
/// ℓ = VicRegLoss(z₁, z₂)
/// ```
/// The head has three layers of 8,192. The variance counts as in the authors' code, half of both views' sum.
#[derive(Module, Debug)]
pub struct VicReg {
    loss: VicRegLoss,
}

impl VicReg {
    /// With the weights of the authors' code: 25, 25 and 1.
    pub fn new(device: &Device) -> Self {
        Self {
            loss: VicRegLossConfig::new().with_mu(12.5).init(device),
        }
    }
}

impl Method for VicReg {
    fn parts(&self, features: usize) -> Parts {
        Parts::new(
            HeadConfig::new(features, 8192)
                .with_layers(3)
                .with_hidden(8192),
        )
    }

    fn loss(&self, views: &Outputs, _now: &mut Now<'_>) -> Tensor<1> {
        let [first, second] = [0, 1].map(|view| views.projected[view].clone());
        self.loss.forward(first, second)
    }
}
